"""The Analyze tab: score a run, read what a metric means, see the leaderboard, download it."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, NamedTuple

import gradio as gr

from explorer.api import Explorer
from explorer.exports import ExportFormat
from explorer.reports import TableName
from explorer.types import Tier
from explorer.ui import markup
from explorer.ui.forms import FormData, ScoreForm, read_analyze, ui_errors, widgets
from explorer.ui.job_view import JobView, Updates, bind_steering, build_job_view, follow
from explorer.ui.widgets import (
    DEFAULT_METRICS,
    Results,
    build_delivery,
    build_results,
    build_score_form,
    cards_by_id,
    run_choices,
    run_to_show,
    show_results,
)

Downloads = tuple[tuple[gr.Button, ExportFormat, TableName], ...]


class _Tab(NamedTuple):
    explorer: Explorer
    run: gr.Dropdown
    score: ScoreForm
    start: gr.Button
    about: gr.HTML
    view: JobView
    results: Results
    empty: gr.HTML
    downloads: Downloads
    file: gr.DownloadButton
    deliver: str
    """Script that hands out what `file` holds."""
    job: gr.State
    newest: gr.State
    """Id of the newest run when the tab was last looked at."""


def build_analyze_tab(explorer: Explorer, selected: gr.Tab) -> None:
    """Lay out the tab and bind its events."""
    job, newest = gr.State(""), gr.State("")
    with gr.Row(elem_classes="x-split"):
        with gr.Column(scale=7):
            run = gr.Dropdown([], label="Run", elem_id="analyze-run")
            view = build_job_view("analyze", pictures=False)
            empty = gr.HTML(elem_id="analyze-empty")
            results = build_results("analyze")
            with gr.Row(elem_classes="x-buttons"):
                downloads: Downloads = (
                    (_download("Leaderboard, CSV", "analyze-leaderboard-csv"), "csv", "leaderboard"),
                    (_download("Scores, CSV", "analyze-scores-csv"), "csv", "scores"),
                    (_download("Everything, JSON", "analyze-json"), "json", "leaderboard"),
                    (_download("Report, HTML", "analyze-html"), "html", "leaderboard"),
                    (_download("Scores, Parquet", "analyze-parquet"), "parquet", "scores"),
                    (_download("Bundle, ZIP", "analyze-bundle"), "bundle", "leaderboard"),
                )
            file, deliver = build_delivery("analyze-file")
        with gr.Column(scale=5, elem_classes="x-panel"):
            gr.HTML("<h2>Score this run</h2>")
            score = build_score_form(explorer, "analyze")
            start = gr.Button("Score", variant="primary", elem_id="analyze-button")
            cards = cards_by_id(explorer)
            chosen = [cards[name] for name in DEFAULT_METRICS if name in cards]
            about = gr.HTML(markup.metric_cards(chosen, "bundled"), elem_id="analyze-about")
    tab = _Tab(
        explorer, run, score, start, about, view, results, empty, downloads, file, deliver, job, newest
    )
    _bind_results(tab, selected)
    _bind_job(tab, selected)


def _download(label: str, name: str) -> gr.Button:
    return gr.Button(label, size="sm", min_width=120, elem_id=name)


def _bind_results(tab: _Tab, selected: gr.Tab) -> None:
    explorer = tab.explorer
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def enter(run: str | None, newest: str) -> Updates:
        with ui_errors():
            runs = explorer.runs()
            wanted = run_to_show(runs, run or "", newest) or None
            return {
                tab.run: gr.Dropdown(run_choices(runs), value=wanted),
                tab.newest: runs[0].id if runs else "",
                **_leaderboard(tab, wanted),
            }

    def choose(run: str | None) -> Updates:
        with ui_errors():
            return _leaderboard(tab, run)

    def explain(metrics: list[str] | None, tier: Tier) -> str:
        cards = cards_by_id(explorer)
        return markup.metric_cards([cards[name] for name in metrics or [] if name in cards], tier)

    def export(run: str | None, format: ExportFormat, table: TableName) -> str:
        with ui_errors():
            return str(explorer.export(format, run=run or "", table=table))

    shown = [tab.empty, *tab.results.outputs]
    selected.select(enter, [tab.run, tab.newest], [tab.run, tab.newest, *shown], **private)
    tab.run.input(choose, tab.run, shown, **private)
    for widget in (tab.score.metrics, tab.score.tier):
        widget.change(explain, [tab.score.metrics, tab.score.tier], tab.about, queue=False, **private)
    for button, format, table in tab.downloads:
        write: Callable[..., str] = partial(export, format=format, table=table)
        button.click(write, tab.run, tab.file, **private).success(None, None, None, js=tab.deliver, **private)


def _bind_job(tab: _Tab, selected: gr.Tab) -> None:
    explorer, view = tab.explorer, tab.view
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    async def watch(job_id: str) -> AsyncIterator[Updates]:
        async for updates in follow(explorer, view, job_id):
            yield updates

    def start(data: FormData) -> str:
        with ui_errors():
            return explorer.queue.submit(read_analyze(tab.score, data, run=data[tab.run] or "")).id

    def attach(job_id: str) -> str:
        with ui_errors():
            active = [job.id for job in explorer.queue.newest() if job.active and job.kind == "analyze"]
            return job_id if job_id in active or not active else active[0]

    def finish(run: str | None) -> Updates:
        with ui_errors():
            return _leaderboard(tab, run)

    following = tab.job.change(
        watch, tab.job, view.outputs, concurrency_limit=None, trigger_mode="multiple", **private
    )
    following.then(finish, tab.run, [tab.empty, *tab.results.outputs], **private)
    submitted = gr.State("")
    started = tab.start.click(start, widgets(tab.score) | {tab.run}, submitted, **private)
    started.success(lambda job_id: job_id, submitted, tab.job, cancels=[following], **private)
    selected.select(attach, tab.job, tab.job, **private)
    bind_steering(explorer, view, tab.job, watch)


def _leaderboard(tab: _Tab, run: str | None) -> Updates:
    found = tab.explorer.results(run) if run else None
    rows = found.leaderboard if found else ()
    if not run:
        text = "No run yet. Generate pictures first; then they can be scored here."
    else:
        text = "" if rows else "This run has no scores yet. Choose metrics and press Score."
    return {
        tab.empty: gr.HTML(markup.notice(text), visible=bool(text)),
        **show_results(tab.explorer, tab.results, rows, found.comparisons() if found else []),
    }
