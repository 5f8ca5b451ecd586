"""The Generate tab: the demo, beside the form, and the job view that follows the work."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from explorer.api import Explorer
from explorer.batches import Batch
from explorer.errors import ExplorerError, InvalidRequest
from explorer.requests import AnalyzeRequest, GenerateRequest, Sampling
from explorer.ui.forms import FormData, fill_forms, read_batch, ui_errors, widgets
from explorer.ui.generate_form import GeneratePanel, bind_generate_form, build_generate_form
from explorer.ui.job_view import JobView, Updates, bind_steering, build_job_view, follow, job_to_show
from explorer.ui.queue_panel import QueuePanel, bind_queue_panel, build_queue_panel
from explorer.ui.widgets import model_choices

DEMO_MODELS = ("shapes-base", "shapes-early")
DEMO = GenerateRequest(models=DEMO_MODELS, suite="shapes", seeds=2, sampling=Sampling(guidance=2.0))
"""With the guidance that both bundled models draw best with, as their card says."""
BROWSER_KEY = "model-benchmark-explorer"
"""Fixed, so that a restarted program reads the job id that a browser stored."""


class GenerateHandles(NamedTuple):
    """What other tabs may react to."""

    job: gr.State
    """Id of the job this tab shows."""
    view: JobView
    models: gr.Dropdown
    """The models to compare."""


class _Tab(NamedTuple):
    explorer: Explorer
    panel: GeneratePanel
    demo: gr.Button | None
    view: JobView
    queue: QueuePanel
    job: gr.State
    stored: gr.BrowserState


def build_generate_tab(explorer: Explorer, page: gr.Blocks) -> GenerateHandles:
    """Lay out the tab and bind its events."""
    job = gr.State("")
    stored = gr.BrowserState("", storage_key=BROWSER_KEY, secret=BROWSER_KEY)
    with gr.Row(elem_classes="x-split"):
        with gr.Column(scale=7, elem_id="generate-left"):
            view = build_job_view("generate", pictures=True)
            offer, demo = _build_demo(explorer)
            queue = build_queue_panel()
        with gr.Column(scale=5, elem_id="generate-form", elem_classes="x-panel"):
            panel = build_generate_form(explorer, DEMO)
    view = replace(view, idle=offer)
    bind_generate_form(explorer, panel, page)
    bind_queue_panel(explorer, queue, page)
    _bind_job(_Tab(explorer, panel, demo, view, queue, job, stored), page)
    return GenerateHandles(job, view, panel.form.models)


def _build_demo(explorer: Explorer) -> tuple[gr.Column | None, gr.Button | None]:
    """The offer to run the demo, when both of its models are there."""
    names = {name for name, _ in model_choices(explorer)}
    try:
        prompts = len(explorer.suite(DEMO.suite).prompts)
    except ExplorerError:
        return None, None
    if not names.issuperset(DEMO_MODELS):
        return None, None
    pictures = len(DEMO_MODELS) * prompts * DEMO.seeds
    with gr.Column(elem_id="demo", elem_classes="x-panel x-hero") as panel:
        gr.HTML(
            "<h2>Which model is better, and are you sure?</h2>"
            "<p>Two small models come with the program: one trained to the end, one stopped early. "
            "Let them draw the same prompts with the same seeds, score every picture, and see on a "
            "leaderboard which one is ahead.</p>"
            f'<ul class="x-tiles"><li><b>{len(DEMO_MODELS)}</b> models</li><li><b>{prompts}</b> prompts</li>'
            f"<li><b>{DEMO.seeds}</b> seeds</li><li><b>{pictures}</b> small pictures</li></ul>"
        )
        button = gr.Button("Run the demo benchmark", variant="primary", elem_id="demo-button")
    return panel, button


def _bind_job(tab: _Tab, page: gr.Blocks) -> None:
    explorer, panel, view = tab.explorer, tab.panel, tab.view

    async def watch(job_id: str) -> AsyncIterator[Updates]:
        async for updates in follow(explorer, view, job_id):
            yield updates

    def run_demo() -> str:
        with ui_errors():
            return explorer.queue.submit_benchmark(DEMO, AnalyzeRequest())[0].id

    def run_form(data: FormData) -> str:
        with ui_errors():
            return explorer.queue.submit_batch(read_batch(panel.form, panel.score, data))[0].id

    def edit(wanted: str) -> Updates:
        with ui_errors():
            gr.Info("Its settings are in the form. Change what you like, then generate.")
            filled = fill_forms(panel.form, panel.score, batch_of(explorer, wanted.split()[0]))
            return {**filled, panel.plans.shown: gr.HTML(visible=False)}

    def attach(stored: str | None, request: gr.Request) -> str:
        with ui_errors():
            return job_to_show(explorer, dict(request.query_params), stored or "")

    private: dict[str, Any] = {"api_visibility": "private"}
    following = tab.job.change(
        watch,
        tab.job,
        view.outputs,
        show_progress="hidden",
        concurrency_limit=None,
        trigger_mode="multiple",
        **private,
    )
    submitted = gr.State("")
    scroll = "() => document.getElementById('generate-left')?.scrollIntoView({behavior: 'smooth'})"
    starts: list[tuple[gr.Button, Callable[..., str], set[Any]]] = [
        (panel.generate, run_form, widgets(panel.form, panel.score))
    ]
    if tab.demo is not None:
        starts.append((tab.demo, run_demo, set()))
    for button, start, inputs in starts:
        started = button.click(start, inputs or None, submitted, **private)
        # The old follower goes only once there is a new job to follow.
        begun = started.success(
            lambda job_id: (job_id, job_id), submitted, [tab.job, tab.stored], cancels=[following], **private
        )
        begun.then(None, None, None, js=scroll, **private)
    bind_steering(explorer, view, tab.job, watch)
    shown = tab.queue.shown.change(
        lambda job_id: (job_id, job_id),
        tab.queue.shown,
        [tab.job, tab.stored],
        cancels=[following],
        **private,
    )
    shown.then(None, None, None, js=scroll, **private)
    edited = [*widgets(panel.form, panel.score), panel.plans.shown]
    tab.queue.edited.change(edit, tab.queue.edited, edited, show_progress="hidden", **private)
    page.load(attach, tab.stored, tab.job, show_progress="hidden", **private)


def batch_of(explorer: Explorer, job_id: str) -> Batch:
    """What a drawing job and its scoring were asked to do.

    Raises:
        InvalidRequest: The job draws nothing.
    """
    request = explorer.queue.request(job_id)
    if not isinstance(request, GenerateRequest):
        raise InvalidRequest("Only what draws pictures can be edited.")
    following = (explorer.queue.request(job.id) for job in explorer.queue.followers(job_id))
    scoring = next((asked for asked in following if isinstance(asked, AnalyzeRequest)), AnalyzeRequest(()))
    return Batch(request, (), scoring)
