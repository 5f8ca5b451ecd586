"""Named endpoints for gradio_client that follow and steer the queue."""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from explorer.api import Explorer
from explorer.batches import parse_batch
from explorer.ui.forms import ui_errors

Record = dict[str, Any]


def job_endpoints(explorer: Explorer) -> list[Callable[..., Any]]:
    """One function each; their docstrings become the API page."""
    return [*_watching(explorer), *_steering(explorer), *_plans(explorer)]


def _watching(explorer: Explorer) -> list[Callable[..., Any]]:
    queue = explorer.queue

    def job(job_id: str) -> Record:
        """How a job stands.

        Args:
            job_id: As /generate or /analyze returned it.

        Returns:
            state (queued, running, paused, done, failed or cancelled), done of total, seconds_left,
            run, error; and failures and notices as lists.
        """
        with ui_errors():
            return {
                **queue.get(job_id).to_dict(),
                "failures": [asdict(failure) for failure in queue.failures(job_id)],
                "notices": queue.notices(job_id),
            }

    async def watch_job(job_id: str) -> AsyncIterator[Record]:
        """Follow a job: one record whenever something changes, until it has ended.

        Args:
            job_id: As /generate or /analyze returned it.

        Returns:
            The job as /job gives it, without failures and notices.
        """
        with ui_errors():
            async for now in queue.watch(job_id):
                yield now.to_dict()

    def jobs() -> list[Record]:
        """The queue.

        Returns:
            What waits, works or is paused in the order of the queue, then the latest that ended.
        """
        with ui_errors():
            ended = [job for job in queue.newest(50) if not job.active]
            return [job.to_dict() for job in (*queue.unfinished(), *ended)]

    def summary(hours: float = 24) -> Record:
        """What ended in the last hours.

        Args:
            hours: How far back to look.

        Returns:
            pictures, done, failed, cancelled, waiting, and ended: title, state, seconds, made, failed,
            reasons (text, times) and best (leaderboard rows) of each job.
        """
        with ui_errors():
            return explorer.summary(datetime.now(UTC) - timedelta(hours=hours)).to_dict()

    return [job, watch_job, jobs, summary]


def _steering(explorer: Explorer) -> list[Callable[..., Any]]:
    queue = explorer.queue

    def cancel_job(job_id: str) -> Record:
        """Stop a job, and those that wait for it, within one denoising step.

        Args:
            job_id: As /generate or /analyze returned it.

        Returns:
            The job as /job gives it. What was finished stays.
        """
        with ui_errors():
            return queue.cancel(job_id).to_dict()

    def pause_job(job_id: str) -> Record:
        """Hold a job within one denoising step, and free its memory.

        Args:
            job_id: As /generate or /analyze returned it.

        Returns:
            The job as /job gives it.
        """
        with ui_errors():
            return queue.pause(job_id).to_dict()

    def resume_job(job_id: str) -> Record:
        """Let a paused job go on; what it made is not made again.

        Args:
            job_id: Of a paused job.

        Returns:
            The job as /job gives it.
        """
        with ui_errors():
            return queue.resume(job_id).to_dict()

    def retry_job(job_id: str) -> Record:
        """Try again what an ended job did not make; its scoring follows once more.

        Args:
            job_id: Of a job that has ended.

        Returns:
            The job as /job gives it.
        """
        with ui_errors():
            return queue.retry(job_id).to_dict()

    def move_job(job_id: str, place: str = "first") -> Record:
        """Change when a job has its turn; its scoring moves along.

        Args:
            job_id: Of a job that has not ended.
            place: first, earlier, later or last.

        Returns:
            The job as /job gives it.
        """
        with ui_errors():
            queue.move(job_id, place)  # type: ignore[arg-type]
            return queue.get(job_id).to_dict()

    def prioritize_job(job_id: str, priority: int = 1) -> Record:
        """Let a job go before all of lower priority, also before those that come later.

        Args:
            job_id: Of a job that has not ended.
            priority: Higher goes first; 0 is usual.

        Returns:
            The job as /job gives it.
        """
        with ui_errors():
            queue.prioritize(job_id, priority)
            return queue.get(job_id).to_dict()

    return [cancel_job, pause_job, resume_job, retry_job, move_job, prioritize_job]


def _plans(explorer: Explorer) -> list[Callable[..., Any]]:
    def preview_plan(plan: str) -> list[Record]:
        """What a plan would take; starts nothing.

        Args:
            plan: The text of a plan file (YAML), as the page saves it.

        Returns:
            One record a suite: cells, there, todo, seconds, disk_bytes, free_bytes, and models with the
            same of each.
        """
        with ui_errors():
            return [explorer.preview(request).to_dict() for request in parse_batch(plan).requests]

    def submit_plan(plan: str) -> list[str]:
        """Queue everything a plan asks for.

        Args:
            plan: The text of a plan file (YAML), as the page saves it.

        Returns:
            The ids of the drawing jobs, one a suite; their scoring follows by itself.
        """
        with ui_errors():
            return [job.id for job in explorer.queue.submit_batch(parse_batch(plan))]

    return [preview_plan, submit_plan]
