"""The durable queue's one worker. A job is a row; only success, cancel or failure ends it.

The page only follows rows. A second program on the same workspace may add and cancel jobs;
a lock file lets one of them do the work.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explorer.errors import Cancelled, ExplorerError
from explorer.events import Event, Failed, Notice, Progress
from explorer.job_store import JobStore, Request
from explorer.types import Job

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often a worker looks for jobs that another program added."""
WRITE_SECONDS = 0.25
"""How often progress is written; the page looks about as often."""

Execute = Callable[[Job, Request, threading.Event], Iterator[Event]]


@dataclass(slots=True)
class Current:
    """The job in work, and its stop sign."""

    job_id: str
    cancel: threading.Event


class Worker:
    """Takes jobs in the order of the queue, one at a time, until it is stopped."""

    def __init__(self, store: JobStore, execute: Execute, lock_path: Path) -> None:
        """Prepare; `start` begins.

        Args:
            store: Where jobs are rows.
            execute: Does one job, as a generator of events.
            lock_path: Held while this worker is the one of its workspace.
        """
        self._store, self._execute = store, execute
        self._lock = FileLock(lock_path)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._current: Current | None = None
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Begin to work on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within one denoising step. The job in work continues at the next start."""
        self._stop.set()
        self._wake.set()
        current = self._current
        if current is not None:
            current.cancel.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop this job within one denoising step, if it is the one in work."""
        current = self._current
        if current is not None and current.job_id == job_id:
            current.cancel.set()

    def _work(self) -> None:
        if not self._become_the_worker():
            return
        try:
            self._store.requeue_interrupted()
            while not self._stop.is_set():
                job = next_job(self._store)
                if job is None:
                    self._wake.wait(POLL_SECONDS)
                    self._wake.clear()
                else:
                    self._run(job)
        finally:
            self._lock.release()

    def _become_the_worker(self) -> bool:
        told = False
        while not self._stop.is_set():
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                if not told:
                    logger.warning("Another program works on this workspace; this one follows it.")
                told = True
                self._stop.wait(POLL_SECONDS)
            else:
                return True
        return False

    def _run(self, job: Job) -> None:
        if not self._store.update(job.id, only_if=("queued",), **_started()):
            return  # cancelled in between
        self._current = current = Current(job.id, threading.Event())
        recorder = Recorder(self._store, job.id, current.cancel)
        try:
            self._store.clear_failures(job.id)
            for event in self._execute(job, self._store.request(job.id), current.cancel):
                recorder.record(event)
            recorder.finish("done")
        except Cancelled:
            if not self._stop.is_set():
                recorder.finish("cancelled")
            else:
                self._store.update(job.id, only_if=("running",), state="queued")
        except ExplorerError as error:
            recorder.finish("failed", str(error))
        except Exception:
            logger.exception("Job %s failed", job.id)
            recorder.finish("failed", "Something unexpected went wrong; the program's log has the details.")
        finally:
            self._current = None


class Recorder:
    """Writes the events of a job into its row, not more often than anybody looks."""

    def __init__(self, store: JobStore, job_id: str, cancel: threading.Event) -> None:
        """Record for one job; `cancel` is set when its row was cancelled elsewhere."""
        self._store, self._job_id, self._cancel = store, job_id, cancel
        self._latest: Progress | None = None
        self._failed = 0
        self._written = 0.0

    def record(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Failed):
            self._failed += 1
            self._store.add_failure(self._job_id, event)
        elif isinstance(event, Notice):
            self._store.add_notice(self._job_id, event.text)
        elif isinstance(event, Progress):
            self._latest = event
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def finish(self, state: str, error: str | None = None) -> None:
        """Write the end. A job none of whose pictures could be made has failed."""
        if state == "done" and self._latest and 0 < self._latest.total <= self._failed:
            state, error = "failed", self._store.failures(self._job_id)[0].reason
        self._write(state=state, error=error, ended=_now(), seconds_left=None, message="")

    def _write(self, **values: Any) -> None:
        self._written = time.monotonic()
        if self._latest is not None:
            names = ("done", "total", "step", "steps", "seconds_left", "message")
            values = {name: getattr(self._latest, name) for name in names} | values
        if not self._store.update(self._job_id, only_if=("running",), failed=self._failed, **values):
            self._cancel.set()  # another program cancelled the row


def next_job(store: JobStore) -> Job | None:
    """The first job in the queue that need not wait for another one.

    A job that waited for one which was cancelled or failed is cancelled too.
    """
    for job in store.unfinished():
        if job.state != "queued":
            continue
        if job.after is None:
            return job
        before = store.get(job.after)
        if before.state == "done":
            return job
        if not before.active:
            cancel_waiting(store, job.id)
    return None


def cancel_waiting(store: JobStore, job_id: str) -> None:
    """End a job that has not begun."""
    message = "not started: what it waited for was not finished"
    store.update(job_id, only_if=("queued",), state="cancelled", ended=_now(), message=message)


def cancel(store: JobStore, job_id: str) -> None:
    """Cancel a job and those that wait for it."""
    store.update(job_id, only_if=("queued", "running"), state="cancelled", ended=_now(), seconds_left=None)
    for job in store.unfinished():
        if job.after == job_id:
            cancel(store, job.id)


def _started() -> dict[str, Any]:
    return {"state": "running", "started": _now(), "ended": None, "error": None, "failed": 0, "message": ""}


def _now() -> str:
    return datetime.now(UTC).isoformat()
