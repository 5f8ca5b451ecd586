"""Named endpoints for gradio_client: the arena."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from explorer.api import Explorer
from explorer.ballots import PairRequest, Scope
from explorer.casting import Answer, voter_name
from explorer.ui.forms import ui_errors

Record = dict[str, Any]


def arena_endpoints(explorer: Explorer) -> list[Callable[..., Any]]:
    """One function each; their docstrings become the API page."""
    return [*_voting(explorer), *_following(explorer)]


def _voting(explorer: Explorer) -> list[Callable[..., Any]]:
    def next_pair(
        voter: str = "",
        models: list[str] | None = None,
        run: str = "",
        category: str = "",
        suite: str = "",
        start_metric: str = "",
        kind: str = "pair",
        count: int = 2,
    ) -> Record:
        """The next pictures to vote on, blindly: nothing here tells whose they are.

        Args:
            voter: Who votes; empty takes a new anonymous id.
            models: Only these; none takes all.
            run: Only pictures of this run; empty takes every run.
            category: Only prompts of this category; empty takes all.
            suite: Only prompts of this suite; empty takes all.
            start_metric: Where there are no votes, begin with the scores of this metric.
            kind: pair, best (of several models) or rate (one picture).
            count: How many models, for best.

        Returns:
            pair: id to vote with. voter: to be given again. prompt. pictures: their addresses on this
            server, in the order shown; left and right are those of a pair. width, height.
        """
        with ui_errors():
            scope = Scope(tuple(models or ()), run, suite, category)
            name = voter_name(voter)
            request = PairRequest(name, scope, _any(kind), count, start_metric, ahead=bool(voter))
            shown = explorer.arena.next(request)
            folder = explorer.arena.copies.folder.resolve()
            pictures = [f"/gradio_api/file={quote(str(folder / file))}" for file in shown.files]
            sides = dict(zip(("left", "right"), pictures, strict=True)) if shown.kind == "pair" else {}
            size = {"width": shown.width, "height": shown.height}
            return {
                "pair": shown.id,
                "voter": name,
                "prompt": shown.prompt,
                "pictures": pictures,
                **sides,
                **size,
            }

    def vote(pair: str, choice: str, vote_id: str = "", voter: str = "") -> Record:
        """Answer about a pair. Repeating the call is safe: each pair counts once.

        Args:
            pair: As /next_pair returned it.
            choice: left, right, tie, bad (both are) or skip; of best: the place of the best from 1, tie
                or skip; of rate: 1 to 5, or skip.
            vote_id: Of your own making, for retries; empty takes the pair's.
            voter: Who votes; empty takes whom it was shown to.

        Returns:
            vote: id, for /undo_vote. counted: False if it was there before. models: whose the pictures
            are, in the order shown. ratings: before and after, of the models that moved.
        """
        with ui_errors():
            verdict = explorer.arena.vote(Answer(pair, choice, voter, vote_id))
            return {
                "vote": verdict.ballot,
                "counted": verdict.counted,
                "models": [entrant.model for entrant in verdict.shown],
                "ratings": [asdict(change) for change in verdict.changes],
            }

    def undo_vote(vote_id: str, voter: str = "") -> Record:
        """Take a vote back. It stays on record and counts no more.

        Args:
            vote_id: As /vote returned it.
            voter: Who voted; another one's vote is refused. Empty asks nothing.

        Returns:
            vote: its id.
        """
        with ui_errors():
            return {"vote": explorer.arena.undo(vote_id, voter)[0].ballot}

    return [next_pair, vote, undo_vote]


def _following(explorer: Explorer) -> list[Callable[..., Any]]:
    def ratings(
        run: str = "", category: str = "", models: list[str] | None = None, suite: str = ""
    ) -> Record:
        """What the votes say: Bradley-Terry ratings with 95 % intervals, best first.

        Args:
            run: Only votes dealt from this run; empty takes all.
            category: Only prompts of this category; empty takes all.
            models: Only votes on these; none takes all.
            suite: Only prompts of this suite; empty takes all.

        Returns:
            ratings: rating, low, high, best_rank, worst_rank, votes, points and group of each model.
            gaps: of every two models the difference, separable, and more_votes (about how many would
            separate them). groups: more than one means that votes do not connect the models.
        """
        with ui_errors():
            return asdict(explorer.arena.standings(Scope(tuple(models or ()), run, suite, category)))

    def metric_trust(run: str = "") -> list[Record]:
        """How often each metric agrees with the votes.

        Args:
            run: Only votes dealt from this run; empty takes all.

        Returns:
            metric, tier, share, low, high, votes and prompts of each, the most trustworthy first.
        """
        with ui_errors():
            return [asdict(each) for each in explorer.arena.trust(Scope(run=run))]

    def voters(run: str = "") -> list[Record]:
        """How far voters agree with each other and with themselves.

        Args:
            run: Only votes dealt from this run; empty takes all.

        Returns:
            voter, votes, ties, skips, agreed of shared, consistent of repeated, left, flags of each.
        """
        with ui_errors():
            return [asdict(each) for each in explorer.arena.voters(Scope(run=run))]

    def export_votes() -> str:
        """All votes as JSON lines, for /import_votes of another workspace."""
        with ui_errors():
            return explorer.arena.export_votes().decode()

    def import_votes(votes: str) -> int:
        """Take in votes of another workspace; each counts once.

        Args:
            votes: As /export_votes gave them.

        Returns:
            How many are new.
        """
        with ui_errors():
            return explorer.arena.import_votes(votes.encode(errors="replace"))

    return [ratings, metric_trust, voters, export_votes, import_votes]


def _any(value: str) -> Any:
    """A text from outside where a fixed choice is expected; the core checks it and says so."""
    return value
