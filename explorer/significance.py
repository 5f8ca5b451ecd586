"""Whether a difference may be chance: p-values, Holm's correction, how many prompts would tell.

Pure functions on numbers.
"""

from collections.abc import Sequence
from math import ceil, log2
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from explorer.score_tables import Floats
from explorer.statistics import LEVEL, SEED

ALPHA = 1 - LEVEL
MAX_MORE_PROMPTS = 10_000
FLIPS = 9_999
EXACT_PROMPTS = 13
"""Up to here all 2^n patterns of signs are fewer than `FLIPS`, and are all tried."""
ROUNDING = 1e-9
"""Relative; what differs by less is equal."""
_CHUNK = 1_000

Signs = NDArray[np.int8]


def more_prompts(difference: float, spread: float, prompts: int, alpha: float = ALPHA) -> int | None:
    """About how many more prompts would make a difference of this size separable.

    The half-width of the interval of a mean over n prompts is z s / sqrt(n), so it falls below
    the difference d at n = (z s / d)^2 (Cochran, "Sampling Techniques", 1977, chapter 4). If
    the true difference is d, half of all repetitions with n prompts come out separable, and
    four of five with 2 n. Under Holm's correction z belongs to the smaller alpha, and n signs
    must be able to reach it: 2 / 2^n <= alpha.

    Args:
        difference: Observed mean difference d.
        spread: Observed standard deviation s of the prompts' differences.
        prompts: How many there are.
        alpha: What the p-value of this pair must not exceed.

    Returns:
        At least 1; None when more than `MAX_MORE_PROMPTS` would be needed.
    """
    if difference == 0:
        return None
    z = NormalDist().inv_cdf(1 - alpha / 2)
    needed = max((z * spread / difference) ** 2, 1 + log2(1 / alpha))
    more = max(needed - prompts, 1.0)
    return ceil(more) if more <= MAX_MORE_PROMPTS else None


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> tuple[list[float], list[float]]:
    """Holm's step-down correction (Scandinavian Journal of Statistics, 1979).

    Args:
        p_values: Of all tests of a family.
        alpha: Chance of any wrong rejection among them.

    Returns:
        The adjusted p-values, and what each p-value must not exceed at its place in the order.
    """
    order = np.argsort(p_values, kind="stable")
    left = np.arange(len(order), 0, -1)
    adjusted, thresholds = np.empty(len(order)), np.empty(len(order))
    ordered = np.asarray(p_values, dtype=np.float64)[order]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(ordered * left))
    thresholds[order] = alpha / left
    return adjusted.tolist(), thresholds.tolist()


def sign_flip_p_values(differences: Floats, signs: Signs | None = None) -> Floats:
    """Two-sided p-values of the paired sign-flip permutation test for a mean of 0.

    With few prompts all patterns of signs are tried and the value is exact. Else it comes from
    random ones, counting the observed pattern as one of them (Phipson and Smyth, 2010), and
    where none of them reaches the observed mean, from Hoeffding's bound for a sum of random
    signs (1963) if that is smaller.

    Args:
        differences: Shape (pairs, prompts), NaN where a pair lacks a prompt.
        signs: What `sign_patterns` gave, to use it more than once.

    Returns:
        Shape (pairs,), above 0 and at most 1.
    """
    prompts = differences.shape[1]
    signs = sign_patterns(prompts) if signs is None else signs
    known = np.where(np.isfinite(differences), differences, 0.0)
    observed = np.abs(known.sum(axis=1))
    # Patterns that give the very same mean must count whatever the order of the additions.
    limit = observed - ROUNDING * np.abs(known).sum(axis=1)
    reached = np.zeros(len(known))
    for start in range(0, len(signs), _CHUNK):
        flipped = known @ signs[start : start + _CHUNK].T.astype(np.float64)
        reached += (np.abs(flipped) >= limit[:, None]).sum(axis=1)
    if prompts <= EXACT_PROMPTS:
        return reached / len(signs)
    squares = (known**2).sum(axis=1)
    exponent = np.divide(observed**2, 2 * squares, out=np.zeros_like(observed), where=squares > 0)
    bound = np.where(reached == 0, 2 * np.exp(-exponent), 1.0)
    return np.minimum((reached + 1) / (len(signs) + 1), bound)


def sign_patterns(prompts: int) -> Signs:
    """Patterns of +1 and -1, shape (patterns, prompts): all of them where they are few."""
    if prompts <= EXACT_PROMPTS:
        bits = np.arange(2**prompts)[:, None] >> np.arange(prompts)
        return (2 * (bits & 1) - 1).astype(np.int8)
    flips = np.random.default_rng(SEED).integers(0, 2, size=(FLIPS, prompts), dtype=np.int8)
    return 2 * flips - 1
