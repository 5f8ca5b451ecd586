import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from explorer.compute import ComputeThread, Tell
from explorer.events import Notice


@pytest.fixture
def thread() -> ComputeThread:
    return ComputeThread()


def test_events_come_in_order_and_all_work_is_on_one_thread(thread: ComputeThread) -> None:
    def work(tell: Tell) -> None:
        for number in range(3):
            tell(Notice(f"{threading.current_thread().name} {number}"))

    told = [e.text for _ in range(2) for e in thread.follow(work, threading.Event())]  # type: ignore[union-attr]
    assert [text.split()[-1] for text in told] == ["0", "1", "2"] * 2
    assert len({text.split()[0] for text in told}) == 1


def test_an_event_arrives_while_the_work_goes_on(thread: ComputeThread) -> None:
    go_on = threading.Event()

    def work(tell: Tell) -> None:
        tell(Notice("first"))
        assert go_on.wait(10)

    for event in thread.follow(work, threading.Event()):
        assert event == Notice("first")
        go_on.set()


def test_what_the_work_raises_reaches_the_follower_after_its_events(thread: ComputeThread) -> None:
    def work(tell: Tell) -> None:
        tell(Notice("before"))
        raise KeyError("broken")

    events = thread.follow(work, threading.Event())
    assert next(events) == Notice("before")
    with pytest.raises(KeyError, match="broken"):
        next(events)


def test_leaving_early_abandons_the_work_and_frees_the_thread(thread: ComputeThread) -> None:
    abandoned, ended = threading.Event(), threading.Event()

    def work(tell: Tell) -> None:
        tell(Notice("begun"))
        assert abandoned.wait(10)
        ended.set()

    events = thread.follow(work, abandoned)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert ended.is_set()
    thread.close()


def test_two_followers_take_turns(thread: ComputeThread) -> None:
    active: list[int] = []
    most: list[int] = []

    def work(tell: Tell) -> None:
        active.append(1)
        most.append(len(active))
        tell(Notice("x"))
        active.pop()

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda _: list(thread.follow(work, threading.Event())), range(8)))
    assert max(most) == 1
