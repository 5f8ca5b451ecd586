from itertools import pairwise

import evalica
import numpy as np
import pytest

from explorer.ratings import (
    CENTRE,
    SCALE,
    Tally,
    chance,
    covariance,
    difference_variance,
    fit,
    more_votes,
    standings,
)
from tests.explorer.voted import tournament

FOUR = {"a": 1.2, "b": 0.3, "c": -0.4, "d": -1.1}


def votes(*rows: tuple[int, int, float], models: tuple[str, ...] = ("a", "b")) -> Tally:
    """Each vote on a prompt of its own."""
    first, second, points = (np.array(column) for column in zip(*rows, strict=True))
    return Tally(models, first, second, points.astype(float), np.arange(len(rows)))


def winners(tally: Tally) -> list[evalica.Winner]:
    named = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    return [named[points] for points in tally.points.tolist()]


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_strengths_equal_an_independent_implementation_without_the_prior(ties: float) -> None:
    tally = tournament(FOUR, 400, np.random.default_rng(1), ties=ties)
    names = np.array(tally.models)
    theirs = evalica.bradley_terry(
        names[tally.first].tolist(),
        names[tally.second].tolist(),
        winners(tally),
        tolerance=1e-12,
        limit=10_000,
    ).scores
    expected = np.log([theirs[name] for name in tally.models])
    ours = fit(tally.wins, prior=0.0)
    assert ours == pytest.approx(expected - expected.mean(), abs=1e-3)


def test_two_models_without_the_prior_are_the_log_odds() -> None:
    tally = votes(*[(0, 1, 1.0)] * 30, *[(1, 0, 1.0)] * 10)
    strengths = fit(tally.wins, prior=0.0)
    assert strengths[0] - strengths[1] == pytest.approx(np.log(3))


def test_the_answer_is_the_maximum_of_likelihood_and_prior() -> None:
    from scipy.optimize import minimize

    wins = tournament(FOUR, 60, np.random.default_rng(2)).wins

    def loss(strengths: np.ndarray) -> float:
        return float(-(wins * np.log(chance(strengths))).sum() + 0.25 * (strengths**2).sum() / 2)

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    assert fit(wins) == pytest.approx(best - best.mean(), abs=1e-4)


def test_an_unbeaten_model_stays_finite_with_the_prior_only() -> None:
    tally = votes(*[(0, 1, 1.0)] * 20, *[(1, 2, 1.0), (2, 1, 1.0)] * 5, models=("a", "b", "c"))
    with pytest.raises(ValueError, match="never lost"):
        fit(tally.wins, prior=0.0)
    found = standings(tally, resamples=200)
    assert found.ratings[0].model == "a"
    assert CENTRE < found.ratings[0].rating < CENTRE + 1000
    assert np.isfinite([found.ratings[0].low, found.ratings[0].high]).all()


def test_few_unanimous_votes_do_not_name_a_winner() -> None:
    for count in (2, 3, 5):
        assert not standings(votes(*[(0, 1, 1.0)] * count)).gaps[0].separable
    assert standings(votes(*[(0, 1, 1.0)] * 12)).gaps[0].separable


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(20_260_104)
    held, gaps_held, ranks_held = [], [], []
    for _ in range(150):
        truth = random.normal(0, 0.9, 6)
        truth -= truth.mean()
        strengths = {f"m{i}": float(t) for i, t in enumerate(truth)}
        found = standings(tournament(strengths, 240, random, prompts=24), resamples=300)
        assert len(found.groups) == 1
        for row in found.ratings:
            assert row.low is not None
            assert row.high is not None
            held.append(row.low <= CENTRE + SCALE * strengths[row.model] <= row.high)
            rank = 1 + sum(t > strengths[row.model] for t in truth)
            ranks_held.append(row.best_rank <= rank <= row.worst_rank)
        for gap in found.gaps:
            assert gap.low is not None
            assert gap.high is not None
            gaps_held.append(gap.low <= SCALE * (strengths[gap.better] - strengths[gap.worse]) <= gap.high)
    assert 0.92 <= np.mean(held) <= 0.98
    assert 0.92 <= np.mean(gaps_held) <= 0.98
    assert np.mean(ranks_held) >= 0.95


def test_prompts_that_differ_make_intervals_wider_than_votes_alone_would() -> None:
    rows = [(0, 1, 1.0)] * 300 + [(0, 1, 0.0)] * 200
    points = np.array([row[2] for row in rows])
    spread = np.arange(500) % 50
    clustered = np.arange(500) // 50  # each prompt is answered one way only
    narrow, wide = (
        standings(Tally(("a", "b"), np.zeros(500, int), np.ones(500, int), points, prompt)).gaps[0]
        for prompt in (spread, clustered)
    )
    assert narrow.separable
    assert not wide.separable
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_models_that_votes_do_not_connect_are_named_in_groups() -> None:
    tally = votes(
        *[(0, 1, 1.0), (1, 0, 1.0), (0, 1, 1.0)], *[(2, 3, 1.0), (3, 2, 0.0)], models=("a", "b", "c", "d")
    )
    found = standings(tally, resamples=100)
    assert sorted(map(sorted, found.groups)) == [["a", "b"], ["c", "d"]]
    assert {row.model: row.group for row in found.ratings} == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert {frozenset((gap.better, gap.worse)) for gap in found.gaps} == {
        frozenset("ab"),
        frozenset("cd"),
    }
    for group in (0, 1):  # each group has its own mean
        assert np.mean([row.rating for row in found.ratings if row.group == group]) == pytest.approx(CENTRE)


def test_one_prompt_gives_ratings_and_no_intervals() -> None:
    tally = Tally(("a", "b"), np.zeros(40, int), np.ones(40, int), np.ones(40), np.zeros(40, int))
    found = standings(tally)
    assert found.ratings[0].low is None
    assert not found.gaps[0].separable
    assert (found.ratings[0].best_rank, found.ratings[0].worst_rank) == (1, 2)


def test_votes_still_needed_are_those_of_the_textbook() -> None:
    wanted = {55: 788, 60: 199, 70: 53}
    for percent, votes_ in wanted.items():
        difference = np.log(percent / (100 - percent))
        assert more_votes(difference, np.inf) == votes_
    assert more_votes(0.0, 1.0) is None
    assert more_votes(0.001, 1.0) is None
    more = [more_votes(0.4, error) for error in (np.inf, 0.3, 0.2)]
    assert all(a > b for a, b in pairwise(more))  # type: ignore[operator]


def test_the_votes_that_were_asked_for_do_separate() -> None:
    random = np.random.default_rng(6)
    apart = []
    for _ in range(60):
        tally = tournament({"a": 0.4, "b": -0.4}, 70, random, prompts=35, ties=0.0)
        apart.append(standings(tally, resamples=100).gaps[0].separable)
    asked = more_votes(0.8, np.inf)
    assert asked == pytest.approx(58, abs=2)
    assert 0.7 <= np.mean(apart) <= 0.97


def test_the_covariance_is_the_inverse_of_the_curvature() -> None:
    wins = np.array([[0.0, 30.0], [10.0, 0.0]])
    variance = difference_variance(covariance(wins, fit(wins, prior=1e-9), prior=1e-9))
    assert variance[0, 1] == pytest.approx(1 / (40 * 0.75 * 0.25), rel=1e-3)
