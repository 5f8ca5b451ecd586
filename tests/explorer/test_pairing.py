import evalica
import numpy as np
import pytest

from explorer.ballots import Scope
from explorer.candidates import candidates
from explorer.elo import elo_history
from explorer.pairing import choose_models, wins_of_scores, worth
from explorer.ratings import fit
from explorer.vote_store import Contender
from tests.explorer.voted import tournament


def contender(model: str, prompt: str, seed: int = 0, run: str = "r", image: str = "") -> Contender:
    name = image or f"{run}-{model}-{prompt}-{seed}"
    return Contender(run, name, model, f"hash of {model}", prompt, seed, "s", "c")


def test_only_the_same_prompt_and_seed_of_one_run_meet() -> None:
    rows = [
        contender("a", "x"),
        contender("b", "x"),
        contender("b", "x", seed=1),
        contender("a", "y"),
        contender("b", "y", run="other"),
    ]
    index = candidates(rows, Scope())
    assert index.names == ("a", "b")
    assert index.shared.tolist() == [[0, 1], [1, 0]]
    _, left, right = index.common(0, 1)
    assert (left.tolist(), right.tolist()) == ([0], [1])


def test_several_pictures_of_one_seed_meet_in_their_order() -> None:
    rows = [contender(m, "x", -1, image=f"{m}{n}") for m in "ab" for n in range(3)]
    _, left, right = candidates(rows[:-1], Scope()).common(0, 1)
    assert [(rows[i].image, rows[j].image) for i, j in zip(left, right, strict=True)] == [
        ("a0", "b0"),
        ("a1", "b1"),
    ]


def test_two_contents_under_one_name_are_two_models() -> None:
    rows = [contender("a", "x"), contender("a", "x")._replace(model_hash="0123456789", image="other")]
    assert candidates(rows, Scope()).names == ("a (hash o)", "a (012345)")


def test_close_and_uncertain_models_are_worth_more() -> None:
    wins = np.array([[0, 40, 40, 0], [38, 0, 30, 0], [2, 10, 0, 0], [0, 0, 0, 0]], dtype=float)
    value = worth(wins)
    assert value == pytest.approx(value.T)
    assert value[0, 1] > value[0, 2]  # the first two are close
    assert value[2, 3] > value[1, 2]  # of the last one nothing is known
    assert not np.diagonal(value).any()


def test_models_that_cannot_meet_are_not_chosen() -> None:
    random = np.random.default_rng(1)
    shared = np.array([[0, 0, 3], [0, 0, 0], [3, 0, 0]])
    assert {choose_models(np.ones((3, 3)), shared, random) for _ in range(20)} == {(0, 2)}
    assert choose_models(np.ones((3, 3)), np.zeros((3, 3), dtype=np.int64), random) is None


def test_chosen_pairs_need_fewer_votes_than_random_ones() -> None:
    from scipy.stats import kendalltau

    def accuracy(by_worth: bool) -> float:
        random, taus = np.random.default_rng(2), []
        truths = np.random.default_rng(3).normal(0, 1, (24, 10))
        shared = np.ones((10, 10), dtype=np.int64)
        for truth in truths:
            wins = np.zeros((10, 10))
            for _ in range(210 if by_worth else 300):
                i, j = choose_models(worth(wins) if by_worth else shared * 1.0, shared, random) or (0, 1)
                won = random.random() < 1 / (1 + np.exp(truth[j] - truth[i]))
                wins[(i, j) if won else (j, i)] += 1
            taus.append(kendalltau(fit(wins), truth)[0])
        return float(np.mean(taus))

    assert accuracy(True) >= accuracy(False)  # 0.7 x the votes


def test_a_metric_begins_the_ranking_and_votes_overrule_it() -> None:
    start = wins_of_scores(np.array([3.0, 2.0, 1.0, np.nan]))
    strengths = fit(start)
    assert strengths[0] > strengths[1] > strengths[2]
    votes = np.zeros((4, 4))
    votes[2, 0] = votes[2, 1] = 20
    assert np.argmax(fit(start + votes)) == 2


def test_elo_equals_an_independent_implementation() -> None:
    tally = tournament({"a": 1.0, "b": 0.0, "c": -1.0}, 150, np.random.default_rng(3))
    names = np.array(tally.models)
    named = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    theirs = evalica.elo(
        names[tally.first].tolist(), names[tally.second].tolist(), [named[p] for p in tally.points.tolist()]
    ).scores
    moments, history = elo_history(tally)
    assert moments[-1] == 150
    assert history[-1] == pytest.approx([theirs[name] for name in tally.models], abs=1e-6)
    assert history[0].tolist() == [1000.0] * 3
