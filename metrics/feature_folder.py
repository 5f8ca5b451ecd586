"""Keeps features as files in a folder, within a limit."""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from metrics.cache import FeatureKey

DEFAULT_LIMIT = 2_000_000_000
_MARK_BYTES = 16
# Room is made for a while to come, so that not every write walks through the folder.
_FILLED_AGAIN_TO = 0.9


@dataclass(frozen=True)
class _Entry:
    used: int
    size: int
    path: Path


class FolderFeatures:
    """A `FeatureCache` of files; the ones not used for longest go first.

    Large features are kept whole and exact, because a distance from shortened ones would
    not be the published metric; that is why they are in files that may go at any time and
    not in a database that is backed up. Any number of threads and processes may share a folder.
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_LIMIT) -> None:
        """Use a folder; it is made when the first feature comes.

        Args:
            path: The folder; nothing else may be in it.
            max_bytes: What its files may take together.

        Raises:
            ValueError: The limit is below 0.
        """
        if max_bytes < 0:
            raise ValueError("max_bytes must be at least 0.")
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._size: int | None = None

    @property
    def size_bytes(self) -> int:
        """What its files take now."""
        return sum(entry.size for entry in self._entries())

    def get_many(self, keys: Sequence[FeatureKey]) -> dict[FeatureKey, bytes]:
        """The features known for these keys; a damaged file counts as absent and is removed."""
        found: dict[FeatureKey, bytes] = {}
        for key in keys:
            file = self._file(key)
            with suppress(OSError):
                content = file.read_bytes()
                if content[:_MARK_BYTES] == _mark(content[_MARK_BYTES:]):
                    found[key] = content[_MARK_BYTES:]
                    os.utime(file)
                else:
                    file.unlink()
        return found

    def put_many(self, features: Mapping[FeatureKey, bytes]) -> None:
        """Keep features; without room on the disk they are simply not kept."""
        written = sum(self._write(self._file(key), content) for key, content in features.items())
        if not written:
            return
        with self._lock:
            self._size = self.size_bytes if self._size is None else self._size + written
            if self._size > self._max_bytes:
                self._make_room()

    def clear(self) -> None:
        """Remove every feature."""
        with self._lock:
            for entry in self._entries():
                _remove(entry.path)
            self._size = 0

    def _write(self, file: Path, content: bytes) -> int:
        """How many bytes were written: none if it is there already, or there is no room."""
        size = len(content) + _MARK_BYTES
        if size > self._max_bytes or file.exists():
            return 0
        part = file.with_name(f"{file.name}.{uuid4().hex}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # The mark finds torn files, so nobody has to wait for the disk at each one.
            part.write_bytes(_mark(content) + content)
            part.replace(file)
        except OSError:
            with suppress(OSError):
                part.unlink()
            return 0
        return size

    def _make_room(self) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size <= self._max_bytes * _FILLED_AGAIN_TO:
                break
            _remove(entry.path)
            size -= entry.size
        self._size = size

    def _entries(self) -> list[_Entry]:
        entries: list[_Entry] = []
        for path in self._path.glob("??/*"):
            with suppress(OSError):  # another process may have removed it meanwhile
                facts = path.stat()
                entries.append(_Entry(facts.st_mtime_ns, facts.st_size, path))
        return entries

    def _file(self, key: FeatureKey) -> Path:
        return self._path / key.digest[:2] / key.digest


def _remove(path: Path) -> None:
    with suppress(OSError):  # another process was faster
        path.unlink()


def _mark(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_MARK_BYTES).digest()
