"""Distances of sets equal their plain formulas."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from metrics.set_distances import frechet, kernel, mmd, nearest


def sample(count: int, width: int = 7, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (count, width))


def double_loop(one: np.ndarray, other: np.ndarray) -> float:
    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    n, m = len(one), len(other)
    first = sum(k(one[i], one[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    second = sum(k(other[i], other[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(k(x, y) for x in one for y in other) / (n * m)
    return first + second - 2 * across


@pytest.mark.parametrize(("n", "m", "shift"), [(12, 9, 0.0), (9, 30, 0.7), (3, 3, 0.2)])
def test_mmd_equals_a_double_loop(n: int, m: int, shift: float) -> None:
    one, other = sample(n), sample(m, shift=shift, seed=1)
    assert mmd(one, other).value == pytest.approx(double_loop(one, other), rel=1e-9, abs=1e-12)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = sample(23), sample(17, shift=0.3, seed=1)
    whole = mmd(one, other), nearest(one, other, 5)
    monkeypatch.setattr("metrics.set_distances._ROWS", 4)
    parts = mmd(one, other), nearest(one, other, 5)
    assert parts[0].value == pytest.approx(whole[0].value, rel=1e-9)
    assert parts[0].low == pytest.approx(whole[0].low, rel=1e-9)
    assert parts[1] == pytest.approx(whole[1])


def test_the_interval_is_that_of_leaving_out_one_row_at_a_time() -> None:
    one, other = sample(8), sample(6, shift=0.5, seed=1)
    left = [double_loop(np.delete(one, i, 0), other) for i in range(8)]
    right = [double_loop(one, np.delete(other, j, 0)) for j in range(6)]
    variance = 7 / 8 * sum((v - np.mean(left)) ** 2 for v in left)
    variance += 5 / 6 * sum((v - np.mean(right)) ** 2 for v in right)
    found = mmd(one, other)
    assert found.high - found.value == pytest.approx(1.959964 * variance**0.5, rel=1e-9)


def test_the_interval_holds_the_truth_nineteen_times_of_twenty() -> None:
    """Equal distributions: the truth is 0. And apart ones, against a large sample."""
    truth = mmd(sample(3000, shift=0.4, seed=998), sample(3000, seed=999)).value
    held = {0.0: 0, 0.4: 0}
    for seed in range(60):
        for shift, wanted in ((0.0, 0.0), (0.4, truth)):
            found = mmd(sample(60, shift=shift, seed=2 * seed), sample(80, seed=2 * seed + 1))
            held[shift] += found.low <= wanted <= found.high
    assert min(held.values()) >= 52


def test_too_few_rows() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        mmd(sample(2), sample(9))


@pytest.mark.parametrize("count", [40, 5])
def test_frechet_equals_scipys_formula(count: int) -> None:
    """Also with fewer rows than features, where the covariance has no inverse."""
    one, other = sample(count), sample(count + 3, shift=0.5, seed=1) * 1.7
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(first @ second)
    wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first + second - 2 * np.real(root))
    found = frechet(one.mean(0), first, other.mean(0), second)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_frechet_of_a_set_with_itself_is_nothing() -> None:
    one = sample(300, width=40)
    spread = np.cov(one, rowvar=False)
    assert frechet(one.mean(0), spread, one.mean(0), spread) == pytest.approx(0.0, abs=1e-9)


def test_frechet_of_known_spreads() -> None:
    """Diagonal: the sum of squared differences of means and of standard deviations."""
    found = frechet(np.zeros(2), np.diag([4.0, 9.0]), np.array([1.0, 2.0]), np.diag([1.0, 25.0]))
    assert found == pytest.approx(1 + 4 + (2 - 1) ** 2 + (3 - 5) ** 2)


def test_kernel_and_nearest_by_hand() -> None:
    assert kernel(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))[0, 0] == (11 / 2 + 1) ** 3
    far = nearest(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0], [8.0, 6.0]]), 2)
    assert far[0] == pytest.approx((5 + 1) / 2)
