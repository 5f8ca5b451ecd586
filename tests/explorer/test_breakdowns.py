from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explorer.breakdowns import (
    MIN_POINTS,
    by_group,
    by_skill,
    by_task,
    correlations,
    most_different,
    skills_of,
    tasks_named,
    tasks_of,
)
from explorer.comparisons import compare
from explorer.statistics import intervals
from explorer.types import Image, ScoreRow
from tests.explorer.scored import picture, row, scored

HIGHER = {"m": "higher"}


def test_groups_have_leaderboards_and_comparisons_of_their_own() -> None:
    images, scores = [], []
    for category, lead in (("text", 2.0), ("hands", -1.0)):
        for model, value in (("a", lead), ("b", 0.0)):
            for index in range(6):
                images.append(picture(model, f"{category}{index}", category=category, difficulty="hard"))
                scores.append(row(images[-1], value))
    text, hands = by_group(images, scores, HIGHER, "category")
    assert [(r.model, r.mean) for r in text.leaderboard] == [("a", 2.0), ("b", 0.0)]
    assert [(r.model, r.mean) for r in hands.leaderboard] == [("b", 0.0), ("a", -1.0)]
    assert [text.comparisons[0].verdict, hands.comparisons[0].verdict] == ["better", "worse"]
    (hard,) = by_group(images, scores, HIGHER, "difficulty")
    assert hard.group == "hard"
    assert hard.leaderboard[0].prompts == 12


def test_a_prompt_may_ask_for_several_skills_or_none() -> None:
    images, scores = scored({"a": [1.0, 3.0, 8.0]})
    skills = {"p0": ("counting", "color", "counting"), "p1": ("color",)}
    found = by_group(images, scores, HIGHER, lambda image: skills.get(image.recipe.prompt_id, ()))
    assert [(b.group, b.leaderboard[0].mean, b.leaderboard[0].prompts) for b in found] == [
        ("counting", 1.0, 1),
        ("color", 2.0, 2),
    ]


def test_pictures_are_grouped_by_the_task_that_their_score_tells() -> None:
    images = [picture("a", name) for name in ("two cats", "a red cat", "three dogs", "unscored")]
    tasks = ("counting", "colors", "counting")
    scores = [
        row(image, value, "geneval", detail={"task": task})
        for image, task, value in zip(images, tasks, (1.0, 1.0, 0.0), strict=False)
    ]
    found = by_group(images, scores, {"geneval": "higher"}, tasks_of(scores))
    assert [(b.group, b.leaderboard[0].mean) for b in found] == [("counting", 0.5), ("colors", 1.0)]


def skilled(image: Image, **shares: float) -> ScoreRow:
    """A score of questions; its own value is of no matter here."""
    skills = {name: {"mean": share, "questions": 2} for name, share in shares.items()}
    return row(image, sum(shares.values()) / len(shares), "tifa", detail={"skills": skills})


def test_a_skill_is_the_mean_over_prompts_of_the_share_right_in_each() -> None:
    """By hand: colour of a is ((1 + 0.5) / 2 + 0) / 2, though two of its three pictures are of p0."""
    images = [picture("a", "p0"), picture("a", "p0", seed=1), picture("a", "p1"), picture("a", "p2")]
    images += [picture("b", "p0"), picture("b", "p1"), picture("b", "p2")]
    scores = [
        skilled(images[0], object=1.0, colour=1.0),
        skilled(images[1], object=0.5, colour=0.5),
        skilled(images[2], colour=0.0),
        skilled(images[3], object=0.25, zebra=1.0),
        skilled(images[4], object=0.0, colour=1.0),
        # Of b one picture is unscored: its shares are not known, whatever its detail says.
        replace(skilled(images[5], colour=1.0), value=None, reason="1 of 2 questions were not answered."),
    ]
    found = {
        b.group: {r.model: r for r in b.leaderboard} for b in by_skill(images, scores, {"tifa": "higher"})
    }
    assert list(found) == ["object", "colour", "zebra"]
    assert {m: (r.mean, r.prompts) for m, r in found["object"].items()} == {"a": (0.5, 2), "b": (0.0, 1)}
    assert {m: (r.mean, r.prompts) for m, r in found["colour"].items()} == {"a": (0.375, 2), "b": (1.0, 1)}
    assert (found["colour"]["b"].images, found["colour"]["b"].unscored) == (2, 1)
    assert found["zebra"]["b"].mean is None
    # The leaderboard's own bootstrap over prompts: of two prompts some interval, of one none.
    values = np.array([[0.75, 0.0]])
    expected = intervals(values)
    assert (found["colour"]["a"].low, found["colour"]["a"].high) == (expected.low[0], expected.high[0])
    assert found["colour"]["b"].low is None


def test_skills_of_two_answerers_are_not_put_together() -> None:
    images, _ = scored({"a": [1.0, 1.0, 1.0]})
    scores = [skilled(image, object=share) for image, share in zip(images, (1.0, 0.0, 0.0), strict=True)]
    scores[0] = replace(scores[0], revision="another")
    (only,) = by_skill(images, scores, {"tifa": "higher"})
    assert (only.leaderboard[0].mean, only.leaderboard[0].prompts) == (0.0, 2)


