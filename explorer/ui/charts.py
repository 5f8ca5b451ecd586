"""Plotly figures of means with intervals: pure functions.

Backgrounds are transparent and text, lines and grid take their colours from `theme.css`,
so one figure follows light and dark without being drawn again. Widths are the page's:
`page.js` tells plots when their place has changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from explorer.breakdowns import Breakdown
from explorer.points import Curve
from explorer.types import LeaderboardRow

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#4f6bed", "#e0803a", "#2f9e77", "#b35cc4", "#c9a227", "#3aa5c9", "#d1556b", "#7d8597")
"""Told apart by most colour-blind people, and readable on white and on near-black."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x", "triangle-down")
CLEAR = "rgba(0,0,0,0)"
ROW_PIXELS = 40
BAR_PIXELS = 13
FRAME_PIXELS = 84
CURVE_PIXELS = 420
LEGEND_PIXELS = 22
"""Height of one line of a legend, of which a telephone has one a model."""


def interval_figure(rows: Sequence[LeaderboardRow], colours: Mapping[str, str]) -> "Figure | None":
    """Every model's mean under one metric with its 95 % interval, in the order of the rows.

    Args:
        rows: The leaderboard of one metric and tier; rows without a mean are left out.
        colours: Model to its colour.

    Returns:
        None when no row has a mean.
    """
    from plotly.graph_objects import Figure

    drawn = [row for row in rows if row.mean is not None]
    if not drawn:
        return None
    figure = Figure([_mean(row, colours[row.model]) for row in drawn])
    framed(figure, len(drawn) * ROW_PIXELS + FRAME_PIXELS)
    return named_rows(figure, [row.model for row in drawn])


def group_figure(
    groups: Sequence[Breakdown], models: Sequence[str], colours: Mapping[str, str]
) -> "Figure | None":
    """A bar for every model in every group of prompts, with its 95 % interval.

    Args:
        groups: The results of one metric and tier by group.
        models: In the order of the bars.
        colours: Model to its colour.
    """
    from plotly.graph_objects import Bar, Figure

    rows = _by_model(groups)
    drawn = [model for model in models if model in rows]
    if not drawn:
        return None
    figure = Figure()
    for model in drawn:
        own = rows[model]
        figure.add_trace(
            Bar(
                orientation="h",
                name=shorten(model),
                y=list(own),
                x=[row.mean for row in own.values()],
                error_x=_interval(list(own.values())),
                marker={"color": colours[model]},
                hovertemplate=[_hover(row, group) for group, row in own.items()],
            )
        )
    names = [group.group for group in groups]
    bars = len(names) * (len(drawn) * BAR_PIXELS + 18)
    framed(figure, bars + FRAME_PIXELS, legend=len(drawn))
    figure.update_layout(barmode="group", bargap=0.2, legend={"traceorder": "normal"})
    return named_rows(figure, names)


def radar_figure(
    groups: Sequence[Breakdown], models: Sequence[str], colours: Mapping[str, str]
) -> "Figure | None":
    """Every model as a line around the groups of prompts; groups lie on one common scale.

    Args:
        groups: The results of one metric and tier by group; three or more.
        models: In the order of the legend.
        colours: Model to its colour.
    """
    from plotly.graph_objects import Figure, Scatterpolar

    rows = _by_model(groups)
    drawn = [model for model in models if model in rows]
    names = [group.group for group in groups]
    if not drawn or len(names) < 3:
        return None
    figure = Figure()
    for model in drawn:
        own = rows[model]
        around = [*names, names[0]]  # back to where the line began
        figure.add_trace(
            Scatterpolar(
                name=shorten(model),
                r=[own[name].mean if name in own else None for name in around],
                theta=[shorten(name) for name in around],
                mode="lines+markers",
                line={"color": colours[model]},
                hovertemplate=[_hover(own[name], name) if name in own else "" for name in around],
            )
        )
    framed(figure, CURVE_PIXELS + 60, legend=len(drawn))
    return figure.update_layout(
        margin={"l": 48, "r": 48, "t": figure.layout.margin.t},
        legend={"y": 1.08},
        polar={"bgcolor": CLEAR, "radialaxis": {"rangemode": "tozero", "angle": 90, "tickangle": 90}},
    )


