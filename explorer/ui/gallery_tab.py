"""The Gallery tab: its layout, and what its events do."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.api import Explorer
from explorer.requests import ImageQuery
from explorer.ui import markup
from explorer.ui.compare_panel import bind_compare_view, build_compare_view, show_comparison
from explorer.ui.forms import FormData, read_gallery, ui_errors, widgets
from explorer.ui.gallery_form import build_gallery_form
from explorer.ui.gallery_markup import TELL, marks_bar
from explorer.ui.gallery_trash import ask_first, build_trash_view, put_back, require_owner, show_trash
from explorer.ui.gallery_view import PAGE, GalleryTab, Shown, Updates
from explorer.ui.import_panel import bind_import_panel, build_import_panel
from explorer.ui.picture_view import build_picture_view
from explorer.ui.widgets import ALL, build_delivery, run_to_show

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_gallery_tab(explorer: Explorer, tab: gr.Tab) -> GalleryTab:
    """Lay out the tab and bind its events."""
    states = gr.State(Shown()), gr.State(""), gr.State(())
    with gr.Column(elem_id="gallery-browse") as browse:
        form = build_gallery_form(explorer)
        imports = build_import_panel(explorer)
        with gr.Row(elem_classes="x-pager"):
            back = gr.Button("Previous", size="sm", scale=0, interactive=False, elem_id="gallery-back")
            forward = gr.Button("Next", size="sm", scale=0, interactive=False, elem_id="gallery-forward")
            count = gr.HTML(elem_id="gallery-count")
            to_compare = gr.Button("Compare", size="sm", scale=0, elem_id="gallery-compare")
            to_trash = gr.Button("Trash", size="sm", scale=0, visible=False, elem_id="gallery-trash")
            undo = gr.Button("Undo", size="sm", scale=0, visible=False, elem_id="gallery-undo")
        tiles = gr.HTML(js_on_load=TELL, elem_id="gallery-grid", elem_classes=["x-grid", "x-tiled"])
    delivery = build_delivery("gallery-file")
    picture = build_picture_view(marked=True)
    compare = build_compare_view(explorer)
    trash = build_trash_view()
    buttons = (back, forward, undo, to_compare, to_trash, *delivery)
    built = GalleryTab(
        explorer, form, *states, browse, tiles, count, *buttons, picture, compare, trash, imports
    )
    _bind(built, tab)
    _bind_picture(built)
    _bind_trash(built)
    bind_compare_view(explorer, compare)
    return built


def _bind(tab: GalleryTab, selected: gr.Tab) -> None:
    form = tab.form

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
            return tab.show(read_gallery(form, data))

    def turn(shown: Shown, pages: int) -> Updates:
        with ui_errors():
            offset = max(0, shown.query.offset + pages * PAGE)
            return tab.show(replace(shown.query, offset=offset))

    def act(shown: Shown, event: gr.EventData) -> Any:
        with ui_errors():
            return tab.act(shown, *told(event))

    def zip_selected(event: gr.EventData) -> gr.DownloadButton:
        with ui_errors():
            return gr.DownloadButton(value=str(tab.explorer.gallery.zip_pictures(told(event)[1])))

    def undo(shown: Shown, deleted: Sequence[str]) -> Updates:
        with ui_errors():
            put_back(tab.explorer, deleted)
            return {**tab.again(shown), tab.deleted: (), tab.undo: gr.Button(visible=False)}

    def compare(shown: Shown) -> Updates:
        with ui_errors():
            return {
                **tab.only(tab.compare.panel),
                **show_comparison(tab.explorer, tab.compare, shown.query, ()),
            }

    def show_imported(run: str) -> Any:
        with ui_errors():
            return tab.show_run(run) if run else gr.skip()

    everything = tab.outputs
    imported = bind_import_panel(tab.explorer, tab.imports)
    imported.success(show_imported, tab.imports.run, everything, **_PRIVATE)
    selected.select(enter, [tab.state, tab.newest], everything, **_PRIVATE)
    form.run.input(choose_run, widgets(form), everything, **_PRIVATE)
    for widget in widgets(form) - {form.run}:
        widget.input(choose, widgets(form), everything, trigger_mode="always_last", **_PRIVATE)
    # What was pasted counts when it is sent.
    for box in (form.search, form.seed, form.lowest, form.highest):
        box.submit(choose, widgets(form), everything, **_PRIVATE)
    tab.back.click(lambda shown: turn(shown, -1), tab.state, everything, **_PRIVATE)
    tab.forward.click(lambda shown: turn(shown, 1), tab.state, everything, **_PRIVATE)
    tab.grid.select(act, tab.state, everything, **_PRIVATE)
    tab.undo.click(undo, [tab.state, tab.deleted], everything, **_PRIVATE)
    tab.to_compare.click(compare, tab.state, everything, **_PRIVATE)
    zipped = tab.grid.submit(zip_selected, None, tab.file, **_PRIVATE)
    zipped.success(None, None, None, js=tab.deliver, **_PRIVATE)


def _bind_picture(tab: GalleryTab) -> None:
    picture = tab.picture

    def step(shown: Shown, places: int) -> Any:
        with ui_errors():
            return tab.open(shown, (shown.index or 0) + places)

    def close(shown: Shown) -> Updates:
        with ui_errors():
            return tab.again(shown)  # its marks may have changed

    def mark(shown: Shown, event: gr.EventData) -> Any:
        with ui_errors():
            if shown.index is None:
                return gr.skip()
            image_id, value = shown.ids[shown.index], str(getattr(event, "value", ""))
            if getattr(event, "action", "") == "favourite":
                return marks_bar(tab.explorer.gallery.mark(image_id, favourite=bool(value)))
            stars = int(value) if value.isdecimal() else 0
            return marks_bar(tab.explorer.gallery.mark(image_id, stars=stars))

    def compare(shown: Shown) -> Any:
        with ui_errors():
            if shown.index is None:
                return gr.skip()
            return tab.act(shown, "compare", _with_others(tab.explorer, shown.ids[shown.index]))

    everything = tab.outputs
    picture.previous.click(lambda shown: step(shown, -1), tab.state, everything, **_PRIVATE)
    picture.next.click(lambda shown: step(shown, 1), tab.state, everything, **_PRIVATE)
    picture.close.click(close, tab.state, everything, **_PRIVATE)
    picture.marks.select(mark, tab.state, picture.marks, **_PRIVATE)
    picture.others.click(compare, tab.state, everything, **_PRIVATE)


def _with_others(explorer: Explorer, image_id: str) -> list[str]:
    """A picture first, then what the other models made of its prompt and seed."""
    return list(dict.fromkeys([image_id, *(each.id for each in explorer.gallery.same_task(image_id))]))


def _bind_trash(tab: GalleryTab) -> None:
    explorer, trash = tab.explorer, tab.trash

    def look() -> Updates:
        with ui_errors():
            return {**tab.only(trash.panel), **show_trash(explorer, trash)}

    def turn(offset: int, pages: int) -> Updates:
        with ui_errors():
            return show_trash(explorer, trash, max(0, offset + pages * PAGE))

    def act(offset: int, event: gr.EventData) -> Any:
        with ui_errors():
            action, ids = told(event)
            if action != "restore":
                return gr.skip()
            put_back(explorer, ids)
            return show_trash(explorer, trash, offset)

    def ask() -> Updates:
        with ui_errors():
            return ask_first(explorer, trash)

    def empty() -> Updates:
        with ui_errors():
            require_owner(explorer)
            gr.Info(f"{markup.count(explorer.gallery.empty_trash(), 'picture')} deleted for good.")
            return {**show_trash(explorer, trash), tab.deleted: (), tab.undo: gr.Button(visible=False)}

    def close(shown: Shown) -> Updates:
        with ui_errors():
            return tab.again(shown)

    everything, offset = tab.outputs, trash.offset
    tab.to_trash.click(look, None, everything, **_PRIVATE)
    trash.close.click(close, tab.state, everything, **_PRIVATE)
    tab.compare.close.click(close, tab.state, everything, **_PRIVATE)
    trash.back.click(lambda at: turn(at, -1), offset, trash.outputs, **_PRIVATE)
    trash.forward.click(lambda at: turn(at, 1), offset, trash.outputs, **_PRIVATE)
    trash.tiles.select(act, offset, trash.outputs, **_PRIVATE)
    trash.empty.click(ask, None, trash.outputs, **_PRIVATE)
    trash.no.click(lambda: turn(0, 0), None, trash.outputs, **_PRIVATE)
    trash.yes.click(empty, None, everything, **_PRIVATE)


def told(event: gr.EventData) -> tuple[str, list[str]]:
    """What the page asks for, and for which pictures; it comes from outside and may be anything."""
    action, ids = getattr(event, "action", ""), getattr(event, "ids", [])
    return str(action), [str(each) for each in ids] if isinstance(ids, list) else []


def image_id_of(event: gr.SelectData) -> str:
    """The picture behind a clicked thumbnail of the Generate tab: its file is named after it."""
    value = event.value if isinstance(event.value, dict) else {}
    return Path(str(value.get("image", {}).get("path", ""))).stem
