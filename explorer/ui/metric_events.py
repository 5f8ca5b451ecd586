"""What follows from a choice of metrics, of their networks and of who answers."""

from collections.abc import Callable
from typing import Any

from gradio.components import Component
from gradio.events import Dependency

from explorer.api import Explorer
from explorer.types import Image
from explorer.ui import metric_cards
from explorer.ui.analyze_form import MetricForm, Updates, ask_to_fetch, show_metrics, situation_of, tell
from explorer.ui.forms import FormData, ui_errors
from explorer.ui.metric_cards import Situation

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def tell_after(explorer: Explorer, form: MetricForm, event: Dependency) -> None:
    """After an event, tell what the metrics cost that are ticked then, not those of when it began."""

    def told(data: FormData) -> Updates:
        with ui_errors():
            chosen, reference = data[form.score.metrics] or [], data[form.reference.reference]
            return tell(explorer, form, chosen, data[form.situation], reference)

    seen = {form.score.metrics, form.situation, form.reference.reference}
    event.then(told, seen, form.told, queue=False, **_PRIVATE)


def bind_metrics(
    explorer: Explorer,
    form: MetricForm,
    chosen: set[Component],
    pictures: Callable[[FormData], list[Image]],
) -> None:
    """Bind the events of the form, apart from the button that begins.

    Args:
        explorer: What knows the metrics.
        form: Whose events.
        chosen: The widgets that `pictures` reads.
        pictures: Those that would be scored.
    """
    picker, answers = form.score.metrics, form.answers

    def reconsider(data: FormData) -> Updates:
        with ui_errors():
            situation = situation_of(explorer, form, data, pictures(data))
            shown = show_metrics(explorer, form, situation, data)
            return shown | ask_to_fetch(explorer, form, data[picker] or [], situation)

    def fetched(chosen: list[str] | None, situation: Situation) -> Updates:
        with ui_errors():
            return ask_to_fetch(explorer, form, chosen or [], situation)

    asked, shown = chosen | form.asked, [*form.shown, form.score.download]
    # A yes to one service is none to another; a model's id does not change where pictures go.
    answers.who.change(lambda: False, None, answers.consent, queue=False, **_PRIVATE)
    for event in (
        *(form.score.tier.change, answers.who.change, answers.local.input),
        *(answers.gemini.blur, answers.openai.blur),
    ):
        tell_after(explorer, form, event(reconsider, asked, shown, **_PRIVATE))
    wanted = [picker, form.situation]
    told = picker.change(fetched, wanted, form.score.download, queue=False, **_PRIVATE)
    tell_after(explorer, form, told)
    tell_after(explorer, form, form.reference.reference.input(lambda: None, **_PRIVATE))

    def preset(choose: Callable[..., list[str]]) -> Callable[[Situation], list[str]]:
        return lambda situation: choose(explorer.metrics(), situation)

    presets = ((form.quick, metric_cards.quick_look), (form.everything, metric_cards.without_download))
    for button, choose in presets:
        button.click(preset(choose), form.situation, picker, queue=False, **_PRIVATE)
    form.nothing.click(lambda: [], None, picker, queue=False, **_PRIVATE)
