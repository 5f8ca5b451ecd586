"""Computes the SHA-256 of model files in the background, so that a plan need not wait for it."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.model_store import ModelStore

PAUSE_SECONDS = 300.0


class HashThread:
    """One thread that hashes what is new, one file after the other, and then looks again."""

    def __init__(self, files: Callable[[], Iterable[Path]], store: ModelStore) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            files: Gives every file whose hash will be wanted; called before each round.
            store: Where hashes are kept.
        """
        self._files = files
        self._store = store
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a second call changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="hashing", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End within one chunk of a file."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            # A file that is gone, or an index that is busy, is tried again in the next round.
            with contextlib.suppress(OSError, ExplorerError):
                for path in self._files():
                    if self._stop.is_set():
                        return
                    with contextlib.suppress(OSError):
                        self._store.file_hash(path, self._stop)
            self._stop.wait(PAUSE_SECONDS)
