"""Getting a model from Hugging Face or Civitai: look it up, see its terms, fetch it, follow it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.downloads import Offer
from explorer.requests import FetchRequest
from explorer.ui import model_markup
from explorer.ui.forms import read_secret, ui_errors
from explorer.ui.job_view import JobView, bind_steering, build_job_view, follow

Updates = dict[Component, Any]


@dataclass(frozen=True)
class FetchPanel:
    """The widgets for getting a model."""

    source: gr.Textbox
    token: gr.Textbox
    look: gr.Button
    found: gr.HTML
    files: gr.CheckboxGroup
    name: gr.Textbox
    fetch: gr.Button
    job: gr.State
    view: JobView

    @property
    def offer(self) -> list[Component]:
        """What a look-up fills in."""
        return [self.found, self.files, self.name, self.fetch]


def build_fetch_panel() -> FetchPanel:
    """Lay it out, folded."""
    with gr.Accordion("Get a model", open=False, elem_id="fetch"):
        source = gr.Textbox(
            label="From Hugging Face or Civitai",
            placeholder="hf:owner/name, civitai:12345, or the address of a page",
            max_lines=1,
            elem_id="fetch-source",
        )
        with gr.Accordion("Access token", open=False):
            token = gr.Textbox(
                label="Needed for some models; not kept",
                type="password",
                max_lines=1,
                elem_id="fetch-token",
            )
        look = gr.Button("Look it up", size="sm", elem_id="fetch-look")
        found = gr.HTML(visible=False, elem_id="fetch-offer")
        files = gr.CheckboxGroup([], label="Files", visible=False, elem_id="fetch-files")
        name = gr.Textbox(label="Name here (optional)", max_lines=1, visible=False, elem_id="fetch-name")
        fetch = gr.Button("Fetch", variant="primary", size="sm", visible=False, elem_id="fetch-start")
        job = gr.State("")
        view = build_job_view("fetch", pictures=False)
    return FetchPanel(source, token, look, found, files, name, fetch, job, view)


def bind_fetch_panel(
    explorer: Explorer,
    panel: FetchPanel,
    show_models: Callable[[Any], Updates],
    models_state: gr.State,
    models_outputs: list[Component],
) -> None:
    """Bind its events; the list of models is shown anew when something has arrived."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    def look(source: str, token: str) -> Updates:
        with ui_errors():
            return _offered(panel, explorer.fetcher.look_up(source or "", token=read_secret(token)))

    def start(source: str, token: str, files: list[str], name: str) -> str:
        with ui_errors():
            request = FetchRequest(source, tuple(files or ()), name=(name or "").strip())
            return explorer.queue.submit(request, token=read_secret(token)).id

    async def watch(job_id: str) -> AsyncIterator[Updates]:
        async for updates in follow(explorer, panel.view, job_id):
            yield updates

    panel.look.click(look, [panel.source, panel.token], panel.offer, api_visibility="private")
    panel.source.submit(look, [panel.source, panel.token], panel.offer, api_visibility="private")
    started = panel.fetch.click(
        start, [panel.source, panel.token, panel.files, panel.name], panel.job, **private
    )
    watched = started.success(watch, panel.job, panel.view.outputs, **private)
    watched.then(show_models, models_state, models_outputs, **private)
    bind_steering(explorer, panel.view, panel.job, watch)


def _offered(panel: FetchPanel, offer: Offer) -> Updates:
    """The look-up's answer; whole repositories need no choice of files."""
    usable = [file for file in offer.files if file.usable and file.kind == "weights"]
    choices = [(f"{file.name} ({model_markup.size(file.size)})", file.name) for file in usable]
    if offer.choices:
        choices = [(choice.name, choice.source) for choice in offer.choices] if not usable else choices
    choose = offer.layout != "diffusers" and len(choices) > 1
    picked = [name for _, name in choices if name in offer.chosen]
    return {
        panel.found: gr.HTML(model_markup.offer(offer), visible=True),
        panel.files: gr.CheckboxGroup(choices, value=picked if choose else [], visible=choose),
        panel.name: gr.Textbox(visible=offer.layout != "collection"),
        panel.fetch: gr.Button(visible=True),
    }
