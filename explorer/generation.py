"""Draws the cells of a plan: pictures go to storage, events to whoever follows."""

import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from explorer.compute import Tell
from explorer.drawing import LoadedModel, OutOfMemory
from explorer.errors import Cancelled, ModelError
from explorer.estimates import Forecast
from explorer.events import Failed, ImageDone, Notice, Progress
from explorer.pipelines import PipelineManager, library_versions
from explorer.placement import Placement
from explorer.plans import Cell, Plan
from explorer.storage import Storage
from explorer.types import Checkpoint, Model
from explorer.work_store import DEADLY, LOAD_MARK

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

IN_VAIN = 3
"""So many batches of a model in a row must fail before the rest of it is not tried."""
_DEADLY_PICTURE = (
    f"The program ended {DEADLY} times while it drew this picture, so it was set aside. "
    "Retry it with a smaller size, or after an update."
)
_DEADLY_MODEL = (
    f"The program ended {DEADLY} times while it loaded {{name}}, so this model was set aside: it may not fit "
    "into memory. Close other programs and retry."
)
_BLACK = "{name} drew a black picture: a safety filter, or numbers that went wrong on the way. "
_BLACK += "Try EXPLORER_PRECISION=float32."


@dataclass(slots=True)
class Generation:
    """One execution of a plan. Everything it does is told through `tell`."""

    plan: Plan
    pipelines: PipelineManager
    storage: Storage
    stop: Callable[[], bool]
    """Asked after every denoising step."""
    tell: Tell
    _done: int = 0
    _settled: set[str] = field(default_factory=set)
    """Cells of the model in hand that have their picture, or a reason why not."""
    _forecast: Forecast = field(default_factory=Forecast)
    _versions: dict[str, str] = field(default_factory=dict)
    _together: int = 1
    """How many pictures of the model in hand are drawn as one batch."""
    _in_vain: int = 0
    """How many batches of the model in hand failed since one succeeded."""

    def run(self) -> None:
        """Draw what is missing.

        Raises:
            Cancelled: The person stopped it; finished pictures stay.
            DiskFull: Nothing more can be written; finished pictures stay.
        """
        cells = self.plan.cells
        for name, reason in self.plan.gone:
            self.tell(Failed(f"gone:{name}", f"every picture of {name}", reason))
        existing = self.storage.find_cells([cell.recipe for cell in cells])
        for image in existing.values():
            self.tell(ImageDone(image, new=False))
        self._done = len(existing)
        missing = [cell for cell in cells if cell.key not in existing]
        there = f"{len(existing)} of {len(cells)} pictures were there already"
        if not missing:
            self._progress(there)
            return
        self._versions = library_versions()
        device, work = self.pipelines.placement().device, self.storage.work
        self._forecast.begin([cell.recipe for cell in missing], work.timings(device))
        self._progress(there)
        try:
            for model, group in groupby(dearest_first(missing), key=lambda cell: cell.model):
                self._draw_model(model, self._without_deadly(list(group)))
        finally:
            work.keep_timings(device, self._forecast.measured)

    def _without_deadly(self, cells: list[Cell]) -> list[Cell]:
        """Set aside what killed the program before; what may have is put last and drawn alone."""
        load = LOAD_MARK + cells[0].recipe.model_hash
        deaths = self.storage.work.deaths([load, *(cell.key for cell in cells)])
        if deaths.get(load, 0) >= DEADLY:
            self._fail(cells, ModelError(_DEADLY_MODEL.format(name=cells[0].recipe.model)))
            return []
        deadly = {key for key, count in deaths.items() if count >= DEADLY}
        if deadly:
            self._fail([cell for cell in cells if cell.key in deadly], ModelError(_DEADLY_PICTURE))
        rest = (cell for cell in cells if cell.key not in deadly)
        return sorted(rest, key=lambda cell: cell.key in deaths)

    def _draw_model(self, model: Model, cells: list[Cell]) -> None:
        self._stop_if_asked()
        if not cells:
            return
        self._progress(f"loading {model.name}")
        self._in_vain = 0
        self._settled.clear()
        try:
            with ExitStack() as stack:
                loaded = self._load(model, cells, stack)
                first = cells[0].recipe
                self._together = self.plan.request.batch_size or self.pipelines.batch_size(
                    first.width, first.height
                )
                suspected = self.storage.work.deaths(cell.key for cell in cells)
                for batch in batches(cells, lambda: self._together, alone=suspected):
                    self._draw_batch(loaded, batch)
        except ModelError as error:
            # A bad model fails alone; the next one goes on.
            self._fail([cell for cell in cells if cell.key not in self._settled], error)

    def _load(self, model: Model, cells: list[Cell], stack: ExitStack) -> LoadedModel:
        """The model, with the time that loading took measured and what is odd about it told."""
        recipe, began = cells[0].recipe, time.monotonic()
        there = self.pipelines.holds(model.checkpoint)
        with self.storage.work.marked([LOAD_MARK + recipe.model_hash]):
            loaded = stack.enter_context(self.pipelines.borrow(model, self._stop_if_asked))
            if not there:
                self._forecast.loaded(recipe.checkpoint_hash, time.monotonic() - began)
            for text in loaded.notices([cell.recipe for cell in cells]):
                self.tell(Notice(text))
        return loaded

    def _draw_batch(self, loaded: LoadedModel, batch: list[Cell]) -> None:
        self._stop_if_asked()
        recipes = [cell.recipe for cell in batch]
        message = f"drawing {recipes[0].model}: {recipes[0].prompt[:60]}"
        began = time.monotonic()

        def on_step(step: int, steps: int) -> None:
            self._stop_if_asked()
            self._progress(message, step, steps, time.monotonic() - began)

        try:
            with self.storage.work.marked([cell.key for cell in batch]):
                pictures = loaded.draw(recipes, recipes[0].sampler, on_step)
        except OutOfMemory as error:
            if len(batch) == 1:
                self._fail_or_give_up(batch, error)
                return
            # The next batches are smaller from the start: trying is half the work.
            self._together = half = len(batch) // 2
            self._draw_batch(loaded, batch[:half])
            self._draw_batch(loaded, batch[half:])
            return
        except ModelError as error:
            self._fail_or_give_up(batch, error)
            return
        self._forecast.drawn(recipes, time.monotonic() - began)
        self._keep(pictures, batch, loaded.placement)
        self._progress(message)

    def _keep(self, pictures: Sequence["Picture"], batch: Sequence[Cell], placement: Placement) -> None:
        black = [cell for picture, cell in zip(pictures, batch, strict=True) if is_black(picture)]
        for picture, cell in zip(pictures, batch, strict=True):
            if cell in black:
                continue
            placed = replace(
                cell.recipe,
                batch_size=len(batch),
                precision=placement.precision,
                device=placement.device,
                placement=str(placement),
                versions=self._versions,
            )
            self.tell(ImageDone(self.storage.save_image(picture, placed), new=True))
            self._settle([cell])
            self._in_vain = 0
        if black:
            self._fail_or_give_up(black, ModelError(_BLACK.format(name=black[0].recipe.model)), drawn=True)

    def _fail_or_give_up(self, cells: Sequence[Cell], error: ModelError, *, drawn: bool = False) -> None:
        """Fail these cells; after several in a row for one model, its other cells as well.

        Raises:
            ModelError: Too many failed; nothing else of this model is worth the night.
        """
        self._fail(cells, error, drawn=drawn)
        self._in_vain += 1
        if self._in_vain >= IN_VAIN:
            raise ModelError(f"{error} (Not tried: {IN_VAIN} batches of this model failed in a row.)")

    def _fail(self, cells: Sequence[Cell], error: ModelError, *, drawn: bool = False) -> None:
        self._settle(cells)
        if not drawn:
            self._forecast.dropped([cell.recipe for cell in cells])
        for cell in cells:
            self.tell(Failed(cell.key, cell.label, str(error)))
        self._progress("")

    def _settle(self, cells: Sequence[Cell]) -> None:
        self._done += len(cells)
        self._settled.update(cell.key for cell in cells)

    def _progress(self, message: str, step: int = 0, steps: int = 0, elapsed: float = 0.0) -> None:
        left = self._forecast.seconds_left(elapsed)
        self.tell(Progress(self._done, len(self.plan.cells), message, left, step, steps))

    def _stop_if_asked(self) -> None:
        if self.stop():
            raise Cancelled("Stopped. What was finished is kept; starting again continues.")


def is_black(picture: "Picture") -> bool:
    """Whether a picture has no light at all: what a safety filter or broken numbers leave."""
    return not picture.convert("RGB").getbbox()


def dearest_first(cells: Iterable[Cell]) -> list[Cell]:
    """The same cells, all of one checkpoint together: loading it is the dearest step.

    Checkpoints keep the order in which they first appear; so do the cells of each.
    """
    groups: dict[Checkpoint, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.model.checkpoint, []).append(cell)
    return [cell for group in groups.values() for cell in group]


def batches(
    cells: Iterable[Cell], size: Callable[[], int], alone: Container[str] = ()
) -> Iterator[list[Cell]]:
    """Cells that differ in their seed only, at most `size()` together, asked each time.

    Args:
        cells: In the order in which they are drawn.
        size: How many may be together.
        alone: Keys of cells that share a batch with no other.
    """

    def same(cell: Cell) -> tuple[str, ...]:
        return cell.recipe.prompt, cell.recipe.negative, cell.key if cell.key in alone else ""

    for _, group in groupby(cells, key=same):
        seeds = list(group)
        while seeds:
            together = size()
            yield seeds[:together]
            seeds = seeds[together:]
