"""The Gallery tab: pages of thumbnails, and one picture with its recipe and scores."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.requests import ImageQuery
from explorer.ui import markup
from explorer.ui.forms import FormData, GalleryForm, read_gallery, ui_errors, widgets
from explorer.ui.import_panel import ImportPanel, bind_import_panel, build_import_panel
from explorer.ui.picture_view import PictureView, build_picture_view, show_picture
from explorer.ui.widgets import ALL, Choices, build_grid, metric_choices, pick, run_choices, run_to_show

PAGE = 60
Updates = dict[Component, Any]


@dataclass(frozen=True)
class Shown:
    """What the tab shows: ids only, so that a session's state stays small."""

    query: ImageQuery = field(default_factory=ImageQuery)
    ids: tuple[str, ...] = ()
    total: int = 0
    index: int | None = None
    """Which of `ids` is open; None shows the grid."""


@dataclass(frozen=True)
class GalleryTab:
    """The widgets of the tab and what they show."""

    explorer: Explorer
    form: GalleryForm
    state: gr.State
    newest: gr.State
    """Id of the newest run when the tab was last looked at."""
    browse: gr.Column
    grid: gr.Gallery
    count: gr.HTML
    back: gr.Button
    forward: gr.Button
    picture: PictureView
    imports: ImportPanel

    @property
    def outputs(self) -> list[Component]:
        """Every widget that any event of the tab may change."""
        own = [self.state, self.newest, self.browse, self.grid, self.count, self.back, self.forward]
        return [*widgets(self.form), *own, *self.picture.outputs]

    def show(self, query: ImageQuery) -> Updates:
        """The grid with the first pictures from the query's offset on."""
        query = replace(query, limit=PAGE)
        page = self.explorer.images(query)
        thumbnails = [
            (
                str(self.explorer.thumbnail(image.id)),
                f"{image.recipe.model} · seed {image.recipe.seed}\n{image.recipe.prompt}",
            )
            for image in page.images
        ]
        ids = tuple(image.id for image in page.images)
        last = query.offset + len(ids)
        text = f"{query.offset + 1} to {last} of {page.total} pictures" if ids else "No pictures here yet."
        return {
            self.state: Shown(query, ids, page.total),
            self.grid: gr.Gallery(thumbnails, selected_index=None, visible=bool(ids)),
            self.count: markup.notice(text),
            self.back: gr.Button(interactive=query.offset > 0),
            self.forward: gr.Button(interactive=last < page.total),
            self.browse: gr.Column(visible=True),
            self.picture.panel: gr.Column(visible=False),
        }

    def open(self, shown: Shown, index: int) -> Any:
        """One picture large; past either end of the page its neighbour page is turned to.

        Gradio takes an empty dict for a value, so "nothing to do" is `gr.skip()`.
        """
        query = shown.query
        position = query.offset + index
        if not 0 <= position < shown.total:
            return gr.skip()
        updates: Updates = {}
        if not 0 <= index < len(shown.ids):
            offset = position // PAGE * PAGE
            updates = self.show(replace(query, offset=offset))
            shown, index = updates[self.state], position - offset
        shown = replace(shown, index=index)
        place = f"{position + 1} of {shown.total}"
        return {
            **updates,
            **show_picture(self.explorer, self.picture, shown.ids[index], place),
            self.state: shown,
            self.browse: gr.Column(visible=False),
        }

    def show_run(self, run: str, image_id: str = "") -> Updates:
        """A run's pictures, newest first when one of them is to be opened."""
        query = ImageQuery(run=run, sort="newest" if image_id else "prompt", limit=PAGE)
        updates = {**self.pickers(query), **self.show(query)}
        shown = updates[self.state]
        if image_id in shown.ids:
            updates.update(self.open(shown, shown.ids.index(image_id)))
        return updates

    def pickers(self, query: ImageQuery) -> Updates:
        """The pickers, with what a run offers."""
        runs = self.explorer.runs()
        run = next((run for run in runs if run.id == query.run), None)
        models = sorted({name for r in runs for name in r.models}) if run is None else run.models
        categories = sorted({name for r in runs for name in r.categories}) if run is None else run.categories
        return {
            self.form.run: gr.Dropdown(
                [*run_choices(runs), ("Every run", ALL)], value=run.id if run else ALL
            ),
            self.form.model: _filter("Every model", models, query.model),
            self.form.category: _filter("Every category", categories, query.category),
            self.form.sort: query.sort,
            self.newest: runs[0].id if runs else ALL,
        }


