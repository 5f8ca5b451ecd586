"""Jobs as rows: what was asked, in which state it is, how far it is."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import reader
from explorer.errors import UnknownName
from explorer.events import Failed
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, ImportRequest
from explorer.types import Job, JobKind

Request = GenerateRequest | AnalyzeRequest | FetchRequest | ImportRequest
REQUESTS: dict[JobKind, type[Request]] = {
    "generate": GenerateRequest,
    "analyze": AnalyzeRequest,
    "fetch": FetchRequest,
    "import": ImportRequest,
}
UNFINISHED = ("queued", "running", "paused")
_FIELDS = tuple(Job.__dataclass_fields__)


class JobStore:
    """The queue on disk. Only success, cancel or failure ends a job; never a crash."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use an open database."""
        self._engine = engine
        self._read = reader(engine)

    def add(self, job: Job, request: Request) -> None:
        """Append a job to the queue."""
        values = {name: getattr(job, name) for name in _FIELDS}
        table = schema.jobs
        last = sa.select(sa.func.coalesce(sa.func.max(table.c.position), 0)).scalar_subquery()
        with self._engine.begin() as connection:
            connection.execute(insert(table).values(**values, request=request.to_dict(), position=last + 1))

    def get(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            UnknownName: There is none.
        """
        return _job(self._row(job_id))

    def request(self, job_id: str) -> Request:
        """What the job was asked to do."""
        row = self._row(job_id)
        return REQUESTS[row.kind].from_dict(row.request)

    def newest(self, limit: int) -> list[Job]:
        """The latest jobs, newest first."""
        table = schema.jobs
        query = sa.select(table).order_by(table.c.created.desc(), table.c.position.desc()).limit(limit)
        with self._read.connect() as connection:
            return [_job(row) for row in connection.execute(query)]

    def unfinished(self) -> list[Job]:
        """Jobs that wait, work or are paused, in the order of the queue."""
        table = schema.jobs
        query = sa.select(table).where(table.c.state.in_(UNFINISHED))
        query = query.order_by(table.c.priority.desc(), table.c.position)
        with self._read.connect() as connection:
            return [_job(row) for row in connection.execute(query)]

    def ended_since(self, moment: str) -> list[Job]:
        """Jobs that ended at or after a moment (ISO 8601, UTC), in the order they ended."""
        table = schema.jobs
        query = sa.select(table).where(table.c.ended >= moment).order_by(table.c.ended)
        with self._read.connect() as connection:
            return [_job(row) for row in connection.execute(query)]

    def followers(self, job_id: str) -> list[Job]:
        """Jobs that wait, or waited, for this one."""
        query = sa.select(schema.jobs).where(schema.jobs.c.after == job_id)
        with self._read.connect() as connection:
            return [_job(row) for row in connection.execute(query)]

    def reorder(self, ids: Sequence[str]) -> None:
        """Let unfinished jobs take turns in this order; jobs not named keep their places."""
        table = schema.jobs
        with self._engine.begin() as connection:
            query = sa.select(table.c.id, table.c.position)
            query = query.where(table.c.id.in_(ids), table.c.state.in_(UNFINISHED))
            places = {row.id: row.position for row in connection.execute(query)}
            known = [job_id for job_id in ids if job_id in places]
            for job_id, position in zip(known, sorted(places.values()), strict=True):
                connection.execute(sa.update(table).where(table.c.id == job_id).values(position=position))

    def remove(self, ids: Sequence[str]) -> None:
        """Forget jobs that have ended; their pictures and scores stay."""
        table = schema.jobs
        ended = table.c.state.not_in(UNFINISHED)
        with self._engine.begin() as connection:
            for job_id in ids:
                connection.execute(sa.delete(table).where(table.c.id == job_id, ended))

    def update(self, job_id: str, *, only_if: tuple[str, ...] = (), **values: Any) -> bool:
        """Change fields of a job; with `only_if`, only while it is in one of these states.

        Returns:
            Whether the job was changed.
        """
        table = schema.jobs
        statement = sa.update(table).where(table.c.id == job_id).values(**values)
        if only_if:
            statement = statement.where(table.c.state.in_(only_if))
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def requeue_interrupted(self, kinds: Sequence[JobKind]) -> None:
        """Put jobs that a crash left running back into the queue, where they continue."""
        table = schema.jobs
        statement = sa.update(table).where(table.c.state == "running", table.c.kind.in_(kinds))
        with self._engine.begin() as connection:
            connection.execute(statement.values(state="queued", message="continues after a restart"))

    def add_failure(self, job_id: str, failure: Failed) -> None:
        """Keep why a cell has no picture."""
        values = {"cell": failure.cell, "label": failure.label, "reason": failure.reason}
        statement = insert(schema.job_failures).values(job=job_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["job", "cell"], set_=values)
        with self._engine.begin() as connection:
            connection.execute(statement)

    def clear_failures(self, job_id: str) -> None:
        """Forget failures and notices before the job is tried again."""
        with self._engine.begin() as connection:
            for table in (schema.job_failures, schema.job_notices):
                connection.execute(sa.delete(table).where(table.c.job == job_id))

    def add_notice(self, job_id: str, text: str) -> None:
        """Keep something the person should know; the same text once."""
        statement = insert(schema.job_notices).values(job=job_id, text=text).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            connection.execute(statement)

    def notices(self, job_id: str) -> list[str]:
        """What the person should know about the job."""
        table = schema.job_notices
        with self._read.connect() as connection:
            return list(connection.execute(sa.select(table.c.text).where(table.c.job == job_id)).scalars())

    def failures(self, job_id: str) -> list[Failed]:
        """The cells of a job that have no picture, with the reasons."""
        table = schema.job_failures
        query = sa.select(table).where(table.c.job == job_id).order_by(sa.literal_column("rowid"))
        with self._read.connect() as connection:
            return [Failed(row.cell, row.label, row.reason) for row in connection.execute(query)]

    def _row(self, job_id: str) -> sa.Row[Any]:
        query = sa.select(schema.jobs).where(schema.jobs.c.id == job_id)
        with self._read.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UnknownName("job", job_id, [job.id for job in self.newest(5)])
        return row


def new_job_id() -> str:
    """Short, unguessable, and sorted by time for people who read the table."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def kind_of(request: Request) -> JobKind:
    """The kind of job that a request makes."""
    return next(kind for kind, cls in REQUESTS.items() if isinstance(request, cls))


def _job(row: sa.Row[Any]) -> Job:
    return Job(**{name: getattr(row, name) for name in _FIELDS})
