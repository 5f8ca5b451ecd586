from dataclasses import replace

import pytest

from explorer.events import Failed
from explorer.types import Job, ScoreRow
from explorer.ui import markup, snapshots
from explorer.ui.snapshots import Snapshot
from metrics import list_metrics
from tests.ui.test_charts import row

EVIL = "<img src=x onerror=alert(1)>"
CARDS = {card.id: card for card in list_metrics()}


def test_everything_from_outside_is_escaped() -> None:
    score = ScoreRow("i", EVIL, "bundled", None, EVIL, {EVIL: EVIL}, "1", EVIL, EVIL, "")
    job = Job("j", "generate", "failed", EVIL, "r", "", error=EVIL, message=EVIL)
    pages = [
        markup.leaderboard([row(EVIL, None, reason=EVIL)], CARDS),
        markup.verdicts([row(EVIL, 30.0), row("b", 10.0)], CARDS),
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


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("a", 30.0), row("b", 20.0)], "a is better than b"),
        ([row("a", 20.5), row("b", 20.0)], "not separable yet"),
        ([row("a", 10.0, direction="lower"), row("b", 20.0, direction="lower")], "a is better than b"),
        (
            [row("a", 30.0, direction="neutral"), row("b", 20.0, direction="neutral")],
            "neither better nor worse",
        ),
        ([row("a", 30.0, prompts=2), row("b", 20.0, prompts=2)], "2 prompts are too few"),
        ([row("a", 30.0), row("b", None)], "nothing to compare"),
        ([row("a", None)], "Nothing could be scored"),
    ],
)
def test_verdict_says_no_more_than_the_intervals(rows: list, said: str) -> None:
    assert said in markup.verdict(rows)


def test_unscored_models_say_why() -> None:
    page = markup.leaderboard([row("a", None, unscored=4, reason="No weights.")], CARDS)
    assert "no score" in page
    assert "No weights." in page


def test_every_card_can_be_read_in_every_tier() -> None:
    for tier in ("bundled", "standard", "large"):
        page = markup.metric_cards(CARDS.values(), tier)
        assert all(markup.escape(card.question) in page for card in CARDS.values())


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
            "Scoring pictures: 1 of 8",
        ),
        (job("done", done=8, total=8), job("done", "analyze"), "Done: 8 pictures drawn and scored"),
        (job("done", done=8, total=8, failed=2), None, "Done: 6 pictures drawn, 2 not made"),
        (job("cancelled", done=3, total=8), job("cancelled", "analyze"), "Stopped at 3 of 8"),
        (job("failed", error="Disk full."), job("cancelled", "analyze"), "Disk full."),
        (None, job("done", "analyze"), "Done: scored"),
    ],
)
def test_headline_says_the_state(draw: Job | None, score: Job | None, said: str) -> None:
    assert said in snapshots.headline(Snapshot(draw, score))
