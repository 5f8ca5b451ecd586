"""What results can be looked at as: the views, metrics and groups that have something to show. Pure."""

from typing import Literal

from explorer.breakdowns import skills_of, tasks_named
from explorer.failed_questions import asks
from explorer.points import MetricKey, table_of, varied_settings
from explorer.reports import Results
from explorer.types import ScoreRow

View = Literal["intervals", "groups", "spread", "scatter", "agreement", "settings", "why", "questions"]
Grouping = Literal["category", "difficulty", "skill", "task"]
Shape = Literal["bars", "radar"]
VIEWS: dict[View, str] = {
    "intervals": "Means",
    "groups": "Strong at what?",
    "spread": "Spread",
    "scatter": "Two metrics",
    "agreement": "Do metrics agree?",
    "settings": "Steps and guidance",
    "why": "Why? See pictures",
    "questions": "Worst questions",
}


def scored_metrics(found: Results) -> list[MetricKey]:
    """The metrics that gave some model a mean: those that rank models first."""
    scored = [row for row in found.leaderboard if row.mean is not None]
    ordered = sorted(scored, key=lambda row: row.direction == "neutral")
    return list(dict.fromkeys(MetricKey(row.metric, row.tier) for row in ordered))


def divisible_metrics(found: Results) -> list[MetricKey]:
    """Those of them with a value for each picture or prompt."""
    return [key for key in scored_metrics(found) if is_divisible(found, key)]


def views_of(found: Results) -> list[View]:
    """The views that have something to show for these results."""
    metrics, divisible = scored_metrics(found), divisible_metrics(found)
    grouped = [key for key in metrics if groupings(found, key)]
    models = {image.recipe.model for image in found.images}
    offered: dict[View, bool] = {
        "intervals": bool(metrics),
        "groups": bool(grouped),
        "spread": bool(divisible),
        "scatter": len(divisible) > 1,
        "agreement": len(divisible) > 1,
        "settings": bool(divisible) and bool(varied_settings(found.images)),
        "why": bool(divisible) and len(models) > 1,
        "questions": bool(asking_metrics(found)),
    }
    return [view for view in VIEWS if offered[view]]


def asking_metrics(found: Results) -> list[MetricKey]:
    """The metrics that ask questions about pictures, whether they got enough answers for a score or not."""
    keys = dict.fromkeys(MetricKey(row.metric, row.tier) for row in found.leaderboard)
    return [key for key in keys if asks(scores_of(found, key))]


def metrics_for(found: Results, view: View) -> list[MetricKey]:
    """The metrics that a view can be of."""
    return asking_metrics(found) if view == "questions" else scored_metrics(found)


def groupings(found: Results, key: MetricKey) -> list[Grouping]:
    """What the results of a metric are grouped by: only what tells them apart."""
    kinds: tuple[Grouping, ...] = ("category", "difficulty")
    divisible = kinds if is_divisible(found, key) else ()
    own = scores_of(found, key)
    names: dict[Grouping, set[str]] = {
        **{kind: {getattr(image.recipe, kind) for image in found.images} for kind in divisible},
        "skill": {skill for score in own if score.value is not None for skill in skills_of(score)},
        "task": {task for score in own if score.value is not None for task in tasks_named(score)},
    }
    return [kind for kind, found_names in names.items() if len(found_names - {""}) > 1]


def level_of(found: Results, key: MetricKey) -> str:
    """What one value of a metric belongs to; empty where nothing of it was tried."""
    table = table_of(found.images, found.scores, key)
    return table.level if table else ""


def is_divisible(found: Results, key: MetricKey) -> bool:
    """Whether a metric gives a value for each picture or prompt."""
    return level_of(found, key) in ("image", "prompt")


def scores_of(found: Results, key: MetricKey) -> list[ScoreRow]:
    """The scores of one metric."""
    return [score for score in found.scores if (score.metric, score.tier) == key]
