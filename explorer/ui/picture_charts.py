"""Plotly figures of single values: spread, two metrics at once, which metrics agree. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from explorer.breakdowns import Correlation
from explorer.points import Point
from explorer.score_tables import Floats
from explorer.ui.charts import CURVE_PIXELS, FRAME_PIXELS, framed, model_symbols, named_rows, safe, shorten

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_DOTS = 2_000
"""As many as a telephone draws without a pause. No WebGL: not every browser lends it."""
FEW = 40
"""So many values of a model are all drawn; of more, the shape says more."""
SPREAD_PIXELS = 58
CELL_PIXELS = 56
_SEED = 20_260_101
_AGREE, _OPPOSE = "79,107,237", "224,128,58"


def spread_figure(values: Mapping[str, Floats], colours: Mapping[str, str]) -> "Figure | None":
    """How the values of each model are spread: every value where they are few, else their shape.

    Args:
        values: Model to its values, in the order of the rows.
        colours: Model to its colour.
    """
    from plotly.graph_objects import Box, Figure, Violin

    if not values:
        return None
    figure = Figure()
    for model, own in values.items():
        look = {"x": own.tolist(), "y": [model] * len(own), "orientation": "h", "name": shorten(model)}
        line = {"color": colours[model], "width": 1.5}
        if len(own) <= FEW:
            dots = {"boxpoints": "all", "jitter": 0.5, "pointpos": 0, "marker": {"size": 6, "opacity": 0.6}}
            figure.add_trace(Box(**look, **dots, line=line))
        else:
            inner = {"box": {"visible": True, "width": 0.25}, "points": False}
            # Cut at the ends: nothing may seem to reach further than any picture does.
            figure.add_trace(Violin(**look, **inner, line=line, spanmode="hard", width=0.9))
    figure.update_traces(hoveron="boxes", selector={"type": "box"})
    figure.update_traces(hoveron="violins", selector={"type": "violin"})
    framed(figure, len(values) * SPREAD_PIXELS + FRAME_PIXELS)
    figure.update_layout(showlegend=False)
    return named_rows(figure, list(values))


def scatter_figure(
    points: Sequence[Point], axes: tuple[str, str], colours: Mapping[str, str]
) -> "Figure | None":
    """One dot a picture; `customdata` is the picture's id, which a click opens.

    Args:
        points: What `points.points` gave, thinned.
        axes: Names of the two metrics.
        colours: Model to its colour.
    """
    from plotly.graph_objects import Figure, Scatter

    if not points:
        return None
    symbols = model_symbols(colours)
    models = list(dict.fromkeys(point.model for point in points))
    size = 11 if len(points) <= 100 else 8
    figure = Figure()
    for model in models:
        own = [point for point in points if point.model == model]
        figure.add_trace(
            Scatter(
                name=shorten(model),
                x=[point.first for point in own],
                y=[point.second for point in own],
                customdata=[point.image_id for point in own],
                text=[f"{safe(point.model)}<br>{shorten(point.prompt, 60)}" for point in own],
                hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                mode="markers",
                marker={"color": colours[model], "symbol": symbols[model], "size": size, "opacity": 0.75},
            )
        )
    framed(figure, CURVE_PIXELS + 60, legend=len(models))
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title=safe(axes[0]))
    return figure.update_yaxes(title=safe(axes[1]))


def thinned(points: Sequence[Point], kept: Sequence[Point], limit: int = MAX_DOTS) -> list[Point]:
    """At most so many points, drawn by lot and always the same ones; some are always kept.

    Args:
        points: All of them.
        kept: Those that people will look for, such as the extreme ones.
        limit: How many.
    """
    if len(points) <= limit:
        return list(points)
    wanted = {point.image_id for point in kept}
    order = np.random.default_rng(_SEED).permutation(len(points))
    chosen = sorted(order, key=lambda index: points[index].image_id not in wanted)[:limit]
    return [points[index] for index in sorted(chosen)]


def correlation_figure(found: Sequence[Correlation], names: Mapping[tuple[str, str], str]) -> "Figure | None":
    """How far every two metrics put pictures in the same order, as a table of colours.

    Blue: the same order; orange: the opposite one; no colour: they have nothing to do with
    each other. Colours are more or less transparent, so they do for light and dark.

    Args:
        found: What `breakdowns.correlations` gave.
        names: (metric, tier) to the name people read.
    """
    from plotly.graph_objects import Figure, Heatmap

    pairs = {((each.first, each.tiers[0]), (each.second, each.tiers[1])): each for each in found}
    keys = list(dict.fromkeys(key for pair in pairs for key in pair))
    if len(keys) < 2:
        return None
    labels = [shorten(names.get(key, key[0]), 26) for key in keys]
    cells = [[pairs.get((row, column)) or pairs.get((column, row)) for column in keys] for row in keys]
    numbers = [[None if cell is None else cell.rho for cell in line] for line in cells]
    texts = [["" if rho is None else f"{rho:.2f}" for rho in line] for line in numbers]
    figure = Figure(
        Heatmap(
            x=list(range(len(keys))),
            y=list(range(len(keys))),
            z=numbers,
            text=texts,
            customdata=[[_said(cell, names) for cell in line] for line in cells],
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            zmin=-1,
            zmax=1,
            colorscale=[
                [0, f"rgba({_OPPOSE},0.85)"],
                [0.5, f"rgba({_AGREE},0.04)"],
                [1, f"rgba({_AGREE},0.85)"],
            ],
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    framed(figure, len(keys) * CELL_PIXELS + FRAME_PIXELS)
    places = {"tickvals": list(range(len(keys))), "ticktext": labels, "showgrid": False}
    figure.update_xaxes(**places, tickangle=-35)
    return figure.update_yaxes(**places, autorange="reversed")


def _said(cell: Correlation | None, names: Mapping[tuple[str, str], str]) -> str:
    if cell is None:
        return ""
    one, other = (
        names.get((cell.first, cell.tiers[0]), cell.first),
        names.get((cell.second, cell.tiers[1]), cell.second),
    )
    number = "" if cell.rho is None else f"<br>{cell.rho:.2f}"
    return f"{safe(one)}<br>{safe(other)}{number}<br>{cell.points} prompts × models"
