"""Which number to believe: how often each metric agrees with the votes.

For every decided vote on two pictures, the metric's choice is the picture with the better
score. Equal scores count as half. Votes on one prompt resemble each other, so the interval is
Wilson's (1927) with as many votes as the spread between prompts says they are worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from explorer.ballots import Entrant, Vote
from explorer.ratings import Floats
from explorer.statistics import LEVEL

MetricKey = tuple[str, str]
"""Metric and tier."""
Values = Mapping[str, float]
"""Picture id -> score."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How far one metric agrees with the votes."""

    metric: str
    tier: str
    share: float
    low: float
    high: float
    votes: int
    """Decided votes of which both pictures have a score."""
    prompts: int

    @property
    def verdict(self) -> str:
        """In words: whether it says more than a coin."""
        if self.low > 0.5:
            return "agrees with the votes more than chance"
        if self.high < 0.5:
            return "says the opposite of the votes"
        return "not told apart from chance yet"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A vote that a metric contradicts."""

    ballot: str
    prompt: str
    voter: str
    chosen: Entrant
    rejected: Entrant
    chosen_score: float
    rejected_score: float
    strength: float
    """The difference of the scores, in standard deviations of all differences."""


def trust_in_metrics(
    votes: Sequence[Vote], values: Mapping[MetricKey, Values], directions: Mapping[str, str]
) -> list[Trust]:
    """Every metric that has scores of voted pictures, the most trustworthy first.

    Args:
        votes: That count.
        values: Scores of single pictures.
        directions: Metric id to "higher", "lower" or "neutral"; neutral ones are left out.
    """
    decided = decided_votes(votes)
    found = []
    for (metric, tier), scores in values.items():
        if directions.get(metric) not in ("higher", "lower"):
            continue
        known = [v for v in decided if v[0].image in scores and v[1].image in scores]
        if not known:
            continue
        gaps = _gaps(known, scores, directions[metric])
        agrees = np.where(gaps > 0, 1.0, np.where(gaps < 0, 0.0, 0.5))
        prompts = [prompt for _, _, prompt, _ in known]
        share, low, high = clustered_share(agrees, prompts)
        found.append(Trust(metric, tier, share, low, high, len(known), len(set(prompts))))
    return sorted(found, key=lambda each: (-each.low, -each.share, each.metric))


def strongest_conflicts(
    votes: Sequence[Vote], scores: Values, direction: str, most: int = 12
) -> list[Conflict]:
    """The votes that a metric contradicts most.

    Args:
        votes: That count.
        scores: Of one metric and tier.
        direction: "higher" or "lower" is better.
        most: How many at most.
    """
    known = [v for v in decided_votes(votes) if v[0].image in scores and v[1].image in scores]
    if not known:
        return []
    gaps = _gaps(known, scores, direction)
    spread = float(np.sqrt(np.mean(gaps**2))) or 1.0
    found = [
        Conflict(
            ballot=vote.ballot,
            prompt=prompt,
            voter=vote.voter,
            chosen=chosen,
            rejected=rejected,
            chosen_score=scores[chosen.image],
            rejected_score=scores[rejected.image],
            strength=-float(gap) / spread,
        )
        for (chosen, rejected, prompt, vote), gap in zip(known, gaps, strict=True)
        if gap < 0
    ]
    return sorted(found, key=lambda each: -each.strength)[:most]


def decided_votes(votes: Sequence[Vote]) -> list[tuple[Entrant, Entrant, str, Vote]]:
    """(chosen, rejected, prompt, vote) of every vote that chose one of two pictures."""
    found = []
    for vote in votes:
        if vote.second is None or vote.outcome not in ("first", "second"):
            continue
        pair = (vote.first, vote.second) if vote.outcome == "first" else (vote.second, vote.first)
        found.append((*pair, vote.topic.prompt, vote))
    return found


def _gaps(known: Sequence[tuple[Entrant, Entrant, str, Vote]], scores: Values, direction: str) -> Floats:
    """How much better the chosen picture scores than the rejected one."""
    sign = -1.0 if direction == "lower" else 1.0
    return np.array(
        [sign * (scores[chosen.image] - scores[rejected.image]) for chosen, rejected, _, _ in known]
    )


def clustered_share(agrees: Floats, clusters: Sequence[str]) -> tuple[float, float, float]:
    """A share with its 95 % interval, where answers in one cluster resemble each other.

    The design effect (Kish, 1965) is the variance of the share between clusters against the
    binomial one; n answers are worth n divided by it, but at least one a cluster. Where all
    answers are the same, nothing is known of it, and each cluster counts as one.

    Args:
        agrees: 1, 0.5 or 0 for each answer.
        clusters: What each answer belongs to.
    """
    n, share = len(agrees), float(agrees.mean())
    _, index = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    count = int(index.max()) + 1
    binomial = share * (1 - share) / n
    worth = float(count)
    if binomial > 0 and count > 1:
        residuals = np.bincount(index, weights=agrees - share)
        between = float((residuals**2).sum()) / n**2 * count / (count - 1)
        worth = float(np.clip(n * binomial / max(between, 1e-12), count, n))
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * sqrt(share * (1 - share) / worth + z**2 / (4 * worth**2))
    return share, max(0.0, middle - half), min(1.0, middle + half)
