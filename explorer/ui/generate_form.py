"""The form of the Generate tab: what to draw, on which models, and with which settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.errors import ExplorerError
from explorer.model_settings import in_words, settings_of
from explorer.requests import GenerateRequest, Sampling
from explorer.ui.forms import (
    FormData,
    GenerateForm,
    ScoreForm,
    read_batch,
    read_sampling,
    ui_errors,
    widgets,
)
from explorer.ui.markup import count, notice, settings_list
from explorer.ui.plan_tools import PlanTools, bind_plan_tools, build_plan_tools
from explorer.ui.trigger_words import bind_trigger_words, build_trigger_words
from explorer.ui.widgets import Choices, build_score_form, known_models, model_choices, suite_choices

Updates = dict[Component, Any]


@dataclass(frozen=True)
class GeneratePanel:
    """The form with what stands around its widgets."""

    form: GenerateForm
    score: ScoreForm
    words: gr.HTML
    """Trigger words of the chosen LoRAs."""
    shared: gr.Column
    """The settings that do not count when each model has its own."""
    own: gr.HTML
    """What each model is drawn with when it has its own settings."""
    plan: gr.HTML
    generate: gr.Button
    plans: PlanTools


def build_generate_form(explorer: Explorer, first: GenerateRequest) -> GeneratePanel:
    """Lay out the form, with the models and the suite of `first` chosen where they are there."""
    gr.HTML("<h2>Your own benchmark</h2>")
    what, words = _build_what(explorer, first)
    with gr.Row():
        seeds = _number("Seeds a prompt", 2, "form-seeds", minimum=1)
        first_seed = _number("First seed", 0, "form-first-seed", minimum=0)
    score = build_score_form(explorer, "form")
    with gr.Accordion("How the pictures are drawn", open=False, elem_id="form-sampling"):
        how, shared, own = _build_how(explorer)
    plan = gr.HTML(elem_id="form-plan")
    generate = gr.Button("Generate", variant="primary", elem_id="generate-button")
    plans = build_plan_tools()
    form = GenerateForm(**what, **how, seeds=seeds, first_seed=first_seed)
    return GeneratePanel(form, score, words, shared, own, plan, generate, plans)


def _build_how(explorer: Explorer) -> tuple[dict[str, Any], gr.Column, gr.HTML]:
    """The widgets of `Sampling`, the negative prompt and the batch size, by field."""
    default = Sampling()
    settings = gr.Radio(
        [("The same for all", "same"), ("Each model's own", "own")],
        value="same",
        label="Settings",
        elem_id="form-settings",
    )
    own = gr.HTML(visible=False, elem_id="form-own")
    with gr.Column(elem_id="form-shared") as shared:
        sampler = gr.Dropdown(
            explorer.samplers(), value=default.sampler, label="Sampler", elem_id="form-sampler"
        )
        with gr.Row():
            steps = _number("Steps", default.steps, "form-steps", minimum=1)
            guidance = gr.Number(
                default.guidance, label="Guidance (CFG)", minimum=0, min_width=110, elem_id="form-guidance"
            )
    with gr.Row():
        width = _blank("Width", "model's own", "form-width")
        height = _blank("Height", "model's own", "form-height")
    reading = _build_reading()
    negative = gr.Textbox(label="Negative prompt", lines=1, max_lines=4, elem_id="form-negative")
    batch = _blank("Pictures drawn together", "the device decides", "form-batch")
    fields = {
        "settings": settings,
        "sampler": sampler,
        "steps": steps,
        "guidance": guidance,
        "width": width,
        "height": height,
        **reading,
        "negative": negative,
        "batch_size": batch,
    }
    return fields, shared, own


def _build_reading() -> dict[str, Any]:
    with gr.Accordion("How prompts are read (SD 1.x, SD 2, SDXL)", open=False, elem_id="form-reading"):
        weighting = gr.Checkbox(
            label="Weights", info="(a red hat:1.3) and hat++ count for more", elem_id="form-weighting"
        )
        long_prompts = gr.Checkbox(
            label="Long prompts", info="Read past 77 tokens instead of cutting", elem_id="form-long-prompts"
        )
        clip_skip = _number("Clip skip", Sampling().clip_skip, "form-clip-skip", minimum=1, maximum=12)
    return {"weighting": weighting, "long_prompts": long_prompts, "clip_skip": clip_skip}


def _number(label: str, value: int, name: str, **options: Any) -> gr.Number:
    return gr.Number(value, label=label, precision=0, min_width=110, elem_id=name, **options)


def _blank(label: str, meaning: str, name: str) -> gr.Textbox:
    """A number that may stay blank, which then has this meaning."""
    return gr.Textbox(label=label, placeholder=meaning, max_lines=1, min_width=110, elem_id=name)


def _build_what(explorer: Explorer, first: GenerateRequest) -> tuple[dict[str, Any], gr.HTML]:
    """The pickers for models and prompts, by field."""
    names = model_choices(explorer)
    models = gr.Dropdown(
        names,
        value=[name for name in first.models if (name, name) in names],
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
    suite = gr.Dropdown(
        suites,
        value=kept(suites, [first.suite]),
        multiselect=True,
        label="Suites",
        info="Of several, each becomes a run",
        elem_id="form-suite",
    )
    categories = gr.Dropdown(
        [], multiselect=True, label="Categories", info="None chosen: all", elem_id="form-categories"
    )
    prompts = gr.Textbox(
        label="Prompts, one a line", lines=4, max_lines=12, visible=False, elem_id="form-prompts"
    )
    add_words = gr.Checkbox(
        label="Add each LoRA's trigger words to its prompts",
        info="Models without that LoRA read the prompt alone. Scores ask for the prompt alone.",
        visible=False,
        elem_id="form-trigger-words",
    )
    words = build_trigger_words()
    fields = {
        "models": models,
        "source": source,
        "suite": suite,
        "categories": categories,
        "prompts": prompts,
        "trigger_words": add_words,
    }
    return fields, words


def bind_generate_form(explorer: Explorer, panel: GeneratePanel, page: gr.Blocks) -> None:
    """Bind what the form does alone: its widgets follow each other, and it states the plan."""
    form = panel.form

    def choose_source(source: str, chosen: list[str] | None) -> Updates:
        own = source == "own"
        return {
            form.suite: gr.Dropdown(visible=not own),
            form.categories: gr.Dropdown(visible=not own and len(chosen or ()) == 1),
            form.prompts: gr.Textbox(visible=own),
        }

    def choose_suite(chosen: list[str] | None, categories: list[str] | None, source: str) -> Updates:
        offered = _categories(explorer, chosen)
        picked = [name for name in categories or () if name in offered]
        visible = source != "own" and len(chosen or ()) == 1
        return {form.categories: gr.Dropdown(offered, value=picked, visible=visible)}

    def refresh(models: list[str] | None, chosen: list[str] | None) -> Updates:
        names, suites = model_choices(explorer), suite_choices(explorer)
        there = kept(suites, chosen or ())
        return {
            form.models: gr.Dropdown(names, value=models or []),
            form.suite: gr.Dropdown(suites, value=there),
            form.categories: gr.Dropdown(_categories(explorer, there)),
        }

    def show_plan(data: FormData) -> Updates:
        own = own_settings(explorer, form, data)
        return {
            panel.plan: notice(plan_line(explorer, panel, data)),
            panel.own: gr.HTML(own, visible=bool(own)),
        }

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    shown = [form.suite, form.categories, form.prompts]
    form.source.change(choose_source, [form.source, form.suite], shown, **quiet)
    form.suite.change(choose_suite, [form.suite, form.categories, form.source], form.categories, **quiet)
    form.settings.change(
        lambda chosen: gr.Column(visible=chosen != "own"), form.settings, panel.shared, **quiet
    )
    page.load(refresh, [form.models, form.suite], [form.models, form.suite, form.categories], **quiet)
    bind_trigger_words(explorer, form, panel.words)
    bind_plan_tools(explorer, panel.plans, form, panel.score)
    every = widgets(form, panel.score)
    gr.on(
        [page.load, *(widget.change for widget in every)],
        show_plan,
        every,
        [panel.plan, panel.own],
        trigger_mode="always_last",
        **quiet,
    )


def plan_line(explorer: Explorer, panel: GeneratePanel, data: FormData) -> str:
    """What the form asks for, as a small sum, or what it still lacks."""
    try:
        requests = read_batch(panel.form, panel.score, data).requests
        total = sum(explorer.plan_size(request) for request in requests)
        models = known_models(explorer, requests[0].models)
    except ExplorerError as error:
        return str(error)
    seeds = requests[0].seeds
    prompts = total // (len(models) * seeds)
    steps = sorted({settings_of(requests[0], model).steps for model in models})
    counted = count(steps[0], "step") if len(steps) == 1 else f"{steps[0]} to {steps[-1]} steps"
    return (
        f"{count(len(models), 'model')} × {count(prompts, 'prompt')} × {count(seeds, 'seed')} "
        f"= {count(total, 'picture')} of {counted}"
    )


def own_settings(explorer: Explorer, form: GenerateForm, data: FormData) -> str:
    """What each chosen model is drawn with when it has its own settings; else empty."""
    if data[form.settings] != "own":
        return ""
    try:
        sampling = read_sampling(form, data)
    except ExplorerError:
        return ""  # the plan says what is wrong
    models = known_models(explorer, data[form.models] or ())
    request = GenerateRequest(models=(), settings="own", sampling=sampling)
    return settings_list([(model.name, in_words(settings_of(request, model))) for model in models])


def kept(choices: Choices, wanted: Sequence[str]) -> list[str]:
    """Those of the wanted values that are on offer; the first of all when none is."""
    offered = [value for _, value in choices]
    return [value for value in wanted if value in offered] or offered[:1]


def _categories(explorer: Explorer, suites: Sequence[str] | None) -> list[str]:
    """The categories of a suite that is chosen alone."""
    if not suites or len(suites) != 1:
        return []
    with ui_errors():
        return list(explorer.suite(suites[0]).categories)
