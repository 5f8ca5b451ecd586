import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from explorer import schema
from explorer.database import HEAD, _upgrade, open_database, reader
from explorer.errors import StorageError
from tests.fakes import PROJECT


def tables(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows if name != "alembic_version"}


def migrated(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _upgrade(connection)
    return engine


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT / "explorer" / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_lead_to_the_tables_of_a_new_index(tmp_path: Path) -> None:
    with migrated(tmp_path / "old.db").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    open_database(tmp_path / "new.db")[0].dispose()
    assert set(tables(tmp_path / "old.db")) == set(tables(tmp_path / "new.db"))


def test_an_index_of_the_first_version_is_brought_forward_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "explorer.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(PROJECT / "explorer" / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"path": "x", "size_bytes": 1, "mtime_ns": 1, "sha256": "y"}
        connection.execute(sa.insert(schema.file_hashes).values(row))
        assert not sa.inspect(connection).has_table("model_files")
    engine.dispose()
    engine, aside = open_database(path)
    assert aside is None
    with reader(engine).connect() as connection:
        assert sa.inspect(connection).has_table("model_files")
        assert connection.execute(sa.select(schema.file_hashes.c.sha256)).scalar() == "y"


def test_an_index_is_in_wal_mode_and_reads_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine, aside = open_database(tmp_path / "explorer.db")
    assert aside is None
    with engine.begin() as writer, reader(engine).connect() as other:
        writer.execute(sa.insert(schema.file_hashes).values(path="x", size_bytes=1, mtime_ns=1, sha256="y"))
        assert other.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert other.execute(sa.select(schema.file_hashes)).all() == []


def test_opening_again_keeps_everything(tmp_path: Path) -> None:
    engine, _ = open_database(tmp_path / "explorer.db")
    with engine.begin() as connection:
        connection.execute(
            sa.insert(schema.file_hashes).values(path="x", size_bytes=1, mtime_ns=1, sha256="y")
        )
    engine.dispose()
    again, aside = open_database(tmp_path / "explorer.db")
    assert aside is None
    with reader(again).connect() as connection:
        assert connection.execute(sa.select(schema.file_hashes.c.path)).scalar() == "x"


def test_many_at_once_make_one_index(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        engines = list(threads.map(lambda _: open_database(tmp_path / "explorer.db"), range(8)))
    assert all(aside is None for _, aside in engines)


def test_a_failure_in_the_middle_of_making_it_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(connection: sa.Connection) -> None:
        schema.images.create(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(schema.metadata, "create_all", half)
    with pytest.raises(KeyboardInterrupt):
        open_database(tmp_path / "explorer.db")
    assert tables(tmp_path / "explorer.db") == {}
    monkeypatch.undo()
    engine, aside = open_database(tmp_path / "explorer.db")
    assert aside is None
    assert sa.inspect(engine).has_table("jobs")


def test_an_index_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    engine, _ = open_database(tmp_path / "explorer.db")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StorageError, match="made by a newer version"):
        open_database(tmp_path / "explorer.db")
    assert not list(tmp_path.glob("*damaged*"))


def test_opening_a_present_index_does_not_import_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from explorer.database import open_database;"
        f"open_database(Path({str(tmp_path / 'explorer.db')!r})); assert 'alembic' not in sys.modules"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)


def test_pictures_of_an_older_index_get_their_difficulty(tmp_path: Path) -> None:
    path = tmp_path / "explorer.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    names = ("id", "cell", "path", "model", "model_hash", "prompt", "prompt_id", "suite", "category")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(PROJECT / "explorer" / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        values = dict.fromkeys(names, "x") | {"size_bytes": 1, "seed": 1, "created": "2026"}
        statement = sa.text(
            f"INSERT INTO images ({', '.join(values)}, recipe) "
            f'VALUES ({", ".join(f":{name}" for name in values)}, \'{{"difficulty": "hard"}}\')'
        )
        connection.execute(statement, values)
    engine.dispose()
    engine, aside = open_database(path)
    assert aside is None
    with reader(engine).connect() as connection:
        assert connection.execute(sa.select(schema.images.c.difficulty)).scalar() == "hard"
