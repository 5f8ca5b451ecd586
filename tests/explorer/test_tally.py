"""What is told of a scoring while it goes on, and the speed that is learnt from it."""

from dataclasses import replace
from pathlib import Path

import pytest

import metrics
from explorer import tally as tallies
from explorer.tally import Tally, WatchedFeatures
from explorer.types import Image
from tests.explorer.test_recipes import make_recipe

CARD = metrics.get_card("clip_score").backbones["bundled"]
KEY = metrics.CacheKey("i", "", "clip_score", "1", "bundled", CARD.id, "r", "p")


def image(number: int, model: str = "a", prompt: str = "p") -> Image:
    return Image(f"{model}{prompt}{number}", Path("x.png"), make_recipe(model=model, prompt=prompt), "")


def scored(tally: Tally, number: int, *, cached: bool = False, reason: str = "") -> None:
    sample = metrics.Sample(str(number), Path("x.png"))
    score = metrics.Score.unscored(reason) if reason else metrics.Score.of(1.0)
    tally.scored(metrics.Scored(sample, "clip_score", score, KEY, cached))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes only when a test says so."""
    now = [100.0]
    monkeypatch.setattr(tallies.time, "monotonic", lambda: now[0])
    return now


def test_what_is_to_come_depends_on_the_level() -> None:
    images = [image(n, model, prompt) for model in "ab" for prompt in "pqr" for n in range(4)]
    tally = Tally.of(images, ("clip_score", "lpips_diversity", "vendi"))
    assert tally.totals == {"clip_score": 24, "lpips_diversity": 6, "vendi": 2}
    assert tally.progress().total == 32


def test_counts_known_values_and_reasons_are_told_a_line_each() -> None:
    tally = Tally.of([image(n) for n in range(8)], ("clip_score",))
    for number in range(3):
        scored(tally, number, cached=True)
    scored(tally, 3)
    scored(tally, 4, reason="No prompt.")
    scored(tally, 5, reason="No prompt.")
    scored(tally, 6, reason="Broken.")
    line = tally.message.split("\n")[1]
    told = "3 unscored (No prompt. And 1 other reasons.)"
    assert line == f"CLIP score: 7 of 8, 3 known before, {told}"
    assert tally.notices() == ["CLIP score: 3 of 8 unscored. No prompt. And 1 other reasons."]


def test_the_first_batch_pays_for_the_loading_and_is_not_timed(clock: list[float]) -> None:
    tally = Tally.of([image(n) for n in range(100)], ("clip_score",))
    tally.loading(metrics.BackboneLoading(CARD, ("clip_score",), "Loading it"))
    assert tally.message.startswith("Loading it")
    clock[0] += 30
    for number in range(32):
        scored(tally, number)
    tally.progress()
    assert tally.speeds() == {}
    for number in range(32, 64):
        clock[0] += 0.5
        scored(tally, number)
    tally.progress()
    clock[0] += 4
    assert tally.message.startswith(f"{CARD.id}, 96 pictures a minute")
    assert tally.speeds() == {CARD.id: pytest.approx(20 / 32)}


def test_networks_in_memory_together_share_the_time_by_their_size(clock: list[float]) -> None:
    large = replace(CARD, id="large", parameters=CARD.parameters * 3 + 4_000_000)
    tally = Tally.of([image(n) for n in range(100)], ("clip_score", "vendi_prompt"))
    tally.loading(metrics.BackboneLoading(CARD, ("clip_score",), ""))
    tally.loading(metrics.BackboneLoading(large, ("vendi_prompt",), ""))
    scored(tally, 0)
    tally.progress()
    for number in range(1, 41):
        clock[0] += 0.4
        scored(tally, number)
        sample = metrics.Sample(str(number), Path("x.png"))
        tally.scored(metrics.Scored(sample, "vendi_prompt", metrics.Score.of(1.0), KEY, False))
    speeds = tally.speeds()
    assert speeds["large"] == pytest.approx(3 * speeds[CARD.id])
    assert sum(speeds.values()) == pytest.approx(0.4)


def test_the_time_left_stays_until_a_new_one_is_told() -> None:
    tally = Tally.of([image(0)], ("clip_score",))
    assert tally.progress().seconds_left is None
    assert tally.progress(30.0).seconds_left == 30.0
    assert tally.progress().seconds_left == 30.0, "a service tells of requests, not of time"
    assert tally.progress(0.0).seconds_left == 0.0


def test_features_that_were_there_are_counted() -> None:
    class Kept:
        def get_many(self, keys: object) -> dict[object, bytes]:
            return {"a": b"", "b": b""}

        def put_many(self, features: object) -> None:
            self.put = features

    inner = Kept()
    watched = WatchedFeatures(inner)  # type: ignore[arg-type]
    assert len(watched.get_many([])) == 2
    watched.put_many({})
    assert (watched.hits, inner.put) == (2, {})
