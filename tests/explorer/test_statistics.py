from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from explorer.statistics import bootstrap_means, intervals, leaderboard, prompt_means
from explorer.types import Image, ScoreRow
from tests.explorer.test_recipes import make_recipe

NAN = float("nan")


def test_means_and_intervals_agree_with_scipy() -> None:
    values = np.random.default_rng(1).normal(50, 10, size=(1, 44))
    ours = intervals(values)
    theirs = stats.bootstrap(
        (values[0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.mean[0] == pytest.approx(values.mean())
    # Two thousand resamples leave a Monte Carlo error of about a tenth of a standard error.
    tolerance = 0.25 * values.std() / np.sqrt(44)
    assert ours.low[0] == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high[0] == pytest.approx(theirs.high, abs=tolerance)


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(3)
    tables = rng.normal(0.0, 1.0, size=(200, 1, 50))
    held = [bool(i.low[0] <= 0 <= i.high[0]) for i in map(intervals, tables)]
    assert 0.88 <= np.mean(held) <= 0.99


def test_resamples_are_shared_so_a_constant_shift_never_changes_sign() -> None:
    first = np.random.default_rng(4).normal(size=30)
    means = bootstrap_means(np.stack([first, first + 0.01]))
    assert np.allclose(means[1] - means[0], 0.01)


def test_missing_values_are_left_out_by_hand_computation() -> None:
    result = intervals(np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN], [5.0, 5.0, 5.0]]))
    assert result.mean[0] == 2.0
    assert 1.0 <= result.low[0] <= result.high[0] <= 3.0
    assert np.isnan([result.mean[1], result.low[1], result.high[1]]).all()
    assert (result.low[2], result.high[2]) == (5.0, 5.0)
    assert np.isnan(intervals(np.full((2, 3), NAN)).mean).all()


def test_one_prompt_gives_a_mean_but_no_interval() -> None:
    result = intervals(np.array([[4.0, NAN], [1.0, 2.0]]))
    assert result.mean.tolist() == [4.0, 1.5]
    assert np.isnan([result.low[0], result.high[0]]).all()
    assert np.isfinite([result.low[1], result.high[1]]).all()


def test_the_same_numbers_twice() -> None:
    values = np.random.default_rng(5).normal(size=(3, 20))
    assert np.array_equal(bootstrap_means(values), bootstrap_means(values))


def picture(model: str, prompt: str, seed: int) -> Image:
    recipe = make_recipe(model=model, prompt=prompt, seed=seed)
    return Image(f"{model}-{prompt}-{seed}", Path("x.png"), recipe, "2026-01-01")


def row(image: Image, value: float | None, metric: str = "m") -> ScoreRow:
    reason = None if value is not None else "no weights"
    return ScoreRow(image.id, metric, "bundled", value, reason, {}, "1", "b", "r", "p")


def test_each_prompt_weighs_the_same_whatever_its_number_of_seeds() -> None:
    images = [picture("a", "p", 0), picture("a", "p", 1), picture("a", "p", 2), picture("a", "q", 0)]
    scores = {i.id: row(i, v) for i, v in zip(images, (1.0, 2.0, 3.0, 10.0), strict=True)}
    assert prompt_means(images, scores, ["a"], ["p", "q"]).tolist() == [[2.0, 10.0]]


def test_the_leaderboard_ranks_by_direction_and_tells_why_a_mean_is_missing() -> None:
    images = [picture(model, prompt, 0) for model in ("a", "b", "c") for prompt in ("p", "q")]
    values = {"a": 1.0, "b": 3.0, "c": None}
    scores = [row(image, values[image.recipe.model]) for image in images]
    up = leaderboard(images, scores, {"m": "higher"})
    assert [(r.model, r.mean, r.prompts, r.unscored) for r in up] == [
        ("b", 3.0, 2, 0),
        ("a", 1.0, 2, 0),
        ("c", None, 0, 2),
    ]
    assert up[2].reason == "no weights"
    assert [r.model for r in leaderboard(images, scores, {"m": "lower"})] == ["a", "b", "c"]
    assert leaderboard(images, [], {}) == []
