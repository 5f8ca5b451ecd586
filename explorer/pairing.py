"""Which two models to ask about next, and with which prompt. Pure functions on arrays.

The worth of a vote on two models is how far it may move their difference, times the chance
that their present order is wrong: after a vote, the difference moves by about
s^2 sqrt(p (1 - p) / (1 + s^2 p (1 - p))), with its standard error s and the expected share of
points p. So a vote goes where ratings are uncertain and close, as in D-optimal designs, but
not to pairs whose order is clear. The next pair is drawn at random with a power of that worth
as its weight: nobody can tell it beforehand, and ties in worth are spread evenly.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from explorer.candidates import Candidates
from explorer.ratings import PRIOR, Floats, chance, covariance, difference_variance, fit

SHARPNESS = 6
"""Power of the worth by which pairs are drawn; tried from 1 to 6 on simulated models."""
START_VOTES = 2.0
"""How many votes a model the scores of a metric are worth, where a start with them is asked for."""
Whole = NDArray[np.int64]


def worth(wins: Floats, prior: float = PRIOR) -> Floats:
    """What a vote on every two models is worth; symmetric, 0 on the diagonal.

    Args:
        wins: Points of the row's model against the column's, shape (models, models).
        prior: Precision of the prior on the strengths.
    """
    from scipy.special import ndtr

    strengths = fit(wins, prior)
    variance = difference_variance(covariance(wins, strengths, prior))
    np.fill_diagonal(variance, 1.0)
    share = chance(strengths)
    information = share * (1 - share)
    move = variance * np.sqrt(information / (1 + variance * information))
    gap = np.abs(strengths[:, None] - strengths[None, :])
    value = move * ndtr(-gap / np.sqrt(variance))
    np.fill_diagonal(value, 0.0)
    return np.asarray(value)


def choose_models(value: Floats, shared: Whole, random: np.random.Generator) -> tuple[int, int] | None:
    """Two models at random, the more worthy pairs more often; None when no two can meet.

    Args:
        value: As `worth` gives it.
        shared: How many cells every two models have in common.
        random: Where chance comes from.
    """
    first, second = np.triu_indices(len(value), 1)
    weight = np.where(shared[first, second] > 0, value[first, second], 0.0) ** SHARPNESS
    if not weight.sum() > 0:
        return None
    place = random.choice(len(weight), p=weight / weight.sum())
    return int(first[place]), int(second[place])


def choose_cell(
    left: Whole,
    right: Whole,
    index: Candidates,
    asked: Mapping[str, int],
    seen: set[frozenset[str]],
    random: np.random.Generator,
) -> int | None:
    """One cell of two models: a prompt with the fewest votes, at random among those.

    Args:
        left: Places of one model's pictures, as `Candidates.common` gives them.
        right: Of the other model's, in the same order.
        index: Where those are.
        asked: How many votes each prompt has.
        seen: Two pictures each that the voter has answered about.
        random: Where chance comes from.

    Returns:
        Place in `left` and `right`; None when the voter has seen all.
    """
    rows = index.contenders
    votes = np.fromiter((asked.get(rows[i].prompt, 0) for i in left), dtype=np.int64, count=len(left))
    order = random.permutation(len(left))
    for place in order[np.argsort(votes[order], kind="stable")]:
        two = frozenset((rows[left[place]].image, rows[right[place]].image))
        if len(two) == 2 and two not in seen:
            return int(place)
    return None


def wins_of_scores(means: Floats) -> Floats:
    """Points that stand for a metric's opinion of the models, where there are no votes yet.

    Args:
        means: A metric's mean of each model, larger is better; NaN where it has none.
    """
    known = np.isfinite(means)
    strengths = np.zeros(len(means))
    if known.sum() >= 2 and np.ptp(means[known]) > 0:
        strengths[known] = (means[known] - means[known].mean()) / means[known].std()
    wins = chance(strengths) * START_VOTES / max(len(means) - 1, 1)
    np.fill_diagonal(wins, 0.0)
    return np.asarray(wins)
