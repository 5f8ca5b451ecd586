"""Distances between two sets of feature vectors: MMD with the kernel of KID, and Frechet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

# So many rows of a kernel are in memory at once.
_ROWS = 512
_Z95 = 1.959964


@dataclass(frozen=True)
class Mmd:
    """The squared maximum mean discrepancy of two samples.

    Attributes:
        value: The unbiased estimate; may be a little below 0 where nothing parts the two.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def kernel(one: "Array", other: "Array") -> "Array":
    """The cubic kernel (x.y / d + 1)^3 of Binkowski et al. 2018; shape (one, other)."""
    found: Array = (one @ other.T / one.shape[1] + 1.0) ** 3
    return found


def mmd(one: "Array", other: "Array") -> Mmd:
    """The unbiased squared MMD with a jackknife interval.

    Leaving out one row at a time needs row sums of the kernels only, so nothing is drawn by
    chance and no whole kernel is held.

    Args:
        one: Shape (n, features), n at least 3.
        other: Shape (m, features), m at least 3.

    Raises:
        ValueError: Too few rows.
    """
    import numpy as np

    n, m = len(one), len(other)
    if min(n, m) < 3:
        raise ValueError("MMD with an interval needs at least 3 rows a side.")
    inner, others = _row_sums(one, one, own=True), _row_sums(other, other, own=True)
    across, back = _row_sums(one, other), _row_sums(other, one)
    a, b, c = inner.sum(), others.sum(), across.sum()
    of_one, of_other = a / (n * (n - 1)), b / (m * (m - 1))
    value = of_one + of_other - 2 * c / (n * m)
    less_one = (a - 2 * inner) / ((n - 1) * (n - 2)) + of_other - 2 * (c - across) / ((n - 1) * m)
    less_other = of_one + (b - 2 * others) / ((m - 1) * (m - 2)) - 2 * (c - back) / (n * (m - 1))
    variance = (n - 1) * np.var(less_one) + (m - 1) * np.var(less_other)
    reach = _Z95 * float(np.sqrt(variance))
    return Mmd(float(value), float(value) - reach, float(value) + reach)


def frechet(mean: "Array", covariance: "Array", other_mean: "Array", other_covariance: "Array") -> float:
    """The Frechet distance of two normal distributions, squared as in FID.

    The trace of the root of the product is that of a symmetric matrix with the same
    eigenvalues, whose root is always real: nothing has to be added to near-singular matrices.

    Args:
        mean: Shape (features,).
        covariance: Shape (features, features).
        other_mean: Of the other distribution.
        other_covariance: Of the other distribution.
    """
    import numpy as np

    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = root @ other_covariance @ root
    shared = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum()
    apart = float(((mean - other_mean) ** 2).sum())
    return apart + float(np.trace(covariance) + np.trace(other_covariance) - 2 * shared)


def nearest(one: "Array", other: "Array", count: int) -> "Array":
    """For each row of one set the mean distance to its nearest rows of another; shape (one,).

    Args:
        one: Shape (n, features).
        other: Shape (m, features), m at least `count`.
        count: How many neighbors.
    """
    import numpy as np

    squares = (other**2).sum(axis=1)
    found: list[Any] = []
    for start in range(0, len(one), _ROWS):
        rows = one[start : start + _ROWS]
        apart = (rows**2).sum(axis=1)[:, None] + squares - 2 * rows @ other.T
        near = np.partition(apart, count - 1, axis=1)[:, :count]
        found.append(np.sqrt(near.clip(min=0)).mean(axis=1))
    return np.concatenate(found)


def _row_sums(one: "Array", other: "Array", own: bool = False) -> "Array":
    """Sums of each row of a kernel; `own` leaves out the diagonal."""
    import numpy as np

    found: list[Any] = []
    for start in range(0, len(one), _ROWS):
        block = kernel(one[start : start + _ROWS], other)
        if own:
            places = np.arange(len(block))
            block[places, start + places] = 0.0
        found.append(block.sum(axis=1))
    return np.concatenate(found)
