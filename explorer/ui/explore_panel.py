"""Looking closer at results: one plot or list at a time, drawn only when it is looked at.

The panel holds ids only and asks the Explorer anew for every view, so nothing of a large
run stays in a session.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.errors import ExplorerError
from explorer.points import MetricKey
from explorer.reports import Results
from explorer.types import Image
from explorer.ui.explore_form import (
    ExploreForm,
    asked_of,
    build_explore_form,
    choices_of,
    offered,
    pair_of,
    pickers,
)
from explorer.ui.explore_offers import VIEWS, views_of
from explorer.ui.explore_views import Asked, Looking, best_pair, draw, fitted, settled
from explorer.ui.forms import FormData, ui_errors
from explorer.ui.picture_view import PictureView, build_picture_view, show_picture
from explorer.ui.widgets import cards_by_id

Updates = dict[Component, Any]
# Every picture of the words is a button; page.js lends dots of a plot the hidden one.
_TELL_PICTURE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-picture]");
  if (button) trigger("select", { id: button.dataset.picture });
});
"""
_RELAY = '<button type="button" class="x-relay" data-picture="" tabindex="-1" hidden></button>'
# What was asked for may appear out of sight, and the keyboard must be there.
_GO = """() => setTimeout(() => {{
  document.getElementById("{0}")?.scrollIntoView({{ block: "start" }});
  document.getElementById("{0}-close")?.focus({{ preventScroll: true }});
}}, 60)"""
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Shown:
    """Which results the page shows. A change of it draws them anew."""

    run: str = ""
    models: tuple[str, ...] = ()
    """Those that were chosen of the run's."""
    metrics: tuple[MetricKey, ...] = ()
    mark: int = 0
    """Differs when there are other scores."""


@dataclass(frozen=True)
class ExplorePanel:
    """The widgets of the panel."""

    explorer: Explorer
    shown: gr.State
    column: gr.Column
    form: ExploreForm
    plot: gr.Plot
    words: gr.HTML
    picture: PictureView
    opened: gr.State
    """Id of the picture that is open."""


def build_explore_panel(explorer: Explorer, name: str) -> ExplorePanel:
    """Lay out a hidden panel and bind its events; `shown` is set from outside."""
    shown, opened = gr.State(Shown()), gr.State("")
    with gr.Column(visible=False, elem_id=f"{name}-explore", elem_classes="x-explore") as column:
        gr.HTML("<h2>Look closer</h2>")
        view = gr.Radio(
            [(label, value) for value, label in VIEWS.items()],
            value="intervals",
            show_label=False,
            container=False,
            label="What to look at",
            elem_id=f"{name}-view",
            elem_classes="x-views",
        )
        with gr.Row(elem_classes="x-pickers"):
            form = build_explore_form(view, name)
        plot = gr.Plot(show_label=False, container=False, elem_id=f"{name}-plot")
        words = gr.HTML(elem_id=f"{name}-words", elem_classes="x-below", js_on_load=_TELL_PICTURE)
        picture = build_picture_view(f"{name}-picture", "Close picture")
    panel = ExplorePanel(explorer, shown, column, form, plot, words, picture, opened)
    _bind(panel, name)
    return panel


def shown_of(found: Results) -> Shown:
    """What stands for these results in a session."""
    models = tuple(dict.fromkeys(image.recipe.model for image in found.images))
    metrics = tuple(dict.fromkeys(MetricKey(row.metric, row.tier) for row in found.leaderboard))
    means = tuple((row.model, row.mean, row.images, row.unscored) for row in found.leaderboard)
    return Shown(found.run, models, metrics, hash(means))


def read(explorer: Explorer, shown: Shown) -> Results:
    """The results that the page shows, as they are now."""
    found, metrics = explorer.results(shown.run, shown.models), set(shown.metrics)
    # Metrics do not touch each other's means, so leaving some out computes nothing anew.
    return replace(
        found,
        scores=[score for score in found.scores if (score.metric, score.tier) in metrics],
        leaderboard=[row for row in found.leaderboard if (row.metric, row.tier) in metrics],
    )


