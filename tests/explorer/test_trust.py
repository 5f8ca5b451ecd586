import numpy as np
import pytest

from explorer.ballots import Vote
from explorer.trust import clustered_share, strongest_conflicts, trust_in_metrics
from tests.explorer.voted import ballot


def decided(count: int) -> list[Vote]:
    return [ballot(n, ("a", "b"), "first" if n % 2 else "second") for n in range(count)]


def scores(votes: list[Vote], agreeing: int, sign: float = 1.0) -> dict[str, float]:
    """Values by which the first so many votes agree with the metric, and the others do not."""
    found = {}
    for place, vote in enumerate(votes):
        assert vote.second
        better, worse = (vote.first, vote.second) if vote.outcome == "first" else (vote.second, vote.first)
        gap = 1.0 + place if place < agreeing else -1.0 - place
        found |= {better.image: sign * gap, worse.image: 0.0}
    return found


def test_the_share_is_counted_by_hand_and_directions_turn_it() -> None:
    votes = decided(40)
    values = {("up", "bundled"): scores(votes, 30), ("down", "bundled"): scores(votes, 30, -1.0)}
    directions = {"up": "higher", "down": "lower"}
    found = trust_in_metrics(votes, values, directions)
    assert [(each.share, each.votes, each.prompts) for each in found] == [(0.75, 40, 7)] * 2
    assert trust_in_metrics(votes, values, {"up": "neutral"}) == []


def test_ties_and_skips_are_left_out_and_equal_scores_are_half() -> None:
    votes = [*decided(2), ballot(8, ("a", "b"), "tie"), ballot(9, ("a", "b"), "skip")]
    same = {each.image: 1.0 for vote in votes for each in (vote.first, vote.second) if each}
    (found,) = trust_in_metrics(votes, {("m", "bundled"): same}, {"m": "higher"})
    assert (found.share, found.votes) == (0.5, 2)
    assert found.verdict == "not told apart from chance yet"


def test_without_spread_between_prompts_the_interval_is_wilsons() -> None:
    agrees = np.array([1.0] * 60 + [0.0] * 40)
    share, low, high = clustered_share(agrees, [str(n) for n in range(100)])
    assert (share, low, high) == pytest.approx((0.6, 0.5020, 0.6906), abs=2e-3)


def test_votes_that_go_by_prompt_are_worth_less() -> None:
    agrees = np.array(([1.0] * 10) * 6 + ([0.0] * 10) * 4)
    _, low, high = clustered_share(agrees, [str(n // 10) for n in range(100)])
    _, low_10, high_10 = clustered_share(agrees[::10], [str(n) for n in range(10)])
    assert (low, high) == pytest.approx((low_10, high_10), abs=0.02)


def test_unanimous_votes_on_few_prompts_prove_little() -> None:
    _, low, high = clustered_share(np.ones(50), ["one", "two"] * 25)
    assert low < 0.5
    assert high == pytest.approx(1.0)


def test_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(5)
    held = []
    for _ in range(400):
        own = np.clip(random.normal(0.65, 0.15, 25), 0, 1)  # each prompt has a share of its own
        agrees = (random.random((25, 8)) < own[:, None]).astype(float).ravel()
        _, low, high = clustered_share(agrees, [str(n) for n in np.repeat(np.arange(25), 8)])
        held.append(low <= 0.65 <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_conflicts_come_strongest_first() -> None:
    votes = decided(10)
    found = strongest_conflicts(votes, scores(votes, 7), "higher")
    assert [each.ballot for each in found] == ["b9", "b8", "b7"]
    assert all(each.rejected_score > each.chosen_score for each in found)
    assert strongest_conflicts([], {}, "higher") == []
