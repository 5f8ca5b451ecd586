from dataclasses import replace

import pytest

from explorer.events import Failed
from explorer.types import Job, ScoreRow
from explorer.ui import markup, snapshots
from explorer.ui.snapshots import Snapshot
from metrics import list_metrics

EVIL = "<img src=x onerror=alert(1)>"
CARDS = {card.id: card for card in list_metrics()}


def test_everything_from_outside_is_escaped() -> None:
    score = ScoreRow("i", EVIL, "bundled", None, EVIL, {EVIL: EVIL}, "1", EVIL, EVIL, "")
    job = Job("j", "generate", "failed", EVIL, "r", "", error=EVIL, message=EVIL)
    pages = [
        markup.problems([Failed("c", EVIL, EVIL)], [EVIL]),
        markup.scores([score], CARDS),
        markup.notice(EVIL),
        snapshots.status_html(Snapshot(job, None)),
        snapshots.status_html(Snapshot(replace(job, state="running", error=None), None)),
    ]
    for page in pages:
        assert "<img" not in page
        assert "&lt;img" in page


def test_failures_are_told_by_reason() -> None:
    failures = [Failed(str(index), f"model, prompt {index}", "It is damaged.") for index in range(60)]
    page = markup.problems([*failures, Failed("x", "other", "Disk full.")], [])
    assert page.count("It is damaged.") == 1
    assert "60 pictures" in page
    assert "and 10 more" in page
    assert "Disk full." in page
    assert markup.problems([], []) == ""


def test_a_scoring_in_work_tells_each_metric_in_a_line_of_its_own() -> None:
    message = "Loading clip\nCLIP score: 3 of 8, 2 known before\nVendi score: 0 of 1"
    page = snapshots.status_html(Snapshot(None, job("running", "analyze", done=3, total=9, message=message)))
    assert "<span>Loading clip</span>" in page
    assert "<li>CLIP score: 3 of 8, 2 known before</li><li>Vendi score: 0 of 1</li>" in page


def job(state: str, kind: str = "generate", **values: object) -> Job:
    return Job("j", kind, state, "title", "run", "", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("draw", "score", "said"),
    [
        (job("queued"), None, "Waiting"),
        (job("running", done=3, total=8), job("queued", "analyze"), "Drawing pictures: 3 of 8"),
        (job("done", done=8, total=8), job("queued", "analyze"), "About to score"),
        (
            job("done", done=8, total=8),
            job("running", "analyze", done=1, total=8),
            "Scoring: 1 of 8 values",
        ),
        (job("done", done=8, total=8), job("done", "analyze"), "Done: 8 pictures drawn and scored"),
        (job("done", done=8, total=8, failed=2), None, "Done: 6 pictures drawn, 2 not made"),
        (job("cancelled", done=3, total=8), job("cancelled", "analyze"), "Stopped at 3 of 8"),
        (job("failed", error="Disk full."), job("cancelled", "analyze"), "Disk full."),
        (None, job("done", "analyze"), "Done: scored"),
        (
            None,
            job("done", "analyze", done=8, total=8, made=2),
            "Done: scored, 2 of 8 values computed, the others known before",
        ),
        (job("running", "import", done=2, total=9), job("queued", "analyze"), "Taking pictures in: 2 of 9"),
        (
            job("done", "import", done=9, total=9, failed=1),
            job("done", "analyze"),
            "Done: 8 pictures taken in and scored, 1 file not taken",
        ),
    ],
)
def test_headline_says_the_state(draw: Job | None, score: Job | None, said: str) -> None:
    assert said in snapshots.headline(Snapshot(draw, score))