def _bind(panel: ExplorePanel, name: str) -> None:
    form, picture = panel.form, panel.picture

    def refresh(data: FormData) -> Updates:
        with ui_errors():
            return _refreshed(panel, data)

    def look(data: FormData) -> Updates:
        with ui_errors():
            found = read(panel.explorer, data[panel.shown])
            return _drawn(panel, found, fitted(found, asked_of(form, data)))

    def choose_metric(data: FormData) -> Updates:
        with ui_errors():
            found = read(panel.explorer, data[panel.shown])
            asked = fitted(found, asked_of(form, data))
            if asked.view == "questions":
                return _drawn(panel, found, asked)
            # Another metric has other leaders, and so another question.
            first, second = best_pair(_looking(panel, found).rows(asked.metric))
            asked = replace(asked, first=first or asked.first, second=second or asked.second)
            return {**_drawn(panel, found, asked), **pair_of(form, asked)}

    def open_picture(shown: Shown, event: gr.EventData) -> Any:
        with ui_errors():
            return _opened(panel, shown, str(event.id), 0)

    def step(shown: Shown, opened: str, places: int) -> Any:
        with ui_errors():
            return _opened(panel, shown, opened, places) if opened else gr.skip()

    asking: set[Component] = {panel.shown, *form.all}
    changed: dict[str, Any] = {"trigger_mode": "always_last", **_PRIVATE}
    drawn = [*form.all, panel.plot, panel.words, picture.panel]
    panel.shown.change(refresh, asking, [panel.column, *drawn], **changed)
    form.metric.input(choose_metric, asking, drawn, **changed)
    for widget in (form.view, form.against, form.group, form.shape, form.setting, form.first, form.second):
        widget.input(look, asking, drawn, **changed)
    inputs, outputs = [panel.shown, panel.opened], [panel.opened, *picture.outputs]
    opening = panel.words.select(open_picture, panel.shown, outputs, **_PRIVATE)
    opening.success(None, None, None, js=_GO.format(f"{name}-picture"), **_PRIVATE)
    picture.previous.click(lambda shown, opened: step(shown, opened, -1), inputs, outputs, **_PRIVATE)
    picture.next.click(lambda shown, opened: step(shown, opened, 1), inputs, outputs, **_PRIVATE)
    picture.close.click(lambda: gr.Column(visible=False), None, picture.panel, **_PRIVATE)


def _refreshed(panel: ExplorePanel, data: FormData) -> Updates:
    """Offer what these results have, keeping what was chosen where it is still there."""
    shown: Shown = data[panel.shown]
    found = read(panel.explorer, shown) if shown.run else None
    views = views_of(found) if found else []
    if found is None or not views:
        return {panel.column: gr.Column(visible=False)}
    look = _looking(panel, found)
    asked = settled(look, asked_of(panel.form, data), shown.models)
    offers = offered(panel.form, look, asked, shown.models)
    return {**_drawn(panel, found, asked), **offers, panel.column: gr.Column(visible=True)}


def _drawn(panel: ExplorePanel, found: Results, asked: Asked) -> Updates:
    """The view that was asked for, with the pickers that belong to it."""
    look = _looking(panel, found)
    drawn = draw(look, asked)
    return {
        **pickers(panel.form, asked.view),
        **choices_of(panel.form, look, asked),
        panel.plot: gr.Plot(drawn.figure, visible=drawn.figure is not None),
        panel.words: _RELAY + drawn.words,
        panel.picture.panel: gr.Column(visible=False),
    }


def _opened(panel: ExplorePanel, shown: Shown, image_id: str, places: int) -> Any:
    """A picture large. Its neighbours are what the other models made of its prompt and seed."""
    images = panel.explorer.results(shown.run).images
    image = next((each for each in images if each.id == image_id), None)
    if image is None:
        return gr.skip()
    row = _same_task(images, image, shown.models)
    index = row.index(image) + places
    if not 0 <= index < len(row):
        return gr.skip()
    place = f"{row[index].recipe.model}: {index + 1} of {len(row)} with this prompt and seed"
    updates = show_picture(panel.explorer, panel.picture, row[index].id, place)
    return {**updates, panel.opened: row[index].id}


def _same_task(images: Sequence[Image], image: Image, models: Sequence[str]) -> list[Image]:
    order = {model: index for index, model in enumerate(models)}
    task = (image.recipe.prompt, image.recipe.seed)
    same = [
        each
        for each in images
        if (each.recipe.prompt, each.recipe.seed) == task and each.recipe.model in order
    ]
    return sorted(same, key=lambda each: order[each.recipe.model])


def _looking(panel: ExplorePanel, found: Results) -> Looking:
    return Looking(found, cards_by_id(panel.explorer), lambda image_id: _address(panel.explorer, image_id))


def _address(explorer: Explorer, image_id: str) -> str:
    """Where the page finds a thumbnail; empty where the picture's file is gone."""
    try:
        path = Path(explorer.thumbnail(image_id)).resolve()
    except (ExplorerError, OSError):
        return ""
    return f"gradio_api/file={quote(path.as_posix())}"
