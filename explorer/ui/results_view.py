"""Results on the page: the verdicts, the leaderboard, and a panel to look closer."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.reports import Results as Found
from explorer.ui import leaderboard_markup
from explorer.ui.explore_panel import ExplorePanel, Shown, build_explore_panel, shown_of
from explorer.ui.widgets import cards_by_id


@dataclass(frozen=True)
class Results:
    """Verdicts and leaderboard, and where there is room, plots and pictures behind them."""

    panel: gr.Column
    verdicts: gr.HTML
    table: gr.HTML
    about: gr.HTML
    explore: ExplorePanel | None = None

    @property
    def outputs(self) -> list[Component]:
        """Every widget `show_results` may change."""
        own: list[Component] = [self.panel, self.verdicts, self.table, self.about]
        return [*own, self.explore.shown] if self.explore else own


def build_verdicts(name: str) -> gr.HTML:
    """Lay out what each metric says in a sentence; empty while there is nothing to say."""
    return gr.HTML(elem_id=f"{name}-verdicts")


def build_results(explorer: Explorer, name: str, verdicts: gr.HTML) -> Results:
    """Lay out hidden results with plots, and bind their own events; the verdicts stand elsewhere."""
    with gr.Column(visible=False, elem_id=f"{name}-results") as panel:
        board = _build_board(name)
        explore = build_explore_panel(explorer, name)
    return Results(panel, verdicts, *board, explore)


def build_leaderboard(name: str) -> Results:
    """Lay out hidden results of verdicts and leaderboard only."""
    with gr.Column(visible=False, elem_id=f"{name}-results") as panel:
        verdicts, board = build_verdicts(name), _build_board(name)
    return Results(panel, verdicts, *board)


def _build_board(name: str) -> tuple[gr.HTML, gr.HTML]:
    return gr.HTML(elem_id=f"{name}-leaderboard"), gr.HTML(elem_id=f"{name}-measured")


def show_results(explorer: Explorer, results: Results, found: Found | None) -> dict[Component, Any]:
    """Fill results in; without a leaderboard they are hidden.

    Args:
        explorer: Knows the metrics.
        results: The widgets to update.
        found: The pictures and scores of a run, or of some of its models and metrics.
    """
    rows = found.leaderboard if found else ()
    updates: dict[Component, Any] = {results.panel: gr.Column(visible=bool(rows)), results.verdicts: ""}
    if found and rows:
        cards, pairs = cards_by_id(explorer), found.comparisons()
        updates |= {
            results.verdicts: leaderboard_markup.verdicts(rows, pairs, cards),
            results.table: leaderboard_markup.leaderboard(rows, pairs, cards),
            results.about: leaderboard_markup.fairness(found) + leaderboard_markup.measured(found, cards),
        }
    if results.explore:
        updates[results.explore.shown] = shown_of(found) if found and rows else Shown()
    return updates
