"""What is being worked on right now, and how long such work takes, across processes.

A process that dies leaves its marks behind; the next one learns from them which picture or
model was in hand, so that one that kills the program again and again can be set aside.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import in_parts, reader
from explorer.estimates import LOADING, Timings

LOAD_MARK = "load:"
"""Begins the mark of a model that is being loaded; its hash follows."""
SCORE_MARK = "score:"
"""Begins the mark of a run that is being scored; its id follows."""
DEADLY = 2
"""So many processes must have died in the middle of something before it is set aside."""


class WorkStore:
    """Marks of work in flight, and measured speeds."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use an open database."""
        self._engine = engine
        self._read = reader(engine)

    @contextmanager
    def marked(self, keys: Sequence[str]) -> Iterator[None]:
        """Mark work as in flight for the length of the block.

        An exception takes the marks away as well: only a process that dies leaves them.
        """
        table = schema.in_flight
        statement = insert(table).values([{"key": key, "owner": os.getpid(), "deaths": 0} for key in keys])
        statement = statement.on_conflict_do_update(index_elements=["key"], set_={"owner": os.getpid()})
        with self._engine.begin() as connection:
            connection.execute(statement)
        try:
            yield
        finally:
            # It was survived, so what happened before was no fault of it.
            with self._engine.begin() as connection:
                connection.execute(sa.delete(table).where(table.c.key.in_(keys)))

    def count_deaths(self) -> None:
        """Count a death for all that a dead process had in hand. Called once, at the start."""
        table = schema.in_flight
        with self._engine.begin() as connection:
            owners = connection.execute(
                sa.select(table.c.owner).where(table.c.owner.is_not(None)).distinct()
            ).scalars()
            gone = [owner for owner in owners if owner == os.getpid() or not process_lives(owner)]
            connection.execute(
                sa.update(table).where(table.c.owner.in_(gone)).values(owner=None, deaths=table.c.deaths + 1)
            )

    def survived(self, key: str) -> None:
        """It got further than where it was when the last process died."""
        table = schema.in_flight
        with self._engine.begin() as connection:
            connection.execute(sa.update(table).where(table.c.key == key).values(deaths=0))

    def deaths(self, keys: Iterable[str]) -> dict[str, int]:
        """How many processes died in the middle of each; those without any are left out."""
        table, wanted = schema.in_flight, list(keys)
        query = sa.select(table.c.key, table.c.deaths).where(table.c.deaths > 0)
        with self._read.connect() as connection:
            # Hardly ever are there any, and there may be many keys.
            found = {row.key: row.deaths for row in connection.execute(query)}
        return {key: found[key] for key in wanted if key in found} if found else {}

    def forgive(self, cells: Sequence[str]) -> None:
        """Forget the deaths of cells, and of all loading and scoring: it is to be tried again."""
        table = schema.in_flight
        idle = table.c.owner.is_(None)
        with self._engine.begin() as connection:
            for mark in (LOAD_MARK, SCORE_MARK):
                connection.execute(sa.delete(table).where(table.c.key.startswith(mark), idle))
            for part in in_parts(cells):
                connection.execute(sa.delete(table).where(table.c.key.in_(part), idle))

    def devices(self) -> list[str]:
        """The devices that something was measured on."""
        query = sa.select(schema.timings.c.device).distinct()
        with self._read.connect() as connection:
            found = connection.execute(query).scalars()
            return [device for device in found if not device.startswith(SCORE_MARK)]

    def scoring_speeds(self, device: str) -> dict[str, float]:
        """Seconds a picture took each network of the metrics, on a device by its setting."""
        return self.timings(f"{SCORE_MARK}{device}").loads

    def keep_scoring_speeds(self, device: str, seconds: Mapping[str, float]) -> None:
        """Keep what a picture took each network; newer figures replace older ones."""
        self.keep_timings(f"{SCORE_MARK}{device}", Timings(loads=dict(seconds)))

    def timings(self, device: str) -> Timings:
        """The speeds measured on a device so far."""
        table = schema.timings
        query = sa.select(table).where(table.c.device == device)
        timings = Timings()
        with self._read.connect() as connection:
            for row in connection.execute(query):
                if row.size == LOADING:
                    timings.loads[row.checkpoint_hash] = row.seconds
                else:
                    timings.passes[(row.checkpoint_hash, row.size)] = row.seconds
        return timings

    def keep_timings(self, device: str, timings: Timings) -> None:
        """Keep measured speeds; newer ones replace older ones."""
        rows = [(checkpoint, LOADING, seconds) for checkpoint, seconds in timings.loads.items()]
        rows += [(checkpoint, size, seconds) for (checkpoint, size), seconds in timings.passes.items()]
        if not rows:
            return
        values = [
            {"device": device, "checkpoint_hash": checkpoint, "size": size, "seconds": seconds}
            for checkpoint, size, seconds in rows
        ]
        statement = insert(schema.timings)
        statement = statement.on_conflict_do_update(
            index_elements=["device", "checkpoint_hash", "size"],
            set_={"seconds": statement.excluded.seconds},
        )
        with self._engine.begin() as connection:
            connection.execute(statement, values)


def process_lives(pid: int) -> bool:
    """Whether there is a process of this number, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's process
    return True
