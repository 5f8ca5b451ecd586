"""Single values behind the means: spread of each model, two metrics at once, steps and guidance.

Pure functions; no I/O. Values are read as the leaderboard reads them (`score_tables`), so a
point is never from another network than its model's mean.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from explorer.score_tables import Floats, ScoreTable, score_tables
from explorer.statistics import leaderboard
from explorer.types import Image, LeaderboardRow, ScoreRow

Setting = Literal["steps", "guidance"]
SETTINGS: tuple[Setting, ...] = ("steps", "guidance")


class MetricKey(NamedTuple):
    """A metric as one tier computes it: values of two tiers are two metrics."""

    metric: str
    tier: str


@dataclass(frozen=True, slots=True)
class Point:
    """One picture, or all pictures of a model and prompt, under two metrics."""

    model: str
    prompt: str
    image_id: str
    """The picture; the first seed's where there are several."""
    images: int
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A model's results at every value of a setting that its pictures were drawn with."""

    model: str
    at: tuple[float, ...]
    """The setting's values, ascending; two or more."""
    rows: tuple[LeaderboardRow, ...]
    """What each of them gave, over its own pictures."""


def spread(images: Sequence[Image], scores: Sequence[ScoreRow], key: MetricKey) -> dict[str, Floats]:
    """Every single value of each model: one a picture, or one a prompt where the metric gives that.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        key: Which metric.

    Returns:
        Model -> its values, in the order of the pictures. Empty for a metric with one value a
        model: it has no spread. Models without a value are left out.
    """
    table = table_of(images, scores, key)
    if table is None or table.level == "model":
        return {}
    values: dict[str, list[float]] = {model: [] for model in table.models}
    for model, _, value in _values(table, images):
        values[model].append(value)
    return {model: np.asarray(own) for model, own in values.items() if own}


def points(
    images: Sequence[Image], scores: Sequence[ScoreRow], first: MetricKey, second: MetricKey
) -> list[Point]:
    """Both values of everything that both metrics have scored.

    One point a picture where both metrics give a value for each; else one point a (model,
    prompt), with the mean over its pictures. A metric with one value a model has no points.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        first: The metric of `Point.first`.
        second: The metric of `Point.second`.
    """
    tables = table_of(images, scores, first), table_of(images, scores, second)
    one, other = tables
    if one is None or other is None or "model" in (one.level, other.level):
        return []
    if (one.level, other.level) == ("image", "image"):
        values = {image.id: value for _, image, value in _values(other, images)}
        return [
            Point(model, image.recipe.prompt, image.id, 1, value, values[image.id])
            for model, image, value in _values(one, images)
            if image.id in values
        ]
    return _prompt_points(images, one, other)


def curves(
    images: Sequence[Image],
    scores: Sequence[ScoreRow],
    key: MetricKey,
    setting: Setting,
    directions: Mapping[str, str],
) -> list[Curve]:
    """Means with intervals at every value of a setting, of the models that were drawn with several.

    A value that belongs to pictures of several settings counts for none of them.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        key: Which metric.
        setting: What changes from picture to picture.
        directions: Metric id to "higher", "lower" or "neutral".
    """
    read = _reader(setting)
    of_image = {image.id: read(image) for image in images}
    chosen = [
        score
        for score in scores
        if _is(score, key)
        and score.level != "model"
        and len({of_image.get(each) for each in (score.image_id, *score.unit)}) == 1
    ]
    found: dict[str, dict[float, LeaderboardRow]] = {}
    for value in sorted(set(of_image.values()) - {0.0}):
        own = [image for image in images if of_image[image.id] == value]
        for row in leaderboard(own, chosen, directions):
            if row.mean is not None:
                found.setdefault(row.model, {})[value] = row
    return [Curve(model, tuple(rows), tuple(rows.values())) for model, rows in found.items() if len(rows) > 1]


def varied_settings(images: Sequence[Image]) -> tuple[Setting, ...]:
    """The settings of which some model has pictures of several values; 0 means not known."""
    varied: list[Setting] = []
    for setting in SETTINGS:
        read = _reader(setting)
        pairs = {(image.recipe.model, read(image)) for image in images if read(image)}
        if len(pairs) > len({model for model, _ in pairs}):
            varied.append(setting)
    return tuple(varied)


def extremes(found: Sequence[Point], limit: int = 4) -> dict[str, list[Point]]:
    """The points a person looks at first.

    Args:
        found: What `points` gave.
        limit: How many of each kind at most.

    Returns:
        "first high", "first low", "second high", "second low": by value; "first only" and
        "second only": where one metric puts the picture far higher among all than the other.
    """
    from scipy.stats import rankdata

    if not found:
        return {}
    values = np.array([(point.first, point.second) for point in found])
    ranks = rankdata(values, axis=0)
    keys = {
        "first high": -values[:, 0],
        "first low": values[:, 0],
        "second high": -values[:, 1],
        "second low": values[:, 1],
        "first only": ranks[:, 1] - ranks[:, 0],
        "second only": ranks[:, 0] - ranks[:, 1],
    }
    return {
        name: [found[index] for index in np.argsort(key, kind="stable")[:limit]] for name, key in keys.items()
    }


def table_of(images: Sequence[Image], scores: Sequence[ScoreRow], key: MetricKey) -> ScoreTable | None:
    """The table of one metric; None where nothing of it was tried."""
    tables = score_tables(images, [score for score in scores if _is(score, key)], {})
    return tables[0] if tables else None


def _is(score: ScoreRow, key: MetricKey) -> bool:
    return (score.metric, score.tier) == key


def _values(table: ScoreTable, images: Sequence[Image]) -> Iterator[tuple[str, Image, float]]:
    """(model, first picture, value) of every scored row, each once."""
    seen: set[int] = set()
    for image in images:
        row = table.row_of.get(image.id)
        if row is not None and row.value is not None and id(row) not in seen:
            seen.add(id(row))
            yield image.recipe.model, image, row.value


def _prompt_points(images: Sequence[Image], one: ScoreTable, other: ScoreTable) -> list[Point]:
    members: dict[tuple[str, str], list[Image]] = {}
    for image in images:
        members.setdefault((image.recipe.model, image.recipe.prompt), []).append(image)
    line = {model: index for index, model in enumerate(one.models)}
    column = {prompt: index for index, prompt in enumerate(one.prompts)}
    found = []
    for (model, prompt), own in members.items():
        place = line[model], column[prompt]  # both tables are of the same pictures
        first, second = float(one.values[place]), float(other.values[place])
        if np.isfinite(first) and np.isfinite(second):
            image = min(own, key=lambda each: each.recipe.seed)
            found.append(Point(model, prompt, image.id, len(own), first, second))
    return found


def _reader(setting: Setting) -> Callable[[Image], float]:
    return lambda image: float(getattr(image.recipe, setting))
