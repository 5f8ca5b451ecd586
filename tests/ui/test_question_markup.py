import re
from dataclasses import replace

from explorer.failed_questions import Answers, AskedQuestion
from explorer.ui.question_markup import LISTED, PICTURES, worst_questions

EVIL = '"><img src=x onerror=alert(1)>'
QUESTION = AskedQuestion(
    "What colour is the cat?",
    "colour",
    control=False,
    expected=("red",),
    said=(("blue", 2), ("green", 1)),
    answered=4,
    unanswered=0,
    prompts=("a red cat",),
    failed=("one", "two", "three"),
)
CONTROL = replace(QUESTION, text="Is there a dog?", control=True, expected=("no",), said=(("yes", 3),))


def shown(*questions: AskedQuestion, unasked: int = 0, reasons: tuple[tuple[str, int], ...] = ()) -> str:
    answers = Answers(questions, unasked, reasons)
    return worst_questions(answers, "poor", lambda image_id: f"thumbnails/{image_id}")


def test_a_failed_question_has_its_count_its_answers_and_its_pictures() -> None:
    page = shown(QUESTION)
    assert re.findall(r'data-picture="(\w+)"', page) == ["one", "two", "three"]
    assert "Failed 3 of 4 pictures" in page
    assert "right: red; said: blue (2 times), green (once)" in page
    assert "a red cat" in page
    assert "3 of 4 answers wrong (75 %) about what its prompts ask for." in page
    many = replace(QUESTION, failed=tuple(map(str, range(9))), answered=9, prompts=("p", "q"))
    page = shown(many)
    assert page.count("data-picture") == PICTURES
    assert f"and {9 - PICTURES} more" in page
    assert "2 prompts" in page


def test_controls_stand_in_a_list_of_their_own() -> None:
    page = shown(QUESTION, replace(CONTROL, failed=("nine",)))
    wanted, controls = page.split("Not asked for, and still seen")
    assert "What colour" in wanted
    assert 'data-picture="nine"' in controls
    assert "1 of 4 answers wrong (25 %) about what is not to be there" in page
    assert "never said that something is there" in shown(QUESTION, replace(CONTROL, failed=()))
    assert "still seen" not in shown(QUESTION)


def test_nothing_failed_is_good_news_and_no_answer_is_none() -> None:
    page = shown(replace(QUESTION, failed=()))
    assert "Every question" in page
    assert "data-picture" not in page
    page = shown(
        replace(QUESTION, answered=0, unanswered=4, failed=()), reasons=(("The service is shut.", 4),)
    )
    assert "No question about the pictures of poor has an answer." in page
    assert "4 questions got no answer; they count as neither right nor wrong. Mostly: The service" in page
    assert "Every question" not in page
    assert "About 2 pictures nothing was asked" in shown(QUESTION, unasked=2)
    assert "x-uneven" not in shown(QUESTION)


def test_long_lists_say_how_much_more_there_is() -> None:
    page = shown(*(replace(QUESTION, text=f"Question {number}?") for number in range(LISTED + 3)))
    assert page.count("<li>") == LISTED
    assert "And 3 questions more" in page


def test_everything_from_outside_is_escaped() -> None:
    evil = replace(QUESTION, text=EVIL, skill=EVIL, expected=(EVIL,), said=((EVIL, 1),), prompts=(EVIL,))
    answers = Answers((evil, replace(evil, control=True, unanswered=1)), 1, ((EVIL, 1),))
    page = worst_questions(answers, EVIL, lambda image_id: EVIL)
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
