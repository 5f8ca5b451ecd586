"""Trigger words of the chosen LoRAs: clicked into one's own prompts, or shown beside a suite."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.model_settings import added_words
from explorer.requests import GenerateRequest
from explorer.types import Model
from explorer.ui.forms import GenerateForm
from explorer.ui.markup import trigger_words
from explorer.ui.widgets import known_models

Updates = dict[Component, Any]
# The words are plain buttons of one HTML component; a click tells Python which.
_TELL_WORD = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-word]");
  if (button) trigger("select", { word: button.dataset.word });
});
"""


def build_trigger_words() -> gr.HTML:
    """An empty, hidden place for the words."""
    return gr.HTML(visible=False, js_on_load=_TELL_WORD, elem_id="form-words")


def bind_trigger_words(explorer: Explorer, form: GenerateForm, place: gr.HTML) -> None:
    """Show the words of the chosen LoRAs; a click writes one into the prompts."""

    def show_words(names: list[str] | None, source: str) -> Updates:
        own = source == "own"
        models = known_models(explorer, names or ())
        found = words_of_loras(models) if own else words_of_models(models)
        return {
            place: gr.HTML(trigger_words(found, clickable=own), visible=bool(found)),
            form.trigger_words: gr.Checkbox(visible=bool(found) and not own),
        }

    def add_word(prompts: str | None, event: gr.EventData) -> str:
        return with_word(prompts or "", str(event.word))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    outputs = [place, form.trigger_words]
    for widget in (form.models, form.source):
        widget.change(show_words, [form.models, form.source], outputs, trigger_mode="always_last", **quiet)
    place.select(add_word, form.prompts, form.prompts, **quiet)


def words_of_loras(models: Sequence[Model]) -> dict[str, tuple[str, ...]]:
    """All trigger words of each LoRA that has some."""
    loras = {weighted.lora.name: weighted.lora for model in models for weighted in model.loras}
    return {name: lora.facts.trigger_words for name, lora in loras.items() if lora.facts.trigger_words}


def words_of_models(models: Sequence[Model]) -> dict[str, tuple[str, ...]]:
    """The trigger words that would be put before the prompts of each model."""
    request = GenerateRequest(models=(), trigger_words=True)
    words = {model.name: added_words(request, model) for model in models}
    return {name: (text,) for name, text in words.items() if text}


def with_word(prompts: str, word: str) -> str:
    """Prompts, one a line, with a word at the end of each that lacks it."""
    lines = prompts.split("\n")
    if not prompts.strip():
        return word
    return "\n".join(
        line if not line.strip() or word.casefold() in line.casefold() else f"{line.rstrip(' ,')}, {word}"
        for line in lines
    )
