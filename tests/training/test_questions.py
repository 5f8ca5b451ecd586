"""Questions are worded as documented and their answers are true."""

import random
import re
from collections import Counter, defaultdict

import pytest

from training.askers import SKILLS
from training.questions import ANSWERS, ask, ask_several, question_words
from training.sight import draw_scenes
from training.subjects import (
    Question,
    Subject,
    absent_subject,
    exchanged,
    in_place,
    present_subject,
    related,
    subjects_of,
)
from training.world import Group, Item, Scene

CIRCLE, SQUARE = Item("circle", "red", 30, 64, 20), Item("square", "blue", 98, 60, 20)
PAIR = Scene(
    "relation",
    "white",
    (CIRCLE, SQUARE),
    (Group(1, "red", "circle"), Group(1, "blue", "square")),
    relation="left of",
)
STARS = Scene(
    "count",
    "navy",
    (Item("star", "pink", 30, 30, 16), Item("star", "pink", 90, 90, 16)),
    (Group(2, "pink", "star"),),
)


@pytest.fixture(scope="module")
def asked() -> list[tuple[Scene, Question]]:
    """Many questions of all skills."""
    rng = random.Random(8)
    return [
        (scene, question)
        for scene in draw_scenes(rng, 1200)
        for question in ask_several(rng, scene, 6, [1.0] * len(SKILLS))
    ]


def test_subjects_find_what_they_name() -> None:
    assert Subject("red", "circle").find(PAIR) == [CIRCLE]
    assert Subject(None, "square").find(PAIR) == [SQUARE]
    assert Subject("red").find(PAIR) == [CIRCLE]
    assert Subject().find(PAIR) == [CIRCLE, SQUARE]
    assert Subject("red", "square").find(PAIR) == []
    assert (Subject("red", "cross").one, Subject("red", "cross").many) == ("red cross", "red crosses")
    assert (Subject("red").many, Subject(noun="shape").one) == ("red objects", "shape")


def test_subjects_of_a_scene() -> None:
    pairs = {(subject.color, subject.shape) for subject in subjects_of(PAIR)}
    assert pairs == {
        (None, None),
        ("red", None),
        ("blue", None),
        (None, "circle"),
        (None, "square"),
        ("red", "circle"),
        ("blue", "square"),
    }


def test_absent_subjects_are_absent_and_often_exchanged() -> None:
    rng = random.Random(1)
    drawn = [absent_subject(rng, PAIR) for _ in range(300)]
    assert not any(subject.find(PAIR) for subject in drawn)
    swapped = [
        subject
        for subject in drawn
        if (subject.color, subject.shape) in (("red", "square"), ("blue", "circle"))
    ]
    assert len(swapped) > 50


def test_unique_subjects_mean_one_object() -> None:
    rng = random.Random(1)
    assert all(len(present_subject(rng, PAIR, unique=True).find(PAIR)) == 1 for _ in range(50))
    assert present_subject(rng, STARS, unique=True) is None


@pytest.mark.parametrize(
    ("x", "y", "place", "expected"),
    [
        (32, 64, "on the left", True),
        (64, 64, "on the left", False),
        (50, 64, "on the left", None),
        (96, 64, "on the right", True),
        (64, 32, "at the top", True),
        (64, 96, "at the top", False),
        (64, 96, "at the bottom", True),
        (66, 60, "in the center", True),
        (96, 64, "in the center", False),
        (80, 64, "in the center", None),
    ],
)
def test_places(x: float, y: float, place: str, expected: bool | None) -> None:
    assert in_place(Item("star", "red", x, y, 20), place) is expected


def test_relations() -> None:
    assert related(CIRCLE, SQUARE, "left of") is True
    assert related(CIRCLE, SQUARE, "right of") is False
    assert related(SQUARE, CIRCLE, "right of") is True
    assert related(CIRCLE, SQUARE, "above") is False  # they stand side by side
    low = Item("star", "pink", 40, 110, 15)
    assert related(CIRCLE, low, "above") is True
    assert related(low, CIRCLE, "below") is True
    assert related(CIRCLE, Item("star", "pink", 50, 110, 15), "left of") is None  # a little to the left


def test_exchanged_colors() -> None:
    other = exchanged(PAIR)
    assert other is not None
    assert other.core == "a blue circle left of a red square"
    assert exchanged(STARS) is None


