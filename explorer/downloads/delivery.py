"""Carries out one fetch: files side by side, each under a lock, each placed when it is whole."""

import contextlib
import hashlib
import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from explorer.compute import Tell
from explorer.downloads.meter import Meter, check_room
from explorer.downloads.offers import Offer, RemoteFile
from explorer.downloads.options import Cancel, FetchOptions, Site
from explorer.downloads.shelving import (
    file_digest,
    is_adapter,
    model_name,
    put,
    read_card,
    take_from_cache,
    write_card,
)
from explorer.downloads.transfer import Transfer, disk_error, finish
from explorer.downloads.web import Web
from explorer.errors import Cancelled, DownloadError, ExplorerError, InvalidRequest
from explorer.events import ModelDone, Notice

TELL_SECONDS = 0.25
WAIT_SECONDS = 0.2
STALE_SECONDS = 14 * 24 * 3600.0
MAX_PREVIEW_BYTES = 8_000_000
MAX_PREVIEW_PIXELS = 40_000_000
PREVIEW_SIDE = 768

FindCached = Callable[[RemoteFile], Path | None]


class Delivery:
    """One offer on its way into the workspace."""

    def __init__(self, options: FetchOptions, site: Site, offer: Offer, cancel: Cancel, tell: Tell) -> None:
        """Prepare; `files` or `folder` does it."""
        self._options, self._offer, self._tell = options, offer, tell
        self._failed = threading.Event()
        self._web = Web(site, options.patience, lambda: cancel() or self._failed.is_set())
        self._meter = Meter(0)

    def files(self, files: Sequence[RemoteFile], wanted_name: str, find_cached: FindCached) -> None:
        """Fetch single files, each a model of its own.

        Raises:
            DownloadError: One of them cannot be had; those that were whole before are in place.
            DiskFull: They do not fit.
            Cancelled: The person stopped the work; what arrived is kept.
        """
        names = [model_name(self._offer, file, wanted_name) for file in files]
        if len(set(names)) < len(names):
            raise InvalidRequest("These files would get one name. Fetch them one by one, each with a name.")
        self._begin([(file, self._part(_key(file))) for file in files])
        models = self._together(
            [partial(self._model, *pair, find_cached) for pair in zip(files, names, strict=True)]
        )
        self._report(models)

    def folder(self, files: dict[str, RemoteFile], wanted_name: str, find_cached: FindCached) -> None:
        """Fetch a diffusers folder; it is seen under its name when all of it is there.

        Args:
            files: By the path each gets in the folder.
            wanted_name: The person's name for it; empty takes the repository's.
            find_cached: Finds a file in the Hub's cache.

        Raises:
            DownloadError: A part cannot be had; nothing is seen, and what arrived is kept.
            DiskFull: It does not fit.
            Cancelled: The person stopped the work; what arrived is kept.
        """
        content = "\n".join(f"{local} {file.url} {file.sha256}" for local, file in sorted(files.items()))
        key = hashlib.sha256(content.encode()).hexdigest()[:32]
        target = self._options.checkpoints / model_name(self._offer, None, wanted_name)
        staging, parts = self._options.unfinished / key, self._options.unfinished / f"{key}.parts"
        self._begin([(file, _named(parts, local)) for local, file in files.items()], staging)
        with self._alone(key):
            if target.is_dir() or self._named_so(target.name):
                card = read_card(target)
                same = (card.get("source"), card.get("version")) == (self._offer.source, self._offer.version)
                if not (target.is_dir() and same):
                    raise _taken(target.name)
                self._report([ModelDone(target.name, "checkpoint", new=False)])
                return
            self._together(
                [
                    partial(self._piece, file, staging / local, _named(parts, local), find_cached)
                    for local, file in files.items()
                ]
            )
            write_card(target, self._offer, None, "")
            put(staging, target)
            shutil.rmtree(parts, ignore_errors=True)
        self._report([ModelDone(target.name, "checkpoint", new=True)])

    # one file

    def _model(self, file: RemoteFile, name: str, find_cached: FindCached) -> ModelDone:
        key = _key(file)
        with self._alone(key):
            if found := self._already_there(file, name):
                self._meter.had(file.size or 0)
                adapter = found.parent == self._options.loras
                return ModelDone(name, "lora" if adapter else "checkpoint", new=False)
            part = self._part(key)
            digest = self._bring(file, part, find_cached)
            adapter = is_adapter(part)
            folder = self._options.loras if adapter else self._options.checkpoints
            target = folder / f"{name}.safetensors"
            finish(part)
            write_card(target, self._offer, file, digest)
            put(part, target)
            part.with_suffix(".json").unlink(missing_ok=True)
            self._preview(target)
            return ModelDone(name, "lora" if adapter else "checkpoint", new=True)

    def _piece(self, file: RemoteFile, target: Path, part: Path, find_cached: FindCached) -> None:
        if target.is_file():  # it has its name, so it was verified
            self._meter.had(target.stat().st_size)
            return
        self._bring(file, part, find_cached)
        finish(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
        part.with_suffix(".json").unlink(missing_ok=True)

    def _bring(self, file: RemoteFile, part: Path, find_cached: FindCached) -> str:
        """The whole file into its part, from the cache when it is there; returns its SHA-256."""
        cached = find_cached(file)
        if cached is not None and (file.size is None or cached.stat().st_size == file.size):
            digest = file_digest(cached, self._web.cancel)
            if file.sha256 in ("", digest):
                part.parent.mkdir(parents=True, exist_ok=True)
                part.with_suffix(".json").unlink(missing_ok=True)
                take_from_cache(cached, part, self._web.cancel)
                self._meter.had(file.size or 0)
                return digest
        return Transfer(self._web, file, part, self._meter).run()

    def _already_there(self, file: RemoteFile, name: str) -> Path | None:
        """The same file, fetched before.

        Raises:
            DownloadError: The name belongs to something else.
        """
        if (self._options.checkpoints / name).exists():
            raise _taken(name)
        path = self._named_so(name)
        if path is None:
            return None
        card = read_card(path)
        same = (card.get("source"), card.get("file")) == (self._offer.source, file.name)
        if file.sha256:
            same = (card.get("sha256") or file_digest(path, self._web.cancel)) == file.sha256
        if not same or (file.size_exact and file.size not in (None, path.stat().st_size)):
            raise _taken(path.name)
        return path

    def _named_so(self, name: str) -> Path | None:
        """The single file of this name, a checkpoint or a LoRA."""
        folders = (self._options.checkpoints, self._options.loras)
        there = (folder / f"{name}.safetensors" for folder in folders)
        return next((path for path in there if path.exists()), None)

    def _preview(self, model: Path) -> None:
        """A picture of what the model draws; worth having, and never worth a failure."""
        if not self._offer.preview:
            return
        try:
            exchange = self._web.open(self._offer.preview, "preview picture")
            write_preview(exchange.body(MAX_PREVIEW_BYTES + 1), model.with_suffix(".preview.png"))
        except Cancelled:
            raise
        except Exception:
            self._tell(Notice(f"{model.stem} has no preview picture: it could not be fetched."))

    # all of them

    def _begin(self, files: list[tuple[RemoteFile, Path]], staging: Path | None = None) -> None:
        """Make the folder, sweep what was given up long ago, and see whether everything fits."""
        folder = self._options.unfinished
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._options.loras.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error) from error
        sweep(folder)
        total = sum(file.size or 0 for file, _ in files)
        there = sum(part.stat().st_size for _, part in files if part.is_file())
        if staging is not None and staging.is_dir():
            there += sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
        self._meter.expect(total)
        check_room(folder, total - there)

    def _together(self, tasks: Sequence[Callable[[], ModelDone | None]]) -> list[ModelDone | None]:
        """Run the tasks, a few at a time, and tell how far they are."""
        with ThreadPoolExecutor(self._options.parallel, thread_name_prefix="fetch") as pool:
            futures: list[Future[ModelDone | None]] = [pool.submit(task) for task in tasks]
            try:
                waiting = set(futures)
                while waiting:
                    done, waiting = wait(waiting, TELL_SECONDS, FIRST_EXCEPTION)
                    self._tell(self._meter.progress())
                    if any(future.exception() for future in done):
                        break
            finally:
                self._failed.set()
                for future in futures:
                    future.cancel()
        errors = [future.exception() for future in futures if not future.cancelled()]
        # The first real reason; the others were stopped because of it.
        for error in sorted(filter(None, errors), key=lambda error: isinstance(error, Cancelled)):
            raise disk_error(error) if isinstance(error, OSError) else error
        self._failed.clear()
        return [future.result() for future in futures]

    def _report(self, models: Sequence[ModelDone | None]) -> None:
        self._tell(self._meter.progress())
        for model in models:
            if model is not None:
                self._tell(model)
                if not model.new:
                    self._tell(Notice(f"{model.name} was there already."))

    @contextlib.contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Hold the lock of one download, also against other programs on this workspace."""
        lock = FileLock(self._options.unfinished / f"{key}.lock")
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                self._meter.message = "the same is being fetched already; waiting for it"
                if self._web.cancel():
                    raise Cancelled("Stopped.") from None
                time.sleep(WAIT_SECONDS)
        self._meter.message = ""
        try:
            yield
        finally:
            lock.release()

    def _part(self, key: str) -> Path:
        return self._options.unfinished / f"{key}.part"


def write_preview(data: bytes, path: Path) -> None:
    """Store a picture small, after checking that it is one.

    Raises:
        ValueError: It is too large.
        OSError: It is no picture.
        StorageError: It cannot be written.
    """
    from PIL import Image

    from explorer.whole_files import write_whole

    if len(data) > MAX_PREVIEW_BYTES:
        raise ValueError("too large")
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
        if picture.width * picture.height > MAX_PREVIEW_PIXELS:
            raise ValueError("too large")
        small = picture.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    stored = io.BytesIO()
    small.save(stored, "PNG")
    write_whole(path, stored.getvalue())


def sweep(folder: Path, now: float | None = None) -> None:
    """Remove what nobody has continued for two weeks."""
    oldest = (now or time.time()) - STALE_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.suffix != ".lock" and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _key(file: RemoteFile) -> str:
    return hashlib.sha256((file.sha256 or file.url).encode()).hexdigest()[:32]


def _named(parts: Path, local: str) -> Path:
    return parts / f"{hashlib.sha256(local.encode()).hexdigest()[:32]}.part"


def _taken(name: str) -> ExplorerError:
    return DownloadError(f"There is another {name} already. Choose another name for this one.")
