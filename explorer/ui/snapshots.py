"""What the page shows about a job: one frozen picture of it, and the words for it.

Drawing and scoring are two jobs in the core; people see one piece of work. No gradio here.
"""

from dataclasses import dataclass
from html import escape

from explorer.api import Explorer
from explorer.errors import UnknownName
from explorer.events import Failed, time_left
from explorer.requests import ImageQuery
from explorer.types import Job, LeaderboardRow

NEWEST = 24
"""How many of the newest pictures a running job shows."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture with what stands below it."""

    image_id: str
    path: str
    caption: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job and the one that follows it, as they are now."""

    draw: Job | None
    score: Job | None
    pictures: tuple[Thumbnail, ...] = ()
    failures: tuple[Failed, ...] = ()
    notices: tuple[str, ...] = ()
    rows: tuple[LeaderboardRow, ...] = ()

    @property
    def current(self) -> Job:
        """The job that works, or the one that ended the work."""
        jobs = [job for job in (self.draw, self.score) if job is not None]
        for job in jobs:
            if job.active or job.state in ("failed", "cancelled"):
                return job
        return jobs[-1]

    @property
    def active(self) -> bool:
        """Whether anything is still to come."""
        return self.current.active

    @property
    def run(self) -> str:
        """The run it is about; empty until known."""
        return next((job.run for job in (self.draw, self.score) if job is not None and job.run), "")


def find_jobs(explorer: Explorer, job_id: str) -> tuple[Job | None, Job | None]:
    """The drawing job and the scoring job that belong together, from the id of either."""
    job = explorer.queue.get(job_id)
    if job.kind != "analyze":
        return job, next(iter(explorer.queue.followers(job.id)), None)
    try:
        return (explorer.queue.get(job.after) if job.after else None), job
    except UnknownName:
        return None, job  # it was cleared from the list


def run_of(explorer: Explorer, job_id: str) -> str:
    """The run a job fills or scores; empty until known."""
    return Snapshot(*find_jobs(explorer, job_id)).run if job_id else ""


def take(explorer: Explorer, job_id: str, before: Snapshot | None = None) -> Snapshot:
    """Look at a job; what cannot have changed is taken over from the picture before."""
    draw, score = find_jobs(explorer, job_id)
    snapshot = Snapshot(draw, score)
    if before is not None and (before.draw, before.score) == (draw, score):
        return before
    job, run = snapshot.current, snapshot.run
    moved = before is None or _count(before.draw) != _count(draw) or not snapshot.active
    pictures = newest(explorer, run) if run and moved else (before.pictures if before else ())
    return Snapshot(
        draw,
        score,
        pictures,
        tuple(failure for part in (draw, score) if part for failure in explorer.queue.failures(part.id)),
        tuple(text for part in (draw, score) if part for text in explorer.queue.notices(part.id)),
        tuple(explorer.leaderboard(run)) if run and job.state == "done" else (),
    )


def newest(explorer: Explorer, run: str) -> tuple[Thumbnail, ...]:
    """The latest pictures of a run."""
    page = explorer.images(ImageQuery(run=run, sort="newest", limit=NEWEST))
    return tuple(
        Thumbnail(
            image.id,
            str(explorer.thumbnail(image.id)),
            f"{image.recipe.model}, {image.recipe.prompt}, seed {image.recipe.seed}",
        )
        for image in page.images
    )


def status_html(snapshot: Snapshot) -> str:
    """State, progress and time left, in plain words and as a bar."""
    job = snapshot.current
    share = job.done / job.total if job.total else (1.0 if job.state == "done" else 0.0)
    inside = job.step / job.steps / job.total if job.active and job.steps and job.total else 0.0
    percent = min(100.0, 100 * (share + inside))
    parts: list[str] = []
    lines: list[str] = []
    if job.state == "running":
        step = f"step {job.step} of {job.steps}" if job.steps else ""
        first, *lines = job.message.split("\n")
        parts = [time_left(job.seconds_left), _rate(job), step, first]
    details = "".join(f"<span>{escape(text)}</span>" for text in parts if text)
    counts = "".join(f"<li>{escape(text)}</li>" for text in lines)
    counts = f'<ul class="x-tally">{counts}</ul>' if counts else ""
    return (
        f'<div class="x-job x-{escape(job.state)}" data-state="{escape(job.state)}" '
        f'data-percent="{percent:.0f}">'
        f'<div class="x-stages">{_stages(snapshot)}</div>'
        f'<h2>{escape(headline(snapshot))}</h2><p class="x-quiet">{escape((snapshot.draw or job).title)}</p>'
        f'<div class="x-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent:.0f}" aria-label="Progress"><i style="width:{percent:.1f}%"></i></div>'
        f'<p class="x-details">{details}</p>{counts}</div>'
    )


def headline(snapshot: Snapshot) -> str:
    """The state in one plain sentence."""
    job = snapshot.current
    if job.kind == "fetch":
        return _fetching(job)
    if job.kind == "import":
        return _taking(job)
    drawing = job.kind == "generate"
    count = f"{job.done} of {job.total}" if job.total else ""
    if job.state == "queued":
        return "Waiting for its turn" if drawing or snapshot.draw is None else "About to score the pictures"
    if job.state == "running":
        if drawing:
            return f"Drawing pictures: {count or 'getting ready'}"
        return f"Scoring: {f'{job.done:,} of {job.total:,} values' if job.total else 'getting ready'}"
    if job.state == "paused":
        return f"Paused{f' at {count}' if count else ''}. Resume goes on where it stopped."
    if job.state == "cancelled":
        return f"Stopped{f' at {count}' if count else ''}. What is done is kept; start again to continue."
    if job.state == "failed":
        return f"It could not go on: {job.error or 'the reason is in the log'}"
    failed = sum(part.failed for part in (snapshot.draw, snapshot.score) if part is not None)
    missing = f", {failed} not made (see below)" if failed else ""
    if snapshot.draw is None:
        return f"Done: scored{_computed(job)}{missing}"
    if snapshot.draw.kind == "import":
        files = "file" if snapshot.draw.failed == 1 else "files"
        lost = f", {snapshot.draw.failed:,} {files} not taken (see below)" if snapshot.draw.failed else ""
        return f"Done: {snapshot.draw.done - snapshot.draw.failed:,} pictures taken in and scored{lost}"
    scored = " and scored" if snapshot.score is not None else ""
    return f"Done: {snapshot.draw.done - snapshot.draw.failed} pictures drawn{scored}{missing}"


def _computed(job: Job) -> str:
    """How much of a scoring was new work."""
    if not job.done or job.made >= job.done:
        return ""
    return f", {job.made:,} of {job.done:,} values computed, the others known before"


def _taking(job: Job) -> str:
    count = f"{job.done:,} of {job.total:,}" if job.total else "looking"
    return {
        "queued": "Waiting for its turn",
        "running": f"Taking pictures in: {count}",
        "paused": f"Paused at {count}. Resume goes on where it stopped.",
        "cancelled": "Stopped. What was taken is kept; start again to continue.",
        "failed": f"The folder could not be taken in: {job.error or 'the reason is in the log'}",
    }.get(job.state, f"{job.done - job.failed:,} pictures taken in")


def _fetching(job: Job) -> str:
    count = f"{job.done:,} of {job.total:,} MB" if job.total else "looking it up"
    return {
        "queued": "Waiting for its turn",
        "running": f"Fetching: {count}",
        "paused": f"Paused at {count}. Resume goes on where it stopped.",
        "cancelled": "Stopped. What arrived is kept; fetch it again to continue.",
        "failed": f"It could not be fetched: {job.error or 'the reason is in the log'}",
    }.get(job.state, "Done: the model is in the list")


def _stages(snapshot: Snapshot) -> str:
    parts = []
    for name, job in (("Draw", snapshot.draw), ("Score", snapshot.score)):
        if job is not None and job.kind != "fetch":
            name = "Take in" if job.kind == "import" else name
            current = ' aria-current="step"' if job is snapshot.current and job.active else ""
            parts.append(f'<span class="x-phase x-{escape(job.state)}"{current}>{name}</span>')
    return "".join(parts)


def _rate(job: Job) -> str:
    if job.kind != "generate" or not job.seconds_left:
        return ""
    rate = 60 * (job.total - job.done) / job.seconds_left
    return f"{rate:.0f} pictures a minute" if rate >= 3 else f"{60 / rate:.0f} seconds a picture"


def _count(job: Job | None) -> int:
    return job.done if job is not None else -1
