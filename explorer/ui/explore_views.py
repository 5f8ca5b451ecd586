"""The ways to look closer at results: each turns them into a plot and words. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, TypeVar

from explorer.breakdowns import Breakdown, by_group, by_skill, by_task, correlations, most_different
from explorer.comparisons import Comparison
from explorer.failed_questions import answers_of, asks
from explorer.points import MetricKey, Setting, curves, extremes, points, spread, varied_settings
from explorer.reports import Results
from explorer.types import LeaderboardRow, ScoreRow
from explorer.ui import charts, picture_charts, question_markup, why_markup
from explorer.ui.evidence_markup import TASKS
from explorer.ui.explore_offers import (
    Grouping,
    Shape,
    View,
    divisible_metrics,
    groupings,
    is_divisible,
    level_of,
    metrics_for,
    scored_metrics,
    scores_of,
    views_of,
)
from explorer.ui.markup import Cards, count, notice
from explorer.ui.metric_names import metric_title

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CONTRASTS = 12
T = TypeVar("T")
_NO_METRIC = MetricKey("", "")
_WHOLE = "This metric gives one value for all pictures of a model, so there is nothing to look into here."
_NO_GROUPS = "All prompts are of one kind, so there is nothing to set against each other."
_OF_SKILL = {
    "dsg": " A question counts as wrong where the one it rests on is wrong.",
    "soft_tifa": " Values are mean probabilities of the right answers, and so lie above the metric's own.",
}


@dataclass(frozen=True)
class Asked:
    """How a person wants to look; the attributes are those of `ExploreForm`."""

    view: View = "intervals"
    metric: MetricKey = _NO_METRIC
    against: MetricKey = _NO_METRIC
    """The second metric of a scatter plot."""
    group: Grouping = "category"
    shape: Shape = "bars"
    setting: Setting = "steps"
    first: str = ""
    second: str = ""
    """The two models of the pictures that tell why; the first alone for its worst questions."""


@dataclass(frozen=True)
class Drawn:
    """A plot and what stands below it; either may be missing."""

    figure: "Figure | None"
    words: str


@dataclass(frozen=True)
class Looking:
    """Results with what is needed to show them."""

    found: Results
    cards: Cards
    source: why_markup.Source
    """Picture id -> address of its thumbnail."""

    def title(self, key: MetricKey) -> str:
        """The name of a metric that people read."""
        return metric_title(*key, self.cards)

    def scores(self, key: MetricKey) -> list[ScoreRow]:
        """The scores of one metric."""
        return scores_of(self.found, key)

    def rows(self, key: MetricKey) -> list[LeaderboardRow]:
        """The leaderboard of one metric, best first."""
        return [row for row in self.found.leaderboard if (row.metric, row.tier) == key]

    @property
    def colours(self) -> dict[str, str]:
        """One colour a model in every plot."""
        return charts.model_colours(image.recipe.model for image in self.found.images)

    @property
    def names(self) -> dict[tuple[str, str], str]:
        """Every metric's title."""
        keys = {MetricKey(row.metric, row.tier) for row in self.found.leaderboard}
        return {key: self.title(key) for key in keys}


def best_pair(rows: Sequence[LeaderboardRow]) -> tuple[str, str]:
    """The two best models of a metric, by which a person begins to ask why."""
    names = [row.model for row in rows if row.mean is not None]
    return (names[0], names[1]) if len(names) > 1 else (names[0] if names else "", "")


def settled(look: Looking, asked: Asked, models: Sequence[str]) -> Asked:
    """What was asked for before, with whatever these results do not have replaced by what they have."""
    found = look.found
    asked = fitted(found, replace(asked, view=_kept(asked.view, views_of(found)) or "intervals"))
    others = [key for key in divisible_metrics(found) if key != asked.metric]
    pair = asked.first, asked.second
    first, second = pair if set(pair) <= set(models) else best_pair(look.rows(asked.metric))
    return replace(
        asked,
        against=_kept(asked.against, others) or _NO_METRIC,
        setting=_kept(asked.setting, varied_settings(found.images)) or "steps",
        first=first,
        second=second,
    )


def fitted(found: Results, asked: Asked) -> Asked:
    """What was asked for, of a metric that its view can be of, grouped as that metric can be."""
    metric = _kept(asked.metric, metrics_for(found, asked.view)) or _NO_METRIC
    return replace(asked, metric=metric, group=_kept(asked.group, groupings(found, metric)) or "category")


def draw(look: Looking, asked: Asked) -> Drawn:
    """What a person asked to see."""
    return _DRAW[asked.view](look, asked)


def _intervals(look: Looking, asked: Asked) -> Drawn:
    figure = charts.interval_figure(look.rows(asked.metric), look.colours)
    told = "Dots: means over prompts. Lines: 95 % intervals; the fewer prompts, the wider."
    return Drawn(figure, notice(told if figure else "This metric scored nothing."))


def _groups(look: Looking, asked: Asked) -> Drawn:
    offered = groupings(look.found, asked.metric)
    if not offered:
        return Drawn(None, notice(_NO_GROUPS if is_divisible(look.found, asked.metric) else _WHOLE))
    group = _kept(asked.group, offered) or offered[0]
    groups, models = _grouped(look, asked.metric, group), [row.model for row in look.rows(asked.metric)]
    sizes = {each.group: max((row.prompts for row in each.leaderboard), default=0) for each in groups}
    told = "; ".join(f"{name} {count(size, 'prompt')}" for name, size in sizes.items()) + "."
    if group == "skill":
        told += " A prompt counts for each skill that it has questions of."
        told += _OF_SKILL.get(asked.metric.metric, "")
    if asked.shape == "radar" and len(groups) > 2:
        figure = charts.radar_figure(groups, models, look.colours)
        return Drawn(figure, notice(f"Means only; the bars show how sure they are. {told}"))
    figure = charts.group_figure(groups, models, look.colours)
    few = " A radar needs three groups or more." if asked.shape == "radar" else ""
    return Drawn(figure, notice(f"Bars: means. {_lines(groups)} {told}{few}"))


