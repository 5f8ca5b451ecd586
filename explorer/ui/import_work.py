"""One import under way, counted for the page."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from explorer.api import Explorer
from explorer.bundle_reader import Bundle
from explorer.errors import ExplorerError
from explorer.events import Event, Failed, ImageDone, Notice, Progress
from explorer.imports.preview import MAX_ROWS, Unread
from explorer.imports.uploads import Upload
from explorer.requests import ImportRequest
from explorer.ui.forms import UNEXPECTED

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was sent, and how it is to be taken: exactly what the preview showed."""

    upload: Upload
    request: ImportRequest
    sent: tuple[Path, ...]
    """What Gradio keeps of it."""

    def take(self, explorer: Explorer, cancel: threading.Event) -> Iterator[Event]:
        """Take the pictures in."""
        return explorer.import_pictures(self.request, cancel)

    def forget(self) -> None:
        """Delete what Gradio keeps: a zip may be as large as the run."""
        for file in self.sent:
            with contextlib.suppress(OSError):
                file.unlink()

    def clean(self) -> None:
        """Delete what was unpacked, whatever happened."""
        self.upload.remove()


@dataclass(frozen=True, slots=True)
class LookedBundle:
    """A results bundle that was read and found sound; it is taken from the file that was sent."""

    bundle: Bundle

    def take(self, explorer: Explorer, cancel: threading.Event) -> Iterator[Event]:
        """Take its pictures and scores in."""
        return explorer.import_bundle(self.bundle, cancel)

    def forget(self) -> None:
        """Delete what Gradio keeps."""
        with contextlib.suppress(OSError):
            self.bundle.path.unlink()

    def clean(self) -> None:
        """Nothing was unpacked."""


@dataclass(slots=True)
class Taking:
    """Takes pictures in and counts; the page looks at it from another thread."""

    explorer: Explorer
    looked: Looked | LookedBundle
    cancel: threading.Event = field(default_factory=threading.Event)
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    new: int = 0
    known: int = 0
    """Pictures that were here already."""
    unread: list[Unread] = field(default_factory=list)
    """The first of the files that are not taken."""
    unread_files: int = 0
    notices: list[str] = field(default_factory=list)
    error: str = ""
    """Why there is no run."""
    run: str = ""
    _cells: set[str] = field(default_factory=set)
    _models: set[str] = field(default_factory=set)

    def work(self) -> None:
        """Do it to the end; what was sent is away afterwards, whatever happened."""
        try:
            for event in self.looked.take(self.explorer, self.cancel):
                self._count(event)
            self.run = self._find_run()
            self.looked.forget()
        except ExplorerError as error:
            self.error = str(error)
        except Exception:
            _log.exception("An import from the page failed")
            self.error = UNEXPECTED
        finally:
            self.looked.clean()

    def _count(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
        elif isinstance(event, ImageDone):
            self.new += event.new
            self.known += not event.new
            self._cells.add(event.image.recipe.cell)
            self._models.add(event.image.recipe.model)
        elif isinstance(event, Failed):
            self.unread_files += 1
            if len(self.unread) < MAX_ROWS:
                self.unread.append(Unread(event.label, event.reason))
        elif isinstance(event, Notice) and len(self.notices) < MAX_ROWS:
            self.notices.append(event.text)

    def _find_run(self) -> str:
        """The newest run of these pictures; another one may have begun in the meantime."""
        return next(
            run.id
            for run in self.explorer.runs()
            if set(run.models) == self._models and run.cells == len(self._cells)
        )
