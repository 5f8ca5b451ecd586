"""The job view: what a job is doing, its newest pictures, its problems and its results.

The page only follows: closing the tab ends `follow` and never touches the job.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.api import Explorer
from explorer.errors import InvalidRequest
from explorer.ui import markup
from explorer.ui.forms import ui_errors
from explorer.ui.results_view import Results, build_leaderboard, show_results
from explorer.ui.snapshots import Snapshot, find_jobs, status_html, take
from explorer.ui.widgets import build_grid

POLL_SECONDS = 0.25
PATIENCE = 8
"""How many times in a row a look at the job may fail."""
# Browsers ask only in answer to a click. The script of the page tells of the end.
_ASK_TO_NOTIFY = "() => window.askToNotify()"
Updates = dict[Component, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobView:
    """Widgets that together show one job."""

    panel: gr.Column
    status: gr.HTML
    cancel: gr.Button
    pause: gr.Button
    """Says and does the opposite while the job is paused."""
    retry: gr.Button
    problems: gr.HTML
    pictures: gr.Gallery | None
    results: Results | None
    open_gallery: gr.Button | None
    idle: gr.Column | None = None
    """Shown only while nothing is being done."""

    @property
    def outputs(self) -> list[Component]:
        """Every widget that following a job may change."""
        own = [self.panel, self.status, self.cancel, self.pause, self.retry, self.problems, self.pictures]
        results = self.results.outputs if self.results else []
        return [w for w in (*own, self.open_gallery, self.idle, *results) if w is not None]


def build_job_view(name: str, *, pictures: bool) -> JobView:
    """Lay out a job view.

    Args:
        name: Prefix of the elements' ids.
        pictures: Also show newest pictures and, at the end, the leaderboard.
    """
    with gr.Column(visible=False, elem_id=f"{name}-job", elem_classes="x-panel") as panel:
        status = gr.HTML(elem_id=f"{name}-status")
        with gr.Row(elem_classes="x-pager"):
            pause = gr.Button("Pause", size="sm", elem_id=f"{name}-pause")
            cancel = gr.Button("Cancel", variant="stop", size="sm", elem_id=f"{name}-cancel")
            retry = gr.Button("Try what is missing again", size="sm", visible=False, elem_id=f"{name}-retry")
            if pictures:
                notify = gr.Button("Tell me when it is done", size="sm", elem_id=f"{name}-notify")
                notify.click(None, None, None, js=_ASK_TO_NOTIFY, api_visibility="private")
        problems = gr.HTML(visible=False, elem_id=f"{name}-problems")
        results = build_leaderboard(name) if pictures else None
        open_gallery = None
        gallery = None
        if pictures:
            with gr.Row(elem_classes="x-pager"):
                gr.HTML("<h3>Newest pictures</h3>")
                open_gallery = gr.Button(
                    "Open in Gallery", size="sm", visible=False, elem_id=f"{name}-open-gallery"
                )
            gallery = build_grid(6, f"{name}-pictures", visible=False)
    return JobView(panel, status, cancel, pause, retry, problems, gallery, results, open_gallery)


async def follow(explorer: Explorer, view: JobView, job_id: str) -> AsyncIterator[Updates]:
    """Show a job until it ends, telling the page only what changed.

    Args:
        explorer: Where the job is.
        view: The widgets to update.
        job_id: Nothing is shown when empty.
    """
    before: Snapshot | None = None
    misses = 0
    while job_id:
        try:
            now = await asyncio.to_thread(take, explorer, job_id, before)
            updates = await asyncio.to_thread(render, explorer, view, before, now)
        except Exception as error:
            misses += 1
            if misses > PATIENCE or isinstance(error, InvalidRequest):
                with ui_errors():
                    raise
            # A page may follow for days; one busy moment of the disk must not freeze it.
            _log.warning("Could not look at job %s; trying again: %s", job_id, error)
        else:
            misses = 0
            if updates:
                yield updates
            if not now.active:
                return
            before = now
        await asyncio.sleep(POLL_SECONDS)


def render(explorer: Explorer, view: JobView, before: Snapshot | None, now: Snapshot) -> Updates:
    """The updates that lead from one snapshot to the next."""
    if before is now:
        return {}
    updates: Updates = {view.status: status_html(now)}
    if before is None:
        updates[view.panel] = gr.Column(visible=True)
    if before is None or _steering(before) != _steering(now):
        label, retry = _steering(now)
        updates[view.cancel] = gr.Button(visible=now.active)
        updates[view.pause] = gr.Button(label or "Pause", visible=bool(label))
        updates[view.retry] = gr.Button(visible=retry)
    if view.idle is not None and (before is None or before.active != now.active):
        updates[view.idle] = gr.Column(visible=not now.active)
    if before is None or (before.failures, before.notices) != (now.failures, now.notices):
        taken = now.draw is not None and now.draw.kind == "import"
        text = markup.problems(now.failures, now.notices, "Not taken" if taken else "Not made")
        updates[view.problems] = gr.HTML(text, visible=bool(text))
    if view.pictures is not None and (before is None or before.pictures != now.pictures):
        shown = [(picture.path, picture.caption) for picture in now.pictures]
        updates[view.pictures] = gr.Gallery(shown, visible=bool(shown))
    if view.open_gallery is not None and (before is None or bool(before.pictures) != bool(now.pictures)):
        updates[view.open_gallery] = gr.Button(visible=bool(now.pictures))
    if view.results is not None and (before is None or before.rows != now.rows):
        found = explorer.results(now.run) if now.rows else None
        updates.update(show_results(explorer, view.results, found))
    return updates


def _steering(snapshot: Snapshot) -> tuple[str, bool]:
    """What the pause button says, if anything, and whether there is something to try again."""
    job = snapshot.current
    if job.active:
        return ("Resume" if job.state == "paused" else "Pause"), False
    failed = any(part.failed for part in (snapshot.draw, snapshot.score) if part is not None)
    return "", failed or job.state != "done"


def bind_steering(explorer: Explorer, view: JobView, job: gr.State, watch: Callable[..., Any]) -> None:
    """Bind the buttons of a job view to the job it shows.

    Args:
        explorer: Where the job is.
        view: Whose buttons.
        job: Holds the id of the job.
        watch: Follows it into `view.outputs`; called again when it is tried again.
    """

    def does(work: Callable[[Explorer, str], None]) -> Callable[[str], None]:
        def done(job_id: str) -> None:
            with ui_errors():
                work(explorer, job_id)

        return done

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    view.cancel.click(does(cancel), job, None, queue=False, **private)
    view.pause.click(does(pause_or_resume), job, None, queue=False, **private)
    again = view.retry.click(does(retry), job, None, **private)
    again.success(watch, job, view.outputs, concurrency_limit=None, **private)


def pause_or_resume(explorer: Explorer, job_id: str) -> None:
    """Hold the work that a job is part of, or let it go on."""
    job = Snapshot(*find_jobs(explorer, job_id)).current
    (explorer.queue.resume if job.state == "paused" else explorer.queue.pause)(job.id)


def retry(explorer: Explorer, job_id: str) -> None:
    """Try again what the drawing, or else the scoring, did not make."""
    draw, score = find_jobs(explorer, job_id)
    job = draw or score
    if job is not None:
        explorer.queue.retry(job.id)


def cancel(explorer: Explorer, job_id: str) -> None:
    """Cancel a job and the one that waits for it, the later one first."""
    draw, score = find_jobs(explorer, job_id)
    for job in (score, draw):
        if job is not None and job.active:
            explorer.queue.cancel(job.id)


def job_to_show(explorer: Explorer, query: Mapping[str, str], stored: str) -> str:
    """Which job a page that has just opened should show; empty when there was none yet.

    The address wins, then work in progress (whoever started it), then what this browser
    saw last, then the newest job of all.
    """
    jobs = [job for job in explorer.queue.newest() if job.kind != "fetch"]
    known = {job.id for job in jobs}
    if query.get("job"):
        return query["job"]
    active = [job for job in explorer.queue.unfinished() if job.kind != "fetch"]
    if active:
        ids = [job.id for job in active]
        first = next((job.id for job in active if job.state == "running"), ids[0])
        return stored if stored in ids else first
    if stored in known:
        return stored
    return jobs[0].id if jobs else ""
