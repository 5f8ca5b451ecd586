"""What the Gallery shows: pages of thumbnails, one picture, a comparison, or the trash.

The four take turns; what is shown is a query and ids, so that a session's state stays small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.requests import ImageQuery
from explorer.types import Image
from explorer.ui import markup
from explorer.ui.compare_panel import CompareView, show_comparison
from explorer.ui.forms import GalleryForm, widgets
from explorer.ui.gallery_form import filled
from explorer.ui.gallery_markup import Tiles, grid
from explorer.ui.gallery_trash import TrashView, require_owner
from explorer.ui.import_panel import ImportPanel
from explorer.ui.picture_view import PictureView, show_picture
from explorer.ui.widgets import ALL

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
    deleted: gr.State
    """Ids of what was deleted last, for taking it back."""
    browse: gr.Column
    grid: gr.HTML
    count: gr.HTML
    back: gr.Button
    forward: gr.Button
    undo: gr.Button
    to_compare: gr.Button
    to_trash: gr.Button
    file: gr.DownloadButton
    deliver: str
    """Script that delivers the file."""
    picture: PictureView
    compare: CompareView
    trash: TrashView
    imports: ImportPanel

    @property
    def outputs(self) -> list[Component]:
        """Every widget that any event of the tab may change."""
        own = [self.state, self.newest, self.deleted, self.browse, self.grid, self.count]
        own += [self.back, self.forward, self.undo, self.to_trash]
        screens = [*self.picture.outputs, *self.compare.outputs, *self.trash.outputs]
        return [*widgets(self.form), *own, *screens]

    def only(self, screen: gr.Column) -> Updates:
        """One of the four in sight."""
        screens = (self.browse, self.picture.panel, self.compare.panel, self.trash.panel)
        return {each: gr.Column(visible=each is screen) for each in screens}

    def show(self, query: ImageQuery) -> Updates:
        """The grid with the first pictures from the query's offset on."""
        query = replace(query, limit=PAGE)
        page = self.explorer.images(query)
        ids = tuple(image.id for image in page.images)
        last, trashed = query.offset + len(ids), self.explorer.gallery.trash_count()
        text = (
            f"{query.offset + 1:,} to {last:,} of {page.total:,} pictures" if ids else "No pictures here yet."
        )
        return {
            **self.only(self.browse),
            self.state: Shown(query, ids, page.total),
            self.grid: tiles_html(self.explorer, query, page.images),
            self.count: markup.notice(text),
            self.back: gr.Button(interactive=query.offset > 0),
            self.forward: gr.Button(interactive=last < page.total),
            self.to_trash: gr.Button(f"Trash ({trashed:,})", visible=trashed > 0),
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
        place = f"{position + 1:,} of {shown.total:,}"
        return {
            **updates,
            **self.only(self.picture.panel),
            **show_picture(self.explorer, self.picture, shown.ids[index], place),
            self.state: shown,
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
        return {**filled(self.form, query, runs), self.newest: runs[0].id if runs else ALL}

    def again(self, shown: Shown) -> Updates:
        """The same page once more; the one before it when nothing is left on it."""
        updates = self.show(shown.query)
        if not updates[self.state].ids and shown.query.offset:
            updates = self.show(replace(shown.query, offset=max(0, shown.query.offset - PAGE)))
        return updates

    def act(self, shown: Shown, action: str, ids: Sequence[str]) -> Any:
        """What was asked for with a picture or with those that are selected."""
        if action == "open" and ids and ids[0] in shown.ids:
            return self.open(shown, shown.ids.index(ids[0]))
        if action == "compare":
            pictures = self.explorer.gallery.found(ids)
            return {
                **self.only(self.compare.panel),
                **show_comparison(self.explorer, self.compare, shown.query, pictures),
            }
        if action == "delete":
            require_owner(self.explorer)
            done = self.explorer.gallery.delete(ids)
            undo = gr.Button(f"Undo: put {markup.count(len(done), 'picture')} back", visible=bool(done))
            return {**self.again(shown), self.deleted: done, self.undo: undo}
        return gr.skip()


def tiles_html(explorer: Explorer, query: ImageQuery, images: Sequence[Image]) -> str:
    """The thumbnails of a page, with their scores and marks."""
    ids = [image.id for image in images]
    service = explorer.gallery
    shown = Tiles(
        service.thumbnails(images), service.values(images, query.metric), service.marks(ids), query.group
    )
    return grid(images, shown)


def page_html(explorer: Explorer, query: ImageQuery) -> str:
    """A page of thumbnails."""
    return tiles_html(explorer, query, explorer.images(query).images)