def _grouped(look: Looking, key: MetricKey, group: Grouping) -> list[Breakdown]:
    """The results of one metric by group, under the names that people read."""
    found, own = look.found, look.scores(key)
    if group == "skill":
        return by_skill(found.images, own, found.directions)
    if group == "task":
        tasks = by_task(found.images, own, found.directions)
        return [replace(each, group=TASKS.get(each.group, each.group)) for each in tasks]
    return by_group(found.images, own, found.directions, group)


def _lines(groups: Sequence[Breakdown]) -> str:
    """What the lines on the bars are, and why some bars have none."""
    rows = [row for each in groups for row in each.leaderboard if row.mean is not None]
    if not any(row.low is None for row in rows):
        return "Lines: 95 % intervals."
    if all(row.level == "model" for row in rows):
        return "No intervals: this metric keeps the share of each task only."
    return "Lines: 95 % intervals; none where a model has one prompt only."


def _spread(look: Looking, asked: Asked) -> Drawn:
    values = spread(look.found.images, look.found.scores, asked.metric)
    if not values:
        return Drawn(None, notice(_WHOLE))
    ordered = {row.model: values[row.model] for row in look.rows(asked.metric) if row.model in values}
    each = "picture" if level_of(look.found, asked.metric) == "image" else "prompt"
    told = f"One value a {each}. The box holds the middle half, its line the median; wide means uneven."
    return Drawn(picture_charts.spread_figure(ordered, look.colours), notice(told))


def _scatter(look: Looking, asked: Asked) -> Drawn:
    found = points(look.found.images, look.found.scores, asked.metric, asked.against)
    if not found:
        return Drawn(None, notice("No picture has a value of both metrics. Choose two others."))
    axes = look.title(asked.metric), look.title(asked.against)
    notable = extremes(found)
    shown = picture_charts.thinned(found, [point for kind in notable.values() for point in kind])
    each = "picture" if found[0].images == 1 else "prompt of a model"
    told = f"One dot a {each}: {len(found):,}"
    told += f", of which {len(shown):,} are drawn" if len(shown) < len(found) else ""
    figure = picture_charts.scatter_figure(shown, axes, look.colours)
    listed = why_markup.extremes(notable, axes, look.source)
    return Drawn(figure, f"{notice(f'{told}. Click one to see it.')}<h3>Those that stand out</h3>{listed}")


def _agreement(look: Looking, asked: Asked) -> Drawn:
    scored = set(scored_metrics(look.found))
    own = [score for score in look.found.scores if MetricKey(score.metric, score.tier) in scored]
    found = correlations(look.found.images, own)
    figure = picture_charts.correlation_figure(found, look.names)
    return Drawn(figure, why_markup.agreement(found, look.names))


def _settings(look: Looking, asked: Asked) -> Drawn:
    found = look.found
    drawn = curves(found.images, found.scores, asked.metric, asked.setting, found.directions)
    figure = charts.curve_figure(drawn, look.colours, asked.setting)
    if figure is None:
        return Drawn(None, notice(f"No model has pictures of several values of {asked.setting} to compare."))
    return Drawn(figure, notice("Dots: means over prompts at that value. Lines: 95 % intervals."))


def _why(look: Looking, asked: Asked) -> Drawn:
    if not is_divisible(look.found, asked.metric):
        return Drawn(None, notice(_WHOLE))
    pair = _pair(look.found, asked)
    if pair is None:
        return Drawn(None, notice("Choose two different models that this metric has scored."))
    found = most_different(look.found.images, look.found.scores, pair, CONTRASTS)
    title = f"<h3>{escape(look.title(asked.metric))}</h3>"
    return Drawn(None, title + why_markup.contrasts(found, pair, look.source))


def _questions(look: Looking, asked: Asked) -> Drawn:
    own = look.scores(asked.metric)
    if not asks(own):
        return Drawn(None, notice("This metric asks no questions. TIFA, DSG and their like do."))
    models = {image.recipe.model for image in look.found.images}
    if asked.first not in models:
        return Drawn(None, notice("Choose a model."))
    title = f"<h3>{escape(look.title(asked.metric))}: {escape(asked.first)}</h3>"
    answers = answers_of(look.found.images, own, asked.first)
    return Drawn(None, title + question_markup.worst_questions(answers, asked.first, look.source))


_DRAW: Mapping[View, Callable[[Looking, Asked], Drawn]] = {
    "intervals": _intervals,
    "groups": _groups,
    "spread": _spread,
    "scatter": _scatter,
    "agreement": _agreement,
    "settings": _settings,
    "why": _why,
    "questions": _questions,
}


def _kept(wanted: T, offered: Sequence[T]) -> T | None:
    """What was wanted if it is on offer, else the first that is."""
    return wanted if wanted in offered else next(iter(offered), None)


def _pair(found: Results, asked: Asked) -> Comparison | None:
    """The comparison of the two models, with the correction for all pairs of the metric."""
    for pair in replace(found, scores=scores_of(found, asked.metric)).comparisons():
        if (pair.first, pair.second) == (asked.first, asked.second):
            return pair
        if (pair.second, pair.first) == (asked.first, asked.second):
            return pair.reversed()
    return None
