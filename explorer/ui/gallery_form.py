"""The pickers of the Gallery: which pictures, in which order."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.requests import ImageQuery
from explorer.types import Run
from explorer.ui.forms import GalleryForm
from explorer.ui.widgets import ALL, Choices, pick, run_choices

ORDERS: Choices = [("By prompt", "prompt"), ("Newest first", "newest"), ("Best score first", "score")]
GROUPS: Choices = [("Nothing", ""), ("Prompt", "prompt"), ("Model", "model")]
STARS: list[tuple[str, int]] = [("Any", 0), *((f"{'★' * number} or more", number) for number in range(1, 6))]
DIFFICULTIES: Choices = [("Any", ALL), ("Easy", "easy"), ("Medium", "medium"), ("Hard", "hard")]


def build_gallery_form(explorer: Explorer) -> GalleryForm:
    """Lay out the pickers; what is used less is in a drawer."""
    metrics: Choices = [(card.name, card.id) for card in explorer.metrics() if card.level == "image"]
    with gr.Row(elem_classes="x-pickers"):
        run = gr.Dropdown([("Every run", ALL)], value=ALL, label="Run", scale=3, elem_id="gallery-run")
        model = gr.Dropdown([("Every model", ALL)], value=ALL, label="Model", elem_id="gallery-model")
        sort = gr.Dropdown(ORDERS, value="prompt", label="Order", elem_id="gallery-sort")
        metric = gr.Dropdown(
            metrics, value=pick(metrics, "clip_score"), label="Score", elem_id="gallery-metric"
        )
    with gr.Accordion("More filters", open=False, elem_id="gallery-filters"):
        with gr.Row(elem_classes="x-pickers"):
            search = gr.Textbox(
                label="Words of the prompt", placeholder="red circle", scale=2, elem_id="gallery-search"
            )
            category = gr.Dropdown(
                [("Every category", ALL)], value=ALL, label="Category", elem_id="gallery-category"
            )
            difficulty = gr.Dropdown(
                DIFFICULTIES, value=ALL, label="Difficulty", elem_id="gallery-difficulty"
            )
            seed = gr.Textbox(label="Seed", elem_id="gallery-seed")
        with gr.Row(elem_classes="x-pickers"):
            group = gr.Dropdown(GROUPS, value="", label="Group by", elem_id="gallery-group")
            stars = gr.Dropdown(STARS, value=0, label="Stars", elem_id="gallery-stars")
            lowest = gr.Textbox(label="Score from", elem_id="gallery-lowest")
            highest = gr.Textbox(label="Score to", elem_id="gallery-highest")
        with gr.Row(elem_classes="x-ticks"):
            favourite = gr.Checkbox(label="Favourites only", container=False, elem_id="gallery-favourite")
            failed = gr.Checkbox(
                label="Only pictures that failed a question of the score",
                container=False,
                elem_id="gallery-failed",
            )
    return GalleryForm(
        *(run, model, category, sort, metric, search, difficulty, seed, group, favourite, stars),
        *(lowest, highest, failed),
    )


def filled(form: GalleryForm, query: ImageQuery, runs: Sequence[Run]) -> dict[Component, Any]:
    """The pickers as a query has them, with what its run offers."""
    run = next((run for run in runs if run.id == query.run), None)
    models = sorted({name for r in runs for name in r.models}) if run is None else run.models
    categories = sorted({name for r in runs for name in r.categories}) if run is None else run.categories
    asked = {getattr(form, each.name): getattr(query, each.name) for each in fields(form)}
    texts = {
        box: "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for box, value in (
            (form.seed, query.seed),
            (form.lowest, query.lowest),
            (form.highest, query.highest),
        )
    }
    chosen = {
        form.run: gr.Dropdown([*run_choices(runs), ("Every run", ALL)], value=run.id if run else ALL),
        form.model: _filter("Every model", models, query.model),
        form.category: _filter("Every category", categories, query.category),
    }
    asked.pop(form.metric)  # a metric of another level may be asked for by a script only
    return {**asked, **texts, **chosen}


def _filter(everything: str, names: Any, chosen: str) -> gr.Dropdown:
    choices: Choices = [(everything, ALL), *((name, name) for name in names)]
    return gr.Dropdown(choices, value=pick(choices, chosen))
