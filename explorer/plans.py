"""A plan: the set of cells (model, prompt, seed, settings) that a request asks for.

Every cell has a key made of everything that decides its picture and nothing else, so what
exists is skipped. Resuming, adding a model or a seed and recovering from a crash are all
this one mechanism. The dearest axis is outermost: model, then prompt, then seeds.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explorer.checkpoints import content_hash
from explorer.errors import InvalidRequest, UnknownName
from explorer.library import ModelLibrary
from explorer.model_settings import (
    added_words,
    check_fit,
    check_settings,
    check_usable,
    settings_of,
    unusable,
)
from explorer.requests import GenerateRequest
from explorer.suites import SuiteLibrary, custom_suite
from explorer.types import Model, Prompt, Recipe, Suite

MAX_CELLS = 1_000_000
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture to draw. The recipe lacks only what the drawing itself decides."""

    model: Model
    recipe: Recipe

    @property
    def key(self) -> str:
        """Identity of the cell."""
        return self.recipe.cell

    @property
    def label(self) -> str:
        """For people: which picture is meant."""
        return f"{self.recipe.model}, {self.recipe.prompt_id}, seed {self.recipe.seed}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request asks for, checked and spelled out."""

    request: GenerateRequest
    models: tuple[Model, ...]
    suite: Suite
    cells: tuple[Cell, ...]
    gone: tuple[tuple[str, str], ...] = ()
    """Models that were there when it was asked for, with what is known of them now."""

    @property
    def run(self) -> str:
        """Id of the run: the same cells are the same run."""
        return digest(sorted(cell.key for cell in self.cells))[:16]

    @property
    def title(self) -> str:
        """For people: what is being made."""
        names = [model.name for model in self.models]
        shown = " vs ".join(names) if len(names) <= 3 else f"{len(names)} models"
        prompts = len({cell.recipe.prompt_id for cell in self.cells})
        return f"{shown} on {self.suite.name} ({prompts} prompts, {self.request.seeds} seeds)"


