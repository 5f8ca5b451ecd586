"""Where results come from: by group, by skill, by prompt, and which metrics agree. Pure functions; no I/O."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, Literal

import numpy as np

from explorer.comparisons import Comparison, compare
from explorer.score_tables import ScoreTable, score_tables
from explorer.statistics import leaderboard
from explorer.types import Image, LeaderboardRow, ScoreRow
from metrics import QUESTION_SKILLS, SCENE_TASKS

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


def tasks_of(scores: Sequence[ScoreRow]) -> GroupsOf:
    """Groups pictures by the GenEval task of their prompt, as their scores tell it.

    The unweighted mean over these groups is what `geneval_overall` gives.
    """
    tasks = {row.image_id: str(row.detail["task"]) for row in scores if "task" in row.detail}
    return lambda image: (tasks.get(image.id, ""),)


def by_skill(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[Breakdown]:
    """Leaderboard and comparisons of each skill that the questions of a metric test.

    A picture's value of a skill is the share right of its questions of that skill, as its metric
    counts them (`skills` in the detail). What follows is as for any value: the mean over seeds,
    then over the prompts that have such questions. Unscored pictures give no value.

    Args:
        images: The pictures of a run.
        scores: Their scores; those without skills are ignored.
        directions: Metric id to "higher", "lower" or "neutral".

    Returns:
        In the order of `metrics.QUESTION_SKILLS`, unknown skills last.
    """
    own: dict[str, list[ScoreRow]] = {}
    for table in score_tables(images, scores, directions):
        for image_id, row in table.row_of.items() if table.level == "image" else ():
            for skill, share in skills_of(row).items() if row.value is not None else ():
                own.setdefault(skill, []).append(replace(row, image_id=image_id, value=share, detail={}))
    of_id = {image.id: image for image in images}
    found = []
    for skill in _ordered(own, QUESTION_SKILLS):
        prompts = {of_id[row.image_id].recipe.prompt for row in own[skill]}
        asked = [image for image in images if image.recipe.prompt in prompts]
        board = tuple(leaderboard(asked, own[skill], directions))
        found.append(Breakdown(skill, board, tuple(compare(asked, own[skill], directions))))
    return found


def skills_of(row: ScoreRow) -> dict[str, float]:
    """Skill -> the share right of its questions, 0 to 1, as a score tells it; empty where it does not."""
    return dict(_numbers(row.detail.get("skills"), "mean"))


def by_task(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[Breakdown]:
    """Leaderboard and comparisons of each GenEval task.

    Where a metric gives one value a model, its own shares of tasks are taken (`tasks` in the
    detail): they come without intervals, because its pictures' values are not kept.

    Args:
        images: The pictures of a run.
        scores: Their scores; those without tasks are ignored.
        directions: Metric id to "higher", "lower" or "neutral".

    Returns:
        In the order of `metrics.SCENE_TASKS`, unknown tasks last.
    """
    found = {each.group: each for each in by_group(images, scores, directions, tasks_of(scores))}
    for task, rows in _whole_tasks(images, scores, directions).items():
        known = found.get(task, Breakdown(task, (), ()))
        found[task] = replace(known, leaderboard=(*known.leaderboard, *rows))
    return [found[task] for task in _ordered(found, SCENE_TASKS)]


def tasks_named(row: ScoreRow) -> set[str]:
    """The GenEval tasks that a score is of; empty where it tells none."""
    of_picture = {str(row.detail["task"])} if "task" in row.detail else set()
    return of_picture | {task for task, _ in _numbers(row.detail.get("tasks"), "right")}


def _whole_tasks(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> dict[str, list[LeaderboardRow]]:
    """Task -> a row of each model, of metrics with one value a model."""
    whole = [row for row in scores if row.level == "model"]
    details = {
        (model, table.metric, table.tier): table.row_of[image.id].detail
        for table in score_tables(images, whole, directions)
        for image in images
        if (model := image.recipe.model) and image.id in table.row_of
    }
    found: dict[str, list[LeaderboardRow]] = {}
    for row in leaderboard(images, whole, directions):
        tasks = details.get((row.model, row.metric, row.tier), {}).get("tasks")
        prompts, pictures = (dict(_numbers(tasks, name)) for name in ("prompts", "pictures"))
        for task, right in _numbers(tasks, "right") if row.mean is not None else ():
            own = replace(row, mean=right, low=None, high=None, prompts=int(prompts.get(task, 0)))
            found.setdefault(task, []).append(replace(own, images=int(pictures.get(task, 0))))
    return found


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


def _numbers(parts: Any, name: str) -> Iterator[tuple[str, float]]:
    """One finite number of each part of a detail; details also come with bundles of other people."""
    for part, of_part in parts.items() if isinstance(parts, Mapping) else ():
        value = of_part.get(name) if isinstance(of_part, Mapping) else None
        if isinstance(value, int | float) and isfinite(value):
            yield str(part), float(value)


def _ordered(found: Iterable[str], known: Sequence[str]) -> list[str]:
    return sorted(found, key=lambda name: known.index(name) if name in known else len(known))


def _field(name: str) -> GroupsOf:
    return lambda image: (getattr(image.recipe, name),)
