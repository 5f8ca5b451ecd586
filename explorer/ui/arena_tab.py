"""The Arena tab: a round of blind votes, and below it what all votes say.

A session holds ids and names of blind copies only. Whose the pictures are is asked of the
Explorer once there is a vote.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.ballots import Kind, PairRequest, Scope, Shown
from explorer.casting import Answer, voter_name
from explorer.errors import InvalidRequest
from explorer.ui import arena_markup, markup
from explorer.ui.arena_results import ArenaResults, bind_results, build_results
from explorer.ui.forms import FormData, ui_errors
from explorer.ui.widgets import ALL, Choices, metric_choices, run_choices

Updates = dict[Component, Any]
FEW_VOTES = 2_000
"""From here on, what the votes say is brought up to date with every tenth vote only."""
KINDS: list[tuple[str, Kind]] = [
    ("Two pictures", "pair"),
    ("Best of several", "best"),
    ("One picture, 1 to 5", "rate"),
]
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# Each button of the stage carries its answer; a second click before the next pair says nothing.
_TELL_CHOICE = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-choice]");
  if (!button || button.disabled) return;
  for (const each of element.querySelectorAll("button[data-choice]")) each.disabled = true;
  trigger("select", { choice: button.dataset.choice });
});
window.watchArena?.(element);
"""
_SPEAK = 'element.setAttribute("role", "status"); element.setAttribute("aria-live", "polite");'


@dataclass(frozen=True)
class Round:
    """Where a voter stands."""

    request: PairRequest | None = None
    now: Shown | None = None
    ahead: Shown | None = None
    last: str = ""
    """Id of the last ballot, which can be taken back."""
    revealed: bool = False
    """Whether the vote on `now` is in."""
    votes: int = 0


