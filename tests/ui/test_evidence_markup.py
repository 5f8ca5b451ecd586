"""Boxes, reasons and questions as HTML; what others wrote into a detail can do no harm."""

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from explorer.ui.evidence_markup import boxes_over, evidence

HOSTILE = '<script>alert("x")</script>'


def box(label: str, state: str, corners: Any = (10, 20, 60, 80), **more: Any) -> dict[str, Any]:
    return {"label": label, "score": 0.951, "box": list(corners), "state": state, **more}


def detail(*found: dict[str, Any], size: Any = (128, 96), **more: Any) -> dict[str, Any]:
    return {"size": list(size), "boxes": list(found), "wrong": [], "expected": ["1 red circle"], **more}


def drawing(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html)


def test_boxes_are_drawn_where_they_are_with_a_mark_that_is_no_colour() -> None:
    svg = drawing(
        boxes_over(
            detail(
                box("circle", "matched", colour="red"),
                box("circle", "unmatched", (70, 20, 120, 80)),
                box("star", "other", (1, 1, 9, 9)),
                box("star", "dropped"),
            )
        )
    )
    assert svg.attrib["viewBox"] == "0 0 128 96"
    assert [group.attrib["class"] for group in svg] == [
        "x-box x-other",
        "x-box x-unmatched",
        "x-box x-matched",
    ]
    assert [group[2].text for group in svg] == ["star 0.95", "✗ circle 0.95", "✓ red circle 0.95"]
    outline = svg[2][0].attrib
    assert [outline[name] for name in ("x", "y", "width", "height")] == ["10", "20", "50", "60"]


def test_names_stay_on_the_picture_and_off_one_another() -> None:
    many = [box("circle", "matched", (100, 1, 127, 40), colour="purple") for _ in range(4)]
    svg = drawing(boxes_over(detail(*many)))
    tags = [{key: float(value) for key, value in group[1].attrib.items() if key != "class"} for group in svg]
    assert all(tag["x"] >= 0 and tag["x"] + tag["width"] <= 128.1 for tag in tags)
    assert all(tag["y"] >= 0 and tag["y"] + tag["height"] <= 96 for tag in tags)
    tops = sorted(tag["y"] for tag in tags)
    assert all(low + tags[0]["height"] <= high + 0.1 for low, high in pairwise(tops))
    # A name wider than the picture is squeezed into it.
    long = drawing(boxes_over(detail(box("z" * 200, "matched"))))
    assert float(long[0][1].attrib["width"]) <= 128
    assert float(long[0][2].attrib["textLength"]) < 128


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"boxes": [box("circle", "matched")]},
        detail(size=(0, 10)),
        detail(size=("wide", 10)),
        detail(size=(float("nan"), 10)),
        {"size": [1, 2, 3], "boxes": []},
    ],
)
def test_without_a_size_there_is_no_drawing(odd: dict[str, Any]) -> None:
    assert boxes_over(odd) == ""


def test_boxes_of_another_form_are_left_out() -> None:
    odd = [
        box("a", "matched", (1, 2, 3)),
        box("b", "matched", ("x", 1, 2, 3)),
        box("c", "matched", (1, 2, 1e999, 3)),
    ]
    svg = drawing(
        boxes_over({"size": [10, 10], "boxes": [*odd, "no box", box("d", "matched", (1, 2, 3, 4))]})
    )
    assert [group[2].text for group in svg] == ["✓ d 0.95"]
    assert len(drawing(boxes_over(detail(*[box("d", "other")] * 1000)))) == 64
    assert len(drawing(boxes_over(detail()))) == 0


def test_texts_are_escaped_everywhere() -> None:
    found = detail(box(HOSTILE, "matched", colour=HOSTILE), wrong=[HOSTILE], expected=[HOSTILE])
    question = dict.fromkeys(("text", "skill", "answer", "expected", "reason"), HOSTILE)
    asked = {"questions": [{**question, "right": False, "id": 1}], "skills": {HOSTILE: {"mean": 0.5}}}
    silent = {"questions": [{**question, "answer": None}]}
    tasks = {"tasks": {HOSTILE: {"right": 1.0, "pictures": 3}}}
    pages = [boxes_over(found), *(evidence(each)[0] for each in (found, asked, silent, tasks))]
    for page in pages:
        assert "&lt;script" in page
        assert "<script" not in page


def test_what_is_wrong_and_what_was_asked_for_is_said() -> None:
    html, told = evidence(
        detail(box("circle", "dropped", colour="red", colour_probability=0.8), wrong=["no star"])
    )
    assert told == {"wrong", "expected", "boxes", "size"}
    assert "Asked for: 1 red circle" in html
    assert re.search(r'aria-label="Wrong">✗</i><span>no star', html)
    assert "red circle 0.95 <small>red with 80%, does not count</small>" in html
    right, _ = evidence(detail())
    assert 'aria-label="Right"' in right
    assert "Nothing was found" in right


def test_failed_questions_come_first_and_all_on_a_click() -> None:
    asked = [
        {
            "id": "q1",
            "text": "Is there a dog?",
            "expected": "yes",
            "answer": "no",
            "right": False,
            "skill": "object",
            "probability": 0.25,
        },
        {
            "id": "q2",
            "text": "Is the dog red?",
            "expected": "yes",
            "answer": "yes",
            "right": True,
            "skill": "colour",
        },
        {
            "id": "q3",
            "text": "Is there a cat?",
            "expected": "no",
            "answer": "no",
            "right": True,
            "skill": "object",
            "control": True,
        },
        {
            "id": "q4",
            "text": "How many?",
            "expected": "2",
            "answer": None,
            "right": None,
            "reason": "said maybe",
        },
    ]
    found = {
        "questions": asked,
        "blocked": ["q2"],
        "skills": {"object": {"mean": 0.5, "questions": 2}},
        "raw": 0.5,
    }
    html, told = evidence(found)
    assert told == {"questions", "skills", "blocked"}
    at_once, every = html.split("<details>")
    assert [text in at_once for text in ("dog?", "dog red?", "cat?", "How many?")] == [
        True,
        True,
        False,
        True,
    ]
    assert all(question["text"] in every for question in asked)
    assert "All 4 questions" in every
    assert "object · said no, right is yes · 25% for yes" in at_once
    assert "what it rests on is wrong" in at_once
    assert "asked as a control" in every
    assert 'aria-label="Not answered">–' in at_once
    assert "object <b>0.50</b>" in at_once


def test_tasks_are_listed_for_people() -> None:
    html, told = evidence({"tasks": {"color_attr": {"right": 0.25, "pictures": 8, "prompts": 2}}, "low": 0.1})
    assert told == {"tasks"}
    assert "colour binding: 0.25 of 8 pictures" in html


def test_other_details_are_left_to_the_list_of_facts() -> None:
    assert evidence({"cosine": 0.3}) == ("", set())
    for odd in ({"tasks": 3}, {"tasks": {"a": {"right": "x"}, "b": 1}}, {"questions": "none"}, {"boxes": 1}):
        assert evidence(odd) == ("", set())
