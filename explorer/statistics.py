"""Means and intervals over prompts. Pure functions on arrays; no I/O.

A model's value is the mean over prompts of the prompt's value, so each prompt weighs the
same. Its interval is a percentile bootstrap over prompts (Efron, 1979), with the same
resamples for every model: differences between models are paired.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.types import Image, LeaderboardRow, ScoreRow

RESAMPLES = 2_000
SEED = 20_260_101
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Means with intervals, one of each a model.

    The mean is NaN where a model has no value at all, the interval where it has fewer than
    two: one prompt says nothing about how much prompts differ.
    """

    mean: Floats
    low: Floats
    high: Floats


def bootstrap_means(values: Floats, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """Means of resampled prompts.

    Args:
        values: Shape (models, prompts); NaN where a model has no value for a prompt.
        resamples: How many times prompts are drawn with replacement.
        seed: Of the draws; equal seeds give equal resamples for every model.

    Returns:
        Shape (models, resamples). NaN where a resample holds no value of the model.
    """
    prompts = values.shape[1]
    drawn = np.random.default_rng(seed).integers(0, prompts, size=(resamples, prompts))
    # How often each prompt was drawn turns the whole bootstrap into two matrix products.
    counts = np.stack([np.bincount(row, minlength=prompts) for row in drawn]).astype(np.float64)
    present = np.isfinite(values)
    sums = np.where(present, values, 0.0) @ counts.T
    weights = present.astype(np.float64) @ counts.T
    return np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)


def intervals(values: Floats, level: float = LEVEL) -> Intervals:
    """Mean and percentile interval of each model over its prompts.

    Args:
        values: Shape (models, prompts); NaN where a model has no value for a prompt.
        level: Share of resampled means that the interval holds.
    """
    models = values.shape[0]
    empty = np.full(models, np.nan)
    scored = np.isfinite(values).any(axis=1)
    if not scored.any():
        return Intervals(empty, empty.copy(), empty.copy())
    means = bootstrap_means(values)
    tail = (1 - level) / 2 * 100
    mean, low, high = empty, empty.copy(), empty.copy()
    mean[scored] = np.nanmean(values[scored], axis=1)
    several = np.isfinite(values).sum(axis=1) >= 2
    if several.any():
        low[several], high[several] = np.nanpercentile(means[several], [tail, 100 - tail], axis=1)
    return Intervals(mean, low, high)


def leaderboard(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[LeaderboardRow]:
    """One row a model, metric and tier, best first within a metric.

    Args:
        images: The pictures of a run.
        scores: Their scores; pictures without one count as unscored.
        directions: Metric id to "higher", "lower" or "neutral".
    """
    rows: list[LeaderboardRow] = []
    for metric, tier in sorted({(score.metric, score.tier) for score in scores}):
        of_image = {s.image_id: s for s in scores if (s.metric, s.tier) == (metric, tier)}
        board = _board(images, of_image, metric, tier, directions.get(metric, "neutral"))
        descending = directions.get(metric) != "lower"
        board.sort(key=lambda row: _rank(row, descending))
        rows.extend(board)
    return rows


def _board(
    images: Sequence[Image], scores: dict[str, ScoreRow], metric: str, tier: str, direction: str
) -> list[LeaderboardRow]:
    models = list(dict.fromkeys(image.recipe.model for image in images))
    prompts = list(dict.fromkeys(image.recipe.prompt for image in images))
    table = prompt_means(images, scores, models, prompts)
    result = intervals(table)
    rows = []
    for index, model in enumerate(models):
        own = [image for image in images if image.recipe.model == model]
        found = [scores.get(image.id) for image in own]
        reasons = Counter(s.reason for s in found if s is not None and s.reason)
        rows.append(
            LeaderboardRow(
                model=model,
                metric=metric,
                tier=tier,
                direction=direction,
                mean=_number(result.mean[index]),
                low=_number(result.low[index]),
                high=_number(result.high[index]),
                prompts=int(np.isfinite(table[index]).sum()),
                images=len(own),
                unscored=sum(s is None or s.value is None for s in found),
                reason=reasons.most_common(1)[0][0] if reasons else None,
            )
        )
    return rows


def prompt_means(
    images: Sequence[Image], scores: dict[str, ScoreRow], models: Sequence[str], prompts: Sequence[str]
) -> Floats:
    """Mean over seeds of each (model, prompt); shape (models, prompts), NaN where unscored."""
    sums = np.zeros((len(models), len(prompts)))
    counts = np.zeros_like(sums)
    row = {model: index for index, model in enumerate(models)}
    column = {prompt: index for index, prompt in enumerate(prompts)}
    for image in images:
        score = scores.get(image.id)
        if score is not None and score.value is not None:
            place = row[image.recipe.model], column[image.recipe.prompt]
            sums[place] += score.value
            counts[place] += 1
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _rank(row: LeaderboardRow, descending: bool) -> tuple[bool, float]:
    value = row.mean if row.mean is not None else 0.0
    return row.mean is None, -value if descending else value


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
