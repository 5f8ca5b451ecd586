"""Beside the Generate button: what a plan would take, and plans as files."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.batches import read_batch as read_plan
from explorer.batches import write_batch
from explorer.ui.forms import FormData, GenerateForm, ScoreForm, fill_forms, read_batch, ui_errors, widgets
from explorer.ui.plan_markup import preview_table
from explorer.ui.widgets import build_delivery
from explorer.whole_files import write_whole

Updates = dict[Component, Any]


@dataclass(frozen=True)
class PlanTools:
    """The widgets."""

    look: gr.Button
    save: gr.Button
    load: gr.UploadButton
    file: gr.DownloadButton
    deliver: str
    """Script that hands out what `file` holds."""
    shown: gr.HTML


def build_plan_tools() -> PlanTools:
    """Lay them out."""
    with gr.Row(elem_classes="x-pager"):
        look = gr.Button("What it takes", size="sm", elem_id="plan-look")
        save = gr.Button("Save plan", size="sm", elem_id="plan-save")
        load = gr.UploadButton("Load plan", size="sm", file_types=[".yaml", ".yml"], elem_id="plan-load")
    file, deliver = build_delivery("plan-file")
    return PlanTools(look, save, load, file, deliver, gr.HTML(visible=False, elem_id="plan-preview"))


def bind_plan_tools(explorer: Explorer, tools: PlanTools, form: GenerateForm, score: ScoreForm) -> None:
    """Bind them to the form."""
    every = widgets(form, score)

    def look(data: FormData) -> Any:
        with ui_errors():
            previews = [explorer.preview(request) for request in read_batch(form, score, data).requests]
            return gr.HTML(preview_table(previews), visible=True)

    def save(data: FormData) -> str:
        with ui_errors():
            batch = read_batch(form, score, data)
            name = re.sub(r"[^a-z0-9]+", "-", (batch.request.suite or "own-prompts").lower())
            path = explorer.settings.exports / f"plan-{name}-{datetime.now():%Y%m%d-%H%M%S}.yaml"
            write_whole(path, write_batch(batch).encode())
            return str(path)

    def load(file: str) -> Updates:
        with ui_errors():
            batch = read_plan(Path(file))
            for request in batch.requests:
                explorer.plan_size(request)  # says what is not here any more
            gr.Info("The plan is in the form. Look through it, then generate.")
            return {**fill_forms(form, score, batch), tools.shown: gr.HTML(visible=False)}

    private: dict[str, Any] = {"api_visibility": "private"}
    tools.look.click(look, every, tools.shown, **private)
    saved = tools.save.click(save, every, tools.file, show_progress="hidden", **private)
    saved.success(None, None, None, js=tools.deliver, **private)
    tools.load.upload(load, tools.load, [*every, tools.shown], show_progress="hidden", **private)
    # What was looked at is no longer what the person asks for. What the form changes by itself,
    # such as its choices, must not take away what was just shown.
    gr.on(
        [widget.input for widget in every],
        lambda: gr.HTML(visible=False),
        None,
        tools.shown,
        queue=False,
        show_progress="hidden",
        **private,
    )
