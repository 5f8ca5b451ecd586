"""The durable queue as people use it: add, watch, pause, reorder, retry, sum up.

A job is a row that outlives the page and the program; `worker.py` does the work.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

from pydantic import SecretStr

from explorer.batches import Batch
from explorer.errors import InvalidRequest, UnknownName
from explorer.events import Failed
from explorer.job_store import UNFINISHED, JobStore, Request, kind_of, new_job_id
from explorer.requests import AnalyzeRequest, GenerateRequest, ImportRequest
from explorer.types import Job
from explorer.work_store import WorkStore
from explorer.worker import Lane, Worker, now

WATCH_SECONDS = 0.25
Place = Literal["first", "earlier", "later", "last"]


class Checked(NamedTuple):
    """A request that can be done."""

    request: Request
    title: str
    total: int
    """How many pictures it draws; 0 when that is not known yet."""


Check = Callable[[Request], Checked]
"""Raises `InvalidRequest` for what cannot be done."""


class Queue:
    """Every job of a workspace, and the workers that do them."""

    def __init__(self, store: JobStore, work: WorkStore, check: Check, lanes: Sequence[Lane]) -> None:
        """Prepare; `start` begins to work.

        Args:
            store: Where jobs are rows.
            work: Where it is marked what killed the program.
            check: Looks at a request before it becomes a job.
            lanes: What is worked on side by side.
        """
        self._store, self._work, self._check = store, work, check
        self._workers = [Worker(store, lane) for lane in lanes]
        self._tokens: dict[str, SecretStr] = {}

    def start(self) -> None:
        """Begin to work; jobs that a crash interrupted continue."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Stop within one denoising step; what is in work continues at the next start."""
        for worker in self._workers:
            worker.stop()

    @property
    def following(self) -> bool:
        """Whether another program does the work of this workspace."""
        return any(worker.following for worker in self._workers)

    # what there is

    def get(self, job_id: str) -> Job:
        """How a job stands; unknown ids raise."""
        return self._store.get(job_id)

    def request(self, job_id: str) -> Request:
        """What a job was asked to do."""
        return self._store.request(job_id)

    def newest(self, limit: int = 20) -> list[Job]:
        """The latest jobs, newest first."""
        return self._store.newest(limit)

    def unfinished(self) -> list[Job]:
        """What waits, works or is paused, in the order in which it will be done."""
        return self._store.unfinished()

    def ended_since(self, moment: str) -> list[Job]:
        """Jobs that ended since a moment (ISO 8601, UTC), in the order they ended."""
        return self._store.ended_since(moment)

    def followers(self, job_id: str) -> list[Job]:
        """The jobs that wait, or waited, for this one."""
        return self._store.followers(job_id)

    def failures(self, job_id: str) -> list[Failed]:
        """The cells of a job that have no picture, with the reasons."""
        return self._store.failures(job_id)

    def notices(self, job_id: str) -> list[str]:
        """What the person should know about a job, such as prompts cut short."""
        return self._store.notices(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job whenever its row changes, until it has ended. Any number may watch."""
        before = None
        while True:
            job = await asyncio.to_thread(self.get, job_id)
            if job != before:
                yield job
            if not job.active:
                return
            before = job
            await asyncio.sleep(WATCH_SECONDS)

    # adding

    def submit(self, request: Request, after: str | None = None, token: SecretStr | None = None) -> Job:
        """Put work into the queue and return at once.

        Args:
            request: What to do. Models and suites are taken by name only: paths work on
                the command line, where the person owns the disk anyway.
            after: Id of a job to wait for. An analysis without a run scores that job's run.
            token: For fetching, or the key of an answerer; kept in memory only, until the job has ended.

        Raises:
            InvalidRequest: It cannot be done; says what to change.
        """
        checked = self._check(request)
        job = Job(
            id=new_job_id(),
            kind=kind_of(request),
            state="queued",
            title=checked.title,
            run=request.run if isinstance(request, AnalyzeRequest) else "",
            created=now(),
            after=self.get(after).id if after else None,
            total=checked.total,
        )
        if token is not None:
            self._tokens[job.id] = token
        self._store.add(job, checked.request)
        self._wake()
        return job

    def submit_benchmark(
        self, request: GenerateRequest, scoring: AnalyzeRequest, token: SecretStr | None = None
    ) -> tuple[Job, Job | None]:
        """Queue the drawing and, when metrics are named, the scoring after it, which gets the token.

        Raises:
            InvalidRequest: One of the two cannot be done; neither is queued.
        """
        if not scoring.metrics:
            return self.submit(request), None
        self._check(scoring)
        drawing = self.submit(request)
        return drawing, self.submit(scoring, after=drawing.id, token=token)

    def submit_import(
        self, request: ImportRequest, scoring: AnalyzeRequest, token: SecretStr | None = None
    ) -> Job:
        """Queue the taking in of pictures, and the scoring after it, which gets the token and is returned.

        Raises:
            InvalidRequest: One of the two cannot be done; neither is queued.
        """
        self._check(scoring)
        return self.submit(scoring, after=self.submit(request).id, token=token)

    def submit_batch(self, batch: Batch) -> list[Job]:
        """Queue every run of a batch with its scoring; returns the drawing jobs.

        Raises:
            InvalidRequest: Something of it cannot be done; nothing is queued.
        """
        for request in batch.requests:
            self._check(request)
        return [self.submit_benchmark(request, batch.scoring)[0] for request in batch.requests]

    def duplicate(self, job_id: str) -> Job:
        """The same work once more, as a new job, with what followed it."""
        request, title = self.request(job_id), self.get(job_id).title
        if isinstance(request, AnalyzeRequest) and not request.run:
            request = replace(request, run=self.get(job_id).run)
            if not request.run:
                raise InvalidRequest(f"{title} waits for its pictures; duplicate the drawing instead.")
        copy = self.submit(request)
        for follower in self.followers(job_id):
            self.submit(self.request(follower.id), after=copy.id)
        return copy

    def take_token(self, job_id: str) -> SecretStr | None:
        """The token that came with a job; given once."""
        return self._tokens.pop(job_id, None)

    def keep_token(self, job_id: str, token: SecretStr | None) -> None:
        """Keep the token of a job that was paused, for when it goes on."""
        if token is not None:
            self._tokens[job_id] = token

    # steering

    def cancel(self, job_id: str) -> Job:
        """Cancel a job, and those that wait for it, within one denoising step."""
        self.get(job_id)
        ended = {"state": "cancelled", "ended": now(), "seconds_left": None}
        self._store.update(job_id, only_if=UNFINISHED, **ended)
        self._tokens.pop(job_id, None)
        for follower in self.followers(job_id):
            if follower.active:
                self.cancel(follower.id)
        self._interrupt(job_id)
        return self.get(job_id)

    def pause(self, job_id: str) -> Job:
        """Hold a job within one denoising step; frees what it held in memory.

        Raises:
            InvalidRequest: It has ended.
        """
        if not self._store.update(job_id, only_if=("queued", "running"), state="paused", message=""):
            self._refuse_ended(job_id)
        self._interrupt(job_id)
        return self.get(job_id)

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on in its turn.

        Raises:
            InvalidRequest: It has ended.
        """
        if not self._store.update(job_id, only_if=("paused",), state="queued", message="continues"):
            self._refuse_ended(job_id)
        self._wake()
        return self.get(job_id)

    def pause_all(self) -> None:
        """Hold everything that waits or works."""
        for job in self.unfinished():
            if job.state != "paused":
                self.pause(job.id)

    def resume_all(self) -> None:
        """Let everything paused go on."""
        for job in self.unfinished():
            if job.state == "paused":
                self.resume(job.id)

    def move(self, job_id: str, place: Place) -> None:
        """Change when a job has its turn. What waits for it moves along.

        Raises:
            InvalidRequest: It has ended, or there is no such place.
        """
        if place not in get_args(Place):
            raise UnknownName("place", place, get_args(Place))
        order = [job.id for job in self.unfinished()]
        if job_id not in order:
            self._refuse_ended(job_id)
        group = [job_id, *(f.id for f in self.followers(job_id) if f.id in order)]
        others = [other for other in order if other not in group]
        at = order.index(job_id)  # only what does not move along stands before it
        heads = [i for i, other in enumerate(others) if not self._follows(other)]
        before, behind = [i for i in heads if i < at], [i for i in heads if i >= at]
        index = {
            "first": 0,
            "last": len(others),
            "earlier": before[-1] if before else 0,
            "later": behind[1] if len(behind) > 1 else len(others),
        }[place]
        self._store.reorder([*others[:index], *group, *others[index:]])
        self._wake()

    def prioritize(self, job_id: str, priority: int) -> None:
        """Let a job, and what waits for it, go before all of lower priority."""
        if not self._store.update(job_id, only_if=UNFINISHED, priority=priority):
            self._refuse_ended(job_id)
        for follower in self.followers(job_id):
            self._store.update(follower.id, priority=priority)
        self._wake()

    def retry(self, job_id: str) -> Job:
        """Try again what failed; what is there is not made again. Scoring follows once more.

        Raises:
            InvalidRequest: It has not ended yet.
        """
        job = self.get(job_id)
        if job.active:
            raise InvalidRequest(f"{job.title} has not ended yet.")
        self._work.forgive([failure.cell for failure in self.failures(job_id)])
        again = {"state": "queued", "ended": None, "error": None, "message": "", "seconds_left": None}
        ended = ("done", "failed", "cancelled")
        self._store.update(job_id, only_if=ended, **again)
        for follower in self.followers(job_id):
            self._store.update(follower.id, only_if=ended, **again, done=0)
        self._wake()
        return self.get(job_id)

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended; its pictures and scores stay.

        Raises:
            InvalidRequest: It, or what waits for it, has not ended yet.
        """
        job = self.get(job_id)
        if job.active or any(follower.active for follower in self.followers(job_id)):
            raise InvalidRequest(f"{job.title} has not ended yet; cancel it first.")
        self._store.remove([job_id])

    def clear(self) -> int:
        """Forget every job that has ended and that nothing waits for; returns how many."""
        awaited = {job.after for job in self.unfinished()}
        ended = [job.id for job in self.newest(-1) if not job.active and job.id not in awaited]
        self._store.remove(ended)
        return len(ended)

    # inside

    def _follows(self, job_id: str) -> bool:
        after = self.get(job_id).after
        return after is not None and any(job.id == after for job in self.unfinished())

    def _interrupt(self, job_id: str) -> None:
        for worker in self._workers:
            worker.interrupt(job_id)

    def _wake(self) -> None:
        for worker in self._workers:
            worker.wake()

    def _refuse_ended(self, job_id: str) -> None:
        job = self.get(job_id)
        if not job.active:
            raise InvalidRequest(f"{job.title} has ended already.")
