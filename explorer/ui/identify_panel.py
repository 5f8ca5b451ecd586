"""Naming local files: a look at Civitai by their hash, with progress, findings and a way to stop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.downloads import Finding, Identifier, can_be_asked, unknown
from explorer.events import Event, Progress
from explorer.types import ModelFile
from explorer.ui import model_markup
from explorer.ui.forms import ui_errors
from explorer.ui.markup import notice

POLL_SECONDS = 0.25
Updates = dict[Component, Any]


@dataclass(frozen=True)
class IdentifyPanel:
    """The widgets for naming files."""

    explorer: Explorer
    one_box: gr.Column
    one: gr.Button
    all_box: gr.Column
    all: gr.Button
    stop: gr.Button
    status: gr.HTML

    @property
    def offers(self) -> list[Component]:
        """What browsing the models changes."""
        return [self.one_box, self.all_box, self.all, self.status]

    @property
    def outputs(self) -> list[Component]:
        """What looking up changes."""
        return [self.one, self.all, self.stop, self.status]

    def ended(self, report: str) -> Updates:
        """The buttons as before, and what came of it."""
        return {
            self.one: gr.Button(interactive=True),
            self.all: gr.Button(interactive=True),
            self.stop: gr.Button(visible=False),
            self.status: gr.HTML(report, visible=bool(report)),
        }

    def forget(self) -> Updates:
        """No earlier findings: the person looks at something else."""
        return {self.status: gr.HTML("", visible=False)}

    def offer_one(self, file: ModelFile | None) -> Updates:
        """The button for the chosen file, where there is something to ask."""
        asked = file is not None and can_be_asked(file) and not self.explorer.settings.offline
        return {self.one_box: gr.Column(visible=asked)}

    def offer_all(self, files: Sequence[ModelFile]) -> Updates:
        """The button for every file of which too little is known."""
        count = 0 if self.explorer.settings.offline else len(unknown(files))
        label = f"Look up {count:,} {'file' if count == 1 else 'files'} on Civitai"
        return {self.all_box: gr.Column(visible=count > 0), self.all: gr.Button(label)}


def build_identify_one() -> tuple[gr.Column, gr.Button]:
    """The button among the details of a file; folded away until there is a file to ask about."""
    with gr.Column(visible=False, elem_classes="x-identify") as box:
        button = gr.Button("Look up on Civitai", size="sm", elem_id="identify-one")
        gr.HTML(notice("Sends only the file's hash (SHA-256)."))
    return box, button


def build_identify_all() -> tuple[gr.Column, gr.Button]:
    """The button for all files of which too little is known."""
    with gr.Column(visible=False, elem_classes="x-identify") as box:
        button = gr.Button("Look up all unknown files", size="sm", elem_id="identify-all")
        gr.HTML(notice("Little is known of them. Sends only their hashes."))
    return box, button


def build_identify_status() -> tuple[gr.Button, gr.HTML]:
    """Where progress and findings are told, and the way to stop."""
    with gr.Column(elem_id="identify-work"):
        status = gr.HTML(visible=False, elem_id="identify-status")
        stop = gr.Button("Stop", size="sm", variant="stop", visible=False, elem_id="identify-stop")
    return stop, status


def bind_identify_panel(
    panel: IdentifyPanel,
    chosen: Callable[[Any], list[ModelFile]],
    show_models: Callable[[Any], Updates],
    models_state: gr.State,
    models_outputs: list[Component],
) -> None:
    """Bind its events.

    Args:
        panel: The widgets.
        chosen: The file whose details are shown, from the state of the list.
        show_models: The list and the details anew, from the state of the list.
        models_state: The state of the list.
        models_outputs: What `show_models` changes.
    """
    library = panel.explorer.library

    async def look_up_one(state: Any) -> AsyncIterator[Updates]:
        async for updates in _look_up(panel, lambda: chosen(state)):
            yield updates

    async def look_up_all() -> AsyncIterator[Updates]:
        async for updates in _look_up(panel, lambda: unknown(library.files())):
            yield updates

    def stopped() -> Updates:
        return panel.ended(notice("Stopped. What was found is kept."))

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    running = [
        panel.one.click(look_up_one, models_state, panel.outputs, concurrency_limit=None, **private),
        panel.all.click(look_up_all, None, panel.outputs, concurrency_limit=None, **private),
    ]
    for event in running:  # with the state of that moment: the person may have browsed on
        event.then(show_models, models_state, models_outputs, **private)
    panel.stop.click(stopped, None, panel.outputs, cancels=running, **private)


async def _look_up(panel: IdentifyPanel, files: Callable[[], Sequence[ModelFile]]) -> AsyncIterator[Updates]:
    """Ask on a thread, and tell the page how far it is; leaving early stops the thread."""
    explorer, stop = panel.explorer, threading.Event()
    findings: list[Finding] = []
    told: list[Event] = []

    def work() -> None:
        own = explorer.settings.root / "models"
        identifier = Identifier(explorer.library, explorer.fetcher, explorer.storage.models, own)
        with ui_errors():
            identifier.run(files(), stop.is_set, told.append, findings.append)

    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        while not task.done():
            yield _under_way(panel, told)
            await asyncio.wait({task}, timeout=POLL_SECONDS)
    finally:
        stop.set()
    failed = task.exception()
    trouble = str(failed.message) if isinstance(failed, gr.Error) else ""
    yield panel.ended(model_markup.findings(findings, trouble))


def _under_way(panel: IdentifyPanel, told: Sequence[Event]) -> Updates:
    last = next((event for event in reversed(told) if isinstance(event, Progress)), Progress(0, 0))
    return {
        panel.one: gr.Button(interactive=False),
        panel.all: gr.Button(interactive=False),
        panel.stop: gr.Button(visible=True),
        panel.status: gr.HTML(model_markup.progress(last), visible=True),
    }
