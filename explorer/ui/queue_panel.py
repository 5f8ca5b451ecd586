"""The queue on the page: what waits, works and ended, and what can be done with each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.jobs import Place
from explorer.ui.forms import ui_errors
from explorer.ui.queue_markup import queue_list, summary_view

LOOK_SECONDS = 2.0
ENDED_SHOWN = 12
SUMMARY_HOURS = 24
# Rows are plain HTML; a click on one of their buttons tells Python which. A list that is
# written anew gives the keyboard back to the button that had it.
_TELL_ACTION = """
let held = "";
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) trigger("select", { id: button.dataset.id, action: button.dataset.action });
});
element.addEventListener("focusin", (event) => {
  const { id, action } = event.target.dataset;
  held = action ? `[data-id="${id}"][data-action="${action}"]` : "";
});
addEventListener("focusin", (event) => { if (!element.contains(event.target)) held = ""; });
new MutationObserver(() => {
  if (held && document.activeElement === document.body) element.querySelector(held)?.focus();
}).observe(element, { childList: true, subtree: true });
"""
Updates = dict[Component, Any]


@dataclass(frozen=True)
class QueuePanel:
    """The widgets of the panel."""

    rows: gr.HTML
    pause: gr.Button
    resume: gr.Button
    clear: gr.Button
    summary: gr.HTML
    opened: gr.Accordion
    timer: gr.Timer
    shown: gr.State
    """The job that the person wants to see above."""
    edited: gr.State
    """The job whose settings the person wants in the form."""


def build_queue_panel() -> QueuePanel:
    """Lay out the panel."""
    with gr.Column(elem_id="queue", elem_classes="x-panel"):
        with gr.Row(elem_classes="x-pager"):
            gr.HTML("<h2>Queue</h2>")
            pause = gr.Button("Pause all", size="sm", elem_id="queue-pause")
            resume = gr.Button("Resume all", size="sm", elem_id="queue-resume")
            clear = gr.Button("Clear ended", size="sm", elem_id="queue-clear")
        rows = gr.HTML(elem_id="queue-list", js_on_load=_TELL_ACTION)
        with gr.Accordion("The last 24 hours", open=False, elem_id="queue-summary") as opened:
            summary = gr.HTML()
    return QueuePanel(
        rows, pause, resume, clear, summary, opened, gr.Timer(LOOK_SECONDS), gr.State(""), gr.State("")
    )


def bind_queue_panel(explorer: Explorer, panel: QueuePanel, page: gr.Blocks) -> None:
    """Bind what the panel does alone; what it wants shown or edited is for the tab."""
    queue = explorer.queue
    last = gr.State("")

    def look(before: str) -> Any:
        with ui_errors():
            now = shown(explorer)
            return (gr.skip(), gr.skip()) if now == before else (now, now)

    def act(event: gr.EventData) -> Any:
        with ui_errors():
            job_id, action = str(event.id), str(event.action)
            wanted, edited = gr.skip(), gr.skip()
            if action == "show":
                wanted = queue.get(job_id).id
            elif action == "edit":
                # With the moment, so that the same job can be edited twice.
                edited = f"{queue.get(job_id).id} {datetime.now(UTC).isoformat()}"
            else:
                steer(explorer, job_id, action)
            now = shown(explorer)
            return now, now, wanted, edited

    def all_of(work: Callable[[], object]) -> Callable[[], tuple[str, str]]:
        def done() -> tuple[str, str]:
            with ui_errors():
                work()
                now = shown(explorer)
                return now, now

        return done

    def summarize() -> str:
        with ui_errors():
            return summary_view(explorer.summary(datetime.now(UTC) - timedelta(hours=SUMMARY_HOURS)))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    both = [panel.rows, last]
    gr.on([page.load, panel.timer.tick], look, last, both, queue=False, **quiet)
    panel.rows.select(act, None, [*both, panel.shown, panel.edited], **quiet)
    panel.pause.click(all_of(queue.pause_all), None, both, **quiet)
    panel.resume.click(all_of(queue.resume_all), None, both, **quiet)
    panel.clear.click(all_of(queue.clear), None, both, **quiet)
    panel.opened.expand(summarize, None, panel.summary, **quiet)


def shown(explorer: Explorer) -> str:
    """The list as it is now."""
    queue = explorer.queue
    ended = [job for job in queue.newest(50) if not job.active][:ENDED_SHOWN]
    return queue_list(queue.unfinished(), ended, following=queue.following)


def steer(explorer: Explorer, job_id: str, action: str) -> None:
    """Do with a job what its button says; an action that does not exist does nothing."""
    queue = explorer.queue
    if action in get_args(Place):
        queue.move(job_id, cast("Place", action))
        return
    actions: dict[str, Callable[[str], object]] = {
        "pause": queue.pause,
        "resume": queue.resume,
        "cancel": queue.cancel,
        "retry": queue.retry,
        "duplicate": queue.duplicate,
        "remove": queue.remove,
    }
    if action in actions:
        actions[action](job_id)
