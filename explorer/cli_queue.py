"""The `queue` command: look at the queue, steer it, and work it off without a page."""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from explorer.api import Explorer
from explorer.batches import read_batch
from explorer.errors import InvalidRequest
from explorer.events import time_left
from explorer.summaries import Summary

LOOK_SECONDS = 0.5
STEERING = ("pause", "resume", "cancel", "retry", "duplicate", "remove")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "add", "work", "summary", "clear", *STEERING),
        help="list (the default); add PLAN.yaml; work: do all that waits, then end; "
        "summary of the last hours; clear what has ended; or steer one job by its id",
    )
    parser.add_argument("target", nargs="?", default="", metavar="ID|PLAN", help="a job's id, or a plan file")
    parser.add_argument("--hours", type=float, default=24.0, help="how far back the summary looks (24)")
    parser.add_argument("--json", action="store_true", help="list and summary as JSON")


def queue(explorer: Explorer, arguments: Namespace) -> int:
    """Do one action; returns the exit status."""
    action, target = arguments.action, arguments.target
    if action in ("add", *STEERING) and not target:
        raise InvalidRequest(
            f"`queue {action}` needs {'a plan file' if action == 'add' else 'the id of a job'}."
        )
    if action == "list":
        return _list(explorer, as_json=arguments.json)
    if action == "summary":
        since = datetime.now(UTC) - timedelta(hours=arguments.hours)
        return _summary(explorer.summary(since), as_json=arguments.json)
    if action == "work":
        return _work(explorer)
    if action == "clear":
        print(f"{explorer.queue.clear()} jobs cleared")
    elif action == "add":
        for job in explorer.queue.submit_batch(read_batch(Path(target))):
            print(job.id, job.title)
    elif action == "remove":
        explorer.queue.remove(target)
    else:
        job = getattr(explorer.queue, action)(target)
        print(job.id, job.state, job.title)
    return 0


def _list(explorer: Explorer, *, as_json: bool) -> int:
    waiting = explorer.queue.unfinished()
    ended = [job for job in explorer.queue.newest(50) if not job.active]
    if as_json:
        json.dump([job.to_dict() for job in (*waiting, *ended)], sys.stdout, indent=1, ensure_ascii=False)
        print()
        return 0
    table = Table("Id", "What", "State", "Done", "Failed", "Left")
    for job in (*waiting, *ended):
        count = f"{job.done} of {job.total}" if job.total else ""
        left = time_left(job.seconds_left) if job.state == "running" else ""
        table.add_row(job.id, Text(job.title), job.state, count, str(job.failed or ""), left)
    Console().print(table if table.rows else "The queue is empty.")
    return 0


def _work(explorer: Explorer) -> int:
    """Work until nothing waits any more. Paused jobs stay."""
    began = datetime.now(UTC)
    console = Console(stderr=True)
    title, left = TextColumn("{task.description}"), TextColumn("{task.fields[left]}")
    explorer.start()
    with Progress(title, BarColumn(), MofNCompleteColumn(), left, console=console) as bar:
        task = bar.add_task("", total=None, left="")
        while jobs := [job for job in explorer.queue.unfinished() if job.state != "paused"]:
            job = next((job for job in jobs if job.state == "running"), jobs[0])
            name = job.title if len(job.title) <= 40 else f"{job.title[:39]}…"
            more = f" (+{len(jobs) - 1})" if len(jobs) > 1 else ""
            bar.update(
                task,
                description=name + more,
                completed=job.done,
                total=job.total or None,
                left=time_left(job.seconds_left),
            )
            time.sleep(LOOK_SECONDS)
    summary = explorer.summary(began)
    _summary(summary, as_json=False)
    return 1 if summary.count("failed") or any(job.failed for job in summary.ended) else 0


def _summary(summary: Summary, *, as_json: bool) -> int:
    if as_json:
        json.dump(summary.to_dict(), sys.stdout, indent=1, ensure_ascii=False)
        print()
        return 0
    console = Console()
    counts = (("done", "done"), ("failed", "failed"), ("cancelled", "cancelled"))
    told = [f"{summary.count(state)} {word}" for state, word in counts if summary.count(state)]
    console.print(f"{summary.pictures} pictures drawn; jobs: {', '.join(told) or 'none ended'}.")
    for job in summary.ended:
        console.print(Text(f"{job.state:9}  {job.title}  ({_duration(job.seconds)}, {job.made} made)"))
        for reason in job.reasons:
            console.print(Text(f"           {reason.times} x {reason.text}", style="red"))
        for row in job.best:
            console.print(Text(f"           {row.metric}: {row.model} {row.mean:.2f}"))
    return 0


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