def curve_figure(curves: Sequence[Curve], colours: Mapping[str, str], setting: str) -> "Figure | None":
    """Means with intervals against a setting, one line a model.

    Args:
        curves: What `points.curves` gave.
        colours: Model to its colour.
        setting: What stands below the plot.
    """
    from plotly.graph_objects import Figure, Scatter

    if not curves:
        return None
    figure = Figure(
        [
            Scatter(
                name=shorten(curve.model),
                x=list(curve.at),
                y=[row.mean for row in curve.rows],
                error_y=_interval(curve.rows),
                mode="lines+markers",
                line={"color": colours[curve.model]},
                marker={"size": 9},
                hovertemplate=[
                    _hover(row, f"{setting} {at:g}") for at, row in zip(curve.at, curve.rows, strict=True)
                ],
            )
            for curve in curves
        ]
    )
    framed(figure, CURVE_PIXELS, legend=len(curves))
    # Only what was drawn with has a label: between 20 and 30 steps nothing is known.
    values = sorted({at for curve in curves for at in curve.at})
    return figure.update_xaxes(tickvals=values, title=setting)


def framed(figure: "Figure", height: int, legend: int = 0) -> "Figure":
    """The look that all plots share.

    Args:
        figure: Changed in place.
        height: Of the plot in pixels, without the legend.
        legend: How many models a legend above it names; 0 or 1: none is needed.
    """
    lines = legend if legend > 1 else 0
    top = 16 + (12 + LEGEND_PIXELS * -(-lines // 2) if lines else 0)
    figure.update_layout(
        height=height + top,
        margin={"l": 8, "r": 16, "t": top, "b": 40},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=lines > 0,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "bgcolor": CLEAR},
        dragmode=False,  # else a finger that scrolls the page would draw a frame
        font={"family": "system-ui, sans-serif", "size": 13},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(zeroline=False, automargin=True, fixedrange=True)
    figure.update_yaxes(zeroline=False, automargin=True, fixedrange=True)
    return figure


def named_rows(figure: "Figure", names: Sequence[str]) -> "Figure":
    """Label the rows of a horizontal plot; the first one belongs on top."""
    return figure.update_yaxes(
        type="category",
        autorange="reversed",
        categoryorder="array",
        categoryarray=list(names),
        tickvals=list(names),
        ticktext=[shorten(name) for name in names],
    )


def model_colours(models: Iterable[str]) -> dict[str, str]:
    """One colour a model, the same in every plot and whatever the order of the models."""
    return {model: COLOURS[index % len(COLOURS)] for index, model in enumerate(sorted(set(models)))}


def model_symbols(models: Iterable[str]) -> dict[str, str]:
    """One symbol a model, for those who tell colours apart badly, and where colours come twice."""
    return {model: SYMBOLS[index % len(SYMBOLS)] for index, model in enumerate(sorted(set(models)))}


def safe(text: str) -> str:
    """A text that brings nothing along: plotly reads a small set of tags, and `%{x}` in templates."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")


def shorten(name: str, limit: int = 20) -> str:
    """A long name cut in its middle, where checkpoint names differ least; safe as a label."""
    if len(name) > limit:
        half = (limit - 1) // 2
        name = f"{name[:half]}…{name[-half:]}"
    return safe(name)


def _mean(row: LeaderboardRow, colour: str) -> object:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[row.mean],
        y=[row.model],
        error_x={**_interval([row]), "thickness": 3, "width": 7},
        mode="markers",
        marker={"size": 13, "color": colour},
        hovertemplate=_hover(row),
    )


def _interval(rows: Sequence[LeaderboardRow]) -> dict[str, Any]:
    """Distances from the means to the ends of their intervals; 0 where there is no interval."""
    above = [0.0 if row.high is None else row.high - (row.mean or 0.0) for row in rows]
    below = [0.0 if row.low is None else (row.mean or 0.0) - row.low for row in rows]
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "thickness": 1.5,
        "width": 3,
        # Seen on the bars of every model, and on white and near-black.
        "color": "#7a8194",
    }


def _by_model(groups: Sequence[Breakdown]) -> dict[str, dict[str, LeaderboardRow]]:
    """Model -> group -> its row, where it has a mean."""
    found: dict[str, dict[str, LeaderboardRow]] = {}
    for group in groups:
        for row in group.leaderboard:
            if row.mean is not None:
                found.setdefault(row.model, {})[group.group] = row
    return found


def _hover(row: LeaderboardRow, where: str = "") -> str:
    interval = "" if row.low is None or row.high is None else f"<br>95 %: {row.low:.3g} to {row.high:.3g}"
    place = f"<br>{safe(where)}" if where else ""
    prompts = f"{row.prompts} prompt{'' if row.prompts == 1 else 's'}"
    return f"{safe(row.model)}{place}<br>mean {row.mean:.4g}{interval}<br>{prompts}<extra></extra>"