def build_gallery_tab(explorer: Explorer, tab: gr.Tab) -> GalleryTab:
    """Lay out the tab and bind its events."""
    state, newest = gr.State(Shown()), gr.State("")
    with gr.Column(elem_id="gallery-browse") as browse:
        form = _build_pickers(explorer)
        imports = build_import_panel(explorer)
        with gr.Row(elem_classes="x-pager"):
            back = gr.Button("Previous", size="sm", scale=0, interactive=False, elem_id="gallery-back")
            forward = gr.Button("Next", size="sm", scale=0, interactive=False, elem_id="gallery-forward")
            count = gr.HTML(elem_id="gallery-count")
        grid = build_grid(8, "gallery-grid")
    picture = build_picture_view()
    built = GalleryTab(explorer, form, state, newest, browse, grid, count, back, forward, picture, imports)
    _bind(built, tab)
    return built


def _build_pickers(explorer: Explorer) -> GalleryForm:
    with gr.Row(elem_classes="x-pickers"):
        run = gr.Dropdown([("Every run", ALL)], value=ALL, label="Run", scale=3, elem_id="gallery-run")
        model = gr.Dropdown([("Every model", ALL)], value=ALL, label="Model", elem_id="gallery-model")
        category = gr.Dropdown(
            [("Every category", ALL)], value=ALL, label="Category", elem_id="gallery-category"
        )
        sort = gr.Dropdown(
            [("By prompt", "prompt"), ("Newest first", "newest"), ("Best score first", "score")],
            value="prompt",
            label="Order",
            elem_id="gallery-sort",
        )
        metrics = metric_choices(explorer)
        metric = gr.Dropdown(
            metrics, value=pick(metrics, "clip_score"), label="Score", visible=False, elem_id="gallery-metric"
        )
    return GalleryForm(run, model, category, sort, metric)


def _bind(tab: GalleryTab, selected: gr.Tab) -> None:
    form, private = tab.form, {"api_visibility": "private", "show_progress": "hidden"}

    def enter(shown: Shown, newest: str) -> Any:
        with ui_errors():
            run = run_to_show(tab.explorer.runs(), shown.query.run, newest)
            query = shown.query if run == shown.query.run else ImageQuery(run=run)
            if shown.index is not None and query is shown.query:
                return gr.skip()
            return {**tab.pickers(query), **tab.show(query)}

    def choose_run(data: FormData) -> Updates:
        with ui_errors():
            query = replace(read_gallery(form, data), model=ALL, category=ALL)
            return {**tab.pickers(query), **tab.show(query)}

    def choose(data: FormData) -> Updates:
        with ui_errors():
            query = read_gallery(form, data)
            return {**tab.show(query), form.metric: gr.Dropdown(visible=query.sort == "score")}

    def turn(shown: Shown, pages: int) -> Updates:
        with ui_errors():
            offset = max(0, shown.query.offset + pages * PAGE)
            return tab.show(replace(shown.query, offset=offset))

    def select(shown: Shown, event: gr.SelectData) -> Any:
        with ui_errors():
            return tab.open(shown, int(event.index))

    def step(shown: Shown, places: int) -> Any:
        with ui_errors():
            return tab.open(shown, (shown.index or 0) + places)

    def close(shown: Shown) -> Updates:
        return {
            tab.state: replace(shown, index=None),
            tab.browse: gr.Column(visible=True),
            tab.grid: gr.Gallery(selected_index=None),
            tab.picture.panel: gr.Column(visible=False),
        }

    def show_imported(run: str) -> Any:
        with ui_errors():
            return tab.show_run(run) if run else gr.skip()

    everything = tab.outputs
    imported = bind_import_panel(tab.explorer, tab.imports)
    imported.success(show_imported, tab.imports.run, everything, **private)
    selected.select(enter, [tab.state, tab.newest], everything, **private)
    form.run.input(choose_run, widgets(form), everything, **private)
    for widget in (form.model, form.category, form.sort, form.metric):
        widget.input(choose, widgets(form), everything, **private)
    tab.back.click(lambda shown: turn(shown, -1), tab.state, everything, **private)
    tab.forward.click(lambda shown: turn(shown, 1), tab.state, everything, **private)
    tab.grid.select(select, tab.state, everything, **private)
    tab.picture.previous.click(lambda shown: step(shown, -1), tab.state, everything, **private)
    tab.picture.next.click(lambda shown: step(shown, 1), tab.state, everything, **private)
    tab.picture.close.click(close, tab.state, everything, **private)


def image_id_of(event: gr.SelectData) -> str:
    """The picture behind a clicked thumbnail: its file is named after it."""
    value = event.value if isinstance(event.value, dict) else {}
    return Path(str(value.get("image", {}).get("path", ""))).stem


def _filter(everything: str, names: Any, chosen: str) -> gr.Dropdown:
    choices: Choices = [(everything, ALL), *((name, name) for name in names)]
    return gr.Dropdown(choices, value=pick(choices, chosen))
