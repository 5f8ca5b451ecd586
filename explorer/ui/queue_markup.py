"""The queue and the summary as HTML: pure functions."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from explorer.events import time_left
from explorer.summaries import Ended, Summary
from explorer.types import Job
from explorer.ui.markup import notice, number

STATES = {
    "queued": "waits",
    "running": "works",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
KINDS = {"generate": "Draw", "analyze": "Score", "fetch": "Fetch", "import": "Take in"}
_STEER = {
    "queued": ("show", "first", "earlier", "later", "pause", "cancel"),
    "running": ("show", "pause", "cancel"),
    "paused": ("show", "resume", "first", "earlier", "later", "cancel"),
}
_LABELS = {
    "show": ("Show", "Show it above"),
    "first": ("⤒", "To the front of the queue"),
    "earlier": ("↑", "One earlier"),
    "later": ("↓", "One later"),
    "pause": ("Pause", "Hold it; its memory is freed"),
    "resume": ("Resume", "Let it go on"),
    "cancel": ("Cancel", "End it; what is done is kept"),
    "retry": ("Retry", "Try again what is not there"),
    "edit": ("Edit", "Put its settings into the form"),
    "duplicate": ("Again", "The same as a new job"),
    "remove": ("Clear", "Take it off this list; pictures stay"),
}


def queue_list(waiting: Sequence[Job], ended: Sequence[Job], *, following: bool) -> str:
    """Every job with what can be done with it; the order is that of the queue."""
    told = notice("Another program works on this workspace; this page follows it.") if following else ""
    if not waiting and not ended:
        return told + notice("Nothing waits. What you start is listed here and goes on without the page.")
    return told + _jobs("Now and next", waiting) + _jobs("Ended", ended)


def _jobs(title: str, jobs: Sequence[Job]) -> str:
    """Jobs as a list. Scoring that is nothing to steer by itself is told with its drawing."""
    shown = {job.id for job in jobs}
    scored = {job.after for job in jobs if job.after in shown}
    silent = ("queued", "done", "cancelled")
    rows = "".join(
        _job(job, scored=job.id in scored) for job in jobs if not (job.after in shown and job.state in silent)
    )
    return f'<h3>{title}</h3><ul class="x-jobs">{rows}</ul>' if rows else ""


def _job(job: Job, *, scored: bool) -> str:
    share = 100 * job.done / job.total if job.total else 0
    bar = f'<div class="x-bar"><i style="width:{share:.1f}%"></i></div>' if job.active and job.done else ""
    return (
        f'<li class="x-entry x-{escape(job.state)}"><div><b>{escape(job.title)}</b>'
        f"<small>{escape(_standing(job, scored=scored))}</small>{bar}</div>"
        f'<div class="x-steer">{"".join(_button(action, job) for action in actions(job))}</div></li>'
    )


def actions(job: Job) -> tuple[str, ...]:
    """What can be done with a job as it stands."""
    if job.active:
        return _STEER[job.state]
    retry = ("retry",) if job.failed or job.state != "done" else ()
    edit = ("edit",) if job.kind == "generate" else ()
    return ("show", *retry, *edit, "duplicate", "remove")


def _button(action: str, job: Job) -> str:
    text, meaning = _LABELS[action]
    return (
        f'<button type="button" data-action="{action}" data-id="{escape(job.id)}" title="{meaning}" '
        f'aria-label="{escape(f"{meaning}: {job.title}")}">{text}</button>'
    )


def _standing(job: Job, *, scored: bool) -> str:
    """Where a job stands, in a few words."""
    kind = f"{KINDS[job.kind]} and score" if scored else KINDS[job.kind]
    count = f"{job.done:,} of {job.total:,}" if job.total and (job.active or job.done) else ""
    failed = f"{job.failed:,} not made" if job.failed else ""
    left = time_left(job.seconds_left) if job.state == "running" else ""
    first = "goes first" if job.priority > 0 and job.active else ""
    after = "after its pictures" if job.state == "queued" and job.after else ""
    reason = (job.error or "")[:160] if job.state == "failed" else ""
    ended = moment(job.ended) if job.ended and not job.active else ""
    parts = (f"{kind}: {STATES[job.state]}", count, failed, left, first, after, reason, ended)
    return ", ".join(part for part in parts if part)


def summary_view(summary: Summary) -> str:
    """What ended, what failed and why, how long it took, and who leads."""
    if not summary.ended:
        return notice("Nothing ended in the last 24 hours.")
    tiles = [
        (summary.pictures, "pictures drawn"),
        (summary.count("done"), "jobs done"),
        (summary.count("failed"), "failed"),
        (summary.count("cancelled"), "cancelled"),
        (summary.waiting, "still to do"),
    ]
    shown = "".join(f"<li><b>{count:,}</b> {escape(name)}</li>" for count, name in tiles if count)
    rows = "".join(_ended(job) for job in reversed(summary.ended))
    return f'<ul class="x-tiles">{shown}</ul><ul class="x-jobs">{rows}</ul>'


def _ended(job: Ended) -> str:
    what = {"generate": f"{job.made:,} drawn", "analyze": f"{job.made:,} scored"}.get(job.kind, "")
    facts = ", ".join(part for part in (STATES[job.state], what, duration(job.seconds)) if part)
    reasons = "".join(
        f'<p class="x-reason">{escape(f"{reason.times:,} x " if reason.times > 1 else "")}'
        f"{escape(reason.text)}</p>"
        for reason in job.reasons
    )
    best = "".join(
        f"<p>{escape(row.model)}: {number(row.mean)} <small>{escape(row.metric)}</small></p>"
        for row in job.best
        if row.mean is not None
    )
    link = f' <a href="?job={escape(job.job)}">Leaderboard</a>' if job.best else ""
    return (
        f'<li class="x-entry x-{escape(job.state)}"><div><b>{escape(job.title)}</b>'
        f"<small>{escape(facts)}{link}</small>{reasons}{best}</div></li>"
    )


def moment(text: str) -> str:
    """A moment as it is stored, in the time of this machine."""
    return datetime.fromisoformat(text).astimezone().strftime("%d %b %H:%M")


def duration(seconds: float) -> str:
    """How long something took, as a person would say it."""
    if seconds < 1:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
