import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest

from explorer import AnalyzeRequest, Explorer, GenerateRequest, Job, StorageError
from explorer.ui import job_view
from explorer.ui.snapshots import Snapshot

TINY = GenerateRequest(models=("tiny-a",), suite="tiny", seeds=1)


@pytest.fixture
def view() -> job_view.JobView:
    with gr.Blocks():
        return job_view.build_job_view("test", pictures=True)


def follow(explorer: Explorer, view: job_view.JobView, job_id: str) -> list[job_view.Updates]:
    async def collect() -> list[job_view.Updates]:
        return [updates async for updates in job_view.follow(explorer, view, job_id)]

    # On a thread of its own: where pages were tested before, a loop runs on this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, collect()).result()


def job(state: Any, done: int = 0) -> Job:
    return Job("j", "generate", state, "title", "run", "", done=done, total=2)


def test_only_changes_are_told(
    explorer: Explorer, view: job_view.JobView, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = Snapshot(job("running", 1), None), Snapshot(job("done", 2), None)
    looks = iter([first, first, first, last])
    monkeypatch.setattr(job_view, "take", lambda *_: next(looks))
    told = follow(explorer, view, "j")
    assert len(told) == 2
    assert view.panel in told[0]
    assert view.panel not in told[1]
    assert view.status in told[1]


def test_a_busy_moment_does_not_end_the_following(
    explorer: Explorer, view: job_view.JobView, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = [Snapshot(job("running"), None), StorageError("busy"), Snapshot(job("done"), None)]

    def take(*_: Any) -> Snapshot:
        look = looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    monkeypatch.setattr(job_view, "take", take)
    assert len(follow(explorer, view, "j")) == 2


def test_lasting_trouble_is_told(
    explorer: Explorer, view: job_view.JobView, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: Any) -> Snapshot:
        raise StorageError("The disk is gone.")

    monkeypatch.setattr(job_view, "take", take)
    monkeypatch.setattr(job_view, "POLL_SECONDS", 0)
    with pytest.raises(gr.Error, match="The disk is gone"):
        follow(explorer, view, "j")


def test_an_unknown_job_is_told_at_once(explorer: Explorer, view: job_view.JobView) -> None:
    with pytest.raises(gr.Error, match="Unknown job"):
        follow(explorer, view, "nothing")
    assert follow(explorer, view, "") == []


def test_drawing_and_scoring_are_cancelled_together(explorer: Explorer) -> None:
    draw, score = explorer.queue.submit_benchmark(TINY, AnalyzeRequest())
    assert score is not None
    job_view.cancel(explorer, draw.id)
    assert {explorer.queue.get(draw.id).state, explorer.queue.get(score.id).state} == {"cancelled"}


def test_which_job_a_page_shows(explorer: Explorer) -> None:
    assert job_view.job_to_show(explorer, {}, "") == ""
    first, _ = explorer.queue.submit_benchmark(TINY, AnalyzeRequest(metrics=()))
    second, _ = explorer.queue.submit_benchmark(TINY, AnalyzeRequest(metrics=()))
    assert job_view.job_to_show(explorer, {}, "") == first.id, "the next in the queue"
    explorer.storage.jobs.update(second.id, state="running")
    assert job_view.job_to_show(explorer, {}, "") == second.id, "what is being done"
    assert job_view.job_to_show(explorer, {}, first.id) == first.id
    explorer.queue.cancel(second.id)
    assert job_view.job_to_show(explorer, {}, second.id) == first.id, "work in progress comes first"
    explorer.queue.cancel(first.id)
    assert job_view.job_to_show(explorer, {}, first.id) == first.id
    assert job_view.job_to_show(explorer, {}, "gone") == second.id
    assert job_view.job_to_show(explorer, {"job": first.id}, second.id) == first.id
