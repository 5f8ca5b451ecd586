"""Votes in the index, and what is shown before one.

A vote is on the disk before anybody is told that it counts, and one showing takes one ballot:
a double click, a retry after a lost answer and a replayed request all find the first one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.ballots import Entrant, Scope, Showing, Topic, Vote
from explorer.database import durable, in_parts, reader
from explorer.errors import InvalidRequest

Version = tuple[int | str, ...]
"""Differs when the contents do."""


class Contender(NamedTuple):
    """One picture in one run, as it may meet others."""

    run: str
    image: str
    model: str
    model_hash: str
    prompt: str
    seed: int
    suite: str
    category: str


class Result(NamedTuple):
    """An answer about two models."""

    first_hash: str
    second_hash: str
    first_model: str
    second_model: str
    outcome: str
    prompt: str


class VoteStore:
    """Keeps votes and showings."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use an open database."""
        self._engine = engine
        self._read = reader(engine)
        self._durable = durable(engine)

    def close(self) -> None:
        """Release the database file."""
        self._durable.dispose()

    # before a vote

    def show(self, showing: Showing) -> None:
        """Remember what is shown, so that a vote on it holds after a restart."""
        content = {"topic": asdict(showing.topic), "entrants": [asdict(each) for each in showing.entrants]}
        values = {name: getattr(showing, name) for name in ("id", "kind", "voter", "created")}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(schema.showings).values(**values, content=content))

    def showing(self, showing_id: str) -> Showing | None:
        """What was shown, if there is no vote on it yet."""
        with self._read.connect() as connection:
            return _find_showing(connection, showing_id)

    def open_showings(self) -> set[str]:
        """Ids of all showings without a vote."""
        with self._read.connect() as connection:
            return set(connection.execute(sa.select(schema.showings.c.id)).scalars())

    def forget_showings(self, before: str) -> None:
        """Forget what was shown before a moment (ISO 8601) and got no vote."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(schema.showings).where(schema.showings.c.created < before))

    def contenders(self) -> list[Contender]:
        """Every picture of every run, in the order of the plans."""
        i, cells = schema.images.c, schema.run_cells
        query = (
            sa.select(cells.c.run, i.id, i.model, i.model_hash, i.prompt, i.seed, i.suite, i.category)
            .join_from(cells, schema.images, cells.c.cell == i.cell)
            .order_by(cells.c.run, cells.c.position)
        )
        with self._read.connect() as connection:
            return [Contender(*row) for row in connection.execute(query)]

    def contents(self) -> Version:
        """Differs when there are other pictures or runs. Reads no row."""
        tables = (schema.images, schema.run_cells)
        numbers = (sa.func.count(), _newest_row())
        queries = [sa.select(number).select_from(table) for table in tables for number in numbers]
        with self._read.connect() as connection:
            return tuple(connection.execute(query).scalar() or 0 for query in queries)

    # votes

    def cast(self, votes: Sequence[Vote]) -> tuple[list[Vote], bool]:
        """Store the votes of one ballot; they are on the disk when this returns.

        Returns:
            The votes that stand, and whether they are these: False when the ballot, or another
            one on the same showing, was there already.

        Raises:
            InvalidRequest: The ballot's id was used for something else, or nothing was shown.
        """
        first = votes[0]
        with self._durable.begin() as connection:
            standing = _votes(connection, schema.votes.c.ballot == first.ballot)
            if standing and standing[0].showing != first.showing:
                raise InvalidRequest(f"The vote id {first.ballot[:40]!r} was used for another pair.")
            standing = standing or _votes(connection, schema.votes.c.showing == first.showing)
            if standing:
                return standing, False
            if _find_showing(connection, first.showing) is None:
                raise InvalidRequest("This pair is not on show any more. Ask for the next one.")
            connection.execute(sa.insert(schema.votes), [_row(vote) for vote in votes])
            connection.execute(sa.delete(schema.showings).where(schema.showings.c.id == first.showing))
        return list(votes), True

    def ballot(self, ballot: str) -> list[Vote]:
        """The votes of a ballot, also when it was taken back; empty when there is none."""
        with self._read.connect() as connection:
            return _votes(connection, schema.votes.c.ballot == ballot)

    def of_showing(self, showing_id: str) -> list[Vote]:
        """The votes on what was shown."""
        with self._read.connect() as connection:
            return _votes(connection, schema.votes.c.showing == showing_id)

    def take_back(self, ballot: str, moment: str) -> None:
        """Let a ballot count no more. It stays on record."""
        table = schema.votes
        unmarked = sa.and_(table.c.ballot == ballot, table.c.undone.is_(None))
        with self._durable.begin() as connection:
            connection.execute(sa.update(table).where(unmarked).values(undone=moment))

    def votes(self, scope: Scope | None = None, *, undone: bool = False) -> list[Vote]:
        """The votes that count in a scope, oldest first.

        Args:
            scope: Which; None takes all.
            undone: Whether those that were taken back are wanted too.
        """
        where = [] if undone else [schema.votes.c.undone.is_(None)]
        with self._read.connect() as connection:
            return _votes(connection, *where, *_within(scope or Scope()))

    def of_voter(self, voter: str) -> list[tuple[str, str, bool]]:
        """The two pictures of each A/B vote of a voter, oldest first, and whether an answer stands."""
        c = schema.votes.c
        stands = sa.and_(c.undone.is_(None), c.outcome != "skip")
        query = sa.select(c.first_image, c.second_image, stands).where(c.voter == voter, c.kind == "pair")
        with self._read.connect() as connection:
            rows = connection.execute(query.order_by(c.created)).all()
        return [(first, second, bool(answered)) for first, second, answered in rows]

    def newer_than(self, row: int, scope: Scope) -> list[tuple[int, str, str | None, str, str]]:
        """The votes that count and came after a row: (row, first's hash, second's, outcome, prompt)."""
        c, number = schema.votes.c, sa.literal_column("rowid", sa.Integer)
        where = [number > row, c.undone.is_(None), *_within(scope)]
        query = sa.select(number, c.first_hash, c.second_hash, c.outcome, c.prompt).where(*where)
        with self._read.connect() as connection:
            return [(n, first, second, what, on) for n, first, second, what, on in connection.execute(query)]

    def last_undone(self) -> str:
        """When a vote was last taken back; empty when none was."""
        with self._read.connect() as connection:
            return connection.execute(sa.select(sa.func.max(schema.votes.c.undone))).scalar() or ""

    def results(self, scope: Scope) -> list[Result]:
        """Every answer about two models in a scope, oldest first, without what lies around it."""
        c = schema.votes.c
        columns = (c.first_hash, c.second_hash, c.first_model, c.second_model, c.outcome, c.prompt)
        where = [c.undone.is_(None), c.second_hash.is_not(None), c.outcome != "skip", *_within(scope)]
        query = sa.select(*columns).where(*where).order_by(c.created, c.ballot, c.number)
        with self._read.connect() as connection:
            return [Result(*row) for row in connection.execute(query)]

    def version(self) -> Version:
        """Differs when there are other votes, or one was taken back."""
        with self._read.connect() as connection:
            newest = connection.execute(sa.select(_newest_row()).select_from(schema.votes)).scalar()
        return newest or 0, self.last_undone()

    def take_in(self, votes: Sequence[Vote]) -> int:
        """Store votes from elsewhere; those that are known are left as they are.

        Returns:
            How many are new.
        """
        statement = insert(schema.votes).on_conflict_do_nothing()
        count = sa.select(sa.func.count()).select_from(schema.votes)
        with self._durable.begin() as connection:
            before = connection.execute(count).scalar_one()
            for start in range(0, len(votes), 1_000):
                connection.execute(statement, [_row(vote) for vote in votes[start : start + 1_000]])
            return int(connection.execute(count).scalar_one() - before)

    # beside votes

    def metric_values(self, image_ids: Iterable[str]) -> dict[tuple[str, str], dict[str, float]]:
        """The newest values of single pictures: (metric, tier) -> picture -> value."""
        c = schema.scores.c
        found: dict[tuple[str, str], dict[str, float]] = {}
        with self._read.connect() as connection:
            for part in in_parts(sorted(set(image_ids))):
                query = (
                    sa.select(c.metric, c.tier, c.image_id, c.value)
                    .where(c.image_id.in_(part), c.level == "image", c.value.is_not(None))
                    .order_by(c.created)
                )
                for metric, tier, image, value in connection.execute(query):
                    found.setdefault((metric, tier), {})[image] = value
        return found

    def metric_means(self, metric: str) -> dict[str, float]:
        """The mean of a metric over the pictures of each model, by the model's hash."""
        c, i = schema.scores.c, schema.images.c
        query = (
            sa.select(i.model_hash, sa.func.avg(c.value))
            .join_from(schema.scores, schema.images, c.image_id == i.id)
            .where(c.metric == metric, c.level == "image", c.value.is_not(None))
            .group_by(i.model_hash)
        )
        with self._read.connect() as connection:
            return {key: float(mean) for key, mean in connection.execute(query)}


