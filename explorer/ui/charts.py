"""Plotly figures from tables: pure functions.

Backgrounds are transparent and text, lines and grid take their colours from `theme.css`,
so one figure follows light and dark without being drawn again.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from explorer.types import LeaderboardRow
from explorer.ui.markup import by_metric

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#4f6bed", "#e0803a", "#2f9e77", "#b35cc4", "#c9a227", "#3aa5c9", "#d1556b", "#7d8597")
"""Told apart by most colour-blind people, and readable on white and on near-black."""
ROW_PIXELS = 44
FRAME_PIXELS = 84


def leaderboard_figure(rows: Sequence[LeaderboardRow], names: Mapping[str, str]) -> "Figure | None":
    """Every model's mean with its 95 % interval, one panel a metric.

    Args:
        rows: The leaderboard; rows without a mean are left out.
        names: Metric id to the name people read.

    Returns:
        None when no row has a mean.
    """
    from plotly.subplots import make_subplots

    drawn = [row for row in rows if row.mean is not None]
    if not drawn:
        return None
    panels = list(by_metric(drawn).items())
    colours = model_colours(rows)
    one_tier = len({row.tier for row in drawn}) == 1
    heights = [len(group) * ROW_PIXELS + FRAME_PIXELS for _, group in panels]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        subplot_titles=[
            names.get(metric, metric) + ("" if one_tier else f" ({tier})") for (metric, tier), _ in panels
        ],
        row_heights=heights,
        vertical_spacing=min(0.9 / len(panels), FRAME_PIXELS / sum(heights)),
    )
    for index, (_, group) in enumerate(panels, start=1):
        for row in group:
            figure.add_trace(_interval(row, colours[row.model]), row=index, col=1)
        # The first row is the best one and belongs on top.
        models = [row.model for row in group]
        figure.update_yaxes(
            autorange="reversed",
            automargin=True,
            tickvals=models,
            ticktext=[shorten(model) for model in models],
            row=index,
            col=1,
        )
    figure.update_layout(
        height=sum(heights),
        margin={"l": 8, "r": 16, "t": 40, "b": 32},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    figure.update_xaxes(zeroline=False, automargin=True, fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def model_colours(rows: Sequence[LeaderboardRow]) -> dict[str, str]:
    """One colour a model, the same in every panel and whatever the order of the rows."""
    models = sorted({row.model for row in rows})
    return {model: COLOURS[index % len(COLOURS)] for index, model in enumerate(models)}


def _interval(row: LeaderboardRow, colour: str) -> object:
    from plotly.graph_objects import Scatter

    mean = row.mean if row.mean is not None else 0.0
    bars = None
    if row.low is not None and row.high is not None:
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [row.high - mean],
            "arrayminus": [mean - row.low],
            "thickness": 3,
            "width": 7,
        }
    return Scatter(
        x=[mean],
        y=[row.model],
        error_x=bars,
        mode="markers",
        marker={"size": 13, "color": colour},
        hovertemplate=_hover(row),
    )


def _hover(row: LeaderboardRow) -> str:
    interval = "" if row.low is None or row.high is None else f"<br>95 %: {row.low:.3g} to {row.high:.3g}"
    # Plotly reads a small set of tags in texts, so a model's name must not bring any.
    model = row.model.replace("&", "&amp;").replace("<", "&lt;")
    return f"{model}<br>mean {row.mean:.4g}{interval}<br>{row.prompts} prompts<extra></extra>"


def shorten(name: str, limit: int = 20) -> str:
    """A long name cut in its middle, where checkpoint names differ least; safe as a label."""
    if len(name) > limit:
        half = (limit - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return name.replace("&", "&amp;").replace("<", "&lt;")
