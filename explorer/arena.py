"""Arena: deals pairs to voters blindly, takes their votes, and says who stands where.

It composes the vote store, the candidates, the choice of pairs, the blind copies and the
ratings. Everything dear is kept until the pictures or votes it was made of have changed.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from explorer import agreement, deals, elo, vote_files
from explorer.arena_index import ArenaIndex
from explorer.ballots import SCORES, Entrant, PairRequest, Scope, Showing, Shown, Vote
from explorer.blind_copies import LOST_SECONDS, BlindCopies
from explorer.candidates import Candidates, display_names
from explorer.casting import Answer, votes_of
from explorer.errors import InvalidRequest, UnknownName
from explorer.pairing import wins_of_scores
from explorer.ratings import CENTRE, SCALE, Floats, Standings, Tally, fit, standings
from explorer.ready_pairs import ReadyPairs
from explorer.storage import Storage
from explorer.trust import Conflict, MetricKey, Trust, strongest_conflicts, trust_in_metrics
from explorer.vote_store import Result, Version, now
from explorer.vote_totals import Totals, VoteTotals
from metrics import list_metrics

MAX_KEPT = 16
T = TypeVar("T")
SWEEP_EVERY = 64
MAX_AVOIDED = 8


@dataclass(frozen=True, slots=True)
class Change:
    """What a vote did to one model."""

    model: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer. Only now may the voter know whose the pictures are."""

    ballot: str
    outcome: str
    """As `Vote.outcome`; of picking the best, that of its first vote."""
    counted: bool
    """False where this ballot, or one on the same showing, was there before."""
    shown: tuple[Entrant, ...]
    """In the order in which they were shown."""
    changes: tuple[Change, ...]
    best: int | None = None
    """Of picking the best: the place of the chosen one among `shown`; None for equally good."""


