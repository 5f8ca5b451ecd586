"""Questions and scenes made from what was read."""

import pytest

from metrics.parsing import parse_questions, parse_scene
from metrics.parsing.lexicon import CONFUSABLE
from metrics.questions import YES_NO, ExpectedObject, Question, Scene


def asked(prompt: str) -> dict[str, Question]:
    return {question.text: question for question in parse_questions(prompt)}


def parents(prompt: str, text: str) -> list[str]:
    questions = parse_questions(prompt)
    texts = {question.id: question.text for question in questions}
    (found,) = (question for question in questions if question.text == text)
    return [texts[parent] for parent in found.parents]


def test_what_is_there_comes_before_what_it_is_like_and_how_it_lies() -> None:
    prompt = "a red car to the left of a wooden bench"
    assert parents(prompt, "Is there a car?") == []
    assert parents(prompt, "What color is the car?") == ["Is there a car?"]
    assert parents(prompt, "Is the bench made of wood?") == ["Is there a bench?"]
    assert parents(prompt, "Is the car left of the bench?") == ["Is there a car?", "Is there a bench?"]
    assert parents(prompt, "Is the car right of the bench?") == ["Is there a car?", "Is there a bench?"]
    assert asked(prompt)["Is the car right of the bench?"].control


def test_counts_are_choices() -> None:
    five = asked("five birds")["How many birds are there?"]
    assert (five.expected, five.skill) == ("5", "count")
    assert set(five.choices) >= {"0", "3", "4", "5", "6", "8"}
    # The network of the drawn world knows no number beyond four.
    assert asked("three red circles")["How many circles are there?"].choices == ("0", "1", "2", "3", "4")
    assert "How many birds are there?" not in asked("a bird")
    assert "How many birds are there?" not in asked("some birds")
    assert asked("a single bird")["How many birds are there?"].expected == "1"


@pytest.mark.parametrize("colour", ["red", "teal", "navy", "beige", "gold", "gray", "blonde"])
def test_no_wrong_colour_is_near_the_right_one(colour: str) -> None:
    questions = asked(f"a {colour} vase")
    choice = questions["What color is the vase?"]
    assert choice.expected == colour
    assert len(choice.choices) == 4
    near = {other for group in CONFUSABLE if colour in group for other in group} - {colour}
    assert not near & set(choice.choices)
    wrong = [q.text for q in questions.values() if q.control and q.skill == "colour"]
    assert wrong
    assert not {text.rstrip("?").split()[-1] for text in wrong} & (near | {colour})


def test_exchanged_colours_are_asked_for() -> None:
    questions = asked("a red car and a blue dog")
    assert questions["Is the car blue?"].control
    assert "red" in questions["What color is the dog?"].choices


def test_things_of_one_name_are_told_apart_by_their_colour() -> None:
    questions = asked("a blue triangle left of a red triangle")
    assert questions["Is there a blue triangle?"].skill == "colour"
    assert "Is the blue triangle left of the red triangle?" in questions
    assert "What color is the triangle?" not in questions
    assert parents("two red cups and three blue cups", "How many red cups are there?") == [
        "Are there any red cups?"
    ]


def test_what_cannot_be_told_apart_is_not_asked_for() -> None:
    texts = asked("a dog next to a dog")
    assert not [text for text in texts if "next to" in text]


def test_absent_things_are_expected_to_be_absent() -> None:
    questions = asked("a street without cars or any people")
    assert questions["Are there any cars?"].expected == "no"
    assert questions["Are there any people?"].expected == "no"


def test_other_kinds() -> None:
    prompt = "an oil painting of a woman wearing a hat next to a sign that says 'OPEN' in a forest at night"
    questions = asked(prompt)
    assert questions["Is the woman wearing a hat?"].skill == "activity"
    assert questions['Does the sign say "OPEN"?'].skill == "text"
    assert questions["Does this image show a forest?"].skill == "background"
    assert questions["Is this image an oil painting?"].skill == "style"
    assert questions["Is it night in this image?"].skill == "style"


@pytest.mark.parametrize(
    "prompt",
    [
        "a red car and a blue dog",
        "two fluffy cats on a wooden table next to a window",
        "a woman wearing a red hat and holding an umbrella in front of a green door",
        "a small yellow bird above a large brown horse",
    ],
)
def test_yes_and_no_are_in_balance(prompt: str) -> None:
    binary = [question for question in parse_questions(prompt) if question.choices == YES_NO]
    wanted = [question.expected for question in binary]
    assert abs(wanted.count("yes") - wanted.count("no")) <= 2


def test_the_same_prompt_gives_the_same_questions_whatever_else_is_asked() -> None:
    prompt = "a red car and a blue dog"
    first = parse_questions(prompt)
    parse_questions.cache_clear()
    parse_questions("a green tree")
    assert parse_questions(prompt) == first


def test_nothing_to_ask() -> None:
    assert parse_questions("beautiful, masterpiece, 8k") == ()
    assert parse_scene("beautiful, masterpiece, 8k") is None
    assert parse_scene("a forest at night") is None


def thing(name: str, count: int = 1, colour: str = "", **more: object) -> ExpectedObject:
    return ExpectedObject(name, count, colour, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a photo of a bench", Scene("single_object", (thing("bench"),))),
        ("a photo of a purple bench", Scene("colors", (thing("bench", 1, "purple"),))),
        ("a photo of a bench and a sports ball", Scene("two_object", (thing("bench"), thing("sports ball")))),
        ("a photo of three knives", Scene("counting", (thing("knife", 3),), (thing("knife", 4),))),
        (
            "a photo of a white banana and a black elephant",
            Scene("color_attr", (thing("banana", 1, "white"), thing("elephant", 1, "black"))),
        ),
        (
            "a photo of a dog right of a teddy bear",
            Scene("position", (thing("teddy bear"), thing("dog", relation="right of", target=0))),
        ),
        ("a table with no chairs", Scene("single_object", (thing("table"),), (thing("chair", 1),))),
        ("dogs in a park", Scene("single_object", (thing("dog", 2),))),
        ("a kite under a tree", Scene("two_object", (thing("kite"), thing("tree")))),
    ],
)
def test_scenes_are_those_of_geneval(prompt: str, scene: Scene) -> None:
    assert parse_scene(prompt) == scene


def test_scenes_written_down_come_back() -> None:
    for prompt in ("three red cups above a table", "a dog right of a teddy bear without cats"):
        scene = parse_scene(prompt)
        assert scene is not None
        assert Scene.from_dict(scene.to_dict()) == scene
