import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from explorer.database import open_database
from explorer.errors import Cancelled, InvalidRequest, UnknownName
from explorer.events import Event, Failed, Progress
from explorer.job_store import JobStore, Request
from explorer.jobs import Checked, Queue
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest
from explorer.types import Job
from explorer.work_store import WorkStore
from explorer.worker import Lane

DRAW = GenerateRequest(models=("a",), prompts=("x",))
SCORE = AnalyzeRequest()
Make = Callable[..., Queue]


def check(request: Request) -> Checked:
    if isinstance(request, AnalyzeRequest) and "bad" in request.metrics:
        raise InvalidRequest("There is no such metric.")
    return Checked(request, type(request).__name__, 3)


def nothing(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
    yield Progress(3, 3)


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(open_database(tmp_path / "explorer.db")[0])


@pytest.fixture
def make(store: JobStore, tmp_path: Path) -> Iterator[Make]:
    """A queue whose jobs are done by a given function, or whose workers never start."""
    queues = []

    def made(draw: object = None, fetch: object = None) -> Queue:
        work = WorkStore(store._engine)
        lanes = [
            Lane(("generate", "analyze"), tmp_path / "worker.lock", draw or nothing),  # type: ignore[arg-type]
            Lane(("fetch",), tmp_path / "fetcher.lock", fetch or nothing),  # type: ignore[arg-type]
        ]
        queue = Queue(store, work, check, lanes)
        queues.append(queue)
        if draw or fetch:
            queue.start()
        return queue

    yield made
    for queue in queues:
        queue.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def order(queue: Queue) -> list[str]:
    return [job.id for job in queue.unfinished()]


def test_a_benchmark_is_queued_whole_or_not_at_all(make: Make) -> None:
    queue = make()
    with pytest.raises(InvalidRequest, match="no such metric"):
        queue.submit_benchmark(DRAW, AnalyzeRequest(("bad",)))
    assert queue.newest() == []
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    assert (draw.kind, score.kind, score.after) == ("generate", "analyze", draw.id)
    assert queue.submit_benchmark(DRAW, AnalyzeRequest(()))[1] is None
    with pytest.raises(UnknownName):
        queue.submit(SCORE, after="nobody")


def test_fetching_goes_on_beside_drawing(make: Make) -> None:
    drawing = threading.Event()

    def endless(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        drawing.set()
        while not stop.wait(0.01):
            yield Progress(1, 9)
        raise Cancelled("stopped")

    queue = make(endless, nothing)
    draw = queue.submit(DRAW)
    assert drawing.wait(20)
    fetch = queue.submit(FetchRequest("hf:a/b"), token=SecretStr("secret"))
    wait_for(lambda: queue.get(fetch.id).state == "done")
    assert queue.get(draw.id).state == "running"
    token = queue.take_token(fetch.id)
    assert token is not None
    assert token.get_secret_value() == "secret"
    assert queue.take_token(fetch.id) is None


def test_a_cancelled_job_leaves_no_token(make: Make) -> None:
    queue = make()
    job = queue.submit(DRAW, token=SecretStr("secret"))
    queue.cancel(job.id)
    assert queue.take_token(job.id) is None


def test_cancel_pause_and_resume(make: Make) -> None:
    calls: list[str] = []

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        calls.append(job.id)
        for done in range(1000 if len(calls) < 3 else 1):
            yield Progress(done, 1000)
            if stop.wait(0.01):
                raise Cancelled("stopped")

    queue = make(execute, None)
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    wait_for(lambda: queue.get(draw.id).state == "running")
    assert queue.pause(draw.id).state == "paused"
    assert queue.pause(score.id).state == "paused"
    other = queue.submit(DRAW)
    wait_for(lambda: queue.get(other.id).state == "running")
    assert queue.cancel(other.id).state == "cancelled"
    queue.resume_all()
    wait_for(lambda: queue.get(score.id).state == "done")
    assert calls == [draw.id, other.id, draw.id, score.id]
    for call in (queue.pause, queue.resume):
        with pytest.raises(InvalidRequest, match="ended already"):
            call(draw.id)


def test_cancelling_takes_the_followers_along_whatever_they_do(make: Make) -> None:
    queue = make()
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    queue.pause_all()
    assert queue.cancel(draw.id).state == "cancelled"
    assert queue.get(score.id).state == "cancelled"
    assert order(queue) == []


def test_moving_keeps_pairs_together(make: Make) -> None:
    queue = make()
    pairs = []
    for _ in range(3):
        draw, score = queue.submit_benchmark(DRAW, SCORE)
        assert score is not None
        pairs.append([draw.id, score.id])
    a, b, c = pairs
    queue.move(c[0], "earlier")
    assert order(queue) == [*a, *c, *b]
    queue.move(c[0], "first")
    assert order(queue) == [*c, *a, *b]
    queue.move(c[0], "later")
    assert order(queue) == [*a, *c, *b]
    queue.move(a[0], "last")
    assert order(queue) == [*c, *b, *a]
    queue.move(a[0], "later")
    queue.move(c[0], "earlier")
    assert order(queue) == [*c, *b, *a]
    queue.prioritize(b[0], 1)
    assert order(queue) == [*b, *c, *a]
    queue.cancel(a[0])
    for call in (lambda: queue.move(a[0], "first"), lambda: queue.prioritize(a[0], 1)):
        with pytest.raises(InvalidRequest, match="ended already"):
            call()


def test_retry_does_a_job_and_its_followers_again(make: Make, store: JobStore) -> None:
    tries: list[str] = []

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        tries.append(job.kind)
        if len(tries) == 1:
            yield Failed("c", "cell", "out of memory")
        yield Progress(1, 1)

    queue = make(execute, None)
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    wait_for(lambda: queue.get(score.id).state == "cancelled")
    assert queue.get(draw.id).state == "failed"
    queue.retry(draw.id)
    wait_for(lambda: queue.get(score.id).state == "done")
    assert tries == ["generate", "generate", "analyze"]
    assert queue.failures(draw.id) == []
    assert queue.get(draw.id).error is None


def test_an_unfinished_job_is_not_retried_or_removed(make: Make) -> None:
    queue = make()
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    for call in (queue.retry, queue.remove):
        with pytest.raises(InvalidRequest, match="not ended yet"):
            call(draw.id)


def test_clearing_keeps_what_somebody_waits_for(make: Make, store: JobStore) -> None:
    queue = make()
    draw, score = queue.submit_benchmark(DRAW, SCORE)
    assert score is not None
    old = queue.submit(DRAW)
    queue.cancel(old.id)
    store.update(draw.id, state="done")
    with pytest.raises(InvalidRequest, match="not ended yet"):
        queue.remove(draw.id)
    assert queue.clear() == 1
    assert {job.id for job in queue.newest()} == {draw.id, score.id}
    queue.cancel(score.id)
    queue.remove(score.id)
    assert queue.clear() == 1
    assert queue.newest() == []


def test_duplicates_are_jobs_of_their_own(make: Make, store: JobStore) -> None:
    queue = make()
    draw, score = queue.submit_benchmark(DRAW, AnalyzeRequest(("clip_score",), "standard"))
    assert score is not None
    copy = queue.duplicate(draw.id)
    (follower,) = queue.followers(copy.id)
    assert queue.request(copy.id) == DRAW
    assert queue.request(follower.id) == AnalyzeRequest(("clip_score",), "standard")
    with pytest.raises(InvalidRequest, match="duplicate the drawing instead"):
        queue.duplicate(score.id)
    store.update(score.id, run="r1")
    assert queue.request(queue.duplicate(score.id).id) == AnalyzeRequest(("clip_score",), "standard", "r1")


def test_anybody_may_watch_a_job_until_it_ends(make: Make) -> None:
    begin = threading.Event()

    def execute(job: Job, request: Request, stop: threading.Event) -> Iterator[Event]:
        begin.wait(20)
        yield Progress(1, 1)

    queue = make(execute, None)
    job = queue.submit(DRAW)

    watchers = []

    async def watch() -> list[str]:
        seen: list[str] = []
        watchers.append(seen)
        async for now in queue.watch(job.id):
            seen.append(now.state)
            if len(watchers) == 2 and all(watchers):
                begin.set()
        return seen

    async def two() -> list[list[str]]:
        return await asyncio.gather(watch(), watch())

    # On a thread of its own: where pages were tested before, a loop runs on this one.
    with ThreadPoolExecutor(1) as thread:
        watched = thread.submit(asyncio.run, two()).result()
    for seen in watched:
        assert seen[0] in ("queued", "running")
        assert seen[-1] == "done"
