import numpy as np
import pytest

from explorer.breakdowns import MIN_POINTS, by_group, correlations, most_different
from explorer.comparisons import compare
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
