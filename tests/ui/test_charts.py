from typing import Any

from explorer.breakdowns import Breakdown
from explorer.points import Curve
from explorer.types import LeaderboardRow
from explorer.ui import charts


def row(model: str, mean: float | None, **values: Any) -> LeaderboardRow:
    around = {"low": None if mean is None else mean - 1, "high": None if mean is None else mean + 2}
    defaults = {
        "metric": "clip_score",
        "tier": "bundled",
        "direction": "higher",
        "prompts": 8,
        "images": 16,
        "unscored": 0,
    }
    return LeaderboardRow(model=model, mean=mean, **(defaults | around | values))


COLOURS = {"a": "#111111", "b": "#222222"}


def groups(**means: dict[str, float]) -> list[Breakdown]:
    return [
        Breakdown(name, tuple(row(model, mean) for model, mean in of.items()), ())
        for name, of in means.items()
    ]


def test_means_and_intervals_are_drawn() -> None:
    figure = charts.interval_figure([row("a", 25.0), row("b", 20.0)], COLOURS)
    assert figure is not None
    assert [trace.x[0] for trace in figure.data] == [25.0, 20.0]
    assert [trace.y[0] for trace in figure.data] == ["a", "b"]
    assert figure.data[0].error_x.array[0] == 2
    assert figure.data[0].error_x.arrayminus[0] == 1
    assert [trace.marker.color for trace in figure.data] == ["#111111", "#222222"]
    assert "25" in figure.data[0].hovertemplate
    assert "24 to 27" in figure.data[0].hovertemplate


def test_a_mean_without_an_interval_has_no_bar() -> None:
    figure = charts.interval_figure([row("a", 25.0, low=None, high=None)], COLOURS)
    assert figure is not None
    assert (figure.data[0].error_x.array[0], figure.data[0].error_x.arrayminus[0]) == (0, 0)
    assert "95 %" not in figure.data[0].hovertemplate


def test_models_keep_their_colour_whatever_their_order() -> None:
    assert charts.model_colours(["b", "a"]) == charts.model_colours(["a", "b", "a"])
    assert len(set(charts.model_colours("abcdefgh").values())) == 8
    assert len(set(charts.model_symbols("abcdefgh").values())) == 8


def test_backgrounds_let_the_theme_through() -> None:
    figure = charts.interval_figure([row("a", 1.0)], COLOURS)
    assert figure is not None
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_rows_without_a_mean_are_left_out() -> None:
    assert charts.interval_figure([row("a", None)], COLOURS) is None
    assert charts.interval_figure([], COLOURS) is None
    figure = charts.interval_figure([row("a", None), row("b", 3.0)], COLOURS)
    assert figure is not None
    assert len(figure.data) == 1


def test_bars_by_group_have_every_mean_with_its_interval() -> None:
    found = groups(text={"a": 5.0, "b": 3.0}, hands={"b": 4.0})
    figure = charts.group_figure(found, ["b", "a", "c"], COLOURS)
    assert figure is not None
    drawn = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in figure.data}
    assert drawn == {"b": {"text": 3.0, "hands": 4.0}, "a": {"text": 5.0}}
    assert list(figure.data[0].error_x.array) == [2, 2]
    assert list(figure.data[0].error_x.arrayminus) == [1, 1]
    assert "hands" in figure.data[0].hovertemplate[1]
    assert charts.group_figure(groups(text={}), ["a"], COLOURS) is None


def test_a_radar_comes_back_to_where_it_began_and_needs_three_groups() -> None:
    three = groups(text={"a": 5.0}, hands={"a": 4.0}, faces={"b": 1.0})
    figure = charts.radar_figure(three, ["a", "b"], COLOURS)
    assert figure is not None
    assert list(figure.data[0].r) == [5.0, 4.0, None, 5.0]
    assert list(figure.data[0].theta) == ["text", "hands", "faces", "text"]
    assert charts.radar_figure(three[:2], ["a"], COLOURS) is None


def test_curves_are_drawn_at_the_values_that_were_drawn_with() -> None:
    curve = Curve("a", (10.0, 25.0), (row("a", 5.0), row("a", 6.0)))
    figure = charts.curve_figure([curve], COLOURS, "steps")
    assert figure is not None
    assert list(figure.data[0].x) == [10.0, 25.0]
    assert list(figure.data[0].y) == [5.0, 6.0]
    assert list(figure.data[0].error_y.arrayminus) == [1, 1]
    assert list(figure.layout.xaxis.tickvals) == [10.0, 25.0]
    assert charts.curve_figure([], COLOURS, "steps") is None


def test_names_bring_no_markup() -> None:
    assert charts.shorten("<b>x</b>") == "&lt;b>x&lt;/b>"
    assert charts.safe("a & %{x}") == "a &amp; %&#123;x}"
    long = "sd15-" + "x" * 60 + "-final.v2"
    assert charts.shorten(long).startswith("sd15-")
    assert charts.shorten(long).endswith("final.v2")
    assert len(charts.shorten(long)) <= 20
