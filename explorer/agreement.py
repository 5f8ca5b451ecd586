"""How far voters agree: with each other, with themselves, and who votes unlike the others.

Nobody is left out for it: a taste of one's own is not a mistake. The page names such voters and
lets the person decide.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from explorer.ballots import SCORES, Vote
from explorer.ratings import Tally, chance, fit
from explorer.significance import holm

ALPHA = 0.01
"""Chance that anybody at all is named without a reason: naming people is not done lightly."""
RATINGS_WORTH = 4.0
"""How many votes on two models their ratings are worth."""
MIN_VOTES = 10
"""Fewer decided votes say too little about a voter."""
LIMITS = "Voters with fewer than 10 decided votes are not judged."


@dataclass(frozen=True, slots=True)
class VoterReport:
    """One voter."""

    voter: str
    votes: int
    """That count, skipped ones left out."""
    ties: int
    """Of these, both equally good or both bad."""
    skips: int
    shared: int
    """Answers of other voters about the same two pictures, decided like this voter's."""
    agreed: int
    """Of these, how many are the same."""
    repeated: int
    """How often this voter was asked about the same two pictures again."""
    consistent: int
    """Of these, how often the answer was the same."""
    left: float | None
    """Share of decided votes for the left picture."""
    flags: tuple[str, ...]
    """Why this voter's votes deserve a look; empty for most."""


def voter_reports(votes: Sequence[Vote]) -> list[VoterReport]:
    """Every voter, the busiest first.

    Args:
        votes: That count, of all voters, oldest first; others than A/B votes are left out.
    """
    pairs = [vote for vote in votes if vote.kind == "pair" and vote.second is not None]
    by_voter: dict[str, list[Vote]] = defaultdict(list)
    for vote in pairs:
        by_voter[vote.voter].append(vote)
    agreement = _agreement(pairs)
    flags = _flags(by_voter)
    reports = []
    for voter, own in sorted(by_voter.items(), key=lambda item: -len(item[1])):
        answered = [vote for vote in own if vote.outcome != "skip"]
        decided = [vote for vote in answered if vote.outcome in ("first", "second")]
        again = _repeats(answered)
        reports.append(
            VoterReport(
                voter=voter,
                votes=len(answered),
                ties=len(answered) - len(decided),
                skips=len(own) - len(answered),
                shared=agreement[voter][1],
                agreed=agreement[voter][0],
                repeated=len(again),
                consistent=sum(again),
                left=sum(vote.outcome == "first" for vote in decided) / len(decided) if decided else None,
                flags=tuple(flags.get(voter, ())),
            )
        )
    return reports


def _pictures(vote: Vote) -> frozenset[str]:
    assert vote.second is not None  # noqa: S101 (only pairs come here)
    return frozenset((vote.first.image, vote.second.image))


def _winner(vote: Vote) -> str:
    """Id of the better picture; empty for a tie of either kind."""
    if vote.outcome == "first":
        return vote.first.image
    return vote.second.image if vote.outcome == "second" and vote.second else ""


