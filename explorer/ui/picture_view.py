"""One picture large, with its recipe, its scores and what they rest on."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.image_store import Mark
from explorer.ui import markup
from explorer.ui.dinov3_evidence import Sight, embedded
from explorer.ui.evidence_markup import boxes_over
from explorer.ui.gallery_markup import TELL_BUTTON, ZOOM, marks_bar, references
from explorer.ui.widgets import cards_by_id

SMALL_PIXELS = 384
"""Smaller pictures are shown larger than they are, but not as large as the column."""
_TOOLS = (
    '<div class="x-tools"><label class="x-boxes-toggle"><input type="checkbox"> Boxes</label>'
    + ZOOM
    + "</div>"
)


@dataclass(frozen=True)
class PictureView:
    """Widgets that together show one picture. `page.js` ties the arrow keys to the buttons."""

    panel: gr.Column
    close: gr.Button
    previous: gr.Button
    place: gr.HTML
    next: gr.Button
    picture: gr.Image
    boxes: gr.HTML
    recipe: gr.HTML
    scores: gr.HTML
    text: gr.Textbox
    marks: gr.HTML
    references: gr.HTML
    others: gr.Button
    """Asks to compare the picture with what other models made of the same."""

    @property
    def outputs(self) -> list[Component]:
        """Every widget that showing a picture changes."""
        shown = [self.panel, self.place, self.picture, self.boxes, self.recipe, self.scores, self.text]
        return [*shown, self.marks, self.references]


def build_picture_view(
    name: str = "picture", leave: str = "All pictures", *, marked: bool = False
) -> PictureView:
    """Lay out a hidden picture view.

    Args:
        name: Prefix of the elements' ids; ends in "picture", by which `page.js` knows them.
        leave: What the button says that closes it.
        marked: Whether the picture can be marked; the tab binds what happens then.
    """
    with gr.Column(visible=False, elem_id=name, elem_classes="x-picture") as panel:
        with gr.Row(elem_classes="x-pager"):
            close = gr.Button(leave, size="sm", scale=0, elem_id=f"{name}-close")
            previous = gr.Button("Previous", size="sm", scale=0, elem_id=f"{name}-previous")
            following = gr.Button("Next", size="sm", scale=0, elem_id=f"{name}-next")
            place = gr.HTML(elem_id=f"{name}-place")
        with gr.Row(elem_classes="x-split"):
            with gr.Column(scale=6):
                # Never updated, so that it stays as it is from picture to picture.
                gr.HTML(_TOOLS)
                with gr.Column(elem_classes=["x-frame", "x-zoom"]):
                    picture = gr.Image(
                        type="filepath",
                        show_label=False,
                        interactive=False,
                        buttons=["download", "fullscreen"],
                        elem_id=f"{name}-image",
                    )
                    boxes = gr.HTML(elem_id=f"{name}-boxes", elem_classes="x-overlay")
            with gr.Column(scale=5):
                marks = gr.HTML(js_on_load=TELL_BUTTON, visible=marked, elem_id=f"{name}-marks")
                others = gr.Button(
                    "Compare with the other models", size="sm", visible=marked, elem_id=f"{name}-others"
                )
                references = gr.HTML(elem_id=f"{name}-references")
                scores = gr.HTML(elem_id=f"{name}-scores")
                recipe = gr.HTML(elem_id=f"{name}-recipe")
                text = gr.Textbox(
                    label="Recipe for other tools (A1111 text)",
                    lines=4,
                    interactive=False,
                    buttons=["copy"],
                    elem_id=f"{name}-text",
                )
    return PictureView(
        *(panel, close, previous, place, following, picture, boxes, recipe, scores, text, marks, references),
        others,
    )


def show_picture(explorer: Explorer, view: PictureView, image_id: str, place: str) -> dict[Component, Any]:
    """Fill the view in.

    Args:
        explorer: Where the picture is.
        view: The widgets to update.
        image_id: The picture.
        place: Where it stands among the others, such as "3 of 176".
    """
    image = explorer.image(image_id)
    scores = explorer.image_scores(image_id)
    small = max(image.recipe.width, image.recipe.height) < SMALL_PIXELS
    return {
        view.panel: gr.Column(visible=True),
        view.place: markup.notice(place),
        view.picture: gr.Image(str(image.path), elem_classes=["x-small"] if small else []),
        view.boxes: next(filter(None, (boxes_over(score.detail, small) for score in reversed(scores))), ""),
        view.recipe: markup.recipe(image),
        view.scores: markup.scores(scores, cards_by_id(explorer), Sight(explorer, image).evidence),
        view.text: explorer.recipe_text(image_id),
        view.marks: marks_bar(explorer.gallery.marks([image_id]).get(image_id, Mark())),
        view.references: references([embedded(path) for path in explorer.gallery.references(image)]),
    }
