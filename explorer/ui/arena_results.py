"""Below a round: what all votes say, who voted, which metric to believe, and votes as files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.ballots import Scope
from explorer.errors import ExplorerError, InvalidRequest
from explorer.ui import arena_results_markup as results_markup
from explorer.ui.arena_charts import history_figure
from explorer.ui.forms import ui_errors
from explorer.ui.picture_view import PictureView, build_picture_view, show_picture
from explorer.ui.widgets import Choices, build_delivery

Updates = dict[Component, Any]
MAX_FILE_BYTES = 200 << 20
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_TELL_PICTURE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-picture]");
  if (button) trigger("select", { id: button.dataset.picture });
});
"""
_GO = """() => setTimeout(() => {
  document.getElementById("arena-picture")?.scrollIntoView({ block: "start" });
  document.getElementById("arena-picture-close")?.focus({ preventScroll: true });
}, 60)"""


@dataclass(frozen=True)
class ArenaResults:
    """The widgets of the panel."""

    explorer: Explorer
    ratings: gr.HTML
    alike: gr.Checkbox
    """Whether voters who stand out are left out."""
    matrix: gr.HTML
    voters: gr.HTML
    history: gr.Plot
    trust: gr.HTML
    metric: gr.Dropdown
    conflicts: gr.HTML
    picture: PictureView
    save: gr.Button
    save_csv: gr.Button
    take: gr.UploadButton
    delivery: gr.DownloadButton
    deliver: str

    @property
    def outputs(self) -> list[Component]:
        """What shows the votes."""
        return [self.ratings, self.matrix, self.voters, self.history, self.trust, self.metric, self.conflicts]

    def show(self, scope: Scope, metric: str | None) -> Updates:
        """Everything that the votes of a scope say."""
        arena = self.explorer.arena
        names = {card.id: card.name for card in self.explorer.metrics()}
        found = arena.standings(scope)
        believed = arena.trust(scope)
        choices: Choices = [
            (f"{names.get(each.metric, each.metric)} ({each.tier})", f"{each.metric} {each.tier}")
            for each in believed
        ]
        values = [value for _, value in choices]
        metric = metric if metric in values else (values[0] if values else None)
        return {
            self.ratings: "<h2>What the votes say</h2>"
            + results_markup.ratings(found)
            + results_markup.gaps(found)
            + results_markup.stars(arena.stars(scope)),
            self.matrix: results_markup.matrix(*arena.matrix(scope)),
            self.voters: results_markup.voters(arena.voters(replace(scope, without_voters=()))),
            self.history: history_figure(*arena.history(scope)),
            self.trust: results_markup.trust(believed, names),
            self.metric: gr.Dropdown(choices, value=metric, visible=bool(choices)),
            self.conflicts: self.contradictions(scope, metric),
        }

    def contradictions(self, scope: Scope, metric: str | None) -> str:
        """The votes that one metric, "id tier", contradicts most."""
        if not metric:
            return ""
        name, tier = metric.split(" ", 1)
        found = self.explorer.arena.conflicts(name, tier, scope)
        return results_markup.conflicts(found, metric, self._thumbnail)

    def without(self, scope: Scope) -> Scope:
        """The same scope without voters who stand out."""
        reports = self.explorer.arena.voters(scope)
        return replace(scope, without_voters=tuple(each.voter for each in reports if each.flags))

    def _thumbnail(self, image_id: str) -> str:
        try:
            return f"/gradio_api/file={quote(str(self.explorer.thumbnail(image_id).resolve()))}"
        except (ExplorerError, OSError):
            return ""  # votes outlive their pictures


