"""Means with intervals over prompts. Pure functions on arrays and records; no I/O.

A model's value is the mean over prompts of the prompt's value, so each prompt weighs the
same. Its interval is a percentile bootstrap over prompts (Efron, 1979), with the same
resamples for every model: differences between models are paired. The percentiles are
Hesterberg's "expanded" ones ("What Teachers Should Know About the Bootstrap", 2015), because
the plain ones are too narrow where prompts are few: for 6 of them by a third.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.score_tables import Floats, ScoreTable, is_blank, score_tables
from explorer.types import Image, LeaderboardRow, ScoreRow

RESAMPLES = 2_000
SEED = 20_260_101
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Intervals:
    """Means with intervals, one of each a model.

    The mean is NaN where a model has no value at all, the interval where it has fewer than
    two: one prompt says nothing about how much prompts differ.
    """

    mean: Floats
    low: Floats
    high: Floats


def resample_counts(prompts: int, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """How often each prompt is drawn, with replacement, in each resample.

    Args:
        prompts: How many there are.
        resamples: How many times all of them are drawn.
        seed: Of the draws; equal seeds give equal resamples, for every model.

    Returns:
        Shape (resamples, prompts). Every row adds up to `prompts`.
    """
    drawn = np.random.default_rng(seed).integers(0, prompts, size=(resamples, prompts))
    return np.stack([np.bincount(row, minlength=prompts) for row in drawn]).astype(np.float64)


def bootstrap_means(values: Floats, counts: Floats | None = None) -> Floats:
    """Means of resampled prompts.

    Args:
        values: Shape (models, prompts); NaN where a model has no value for a prompt.
        counts: What `resample_counts` gave, to use it more than once.

    Returns:
        Shape (models, resamples). NaN where a resample holds no value of the model.
    """
    # How often each prompt was drawn turns the whole bootstrap into two matrix products.
    counts = resample_counts(values.shape[1]) if counts is None else counts
    present = np.isfinite(values)
    sums = np.where(present, values, 0.0) @ counts.T
    weights = present.astype(np.float64) @ counts.T
    return np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)


def intervals(values: Floats, level: float = LEVEL, counts: Floats | None = None) -> Intervals:
    """Mean and bootstrap interval of each model over its prompts.

    Args:
        values: Shape (models, prompts); NaN where a model has no value for a prompt.
        level: How often such intervals should hold the true mean, 0 to 1.
        counts: What `resample_counts` gave, to use it more than once.
    """
    sizes = np.isfinite(values).sum(axis=1)
    mean, low, high = (np.full(len(values), np.nan) for _ in range(3))
    if not sizes.any():
        return Intervals(mean, low, high)
    mean[sizes > 0] = np.nanmean(values[sizes > 0], axis=1)
    several = sizes[sizes >= 2]
    if not several.size:
        return Intervals(mean, low, high)
    means = bootstrap_means(values, counts)
    for size in np.unique(several):
        same = sizes == size
        tail = tail_share(int(size), level)
        # The slower function only where a resample may hold no value at all.
        quantile = np.quantile if np.isfinite(means[same]).all() else np.nanquantile
        low[same], high[same] = quantile(means[same], [tail, 1 - tail], axis=1)
    return Intervals(mean, low, high)


def tail_share(size: int, level: float = LEVEL) -> float:
    """Share of resampled means outside the interval, on each side, for so many prompts."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(stdtrit(size - 1, (1 - level) / 2) * np.sqrt(size / (size - 1))))


def leaderboard(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[LeaderboardRow]:
    """One row a model, metric and tier, best first within a metric.

    A metric with one value a model has no prompts to draw from: its interval is the one that
    it computed itself (`low` and `high` in its detail), if any.

    Args:
        images: The pictures of a run.
        scores: Their scores; pictures without one count as unscored.
        directions: Metric id to "higher", "lower" or "neutral".
    """
    rows: list[LeaderboardRow] = []
    for table in score_tables(images, scores, directions):
        board = _board(table, images)
        board.sort(key=lambda row: _rank(row, descending=table.direction != "lower"))
        rows.extend(board)
    return rows


def _board(table: ScoreTable, images: Sequence[Image]) -> list[LeaderboardRow]:
    own: dict[str, list[Image]] = {model: [] for model in table.models}
    for image in images:
        own[image.recipe.model].append(image)
    result = intervals(table.values)
    return [_row(table, result, index, own[model]) for index, model in enumerate(table.models)]


def _row(table: ScoreTable, result: Intervals, index: int, images: Sequence[Image]) -> LeaderboardRow:
    found = [(image, table.row_of.get(image.id)) for image in images]
    reasons = Counter(row.reason for _, row in found if row is not None and row.reason)
    low, high = _number(result.low[index]), _number(result.high[index])
    prompts = int(np.isfinite(table.values[index]).sum())
    if table.level == "model":
        low, high = next((_own_interval(row) for _, row in found if row is not None), (None, None))
        prompts = len({image.recipe.prompt for image in images}) if prompts else 0
    return LeaderboardRow(
        model=table.models[index],
        metric=table.metric,
        tier=table.tier,
        direction=table.direction,
        mean=_number(result.mean[index]),
        low=low,
        high=high,
        prompts=prompts,
        images=len(images),
        unscored=sum(row is None or row.value is None for _, row in found),
        reason=reasons.most_common(1)[0][0] if reasons else None,
        level=table.level,
        blank=sum(row is not None and is_blank(row, image) for image, row in found),
    )


def _own_interval(row: ScoreRow) -> tuple[float | None, float | None]:
    """The interval that a metric computed itself; both ends or none."""
    low, high = (row.detail.get(name) for name in ("low", "high"))
    if row.value is None or not isinstance(low, int | float) or not isinstance(high, int | float):
        return None, None
    return (float(low), float(high)) if low <= row.value <= high else (None, None)


def _rank(row: LeaderboardRow, *, descending: bool) -> tuple[bool, float]:
    value = row.mean if row.mean is not None else 0.0
    return row.mean is None, -value if descending else value


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