def test_details_of_another_form_have_no_skills_and_no_tasks() -> None:
    image = picture("a", "p0")
    strange: list[dict[str, Any]] = [
        *({}, {"skills": 3}, {"skills": ["object"]}, {"skills": {"object": 1.0}}, {"tasks": [1]}),
        *({"skills": {"object": {"mean": "1"}}}, {"skills": {"object": {"mean": float("nan")}}}),
    ]
    for detail in strange:
        score = row(image, 1.0, "tifa", detail=detail)
        assert skills_of(score) == {}
        assert tasks_named(score) == set()
        assert by_skill([image], [score], {}) == by_task([image], [score], {}) == []


def test_tasks_of_whole_models_are_their_own_shares_without_intervals() -> None:
    images, _ = scored({"a": [1.0, 1.0], "b": [1.0, 1.0]})

    def of_model(image: Image, right: float) -> ScoreRow:
        tasks = {
            "counting": {"right": right, "pictures": 4, "prompts": 2},
            "single_object": {"right": 1.0, "pictures": 2, "prompts": 1},
        }
        return row(image, (right + 1) / 2, "geneval_overall", level="model", detail={"tasks": tasks})

    scores = [of_model(images[0], 0.25), of_model(images[2], 0.75)]
    one, counting = by_task(images, scores, {"geneval_overall": "higher"})
    assert (one.group, counting.group) == ("single_object", "counting")
    assert {r.model: (r.mean, r.prompts, r.images) for r in counting.leaderboard} == {
        "a": (0.25, 2, 4),
        "b": (0.75, 2, 4),
    }
    assert all(r.low is None and r.high is None for r in (*one.leaderboard, *counting.leaderboard))
    # Scores of single pictures give the same groups, with intervals.
    single = [
        row(image, value, "geneval", detail={"task": "counting"})
        for image, value in zip(images, (1.0, 0.0, 1.0, 1.0), strict=True)
    ]
    (only,) = by_task(images, single, {"geneval": "higher"})
    assert [(r.model, r.mean, r.low is None) for r in only.leaderboard] == [
        ("b", 1.0, False),
        ("a", 0.5, False),
    ]


def test_a_value_of_a_whole_model_is_no_value_of_a_group() -> None:
    images, _ = scored({"a": [1.0, 1.0]})
    (only,) = by_group(images, [row(images[0], 5.0, level="model")], HIGHER, "category")
    assert only.leaderboard == ()
    nameless = [picture("a", "p", category="")]
    assert by_group(nameless, [row(nameless[0], 1.0)], HIGHER, "category") == []


def test_the_prompts_that_differ_most_come_first_with_their_pictures() -> None:
    images, scores = scored({"a": [1.0, 5.0, 2.0, 0.0], "b": [1.5, 1.0, 9.0, None], "c": [0.0] * 4})
    images.append(picture("a", "p1", seed=-1))
    scores.append(row(images[-1], 7.0))
    pair = compare(images, scores, HIGHER)[0]
    found = most_different(images, scores, pair)
    assert [(c.prompt, c.difference) for c in found] == [("p2", -7.0), ("p1", 5.0), ("p0", -0.5)]
    assert (found[1].first_value, found[1].second_value) == (6.0, 1.0)
    assert found[1].first_images == ("a-p1--1", "a-p1-0")
    assert found[1].second_images == ("b-p1-0",)
    assert [c.difference for c in most_different(images, scores, pair.reversed(), limit=1)] == [7.0]
    assert most_different(images, [], pair) == []


def slow_spearman(first: list[float], second: list[float]) -> float:
    """By the definition, for values without ties: 1 - 6 sum of d^2 / (n (n^2 - 1))."""
    ranks = [[sorted(values).index(value) for value in values] for values in (first, second)]
    size = len(first)
    return 1 - 6 * sum((a - b) ** 2 for a, b in zip(*ranks, strict=True)) / (size * (size**2 - 1))


def test_metrics_are_correlated_over_prompts_and_models() -> None:
    rng = np.random.default_rng(1)
    one = {"a": list(rng.normal(size=7)), "b": list(rng.normal(size=7))}
    other = {name: [value**3 + float(rng.normal()) / 2 for value in of] for name, of in one.items()}
    other["b"][3] = None
    images, first = scored(one, "m")
    _, second = scored(other, "n")
    (found,) = correlations(images, first + second)
    pairs = [(v, w) for name in one for v, w in zip(one[name], other[name], strict=True) if w is not None]
    assert (found.first, found.second, found.points) == ("m", "n", 13)
    assert found.rho == pytest.approx(slow_spearman([v for v, _ in pairs], [w for _, w in pairs]))


def test_where_no_correlation_can_be_given_the_reason_is() -> None:
    images, first = scored({"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    _, same = scored({"a": [1.0] * 6}, "n")
    (constant,) = correlations(images, first + same)
    assert (constant.rho, constant.reason) == (None, "All values of one of them are equal.")
    (few,) = correlations(images, first + same[:3])
    assert (few.rho, few.points) == (None, 3)
    assert str(MIN_POINTS) in few.reason
    assert correlations(images, first) == []
