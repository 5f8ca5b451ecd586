"""Opens the index: one SQLite file in WAL mode, brought to the present schema.

A file that SQLite cannot read is kept aside under another name, and a new one is begun;
`Storage` then fills it again from the pictures.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from filelock import FileLock

from explorer import schema
from explorer.errors import StorageError

HEAD = "0005"
"""Revision of the newest migration; a test compares it with the migrations folder."""
MAX_VALUES = 500
"""SQLite bounds how many values one statement takes."""


def open_database(path: Path) -> tuple[sa.Engine, Path | None]:
    """Open the index at `path`, making or mending it as needed.

    Returns:
        The engine, and where a damaged file was put aside (None when all was well).

    Raises:
        StorageError: The folder cannot be written, or the index is from a newer program.
    """
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One program at a time: SQLite does not wait for its turn when a new file is
        # switched to WAL, and two that mend one file would each put the other's aside.
        with FileLock(path.with_name(path.name + ".lock"), timeout=60):
            if path.exists() and not _readable(path):
                aside = _put_aside(path)
            engine = _engine(path)
            _migrate(engine)
    except (OSError, sa.exc.OperationalError) as error:
        detail = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise StorageError(
            f"Cannot write the workspace {path.parent} ({detail}). "
            "Choose another folder with EXPLORER_ROOT or make this one writable."
        ) from error
    return engine, aside


def durable(engine: sa.Engine) -> sa.Engine:
    """The same database, where a commit returns only once it is on the disk.

    Elsewhere a loss of power may cost the last commits: pictures can be indexed again and
    scores computed again. A vote cannot be asked for again.
    """
    return _engine(Path(str(engine.url.database)), synchronous="FULL")


def _engine(path: Path, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # Python's driver would commit before each schema change; with its own transactions
        # off, ours below hold, and a kill in the middle of a migration leaves nothing half.
        connection.isolation_level = None
        # WAL lets the page read while the worker writes, and survives a kill.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        # A write waits for its turn at the start, where waiting works; a transaction that
        # read first and then wants to write would be refused at once.
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def reader(engine: sa.Engine) -> sa.Engine:
    """The same database for reading only: never waits for a writer."""
    return engine.execution_options(reads=True)


class Changes:
    """Tells whether anything was written since, by this or any other program."""

    def __init__(self, engine: sa.Engine) -> None:
        """Watch an open database."""
        # A connection of its own that never writes: SQLite leaves out what it wrote itself.
        self._connection = sqlite3.connect(str(engine.url.database), check_same_thread=False, timeout=30)
        self._turn = threading.Lock()

    def version(self) -> int:
        """Another number after every commit. Reads no row."""
        with self._turn:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Release the database file."""
        self._connection.close()


def in_parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in parts that one statement takes."""
    for start in range(0, len(values), MAX_VALUES):
        yield values[start : start + MAX_VALUES]


def _readable(path: Path) -> bool:
    """Whether SQLite finds the file whole. An empty file counts: it is a new database."""
    connection = sqlite3.connect(path, timeout=30)
    try:
        rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        # Locked or unreadable is not damaged: let opening it say so.
        if "malformed" in str(error):
            return False
        raise StorageError(f"Cannot read {path}: {error}.") from error
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()
    return rows == [("ok",)]


def _put_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


def _migrate(engine: sa.Engine) -> None:
    with reader(engine).connect() as connection:
        revision = _revision(connection)
    if revision == HEAD:
        return  # the usual case: Alembic need not even be imported
    with engine.begin() as connection:
        revision = _revision(connection)
        if revision == HEAD:
            return  # another program was faster
        if revision is None and not sa.inspect(connection).get_table_names():
            _create(connection)
        else:
            _upgrade(connection)


def _create(connection: sa.Connection) -> None:
    """Make a new index at once; a test holds that the migrations lead to the same tables."""
    schema.metadata.create_all(connection)
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            "The workspace was made by a newer version of this program. "
            "Update the program, or choose another folder with EXPLORER_ROOT."
        ) from error


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