def _agreement(pairs: Sequence[Vote]) -> dict[str, tuple[int, int]]:
    """For each voter: decided answers of others about the same pictures, same and all."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_pictures: dict[frozenset[str], dict[str, str]] = defaultdict(dict)
    for vote in pairs:
        if winner := _winner(vote):
            by_pictures[_pictures(vote)].setdefault(vote.voter, winner)  # the first, unprompted answer
    for answers in by_pictures.values():
        for one, other in combinations(answers, 2):
            same = answers[one] == answers[other]
            for voter in (one, other):
                found[voter][0] += same
                found[voter][1] += 1
    return defaultdict(lambda: (0, 0), {voter: (same, all_) for voter, (same, all_) in found.items()})


def _repeats(answered: Sequence[Vote]) -> list[bool]:
    """Whether each repeated answer about the same pictures is the one given before."""
    before: dict[frozenset[str], str] = {}
    again = []
    for vote in answered:
        pictures, winner = _pictures(vote), _winner(vote)
        if pictures in before:
            again.append(before[pictures] == winner)
        before[pictures] = winner
    return again


def _flags(by_voter: dict[str, list[Vote]]) -> dict[str, list[str]]:
    """What sets voters apart, corrected for how many voters there are (Holm, 1979)."""
    from scipy.stats import binomtest

    judged: dict[str, list[Vote]] = {}
    for voter, own in by_voter.items():
        decided = [vote for vote in own if _winner(vote)]
        if len(decided) >= MIN_VOTES:
            judged[voter] = decided
    flags: dict[str, list[str]] = defaultdict(list)
    sides = {
        voter: float(binomtest(sum(v.outcome == "first" for v in own), len(own)).pvalue)
        for voter, own in judged.items()
    }
    for voter in _rejected(sides):
        left = sum(v.outcome == "first" for v in judged[voter]) / len(judged[voter])
        flags[voter].append(f"chose the left picture {left:.0%} of the time")
    others = {voter: p for voter, own in judged.items() if (p := _unlike(voter, own, by_voter)) is not None}
    for voter in _rejected(others):
        flags[voter].append("often prefers the models that all others vote down")
    return flags


def _rejected(p_values: dict[str, float]) -> list[str]:
    adjusted, _ = holm(list(p_values.values()), ALPHA)
    return [voter for voter, p in zip(p_values, adjusted, strict=True) if p <= ALPHA]


def _unlike(voter: str, own: Sequence[Vote], by_voter: dict[str, list[Vote]]) -> float | None:
    """Chance that somebody of the others' taste votes at least so much against it.

    The others' votes say how likely each answer is; the sum of the log likelihoods is compared
    with the mean and variance it would have then. None where the others say too little.
    """
    from scipy.special import ndtr

    rest = [v for other, theirs in by_voter.items() if other != voter for v in theirs if _winner(v)]
    tally = tally_of(rest)
    place = {key: number for number, key in enumerate(tally.models)}
    known = [v for v in own if v.second and v.first.model_hash in place and v.second.model_hash in place]
    if len(rest) < MIN_VOTES or len(known) < MIN_VOTES:
        return None
    # What the others said of these two models, and their ratings where that is little.
    wins = tally.wins
    expected = (wins + RATINGS_WORTH * chance(fit(wins))) / (wins + wins.T + RATINGS_WORTH)
    first = np.array([place[v.first.model_hash] for v in known])
    second = np.array([place[v.second.model_hash] for v in known if v.second])
    p = expected[first, second]
    won = np.array([v.outcome == "first" for v in known])
    gain = np.log(p / (1 - p))
    seen = np.where(won, np.log(p), np.log1p(-p)).sum()
    mean = (p * np.log(p) + (1 - p) * np.log1p(-p)).sum()
    variance = (p * (1 - p) * gain**2).sum()
    return float(ndtr((seen - mean) / np.sqrt(variance))) if variance > 0 else None


def tally_of(votes: Sequence[Vote]) -> Tally:
    """Votes on two models as arrays, by model hash; skipped ones and ratings are left out."""
    counted = [vote for vote in votes if vote.second is not None and vote.outcome in SCORES]
    models: dict[str, int] = {}
    prompts: dict[str, int] = {}
    rows = [
        (
            models.setdefault(vote.first.model_hash, len(models)),
            models.setdefault(vote.second.model_hash, len(models)),
            SCORES[vote.outcome],
            prompts.setdefault(vote.topic.prompt, len(prompts)),
        )
        for vote in counted
        if vote.second is not None
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    first, second, prompt = (table[:, column].astype(np.int64) for column in (0, 1, 3))
    return Tally(tuple(models), first, second, table[:, 2], prompt)


def together(reports: Sequence[VoterReport]) -> str:
    """One sentence on how far voters agree, or why that is not known yet."""
    shared = sum(report.shared for report in reports) // 2
    agreed = sum(report.agreed for report in reports) // 2
    repeated = sum(report.repeated for report in reports)
    consistent = sum(report.consistent for report in reports)
    parts = []
    if shared:
        parts.append(f"Two voters chose the same picture of the same pair {agreed} of {shared} times.")
    else:
        parts.append("No two voters have decided about the same pair of pictures yet.")
    if repeated:
        parts.append(
            f"Asked about the same pair again, voters gave the same answer {consistent} of {repeated} times."
        )
    return " ".join(parts)
