import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer.database import open_database
from explorer.errors import Cancelled, ModelError, UnknownName
from explorer.events import Event, Failed, ImageDone, Notice, Progress
from explorer.job_store import JobStore, Request, new_job_id
from explorer.requests import AnalyzeRequest, GenerateRequest
from explorer.types import Image, Job
from explorer.worker import Lane, Worker, next_job

BOTH = ("generate", "analyze")
REQUEST = GenerateRequest(models=("a", "b"), suite="tiny", prompts=("x",))


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(open_database(tmp_path / "explorer.db")[0])


def add(store: JobStore, after: str | None = None, request: Request = REQUEST) -> str:
    kind = "generate" if isinstance(request, GenerateRequest) else "analyze"
    job = Job(new_job_id(), kind, "queued", "Title", "", "2026-01-01", after=after)  # type: ignore[arg-type]
    store.add(job, request)
    return job.id


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def simple(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
    for done in range(1, 4):
        yield Progress(done, 3)


class Working:
    """Runs a worker for the length of a block."""

    def __init__(self, store: JobStore, folder: Path, execute: Callable[..., Iterator[Event]]) -> None:
        lane = Lane(("generate", "analyze"), folder / "worker.lock", execute, lambda: self.freed.append(1))
        self.freed: list[int] = []
        self.worker = Worker(store, lane)

    def __enter__(self) -> Worker:
        self.worker.start()
        return self.worker

    def __exit__(self, *_: object) -> None:
        self.worker.stop()


def state(store: JobStore, job_id: str) -> str:
    return store.get(job_id).state


def test_requests_survive_the_row(store: JobStore) -> None:
    assert store.request(add(store)) == REQUEST
    scoring = AnalyzeRequest(("clip_score",), "standard", run="r")
    assert store.request(add(store, request=scoring)) == scoring
    with pytest.raises(UnknownName, match="Unknown job"):
        store.get("nothing")


def test_jobs_are_done_in_order(store: JobStore, tmp_path: Path) -> None:
    ids, seen = [add(store) for _ in range(3)], []

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        seen.append(job.id)
        yield from simple(job, request, stop)

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, ids[-1]) == "done")
    assert seen == ids
    job = store.get(ids[0])
    assert (job.done, job.total, job.failed, job.error) == (3, 3, 0, None)
    assert job.started
    assert job.ended
    assert [job.id for job in store.newest(2)] == [ids[2], ids[1]]


def test_a_job_waits_for_the_one_it_follows(store: JobStore) -> None:
    first = add(store)
    second = add(store, after=first)
    assert next_job(store, BOTH).id == first  # type: ignore[union-attr]
    store.update(first, state="running")
    assert next_job(store, BOTH) is None
    store.update(first, state="paused")
    assert next_job(store, BOTH) is None
    store.update(first, state="done")
    assert next_job(store, BOTH).id == second  # type: ignore[union-attr]
    assert next_job(store, ("fetch",)) is None


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_job_whose_forerunner_failed_is_not_started(store: JobStore, end: str) -> None:
    first = add(store)
    second = add(store, after=first)
    store.update(first, state=end)
    assert next_job(store, BOTH) is None
    assert state(store, second) == "cancelled"
    assert "not started" in store.get(second).message


def test_cancelling_a_running_job_stops_it_and_those_behind_it(store: JobStore, tmp_path: Path) -> None:
    first = add(store)
    second, third = add(store, after=first), add(store)
    stopped = threading.Event()

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        if job.id == first:
            while not stop.wait(0.01):
                yield Progress(1, 9)
            stopped.set()
            raise Cancelled("stopped")
        yield from simple(job, request, stop)

    with Working(store, tmp_path, execute) as worker:
        wait_for(lambda: state(store, first) == "running")
        store.update(first, state="cancelled")
        worker.interrupt(first)
        assert stopped.wait(5)
        wait_for(lambda: state(store, third) == "done")
    wait_for(lambda: state(store, second) == "cancelled")
    assert state(store, first) == "cancelled"


def test_a_row_cancelled_by_another_program_stops_the_work(store: JobStore, tmp_path: Path) -> None:
    job_id = add(store)
    stopped = threading.Event()

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        while not stop.wait(0.01):
            yield Progress(1, 9)
        stopped.set()
        raise Cancelled("stopped")

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, job_id) == "running")
        store.update(job_id, state="cancelled")  # only the row is changed
        assert stopped.wait(5)
    assert state(store, job_id) == "cancelled"


def test_failures_and_notices_are_kept_and_forgotten_at_the_next_try(store: JobStore, tmp_path: Path) -> None:
    job_id = add(store)

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        yield Failed("cell", "a, p0, seed 0", "out of memory")
        yield Notice("cut short")
        yield Notice("cut short")
        yield Progress(2, 2)

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, job_id) == "done")
    assert store.failures(job_id) == [Failed("cell", "a, p0, seed 0", "out of memory")]
    assert store.notices(job_id) == ["cut short"]
    assert store.get(job_id).failed == 1
    store.clear_failures(job_id)
    assert store.failures(job_id) == []
    assert store.notices(job_id) == []


