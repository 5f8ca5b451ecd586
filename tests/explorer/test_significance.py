from itertools import product

import numpy as np
import pytest
from scipy import stats

from explorer.significance import (
    FLIPS,
    MAX_MORE_PROMPTS,
    holm,
    more_prompts,
    sign_flip_p_values,
    sign_patterns,
)

NAN = float("nan")


def slow_sign_flip(values: list[float]) -> float:
    """Every pattern of signs, one after the other."""
    observed = abs(sum(values))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    return sum(total >= observed - 1e-12 for total in sums) / len(sums)


@pytest.mark.parametrize("size", [1, 2, 6, 10])
def test_few_prompts_give_the_exact_p_value(size: int) -> None:
    values = np.random.default_rng(size).normal(0.4, 1, size=(3, size))
    assert sign_flip_p_values(values).tolist() == pytest.approx([slow_sign_flip(list(v)) for v in values])


def test_ties_in_the_sum_count_whatever_the_order_of_the_additions() -> None:
    values = np.array([[0.1, 0.2, 0.3, -0.1, -0.2, 0.7]])
    assert sign_flip_p_values(values)[0] == slow_sign_flip([1, 2, 3, -1, -2, 7])


def test_many_prompts_agree_with_scipys_permutation_test() -> None:
    values = np.random.default_rng(2).normal(0.25, 1, size=(1, 40))
    theirs = stats.permutation_test(
        (values[0],), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(5)
    )
    assert sign_flip_p_values(values)[0] == pytest.approx(theirs.pvalue, abs=0.01)


def test_a_missing_prompt_is_as_if_it_were_not_there() -> None:
    values = np.array([[1.0, NAN, 2.0, 0.5, NAN, 3.0, 1.0, 1.0]])
    assert sign_flip_p_values(values)[0] == pytest.approx(2 / 2**6)


def test_equal_models_give_one_and_no_p_value_is_zero() -> None:
    assert sign_flip_p_values(np.zeros((2, 40))).tolist() == [1.0, 1.0]
    always = sign_flip_p_values(np.ones((1, 200)))[0]
    assert 0 < always <= 2 * np.exp(-100) * 1.001
    assert sign_flip_p_values(np.ones((1, 40)))[0] >= 2 / 2**40  # a bound is never below the exact value


def test_under_no_difference_one_in_twenty_falls_below_five_percent() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(0, 1, size=(2_000, 20))
    assert np.mean(sign_flip_p_values(values) <= 0.05) == pytest.approx(0.05, abs=0.012)


def test_patterns_are_all_there_are_or_a_fixed_random_choice() -> None:
    assert len({tuple(row) for row in sign_patterns(8).tolist()}) == 2**8
    many = sign_patterns(30)
    assert many.shape == (FLIPS, 30)
    assert set(np.unique(many)) == {-1, 1}
    assert np.array_equal(many, sign_patterns(30))


def test_holm_by_hand() -> None:
    # Sorted: 0.005, 0.01, 0.03, 0.04; times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 -> never decreasing.
    adjusted, thresholds = holm([0.01, 0.04, 0.03, 0.005], alpha=0.05)
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert thresholds == pytest.approx([0.05 / 3, 0.05, 0.025, 0.0125])
    assert holm([]) == ([], [])
    assert holm([0.9, 0.8])[0] == [1.0, 1.0]


@pytest.mark.parametrize("effect", [0.3, 0.5])
def test_so_many_prompts_separate_about_half_of_all_repetitions_and_twice_as_many_four_in_five(
    effect: float,
) -> None:
    needed = 10 + (more_prompts(effect, 1.0, prompts=10) or 0)
    rng = np.random.default_rng(1)
    for size, share in ((needed, 0.5), (2 * needed, 0.8)):
        p_values = sign_flip_p_values(rng.normal(effect, 1.0, size=(800, size)))
        assert np.mean(p_values <= 0.05) == pytest.approx(share, abs=0.06)


def test_more_prompts_by_hand() -> None:
    # (1.96 * 2 / 0.5)^2 = 61.46, of which 20 are there.
    assert more_prompts(0.5, 2.0, prompts=20) == 42
    assert more_prompts(-0.5, 2.0, prompts=20) == 42
    assert more_prompts(0.5, 2.0, prompts=200) == 1
    # A smaller alpha asks for more, and six signs cannot reach 0.05 / 45: eleven can.
    assert more_prompts(0.5, 2.0, prompts=20, alpha=0.05 / 3) == 72
    assert more_prompts(5.0, 0.1, prompts=6, alpha=0.05 / 45) == 5
    assert more_prompts(0.0, 2.0, prompts=20) is None
    assert more_prompts(0.01, 2.0, prompts=20) is None
    assert more_prompts(2 * 1.96 / 100, 2.0, prompts=20) == pytest.approx(MAX_MORE_PROMPTS - 20, abs=2)
