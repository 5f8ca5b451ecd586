"""Where results come from: by group, by prompt, and which metrics agree. Pure functions; no I/O."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from explorer.comparisons import Comparison, compare
from explorer.score_tables import ScoreTable, score_tables
from explorer.statistics import leaderboard
from explorer.types import Image, LeaderboardRow, ScoreRow

MIN_POINTS = 6
"""A rank correlation of fewer points is often high by chance."""

GroupsOf = Callable[[Image], Iterable[str]]
"""The groups that a picture's prompt belongs to; several where it asks for several skills."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The results of the prompts of one group."""

    group: str
    leaderboard: tuple[LeaderboardRow, ...]
    comparisons: tuple[Comparison, ...]
    """Corrected for the pairs within the group, not for the number of groups."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One prompt on which two models differ, with the pictures to see why."""

    prompt: str
    prompt_id: str
    category: str
    first_value: float
    second_value: float
    difference: float
    """First - second."""
    first_images: tuple[str, ...]
    """Ids, in the order of their seeds."""
    second_images: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Correlation:
    """How far two metrics put the same pictures in the same order."""

    first: str
    second: str
    tiers: tuple[str, str]
    rho: float | None
    """Spearman's rank correlation, -1 to 1, of the values as they are: a metric of which
    lower is better agrees with one of which higher is better when it is negative."""
    points: int
    """(model, prompt) pairs that both have scored."""
    reason: str = ""
    """Why there is no number."""


def by_group(
    images: Sequence[Image],
    scores: Sequence[ScoreRow],
    directions: Mapping[str, str],
    key: Literal["category", "difficulty"] | GroupsOf,
) -> list[Breakdown]:
    """Leaderboard and comparisons of each group of prompts, in the order they first appear.

    Metrics with one value a model are left out: a group has no value of its own.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        directions: Metric id to "higher", "lower" or "neutral".
        key: A field of the recipe, or what tells the groups of a picture, such as the skills
            of its prompt.
    """
    groups_of = _field(key) if isinstance(key, str) else key
    members: dict[str, list[Image]] = {}
    for image in images:
        for group in dict.fromkeys(groups_of(image)):
            members.setdefault(group, []).append(image)
    divisible = [score for score in scores if score.level != "model"]
    return [
        Breakdown(
            group,
            tuple(leaderboard(own, divisible, directions)),
            tuple(compare(own, divisible, directions)),
        )
        for group, own in members.items()
        if group
    ]


def most_different(
    images: Sequence[Image], scores: Sequence[ScoreRow], pair: Comparison, limit: int = 12
) -> list[Contrast]:
    """The prompts on which two models differ most under a metric, largest difference first.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        pair: Names the models, the metric and the tier.
        limit: How many at most.
    """
    shown = [image for image in images if image.recipe.model in (pair.first, pair.second)]
    chosen = [score for score in scores if (score.metric, score.tier) == (pair.metric, pair.tier)]
    tables = score_tables(shown, chosen, {})
    if not tables or tables[0].level == "model" or len(tables[0].models) < 2:
        return []
    values = {model: tables[0].values[i] for i, model in enumerate(tables[0].models)}
    first, second = values[pair.first], values[pair.second]
    order = np.argsort(-np.abs(first - second), kind="stable")
    columns = [column for column in order if np.isfinite(first[column] - second[column])]
    contrasts = []
    for column in columns[:limit]:
        of_prompt = [image for image in shown if image.recipe.prompt == tables[0].prompts[column]]
        of_prompt.sort(key=lambda image: image.recipe.seed)
        recipe = of_prompt[0].recipe
        one, other = float(first[column]), float(second[column])
        contrasts.append(
            Contrast(
                *(recipe.prompt, recipe.prompt_id, recipe.category),
                *(one, other, one - other),
                first_images=tuple(image.id for image in of_prompt if image.recipe.model == pair.first),
                second_images=tuple(image.id for image in of_prompt if image.recipe.model == pair.second),
            )
        )
    return contrasts


def correlations(images: Sequence[Image], scores: Sequence[ScoreRow]) -> list[Correlation]:
    """Spearman's rank correlation of every two metrics, over prompts x models.

    Metrics with one value a model are left out. Points of one prompt or one model are alike,
    so the numbers are for looking at, not for tests.
    """
    tables = [table for table in score_tables(images, scores, {}) if table.level != "model"]
    return [
        _correlation(first, second) for index, first in enumerate(tables) for second in tables[index + 1 :]
    ]


def _correlation(first: ScoreTable, second: ScoreTable) -> Correlation:
    from scipy.stats import spearmanr

    both = np.isfinite(first.values) & np.isfinite(second.values)
    names, tiers, points = (first.metric, second.metric), (first.tier, second.tier), int(both.sum())
    if points < MIN_POINTS:
        return Correlation(*names, tiers, None, points, f"Fewer than {MIN_POINTS} prompts have both scores.")
    one, other = first.values[both], second.values[both]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return Correlation(*names, tiers, None, points, "All values of one of them are equal.")
    return Correlation(*names, tiers, float(spearmanr(one, other).statistic), points)


def _field(name: str) -> GroupsOf:
    return lambda image: (getattr(image.recipe, name),)
