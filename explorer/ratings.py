"""Ratings from votes: Bradley-Terry, with intervals, rank ranges and votes still needed.

Pure functions on arrays. The expected share of points of model i against j is
1 / (1 + exp(t_j - t_i)) (Bradley and Terry, 1952). A tie, also "both bad", is half a point to
each, as in FastChat and chess: the estimating equations need the mean of the points only, so
nothing is assumed of how ties come about. A weak normal prior on every t keeps a model finite
that never lost. What is shown is 1000 + 400 / ln(10) * t.

Votes on one prompt resemble each other, so intervals are a bootstrap over prompts, with
Hesterberg's expanded percentiles as in `statistics.py`. Where all votes agree, resamples do
too; an interval is therefore never narrower than the one of the likelihood's curvature.
"""

from dataclasses import dataclass
from math import ceil, log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from explorer.statistics import LEVEL, resample_counts, tail_share

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

CENTRE, SCALE = 1000.0, 400 / log(10)
PRIOR = 0.25
"""Precision of the prior: a standard deviation of 2, or 350 points, around the mean of the models."""
RESAMPLES = 1_000
POWER = 0.8
MAX_MORE_VOTES = 10_000
_STEPS, _TOLERANCE = 100, 1e-9
_SEED = 20_260_102
_CHUNK_NUMBERS = 5_000_000
"""How many numbers of resamples are held at once."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes as arrays; models and prompts are numbered."""

    models: tuple[str, ...]
    first: Whole
    second: Whole
    points: Floats
    """Of the first one: 1, 0.5 or 0."""
    prompt: Whole
    """Number of the vote's prompt, from 0 without gaps."""

    @property
    def wins(self) -> Floats:
        """Points of the row's model against the column's, shape (models, models)."""
        size = len(self.models)
        wins = np.zeros((size, size))
        np.add.at(wins, (self.first, self.second), self.points)
        np.add.at(wins, (self.second, self.first), 1 - self.points)
        return wins

    @property
    def prompts(self) -> int:
        """How many prompts have a vote."""
        return int(self.prompt.max()) + 1 if self.prompt.size else 0


@dataclass(frozen=True, slots=True)
class Rating:
    """Where a model stands."""

    model: str
    rating: float
    low: float | None
    high: float | None
    """The 95 % interval; None where the votes are on one prompt only."""
    best_rank: int
    worst_rank: int
    """The places that the votes leave open to it, within its group."""
    votes: int
    points: float
    """Wins, and half of the ties."""
    group: int
    """Number of the group of models that votes connect; ratings of two groups cannot be compared."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Two models of one group, the better-rated one first."""

    better: str
    worse: str
    difference: float
    low: float | None
    high: float | None
    separable: bool
    more_votes: int | None
    """About how many votes on these two would separate them; 0 when they are separate, None when
    more than `MAX_MORE_VOTES` would be needed."""
    votes: int
    """On these two directly."""
    points: float
    """Of the better-rated one in these."""


@dataclass(frozen=True, slots=True)
class Standings:
    """All ratings, best first within each group, the largest group first."""

    ratings: tuple[Rating, ...]
    gaps: tuple[Gap, ...]
    groups: tuple[tuple[str, ...], ...]
    """More than one: votes do not connect the models."""
    votes: int
    prompts: int


def fit(wins: Floats, prior: float = PRIOR, start: Floats | None = None) -> Floats:
    """Bradley-Terry strengths in natural units, mean 0, by Newton's method.

    Args:
        wins: Points of the row's model against the column's, shape (..., models, models).
        prior: Precision of the normal prior; 0 for the plain maximum of the likelihood.
        start: Where to begin, shape (models,).

    Raises:
        ValueError: There is no finite answer: without a prior, a model never lost or never won,
            or votes do not connect the models.
    """
    if prior == 0 and not _has_maximum(wins):
        raise ValueError("no finite strengths: some models never lost, or never won, against the others")
    shape = wins.shape[:-1]
    strengths = np.zeros(shape) if start is None else np.broadcast_to(start, shape).copy()
    # Strengths are known up to a constant; this fixes their sum at 0 without touching the rest.
    anchor = np.full((shape[-1], shape[-1]), 1 / shape[-1])
    for _ in range(_STEPS):
        slope, curvature = _derivatives(wins, strengths, prior)
        step = np.linalg.solve(curvature + anchor, slope[..., None])[..., 0]
        strengths += np.clip(step, -1, 1)
        if np.abs(step).max(initial=0) < _TOLERANCE:
            return np.asarray(strengths - strengths.mean(axis=-1, keepdims=True))
    raise ValueError(f"the strengths were not found in {_STEPS} steps")


