"""Scores as tables of models x prompts: the one form in which all statistics read them.

A value may belong to one picture, to all pictures of a (model, prompt), or to all pictures of
a model. What follows (means, intervals, comparisons) only sees one value a model and prompt.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.types import Image, ScoreRow

Floats = NDArray[np.float64]
Group = tuple[str, ...]
"""What one value belongs to: (model, prompt, picture), (model, prompt) or (model,)."""

LEVELS = ("image", "prompt", "model")
OTHER_NETWORK = (
    "It was scored with another version of the metric or its network than the others. Analyze the run again."
)


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """All values of one metric and tier over the pictures of a run."""

    metric: str
    tier: str
    direction: str
    """"higher", "lower" or "neutral"."""
    level: str
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    """Empty at model level."""
    values: Floats
    """Shape (models, prompts), NaN where unscored; (models, 1) at model level."""
    row_of: Mapping[str, ScoreRow]
    """Picture id -> the row that says its value or why there is none."""


def score_tables(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[ScoreTable]:
    """One table a metric and tier, sorted by their names.

    Args:
        images: The pictures of a run.
        scores: Their scores; rows of other pictures are ignored.
        directions: Metric id to "higher", "lower" or "neutral".
    """
    by_id = {image.id: image for image in images}
    groups: dict[tuple[str, str], list[ScoreRow]] = {}
    for score in scores:
        if _first_known(score, by_id) is not None:
            groups.setdefault((score.metric, score.tier), []).append(score)
    return [
        _table(images, by_id, _of_one_network(rows), directions.get(metric, "neutral"))
        for (metric, _), rows in sorted(groups.items())
    ]


def is_blank(score: ScoreRow, image: Image) -> bool:
    """Whether nothing is to be seen on a picture, as its metric noted."""
    several = score.detail.get("blank_images")
    if isinstance(several, Mapping):
        return image.path.name in several or image.id in several
    return score.level == "image" and bool(score.detail.get("blank"))


def _table(
    images: Sequence[Image], by_id: Mapping[str, Image], rows: Sequence[ScoreRow], direction: str
) -> ScoreTable:
    level = max((row.level for row in rows), key=LEVELS.index)
    chosen: dict[Group, ScoreRow] = {}
    for row in rows:
        image = _first_known(row, by_id)
        if image is not None:
            group = _group(image, level)
            rival = chosen.get(group)
            # A later row is the newer one, but one over more of these pictures says more.
            if rival is None or _coverage(row, by_id) >= _coverage(rival, by_id):
                chosen[group] = row
    row_of = {image.id: chosen[group] for image in images if (group := _group(image, level)) in chosen}
    models = tuple(dict.fromkeys(image.recipe.model for image in images))
    prompts = () if level == "model" else tuple(dict.fromkeys(image.recipe.prompt for image in images))
    values = _means(chosen, models, prompts)
    return ScoreTable(rows[0].metric, rows[0].tier, direction, level, models, prompts, values, row_of)


def _means(chosen: Mapping[Group, ScoreRow], models: Sequence[str], prompts: Sequence[str]) -> Floats:
    """Mean over seeds of each (model, prompt): each prompt weighs the same whatever its seeds."""
    sums = np.zeros((len(models), len(prompts) or 1))
    counts = np.zeros_like(sums)
    line = {model: index for index, model in enumerate(models)}
    column = {prompt: index for index, prompt in enumerate(prompts)}
    for group, row in chosen.items():
        if row.value is not None:
            place = line[group[0]], column[group[1]] if len(group) > 1 else 0
            sums[place] += row.value
            counts[place] += 1
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _group(image: Image, level: str) -> Group:
    parts = (image.recipe.model, image.recipe.prompt, image.id)
    return parts[: len(LEVELS) - LEVELS.index(level)]


def _first_known(row: ScoreRow, by_id: Mapping[str, Image]) -> Image | None:
    return next((by_id[each] for each in (row.image_id, *row.unit) if each in by_id), None)


def _coverage(row: ScoreRow, by_id: Mapping[str, Image]) -> tuple[bool, int]:
    known = sum(each in by_id for each in row.unit)
    return known == len(row.unit), known


def _of_one_network(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The rows, with values of all but the most frequent version turned into a reason.

    Values of two networks are two metrics; a mean over both would be of nothing.
    """
    versions = Counter(_version(row) for row in rows if row.value is not None)
    if len(versions) < 2:
        return list(rows)
    most = max(versions.values())
    kept = [version for version, count in versions.items() if count == most][-1]
    return [
        row if row.value is None or _version(row) == kept else replace(row, value=None, reason=OTHER_NETWORK)
        for row in rows
    ]


def _version(row: ScoreRow) -> tuple[Any, ...]:
    return row.metric_version, row.backbone, row.revision, row.preprocessing
