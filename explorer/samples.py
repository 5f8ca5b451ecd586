"""Pictures as samples for the metrics: with what their suite and the workspace know of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import metrics
from explorer.errors import SuiteError, UnknownName
from explorer.reference_pictures import ReferencePictures
from explorer.suites import SuiteLibrary
from explorer.types import Image, Prompt, Recipe


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """Looks up once a prompt what belongs to it."""

    references: ReferencePictures
    suites: SuiteLibrary
    questions: metrics.QuestionStore | None = None
    """Sets that a language model wrote; they stand in where the suite asks nothing."""

    def samples(self, images: Iterable[Image]) -> list[metrics.Sample]:
        """One sample a picture; copies of a picture are one."""
        references: dict[tuple[str, str], tuple[Path, ...]] = {}
        suites: dict[str, dict[str, Prompt]] = {}
        stored: dict[str, metrics.QuestionSet] = {}
        found = []
        for image in {image.id: image for image in images}.values():
            recipe = image.recipe
            prompt = recipe.suite, recipe.prompt_id
            if prompt not in references:
                references[prompt] = self.references.of(*prompt)
            entry = self._entry(recipe, suites)
            if recipe.prompt not in stored:
                stored[recipe.prompt] = self._stored(recipe.prompt)
            own = entry.questions if entry else ()
            asked = metrics.QuestionSet(own, "") if own else stored[recipe.prompt]
            found.append(
                metrics.Sample(
                    key=image.id,
                    path=image.path,
                    prompt=recipe.prompt,
                    image_hash=image.id,
                    model=recipe.model,
                    seed=recipe.seed,
                    references=references[prompt],
                    questions=asked.questions,
                    questions_by=asked.origin,
                    scene=entry.scene if entry else None,
                )
            )
        return found

    def _stored(self, text: str) -> metrics.QuestionSet:
        """What a language model wrote, and which; empty: the metrics find questions."""
        key = metrics.prompt_key(text)
        questions = self.questions.get(key) if self.questions and text else None
        if not self.questions or not questions:
            return metrics.QuestionSet((), "")
        return metrics.QuestionSet(questions, self.questions.writer(key))

    def _entry(self, recipe: Recipe, known: dict[str, dict[str, Prompt]]) -> Prompt | None:
        """The prompt in its suite as it is now; None where it is gone or its text has changed."""
        if recipe.suite not in known:
            known[recipe.suite] = self._prompts(recipe.suite)
        entry = known[recipe.suite].get(recipe.prompt_id)
        return entry if entry and entry.text == recipe.prompt else None

    def _prompts(self, suite: str) -> dict[str, Prompt]:
        """The prompts of a suite by id; none where the suite cannot be read any more."""
        try:
            # A recipe is a file of anybody: it names a suite of the library, never a path.
            prompts = self.suites.get(suite).prompts if suite and not {"/", "\\"} & set(suite) else ()
        except (SuiteError, UnknownName):
            return {}
        return {prompt.id: prompt for prompt in prompts}