def _has_maximum(wins: Floats) -> bool:
    """Whether every model has won, directly or by way of others, against every other (Ford, 1957)."""
    return all(
        connected_components(csr_array(each > 0), directed=True, connection="strong")[0] == 1
        for each in wins.reshape(-1, *wins.shape[-2:])
    )


def covariance(wins: Floats, strengths: Floats, prior: float = PRIOR) -> Floats:
    """Of the strengths, from the curvature of the likelihood and the prior."""
    return np.asarray(np.linalg.inv(_derivatives(wins, strengths, prior)[1]))


def difference_variance(spread: Floats) -> Floats:
    """Variance of the difference of every two strengths, from their covariance."""
    own = np.diagonal(spread)
    return np.asarray(own[:, None] + own[None, :] - 2 * spread)


def chance(strengths: Floats) -> Floats:
    """Expected share of points of the row's model against the column's."""
    gap = strengths[..., :, None] - strengths[..., None, :]
    return np.asarray(1 / (1 + np.exp(-gap)))


def _derivatives(wins: Floats, strengths: Floats, prior: float) -> tuple[Floats, Floats]:
    met = wins + wins.swapaxes(-1, -2)
    expected = chance(strengths)
    slope = wins.sum(axis=-1) - (met * expected).sum(axis=-1) - prior * strengths
    weight = met * expected * (1 - expected)
    unit = np.eye(strengths.shape[-1])
    return slope, unit * (weight.sum(axis=-1)[..., None] + prior) - weight


def groups_of(wins: Floats) -> Whole:
    """Number of the group of each model; votes lead from any model of a group to any other."""
    return np.asarray(connected_components(csr_array(wins + wins.T), directed=False)[1], dtype=np.int64)