def test_a_job_of_which_nothing_succeeded_has_failed(store: JobStore, tmp_path: Path) -> None:
    job_id = add(store)

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        yield Failed("c1", "a, p0, seed 0", "cannot be loaded")
        yield Progress(1, 1)

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, job_id) == "failed")
    assert store.get(job_id).error == "cannot be loaded"


@pytest.mark.parametrize(
    ("error", "shown"),
    [(ModelError("the file is damaged"), "the file is damaged"), (KeyError("secret"), "the program's log")],
)
def test_an_error_ends_the_job_and_the_queue_goes_on(
    store: JobStore, tmp_path: Path, error: Exception, shown: str
) -> None:
    first, second = add(store), add(store)

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        if job.id == first:
            raise error
        yield from simple(job, request, stop)

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, second) == "done")
    assert state(store, first) == "failed"
    assert shown in (store.get(first).error or "")


def test_stopping_the_program_puts_the_job_back_and_a_start_continues_it(
    store: JobStore, tmp_path: Path
) -> None:
    job_id = add(store)

    def endless(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        while not stop.wait(0.01):
            yield Progress(1, 9)
        raise Cancelled("stopped")

    with Working(store, tmp_path, endless):
        wait_for(lambda: state(store, job_id) == "running")
    assert state(store, job_id) == "queued"
    with Working(store, tmp_path, simple):
        wait_for(lambda: state(store, job_id) == "done")


def test_a_job_left_running_by_a_crash_continues(store: JobStore, tmp_path: Path) -> None:
    job_id = add(store)
    store.update(job_id, state="running")
    with Working(store, tmp_path, simple):
        wait_for(lambda: state(store, job_id) == "done")


def test_two_workers_on_one_workspace_do_a_job_once(store: JobStore, tmp_path: Path) -> None:
    seen = []

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        seen.append(job.id)
        time.sleep(0.05)
        yield from simple(job, request, stop)

    ids = [add(store) for _ in range(4)]
    with Working(store, tmp_path, execute), Working(store, tmp_path, execute):
        wait_for(lambda: all(state(store, job_id) == "done" for job_id in ids))
    assert sorted(seen) == sorted(ids)


def test_pausing_stops_the_work_frees_what_it_held_and_lets_others_go_on(
    store: JobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = add(store), add(store)
    go_on = threading.Event()

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        if job.id == first and not go_on.is_set():
            while not stop.wait(0.01):
                yield Progress(1, 3, step=5, steps=20)
            raise Cancelled("stopped")
        yield from simple(job, request, stop)

    working = Working(store, tmp_path, execute)
    with caplog.at_level("INFO", "explorer.worker"), working as worker:
        wait_for(lambda: store.get(first).step == 5)
        store.update(first, state="paused")
        worker.interrupt(first)
        wait_for(lambda: state(store, second) == "done")
        assert state(store, first) == "paused"
        assert working.freed == [1]
        go_on.set()
        store.update(first, state="queued")
        wait_for(lambda: state(store, first) == "done")
    said = rf"Job {first} stopped 0\.\d\d s after it was asked, at 1 of 3, step 5 of 20"
    assert re.search(said, caplog.text)


def test_the_order_is_by_priority_then_by_place(store: JobStore) -> None:
    ids = [add(store) for _ in range(4)]
    store.reorder([ids[2], ids[0], ids[1]])
    assert [job.id for job in store.unfinished()] == [ids[2], ids[0], ids[1], ids[3]]
    store.update(ids[3], priority=1)
    assert next_job(store, BOTH).id == ids[3]  # type: ignore[union-attr]
    store.update(ids[0], state="done")
    store.reorder([ids[0], ids[1], ids[2]])  # what has ended keeps its place
    assert [job.id for job in store.unfinished()] == [ids[3], ids[1], ids[2]]


def test_what_another_lane_does_is_left_to_it(store: JobStore) -> None:
    job_id = add(store)
    store.update(job_id, state="running")
    store.requeue_interrupted(("fetch",))
    assert state(store, job_id) == "running"
    store.requeue_interrupted(BOTH)
    assert state(store, job_id) == "queued"


def test_what_was_made_is_counted_apart_from_what_was_there(store: JobStore, tmp_path: Path) -> None:
    job_id = add(store)
    image = Image("i", tmp_path / "i.png", None, "")  # type: ignore[arg-type]

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        yield ImageDone(image, new=False)
        yield ImageDone(image, new=True)
        yield Progress(2, 2)

    with Working(store, tmp_path, execute):
        wait_for(lambda: state(store, job_id) == "done")
    assert store.get(job_id).made == 1


def test_a_second_worker_knows_that_it_follows(store: JobStore, tmp_path: Path) -> None:
    with Working(store, tmp_path, simple) as first:
        job_id = add(store)
        wait_for(lambda: state(store, job_id) == "done")
        with Working(store, tmp_path, simple) as second:
            wait_for(lambda: second.following)
            assert not first.following
