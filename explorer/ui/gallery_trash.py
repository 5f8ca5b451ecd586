"""The trash of the Gallery: what was deleted, back again or gone for good.

Only the person who owns the workspace deletes: each handler asks for that itself, because
hiding a button protects nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.errors import InvalidRequest
from explorer.trash import Restored
from explorer.ui import markup
from explorer.ui.gallery_markup import TELL, TRASHED, Tiles, grid

PAGE = 60
Updates = dict[Component, Any]


@dataclass(frozen=True)
class TrashView:
    """The widgets of the trash."""

    panel: gr.Column
    close: gr.Button
    back: gr.Button
    forward: gr.Button
    count: gr.HTML
    tiles: gr.HTML
    empty: gr.Button
    sure: gr.Row
    """Asks again before anything is deleted for good."""
    yes: gr.Button
    no: gr.Button
    offset: gr.State

    @property
    def outputs(self) -> list[Component]:
        """Every widget that an event may change."""
        shown = [self.panel, self.back, self.forward, self.count, self.tiles, self.empty, self.sure]
        return [*shown, self.yes, self.offset]


def build_trash_view() -> TrashView:
    """Lay out a hidden trash."""
    with gr.Column(visible=False, elem_id="trash") as panel:
        with gr.Row(elem_classes="x-pager"):
            close = gr.Button("All pictures", size="sm", scale=0, elem_id="trash-close")
            back = gr.Button("Previous", size="sm", scale=0, elem_id="trash-back")
            forward = gr.Button("Next", size="sm", scale=0, elem_id="trash-forward")
            count = gr.HTML(elem_id="trash-count")
            empty = gr.Button("Empty the trash", size="sm", scale=0, variant="stop", elem_id="trash-empty")
        with gr.Row(visible=False, elem_classes=["x-pager", "x-sure"]) as sure:
            yes = gr.Button("Delete for good", size="sm", scale=0, variant="stop", elem_id="trash-yes")
            no = gr.Button("Keep them", size="sm", scale=0, elem_id="trash-no")
        tiles = gr.HTML(js_on_load=TELL, elem_id="trash-grid", elem_classes=["x-grid", "x-tiled"])
    return TrashView(panel, close, back, forward, count, tiles, empty, sure, yes, no, gr.State(0))


def require_owner(explorer: Explorer) -> None:
    """Refuse what only the owner of the workspace may do.

    Raises:
        InvalidRequest: The page is open to others.
    """
    if not explorer.settings.private:
        raise InvalidRequest(
            "Pictures are deleted only where the page is served for this computer alone (127.0.0.1)."
        )


def show_trash(explorer: Explorer, view: TrashView, offset: int = 0) -> Updates:
    """The trash, from a place on."""
    page = explorer.gallery.trashed(PAGE, max(0, offset))
    if not page.images and offset > 0:
        return show_trash(explorer, view, offset - PAGE)
    shown = Tiles(explorer.gallery.thumbnails(page.images), actions=TRASHED)
    last = offset + len(page.images)
    text = (
        f"{offset + 1} to {last} of {markup.count(page.total, 'picture')}" if last else "The trash is empty."
    )
    return {
        view.panel: gr.Column(visible=True),
        view.count: markup.notice(text),
        view.tiles: grid(page.images, shown),
        view.back: gr.Button(visible=page.total > PAGE, interactive=offset > 0),
        view.forward: gr.Button(visible=page.total > PAGE, interactive=last < page.total),
        view.empty: gr.Button(visible=bool(page.total)),
        view.sure: gr.Row(visible=False),
        view.offset: max(0, offset),
    }


def ask_first(explorer: Explorer, view: TrashView) -> Updates:
    """Ask before pictures go for good."""
    require_owner(explorer)
    count = explorer.gallery.trash_count()
    label = f"Delete {markup.count(count, 'picture')} for good, with their scores"
    return {view.sure: gr.Row(visible=True), view.yes: gr.Button(label), view.empty: gr.Button(visible=False)}


def put_back(explorer: Explorer, image_ids: Sequence[str]) -> Restored:
    """Bring pictures back, and say so."""
    require_owner(explorer)
    done = explorer.gallery.restore(image_ids)
    if done.ids:
        gr.Info(f"{markup.count(len(done.ids), 'picture')} put back.")
    if done.taken:
        gr.Warning(
            f"{markup.count(len(done.taken), 'picture')} stayed in the trash: drawn again in the meantime."
        )
    if done.lost:
        gr.Warning(f"{markup.count(len(done.lost), 'file')} of the trash are gone.")
    return done