@dataclass(frozen=True)
class ArenaForm:
    """The widgets of a `PairRequest`."""

    kind: gr.Radio
    voter: gr.Textbox
    run: gr.Dropdown
    models: gr.Dropdown
    suite: gr.Dropdown
    category: gr.Dropdown
    start_metric: gr.Dropdown
    count: gr.Number

    @property
    def all(self) -> list[Component]:
        """Every widget of the form."""
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(frozen=True)
class ArenaTab:
    """The widgets of the tab."""

    explorer: Explorer
    form: ArenaForm
    state: gr.State
    remembered: gr.BrowserState
    stage: gr.HTML
    said: gr.HTML
    results: ArenaResults
    events: dict[str, Any] = field(default_factory=dict)

    def address(self, file: str) -> str:
        """Where a blind copy is served."""
        return f"/gradio_api/file={quote(str((self.explorer.arena.copies.folder / file).resolve()))}"

    def deal(self, request: PairRequest, votes: int = 0) -> Updates:
        """Begin a round: a first pair, and the one after it."""
        try:
            now = self.explorer.arena.next(request)
        except InvalidRequest as error:
            return {self.state: Round(request, votes=votes), self.stage: arena_markup.empty(str(error))}
        state = Round(request, now, self._ahead(request, now), votes=votes)
        return {self.state: state, self.stage: self._stage(state)}

    def step(self, state: Round, said: str = "") -> Updates:
        """Show what was loaded ahead, and load what comes after it."""
        if state.request is None or state.ahead is None:
            dealt = self.deal(state.request, state.votes) if state.request else {}
            kept = replace(dealt[self.state], last=state.last) if dealt else state
            return {**dealt, self.state: kept, self.said: markup.notice(said)}
        now = state.ahead
        state = replace(state, now=now, ahead=self._ahead(state.request, now), revealed=False)
        return {self.state: state, self.stage: self._stage(state), self.said: markup.notice(said)}

    def answer(self, state: Round, choice: str, voter: str) -> Updates:
        """What a button of the stage asks for."""
        if choice == "undo":
            return self._undo(state)
        if choice == "next" or state.revealed or state.now is None:
            return self.step(state)
        asked = state.now
        verdict = self.explorer.arena.vote(Answer(asked.id, choice, voter))
        state = replace(state, last=verdict.ballot, votes=state.votes + 1)
        if choice == "skip":
            return self.step(replace(state, last=""), "Skipped.")
        return {
            self.state: replace(state, revealed=True),
            self.stage: arena_markup.reveal(asked, verdict, state.ahead, self.address),
            self.said: arena_markup.said(asked, verdict),
        }

    def _undo(self, state: Round) -> Updates:
        if not state.last:
            return {self.said: markup.notice("There is no vote of this visit to take back.")}
        self.explorer.arena.undo(state.last)
        state = replace(state, last="")
        said = "Taken back: the vote counts no more. You know its names now, so its pair does not come again."
        if state.revealed or state.now is None:
            return self.step(state, said)
        return {self.state: state, self.stage: self._stage(state), self.said: markup.notice(said)}

    def _stage(self, state: Round) -> str:
        assert state.now is not None  # noqa: S101 (callers have just dealt it)
        return arena_markup.stage(state.now, state.ahead, self.address, can_undo=bool(state.last))

    def _ahead(self, request: PairRequest, now: Shown) -> Shown | None:
        try:
            return self.explorer.arena.next(replace(request, avoid=(now.id,)))
        except InvalidRequest:
            return None  # this is the last one; the next step says so

    def request(self, data: FormData) -> PairRequest:
        """What the filled-in form asks for."""
        form = self.form
        scope = Scope(
            models=tuple(data[form.models] or ()),
            run=data[form.run] or "",
            suite=data[form.suite] or "",
            category=data[form.category] or "",
        )
        return PairRequest(
            voter=voter_name(data[form.voter] or ""),
            scope=scope,
            kind=data[form.kind],
            count=int(data[form.count] or 2),
            start_metric=data[form.start_metric] or "",
            ahead=True,
        )

    def pickers(self, data: FormData) -> Updates:
        """The pickers, with what there is now; what was chosen stays if it is still there."""
        runs = self.explorer.runs()
        run = next((each for each in runs if each.id == data[self.form.run]), None)
        within = [run] if run else runs
        return {
            self.form.run: gr.Dropdown(
                [("Every run", ALL), *run_choices(runs)], value=run.id if run else ALL
            ),
            self.form.models: _kept(sorted({m for r in within for m in r.models}), data[self.form.models]),
            self.form.suite: _one("Every suite", {r.suite for r in within}, data[self.form.suite]),
            self.form.category: _one(
                "Every category", {c for r in within for c in r.categories}, data[self.form.category]
            ),
        }


def _kept(names: list[str], chosen: list[str] | None) -> gr.Dropdown:
    return gr.Dropdown(names, value=[name for name in chosen or () if name in names])


def _one(everything: str, names: set[str], chosen: str | None) -> gr.Dropdown:
    choices: Choices = [(everything, ALL), *((name, name) for name in sorted(names - {""}))]
    return gr.Dropdown(choices, value=chosen if chosen in names else ALL)


def build_arena_tab(explorer: Explorer, tab: gr.Tab) -> ArenaTab:
    """Lay out the tab and bind its events."""
    state = gr.State(Round())
    # The secret keeps nothing secret: without a fixed one, names are forgotten when the program restarts.
    remembered = gr.BrowserState("", storage_key="arena-voter", secret="arena")  # noqa: S106
    form = _build_form(explorer)
    stage = gr.HTML(elem_id="arena-stage", js_on_load=_TELL_CHOICE)
    said = gr.HTML(elem_id="arena-said", js_on_load=_SPEAK)
    results = build_results(explorer)
    built = ArenaTab(explorer, form, state, remembered, stage, said, results)
    _bind(built, tab)
    return built


