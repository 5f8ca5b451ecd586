import numpy as np
import pytest
from scipy import stats

from explorer.statistics import bootstrap_means, intervals, leaderboard, resample_counts
from tests.explorer.scored import picture, row

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


@pytest.mark.parametrize("prompts", [6, 12, 44, 150])
def test_the_interval_holds_the_truth_95_times_in_100_also_with_few_prompts(prompts: int) -> None:
    rng = np.random.default_rng(3)
    normal = intervals(rng.normal(5.0, 2.0, size=(3_000, prompts)))
    held = (normal.low <= 5.0) & (normal.high >= 5.0)
    assert 0.93 <= held.mean() <= 0.97


def test_the_interval_of_six_prompts_is_as_wide_as_the_t_interval() -> None:
    values = np.random.default_rng(8).normal(size=(400, 6))
    result = intervals(values)
    half = stats.t.ppf(0.975, 5) * values.std(axis=1, ddof=1) / np.sqrt(6)
    assert (result.high - result.low).mean() == pytest.approx(2 * half.mean(), rel=0.12)


def test_every_resample_draws_each_prompt_as_often_as_there_are_prompts() -> None:
    counts = resample_counts(7)
    assert counts.shape == (2_000, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert counts.mean() == pytest.approx(1.0)


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


def test_a_metric_with_one_value_a_prompt_counts_every_picture_of_it() -> None:
    images = [picture(m, p, s) for m in ("a", "b") for p in ("p", "q") for s in (0, 1)]
    scores = [
        row(images[0], 1.0, level="prompt", unit=(images[0].id, images[1].id)),
        row(images[2], 3.0, level="prompt"),
        row(images[4], None, level="prompt"),
        row(images[6], 2.5, level="prompt"),
    ]
    a, b = sorted(leaderboard(images, scores, {"m": "neutral"}), key=lambda each: each.model)
    assert (a.mean, a.prompts, a.images, a.unscored, a.level) == (2.0, 2, 4, 0, "prompt")
    assert (b.mean, b.prompts, b.images, b.unscored, b.reason) == (2.5, 1, 4, 2, "no weights")


def test_a_metric_with_one_value_a_model_has_only_the_interval_it_brings() -> None:
    images = [picture(model, prompt, 0) for model in ("a", "b", "c") for prompt in ("p", "q", "r")]
    scores = [
        row(images[0], 4.0, level="model", detail={"low": 3.5, "high": 4.5}),
        row(images[3], 2.0, level="model"),
        row(images[6], None, level="model"),
    ]
    rows = leaderboard(images, scores, {"m": "lower"})
    assert [(r.model, r.mean, r.low, r.high, r.prompts, r.unscored) for r in rows] == [
        ("b", 2.0, None, None, 3, 0),
        ("a", 4.0, 3.5, 4.5, 3, 0),
        ("c", None, None, None, 0, 3),
    ]


@pytest.mark.parametrize("detail", [{"low": 5.0, "high": 6.0}, {"low": 3.0}, {"low": "3", "high": "5"}])
def test_an_interval_that_cannot_be_right_is_not_shown(detail: dict[str, object]) -> None:
    image = picture("a", "p", 0)
    (only,) = leaderboard([image], [row(image, 4.0, level="model", detail=detail)], {})
    assert (only.mean, only.low, only.high) == (4.0, None, None)


def test_blank_pictures_are_counted_apart_and_still_count_as_scored() -> None:
    images = [picture("a", "p", seed) for seed in range(3)]
    scores = [row(images[0], 1.0), row(images[1], 0.0, detail={"blank": "black"}), row(images[2], 2.0)]
    (only,) = leaderboard(images, scores, {"m": "higher"})
    assert (only.images, only.unscored, only.blank, only.mean) == (3, 0, 1, 1.0)
    together = row(images[0], 1.0, level="prompt", detail={"blank_images": {images[1].path.name: "black"}})
    (only,) = leaderboard(images, [together], {"m": "higher"})
    assert (only.blank, only.unscored) == (1, 0)
