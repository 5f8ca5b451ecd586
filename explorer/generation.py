"""Draws the cells of a plan: pictures go to storage, events to whoever follows."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from explorer.compute import Tell
from explorer.errors import Cancelled, ModelError
from explorer.events import Failed, ImageDone, Notice, Progress
from explorer.pipelines import LoadedModel, OutOfMemory, PipelineManager, Placement, library_versions
from explorer.plans import Cell, Plan
from explorer.storage import Storage
from explorer.types import Model, Recipe

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(slots=True)
class Pace:
    """Time left, from what was measured in this run. Loading a model is not counted."""

    done: int = 0
    drawn: int = 0
    seconds: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Drawing begins now."""
        self._since = time.monotonic()

    def finished(self, pictures: int) -> None:
        """A batch is whole."""
        self.done += pictures
        self.drawn += pictures
        self.seconds += time.monotonic() - self._since

    def seconds_left(self, remaining: int) -> float | None:
        """Seconds for this many more pictures; None before the first one."""
        return self.seconds / self.drawn * remaining if self.drawn else None


@dataclass(slots=True)
class Generation:
    """One execution of a plan. Everything it does is told through `tell`."""

    plan: Plan
    pipelines: PipelineManager
    storage: Storage
    stop: Callable[[], bool]
    """Asked after every denoising step."""
    tell: Tell
    _pace: Pace = field(default_factory=Pace)
    _versions: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Draw what is missing.

        Raises:
            Cancelled: The person stopped it; finished pictures stay.
            DiskFull: Nothing more can be written; finished pictures stay.
        """
        cells = self.plan.cells
        existing = self.storage.find_cells([cell.recipe for cell in cells])
        for image in existing.values():
            self.tell(ImageDone(image, new=False))
        self._pace.done = len(existing)
        self._progress(f"{len(existing)} of {len(cells)} pictures were there already")
        missing = [cell for cell in cells if cell.key not in existing]
        if not missing:
            return
        self._versions = library_versions()
        for model, group in groupby(missing, key=lambda cell: cell.model):
            self._draw_model(model, list(group))

    def _draw_model(self, model: Model, cells: list[Cell]) -> None:
        self._stop_if_asked()
        self._progress(f"loading {model.name}")
        try:
            with self.pipelines.borrow(model) as loaded:
                self._notice_long_prompts(loaded, cells)
                first = cells[0].recipe
                size = self.plan.request.batch_size or self.pipelines.batch_size(first.width, first.height)
                for batch in batches(cells, size):
                    self._draw_batch(loaded, batch)
        except ModelError as error:
            self._fail(cells, error)  # a bad model fails alone; the next one goes on

    def _draw_batch(self, loaded: LoadedModel, batch: list[Cell]) -> None:
        self._stop_if_asked()
        self._pace.start()
        recipes = [cell.recipe for cell in batch]
        message = f"drawing {recipes[0].model}: {recipes[0].prompt[:60]}"

        def on_step(step: int, steps: int) -> None:
            self._stop_if_asked()
            self._progress(message, step, steps)

        try:
            pictures = loaded.draw(recipes, self.plan.request.sampling.sampler, on_step)
        except OutOfMemory as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            half = len(batch) // 2
            self._draw_batch(loaded, batch[:half])
            self._draw_batch(loaded, batch[half:])
            return
        except ModelError as error:
            self._fail(batch, error)
            return
        self._keep(pictures, recipes, loaded.placement)
        self._progress(message)

    def _keep(self, pictures: Sequence["Picture"], recipes: Sequence[Recipe], placement: Placement) -> None:
        for picture, recipe in zip(pictures, recipes, strict=True):
            placed = replace(
                recipe,
                batch_size=len(recipes),
                precision=placement.precision,
                device=placement.device,
                versions=self._versions,
            )
            self.tell(ImageDone(self.storage.save_image(picture, placed), new=True))
        self._pace.finished(len(recipes))

    def _fail(self, cells: Sequence[Cell], error: ModelError) -> None:
        self._pace.done += len(cells)
        for cell in cells:
            self.tell(Failed(cell.key, cell.label, str(error)))
        self._progress("")

    def _notice_long_prompts(self, loaded: LoadedModel, cells: Sequence[Cell]) -> None:
        texts = dict.fromkeys(cell.recipe.prompt for cell in cells)
        cut = [text for text in texts if loaded.cut_prompt(text)]
        if cut:
            prompts = "1 long prompt" if len(cut) == 1 else f"{len(cut)} long prompts"
            model = cells[0].recipe.model
            self.tell(Notice(f"{model} reads only the beginning of {prompts}: “{cut[0][:60]}…”"))

    def _progress(self, message: str, step: int = 0, steps: int = 0) -> None:
        done, total = self._pace.done, len(self.plan.cells)
        left = self._pace.seconds_left(total - done)
        self.tell(Progress(done, total, message, left, step, steps))

    def _stop_if_asked(self) -> None:
        if self.stop():
            raise Cancelled("Stopped. What was finished is kept; starting again continues.")


def batches(cells: Iterable[Cell], size: int) -> Iterator[list[Cell]]:
    """Cells that differ in their seed only, at most `size` together."""
    same = ("prompt", "negative")
    for _, group in groupby(cells, key=lambda cell: [getattr(cell.recipe, name) for name in same]):
        seeds = list(group)
        yield from (seeds[start : start + size] for start in range(0, len(seeds), size))
