"""Means over the pairs of a group, with the evidence."""

from collections.abc import Sequence
from itertools import combinations

from metrics.base import Sample, Score

# Of larger groups only the extremes are kept with the score.
_LISTED_PAIRS = 120


def all_pairs(count: int) -> list[tuple[int, int]]:
    """Every unordered pair of places below `count`, in order."""
    return list(combinations(range(count), 2))


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