def test_every_word_is_known(asked: list[tuple[Scene, Question]]) -> None:
    words = set(question_words())
    used = {word for _, question in asked for word in question.text.rstrip("?").split()}
    assert used <= words
    assert {question.answer for _, question in asked} <= set(ANSWERS) <= words
    assert max(len(question.text.split()) for _, question in asked) <= 26


def test_every_skill_is_asked_and_yes_is_right_half_of_the_time(asked: list[tuple[Scene, Question]]) -> None:
    by_skill: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in asked:
        by_skill[question.skill][question.answer] += 1
    assert set(by_skill) == set(SKILLS)
    for skill, answers in by_skill.items():
        share = answers["yes"] / (answers["yes"] + answers["no"])
        assert 0.4 < share < 0.6, (skill, share)
    assert set("01234") < set(by_skill["count"])


def _subject(words: str) -> Subject:
    """Reads a subject back from its words, singular or plural."""
    named = re.sub(r"(?<=cross)es$|(?<=[elrdt])s$", "", words).split()
    colors = [word for word in named if word in _COLORS]
    shapes = [word for word in named if word in _SHAPES]
    return Subject(*(found[0] if found else None for found in (colors, shapes)))


_COLORS = {"red", "green", "blue", "yellow", "orange", "purple", "pink", "cyan"}
_SHAPES = {"circle", "square", "triangle", "star", "diamond", "cross"}
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "1": 1, "2": 2, "3": 3, "4": 4}


def _truth(text: str, scene: Scene) -> str | None:
    """Works out the answer from the words alone, for the plainest wordings."""
    text = re.sub(r"( (in|of) (the|this) (image|picture))?\??$", "", text)
    if match := re.fullmatch(r"how many (.+) are there", text):
        return str(len(_subject(match[1]).find(scene)))
    if match := re.fullmatch(r"(?:is|are) there (?:exactly )?(one|two|three|four|\d) (.+)", text):
        return "yes" if len(_subject(match[2]).find(scene)) == _NUMBERS[match[1]] else "no"
    if match := re.fullmatch(r"is there an? ((?:\w+ )?\w+)", text):
        if set(match[1].split()) & {"small", "large", "background"}:
            return None
        return "yes" if _subject(match[1]).find(scene) else "no"
    if match := re.fullmatch(r"is the background (\w+)", text):
        return "yes" if scene.background == match[1] else "no"
    if match := re.fullmatch(r"what color (?:is|are) the (\w+)", text):
        if match[1] == "background":
            return scene.background
        (color,) = {item.color for item in _subject(match[1]).find(scene)}
        return color
    if match := re.fullmatch(r"is the (.+?) (?:to the )?(left of|right of|above|below) the (.+)", text):
        pairs = [
            (first, second)
            for first in _subject(match[1]).find(scene)
            for second in _subject(match[3]).find(scene)
        ]
        ways = {"left of": (1, 0), "right of": (-1, 0), "above": (0, 1), "below": (0, -1)}
        right, down = ways[match[2]]
        holds = any(right * (two.x - one.x) + down * (two.y - one.y) > 15 for one, two in pairs)
        return "yes" if holds else "no"
    return None


def test_answers_are_true(asked: list[tuple[Scene, Question]]) -> None:
    checked = Counter()
    for scene, question in asked:
        truth = _truth(question.text, scene)
        if truth is not None:
            assert question.answer == truth, (question, scene.caption)
            checked[question.skill] += 1
    assert min(checked[skill] for skill in ("object", "count", "color", "background", "relation")) > 60


def test_captions_of_the_scene_are_a_yes(asked: list[tuple[Scene, Question]]) -> None:
    for scene, question in asked:
        if question.skill == "caption":
            own = question.text.rstrip("?").endswith(scene.core) or scene.core + " on a" in question.text
            other = scene.background if scene.names_background else ""
            same = own and other in question.text
            assert question.answer == ("yes" if same else "no"), (question, scene.caption)


def test_asking_repeats_and_gives_none_where_nothing_fits() -> None:
    first, second = (ask_several(random.Random(4), PAIR, 9, [1.0] * len(SKILLS)) for _ in range(2))
    assert first == second
    assert ask(random.Random(0), STARS, "relation") is None
    assert ask(random.Random(0), Scene("single", "white", (), ()), "color") is None
