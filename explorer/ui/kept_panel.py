"""Kept features: how much room they take, and a button that clears them after a second yes."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.ui.analyze_markup import kept_view
from explorer.ui.forms import ui_errors


@dataclass(frozen=True)
class KeptPanel:
    """The widgets of the panel."""

    opened: gr.Accordion
    text: gr.HTML
    clear: gr.Button
    sure: gr.Row
    yes: gr.Button
    no: gr.Button


def build_kept_panel(explorer: Explorer) -> None:
    """Lay it out, folded, and bind its events."""
    with gr.Accordion("Kept features and scores", open=False, elem_id="kept") as opened:
        text = gr.HTML(elem_id="kept-text")
        clear = gr.Button("Clear kept features", size="sm", elem_id="kept-clear")
        with gr.Row(visible=False, elem_id="kept-sure", elem_classes="x-pager") as sure:
            gr.HTML("<p>Clear them? The next analysis of these pictures takes its full time.</p>")
            yes = gr.Button("Clear", variant="stop", size="sm", elem_id="kept-yes")
            no = gr.Button("Keep", size="sm", elem_id="kept-no")
    _bind(explorer, KeptPanel(opened, text, clear, sure, yes, no))


def _bind(explorer: Explorer, panel: KeptPanel) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [panel.text, panel.clear, panel.sure]

    def state(asking: bool = False) -> dict[Component, Any]:
        with ui_errors():
            kept = explorer.selections.kept()
            return {
                panel.text: kept_view(kept),
                panel.clear: gr.Button(visible=not asking, interactive=kept.features_bytes > 0),
                panel.sure: gr.Row(visible=asking),
            }

    def clear() -> dict[Component, Any]:
        with ui_errors():
            explorer.selections.clear_features()
        gr.Info("Kept features are cleared. Scores stay.")
        return state()

    panel.opened.expand(lambda: state(), None, shown, **private)
    panel.clear.click(lambda: state(asking=True), None, shown, **private)
    panel.no.click(lambda: state(), None, shown, **private)
    panel.yes.click(clear, None, shown, **private)
