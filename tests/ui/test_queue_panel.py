"""The queue on the page: words for every state, and a person who steers it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from explorer import AnalyzeRequest, Explorer, GenerateRequest, Job, LeaderboardRow, Sampling
from explorer.estimates import ModelPreview, Preview
from explorer.summaries import Ended, Reason, Summary
from explorer.ui.plan_markup import preview_table
from explorer.ui.queue_markup import actions, duration, queue_list, summary_view
from explorer.ui.queue_panel import shown, steer
from tests.ui.conftest import MODELS, PROMPTS, Served, wait_until

BASE = Job("j", "generate", "queued", "a <b> on Shapes", "r", "2026-01-01T00:00:00+00:00", total=40)


def job(state: Any, **more: Any) -> Job:
    return replace(BASE, state=state, **more)


@pytest.mark.parametrize(
    ("state", "more", "can"),
    [
        ("queued", {}, ("first", "earlier", "later", "pause", "cancel")),
        ("running", {}, ("pause", "cancel")),
        ("paused", {}, ("resume", "first", "earlier", "later", "cancel")),
        ("done", {}, ("edit", "duplicate", "remove")),
        ("done", {"failed": 2}, ("retry", "edit", "duplicate", "remove")),
        ("failed", {}, ("retry", "edit", "duplicate", "remove")),
        ("cancelled", {"kind": "fetch"}, ("retry", "duplicate", "remove")),
    ],
)
def test_what_can_be_done_follows_from_the_state(
    state: str, more: dict[str, Any], can: tuple[str, ...]
) -> None:
    assert actions(job(state, **more)) == ("show", *can)


def test_the_list_says_where_each_job_stands_and_trusts_no_text() -> None:
    running = job("running", done=10, failed=3, seconds_left=60.0)
    score = Job("s", "analyze", "queued", "Score", "", "", after="j")
    page = queue_list([running, score], [], following=True)
    assert "Draw and score: works, 10 of 40, 3 not made, about 60 seconds left" in page
    assert page.count("<li") == 1, "scoring that waits is told with its drawing"
    assert "Another program works" in page
    assert "<b>a &lt;b&gt; on Shapes</b>" in page
    scoring = queue_list(
        [replace(score, state="running")], [job("done", ended="2026-01-01T00:00:00+00:00")], following=False
    )
    assert scoring.count("<li") == 2
    assert "goes first" in queue_list([job("queued", priority=1)], [], following=False)
    assert "out of memory" in queue_list([], [job("failed", error="out of memory")], following=False)
    assert "Nothing waits" in queue_list([], [], following=False)


def test_the_summary_says_what_failed_and_who_leads() -> None:
    row = LeaderboardRow("a<", "clip_score", "bundled", "higher", 71.5, 70, 72, 6, 6, 0)
    ended = (
        Ended(
            "j1", "generate", "night", "failed", "r", "", 7200.0, 30, 12, (Reason("out of <memory>", 12),), ()
        ),
        Ended("j2", "analyze", "Score", "done", "r", "", 30.0, 30, 0, (), (row,)),
    )
    page = summary_view(Summary("", ended, 3))
    assert "<b>30</b> pictures drawn" in page
    assert "<b>3</b> still to do" in page
    assert "12 x out of &lt;memory&gt;" in page
    assert "a&lt;: 71.50" in page
    assert 'href="?job=j2"' in page
    assert "2.0 hours" in page
    assert "Nothing ended" in summary_view(Summary("", (), 0))


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 5, 600, 7300)] == ["", "5 seconds", "10 minutes", "2.0 hours"]


def test_a_preview_says_time_and_disk_and_what_does_not_fit() -> None:
    models = (ModelPreview("a<", 10, 4, 60.0), ModelPreview("b", 10, 0, None))
    page = preview_table([Preview(models, 20, 4, None, 5_000_000, 1_000_000)])
    assert "20 pictures: 4 there already, 16 to draw" in page
    assert "known after the first few" in page
    assert "does not fit" in page
    assert "a&lt;" in page
    assert "unknown" in page
    both = [Preview(models[:1], 10, 4, 60.0, 10, 1_000_000)] * 2
    page = preview_table(both)
    assert "20 pictures: 8 there already" in page
    assert "About 2 minutes" in page
    whole = preview_table([Preview(models[:1], 4, 4, 0.0, 0, 10)])
    assert "on the disk" not in whole


def test_steering_does_what_its_button_says(explorer: Explorer) -> None:
    request = GenerateRequest(("tiny-a",), suite="tiny", seeds=1)
    first, second = (explorer.queue.submit(request).id for _ in range(2))
    steer(explorer, second, "first")
    assert [job.id for job in explorer.queue.unfinished()] == [second, first]
    steer(explorer, second, "pause")
    assert explorer.queue.get(second).state == "paused"
    steer(explorer, second, "resume")
    steer(explorer, second, "cancel")
    steer(explorer, second, "close")  # no such action
    steer(explorer, second, "duplicate")
    assert len(explorer.queue.unfinished()) == 2
    steer(explorer, second, "remove")
    assert second not in shown(explorer)


@pytest.mark.page
def test_a_person_steers_the_queue_from_two_tabs(visit: Any, served: Served, tmp_path: Path) -> None:
    queue = served.explorer.queue

    def submit(prompts: tuple[str, ...], seeds: int, steps: int) -> Job:
        request = GenerateRequest(MODELS, prompts=prompts, seeds=seeds, sampling=Sampling(steps=steps))
        return queue.submit_benchmark(replace(request, batch_size=1), AnalyzeRequest())[0]

    first, second = (submit(PROMPTS, seeds, 60) for seeds in (4, 3))
    page = visit()
    expect(page.locator("#queue-list li")).to_have_count(2, timeout=60_000)
    wait_until(lambda: queue.get(first.id).done >= 2, "the first one works")
    page.click("#generate-pause")
    expect(page.locator("#generate-status h2")).to_contain_text("Paused at", timeout=60_000)
    expect(page.locator("#generate-pause")).to_have_text("Resume")
    wait_until(lambda: queue.get(first.id).state == "paused", "paused")
    wait_until(lambda: queue.get(second.id).state == "running", "the next one goes on meanwhile")
    page.reload()
    other = visit(390, 844)
    other.locator(f'#queue-list [data-action=pause][data-id="{second.id}"]').click()
    wait_until(lambda: queue.get(second.id).state == "paused", "paused from a telephone")
    assert other.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    other.click("#queue-resume")
    wait_until(lambda: queue.get(first.id).state == "running", "all go on, in their order")
    page.locator(f'#queue-list [data-action=show][data-id="{first.id}"]').click()
    expect(page.locator("#generate-status h2")).to_contain_text("Drawing pictures", timeout=60_000)
    wait_until(lambda: "%" in page.title(), "the title of the window says how far it is")
    page.click("#generate-cancel")
    wait_until(lambda: queue.get(first.id).state == "cancelled", "cancelled")
    other.locator(f'#queue-list [data-action=cancel][data-id="{second.id}"]').click()
    wait_until(lambda: not queue.unfinished(), "the other one is cancelled as well")
    other.close()

    third = submit(PROMPTS[:2], 2, 3)
    wait_until(lambda: not queue.unfinished(), "a short one is done", 240)
    assert queue.get(third.id).state == "done"
    done = page.locator("#queue-list li.x-done").first
    done.locator("[data-action=edit]").click()
    expect(page.locator("#form-prompts textarea")).to_have_value("\n".join(PROMPTS[:2]), timeout=60_000)
    expect(page.locator("#form-plan")).to_contain_text("2 prompts × 2 seeds = 8 pictures of 3 steps")
    page.click("#plan-look")
    expect(page.locator("#plan-preview")).to_contain_text("8 pictures: 8 there already, 0 to draw")
    with page.expect_download() as download:
        page.click("#plan-save")
    page.fill("#form-seeds input", "1")
    download.value.save_as(tmp_path / "plan.yaml")
    with page.expect_file_chooser() as chooser:
        page.click("#plan-load")
    chooser.value.set_files(tmp_path / "plan.yaml")
    expect(page.locator("#form-seeds input")).to_have_value("2")
    page.get_by_text("The last 24 hours").click()
    expect(page.locator("#queue-summary")).to_contain_text("pictures drawn")
    page.click("#queue-clear")
    expect(page.locator("#queue-list li")).to_have_count(0)
