"""What to analyze: runs or a folder, which of their models, with which metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from explorer.answering import Answering, asks
from explorer.api import Explorer
from explorer.inventory import take_inventory
from explorer.requests import AnalyzeRequest
from explorer.types import Image, Tier
from explorer.ui import analyze_markup, metric_cards
from explorer.ui.answerer_form import (
    AnswererForm,
    answerer_name,
    build_answerer,
    show_answerer,
    with_answerer,
)
from explorer.ui.forms import FormData, ScoreForm, read_analyze, widgets
from explorer.ui.metric_cards import Situation
from explorer.ui.metric_picker import metric_picker
from explorer.ui.reference_form import ReferenceForm, build_reference, show_reference, with_reference
from explorer.ui.widgets import TIER_NAMES, Choices, cards_by_id, fetching_question
from metrics import answerer_id, counted_as

Updates = dict[Component, Any]


@dataclass(frozen=True)
class SourceForm:
    """The widgets that say which pictures are meant."""

    source: gr.Radio
    of_runs: gr.Column
    runs: gr.Dropdown
    together: gr.Button
    models: gr.Dropdown
    """Empty means all."""
    of_folder: gr.Column
    folder: gr.Dropdown
    look: gr.Button
    preview: gr.HTML
    inventory: gr.HTML


@dataclass(frozen=True)
class MetricForm:
    """The widgets that say what is measured, and what is told about it."""

    score: ScoreForm
    quick: gr.Button
    everything: gr.Button
    nothing: gr.Button
    answers: AnswererForm
    reference: ReferenceForm
    estimate: gr.HTML
    situation: gr.State
    """A `Situation`: what the cards are shown for."""
    start: gr.Button

    @property
    def asked(self) -> set[Component]:
        """What says how cards and costs are to be shown."""
        return {self.score.metrics, self.score.tier, self.reference.reference, *self.answers.asked}

    @property
    def read(self) -> set[Component]:
        """Everything that is read when work begins."""
        return {*widgets(self.score), self.reference.reference, *self.answers.read}

    @property
    def shown(self) -> list[Component]:
        """What depends on `asked`, and on the pictures; `told` follows by itself."""
        return [self.situation, self.score.metrics]

    @property
    def told(self) -> list[Component]:
        """What depends on the metrics that are ticked."""
        return [self.estimate, *self.answers.shown, *self.reference.shown]


def build_source() -> SourceForm:
    """Lay out the choice of pictures."""
    source = gr.Radio(
        [("Runs", "runs"), ("A folder of pictures", "folder")],
        value="runs",
        label="Analyze",
        elem_id="analyze-source",
    )
    with gr.Column(elem_id="analyze-of-runs") as of_runs:
        with gr.Row(elem_classes="x-choose"):
            runs = gr.Dropdown([], value=[], multiselect=True, label="Runs", scale=3, elem_id="analyze-run")
            models = gr.Dropdown(
                [], value=[], multiselect=True, label="Models (all, if none is named)", scale=2,
                elem_id="analyze-models",
            )  # fmt: skip
        together = gr.Button("Put together", size="sm", visible=False, elem_id="analyze-together")
    with gr.Column(visible=False, elem_id="analyze-of-folder") as of_folder:
        with gr.Row(elem_classes="x-choose"):
            folder = gr.Dropdown(
                [], value=None, label="Folder", allow_custom_value=True, scale=5, elem_id="analyze-folder"
            )
            look = gr.Button("Look", size="sm", scale=1, min_width=80, elem_id="analyze-look")
        preview = gr.HTML(elem_id="analyze-preview")
    inventory = gr.HTML(elem_id="analyze-inventory")
    return SourceForm(source, of_runs, runs, together, models, of_folder, folder, look, preview, inventory)


def build_metrics(explorer: Explorer) -> MetricForm:
    """Lay out presets, cards, tier, consent and the button that starts."""
    cards, situation = explorer.metrics(), Situation()
    gr.HTML("<h2>Metrics</h2>")
    with gr.Row(elem_classes="x-pager"):
        quick = gr.Button("Quick look", size="sm", elem_id="analyze-quick")
        everything = gr.Button("Everything without download", size="sm", elem_id="analyze-everything")
        nothing = gr.Button("None", size="sm", elem_id="analyze-nothing")
    tier = gr.Dropdown(
        [(TIER_NAMES[tier], tier) for tier in get_args(Tier)],
        value="bundled",
        label="Networks to score with",
        elem_id="analyze-tier",
    )
    chosen = metric_cards.quick_look(cards, situation)
    with gr.Column(elem_classes="x-asides"):
        answers = build_answerer()
        reference = build_reference()
    picker = metric_picker(chosen, metric_cards.picker(cards, situation), "analyze-metrics")
    # In sight however long the list of metrics is.
    with gr.Column(elem_classes="x-foot"):
        estimate = gr.HTML(elem_id="analyze-estimate")
        download = gr.Checkbox(label="Fetch it", visible=False, elem_id="analyze-download")
        start = gr.Button("Score", variant="primary", elem_id="analyze-button")
    # Opened by the question marks of the cards, also those that come later.
    gr.HTML(metric_cards.dialogs(cards), elem_id="analyze-dialogs")
    score = ScoreForm(picker, tier, download)
    presets = (quick, everything, nothing)
    return MetricForm(score, *presets, answers, reference, estimate, gr.State(situation), start)


def folder_choices(explorer: Explorer) -> Choices:
    """Folders by name, with how many pictures each has."""
    return [
        (f"{each.name} ({each.pictures:,} pictures)", each.name) for each in explorer.selections.folders()
    ]


def situation_of(explorer: Explorer, form: MetricForm, data: FormData, images: Sequence[Image]) -> Situation:
    """What cards say about these pictures depends on."""
    tier: Tier = data[form.score.tier]
    name = answerer_name(form.answers, data)
    able = tuple(card.id for card in explorer.metrics() if tier in card.backbones)
    absent = explorer.needed_downloads(AnalyzeRequest(able, tier, answerer=name))
    selections = explorer.selections
    scored = selections.scored(images, tier)
    if name:
        theirs = selections.scored(images, counted_as(answerer_id(name)))
        scored = {metric: count for metric, count in scored.items() if not asks(metric)} | theirs
    return Situation(
        tier=tier,
        pictures=len(images),
        speeds=selections.speeds(),
        scored=scored,
        absent=tuple(card.id for card in absent),
        references=selections.has_references(images),
        sets=bool(selections.reference_sets()),
        answerer=name,
        answers=Answering(explorer.settings).card(name),
    )


def read_request(
    form: MetricForm, data: FormData, run: str = "", models: Sequence[str] = ()
) -> AnalyzeRequest:
    """The request to score a run, or some of its models, as the form is filled in.

    Raises:
        InvalidRequest: A field holds no usable value; says which.
    """
    request = read_analyze(form.score, data, run, models)
    request = with_answerer(request, form.answers, data)
    return with_reference(request, form.reference, data)


def show_metrics(explorer: Explorer, form: MetricForm, situation: Situation, data: FormData) -> Updates:
    """Bring the cards up to date; what cannot be computed is no longer ticked."""
    cards = explorer.metrics()
    chosen = data[form.score.metrics] or []
    kept = [card.id for card in cards if card.id in chosen and metric_cards.offered(card, situation)]
    # What was ticked while this was on its way is not undone.
    ticked = {} if set(kept) == set(chosen) else {"value": kept}
    return {
        form.situation: situation,
        form.score.metrics: gr.update(cards=metric_cards.picker(cards, situation), **ticked),
    }


def tell(
    explorer: Explorer, form: MetricForm, chosen: Sequence[str], situation: Situation, reference: str | None
) -> Updates:
    """What the ticked metrics cost, and what else is to be said for them."""
    cards = cards_by_id(explorer)
    ticked = [cards[name] for name in chosen if name in cards]
    return {
        form.estimate: analyze_markup.estimate_view(ticked, situation),
        **show_answerer(explorer, form.answers, chosen, situation),
        **show_reference(explorer, form.reference, ticked, situation, reference),
    }


def ask_to_fetch(
    explorer: Explorer, form: MetricForm, chosen: Sequence[str], situation: Situation
) -> Updates:
    """Ask anew whether what is missing may be fetched."""
    request = AnalyzeRequest(tuple(chosen), situation.tier, answerer=situation.answerer)
    return {form.score.download: fetching_question(explorer, request)}


def show_pictures(form: SourceForm, images: Sequence[Image]) -> Updates:
    """Say what was chosen, in numbers."""
    text = analyze_markup.inventory_view(take_inventory(images)) if images else ""
    return {form.inventory: gr.HTML(text, visible=bool(text))}
