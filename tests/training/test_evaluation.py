"""The prompts that models are measured on, and how right and wrong are counted."""

from collections import Counter

import pytest

from training.evaluation import SORTS, evaluation_scenes, report_by_sort, sort_of
from training.measure import separation
from training.world import Group, Scene, is_held_out


def test_two_hundred_prompts_hold_enough_of_each_sort() -> None:
    scenes = evaluation_scenes(200, seed=31337)
    counts = Counter(map(sort_of, scenes))
    assert set(counts) == set(SORTS)
    assert counts["one_object"] >= 50
    assert counts["counting"] >= 50
    assert counts["two_objects"] >= 50
    two_groups = [scene for scene in scenes if len(scene.groups) == 2]
    assert all(is_held_out(scene) for scene in two_groups)
    assert all(scene.names_background for scene in scenes)
    assert scenes[:20] == evaluation_scenes(20, seed=31337)
    assert scenes != evaluation_scenes(200, seed=1)


def test_the_sort_of_a_prompt() -> None:
    red, blue = Group(1, "red", "star"), Group(1, "blue", "circle")
    scene = Scene("single", "white", (), (red,))
    assert sort_of(scene) == "one_object"
    assert sort_of(Scene("count", "white", (), (Group(3, "red", "star"),))) == "counting"
    assert sort_of(Scene("pair", "white", (), (red, blue))) == "two_objects"
    assert sort_of(Scene("pair", "white", (), (red, Group(2, "blue", "circle")))) == "mixed_groups"
    report = report_by_sort([scene, scene], [{"all": True, "count": True}, {"all": False, "count": True}])
    assert report == {"one_object": {"prompts": 2, "all": 0.5, "count": 1.0}}


@pytest.mark.parametrize(
    ("scores", "right", "expected"),
    [
        ([1, 2, 3, 4], [False, False, True, True], 1.0),
        ([4, 3, 2, 1], [False, False, True, True], 0.0),
        ([1, 3, 2, 4], [False, False, True, True], 0.75),
        ([5, 5], [True, False], 0.5),
        ([5, 5], [True, True], None),
    ],
)
def test_separation_counts_pairs(scores: list[float], right: list[bool], expected: float | None) -> None:
    assert separation(scores, right) == expected
