from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from explorer.comparisons import Comparison, compare, headline
from explorer.statistics import RESAMPLES, SEED, intervals, leaderboard
from tests.explorer.scored import picture, row, scored

HIGHER = {"m": "higher"}


def one(values: dict[str, Sequence[float | None]], direction: str = "higher") -> Comparison:
    (pair,) = compare(*scored(values), {"m": direction})
    return pair


def noisy(size: int, shift: float = 0.0, seed: int = 0) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    base = rng.normal(50, 20, size)
    return {"a": list(base + shift + rng.normal(0, 1, size)), "b": list(base)}


def slow_interval(first: list[float], second: list[float]) -> tuple[float, float]:
    """The paired bootstrap, one resample after the other."""
    size = len(first)
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, size, size=(RESAMPLES, size))
    means = [sum(first[i] - second[i] for i in draw) / size for draw in drawn]
    tail = stats.norm.cdf(stats.t.ppf(0.025, size - 1) * (size / (size - 1)) ** 0.5)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def test_the_interval_is_the_paired_bootstrap() -> None:
    values = noisy(15, shift=0.3)
    pair = one(values)
    assert (pair.low, pair.high) == pytest.approx(slow_interval(values["a"], values["b"]))
    assert pair.difference == pytest.approx(np.mean(values["a"]) - np.mean(values["b"]))


def test_a_known_difference_lies_in_the_interval_95_times_in_100() -> None:
    """Pairs of models, one 1.5 above the other, under noise that prompts share and noise they do not."""
    rng = np.random.default_rng(12)
    trials, prompts = 2_000, 40
    shared = rng.normal(0, 30, (trials, prompts))
    first = shared + 1.5 + rng.normal(0, 2, (trials, prompts))
    second = shared + rng.normal(0, 2, (trials, prompts))
    result = intervals(first - second)
    held = (result.low <= 1.5) & (result.high >= 1.5)
    assert 0.93 <= held.mean() <= 0.97
    for trial in range(10):  # and the comparison's interval is that one
        pair = one({"a": list(first[trial]), "b": list(second[trial])})
        assert (pair.low, pair.high) == pytest.approx((result.low[trial], result.high[trial]))


def test_by_hand_a_wins_five_of_eight_and_ties_two() -> None:
    a = [2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 0.0]
    pair = one({"a": a, "b": [1.0] * 8})
    assert pair.win_rate == (5 + 2 / 2) / 8
    assert (pair.first_mean, pair.second_mean, pair.difference) == (1.5, 1.0, 0.5)
    # Six differences of size 1, five of one sign: sums of at least 4 are 2 (1 + 6) of 64 patterns.
    assert pair.p_value == pytest.approx(14 / 64)
    assert pair.verdict == "not separable"


