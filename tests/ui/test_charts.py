from typing import Any

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


def test_means_and_intervals_are_drawn() -> None:
    figure = charts.leaderboard_figure([row("a", 25.0), row("b", 20.0)], {"clip_score": "CLIP score"})
    assert figure is not None
    assert [trace.x[0] for trace in figure.data] == [25.0, 20.0]
    assert [trace.y[0] for trace in figure.data] == ["a", "b"]
    assert figure.data[0].error_x.array[0] == 2
    assert figure.data[0].error_x.arrayminus[0] == 1
    assert figure.layout.annotations[0].text == "CLIP score"


def test_tiers_are_told_apart() -> None:
    figure = charts.leaderboard_figure([row("a", 25.0), row("a", 30.0, tier="large")], {})
    assert figure is not None
    assert [title.text for title in figure.layout.annotations] == [
        "clip_score (bundled)",
        "clip_score (large)",
    ]


def test_metrics_get_panels_and_models_keep_their_colour() -> None:
    rows = [row("a", 25.0), row("b", 20.0), row("b", 0.2, metric="other"), row("a", 0.1, metric="other")]
    figure = charts.leaderboard_figure(rows, {})
    assert figure is not None
    assert len(figure.layout.annotations) == 2
    colours = {trace.y[0]: set() for trace in figure.data}
    for trace in figure.data:
        colours[trace.y[0]].add(trace.marker.color)
    assert all(len(used) == 1 for used in colours.values())
    assert colours["a"] != colours["b"]


def test_backgrounds_let_the_theme_through() -> None:
    figure = charts.leaderboard_figure([row("a", 1.0)], {})
    assert figure is not None
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_rows_without_a_mean_are_left_out() -> None:
    assert charts.leaderboard_figure([row("a", None)], {}) is None
    assert charts.leaderboard_figure([], {}) is None
    figure = charts.leaderboard_figure([row("a", None), row("b", 3.0)], {})
    assert figure is not None
    assert len(figure.data) == 1


def test_many_panels_fit() -> None:
    rows = [row("a", 1.0, metric=f"metric-{index}") for index in range(40)]
    figure = charts.leaderboard_figure(rows, {})
    assert figure is not None
    assert len(figure.data) == 40


def test_names_bring_no_markup() -> None:
    assert charts.shorten("<b>x</b>") == "&lt;b>x&lt;/b>"
    long = "sd15-" + "x" * 60 + "-final.v2"
    assert charts.shorten(long).startswith("sd15-")
    assert charts.shorten(long).endswith("final.v2")
    assert len(charts.shorten(long)) <= 20