class Arena:
    """Blind votes and what follows from them."""

    def __init__(self, storage: Storage, copies: Path) -> None:
        """Reads nothing yet.

        Args:
            storage: Pictures and votes.
            copies: Folder of the copies that voters see.
        """
        self.copies = BlindCopies(copies)
        self._storage = storage
        self._votes = storage.votes
        self._index = ArenaIndex(storage.votes)
        self._totals = VoteTotals(storage.votes)
        self._ready = ReadyPairs(self._deal)
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, Scope], tuple[Version, Any]] = {}
        self._dealt = 0

    def close(self) -> None:
        """End the threads."""
        self._ready.close()
        self.copies.close()

    # voting

    def next(self, request: PairRequest) -> Shown:
        """What to show next to a voter, as copies that tell nothing. What comes after it is made meanwhile.

        Raises:
            InvalidRequest: There is nothing to vote on, or this voter has seen it all; says what to do.
            StorageError: A copy cannot be made.
        """
        return self._ready.take(request) if request.ahead else self._deal(request)

    def _deal(self, request: PairRequest) -> Shown:
        self._sweep()
        try:
            return self._show(request, self._index.candidates(request.scope))
        except InvalidRequest:
            # Pictures may have come since the last look.
            if not self._index.refresh():
                raise
            return self._show(request, self._index.candidates(request.scope))

    def _show(self, request: PairRequest, index: Candidates) -> Shown:
        wins, prompts = self._points(index, request)
        dealer = deals.Dealer(index, wins, prompts, self._seen(request), request)
        for _ in range(deals.ATTEMPTS):
            entrants = dealer.deal()
            images = [self._storage.image(entrant.image) for entrant in entrants]
            if all(image.path.is_file() for image in images):
                break
        else:
            raise InvalidRequest("Pictures of this choice are missing on the disk. Draw the run again.")
        topic = deals.topic_of(images[0].recipe, dealer.run)
        showing = Showing(secrets.token_hex(16), request.kind, request.voter, topic, entrants, now())
        files, width, height = self.copies.make(showing.id, [image.path for image in images])
        self._votes.show(showing)
        return Shown(showing.id, showing.kind, topic.prompt, files, width, height)

    def vote(self, answer: Answer) -> Verdict:
        """Store an answer; it is on the disk when this returns, and counts once.

        Raises:
            InvalidRequest: There is no such choice or showing.
        """
        showing = self._votes.showing(answer.showing)
        if showing is None:
            return _verdict(self._standing(answer), counted=False)
        votes = votes_of(answer, showing, now())
        before = self._quick_ratings()
        standing, counted = self._votes.cast(votes)
        changes = self._changes(before, standing) if counted else ()
        best = None
        if showing.kind == "best" and standing[0].outcome == "first":
            best = showing.entrants.index(standing[0].first)
        verdict = _verdict(standing, counted=counted)
        return replace(verdict, shown=showing.entrants, changes=changes, best=best)

    def undo(self, ballot: str, voter: str = "") -> list[Vote]:
        """Take a ballot back: it counts no more, and its pair does not come again to this voter.

        Its names have been seen, so an answer to it would not be blind.

        Raises:
            InvalidRequest: There is no such vote, or it is somebody else's.
        """
        votes = self._votes.ballot(ballot)
        if not votes:
            raise InvalidRequest("There is no such vote.")
        if voter and votes[0].voter != voter:
            raise InvalidRequest("This is another voter's vote. Only they can take it back.")
        self._votes.take_back(ballot, now())
        return votes

    # what follows

    def standings(self, scope: Scope = Scope()) -> Standings:  # noqa: B008 (frozen)
        """Ratings with intervals, rank ranges and votes still needed."""
        return self._keep("standings", scope, self._votes.version(), lambda: self._standings(scope))

    def matrix(self, scope: Scope = Scope()) -> tuple[tuple[str, ...], Floats]:  # noqa: B008
        """The models, best first, and the points of the row's model against the column's."""
        tally = self._tally(scope)
        if not tally.models:
            return (), np.zeros((0, 0))
        place = {model: number for number, model in enumerate(tally.models)}
        order = [place[rating.model] for rating in self.standings(scope).ratings]
        return tuple(tally.models[i] for i in order), tally.wins[np.ix_(order, order)]

    def history(self, scope: Scope = Scope()) -> tuple[tuple[str, ...], list[int], Floats]:  # noqa: B008
        """Models, moments (numbers of votes) and Elo at each: history only, never a ranking."""
        tally = self._tally(scope)
        return (tally.models, *elo.elo_history(tally))

    def voters(self, scope: Scope = Scope()) -> list[agreement.VoterReport]:  # noqa: B008
        """Every voter: how often they agree with others and themselves, and who stands out."""
        return self._keep(
            "voters",
            scope,
            self._votes.version(),
            lambda: agreement.voter_reports(self._votes.votes(scope)),
        )

    def stars(self, scope: Scope = Scope()) -> list[tuple[str, float, int]]:  # noqa: B008
        """Mean stars and number of ratings of each model, best first; they are not in the ratings."""
        given: dict[str, list[int]] = {}
        for vote in self._votes.votes(scope):
            if vote.kind == "rate" and vote.stars is not None:
                given.setdefault(vote.first.model, []).append(vote.stars)
        rows = [(model, sum(stars) / len(stars), len(stars)) for model, stars in given.items()]
        return sorted(rows, key=lambda row: -row[1])

    def trust(self, scope: Scope = Scope()) -> list[Trust]:  # noqa: B008
        """How often each metric agrees with the votes."""
        votes = self._votes.votes(scope)
        return trust_in_metrics(votes, self._values(votes), metric_directions())

    def conflicts(self, metric: str, tier: str, scope: Scope = Scope()) -> list[Conflict]:  # noqa: B008
        """The votes that a metric contradicts most."""
        votes = self._votes.votes(scope)
        scores = self._values(votes).get((metric, tier), {})
        return strongest_conflicts(votes, scores, metric_directions().get(metric, "neutral"))

    def votes(self, scope: Scope = Scope()) -> list[Vote]:  # noqa: B008
        """The votes that count, oldest first."""
        return self._votes.votes(scope)

    def votes_on(self, images: Iterable[str]) -> list[Vote]:
        """All votes on these pictures alone, those that were taken back too."""
        known = set(images)
        return [
            vote
            for vote in self._votes.votes(undone=True)
            if vote.first.image in known and (vote.second is None or vote.second.image in known)
        ]

    # votes as files

    def export_votes(self, *, csv: bool = False) -> bytes:
        """All votes, those that were taken back too, as JSON lines or as CSV to read."""
        votes = self._votes.votes(undone=True)
        return vote_files.votes_csv(votes) if csv else vote_files.votes_jsonl(votes)

    def import_votes(self, data: bytes, name: str = "This file") -> int:
        """Take in votes that `export_votes` wrote elsewhere; each counts once. Returns how many are new.

        Raises:
            InvalidRequest: It is no such file; nothing was taken in.
        """
        return self._votes.take_in(vote_files.read_votes(data, name))

    # inside

    def _standing(self, answer: Answer) -> list[Vote]:
        """The votes that a repeated answer finds."""
        votes = self._votes.of_showing(answer.showing)
        if not votes:
            raise InvalidRequest("This pair is not on show any more. Ask for the next one.")
        other = answer.ballot and self._votes.ballot(answer.ballot)
        if other and other[0].showing != answer.showing:
            raise InvalidRequest(f"The vote id {answer.ballot[:40]!r} was used for another pair.")
        return votes

    def _standings(self, scope: Scope) -> Standings:
        tally = self._tally(scope)
        return standings(tally) if len(tally.points) else Standings((), (), (), 0, 0)

    def _tally(self, scope: Scope) -> Tally:
        version = self._votes.version()
        return self._keep("tally", scope, version, lambda: _tally(self._votes.results(scope)))

    def _changes(self, before: Mapping[str, float], votes: Sequence[Vote]) -> tuple[Change, ...]:
        """Ratings of the models of a vote before and after it."""
        after = self._quick_ratings()
        touched = {
            e.model_hash: e.model for v in votes if v.outcome in SCORES for e in (v.first, v.second) if e
        }
        return tuple(
            Change(name, before.get(key, CENTRE), after.get(key, CENTRE)) for key, name in touched.items()
        )

    def _quick_ratings(self) -> dict[str, float]:
        """Ratings of all models by their hash, without intervals: at once."""
        totals, _ = self._totals.of(Scope())
        models = list(dict.fromkeys(key for first, second, _ in totals for key in (first, second)))
        if not models:
            return {}
        strengths = fit(_wins(totals, models))
        return {key: CENTRE + SCALE * float(t) for key, t in zip(models, strengths, strict=True)}

    def _points(self, index: Candidates, request: PairRequest) -> tuple[Floats, Mapping[str, int]]:
        """Points of the models against each other, with a metric's opinion if asked for; votes by prompt."""
        answers, prompts = self._totals.of(request.scope)
        wins = _wins(answers, index.hashes)
        if request.start_metric:
            wins = wins + wins_of_scores(self._means(index, request.start_metric))
        return wins, prompts

    def _means(self, index: Candidates, metric: str) -> Floats:
        """A metric's mean of every model, so that more is better; NaN where it has none."""
        direction = metric_directions().get(metric)
        if direction is None:
            raise UnknownName("metric", metric, metric_directions())
        known = self._keep(
            f"means of {metric}",
            Scope(),
            self._index.version,
            lambda: self._votes.metric_means(metric),
        )
        sign = -1.0 if direction == "lower" else 1.0
        return np.array([sign * known.get(key, np.nan) for key in index.hashes])

    def _seen(self, request: PairRequest) -> list[deals.Seen]:
        """What this voter has answered, and what is on the screen."""
        seen = [deals.Seen(*row) for row in self._votes.of_voter(request.voter)]
        shown = [self._votes.showing(each) for each in request.avoid[:MAX_AVOIDED]]
        pairs = [[e.image for e in each.entrants] for each in shown if each and each.kind == "pair"]
        return [*seen, *(deals.Seen(first, second, False) for first, second in pairs)]

    def _values(self, votes: Sequence[Vote]) -> dict[MetricKey, dict[str, float]]:
        pictures = {e.image for v in votes for e in (v.first, v.second) if e is not None}
        return self._votes.metric_values(pictures)

    def _sweep(self) -> None:
        """Now and then, remove what nobody will vote on any more."""
        with self._lock:
            self._dealt += 1
            due = self._dealt % SWEEP_EVERY == 1
        if due:
            long_ago = datetime.now(UTC) - timedelta(seconds=LOST_SECONDS)
            self._votes.forget_showings(long_ago.isoformat())
            self.copies.sweep(self._votes.open_showings())

    def _keep(self, name: str, scope: Scope, version: Version, make: Callable[[], T]) -> T:
        """What was made of the same contents before, or made now."""
        key = (name, scope)
        with self._lock:
            found = self._kept.get(key)
        if found is not None and found[0] == version:
            return cast(T, found[1])
        made = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (version, made)
            while len(self._kept) > MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return made


