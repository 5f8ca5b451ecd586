"""Pictures made elsewhere, through the page: send, look, import.

Nobody names a path: what is sent lies in a folder of its own below the workspace, and is
away when the import has ended, however it ended.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from explorer.api import Explorer
from explorer.errors import InvalidRequest
from explorer.imports.mapping import ALL
from explorer.imports.pictures import SUFFIXES
from explorer.imports.uploads import LISTS, Upload, receive, sweep
from explorer.requests import ImportRequest
from explorer.ui import markup
from explorer.ui.forms import FormData, ui_errors
from explorer.ui.import_markup import ended_view, preview_view, progress_view
from explorer.ui.import_work import Looked, Taking
from explorer.ui.widgets import suite_choices
from explorer.whole_files import write_whole

POLL_SECONDS = 0.25
NO_SUITE = ("No suite", "")
_ABOUT = (
    "Pictures that carry their recipe (A1111, Forge, ComfyUI, SwarmUI, InvokeAI and others), or a zip with a "
    "folder for each model (gen_000.png, gen_001.png, ...) and the prompts in the same order. "
    "Nothing is taken before you press Import."
)
Updates = dict[Component, Any]


@dataclass(frozen=True)
class ImportForm:
    """The widgets of an `ImportRequest`."""

    files: gr.File
    suite: gr.Dropdown
    prompts: gr.Textbox
    layout: gr.Dropdown
    seeds: gr.Number
    model: gr.Textbox
    title: gr.Textbox

    @property
    def widgets(self) -> list[Component]:
        """All of them."""
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(frozen=True)
class ImportPanel:
    """The widgets of the panel."""

    opened: gr.Accordion
    form: ImportForm
    look: gr.Button
    start: gr.Button
    cancel: gr.Button
    preview: gr.HTML
    status: gr.HTML
    looked: gr.State
    """What the preview shows: a `Looked`."""
    run: gr.State
    """Id of the run that the last import made; empty when it made none."""

    @property
    def outputs(self) -> list[Component]:
        """What an import changes."""
        buttons = [self.look, self.start, self.cancel]
        return [self.form.files, *buttons, self.preview, self.status, self.looked, self.run]


def build_import_panel(explorer: Explorer) -> ImportPanel:
    """Lay it out, folded."""
    with gr.Accordion("Import pictures made elsewhere", open=False, elem_id="import") as opened:
        gr.HTML(markup.notice(_ABOUT))
        form = _build_form(explorer)
        with gr.Row(elem_classes="x-pager"):
            look = gr.Button("Look", size="sm", elem_id="import-look")
            start = gr.Button(
                "Import", variant="primary", size="sm", interactive=False, elem_id="import-start"
            )
            cancel = gr.Button("Cancel", variant="stop", size="sm", visible=False, elem_id="import-cancel")
        status = gr.HTML(visible=False, elem_id="import-status")
        preview = gr.HTML(visible=False, elem_id="import-preview")
    return ImportPanel(opened, form, look, start, cancel, preview, status, gr.State(None), gr.State(""))


def _build_form(explorer: Explorer) -> ImportForm:
    files = gr.File(
        label="Pictures, or one zip file",
        file_count="multiple",
        file_types=[".zip", *SUFFIXES, *LISTS],
        height=150,
        elem_id="import-files",
    )
    with gr.Row():
        suite = gr.Dropdown(
            [NO_SUITE, *suite_choices(explorer)],
            value="",
            label="Prompts of a suite (optional)",
            elem_id="import-suite",
        )
        prompts = gr.Textbox(
            label="Or your own, one a line (optional)", lines=2, max_lines=8, elem_id="import-prompts"
        )
    with gr.Row():
        layout = gr.Dropdown(
            [
                ("Find out", "auto"),
                ("By folder: model/gen_000.png", "gen"),
                ("By the recipe inside", "metadata"),
            ],
            value="auto",
            label="Models and prompts",
            elem_id="import-layout",
        )
        seeds = gr.Number(
            1, precision=0, minimum=1, label="Seeds a prompt (gen_000 files)", elem_id="import-seeds"
        )
        model = gr.Textbox(label="Model name, for all (optional)", max_lines=1, elem_id="import-model")
        title = gr.Textbox(label="Title of the run (optional)", max_lines=1, elem_id="import-title")
    return ImportForm(files, suite, prompts, layout, seeds, model, title)


def bind_import_panel(explorer: Explorer, panel: ImportPanel) -> Dependency:
    """Bind its events; returns the import, after which `panel.run` is what to show."""
    form, uploads = panel.form, explorer.settings.root / "uploads"

    def look(data: FormData) -> Updates:
        with ui_errors():
            sweep(uploads)
            if data[panel.looked] is not None:
                data[panel.looked].upload.remove()
            sent = tuple(Path(file) for file in data[form.files] or ())
            upload = receive(sent, uploads)
            try:
                request = read_import(form, data, upload)
                found = explorer.preview_import(request)
            except BaseException:
                upload.remove()
                raise
            return {
                panel.looked: Looked(upload, request, sent),
                panel.preview: gr.HTML(preview_view(found, upload.notes), visible=True),
                panel.start: gr.Button(interactive=found.pictures > 0),
                panel.status: gr.HTML(visible=False),
            }

    def outdated() -> tuple[gr.HTML, gr.Button]:
        """What was looked at is no longer what the form says."""
        return gr.HTML(visible=False), gr.Button(interactive=False)

    async def take(looked: Looked | None) -> AsyncIterator[Updates]:
        with ui_errors():
            if looked is None or not looked.upload.pictures.is_dir():
                raise InvalidRequest("The files are not here any more. Add them again, then look.")
        taking = Taking(explorer, looked)
        # In a thread of its own: who cancels or closes the page need not wait for a picture.
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
    panel.opened.expand(lambda: gr.Dropdown([NO_SUITE, *suite_choices(explorer)]), None, form.suite, **quiet)
    shown = [panel.looked, panel.preview, panel.start, panel.status]
    panel.look.click(look, {*form.widgets, panel.looked}, shown, api_visibility="private")
    gr.on([widget.change for widget in form.widgets], outdated, None, [panel.preview, panel.start],
          queue=False, **quiet)  # fmt: skip
    started = panel.start.click(take, panel.looked, panel.outputs, **quiet)
    panel.cancel.click(lambda: _stopped(panel), None, panel.outputs, cancels=[started], **quiet)
    return started


def read_import(form: ImportForm, data: FormData, upload: Upload) -> ImportRequest:
    """The request that the filled-in form asks for; a list of the person's wins over one that was sent.

    Raises:
        InvalidRequest: Two prompt lists were given.
    """
    suite, pasted = str(data[form.suite] or ""), str(data[form.prompts] or "").strip()
    if suite and pasted:
        raise InvalidRequest("Choose a suite or write the prompts, not both.")
    prompts = upload.prompts
    if pasted:
        prompts = upload.root / "your prompts.txt"
        write_whole(prompts, pasted.encode("utf-8", "replace"))
    name = str(data[form.model] or "").strip()
    return ImportRequest(
        folder=str(upload.pictures),
        layout=data[form.layout],
        prompts="" if suite or prompts is None else str(prompts),
        suite=suite,
        seeds=int(data[form.seeds] or 0),
        models={ALL: name} if name else {},
        title=str(data[form.title] or "").strip(),
    )


def _begun(panel: ImportPanel, taking: Taking) -> Updates:
    return {
        panel.looked: None,  # so that another look does not take the files away
        panel.run: "",
        panel.look: gr.Button(interactive=False),
        panel.start: gr.Button(interactive=False),
        panel.cancel: gr.Button(visible=True),
        panel.preview: gr.HTML(visible=False),
        panel.status: gr.HTML(progress_view(taking), visible=True),
    }


def _ended(panel: ImportPanel, taking: Taking) -> Updates:
    return {
        panel.run: taking.run,
        panel.look: gr.Button(interactive=True),
        panel.cancel: gr.Button(visible=False),
        panel.status: gr.HTML(ended_view(taking), visible=True),
        panel.form.files: None if taking.run else gr.skip(),
    }


def _stopped(panel: ImportPanel) -> Updates:
    told = "Stopped. Pictures that were taken stay, without a run. Look and import again to continue."
    return {
        panel.look: gr.Button(interactive=True),
        panel.start: gr.Button(interactive=False),
        panel.cancel: gr.Button(visible=False),
        panel.status: gr.HTML(markup.notice(told), visible=True),
    }
