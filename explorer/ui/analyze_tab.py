"""The Analyze tab: choose pictures and metrics, score, see the results, take them away."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from pydantic import SecretStr

from explorer.answering import Answering
from explorer.api import Explorer
from explorer.errors import InvalidRequest
from explorer.exports import ExportFormat
from explorer.reports import TableName
from explorer.requests import AnalyzeRequest, ImportRequest
from explorer.types import Image, Run
from explorer.ui import analyze_markup, markup
from explorer.ui.analyze_form import (
    MetricForm,
    SourceForm,
    build_metrics,
    build_source,
    folder_choices,
    read_request,
    show_metrics,
    show_pictures,
    situation_of,
)
from explorer.ui.answerer_form import read_key
from explorer.ui.bundle_panel import BundlePanel, bind_bundle_panel, build_bundle_panel
from explorer.ui.forms import FormData, ui_errors
from explorer.ui.import_markup import preview_view
from explorer.ui.job_view import JobView, Updates, bind_steering, build_job_view, follow
from explorer.ui.kept_panel import build_kept_panel
from explorer.ui.metric_events import bind_metrics, tell_after
from explorer.ui.results_view import Results, build_results, build_verdicts, show_results
from explorer.ui.snapshots import run_of
from explorer.ui.widgets import build_delivery, run_choices

Downloads = tuple[tuple[gr.Button, ExportFormat, TableName], ...]
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# The button may be far below what it starts, which is not there before it has begun.
_GO_TO_JOB = """() => {
  const until = Date.now() + 5000;
  const go = () => {
    const job = document.getElementById("analyze-job");
    if (job) job.scrollIntoView({ block: "center" });
    else if (Date.now() < until) setTimeout(go, 100);
  };
  go();
}"""


class _Tab(NamedTuple):
    explorer: Explorer
    source: SourceForm
    form: MetricForm
    view: JobView
    results: Results
    empty: gr.HTML
    exports: gr.Row
    downloads: Downloads
    file: gr.DownloadButton
    deliver: str
    """Script that hands out what `file` holds."""
    bundle: BundlePanel
    job: gr.State
    newest: gr.State
    """Id of the newest run when the tab was last looked at."""

    @property
    def shown(self) -> list[Any]:
        """What a choice of pictures changes."""
        source, form = self.source, self.form
        chosen = [source.runs, source.models, source.together, source.inventory]
        return [*chosen, *form.shown, self.empty, self.exports, *self.results.outputs]


def build_analyze_tab(explorer: Explorer, selected: gr.Tab) -> None:
    """Lay out the tab and bind its events."""
    job, newest = gr.State(""), gr.State("")
    with gr.Column(elem_classes="x-analyze"):
        with gr.Row(elem_classes="x-split"):
            with gr.Column(scale=7):
                source = build_source()
                view = build_job_view("analyze", pictures=False)
                with gr.Column() as idle:
                    empty = gr.HTML(elem_id="analyze-empty")
                verdicts = build_verdicts("analyze")
            with gr.Column(scale=5):
                with gr.Column(elem_classes="x-panel", elem_id="analyze-form"):
                    form = build_metrics(explorer)
                bundle = build_bundle_panel()
                build_kept_panel(explorer)
        # As wide as the page: a column a metric needs the room.
        with gr.Column():
            results = build_results(explorer, "analyze", verdicts)
            with gr.Row(visible=False, elem_classes="x-buttons") as taken:
                downloads = _build_downloads()
            file, deliver = build_delivery("analyze-file")
    view = replace(view, idle=idle)
    tab = _Tab(
        explorer, source, form, view, results, empty, taken, downloads, file, deliver, bundle, job, newest
    )
    _bind_choice(tab, selected)
    _bind_metrics(tab)
    _bind_folder(tab)
    _bind_job(tab, selected)
    _bind_bundle(tab)
    _bind_downloads(tab)


def _build_downloads() -> Downloads:
    def button(label: str, name: str) -> gr.Button:
        return gr.Button(label, size="sm", min_width=120, elem_id=name)

    return (
        (button("Leaderboard, CSV", "analyze-leaderboard-csv"), "csv", "leaderboard"),
        (button("Scores, CSV", "analyze-scores-csv"), "csv", "scores"),
        (button("Everything, JSON", "analyze-json"), "json", "leaderboard"),
        (button("Report, HTML", "analyze-html"), "html", "leaderboard"),
        (button("Scores, Parquet", "analyze-parquet"), "parquet", "scores"),
        (button("Bundle, ZIP", "analyze-bundle"), "bundle", "leaderboard"),
    )


def _bind_choice(tab: _Tab, selected: gr.Tab) -> None:
    source, form = tab.source, tab.form
    asked = {source.source, source.runs, source.models, *form.asked}

    def enter(data: FormData) -> Updates:
        with ui_errors():
            runs = tab.explorer.runs()
            wanted = runs_to_show(runs, data[source.runs] or [], data[tab.newest])
            same = wanted == list(data[source.runs] or [])
            folders = gr.Dropdown(choices=folder_choices(tab.explorer))
            seen = {tab.newest: runs[0].id if runs else "", source.folder: folders}
            return seen | _show(tab, data, wanted, data[source.models] if same else [])

    def choose(data: FormData) -> Updates:
        with ui_errors():
            return _show(tab, data, data[source.runs] or [], data[source.models] or [])

    def together(data: FormData) -> Updates:
        with ui_errors():
            run = tab.explorer.selections.put_together(data[source.runs] or [])
            gr.Info("Put together as one run. Nothing was copied.")
            return _show(tab, data, [run], data[source.models] or []) | {tab.newest: run}

    def switch(kind: str) -> Updates:
        return {
            source.of_runs: gr.Column(visible=kind == "runs"),
            source.of_folder: gr.Column(visible=kind == "folder"),
            source.inventory: gr.HTML(visible=kind == "runs"),
            form.start: gr.Button("Score" if kind == "runs" else "Take in and score"),
        }

    shown = [tab.newest, source.folder, *tab.shown]
    entered = selected.select(enter, {*asked, tab.newest}, shown, **_PRIVATE)
    tell_after(tab.explorer, form, entered)
    for widget in (source.runs, source.models):
        tell_after(tab.explorer, form, widget.input(choose, asked, tab.shown, **_PRIVATE))
    joined = source.together.click(together, asked, [tab.newest, *tab.shown], **_PRIVATE)
    tell_after(tab.explorer, form, joined)
    switched = [source.of_runs, source.of_folder, source.inventory, form.start]
    source.source.change(switch, source.source, switched, queue=False, **_PRIVATE)


def _bind_metrics(tab: _Tab) -> None:
    source = tab.source

    def pictures(data: FormData) -> list[Image]:
        # Those of a folder are known when they are taken in.
        runs = data[source.runs] if data[source.source] == "runs" else []
        return tab.explorer.selections.pictures(runs, data[source.models] or []) if runs else []

    bind_metrics(tab.explorer, tab.form, {source.source, source.runs, source.models}, pictures)


def _bind_folder(tab: _Tab) -> None:
    source = tab.source

    def look(folder: str | None) -> str:
        with ui_errors():
            return preview_view(tab.explorer.preview_import(_folder_request(tab, folder)), [_COPIED])

    source.look.click(look, source.folder, source.preview, api_visibility="private")
    source.folder.change(lambda: "", None, source.preview, queue=False, **_PRIVATE)


_COPIED = "The pictures are copied into the workspace and become a run, so that results outlive the folder."


def _folder_request(tab: _Tab, folder: str | None) -> ImportRequest:
    path = tab.explorer.selections.check_folder(folder or "")
    return ImportRequest(str(path), layout="folders", title=f"Pictures of {path.name}")


def _bind_job(tab: _Tab, selected: gr.Tab) -> None:
    explorer, view, source, form = tab.explorer, tab.view, tab.source, tab.form

    async def watch(job_id: str) -> AsyncIterator[Updates]:
        async for updates in follow(explorer, view, job_id):
            yield updates

    def read(
        data: FormData, run: str = "", models: Sequence[str] = ()
    ) -> tuple[AnalyzeRequest, SecretStr | None]:
        request = read_request(form, data, run, models)
        key = read_key(request, form.answers, data)
        Answering(explorer.settings).check_key(request, key)
        return request, key

    def start(data: FormData) -> str:
        with ui_errors():
            if data[source.source] == "folder":
                scoring, key = read(data)
                folder = _folder_request(tab, data[source.folder])
                return explorer.queue.submit_import(folder, scoring, token=key).id
            runs = data[source.runs] or []
            if not runs:
                raise InvalidRequest("Choose a run or a folder first. Runs come from the Generate tab.")
            run = explorer.selections.put_together(runs)
            scoring, key = read(data, run, data[source.models] or [])
            return explorer.queue.submit(scoring, token=key).id

    def attach(job_id: str) -> str:
        with ui_errors():
            active = [job.id for job in explorer.queue.newest() if job.active and job.kind == "analyze"]
            return job_id if job_id in active or not active else active[0]

    def finish(job_id: str, data: FormData) -> Updates:
        with ui_errors():
            run = run_of(explorer, job_id)
            known = run in {each.id for each in explorer.runs()}
            wanted = [run] if known else data[source.runs] or []
            same = wanted == (data[source.runs] or [])
            shown = _show(tab, data, wanted, (data[source.models] or []) if same else [])
            return shown | ({source.source: "runs", tab.newest: run} if known else {})

    following = tab.job.change(
        watch, tab.job, view.outputs, concurrency_limit=None, trigger_mode="multiple", **_PRIVATE
    )
    asked = {source.source, source.runs, source.models, *form.asked}
    finished = following.then(
        lambda data: finish(data[tab.job], data),
        {*asked, tab.job},
        [source.source, tab.newest, *tab.shown],
        **_PRIVATE,
    )
    tell_after(explorer, form, finished)
    submitted = gr.State("")
    told = {source.source, source.folder, source.runs, source.models}
    started = form.start.click(start, form.read | told, submitted, **_PRIVATE)
    # A key is here for as long as it takes to begin.
    started.success(lambda: "", None, form.answers.key, queue=False, **_PRIVATE)
    begun = started.success(lambda job_id: job_id, submitted, tab.job, cancels=[following], **_PRIVATE)
    begun.then(None, None, None, js=_GO_TO_JOB, **_PRIVATE)
    selected.select(attach, tab.job, tab.job, **_PRIVATE)
    bind_steering(explorer, view, tab.job, watch)


def _bind_bundle(tab: _Tab) -> None:
    source, form = tab.source, tab.form
    asked = {source.source, source.runs, source.models, *form.asked, tab.bundle.run}

    def show(data: FormData) -> Updates:
        with ui_errors():
            run = data[tab.bundle.run]
            if not run:
                return _show(tab, data, data[source.runs] or [], data[source.models] or [])
            return _show(tab, data, [run], []) | {source.source: "runs"}

    imported = bind_bundle_panel(tab.explorer, tab.bundle)
    shown = imported.then(show, asked, [source.source, *tab.shown], **_PRIVATE)
    tell_after(tab.explorer, form, shown)


def _bind_downloads(tab: _Tab) -> None:
    source = tab.source

    def export(
        runs: list[str] | None, models: list[str] | None, format: ExportFormat, table: TableName
    ) -> str:
        with ui_errors():
            run = tab.explorer.selections.put_together(runs) if runs else ""
            return str(tab.explorer.export(format, run=run, table=table, models=models or []))

    for button, format, table in tab.downloads:
        write: Callable[..., str] = partial(export, format=format, table=table)
        written = button.click(write, [source.runs, source.models], tab.file, **_PRIVATE)
        written.success(None, None, None, js=tab.deliver, **_PRIVATE)


def _show(tab: _Tab, data: FormData, runs: Sequence[str], models: Sequence[str]) -> Updates:
    """Everything that follows from a choice of runs and models."""
    explorer, source = tab.explorer, tab.source
    known = explorer.runs()
    runs = [run for run in runs if run in {each.id for each in known}]
    every = _models(known, runs)
    chosen = [model for model in models if model in every]
    images: list[Image] = explorer.selections.pictures(runs, chosen) if runs else []
    found = explorer.results(runs[0], chosen) if len(runs) == 1 else None
    text = ""
    if not runs:
        text = analyze_markup.NO_RUN if not known else analyze_markup.NO_CHOICE
    elif found is None:
        text = analyze_markup.SEVERAL
    elif not found.leaderboard:
        text = analyze_markup.NO_SCORES
    situation = situation_of(explorer, tab.form, data, images)
    return {
        source.runs: gr.Dropdown(choices=run_choices(known), **_changed(data[source.runs], runs)),
        source.models: gr.Dropdown(
            choices=every, visible=len(every) > 1, **_changed(data[source.models], chosen)
        ),
        source.together: gr.Button(visible=len(runs) > 1),
        tab.empty: gr.HTML(markup.notice(text), visible=bool(text)),
        tab.exports: gr.Row(visible=not text),
        **show_pictures(source, images),
        **show_metrics(explorer, tab.form, situation, data),
        **show_results(explorer, tab.results, found),
    }


def _changed(shown: Sequence[str] | None, wanted: Sequence[str]) -> dict[str, Any]:
    """A value for a widget; none where it shows it, as the person may have chosen more meanwhile."""
    return {} if list(shown or []) == list(wanted) else {"value": list(wanted)}


def _models(known: Sequence[Run], runs: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(model for run in known if run.id in runs for model in run.models))


def runs_to_show(runs: Sequence[Run], chosen: Sequence[str], newest_seen: str) -> list[str]:
    """The runs chosen before, unless a newer one has come since; none when there are none."""
    if not runs:
        return []
    kept = [run for run in chosen if run in {each.id for each in runs}]
    return kept if kept and runs[0].id == newest_seen else [runs[0].id]
