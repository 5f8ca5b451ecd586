import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from explorer import schema
from explorer.database import open_database
from explorer.estimates import Timings
from explorer.work_store import WorkStore, process_lives


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_database(tmp_path / "explorer.db")[0]


@pytest.fixture
def work(engine: sa.Engine) -> WorkStore:
    return WorkStore(engine)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave_behind(engine: sa.Engine, keys: list[str], owner: int) -> None:
    """What a process that was killed leaves in the table."""
    with engine.begin() as connection:
        for key in keys:
            connection.execute(sa.insert(schema.in_flight).values(key=key, owner=owner, deaths=0))


def test_marks_go_whatever_happens_inside(work: WorkStore, engine: sa.Engine) -> None:
    def marks() -> list[str]:
        with engine.connect() as connection:
            return list(connection.execute(sa.select(schema.in_flight.c.key)).scalars())

    with work.marked(["a", "b"]):
        assert sorted(marks()) == ["a", "b"]
    assert marks() == []
    with pytest.raises(KeyError), work.marked(["a"]):
        raise KeyError
    assert marks() == []


def test_a_dead_process_counts_against_what_it_had_in_hand(work: WorkStore, engine: sa.Engine) -> None:
    leave_behind(engine, ["a", "load:m"], dead_process())
    leave_behind(engine, ["b"], os.getppid())  # somebody who lives
    leave_behind(engine, ["c"], os.getpid())  # after a restart in a container a number may come again
    work.count_deaths()
    assert work.deaths(["a", "b", "c", "load:m", "other"]) == {"a": 1, "c": 1, "load:m": 1}
    work.count_deaths()  # counted once
    assert work.deaths(["a"]) == {"a": 1}
    with work.marked(["a"]):
        assert work.deaths(["a"]) == {"a": 1}
    assert work.deaths(["a"]) == {}, "it was survived"
    with work.marked(["c"]):
        work.survived("c")
        assert work.deaths(["c"]) == {}


def test_forgiving(work: WorkStore, engine: sa.Engine) -> None:
    leave_behind(engine, ["a", "b", "load:m"], dead_process())
    work.count_deaths()
    work.forgive(["a", "unknown"])
    assert work.deaths(["a", "b", "load:m"]) == {"b": 1}


def test_timings_are_kept_by_device(work: WorkStore) -> None:
    assert work.timings("cpu") == Timings()
    work.keep_timings("cpu", Timings())
    work.keep_timings("cpu", Timings({("m", "64x64"): 0.5}, {"m": 3.0}))
    work.keep_timings("cpu", Timings({("m", "64x64"): 0.25, ("n", "64x64"): 1.0}, {}))
    work.keep_timings("cuda", Timings({("m", "64x64"): 0.01}, {}))
    assert work.timings("cpu") == Timings({("m", "64x64"): 0.25, ("n", "64x64"): 1.0}, {"m": 3.0})
    assert work.timings("cuda") == Timings({("m", "64x64"): 0.01}, {})


def test_processes() -> None:
    assert process_lives(os.getpid())
    assert not process_lives(dead_process())
