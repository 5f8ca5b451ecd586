"""Draws the cells of a plan: pictures go to storage, events to whoever follows."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, TypeVar

from explorer.errors import Cancelled, ModelError
from explorer.events import Event, Failed, ImageDone, Notice, Progress
from explorer.pipelines import LoadedModel, OutOfMemory, PipelineManager, library_versions
from explorer.plans import Cell, Plan
from explorer.storage import Storage
from explorer.types import Image, Model

Result = TypeVar("Result")


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
    """One execution of a plan."""

    plan: Plan
    pipelines: PipelineManager
    storage: Storage
    cancel: threading.Event
    _abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when nobody follows any more, so that the drawing thread stops too."""
    _versions: dict[str, str] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        """Draw what is missing.

        Raises:
            Cancelled: The person stopped it; finished pictures stay.
            DiskFull: Nothing more can be written; finished pictures stay.
        """
        cells = self.plan.cells
        existing = self.storage.find_cells([cell.recipe for cell in cells])
        for image in existing.values():
            yield ImageDone(image, new=False)
        missing = [cell for cell in cells if cell.key not in existing]
        pace = Pace(done=len(existing))
        yield self._progress(pace, f"{len(existing)} of {len(cells)} pictures were there already")
        if not missing:
            return
        self._versions = library_versions()
        # One thread for the whole run: a pipeline call cannot yield, and a new thread each
        # time would make torch start its own workers anew.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw") as thread:
            try:
                for model, group in groupby(missing, key=lambda cell: cell.model):
                    yield from self._draw_model(model, list(group), pace, thread)
            finally:
                self._abandoned.set()

    def _draw_model(
        self, model: Model, cells: list[Cell], pace: Pace, thread: ThreadPoolExecutor
    ) -> Iterator[Event]:
        self._stop_if_asked()
        yield self._progress(pace, f"loading {model.name}")
        try:
            with self.pipelines.borrow(model) as loaded:
                yield from self._notices(loaded, cells)
                size = self.plan.request.batch_size or self.pipelines.batch_size(
                    cells[0].recipe.width, cells[0].recipe.height
                )
                for batch in batches(cells, size):
                    yield from self._draw_batch(loaded, batch, pace, thread)
        except ModelError as error:
            # A bad model fails alone; the next one goes on.
            for cell in cells:
                pace.done += 1
                yield Failed(cell.key, cell.label, str(error))

    def _draw_batch(
        self, loaded: LoadedModel, batch: list[Cell], pace: Pace, thread: ThreadPoolExecutor
    ) -> Iterator[Event]:
        self._stop_if_asked()
        pace.start()
        recipes = [cell.recipe for cell in batch]
        placed: dict[str, Any] = {
            "batch_size": len(batch),
            "precision": loaded.placement.precision,
            "device": loaded.placement.device,
            "versions": self._versions,
        }

        def work(tell: Callable[[Event], None]) -> list[Image]:
            def on_step(step: int, steps: int) -> None:
                self._stop_if_asked()
                message = f"drawing {batch[0].recipe.model}: {batch[0].recipe.prompt[:60]}"
                tell(replace(self._progress(pace, message), step=step, steps=steps))

            pictures = loaded.draw(recipes, self.plan.sampler, on_step)
            return [
                self.storage.save_image(picture, replace(recipe, **placed))
                for picture, recipe in zip(pictures, recipes, strict=True)
            ]

        try:
            images = yield from follow(work, thread)
        except OutOfMemory as error:
            if len(batch) == 1:
                pace.done += 1
                yield Failed(batch[0].key, batch[0].label, str(error))
                return
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                yield from self._draw_batch(loaded, part, pace, thread)
            return
        except ModelError as error:
            pace.done += len(batch)
            for cell in batch:
                yield Failed(cell.key, cell.label, str(error))
            return
        pace.finished(len(batch))
        for image in images:
            yield ImageDone(image, new=True)
        yield self._progress(pace, f"drawing {batch[0].recipe.model}")

    def _notices(self, loaded: LoadedModel, cells: Sequence[Cell]) -> Iterator[Notice]:
        texts = dict.fromkeys(cell.recipe.prompt for cell in cells)
        cut = [text for text in texts if loaded.cut_prompt(text)]
        if cut:
            yield Notice(
                f"{cells[0].recipe.model} reads only the beginning of {len(cut)} long prompt"
                f"{'s' if len(cut) > 1 else ''}: “{cut[0][:60]}…”"
            )

    def _progress(self, pace: Pace, message: str) -> Progress:
        total = len(self.plan.cells)
        return Progress(pace.done, total, message, pace.seconds_left(total - pace.done))

    def _stop_if_asked(self) -> None:
        if self.cancel.is_set() or self._abandoned.is_set():
            raise Cancelled("Stopped. What was finished is kept; starting again continues.")


def batches(cells: Iterable[Cell], size: int) -> Iterator[list[Cell]]:
    """Cells that differ in their seed only, at most `size` together."""
    same = ("prompt", "negative")
    for _, group in groupby(cells, key=lambda cell: [getattr(cell.recipe, name) for name in same]):
        seeds = list(group)
        yield from (seeds[start : start + size] for start in range(0, len(seeds), size))


def follow(
    work: Callable[[Callable[[Event], None]], Result], thread: ThreadPoolExecutor
) -> Generator[Event, None, Result]:
    """Run `work` on a thread and yield the events it tells meanwhile; returns its result."""
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    future = thread.submit(work, events.put)
    future.add_done_callback(lambda _: events.put(None))
    while (event := events.get()) is not None:
        yield event
    return future.result()
