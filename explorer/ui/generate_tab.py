"""The Generate tab: the demo, the form, and the job view that follows the work."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from explorer.api import Explorer
from explorer.errors import ExplorerError
from explorer.requests import AnalyzeRequest, GenerateRequest, Sampling
from explorer.ui.forms import (
    FormData,
    GenerateForm,
    ScoreForm,
    read_analyze,
    read_generate,
    ui_errors,
    widgets,
)
from explorer.ui.job_view import JobView, Updates, build_job_view, cancel, follow, job_to_show
from explorer.ui.markup import notice
from explorer.ui.widgets import build_score_form, model_choices, pick, suite_choices

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
    form: GenerateForm
    score: ScoreForm
    plan: gr.HTML
    demo: gr.Button | None
    generate: gr.Button
    view: JobView
    job: gr.State
    stored: gr.BrowserState


def build_generate_tab(explorer: Explorer, page: gr.Blocks) -> GenerateHandles:
    """Lay out the tab and bind its events."""
    job = gr.State("")
    stored = gr.BrowserState("", storage_key=BROWSER_KEY, secret=BROWSER_KEY)
    with gr.Row(elem_classes="x-split"):
        with gr.Column(scale=7, elem_id="generate-left"):
            view = build_job_view("generate", pictures=True)
            panel, demo = _build_demo(explorer)
        with gr.Column(scale=5, elem_id="generate-form", elem_classes="x-panel"):
            form, score, plan, generate = _build_form(explorer)
    view = replace(view, idle=panel)
    tab = _Tab(explorer, form, score, plan, demo, generate, view, job, stored)
    _bind_form(tab, page)
    _bind_job(tab, page)
    return GenerateHandles(job, view, form.models)


def _build_demo(explorer: Explorer) -> tuple[gr.Column | None, gr.Button | None]:
    """The offer to run the demo, when both of its models are there."""
    names = {checkpoint.name for checkpoint in explorer.models()}
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


def _build_form(explorer: Explorer) -> tuple[GenerateForm, ScoreForm, gr.HTML, gr.Button]:
    gr.HTML("<h2>Your own benchmark</h2>")
    what = _build_what(explorer)
    with gr.Row():
        seeds = _number("Seeds a prompt", 2, "form-seeds", minimum=1)
        first = _number("First seed", 0, "form-first-seed", minimum=0)
    score = build_score_form(explorer, "form")
    with gr.Accordion("How the pictures are drawn", open=False, elem_id="form-sampling"):
        how = _build_how(explorer)
    plan = gr.HTML(elem_id="form-plan")
    generate = gr.Button("Generate", variant="primary", elem_id="generate-button")
    return GenerateForm(**what, **how, seeds=seeds, first_seed=first), score, plan, generate


def _build_how(explorer: Explorer) -> dict[str, Any]:
    """The widgets of `Sampling`, the negative prompt and the batch size, by field."""
    default = Sampling()
    sampler = gr.Dropdown(explorer.samplers(), value=default.sampler, label="Sampler", elem_id="form-sampler")
    with gr.Row():
        steps = _number("Steps", default.steps, "form-steps", minimum=1)
        guidance = gr.Number(
            default.guidance, label="Guidance (CFG)", minimum=0, min_width=110, elem_id="form-guidance"
        )
    with gr.Row():
        width = _blank("Width", "model's own", "form-width")
        height = _blank("Height", "model's own", "form-height")
    with gr.Accordion("How prompts are read (SD 1.x, SD 2, SDXL)", open=False, elem_id="form-reading"):
        weighting = gr.Checkbox(
            label="Weights", info="(a red hat:1.3) and hat++ count for more", elem_id="form-weighting"
        )
        long_prompts = gr.Checkbox(
            label="Long prompts", info="Read past 77 tokens instead of cutting", elem_id="form-long-prompts"
        )
        clip_skip = _number("Clip skip", default.clip_skip, "form-clip-skip", minimum=1, maximum=12)
    negative = gr.Textbox(label="Negative prompt", lines=1, max_lines=4, elem_id="form-negative")
    batch = _blank("Pictures drawn together", "the device decides", "form-batch")
    return {
        "sampler": sampler,
        "steps": steps,
        "guidance": guidance,
        "width": width,
        "height": height,
        "clip_skip": clip_skip,
        "long_prompts": long_prompts,
        "weighting": weighting,
        "negative": negative,
        "batch_size": batch,
    }


def _number(label: str, value: int, name: str, **options: Any) -> gr.Number:
    return gr.Number(value, label=label, precision=0, min_width=110, elem_id=name, **options)


def _blank(label: str, meaning: str, name: str) -> gr.Textbox:
    """A number that may stay blank, which then has this meaning."""
    return gr.Textbox(label=label, placeholder=meaning, max_lines=1, min_width=110, elem_id=name)


def _build_what(explorer: Explorer) -> dict[str, Any]:
    """The pickers for models and prompts, by field."""
    names = model_choices(explorer)
    models = gr.Dropdown(
        names,
        value=[name for name in DEMO_MODELS if (name, name) in names],
        multiselect=True,
        allow_custom_value=True,
        label="Models to compare",
        info="With a LoRA: type model+lora:0.8",
        elem_id="form-models",
    )
    source = gr.Radio(
        [("A prompt suite", "suite"), ("My own prompts", "own")],
        value="suite",
        label="Prompts",
        elem_id="form-source",
    )
    suites = suite_choices(explorer)
    suite = gr.Dropdown(suites, value=pick(suites, DEMO.suite), label="Suite", elem_id="form-suite")
    categories = gr.Dropdown(
        [], multiselect=True, label="Categories", info="None chosen: all", elem_id="form-categories"
    )
    prompts = gr.Textbox(
        label="Prompts, one a line", lines=4, max_lines=12, visible=False, elem_id="form-prompts"
    )
    return {
        "models": models,
        "source": source,
        "suite": suite,
        "categories": categories,
        "prompts": prompts,
    }


def _bind_form(tab: _Tab, page: gr.Blocks) -> None:
    form, explorer = tab.form, tab.explorer

    def choose_source(source: str) -> Updates:
        own = source == "own"
        return {
            form.suite: gr.Dropdown(visible=not own),
            form.categories: gr.Dropdown(visible=not own),
            form.prompts: gr.Textbox(visible=own),
        }

    def choose_suite(suite: str | None) -> Updates:
        return {form.categories: gr.Dropdown(_categories(explorer, suite), value=[])}

    def refresh(models: list[str] | None, suite: str | None) -> Updates:
        names, suites = model_choices(explorer), suite_choices(explorer)
        chosen = pick(suites, suite)
        return {
            form.models: gr.Dropdown(names, value=models or []),
            form.suite: gr.Dropdown(suites, value=chosen),
            form.categories: gr.Dropdown(_categories(explorer, chosen)),
        }

    def show_plan(data: FormData) -> str:
        return notice(plan_line(explorer, form, data))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    form.source.change(choose_source, form.source, [form.suite, form.categories, form.prompts], **quiet)
    form.suite.change(choose_suite, form.suite, form.categories, **quiet)
    page.load(refresh, [form.models, form.suite], [form.models, form.suite, form.categories], **quiet)
    every = widgets(form)
    gr.on(
        [page.load, *(widget.change for widget in every)],
        show_plan,
        every,
        tab.plan,
        trigger_mode="always_last",
        **quiet,
    )


def _bind_job(tab: _Tab, page: gr.Blocks) -> None:
    explorer, view = tab.explorer, tab.view

    async def watch(job_id: str) -> AsyncIterator[Updates]:
        async for updates in follow(explorer, view, job_id):
            yield updates

    def run_demo() -> str:
        with ui_errors():
            return explorer.submit_benchmark(DEMO, AnalyzeRequest())[0].id

    def run_form(data: FormData) -> str:
        with ui_errors():
            request, scoring = read_generate(tab.form, data), read_analyze(tab.score, data)
            return explorer.submit_benchmark(request, scoring)[0].id

    def attach(stored: str | None, request: gr.Request) -> str:
        with ui_errors():
            return job_to_show(explorer, dict(request.query_params), stored or "")

    def stop(job_id: str) -> None:
        with ui_errors():
            cancel(explorer, job_id)

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
        (tab.generate, run_form, widgets(tab.form, tab.score))
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
    view.cancel.click(stop, tab.job, None, queue=False, **private)
    page.load(attach, tab.stored, tab.job, show_progress="hidden", **private)


def plan_line(explorer: Explorer, form: GenerateForm, data: FormData) -> str:
    """What the form asks for, as a small sum, or what it still lacks."""
    try:
        request = read_generate(form, data)
        total = explorer.plan_size(request)
    except ExplorerError as error:
        return str(error)
    models = len(set(request.models))
    prompts = total // (models * request.seeds)
    return (
        f"{models} {'model' if models == 1 else 'models'} × {prompts} "
        f"{'prompt' if prompts == 1 else 'prompts'} × {request.seeds} "
        f"{'seed' if request.seeds == 1 else 'seeds'} = {total:,} {'picture' if total == 1 else 'pictures'} "
        f"of {request.sampling.steps} {'step' if request.sampling.steps == 1 else 'steps'}"
    )


def _categories(explorer: Explorer, suite: str | None) -> list[str]:
    with ui_errors():
        return list(explorer.suite(suite).categories) if suite else []
