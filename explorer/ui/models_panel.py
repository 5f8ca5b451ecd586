"""The Models side panel: every model file on disk, its details, and what can be done with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.catalog import Catalog
from explorer.errors import InvalidRequest
from explorer.library import matching
from explorer.pickles import is_pickled
from explorer.types import ModelFile
from explorer.ui import model_markup
from explorer.ui.fetch_panel import FetchPanel, bind_fetch_panel, build_fetch_panel
from explorer.ui.forms import ui_errors
from explorer.ui.identify_panel import (
    IdentifyPanel,
    bind_identify_panel,
    build_identify_all,
    build_identify_one,
    build_identify_status,
)
from explorer.ui.markup import notice

PAGE = 60
POLL_SECONDS = 0.5
# Rows are plain buttons of one HTML component; a click tells Python which.
_TELL_CHOICE = """
element.addEventListener("click", (event) => {
  const row = event.target.closest("[data-id]");
  if (row) trigger("select", { id: row.dataset.id });
});
"""
# What was asked for may appear out of sight.
_SHOW = "() => document.getElementById('{}')?.scrollIntoView({{ behavior: 'smooth', block: 'nearest' }})"
Updates = dict[Component, Any]


@dataclass(frozen=True)
class Browsing:
    """What the panel shows."""

    text: str = ""
    kind: str = ""
    family: str = ""
    offset: int = 0
    chosen: str = ""
    """Id of the model whose details are shown."""


@dataclass(frozen=True)
class ModelsPanel:
    """The widgets of the panel."""

    explorer: Explorer
    sidebar: gr.Sidebar
    state: gr.State
    search: gr.Textbox
    kind: gr.Dropdown
    family: gr.Dropdown
    count: gr.HTML
    rows: gr.HTML
    back: gr.Button
    forward: gr.Button
    details: gr.HTML
    actions: gr.Row
    use: gr.Button
    convert: gr.Button
    ask: gr.Button
    confirm: gr.Column
    question: gr.HTML
    delete: gr.Button
    keep: gr.Button
    fetch: FetchPanel
    identify: IdentifyPanel
    reading: gr.HTML
    scanned: gr.State
    """Changes when files that were being read are all known."""

    @property
    def outputs(self) -> list[Component]:
        """Every widget that browsing may change."""
        lists = [self.state, self.kind, self.family, self.count, self.rows, self.back, self.forward]
        return [
            *lists,
            self.reading,
            *self.identify.offers,
            self.details,
            self.actions,
            self.use,
            self.convert,
            self.ask,
            self.confirm,
            self.question,
        ]

    def show(self, browsing: Browsing) -> Updates:
        """The page of the list, and the details of the chosen model."""
        known = self.explorer.library.known()
        return self._list(browsing, known) | self._details(browsing, known.files)

    def show_list(self, browsing: Browsing) -> Updates:
        """The page of the list; the details stay as they are, whatever is searched for."""
        return self._list(browsing, self.explorer.library.known())

    def _list(self, browsing: Browsing, known: Catalog) -> Updates:
        every = known.files
        left = model_markup.reading(known.read, known.total)
        found = matching(every, browsing.text, browsing.kind, browsing.family)
        found.sort(key=lambda file: bool(file.facts.problem))
        offset = min(browsing.offset, max(0, len(found) - 1) // PAGE * PAGE)
        page = found[offset : offset + PAGE]
        last = offset + len(page)
        of = "" if len(found) == len(every) else f" of {len(every)}"
        text = f"{offset + 1} to {last} of {len(found)}" if len(found) > PAGE else f"{len(found)}{of} models"
        return {
            self.state: replace(browsing, offset=offset),
            self.kind: gr.Dropdown(model_markup.kinds(every), value=browsing.kind),
            self.family: gr.Dropdown(model_markup.families(every), value=browsing.family),
            self.count: notice(text),
            self.rows: model_markup.model_list(page, browsing.chosen),
            self.back: gr.Button(visible=len(found) > PAGE, interactive=offset > 0),
            self.forward: gr.Button(visible=len(found) > PAGE, interactive=last < len(found)),
            self.reading: gr.HTML(left, visible=bool(left)),
            self.confirm: gr.Column(visible=False),
            self.question: "",
            **self.identify.offer_all(every if known.complete else ()),
        }

    def _details(self, browsing: Browsing, every: Sequence[ModelFile]) -> Updates:
        file = next((f for f in every if f.id == browsing.chosen), None)
        offer = self.identify.offer_one(file)
        if file is None:
            return {self.details: gr.HTML(visible=False), self.actions: gr.Row(visible=False)} | offer
        usable = file.facts.kind in ("checkpoint", "lora") and not file.facts.problem
        return {
            self.details: gr.HTML(model_markup.details(file), visible=True),
            self.actions: gr.Row(visible=True),
            self.use: gr.Button(visible=usable),
            self.convert: gr.Button(visible=is_pickled(file.path)),
            self.ask: gr.Button(visible=not file.bundled),
            **offer,
        }


def add_to_comparison(explorer: Explorer, file_id: str, chosen: list[str]) -> list[str]:
    """The models to compare with one more; a LoRA joins each chosen checkpoint that it fits.

    Raises:
        InvalidRequest: It is a LoRA and no chosen checkpoint is of its family.
    """
    file = explorer.library.file(file_id)
    if file.facts.kind != "lora":
        return list(dict.fromkeys([*chosen, file.name]))
    bare = [name for name in chosen if not explorer.library.resolve(name).loras]
    fitting = [f"{name}+{file.name}:1" for name in bare]
    fitting = [name for name in fitting if not explorer.library.resolve(name).problem]
    if not fitting:
        raise InvalidRequest(
            f"{file.name} is a LoRA: choose a checkpoint of its family in Generate first, then add it."
        )
    return list(dict.fromkeys([*chosen, *fitting]))


def build_models_panel(explorer: Explorer, page: gr.Blocks) -> ModelsPanel:
    """Lay out the panel and bind what it does alone."""
    with gr.Sidebar(position="right", open=False, width=420, elem_id="models", label="Models") as sidebar:
        gr.HTML("<h2>Models</h2>")
        fetch = build_fetch_panel()
        state = gr.State(Browsing())
        search = gr.Textbox(
            show_label=False,
            placeholder="Search by name or trigger word",
            max_lines=1,
            elem_id="models-search",
        )
        with gr.Row(elem_classes="x-pickers"):
            kind = gr.Dropdown(
                [("Every kind", "")], value="", show_label=False, min_width=120, elem_id="models-kind"
            )
            family = gr.Dropdown(
                [("Every family", "")], value="", show_label=False, min_width=120, elem_id="models-family"
            )
        reading = gr.HTML(visible=False, elem_id="models-reading")
        stop, status = build_identify_status()
        with gr.Column(elem_id="models-details"):
            details = gr.HTML(visible=False)
            with gr.Row(visible=False, elem_classes="x-pager") as actions:
                use = gr.Button("Add to Generate", size="sm", variant="primary", elem_id="models-use")
                convert = gr.Button("Convert to .safetensors", size="sm", elem_id="models-convert")
                ask = gr.Button("Delete", size="sm", variant="stop", elem_id="models-ask")
            one_box, one = build_identify_one()
            with gr.Column(visible=False, elem_classes="x-problems", elem_id="models-confirm") as confirm:
                question = gr.HTML()
                with gr.Row(elem_classes="x-pager"):
                    delete = gr.Button("Delete for good", size="sm", variant="stop", elem_id="models-delete")
                    keep = gr.Button("Keep", size="sm", elem_id="models-keep")
        with gr.Row(elem_classes="x-pager"):
            back = gr.Button("Previous", size="sm", visible=False, elem_id="models-back")
            forward = gr.Button("Next", size="sm", visible=False, elem_id="models-forward")
            count = gr.HTML(elem_id="models-count")
        rows = gr.HTML(elem_id="models-list", js_on_load=_TELL_CHOICE)
        identify = IdentifyPanel(explorer, one_box, one, *build_identify_all(), stop, status)
        scanned = gr.State(0)
    panel = ModelsPanel(
        explorer, sidebar, state, search, kind, family, count, rows, back, forward,
        details, actions, use, convert, ask, confirm, question, delete, keep, fetch,
        identify, reading, scanned,
    )  # fmt: skip
    _bind(panel)
    _bind_reading(panel, page)
    bind_fetch_panel(explorer, fetch, panel.show, state, panel.outputs)
    bind_identify_panel(
        identify, lambda shown: [explorer.library.file(shown.chosen)], panel.show, state, panel.outputs
    )
    return panel


def _bind(panel: ModelsPanel) -> None:
    library, private = panel.explorer.library, {"api_visibility": "private", "show_progress": "hidden"}

    def filtered(state: Browsing, text: str, kind: str, family: str) -> Updates:
        with ui_errors():
            chosen = replace(state, text=text or "", kind=kind or "", family=family or "", offset=0)
            return panel.show_list(chosen)

    def turn(state: Browsing, pages: int) -> Updates:
        with ui_errors():
            return panel.show_list(replace(state, offset=max(0, state.offset + pages * PAGE)))

    def choose(state: Browsing, event: gr.EventData) -> Updates:
        with ui_errors():
            return panel.show(replace(state, chosen=str(event.id))) | panel.identify.forget()

    def ask(state: Browsing) -> Updates:
        with ui_errors():
            file = library.file(state.chosen)
            size = model_markup.size(file.size_bytes)
            text = f"Delete {file.name} ({size}) from the disk? It cannot be undone."
            return {panel.confirm: gr.Column(visible=True), panel.question: f"<p>{escape(text)}</p>"}

    def delete(state: Browsing) -> Updates:
        with ui_errors():
            gone = library.delete(state.chosen)
            gr.Info(f"{gone.name} was deleted.")
            return panel.show(replace(state, chosen=""))

    def convert(state: Browsing) -> Updates:
        with ui_errors():
            made = library.convert(state.chosen)
            gr.Info(f"{made.name} was written as .safetensors. The old file is still there.")
            return panel.show(replace(state, chosen=made.id))

    filters = [panel.state, panel.search, panel.kind, panel.family]
    panel.sidebar.expand(filtered, filters, panel.outputs, **private)
    panel.search.change(filtered, filters, panel.outputs, trigger_mode="always_last", **private)
    panel.kind.input(filtered, filters, panel.outputs, **private)
    panel.family.input(filtered, filters, panel.outputs, **private)
    panel.back.click(lambda state: turn(state, -1), panel.state, panel.outputs, **private)
    panel.forward.click(lambda state: turn(state, 1), panel.state, panel.outputs, **private)
    chosen = panel.rows.select(choose, panel.state, panel.outputs, **private)
    chosen.then(None, None, None, js=_SHOW.format("models-details"), api_visibility="private")
    asked = panel.ask.click(ask, panel.state, [panel.confirm, panel.question], **private)
    asked.then(None, None, None, js=_SHOW.format("models-confirm"), api_visibility="private")
    panel.keep.click(lambda: gr.Column(visible=False), None, panel.confirm, **private)
    panel.delete.click(delete, panel.state, panel.outputs, **private)
    panel.convert.click(convert, panel.state, panel.outputs, api_visibility="private")


def _bind_reading(panel: ModelsPanel, page: gr.Blocks) -> None:
    """Tell how far the reading of new files is, and show them when all are known."""
    library = panel.explorer.library

    async def watch() -> AsyncIterator[Updates]:
        known = await asyncio.to_thread(library.known)
        if known.complete:
            return
        while not known.complete:
            left = model_markup.reading(known.read, known.total)
            yield {panel.reading: gr.HTML(left, visible=True)}
            await asyncio.sleep(POLL_SECONDS)
            known = await asyncio.to_thread(library.known)
        yield {panel.scanned: known.total}

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on(
        [page.load, panel.sidebar.expand],
        watch,
        None,
        [panel.reading, panel.scanned],
        concurrency_limit=None,
        **private,
    )
    panel.scanned.change(panel.show_list, panel.state, panel.outputs, **private)