def build_results(explorer: Explorer) -> ArenaResults:
    """Lay the panel out."""
    ratings = gr.HTML(elem_id="arena-ratings")
    with gr.Accordion("Table of wins", open=False, elem_id="arena-wins"):
        matrix = gr.HTML(elem_id="arena-matrix")
    with gr.Accordion("Which metric to believe", open=False, elem_id="arena-believe"):
        trust = gr.HTML(elem_id="arena-trust")
        metric = gr.Dropdown(
            [], label="Votes that this metric contradicts most", visible=False, elem_id="arena-metric"
        )
        conflicts = gr.HTML(elem_id="arena-conflicts", js_on_load=_TELL_PICTURE)
        picture = build_picture_view("arena-picture", "Close picture")
    with gr.Accordion("Voters", open=False, elem_id="arena-who"):
        voters = gr.HTML(elem_id="arena-voters")
        alike = gr.Checkbox(
            False,
            label="Do not count the votes of those who stand out",
            container=False,
            elem_id="arena-alike",
        )
    with gr.Accordion("How it came about: Elo vote by vote", open=False, elem_id="arena-past"):
        gr.HTML(
            '<p class="x-quiet">History only: Elo depends on the order of the votes, '
            "the ratings above do not.</p>"
        )
        history = gr.Plot(show_label=False, container=False, elem_id="arena-history")
    with gr.Row(elem_classes="x-pager"):
        save = gr.Button("Save votes", size="sm", scale=0, elem_id="arena-save")
        save_csv = gr.Button("Save as CSV", size="sm", scale=0, elem_id="arena-save-csv")
        take = gr.UploadButton(
            "Take in votes", size="sm", scale=0, file_types=[".jsonl"], elem_id="arena-take"
        )
    delivery, deliver = build_delivery("arena-delivery")
    return ArenaResults(
        explorer,
        ratings,
        alike,
        matrix,
        voters,
        history,
        trust,
        metric,
        conflicts,
        picture,
        save,
        save_csv,
        take,
        delivery,
        deliver,
    )


def bind_results(
    panel: ArenaResults,
    scope_widgets: Sequence[Component],
    events: Sequence[Any],
) -> None:
    """Bring the panel up to date after each of these events, and bind its own.

    Args:
        panel: The widgets.
        scope_widgets: Pickers of run, suite, category and models.
        events: What may have changed the votes or the scope.
    """
    arena = panel.explorer.arena

    def scope_of(run: str, suite: str, category: str, models: list[str] | None, alike: bool) -> Scope:
        scope = Scope(tuple(models or ()), run or "", suite or "", category or "")
        return panel.without(scope) if alike else scope

    def show(*values: Any) -> Updates:
        with ui_errors():
            *parts, metric = values
            return panel.show(scope_of(*parts), metric)

    def contradict(*values: Any) -> str:
        with ui_errors():
            *parts, metric = values
            return panel.contradictions(scope_of(*parts), metric)

    def save(ending: str) -> str:
        with ui_errors():
            folder = panel.explorer.settings.exports
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"votes.{ending}"
            path.write_bytes(arena.export_votes(csv=ending == "csv"))
            return str(path)

    def take(file: str) -> None:
        with ui_errors():
            path = Path(file)
            if path.stat().st_size > MAX_FILE_BYTES:
                raise InvalidRequest(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB.")
            new = arena.import_votes(path.read_bytes(), path.name)
            gr.Info(f"{new:,} new votes taken in." if new else "These votes are all here already.")

    def open_picture(event: gr.EventData) -> Updates:
        with ui_errors():
            return show_picture(panel.explorer, panel.picture, str(event.id), "")

    inputs = [*scope_widgets, panel.alike, panel.metric]
    taken = panel.take.upload(take, panel.take, None, **_PRIVATE)
    for event in (*events, taken):
        # Votes come faster than this may take: the last one must not be passed over.
        event.success(show, inputs, panel.outputs, trigger_mode="always_last", **_PRIVATE)
    panel.alike.input(show, inputs, panel.outputs, **_PRIVATE)
    panel.metric.input(contradict, inputs, panel.conflicts, **_PRIVATE)
    for button, ending in ((panel.save, "jsonl"), (panel.save_csv, "csv")):
        saved = button.click(lambda ending=ending: save(ending), None, panel.delivery, **_PRIVATE)
        saved.success(None, None, None, js=panel.deliver, **_PRIVATE)
    opening = panel.conflicts.select(open_picture, None, panel.picture.outputs, **_PRIVATE)
    opening.success(None, None, None, js=_GO, **_PRIVATE)
    panel.picture.close.click(lambda: gr.Column(visible=False), None, panel.picture.panel, **_PRIVATE)