def metric_directions() -> dict[str, str]:
    """Metric id to "higher", "lower" or "neutral"."""
    return {card.id: card.direction for card in list_metrics()}


def _tally(results: Sequence[Result]) -> Tally:
    """Answers as arrays; models go by their contents and are named for people."""
    models: dict[str, int] = {}
    prompts: dict[str, int] = {}
    named: list[Entrant] = []
    rows = []
    for each in results:
        for name, key in ((each.first_model, each.first_hash), (each.second_model, each.second_hash)):
            if key not in models:
                models[key] = len(models)
                named.append(Entrant("", name, key))
        prompt = prompts.setdefault(each.prompt, len(prompts))
        rows.append((models[each.first_hash], models[each.second_hash], SCORES[each.outcome], prompt))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    first, second, prompt_of = (table[:, column].astype(np.int64) for column in (0, 1, 3))
    return Tally(display_names(named, list(models)), first, second, table[:, 2], prompt_of)


def _wins(totals: Totals, models: Sequence[str]) -> Floats:
    """Points of the row's model against the column's; of these models only."""
    place = {key: number for number, key in enumerate(models)}
    wins = np.zeros((len(models), len(models)))
    for (first, second, outcome), times in totals.items():
        if outcome in SCORES and first in place and second in place:
            i, j = place[first], place[second]
            wins[i, j] += SCORES[outcome] * times
            wins[j, i] += (1 - SCORES[outcome]) * times
    return wins


def _verdict(votes: Sequence[Vote], *, counted: bool) -> Verdict:
    shown: dict[str, Entrant] = {}
    for vote in votes:
        for entrant in (vote.first, vote.second):
            if entrant is not None:
                shown.setdefault(entrant.image, entrant)
    return Verdict(votes[0].ballot, votes[0].outcome, counted, tuple(shown.values()), ())