def _build_form(explorer: Explorer) -> ArenaForm:
    with gr.Row(elem_classes="x-pickers x-arena-head"):
        kind = gr.Radio(KINDS, value="pair", show_label=False, container=False, elem_id="arena-kind")
        gr.HTML(
            '<label class="x-auto"><input type="checkbox" id="arena-auto" checked> Go on by itself</label>'
        )
    with gr.Accordion("What to vote on, and who votes", open=False, elem_id="arena-what"):
        with gr.Row(elem_classes="x-pickers"):
            voter = gr.Textbox(label="Your name (any will do)", max_lines=1, elem_id="arena-voter")
            run = gr.Dropdown([("Every run", ALL)], value=ALL, label="Run", elem_id="arena-run")
            models = gr.Dropdown([], multiselect=True, label="Models (all, if none)", elem_id="arena-models")
        with gr.Row(elem_classes="x-pickers"):
            suite = gr.Dropdown([("Every suite", ALL)], value=ALL, label="Suite", elem_id="arena-suite")
            category = gr.Dropdown(
                [("Every category", ALL)], value=ALL, label="Category", elem_id="arena-category"
            )
            start = gr.Dropdown(
                [("Nothing", ALL), *metric_choices(explorer)],
                value=ALL,
                label="Where there are no votes, begin with the scores of",
                elem_id="arena-start",
            )
            count = gr.Number(3, label="Best of", minimum=2, maximum=6, precision=0, elem_id="arena-count")
    return ArenaForm(kind, voter, run, models, suite, category, start, count)


def _bind(tab: ArenaTab, selected: gr.Tab) -> None:
    form = tab.form
    inputs: set[Component] = {*form.all, tab.state}

    def enter(data: FormData) -> Updates:
        with ui_errors():
            name = voter_name(data[form.voter] or data[tab.remembered] or "")
            updates = tab.pickers(data)
            state: Round = data[tab.state]
            if state.now is None:
                updates |= tab.deal(replace(tab.request(data), voter=name))
            return {**updates, form.voter: name, tab.remembered: name}

    def choose(data: FormData) -> Updates:
        with ui_errors():
            return {**tab.deal(tab.request(data), data[tab.state].votes), tab.said: ""}

    def choose_run(data: FormData) -> Updates:
        with ui_errors():
            pickers = tab.pickers(data)
            run = {**data, form.models: [], form.suite: ALL, form.category: ALL}
            return {**pickers, **tab.deal(tab.request(run), data[tab.state].votes), tab.said: ""}

    def rename(data: FormData) -> Updates:
        with ui_errors():
            name = voter_name(data[form.voter] or "")
            state: Round = data[tab.state]
            request = replace(state.request, voter=name) if state.request else None
            return {form.voter: name, tab.remembered: name, tab.state: replace(state, request=request)}

    def answer(state: Round, voter: str, event: gr.EventData) -> Updates:
        with ui_errors():
            return tab.answer(state, str(event.choice), voter)

    shown = [tab.state, tab.stage, tab.said]
    pickers = [form.run, form.models, form.suite, form.category]
    entered = selected.select(
        enter, {*inputs, tab.remembered}, [*shown, *pickers, form.voter, tab.remembered], **_PRIVATE
    )
    changed = [
        form.run.input(choose_run, inputs, [*shown, *pickers], **_PRIVATE),
        *(
            widget.input(choose, inputs, shown, **_PRIVATE)
            for widget in (form.kind, form.models, form.suite, form.category, form.start_metric)
        ),
        form.count.submit(choose, inputs, shown, **_PRIVATE),
    ]
    for event in (form.voter.submit, form.voter.blur):
        event(rename, {form.voter, tab.state}, [form.voter, tab.remembered, tab.state], **_PRIVATE)
    answered = tab.stage.select(
        answer, [tab.state, form.voter], shown, trigger_mode="multiple", concurrency_limit=None, **_PRIVATE
    )
    answered.failure(None, None, None, js="() => window.freeArena?.()", **_PRIVATE)
    scope = [form.run, form.suite, form.category, form.models]
    bind_results(tab.results, scope, [entered, *changed, answered])
