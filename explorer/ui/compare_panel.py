"""Compare, inside the Gallery: two pictures over one another, and grids of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.compare import Grid
from explorer.requests import ImageQuery
from explorer.types import Image
from explorer.ui import compare_markup, markup
from explorer.ui.forms import ui_errors
from explorer.ui.gallery_markup import TELL_BUTTON, address
from explorer.ui.widgets import Choices, build_delivery, cards_by_id, pick

Updates = dict[Component, Any]
KINDS: Choices = [
    ("Models × seeds", "seeds"),
    ("Models × prompts", "prompts"),
    ("LoRA weights", "weights"),
]
MOST_NAMES = 500
"""Prompts that the list offers."""
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class CompareView:
    """The widgets of the comparison."""

    panel: gr.Column
    close: gr.Button
    stage: gr.HTML
    kind: gr.Radio
    prompt: gr.Dropdown
    seed: gr.Dropdown
    draw: gr.Button
    save: gr.Button
    table: gr.HTML
    query: gr.State
    """Which pictures the gallery showed: its run and its score are the grid's."""
    file: gr.DownloadButton
    deliver: str

    @property
    def outputs(self) -> list[Component]:
        """Every widget that an event may change."""
        return [self.panel, self.stage, self.prompt, self.seed, self.save, self.table, self.query]


def build_compare_view(explorer: Explorer) -> CompareView:
    """Lay out a hidden comparison."""
    with gr.Column(visible=False, elem_id="compare") as panel:
        with gr.Row(elem_classes="x-pager"):
            close = gr.Button("All pictures", size="sm", scale=0, elem_id="compare-close")
            gr.HTML("<h2>Compare</h2>")
        stage = gr.HTML(elem_id="compare-stage")
        gr.HTML("<h3>A grid of many</h3>")
        kind = gr.Radio(KINDS, value="seeds", label="Grid of", elem_id="compare-kind")
        with gr.Row(elem_classes="x-pickers"):
            prompt = gr.Dropdown([], label="Prompt", scale=2, elem_id="compare-prompt")
            seed = gr.Dropdown([], label="Seed", visible=False, elem_id="compare-seed")
        with gr.Row(elem_classes="x-pager"):
            draw = gr.Button("Show grid", size="sm", scale=0, variant="primary", elem_id="compare-draw")
            save = gr.Button(
                "Download as one PNG", size="sm", scale=0, interactive=False, elem_id="compare-save"
            )
        table = gr.HTML(js_on_load=TELL_BUTTON, elem_id="compare-grid")
        file, deliver = build_delivery("compare-file")
    query = gr.State(ImageQuery())
    return CompareView(panel, close, stage, kind, prompt, seed, draw, save, table, query, file, deliver)


def show_comparison(
    explorer: Explorer, view: CompareView, query: ImageQuery, images: Sequence[Image]
) -> Updates:
    """The comparison of these pictures, with a grid of the run on offer."""
    prompts = explorer.gallery.prompts(query.run)[:MOST_NAMES]
    choices: Choices = [(text or prompt, prompt) for prompt, text in prompts]
    seeds: Choices = [(str(seed), str(seed)) for seed in explorer.gallery.seeds(query.run)]
    first = images[0].recipe if images else None
    return {
        view.panel: gr.Column(visible=True),
        view.stage: compare_markup.stage(images),
        view.prompt: gr.Dropdown(choices, value=pick(choices, first.prompt_id if first else None)),
        view.seed: gr.Dropdown(seeds, value=pick(seeds, str(first.seed) if first else None)),
        view.save: gr.Button(interactive=False),
        view.table: "",
        view.query: query,
    }


def bind_compare_view(explorer: Explorer, view: CompareView) -> None:
    """Bind its events, apart from leaving it."""
    asked = [view.query, view.kind, view.prompt, view.seed]

    def choose(kind: str) -> Updates:
        return {
            view.prompt: gr.Dropdown(visible=kind != "prompts"),
            view.seed: gr.Dropdown(visible=kind != "seeds"),
        }

    def draw(query: ImageQuery, kind: str, prompt: str | None, seed: str | None) -> Updates:
        with ui_errors():
            grid = _grid(explorer, query, kind, prompt, seed)
            thumbnails = explorer.gallery.thumbnails(grid.images)
            shown = {each: address(path) for each, path in thumbnails.items()}
            values = explorer.gallery.values(grid.images, query.metric)
            html = compare_markup.table(grid, shown, values)
            return {view.table: html, view.save: gr.Button(interactive=bool(grid.images))}

    def save(query: ImageQuery, kind: str, prompt: str | None, seed: str | None) -> gr.DownloadButton:
        with ui_errors():
            grid = _grid(explorer, query, kind, prompt, seed)
            values = explorer.gallery.values(grid.images, query.metric)
            card = cards_by_id(explorer).get(query.metric)
            name = card.name if card else query.metric
            told = {each: f"{name} {markup.number(value)}" for each, value in values.items()}
            return gr.DownloadButton(value=str(explorer.gallery.write_grid(grid, told)))

    def pair(query: ImageQuery, kind: str, prompt: str | None, seed: str | None, event: gr.EventData) -> Any:
        with ui_errors():
            grid = _grid(explorer, query, kind, prompt, seed)
            chosen = str(getattr(event, "value", ""))
            column = next(
                (
                    (c, r)
                    for r, row in enumerate(grid.cells)
                    for c, each in enumerate(row)
                    if each and each.id == chosen
                ),
                None,
            )
            if column is None:
                return gr.skip()
            near = _neighbours(grid, *column)
            return {view.stage: compare_markup.stage(near)}

    view.kind.input(choose, view.kind, [view.prompt, view.seed], **_PRIVATE)
    view.draw.click(draw, asked, [view.table, view.save], **_PRIVATE)
    saved = view.save.click(save, asked, view.file, **_PRIVATE)
    saved.success(None, None, None, js=view.deliver, **_PRIVATE)
    opened = view.table.select(pair, asked, view.stage, **_PRIVATE)
    opened.success(None, None, None, js=_GO, **_PRIVATE)


_GO = """() => setTimeout(() => document.getElementById("compare")?.scrollIntoView({ block: "start" }), 60)"""


def _grid(explorer: Explorer, query: ImageQuery, kind: Any, prompt: str | None, seed: str | None) -> Grid:
    return explorer.gallery.grid(kind, query.run, prompt or "", int(seed) if seed else None)


def _neighbours(grid: Grid, column: int, row: int) -> list[Image]:
    """A picture first, then the others of its column, then those of its row."""
    mine = grid.cells[row][column]
    others = [*(line[column] for line in grid.cells), *grid.cells[row]]
    found = {image.id: image for image in (mine, *others) if image}
    return list(found.values())
