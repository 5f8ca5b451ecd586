from dataclasses import replace

import pytest

from explorer.comparisons import Comparison, Verdict
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
        markup.verdicts([row(EVIL, 30.0), row("b", 10.0)], [], CARDS),
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


def compared(first: str, second: str, verdict: Verdict, direction: str = "higher") -> Comparison:
    numbers = {"difference": 1.0, "low": 0.5, "high": 1.5, "win_rate": 0.9}
    return Comparison(
        "clip_score", "bundled", direction, first, second, 12, 0, verdict, "", 2.0, 1.0, **numbers
    )


def test_verdicts_are_the_comparisons_of_the_best_two_and_all_pairs_on_a_click() -> None:
    rows = [row("a", 30.0), row("b", 20.0), row(EVIL, 10.0)]
    pairs = [
        compared("a", "b", "better"),
        compared("a", EVIL, "better"),
        compared("b", EVIL, "not separable"),
    ]
    page = markup.verdicts(rows, pairs, CARDS)
    assert "a is better than b: 1 higher on average over 12 prompts" in page
    assert "All 3 pairs" in page
    assert "are not separable" in page
    assert "<img" not in page
    assert "pairs" not in markup.verdicts(rows[:2], pairs[:1], CARDS)
    assert markup.verdicts([], [], CARDS) == ""
    many = markup.verdicts(rows, [compared("a", str(n), "better") for n in range(150)], CARDS)
    assert "and 50 more, in the exports" in many
    neutral = [compared("a", str(n), "no verdict", "neutral") for n in range(3)]
    assert "pairs" not in markup.verdicts([row("a", 30.0, direction="neutral")], neutral, CARDS)


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
