"""The one plot of the arena: Elo vote by vote. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.ratings import Floats
from explorer.ui.charts import COLOURS, CURVE_PIXELS, framed, shorten

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_LINES = 12


def history_figure(models: Sequence[str], moments: Sequence[int], history: Floats) -> "Figure | None":
    """Elo of every model after so many votes; of more than a dozen models, those that end highest.

    Args:
        models: Their names.
        moments: Numbers of votes.
        history: Shape (moments, models).
    """
    from plotly.graph_objects import Figure, Scatter

    if len(moments) < 2:
        return None
    order = sorted(range(len(models)), key=lambda i: -history[-1, i])[:MAX_LINES]
    figure = Figure(
        [
            Scatter(
                x=list(moments),
                y=history[:, i].round(1).tolist(),
                name=shorten(models[i]),
                mode="lines",
                line={
                    "color": COLOURS[place % len(COLOURS)],
                    "dash": "solid" if place < len(COLOURS) else "dot",
                },
                hovertemplate=f"{shorten(models[i])}: %{{y:.0f}} after %{{x}} votes<extra></extra>",
            )
            for place, i in enumerate(order)
        ]
    )
    framed(figure, CURVE_PIXELS, legend=max(len(order), 2))
    return figure.update_xaxes(title="votes")
