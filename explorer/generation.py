"""Draws the cells of a plan: pictures go to storage, events to whoever follows."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from explorer.compute import Tell
from explorer.drawing import LoadedModel, OutOfMemory
from explorer.errors import Cancelled, ModelError
from explorer.events import Failed, ImageDone, Notice, Progress
from explorer.pipelines import PipelineManager, library_versions
from explorer.placement import Placement
from explorer.plans import Cell, Plan
from explorer.storage import Storage
from explorer.types import Checkpoint, Model, Recipe

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
    _together: int = 1
    """How many pictures of the model in hand are drawn as one batch."""

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
        for model, group in groupby(dearest_first(missing), key=lambda cell: cell.model):
            self._draw_model(model, list(group))

    def _draw_model(self, model: Model, cells: list[Cell]) -> None:
        self._stop_if_asked()
        self._progress(f"loading {model.name}")
        try:
            with self.pipelines.borrow(model, self._stop_if_asked) as loaded:
                for text in loaded.notices([cell.recipe for cell in cells]):
                    self.tell(Notice(text))
                first = cells[0].recipe
                self._together = self.plan.request.batch_size or self.pipelines.batch_size(
                    first.width, first.height
                )
                for batch in batches(cells, lambda: self._together):
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
            pictures = loaded.draw(recipes, recipes[0].sampler, on_step)
        except OutOfMemory as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            # The next batches are smaller from the start: trying is half the work.
            self._together = half = len(batch) // 2
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
                placement=str(placement),
                versions=self._versions,
            )
            self.tell(ImageDone(self.storage.save_image(picture, placed), new=True))
        self._pace.finished(len(recipes))

    def _fail(self, cells: Sequence[Cell], error: ModelError) -> None:
        self._pace.done += len(cells)
        for cell in cells:
            self.tell(Failed(cell.key, cell.label, str(error)))
        self._progress("")

    def _progress(self, message: str, step: int = 0, steps: int = 0) -> None:
        done, total = self._pace.done, len(self.plan.cells)
        left = self._pace.seconds_left(total - done)
        self.tell(Progress(done, total, message, left, step, steps))

    def _stop_if_asked(self) -> None:
        if self.stop():
            raise Cancelled("Stopped. What was finished is kept; starting again continues.")


def dearest_first(cells: Iterable[Cell]) -> list[Cell]:
    """The same cells, all of one checkpoint together: loading it is the dearest step.

    Checkpoints keep the order in which they first appear; so do the cells of each.
    """
    groups: dict[Checkpoint, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.model.checkpoint, []).append(cell)
    return [cell for group in groups.values() for cell in group]


def batches(cells: Iterable[Cell], size: Callable[[], int]) -> Iterator[list[Cell]]:
    """Cells that differ in their seed only, at most `size()` together, asked each time."""
    same = ("prompt", "negative")
    for _, group in groupby(cells, key=lambda cell: [getattr(cell.recipe, name) for name in same]):
        seeds = list(group)
        while seeds:
            together = size()
            yield seeds[:together]
            seeds = seeds[together:]