@dataclass(frozen=True, slots=True)
class Planner:
    """Turns requests into plans; knows where models and suites are."""

    models: ModelLibrary
    suites: SuiteLibrary
    file_hash: Callable[[Path], str]

    def check(self, request: GenerateRequest) -> tuple[tuple[Model, ...], Suite]:
        """Check everything about a request that needs no file hash, as it is submitted.

        Raises:
            InvalidRequest: Something cannot be done, or a model cannot be used; says what to change.
        """
        models, suite = self._read(request)
        check_usable(models)
        return models, suite

    def _read(self, request: GenerateRequest) -> tuple[tuple[Model, ...], Suite]:
        check_settings(request)
        if not request.models:
            raise InvalidRequest("Choose at least one model.")
        if request.seeds < 1:
            raise InvalidRequest(f"The number of seeds must be 1 or more, not {request.seeds}.")
        if not 0 <= request.first_seed <= MAX_SEED - request.seeds:
            raise InvalidRequest(f"Seeds must lie between 0 and {MAX_SEED}.")
        if request.batch_size is not None and request.batch_size < 1:
            raise InvalidRequest(f"The batch size must be 1 or more, not {request.batch_size}.")
        models = tuple(dict.fromkeys(self.models.resolve(name) for name in request.models))
        for model in models:
            check_fit(request, model)
        suite = self._suite(request)
        cells = count_cells(request, models, suite)
        if cells > MAX_CELLS:
            raise InvalidRequest(f"This plan has {cells:,} pictures; at most {MAX_CELLS:,} fit one run.")
        return models, suite

    def plan_later(self, request: GenerateRequest) -> Plan:
        """The plan of a request whose turn has come: of several models, one that is gone fails alone.

        Raises:
            InvalidRequest: Something cannot be done, or none of the models can be used.
        """
        there, gone = [], []
        for name in request.models:
            try:
                self.models.resolve(name)
                there.append(name)
            except UnknownName as error:
                gone.append((name, str(error)))
        if not there:
            return self.plan(request)  # says what is wrong
        return replace(self.plan(replace(request, models=tuple(there))), gone=tuple(gone))

    def plan(self, request: GenerateRequest) -> Plan:
        """Spell out every cell. Reads model files that were never hashed before.

        Raises:
            InvalidRequest: Something cannot be done, or none of the models can be used.
        """
        models, suite = self._read(request)
        # A job plans when its turn comes: of several models, one that has gone bad since it
        # was submitted fails alone, while it is drawn.
        if all(unusable(model) for model in models):
            check_usable(models)
        names: dict[str, str] = {}
        cells: dict[str, Cell] = {}
        for model in models:
            for recipe in self._recipes(request, model, suite):
                # Equal texts in a suite are one cell and drawn once.
                cells.setdefault(recipe.cell, Cell(model, recipe))
            same = names.setdefault(recipe.model_hash, model.name)
            if same != model.name:
                raise InvalidRequest(f"{same} and {model.name} are the same model: their files are equal.")
        return Plan(request, models, suite, tuple(cells.values()))

    def _suite(self, request: GenerateRequest) -> Suite:
        if request.prompts:
            return custom_suite(request.prompts)
        if not request.suite:
            raise InvalidRequest("Choose a prompt suite, or write prompts of your own.")
        suite = self.suites.get(request.suite)
        known = {prompt.category for prompt in suite.prompts}
        for category in request.categories:
            if category not in known:
                raise UnknownName("category", category, known)
        if not request.categories:
            return suite
        kept = tuple(prompt for prompt in suite.prompts if prompt.category in request.categories)
        return replace(suite, prompts=kept)

    def _recipes(self, request: GenerateRequest, model: Model, suite: Suite) -> list[Recipe]:
        checkpoint_hash = content_hash(model.checkpoint, self.file_hash)
        loras = tuple((w.lora.name, self.file_hash(w.lora.path), w.weight) for w in model.loras)
        blocks = tuple(weighted.blocks for weighted in model.loras)
        # Weights per block count only where there are any: pictures drawn before they existed stay found.
        carried = [(h, w, *([b] if b else [])) for (_, h, w), b in zip(loras, blocks, strict=True)]
        model_hash = digest([checkpoint_hash, sorted(carried)])
        sampling = settings_of(request, model)
        shared: dict[str, Any] = {
            "model": model.name,
            "model_hash": model_hash,
            "checkpoint_hash": checkpoint_hash,
            "loras": loras,
            "lora_blocks": blocks if any(blocks) else (),
            "sampler": sampling.sampler,
            "steps": sampling.steps,
            "guidance": sampling.guidance,
            "clip_skip": sampling.clip_skip,
            "long_prompts": sampling.long_prompts,
            "weighting": sampling.weighting,
            "trigger_words": added_words(request, model),
            "width": sampling.width,
            "height": sampling.height,
            "suite": suite.id,
        }
        seeds = range(request.first_seed, request.first_seed + request.seeds)
        return [
            recipe
            for prompt in suite.prompts
            for recipe in _prompt_recipes(shared, prompt, prompt.negative or request.negative, seeds)
        ]


def count_cells(request: GenerateRequest, models: Sequence[Model], suite: Suite) -> int:
    """How many pictures a checked request asks for; equal texts count once."""
    return len(models) * len({prompt.text for prompt in suite.prompts}) * request.seeds


def digest(parts: Any) -> str:
    """SHA-256 of a JSON-plain value in one fixed spelling."""
    return hashlib.sha256(_spelled(parts).encode()).hexdigest()


def _spelled(parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _prompt_recipes(
    shared: dict[str, Any], prompt: Prompt, negative: str, seeds: Iterable[int]
) -> Iterator[Recipe]:
    decides = ("model_hash", "sampler", "steps", "guidance", "width", "height")
    parts = {name: shared[name] for name in decides} | {"p": prompt.text, "n": negative}
    # Only what was chosen is part of the key: pictures drawn before these settings existed stay found.
    usual = {"clip_skip": 1, "long_prompts": False, "weighting": False, "trigger_words": ""}
    parts |= {name: shared[name] for name, value in usual.items() if shared[name] != value}
    # The digest of all parts with the seed as "s" among them. Many seeds share the spelling on
    # both sides of it, and spelling is what takes time.
    before = _spelled({name: value for name, value in parts.items() if name < "s"})[:-1]
    behind = _spelled({name: value for name, value in parts.items() if name > "s"})[1:]
    for seed in seeds:
        yield Recipe(
            prompt=prompt.text,
            negative=negative,
            seed=seed,
            prompt_id=prompt.id,
            category=prompt.category,
            difficulty=prompt.difficulty,
            cell=hashlib.sha256(f'{before},"s":{seed},{behind}'.encode()).hexdigest(),
            **shared,
        )
