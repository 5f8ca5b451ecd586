"""One worker of the durable queue. A job is a row; only success, cancel or failure ends it.

The page only follows rows. A second program on the same workspace may add, pause and cancel
jobs; a lock file lets one of them do the work.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explorer.errors import Cancelled, ExplorerError
from explorer.events import Event, Failed, ImageDone, Notice, Progress, Scored
from explorer.job_store import JobStore, Request
from explorer.types import Job, JobKind

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often a worker looks for jobs that another program added."""
WRITE_SECONDS = 0.25
"""How often progress is written; the page looks about as often."""

Execute = Callable[[Job, Request, threading.Event], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Lane:
    """What one worker does, beside other workers."""

    kinds: tuple[JobKind, ...]
    lock: Path
    """Held while this worker is the one of its workspace."""
    execute: Execute
    """Does one job, as a generator of events."""
    let_go: Callable[[], None] = lambda: None
    """Frees what a paused job held."""


@dataclass(slots=True)
class Current:
    """The job in work, and its stop sign."""

    job_id: str
    cancel: threading.Event = field(default_factory=threading.Event)
    asked: float = 0.0
    """When it was asked to stop."""

    def stop(self) -> None:
        """Ask it to stop."""
        if not self.cancel.is_set():
            self.asked = time.monotonic()
            self.cancel.set()


class Worker:
    """Takes jobs in the order of the queue, one at a time, until it is stopped."""

    def __init__(self, store: JobStore, lane: Lane) -> None:
        """Prepare; `start` begins.

        Args:
            store: Where jobs are rows.
            lane: Which jobs, and how they are done.
        """
        self._store, self._lane = store, lane
        self._lock = FileLock(lane.lock)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._current: Current | None = None
        self._thread = threading.Thread(target=self._work, name=lane.lock.stem, daemon=True)
        self.following = False
        """Whether another program does the work of this workspace."""

    def start(self) -> None:
        """Begin to work on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within one denoising step. The job in work continues at the next start."""
        self._stop.set()
        self._wake.set()
        current = self._current
        if current is not None:
            current.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def interrupt(self, job_id: str) -> None:
        """Stop this job within one denoising step, if it is the one in work."""
        current = self._current
        if current is not None and current.job_id == job_id:
            current.stop()

    def _work(self) -> None:
        if not self._become_the_worker():
            return
        try:
            self._store.requeue_interrupted(self._lane.kinds)
            while not self._stop.is_set():
                job = next_job(self._store, self._lane.kinds)
                if job is None:
                    self._wake.wait(POLL_SECONDS)
                    self._wake.clear()
                else:
                    self._run(job)
        finally:
            self._lock.release()

    def _become_the_worker(self) -> bool:
        while not self._stop.is_set():
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                if not self.following:
                    logger.warning("Another program works on this workspace; this one follows it.")
                self.following = True
                self._stop.wait(POLL_SECONDS)
            else:
                self.following = False
                return True
        return False

    def _run(self, job: Job) -> None:
        if not self._store.update(job.id, only_if=("queued",), **_started()):
            return  # cancelled or paused in between
        self._current = current = Current(job.id)
        recorder = Recorder(self._store, job.id, current.stop)
        try:
            self._store.clear_failures(job.id)
            for event in self._lane.execute(job, self._store.request(job.id), current.cancel):
                recorder.record(event)
            recorder.finish("done")
        except Cancelled:
            self._stopped(current, recorder)
        except ExplorerError as error:
            recorder.finish("failed", str(error))
        except Exception:
            logger.exception("Job %s failed", job.id)
            recorder.finish("failed", "Something unexpected went wrong; the program's log has the details.")
        finally:
            self._current = None

    def _stopped(self, current: Current, recorder: "Recorder") -> None:
        if current.asked:
            seconds = time.monotonic() - current.asked
            logger.info("Job %s stopped %.2f s after it was asked%s", current.job_id, seconds, recorder.place)
        if self._store.get(current.job_id).state == "paused":
            self._lane.let_go()
        elif self._stop.is_set():
            self._store.update(current.job_id, only_if=("running",), state="queued")
        else:
            recorder.finish("cancelled")


class Recorder:
    """Writes the events of a job into its row, not more often than anybody looks."""

    def __init__(self, store: JobStore, job_id: str, stop: Callable[[], None]) -> None:
        """Record for one job; `stop` is called when its row was changed elsewhere."""
        self._store, self._job_id, self._stop = store, job_id, stop
        self._latest: Progress | None = None
        self._failed = 0
        self._made = store.get(job_id).made
        self._written = 0.0

    @property
    def place(self) -> str:
        """Where the work stands, for the log."""
        latest = self._latest
        if latest is None:
            return ""
        inside = f", step {latest.step} of {latest.steps}" if latest.steps else ""
        return f", at {latest.done} of {latest.total}{inside}"

    def record(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Failed):
            self._failed += 1
            self._store.add_failure(self._job_id, event)
        elif isinstance(event, Notice):
            self._store.add_notice(self._job_id, event.text)
        elif isinstance(event, Progress):
            self._latest = event
        elif isinstance(event, ImageDone):
            self._made += event.new
        elif isinstance(event, Scored):
            self._made += not event.cached
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def finish(self, state: str, error: str | None = None) -> None:
        """Write the end. A job none of whose pictures could be made has failed."""
        if state == "done" and self._latest and 0 < self._latest.total <= self._failed:
            state, error = "failed", self._store.failures(self._job_id)[0].reason
        self._write(state=state, error=error, ended=now(), seconds_left=None, message="")

    def _write(self, **values: Any) -> None:
        self._written = time.monotonic()
        if self._latest is not None:
            names = ("done", "total", "step", "steps", "seconds_left", "message")
            values = {name: getattr(self._latest, name) for name in names} | values
        values |= {"failed": self._failed, "made": self._made}
        if not self._store.update(self._job_id, only_if=("running",), **values):
            self._stop()  # cancelled or paused, perhaps by another program


def next_job(store: JobStore, kinds: tuple[JobKind, ...]) -> Job | None:
    """The first job of these kinds in the queue that need not wait for another one.

    A job that waited for one which was cancelled or failed is cancelled too.
    """
    for job in store.unfinished():
        if job.state != "queued" or job.kind not in kinds:
            continue
        if job.after is None:
            return job
        before = store.get(job.after)
        if before.state == "done":
            return job
        if not before.active:
            message = "not started: what it waited for was not finished"
            store.update(job.id, only_if=("queued",), state="cancelled", ended=now(), message=message)
    return None


def now() -> str:
    """The moment, as it is stored."""
    return datetime.now(UTC).isoformat()


def _started() -> dict[str, Any]:
    return {"state": "running", "started": now(), "ended": None, "error": None, "failed": 0, "message": ""}
