"""One picture large, with its recipe, its scores and what they rest on."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.ui import markup
from explorer.ui.widgets import cards_by_id

SMALL_PIXELS = 384
"""Smaller pictures are shown larger than they are, but not as large as the column."""


@dataclass(frozen=True)
class PictureView:
    """Widgets that together show one picture. `page.js` ties the arrow keys to the buttons."""

    panel: gr.Column
    close: gr.Button
    previous: gr.Button
    place: gr.HTML
    next: gr.Button
    picture: gr.Image
    recipe: gr.HTML
    scores: gr.HTML
    text: gr.Textbox

    @property
    def outputs(self) -> list[Component]:
        """Every widget that showing a picture changes."""
        return [self.panel, self.place, self.picture, self.recipe, self.scores, self.text]


def build_picture_view() -> PictureView:
    """Lay out a hidden picture view."""
    with gr.Column(visible=False, elem_id="picture") as panel:
        with gr.Row(elem_classes="x-pager"):
            close = gr.Button("All pictures", size="sm", scale=0, elem_id="picture-close")
            previous = gr.Button("Previous", size="sm", scale=0, elem_id="picture-previous")
            following = gr.Button("Next", size="sm", scale=0, elem_id="picture-next")
            place = gr.HTML(elem_id="picture-place")
        with gr.Row(elem_classes="x-split"):
            with gr.Column(scale=6):
                picture = gr.Image(
                    type="filepath",
                    show_label=False,
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    elem_id="picture-image",
                )
            with gr.Column(scale=5):
                scores = gr.HTML(elem_id="picture-scores")
                recipe = gr.HTML(elem_id="picture-recipe")
                text = gr.Textbox(
                    label="Recipe for other tools (A1111 text)",
                    lines=4,
                    interactive=False,
                    buttons=["copy"],
                    elem_id="picture-text",
                )
    return PictureView(panel, close, previous, place, following, picture, recipe, scores, text)


def show_picture(explorer: Explorer, view: PictureView, image_id: str, place: str) -> dict[Component, Any]:
    """Fill the view in.

    Args:
        explorer: Where the picture is.
        view: The widgets to update.
        image_id: The picture.
        place: Where it stands among the others, such as "3 of 176".
    """
    image = explorer.image(image_id)
    small = max(image.recipe.width, image.recipe.height) < SMALL_PIXELS
    return {
        view.panel: gr.Column(visible=True),
        view.place: markup.notice(place),
        view.picture: gr.Image(str(image.path), elem_classes=["x-small"] if small else []),
        view.recipe: markup.recipe(image),
        view.scores: markup.scores(explorer.image_scores(image_id), cards_by_id(explorer)),
        view.text: explorer.recipe_text(image_id),
    }
