"""What is remembered about model files: what a scan found, and their SHA-256.

Both hold as long as a file keeps its place, size and time of change.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import reader
from explorer.errors import Cancelled
from explorer.facts import ModelFacts, RecommendedSettings
from explorer.types import Layout

CHUNK_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one model file."""

    signature: str
    """Of the file and what lies beside it, when it was read."""
    layout: Layout
    facts: ModelFacts


class ModelStore:
    """The tables `model_files` and `file_hashes`."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use an open database."""
        self._engine = engine
        self._read = reader(engine)

    def readings(self) -> dict[Path, Reading]:
        """All that earlier scans found, by path."""
        with self._read.connect() as connection:
            rows = connection.execute(sa.select(schema.model_files)).all()
        return {Path(row.path): Reading(row.signature, row.layout, _facts(row.facts)) for row in rows}

    def save(self, new: Mapping[Path, Reading], gone: Iterable[Path] = ()) -> None:
        """Store what was read, and forget files that are no longer there."""
        table = schema.model_files
        values = [
            {"path": str(path), "signature": r.signature, "layout": r.layout, "facts": _row(r.facts)}
            for path, r in new.items()
        ]
        lost = [{"lost": str(path)} for path in gone]
        with self._engine.begin() as connection:
            if values:
                connection.execute(insert(table).prefix_with("OR REPLACE"), values)
            if lost:
                connection.execute(sa.delete(table).where(table.c.path == sa.bindparam("lost")), lost)

    def known_hash(self, path: Path) -> str | None:
        """The SHA-256 of a file as far as it was computed before, else None."""
        state = path.stat()
        table = schema.file_hashes
        query = sa.select(table.c.sha256).where(
            table.c.path == str(path),
            table.c.size_bytes == state.st_size,
            table.c.mtime_ns == state.st_mtime_ns,
        )
        with self._read.connect() as connection:
            return connection.execute(query).scalar()

    def file_hash(
        self,
        path: Path,
        stop: threading.Event | None = None,
        tell: Callable[[int], None] | None = None,
    ) -> str:
        """SHA-256 of a file, remembered by path, size and time of change.

        Args:
            path: The file.
            stop: Ends the reading when it is set.
            tell: Called with the number of bytes read so far; what it raises ends the reading.

        Raises:
            OSError: The file cannot be read.
            Cancelled: `stop` was set before the end of the file.
        """
        known = self.known_hash(path)
        if known is not None:
            return known
        digest = hashlib.sha256()
        with path.open("rb") as file:
            before = path.stat()
            while chunk := file.read(CHUNK_BYTES):
                if stop is not None and stop.is_set():
                    raise Cancelled("Stopped while reading a model file.")
                digest.update(chunk)
                if tell is not None:
                    tell(file.tell())
        state = path.stat()
        if (state.st_size, state.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
            self._keep_hash(path, state.st_size, state.st_mtime_ns, digest.hexdigest())
        return digest.hexdigest()

    def _keep_hash(self, path: Path, size: int, mtime_ns: int, digest: str) -> None:
        values = {"size_bytes": size, "mtime_ns": mtime_ns, "sha256": digest}
        statement = insert(schema.file_hashes).values(path=str(path), **values)
        statement = statement.on_conflict_do_update(index_elements=["path"], set_=values)
        with self._engine.begin() as connection:
            connection.execute(statement)


def _row(facts: ModelFacts) -> dict[str, Any]:
    return asdict(facts) | {"preview": str(facts.preview) if facts.preview else None}


def _facts(row: Mapping[str, Any]) -> ModelFacts:
    known = {f.name: row[f.name] for f in fields(ModelFacts) if f.name in row}
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    known["recommended"] = RecommendedSettings(**row["recommended"])
    known["preview"] = Path(row["preview"]) if row["preview"] else None
    return ModelFacts(**known)