@pytest.mark.parametrize(
    ("direction", "verdict", "win_rate"),
    [("higher", "better", 1.0), ("lower", "worse", 0.0), ("neutral", "no verdict", 1.0)],
)
def test_the_verdict_knows_which_end_is_better(direction: str, verdict: str, win_rate: float) -> None:
    pair = one({"a": [3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "b": [1.0] * 6}, direction)
    assert (pair.verdict, pair.win_rate) == (verdict, win_rate)
    assert pair.difference == 4.5
    assert pair.low is not None
    assert pair.low > 0


def test_a_constant_lead_on_six_prompts_is_real_and_on_five_there_is_no_verdict() -> None:
    six = one({"a": [2.0] * 6, "b": [1.0] * 6})
    assert (six.verdict, six.p_value, six.low, six.high) == ("better", 2 / 64, 1.0, 1.0)
    five = one({"a": [2.0] * 5, "b": [1.0] * 5})
    assert (five.verdict, five.difference, five.low, five.p_value) == ("no verdict", 1.0, None, None)
    assert five.reason == "5 prompts in common are too few; use 6 or more."


def test_only_prompts_that_both_have_count_and_the_others_are_stated() -> None:
    pair = one({"a": [2.0] * 8 + [None, 99.0], "b": [1.0] * 8 + [-99.0, None]})
    assert (pair.prompts, pair.left_out, pair.difference) == (8, 2, 1.0)
    nothing = one({"a": [1.0, None], "b": [None, 1.0]})
    assert (nothing.prompts, nothing.left_out, nothing.verdict) == (0, 2, "no verdict")
    assert nothing.difference is None


def test_equal_models_are_said_to_be_equal() -> None:
    pair = one({"a": [0.1 + 0.2] * 7, "b": [0.3] * 7})
    assert (pair.verdict, pair.difference, pair.p_value, pair.win_rate) == ("not separable", 0.0, 1.0, 0.5)
    assert "same value" in pair.reason
    assert pair.more_prompts is None


def test_a_small_difference_says_how_many_prompts_would_tell_or_that_none_would() -> None:
    values = noisy(12, shift=0.2, seed=4)
    pair = one(values)
    difference = np.subtract(values["a"], values["b"])
    needed = (1.959964 * difference.std(ddof=1) / difference.mean()) ** 2
    assert pair.verdict == "not separable"
    assert pair.more_prompts == int(np.ceil(needed - 12))
    assert f"{pair.more_prompts:,} more prompts would tell" in pair.sentence
    hopeless = one({"a": [1.0, -1.0] * 6, "b": [0.001] * 12})
    assert hopeless.more_prompts is None
    assert "more than 10,000" in hopeless.sentence


def test_many_models_are_corrected_together() -> None:
    rng = np.random.default_rng(1)
    values = {f"m{i}": list(rng.normal(0.3 * (i == 0), 1, 12)) for i in range(8)}
    pairs = compare(*scored(values), HIGHER)
    assert len(pairs) == 28
    assert {pair.verdict for pair in pairs} == {"not separable"}
    alone = [pair for pair in pairs if (pair.low or 0) > 0 or (pair.high or 0) < 0]
    assert alone
    for pair in alone:
        assert "among 28 comparisons" in pair.reason
        assert pair.more_prompts
        assert (pair.adjusted_p or 0) > 0.05 > (pair.p_value or 1)


def test_seen_from_the_other_model_everything_turns_round() -> None:
    pair = one(noisy(20, shift=3))
    back = pair.reversed()
    assert (back.first, back.second, back.verdict) == ("b", "a", "worse")
    assert back.difference == -(pair.difference or 0)
    assert (back.low, back.high) == (-(pair.high or 0), -(pair.low or 0))
    assert back.reversed() == pair
    assert back.sentence == pair.sentence
    assert pair.sentence.startswith("a is better than b: ")
    lower = one(noisy(20, shift=3), "lower")
    assert lower.sentence.startswith("b is better than a: ")
    assert " lower on average over 20 prompts" in lower.sentence


def test_one_value_a_model_gives_a_difference_and_no_verdict() -> None:
    images = [picture(model, f"p{i}") for model in ("a", "b", "c") for i in range(8)]
    scores = [row(images[0], 3.0, level="model"), row(images[8], 1.0, level="model")]
    pairs = compare(images, scores, HIGHER)
    assert [(p.first, p.second, p.difference, p.verdict) for p in pairs] == [
        ("a", "b", 2.0, "no verdict"),
        ("a", "c", None, "no verdict"),
        ("b", "c", None, "no verdict"),
    ]


def test_nothing_to_compare_gives_nothing() -> None:
    assert compare([], [], {}) == []
    assert compare(*scored({"a": [1.0, 2.0]}), {}) == []
    images, _ = scored({"a": [1.0] * 6, "b": [1.0] * 6})
    (pair,) = compare(images, [row(image, None) for image in images], HIGHER)
    assert (pair.verdict, pair.prompts, pair.first_mean) == ("no verdict", 0, None)


def test_no_number_is_ever_nan() -> None:
    rng = np.random.default_rng(9)
    values = {
        f"m{i}": [None if rng.random() < 0.4 else float(rng.normal()) for _ in range(9)] for i in range(5)
    }
    for pair in compare(*scored(values), HIGHER):
        numbers = [each for each in pair.to_dict().values() if isinstance(each, float)]
        assert np.isfinite(numbers).all()


def test_many_models_are_no_trouble() -> None:
    rng = np.random.default_rng(3)
    values = {f"m{i:03}": list(i / 20 + rng.normal(0, 1, 30)) for i in range(200)}
    images, scores = scored(values)
    rows = leaderboard(images, scores, HIGHER)
    assert len(rows) == 200
    assert int(rows[0].model[1:]) > 180
    fewer = {name: values[name] for name in list(values)[::5]}
    pairs = compare(*scored(fewer), HIGHER)
    assert len(pairs) == 40 * 39 // 2
    (ends,) = (pair for pair in pairs if (pair.first, pair.second) == ("m000", "m195"))
    assert ends.verdict == "worse"


def test_the_headline_is_about_the_two_best() -> None:
    images, scores = scored({"b": [1.0] * 6, "a": [2.0] * 6, "c": [0.5] * 6})
    pairs, rows = compare(images, scores, HIGHER), leaderboard(images, scores, HIGHER)
    assert "a and b are not separable" in headline(rows, pairs)  # three pairs of six prompts
    two = scored({"b": [1.0] * 6, "a": [2.0] * 6})
    said = headline(leaderboard(*two, HIGHER), compare(*two, HIGHER))
    assert said.startswith("a is better than b: 1 higher on average over 6 prompts")
    assert headline(leaderboard(*two, {}), compare(*two, {})).startswith("It describes")
    alone = scored({"a": [1.0]})
    assert headline(leaderboard(*alone, HIGHER), []).startswith("Only a has scores")
    assert headline([], []) == "Nothing could be scored."
