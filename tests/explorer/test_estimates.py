from dataclasses import replace

import pytest

from explorer.analysis import _unknown_recipe
from explorer.estimates import Cost, Disk, Forecast, Timings, cost_of, preview, seconds_left
from explorer.types import Recipe


def recipe(model: str = "m", seed: int = 0, steps: int = 10, side: int = 64, guidance: float = 5.0) -> Recipe:
    from pathlib import Path

    return replace(
        _unknown_recipe(Path("x"), Path()),
        model=model,
        checkpoint_hash=model.partition("+")[0],
        seed=seed,
        steps=steps,
        width=side,
        height=side,
        guidance=guidance,
        cell=f"{model}-{seed}-{steps}-{side}",
    )


def test_guidance_doubles_the_passes() -> None:
    assert cost_of(recipe()) == Cost("m", 64, 64, 20)
    assert cost_of(recipe(guidance=1.0)).passes == 10
    assert cost_of(recipe("m+lora")).checkpoint == "m"


def test_a_size_never_drawn_is_estimated_by_its_pixels() -> None:
    timings = Timings({("m", "64x64"): 0.5, ("n", "64x64"): 1.5, ("o", "64x64"): 1.0})
    assert timings.picture(Cost("m", 64, 64, 4)) == 2.0
    assert timings.picture(Cost("m", 128, 128, 4)) == 8.0
    assert timings.picture(Cost("unknown", 64, 64, 4)) == pytest.approx(4.0), "the middle one of all"
    assert Timings().picture(Cost("m", 64, 64, 4)) is None
    assert timings.loading("m") == 0.0
    assert Timings({}, {"m": 2.0, "n": 4.0}).loading("o") == 3.0


def test_seconds_left_is_the_sum_of_pictures_and_loads() -> None:
    timings = Timings({("a", "64x64"): 0.1, ("b", "64x64"): 0.3}, {"a": 5.0, "b": 7.0})
    todo = {Cost("a", 64, 64, 20): 10, Cost("b", 64, 64, 20): 4}
    assert seconds_left(todo, {"a": 1, "b": 1}, timings) == pytest.approx(10 * 2 + 4 * 6 + 12)
    assert seconds_left(todo, {}, Timings()) is None
    assert seconds_left({}, {}, Timings()) == 0.0


@pytest.mark.parametrize("known", [False, True])
def test_after_a_tenth_of_the_work_the_time_left_is_right_within_a_fifth(known: bool) -> None:
    """A whole run on a clock of its own: 3 checkpoints, slow loads, slow first batches, jitter."""
    import random

    jitter = random.Random(3)
    speed = {"a": 0.02, "b": 0.021, "c": 0.019} if not known else {"a": 0.02, "b": 0.06, "c": 0.01}
    older = Timings({(m, "64x64"): s for m, s in speed.items()}, dict.fromkeys(speed, 4.0)) if known else None
    recipes = [recipe(model, seed) for model in speed for seed in range(200)]
    forecast, clock = Forecast(), 0.0
    forecast.begin(recipes, older or Timings())
    told: list[tuple[float, float, float]] = []
    for model, rate in speed.items():
        clock += 4.0
        forecast.loaded(model, 4.0)
        mine = [r for r in recipes if r.model == model]
        for start in range(0, len(mine), 4):
            seconds = 4 * 20 * rate * (3 if start == 0 else jitter.uniform(0.9, 1.1))
            clock += seconds
            forecast.drawn(mine[start : start + 4], seconds)
            left = forecast.seconds_left()
            assert left is not None
            told.append((start, clock, left))
    assert told[-1][2] == 0.0
    checked = 0
    for _, at, left in told:
        if 0.1 * clock <= at <= 0.9 * clock:
            assert left == pytest.approx(clock - at, rel=0.2)
            checked += 1
    assert checked > 50


def test_the_batch_in_hand_and_what_was_dropped_are_taken_off() -> None:
    recipes = [recipe("m", seed) for seed in range(4)]
    forecast = Forecast()
    forecast.begin(recipes, Timings({("m", "64x64"): 0.5}, {"m": 3.0}))
    assert forecast.seconds_left() == 4 * 10 + 3
    forecast.dropped(recipes[:2])
    assert forecast.seconds_left() == 20
    assert forecast.seconds_left(elapsed=5) == 15
    assert forecast.seconds_left(elapsed=100) == 0


def test_a_preview_counts_pictures_time_and_disk() -> None:
    recipes = [recipe(model, seed) for model in ("a", "a+lora", "b") for seed in range(4)]
    there = {"a-0-10-64", "a-1-10-64", "b-0-10-64"}
    timings = Timings({("a", "64x64"): 0.1}, {"a": 3.0})
    found = preview(recipes, there, timings, Disk(10_000, 2.0))
    assert (found.cells, found.there, found.todo) == (12, 3, 9)
    assert [(m.model, m.cells, m.there) for m in found.models] == [("a", 4, 2), ("a+lora", 4, 0), ("b", 4, 1)]
    assert [m.seconds for m in found.models] == [2 * 2 + 3, 4 * 2 + 3, 3 * 2 + 3]
    # Both models of the checkpoint are drawn after one load of it.
    assert found.seconds == 9 * 2 + 2 * 3
    assert (found.disk_bytes, found.free_bytes) == (9 * 64 * 64 * 2, 10_000)
    assert found.to_dict()["todo"] == 9
    assert preview(recipes, there, Timings(), Disk(1, None)).seconds is None
    assert preview(recipes, set(), Timings(), Disk(1, None)).disk_bytes == 12 * 64 * 64 * 3 // 2
