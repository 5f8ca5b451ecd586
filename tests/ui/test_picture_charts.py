import numpy as np

from explorer.breakdowns import Correlation
from explorer.points import Point
from explorer.ui import picture_charts

COLOURS = {"a": "#111111", "b": "#222222"}
EVIL = "<img src=x onerror=alert(1)>"


def dots(count: int, model: str = "a") -> list[Point]:
    return [Point(model, f"p{n}", f"id{n}", 1, float(n), float(-n)) for n in range(count)]


def test_few_values_are_all_drawn_many_as_a_shape() -> None:
    values = {"b": np.arange(3.0), "a": np.arange(200.0)}
    figure = picture_charts.spread_figure(values, COLOURS)
    assert figure is not None
    assert [trace.type for trace in figure.data] == ["box", "violin"]
    assert list(figure.data[0].x) == [0.0, 1.0, 2.0]
    assert figure.data[0].boxpoints == "all"
    assert figure.data[1].spanmode == "hard"
    assert list(figure.layout.yaxis.tickvals) == ["b", "a"]
    assert picture_charts.spread_figure({}, COLOURS) is None


def test_every_dot_knows_its_picture() -> None:
    found = [*dots(3), Point("b", EVIL, "evil", 1, 0.5, 0.25)]
    figure = picture_charts.scatter_figure(found, ("One", "Two"), COLOURS)
    assert figure is not None
    first, second = figure.data
    assert list(first.customdata) == ["id0", "id1", "id2"]
    assert (list(first.x), list(first.y)) == ([0.0, 1.0, 2.0], [0.0, -1.0, -2.0])
    assert (second.x[0], second.y[0], second.customdata[0]) == (0.5, 0.25, "evil")
    assert "<img" not in second.text[0]
    assert first.marker.symbol != second.marker.symbol
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("One", "Two")
    assert picture_charts.scatter_figure([], ("One", "Two"), COLOURS) is None


def test_thinning_keeps_those_that_stand_out_and_is_always_the_same() -> None:
    found = dots(1_000)
    kept = [found[0], found[999], found[500]]
    thin = picture_charts.thinned(found, kept, limit=50)
    assert len(thin) == 50
    assert set(kept) <= set(thin)
    assert thin == picture_charts.thinned(found, kept, limit=50)
    assert thin == sorted(thin, key=lambda point: point.first)
    assert picture_charts.thinned(found[:50], [], limit=50) == found[:50]


def test_correlations_are_a_symmetric_table() -> None:
    found = [
        Correlation("m", "n", ("bundled", "bundled"), 0.5, 12),
        Correlation("m", "o", ("bundled", "large"), None, 2, "Too few."),
        Correlation("n", "o", ("bundled", "large"), -0.25, 12),
    ]
    names = {("m", "bundled"): EVIL}
    figure = picture_charts.correlation_figure(found, names)
    assert figure is not None
    table = figure.data[0].z
    assert [list(line) for line in table] == [[None, 0.5, None], [0.5, None, -0.25], [None, -0.25, None]]
    assert figure.data[0].text[0][1] == "0.50"
    assert "<img" not in str(figure.data[0].customdata) + str(figure.layout.xaxis.ticktext)
    assert picture_charts.correlation_figure([], {}) is None
