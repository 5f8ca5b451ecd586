"""Somebody's results, through the page: send the bundle, look at what is in it, import it.

The zip stays where Gradio put it until it is imported or a day has passed; it is never
unpacked to a place it names.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from explorer.api import Explorer
from explorer.bundle_reader import read_bundle
from explorer.errors import InvalidRequest
from explorer.ui import markup
from explorer.ui.analyze_markup import bundle_view
from explorer.ui.forms import ui_errors
from explorer.ui.import_markup import ended_view, progress_view
from explorer.ui.import_work import LookedBundle, Taking

POLL_SECONDS = 0.25
_ABOUT = (
    "A zip that Export made as a bundle, here or on another computer: pictures, recipes and scores. "
    "It becomes a run, and its scores are shown as they came."
)
Updates = dict[Component, Any]


@dataclass(frozen=True)
class BundlePanel:
    """The widgets of the panel."""

    file: gr.File
    look: gr.Button
    start: gr.Button
    cancel: gr.Button
    preview: gr.HTML
    status: gr.HTML
    looked: gr.State
    """Path of the bundle that the preview shows; empty when none was looked at."""
    run: gr.State
    """Id of the run that the last import made; empty when it made none."""

    @property
    def outputs(self) -> list[Component]:
        """What an import changes."""
        buttons = [self.look, self.start, self.cancel]
        return [self.file, *buttons, self.preview, self.status, self.looked, self.run]


def build_bundle_panel() -> BundlePanel:
    """Lay it out, folded."""
    with gr.Accordion("Import a results bundle", open=False, elem_id="bundle"):
        gr.HTML(markup.notice(_ABOUT))
        file = gr.File(label="Results bundle", file_types=[".zip"], height=120, elem_id="bundle-file")
        with gr.Row(elem_classes="x-pager"):
            look = gr.Button("Look", size="sm", elem_id="bundle-look")
            start = gr.Button(
                "Import", variant="primary", size="sm", interactive=False, elem_id="bundle-start"
            )
            cancel = gr.Button("Cancel", variant="stop", size="sm", visible=False, elem_id="bundle-cancel")
        preview = gr.HTML(visible=False, elem_id="bundle-preview")
        status = gr.HTML(visible=False, elem_id="bundle-status")
    return BundlePanel(file, look, start, cancel, preview, status, gr.State(""), gr.State(""))


def bind_bundle_panel(explorer: Explorer, panel: BundlePanel) -> Dependency:
    """Bind its events; returns the import, after which `panel.run` is what to show."""

    def look(file: str | None) -> Updates:
        with ui_errors():
            if not file:
                raise InvalidRequest("Add a results bundle first: a zip that Export made.")
            bundle = read_bundle(Path(file))
            return {
                panel.looked: file,
                panel.preview: gr.HTML(bundle_view(bundle), visible=True),
                panel.start: gr.Button(interactive=bundle.manifest.pictures),
                panel.status: gr.HTML(visible=False),
            }

    def forget() -> Updates:
        """Another file is another question."""
        return {
            panel.looked: "",
            panel.preview: gr.HTML(visible=False),
            panel.start: gr.Button(interactive=False),
        }

    async def take(file: str) -> AsyncIterator[Updates]:
        with ui_errors():
            if not file or not Path(file).is_file():
                raise InvalidRequest("The bundle is not here any more. Add it again, then look.")
            looked = LookedBundle(await asyncio.to_thread(read_bundle, Path(file)))
        taking = Taking(explorer, looked)
        working = asyncio.get_running_loop().run_in_executor(None, taking.work)
        try:
            yield _begun(panel, taking)
            while not working.done():
                await asyncio.wait([working], timeout=POLL_SECONDS)
                yield {panel.status: progress_view(taking)}
        finally:
            taking.cancel.set()
        yield _ended(panel, taking)

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [panel.looked, panel.preview, panel.start, panel.status]
    panel.look.click(look, panel.file, shown, api_visibility="private")
    panel.file.change(forget, None, shown[:3], queue=False, **quiet)
    started = panel.start.click(take, panel.looked, panel.outputs, **quiet)
    panel.cancel.click(lambda: _stopped(panel), None, panel.outputs, cancels=[started], **quiet)
    return started


def _begun(panel: BundlePanel, taking: Taking) -> Updates:
    return {
        panel.run: "",
        panel.look: gr.Button(interactive=False),
        panel.start: gr.Button(interactive=False),
        panel.cancel: gr.Button(visible=True),
        panel.status: gr.HTML(progress_view(taking), visible=True),
    }


def _ended(panel: BundlePanel, taking: Taking) -> Updates:
    return {
        panel.run: taking.run,
        panel.look: gr.Button(interactive=True),
        panel.cancel: gr.Button(visible=False),
        panel.status: gr.HTML(ended_view(taking), visible=True),
        panel.file: None if taking.run else gr.skip(),
    }


def _stopped(panel: BundlePanel) -> Updates:
    told = "Stopped. Pictures that were taken stay, without a run. Look and import again to continue."
    return {
        panel.look: gr.Button(interactive=True),
        panel.start: gr.Button(interactive=False),
        panel.cancel: gr.Button(visible=False),
        panel.status: gr.HTML(markup.notice(told), visible=True),
    }
