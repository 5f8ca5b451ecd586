"""Means over the pairs of a group, with the evidence."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from metrics.base import Sample, Score

if TYPE_CHECKING:
    import torch

# Of larger groups only the extremes are kept with the score.
_LISTED_PAIRS = 120
# So many entries of all vectors are in float64 at once.
_STRIP = 16_384


def all_pairs(count: int) -> list[tuple[int, int]]:
    """Every unordered pair of places below `count`, in order."""
    return list(combinations(range(count), 2))


def squared_distances(vectors: Sequence["torch.Tensor"]) -> "torch.Tensor":
    """Squared distances of all pairs of long vectors, by one Gram matrix.

    Args:
        vectors: At least one, of equal lengths.

    Returns:
        Shape (vectors, vectors), float64; exactly 0 for equal ones.
    """
    import torch

    count = len(vectors)
    gram = torch.zeros(count, count, dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, len(vectors[0]), _STRIP):
            strip = torch.stack([vector[start : start + _STRIP] for vector in vectors]).double()
            gram += strip @ strip.T
        squares = gram.diagonal()
        sums = squares[:, None] + squares[None, :]
        found = sums - 2 * gram
        # In float64 the difference of equal vectors is rounding, sixteen digits down.
        return torch.where(found > 1e-12 * sums, found, 0.0)


def mean_over_pairs(
    samples: Sequence[Sample], pairs: Sequence[tuple[int, int]], values: Sequence[float], resolution: int
) -> Score:
    """The mean of pair values, with the nearest and the farthest pair by image hash.

    Args:
        samples: The images that the pairs point to.
        pairs: At least one pair of places.
        values: A finite distance for each pair.
        resolution: The side in pixels at which they were compared.
    """
    places = range(len(pairs))
    nearest = min(places, key=lambda place: values[place])
    farthest = max(places, key=lambda place: values[place])
    listed = {"distances": [round(value, 6) for value in values]} if len(pairs) <= _LISTED_PAIRS else {}
    return Score.of(
        sum(values) / len(values),
        pairs=len(pairs),
        least=values[nearest],
        most=values[farthest],
        nearest=_names(samples, pairs[nearest]),
        farthest=_names(samples, pairs[farthest]),
        resolution=resolution,
        **listed,
    )


def _names(samples: Sequence[Sample], pair: tuple[int, int]) -> list[str]:
    # Hashes, because the score is also that of the same images under other names.
    return [samples[place].image_hash or "" for place in pair]