def bootstrap(tally: Tally, strengths: Floats, resamples: int = RESAMPLES) -> Floats:
    """Strengths in resamples of the prompts, shape (resamples, models)."""
    size, prompts = len(tally.models), tally.prompts
    cells = np.concatenate([tally.first * size + tally.second, tally.second * size + tally.first])
    points = np.concatenate([tally.points, 1 - tally.points])
    rows = np.concatenate([tally.prompt, tally.prompt])
    per_prompt = csr_array((points, (rows, cells)), shape=(prompts, size * size))
    chunk = max(1, _CHUNK_NUMBERS // max(size * size, prompts))
    fits = []
    for begin in range(0, resamples, chunk):
        count = min(chunk, resamples - begin)
        wins = resample_counts(prompts, count, seed=_SEED + begin) @ per_prompt
        fits.append(fit(np.asarray(wins).reshape(count, size, size), start=strengths))
    return np.concatenate(fits)


def standings(tally: Tally, resamples: int = RESAMPLES) -> Standings:
    """Ratings of all models that have a vote.

    Args:
        tally: The votes; every model must have one.
        resamples: Of the bootstrap.
    """
    wins = tally.wins
    group = groups_of(wins)
    strengths = _centred(fit(wins), group)
    variance = difference_variance(covariance(wins, strengths)) * _dispersion(tally)
    spread = np.sqrt(np.maximum(variance, 0))
    drawn = None
    if tally.prompts >= 2:
        drawn = _centred(bootstrap(tally, strengths, resamples), group)
    picture = _Picture(tally, wins, group, strengths, spread, drawn)
    return picture.standings()


def _dispersion(tally: Tally) -> float:
    """How much the points vary against those of votes without ties.

    The variance of the points of even models is (1 - t) / 4 with a share t of ties.
    """
    ties = int((tally.points == 0.5).sum())
    return 1 - ties / (len(tally.points) + 2)


def _centred(strengths: Floats, group: Whole) -> Floats:
    """Each group has its own mean at 0: what lies between groups is the prior's, not the votes'."""
    centred = strengths.copy()
    for number in np.unique(group):
        centred[..., group == number] -= strengths[..., group == number].mean(axis=-1, keepdims=True)
    return centred


@dataclass(frozen=True, slots=True)
class _Picture:
    """Everything computed, on the way to records."""

    tally: Tally
    wins: Floats
    group: Whole
    strengths: Floats
    spread: Floats
    """Standard error of every difference, from the curvature."""
    drawn: Floats | None
    """Strengths in resamples."""

    def standings(self) -> Standings:
        names = self.tally.models
        low, high = self._differences()
        sizes = np.bincount(self.group)
        order = sorted(
            range(len(names)), key=lambda i: (-sizes[self.group[i]], self.group[i], -self.strengths[i])
        )
        numbers = list(dict.fromkeys(int(self.group[i]) for i in order))
        ratings = tuple(self._rating(i, numbers.index(int(self.group[i])), low, high) for i in order)
        gaps = tuple(
            self._gap(i, j, low, high)
            for place, i in enumerate(order)
            for j in order[place + 1 :]
            if self.group[i] == self.group[j]
        )
        groups = tuple(tuple(names[i] for i in order if self.group[i] == number) for number in numbers)
        return Standings(ratings, gaps, groups, len(self.tally.points), self.tally.prompts)

    def _differences(self) -> tuple[Floats, Floats]:
        """Ends of the interval of every difference, shape (models, models)."""
        gap = self.strengths[:, None] - self.strengths[None, :]
        width = NormalDist().inv_cdf((1 + LEVEL) / 2) * self.spread
        low, high = gap - width, gap + width
        if self.drawn is not None:
            tail = tail_share(self.tally.prompts)
            for i in range(len(gap)):
                lower, upper = np.quantile(self.drawn[:, [i]] - self.drawn, [tail, 1 - tail], axis=0)
                low[i], high[i] = np.minimum(low[i], lower), np.maximum(high[i], upper)
        return low, high

    def _rating(self, i: int, group: int, low: Floats, high: Floats) -> Rating:
        same = (self.group == self.group[i]) & (np.arange(len(self.group)) != i)
        better = int((high[i, same] < 0).sum()) if self.drawn is not None else 0
        worse = int((low[i, same] > 0).sum()) if self.drawn is not None else 0
        ends = self._ends(i)
        return Rating(
            model=self.tally.models[i],
            rating=CENTRE + SCALE * float(self.strengths[i]),
            low=None if ends is None else CENTRE + SCALE * ends[0],
            high=None if ends is None else CENTRE + SCALE * ends[1],
            best_rank=1 + better,
            worst_rank=int(same.sum()) + 1 - worse,
            votes=round(float(self.wins[i].sum() + self.wins[:, i].sum())),
            points=float(self.wins[i].sum()),
            group=group,
        )

    def _ends(self, i: int) -> tuple[float, float] | None:
        """Interval of a strength against the mean of its group."""
        if self.drawn is None:
            return None
        tail = tail_share(self.tally.prompts)
        lower, upper = np.quantile(self.drawn[:, i], [tail, 1 - tail])
        width = NormalDist().inv_cdf((1 + LEVEL) / 2) * self._own_error(i)
        middle = float(self.strengths[i])
        return min(float(lower), middle - width), max(float(upper), middle + width)

    def _own_error(self, i: int) -> float:
        """Standard error of strength i minus the mean of its group, from the differences' variances."""
        same = self.group == self.group[i]
        variances = self.spread[np.ix_(same, same)] ** 2
        place = int(np.flatnonzero(same).tolist().index(i))
        return float(np.sqrt(max(variances[place].mean() - variances.mean() / 2, 0.0)))

    def _gap(self, i: int, j: int, low: Floats, high: Floats) -> Gap:
        separable = self.drawn is not None and bool(low[i, j] > 0)
        difference = float(self.strengths[i] - self.strengths[j])
        # The wider of curvature and bootstrap, as one standard error.
        error = float(high[i, j] - low[i, j]) / (2 * NormalDist().inv_cdf((1 + LEVEL) / 2))
        known = self.drawn is not None
        return Gap(
            better=self.tally.models[i],
            worse=self.tally.models[j],
            difference=SCALE * difference,
            low=SCALE * float(low[i, j]) if known else None,
            high=SCALE * float(high[i, j]) if known else None,
            separable=separable,
            more_votes=0 if separable else more_votes(difference, error),
            votes=round(float(self.wins[i, j] + self.wins[j, i])),
            points=float(self.wins[i, j]),
        )


def more_votes(difference: float, error: float) -> int | None:
    """About how many votes on two models alone would separate them, if the difference is what it seems.

    A vote adds p (1 - p) of information on the difference in natural units; to come out apart at
    95 % in four of five repetitions takes ((1.96 + 0.84) / difference)^2 in all. From nothing, that
    is 787 votes for 55 to 45 and 55 for 70 to 30.

    Args:
        difference: Of the strengths, natural units.
        error: Its standard error now; infinite when nothing is known.

    Returns:
        At least 1; None when more than `MAX_MORE_VOTES` would be needed.
    """
    if difference == 0:
        return None
    normal = NormalDist()
    needed = ((normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(POWER)) / difference) ** 2
    share = 1 / (1 + float(np.exp(-difference)))
    votes = (needed - error**-2) / (share * (1 - share))
    return ceil(max(votes, 1.0)) if votes <= MAX_MORE_VOTES else None
