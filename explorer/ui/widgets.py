"""Widgets that several tabs share: pickers for models, suites, runs and metrics."""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

import gradio as gr

from explorer.api import Explorer
from explorer.errors import ExplorerError
from explorer.requests import AnalyzeRequest
from explorer.types import Model, Run, Tier
from explorer.ui import markup
from explorer.ui.forms import ScoreForm, ui_errors

Choices = list[tuple[str, str]]
DEFAULT_METRICS = ["clip_score"]
TIER_NAMES: dict[Tier, str] = {
    "bundled": "Bundled: small, nothing to fetch",
    "light": "Light: fetched once, the smallest of each",
    "standard": "Standard: fetched once",
    "large": "Large: fetched once, slow without a GPU",
}
ALL = ""
"""Value of the choice that filters nothing."""


def build_grid(columns: int, name: str, *, visible: bool = True) -> gr.Gallery:
    """A grid of thumbnails; clicking one is the tab's business, so Gradio's preview is off."""
    return gr.Gallery(
        show_label=False,
        columns=columns,
        fit_columns=False,
        height="auto",
        allow_preview=False,
        buttons=[],
        interactive=False,
        visible=visible,
        elem_id=name,
        elem_classes="x-grid",
    )


def build_delivery(name: str) -> tuple[gr.DownloadButton, str]:
    """A hidden button that delivers a file, and the script that clicks it once the file is ready.

    A visible DownloadButton delivers on its second click only.
    """
    click = f"() => document.querySelector('#{name} a, a#{name}, button#{name}')?.click()"
    return gr.DownloadButton(visible="hidden", elem_id=name), click


def build_score_form(explorer: Explorer, name: str) -> ScoreForm:
    """The pickers for metrics and for the size of the networks behind them."""
    metrics = gr.Dropdown(
        metric_choices(explorer),
        value=DEFAULT_METRICS,
        multiselect=True,
        label="Score with",
        elem_id=f"{name}-metrics",
    )
    tier = gr.Dropdown(
        [(TIER_NAMES[tier], tier) for tier in get_args(Tier)],
        value="bundled",
        label="Networks to score with",
        elem_id=f"{name}-tier",
    )
    download = gr.Checkbox(label="Fetch it", visible=False, elem_id=f"{name}-download")
    ask_before_fetching(explorer, ScoreForm(metrics, tier, download))
    return ScoreForm(metrics, tier, download)


def ask_before_fetching(explorer: Explorer, form: ScoreForm) -> None:
    """Say what would be fetched, how large and under which licence; nothing is without a yes."""

    def ask(metrics: list[str] | None, tier: Tier) -> gr.Checkbox:
        with ui_errors():
            return fetching_question(explorer, AnalyzeRequest(tuple(metrics or ()), tier))

    for widget in (form.metrics, form.tier):
        widget.change(
            ask,
            [form.metrics, form.tier],
            form.download,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )


def fetching_question(explorer: Explorer, request: AnalyzeRequest) -> gr.Checkbox:
    """What would be fetched for a request, to be said yes to; hidden where nothing would."""
    absent = explorer.needed_downloads(request)
    told = [f"{card.id}: {card.download_mb:,} MB, licence {card.licence}" for card in absent]
    label = f"Fetch {sum(card.download_mb for card in absent):,} MB first"
    # Another choice is another question: the yes to the last one does not count.
    return gr.Checkbox(False, label=label, info="; ".join(told), visible=bool(told))


def cards_by_id(explorer: Explorer) -> markup.Cards:
    """The metric cards, by metric id."""
    return {card.id: card for card in explorer.metrics()}


def metric_choices(explorer: Explorer) -> Choices:
    """Metrics by the name people read."""
    return [(card.name, card.id) for card in explorer.metrics()]


def model_choices(explorer: Explorer) -> Choices:
    """Checkpoints that were found; new ones join as soon as they were read."""
    return [(file.name, file.name) for file in explorer.library.known().of_kind("checkpoint")]


def known_models(explorer: Explorer, names: Sequence[str]) -> list[Model]:
    """The models of these names, each once; what is no model is left out, the plan says so."""
    models = []
    for name in names:
        try:
            models.append(explorer.library.resolve(name))
        except ExplorerError:
            continue
    return list(dict.fromkeys(models))


def suite_choices(explorer: Explorer) -> Choices:
    """Prompt suites, with how many prompts each has."""
    return [(f"{suite.name} ({len(suite.prompts)} prompts)", suite.id) for suite in explorer.suites()]


def run_choices(runs: Sequence[Run]) -> Choices:
    """Runs, newest first, with when they were made and, if they are not whole, how far they are."""
    return [(f"{_day(run.created)} {run.title}{_missing(run)}", run.id) for run in runs]


def _day(created: str) -> str:
    return datetime.fromisoformat(created).strftime("%d %b %H:%M")


def _missing(run: Run) -> str:
    return "" if run.images == run.cells else f", {run.images} of {run.cells} drawn"


def run_to_show(runs: Sequence[Run], chosen: str, newest_seen: str) -> str:
    """The run chosen before, unless a newer one has come since; empty when there is none."""
    if not runs:
        return ALL
    if runs[0].id != newest_seen or chosen not in {ALL, *(run.id for run in runs)}:
        return runs[0].id
    return chosen


def pick(choices: Choices, wanted: str | None) -> str | None:
    """The wanted value if it is still on offer, else the first."""
    values = [value for _, value in choices]
    return wanted if wanted in values else (values[0] if values else None)
