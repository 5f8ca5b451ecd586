"""Counts what has arrived, over all files of a fetch, and tells how long the rest will take."""

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from explorer.errors import DiskFull
from explorer.events import Progress

WINDOW_SECONDS = 8.0
SPARE_BYTES = 200_000_000
"""What is left free, so that the database and pictures can still be written."""


class Meter:
    """Progress of a whole fetch; its methods may be called from any thread."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Expect `total` bytes; corrected when a server knows better."""
        self._lock = threading.Lock()
        self._total, self._done, self._clock = total, 0, clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._arrived = 0
        self.message = ""

    def arrived(self, size: int) -> None:
        """Bytes came over the network."""
        with self._lock:
            self._done += size
            self._arrived += size

    def had(self, size: int) -> None:
        """Bytes are there without the network; negative when they turned out useless."""
        with self._lock:
            self._done += size

    def expect(self, more: int) -> None:
        """A file is larger (or smaller) than was thought."""
        with self._lock:
            self._total += more

    def progress(self) -> Progress:
        """Megabytes done and to come, with the time left at the pace of the last seconds."""
        with self._lock:
            now = self._clock()
            self._seen.append((now, self._arrived))
            while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_SECONDS:
                self._seen.popleft()
            since, before = self._seen[0]
            rate = (self._arrived - before) / (now - since) if now > since else 0.0
            total = max(self._total, self._done)
            left = (total - self._done) / rate if rate > 0 else None
            speed = f"{rate / 1e6:.1f} MB/s" if rate else ""
            return Progress(_megabytes(self._done), _megabytes(total), self.message or speed, left)


def check_room(folder: Path, needed: int) -> None:
    """Make sure that `needed` bytes fit onto the disk of a folder that exists.

    Raises:
        DiskFull: They do not.
    """
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise DiskFull(
            f"The disk has {free / 1e9:.1f} GB free, and {(needed + SPARE_BYTES) / 1e9:.1f} GB are needed. "
            "Free some space and start again; what was fetched is kept."
        )


def _megabytes(size: int) -> int:
    return -(-size // 1_000_000)