def _newest_row() -> sa.ColumnElement[int]:
    return sa.func.max(sa.literal_column("rowid", sa.Integer))


def _find_showing(connection: sa.Connection, showing_id: str) -> Showing | None:
    row = connection.execute(sa.select(schema.showings).where(schema.showings.c.id == showing_id)).first()
    if row is None:
        return None
    entrants = tuple(Entrant(**each) for each in row.content["entrants"])
    return Showing(row.id, row.kind, row.voter, Topic(**row.content["topic"]), entrants, row.created)


def _within(scope: Scope) -> list[sa.ColumnElement[bool]]:
    c = schema.votes.c
    where = [
        column == value
        for column, value in ((c.run, scope.run), (c.suite, scope.suite), (c.category, scope.category))
        if value
    ]
    if scope.models:
        second = sa.or_(c.second_model.in_(scope.models), c.second_model.is_(None))
        where += [c.first_model.in_(scope.models), second]
    if scope.without_voters:
        where.append(c.voter.not_in(scope.without_voters))
    return where


def _votes(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Vote]:
    table = schema.votes
    query = sa.select(table).where(*where).order_by(table.c.created, table.c.ballot, table.c.number)
    return [_vote(row) for row in connection.execute(query)]


def _vote(row: sa.Row[Any]) -> Vote:
    second = None
    if row.second_image is not None:
        second = Entrant(row.second_image, row.second_model, row.second_hash)
    return Vote(
        ballot=row.ballot,
        number=row.number,
        showing=row.showing,
        kind=row.kind,
        voter=row.voter,
        topic=Topic(row.prompt, row.prompt_id, row.suite, row.category, int(row.seed), row.run),
        first=Entrant(row.first_image, row.first_model, row.first_hash),
        second=second,
        outcome=row.outcome,
        created=row.created,
        stars=row.stars,
        undone=row.undone,
    )


def _row(vote: Vote) -> dict[str, Any]:
    values = {name: getattr(vote, name) for name in ("ballot", "number", "showing", "kind", "voter")}
    values |= {name: getattr(vote, name) for name in ("outcome", "created", "stars", "undone")}
    values |= asdict(vote.topic) | {"seed": str(vote.topic.seed)}
    for place, entrant in (("first", vote.first), ("second", vote.second)):
        values[f"{place}_image"] = entrant.image if entrant else None
        values[f"{place}_model"] = entrant.model if entrant else None
        values[f"{place}_hash"] = entrant.model_hash if entrant else None
    return values


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()
