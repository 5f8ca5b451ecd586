"""What whole folders of pictures are compared with: a set of good ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.reference_choices import ReferenceChoice
from explorer.requests import AnalyzeRequest
from explorer.ui.forms import FormData
from explorer.ui.metric_cards import Situation, compares_folders
from metrics import MetricCard, get_card

Updates = dict[Component, Any]
OF_PROMPTS = ""
_HOW = (
    "There is no reference set yet. Put a folder of at least 50 good pictures into references of the "
    "workspace, or keep one as a file: python benchmark_app.py reference FOLDER --output "
    "workspace/references/NAME.safetensors"
)


@dataclass(frozen=True)
class ReferenceForm:
    """The widgets of the reference set; shown only while a metric is ticked that compares with one."""

    panel: gr.Column
    reference: gr.Dropdown
    note: gr.HTML

    @property
    def shown(self) -> list[Component]:
        """All of them."""
        return [self.panel, self.reference, self.note]


def build_reference() -> ReferenceForm:
    """Lay it out."""
    with gr.Column(visible=False, elem_id="analyze-references", elem_classes="x-aside") as panel:
        reference = gr.Dropdown(
            [], value=None, label="Compare whole folders with", elem_id="analyze-reference"
        )
        note = gr.HTML(elem_id="analyze-reference-note")
    return ReferenceForm(panel, reference, note)


def with_reference(request: AnalyzeRequest, form: ReferenceForm, data: FormData) -> AnalyzeRequest:
    """A request that compares with the chosen set; unchanged where no metric does."""
    compared = any(compares_folders(get_card(metric)) for metric in request.metrics)
    return replace(request, reference=data[form.reference] or OF_PROMPTS) if compared else request


def show_reference(
    explorer: Explorer,
    form: ReferenceForm,
    ticked: Sequence[MetricCard],
    situation: Situation,
    chosen: str | None,
) -> Updates:
    """Bring the choice up to date; of a new one the first is taken."""
    comparing = [card for card in ticked if compares_folders(card)]
    if not comparing:
        return {form.panel: gr.Column(visible=False), form.reference: gr.skip(), form.note: gr.skip()}
    network = situation.network(comparing[0])
    sets = explorer.selections.reference_sets()
    choices = [("The reference pictures of the prompts", OF_PROMPTS)] if situation.references else []
    choices += [(_named(each), each.name) for each in sets]
    values = [value for _, value in choices]
    value = chosen if chosen in values else next(iter(values), None)
    note = _note(next((each for each in sets if each.name == value), None), network.id if network else "")
    if not choices:
        note = _HOW
    return {
        form.panel: gr.Column(visible=True),
        form.reference: gr.Dropdown(
            choices=choices, visible=bool(choices), **({} if value == chosen else {"value": value})
        ),
        form.note: gr.HTML(f'<p class="x-quiet">{escape(note)}</p>', visible=bool(note)),
    }


def _named(choice: ReferenceChoice) -> str:
    made = f", as {choice.made_with} saw them" if choice.made_with else ""
    return f"{choice.name} ({choice.pictures:,} pictures{made})"


def _note(choice: ReferenceChoice | None, network: str) -> str:
    if choice is None:
        return ""
    if choice.made_with and choice.made_with != network:
        return f"Made with {choice.made_with}; this tier needs one made with {network}."
    return "" if choice.pictures >= 50 else f"{choice.pictures} pictures are too few: it takes 50."
