"""What happened while nobody looked: the jobs that ended, what failed and why, who leads."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from explorer.errors import ExplorerError
from explorer.events import Failed
from explorer.jobs import Queue
from explorer.types import Job, LeaderboardRow

BEST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was not made, and how often."""

    text: str
    times: int


@dataclass(frozen=True, slots=True)
class Ended:
    """One piece of work that came to its end."""

    job: str
    kind: str
    title: str
    state: str
    run: str
    ended: str
    seconds: float
    """From its start to its end, pauses included."""
    made: int
    failed: int
    reasons: tuple[Reason, ...]
    """The most frequent first."""
    best: tuple[LeaderboardRow, ...]
    """Of a scored run."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened since a moment."""

    since: str
    """ISO 8601, UTC."""
    ended: tuple[Ended, ...]
    """In the order in which they ended."""
    waiting: int
    """Jobs that still wait, work or are paused."""

    @property
    def pictures(self) -> int:
        """Pictures drawn in that time."""
        return sum(job.made for job in self.ended if job.kind == "generate")

    def count(self, *states: str) -> int:
        """How many jobs ended in one of these states."""
        return sum(job.state in states for job in self.ended)

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self) | {
            "pictures": self.pictures,
            "done": self.count("done"),
            "failed": self.count("failed"),
            "cancelled": self.count("cancelled"),
        }


def summarize(queue: Queue, leaderboard: Callable[[str], Sequence[LeaderboardRow]], since: str) -> Summary:
    """Sum up the jobs that ended since a moment.

    Args:
        queue: Where the jobs are.
        leaderboard: The rows of a run, best first.
        since: ISO 8601, UTC.
    """
    ended = tuple(_ended(job, queue.failures(job.id), leaderboard) for job in queue.ended_since(since))
    return Summary(since, ended, len(queue.unfinished()))


def _ended(job: Job, failures: list[Failed], leaderboard: Callable[[str], Sequence[LeaderboardRow]]) -> Ended:
    reasons = Counter(failure.reason for failure in failures)
    if job.error and job.error not in reasons:
        reasons[job.error] += 1
    best: tuple[LeaderboardRow, ...] = ()
    if job.kind == "analyze" and job.state == "done" and job.run:
        with suppress(ExplorerError):  # its run may have been deleted since
            best = tuple(row for row in leaderboard(job.run) if row.mean is not None)[:BEST_SHOWN]
    return Ended(
        job=job.id,
        kind=job.kind,
        title=job.title,
        state=job.state,
        run=job.run,
        ended=job.ended or "",
        seconds=_seconds(job),
        made=job.made,
        failed=job.failed,
        reasons=tuple(Reason(text, times) for text, times in reasons.most_common()),
        best=best,
    )


def _seconds(job: Job) -> float:
    if not job.started or not job.ended:
        return 0.0
    return (datetime.fromisoformat(job.ended) - datetime.fromisoformat(job.started)).total_seconds()
