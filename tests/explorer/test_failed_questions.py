from typing import Any

import pytest

from explorer.failed_questions import answers_of, asks
from explorer.types import Image, ScoreRow
from tests.explorer.scored import picture, row


def asked(text: str, answer: str | None, expected: str = "yes", **more: Any) -> dict[str, Any]:
    """A question as `metrics.vqa.evidence` writes it."""
    right = None if answer is None else answer == expected
    control = expected == "no"
    return {"id": "q", "text": text, "skill": "object", "expected": expected} | {
        **{"answer": answer, "right": right, "control": control},
        **more,
    }


def answered(image: Image, *questions: dict[str, Any]) -> ScoreRow:
    missing = any(question["answer"] is None for question in questions)
    return row(image, None if missing else 0.5, "tifa", detail={"questions": list(questions)})


def test_questions_are_counted_over_seeds_and_prompts_and_told_from_controls() -> None:
    images = [picture("a", "p0"), picture("a", "p0", seed=1), picture("a", "p1"), picture("b", "p0")]
    scores = [
        answered(images[0], asked("A cat?", "no"), asked("A dog?", "yes", "no")),
        answered(images[1], asked("A cat?", "no"), asked("A dog?", "no", "no")),
        answered(images[2], asked("A cat?", "yes"), asked("A dog?", "no", "yes")),
        answered(images[3], asked("A cat?", "no")),
    ]
    found = answers_of(images, scores, "a")
    table = {(q.text, q.control): (len(q.failed), q.answered, q.failed, q.prompts) for q in found.questions}
    assert table == {
        ("A cat?", False): (2, 3, ("a-p0-0", "a-p0-1"), ("p0",)),
        ("A dog?", True): (1, 2, ("a-p0-0",), ("p0",)),
        ("A dog?", False): (1, 1, ("a-p1-0",), ("p1",)),
    }
    assert (found.unasked, found.reasons) == (0, ())
    assert len(found.failed) == 3


def test_what_was_said_and_what_is_right_are_kept_of_every_prompt() -> None:
    images = [picture("a", f"p{index}") for index in range(4)]
    rights, said = ("red", "red", "blue", "red"), ("blue", "blue", "red", "red")
    scores = [
        answered(image, asked("What colour?", answer, right))
        for image, answer, right in zip(images, said, rights, strict=True)
    ]
    (question,) = answers_of(images, scores, "a").questions
    assert question.expected == ("red", "blue")
    assert question.said == (("blue", 2), ("red", 1))
    assert not question.control


def test_missing_answers_count_neither_way_and_say_why() -> None:
    images = [picture("a", f"p{index}") for index in range(5)]
    scores = [
        answered(images[0], asked("A cat?", None, reason="It said nothing."), asked("A dog?", "yes")),
        answered(images[1], asked("A cat?", None, reason="It said nothing.")),
        answered(images[2], asked("A cat?", "yes")),
        row(images[3], None, "tifa"),
    ]
    found = answers_of(images, scores, "a")
    cat = next(question for question in found.questions if question.text == "A cat?")
    assert (cat.answered, cat.unanswered, cat.failed) == (1, 2, ())
    # One was refused, one never scored.
    assert found.unasked == 2
    assert found.reasons == (("It said nothing.", 2), ("no weights", 1))


def test_what_fails_most_surely_comes_first() -> None:
    """Lower ends of Wilson intervals by hand: 8/8 0.676, 2/2 0.342, 9/20 0.258, 1/20 0.009."""
    images = [picture("a", f"p{index}") for index in range(20)]
    fails = {"half": (20, 9), "all eight": (8, 8), "one": (20, 1), "both": (2, 2), "none": (9, 0)}
    scores = [
        answered(
            image,
            *(
                asked(text, "no" if index < wrong else "yes")
                for text, (n, wrong) in fails.items()
                if index < n
            ),
        )
        for index, image in enumerate(images)
    ]
    found = answers_of(images, scores, "a").questions
    assert [question.text for question in found] == ["all eight", "both", "half", "one", "none"]
    assert [question.failure for question in found] == pytest.approx(
        [0.6756, 0.3424, 0.2582, 0.0089, 0.0], abs=1e-3
    )


def test_answers_of_another_answerer_are_left_out_with_the_reason() -> None:
    images = [picture("a", f"p{index}") for index in range(3)]
    scores = [answered(image, asked("A cat?", "no")) for image in images[:2]]
    other = row(images[2], 1.0, "tifa", detail={"questions": [asked("A cat?", "no")]}, revision="other")
    found = answers_of(images, [*scores, other], "a")
    assert [question.answered for question in found.questions] == [2]
    assert found.unasked == 1
    assert "another version" in found.reasons[0][0]


def test_details_of_another_form_are_no_questions() -> None:
    image = picture("a", "p0")
    for detail in ({}, {"questions": 3}, {"questions": ["A cat?", {"id": "q1"}, None]}):
        scores = [row(image, 1.0, "tifa", detail=detail)]
        assert not asks(scores)
        assert answers_of([image], scores, "a").questions == ()
    assert asks([answered(image, asked("A cat?", None))])
    assert answers_of([], [], "a").questions == ()
