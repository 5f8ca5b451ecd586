"""The questions that a model fails, with the pictures that failed them. Pure functions.

Every text that is not ours passes through `escape`.
"""

from collections.abc import Sequence
from html import escape

from explorer.failed_questions import Answers, AskedQuestion
from explorer.ui.markup import count, notice
from explorer.ui.why_markup import Source, opener

LISTED = 9
PICTURES = 4
_ANSWERS = 3
"""Of the right and the wrong answers to one question, so many are named."""


def worst_questions(answers: Answers, model: str, source: Source) -> str:
    """The questions that a model fails, in two lists, and what is not known.

    Args:
        answers: What became of the questions about its pictures.
        model: Its name.
        source: Where thumbnails are.
    """
    asked = [question for question in answers.questions if question.answered]
    told = _summary(asked, model) + _missing(answers)
    if not asked:
        return told
    wanted = [question for question in answers.failed if not question.control]
    controls = [question for question in answers.failed if question.control]
    none = "Every question about what the prompts ask for was answered as expected."
    lists = _list("Asked for, and not seen", wanted, model, source) if wanted else notice(none)
    if any(question.control for question in asked):
        none = "It was never said that something is there which is not."
        title = "Not asked for, and still seen"
        lists += _list(title, controls, model, source) if controls else f"<h3>{title}</h3>{notice(none)}"
    how = (
        "First what fails most surely: 8 of 8 pictures say more than 2 of 2. "
        "An answer can be wrong while the picture is right: click and look."
    )
    return f'{told}{lists}<p class="x-quiet x-small-print">{how}</p>'


def _summary(asked: Sequence[AskedQuestion], model: str) -> str:
    if not asked:
        return notice(f"No question about the pictures of {model} has an answer.")
    controls = [question for question in asked if question.control]
    wanted = [question for question in asked if not question.control]
    parts = []
    if wanted:
        parts.append(f"{_wrong(wanted)} about what its prompts ask for")
    if controls:
        parts.append(f"{_wrong(controls)} about what is not to be there (controls: the right answer is no)")
    return f'<p class="x-said">{escape(model)}: {escape(", and ".join(parts))}.</p>'


def _wrong(questions: Sequence[AskedQuestion]) -> str:
    failed = sum(len(question.failed) for question in questions)
    answered = sum(question.answered for question in questions)
    return f"{failed:,} of {count(answered, 'answer')} wrong ({100 * failed / answered:.0f} %)"


def _missing(answers: Answers) -> str:
    """What counts as neither right nor wrong, and why."""
    silent = sum(question.unanswered for question in answers.questions)
    lines = []
    if silent:
        lines.append(f"{count(silent, 'question')} got no answer")
    if answers.unasked:
        lines.append(f"about {count(answers.unasked, 'picture')} nothing was asked")
    if not lines:
        return ""
    why = f" Mostly: {answers.reasons[0][0]}" if answers.reasons else ""
    text = f"{' and '.join(lines)}; they count as neither right nor wrong.{why}"
    return f'<p class="x-uneven">{escape(text[0].upper() + text[1:])}</p>'


def _list(title: str, questions: Sequence[AskedQuestion], model: str, source: Source) -> str:
    items = "".join(_item(question, model, source) for question in questions[:LISTED])
    more = len(questions) - LISTED
    rest = notice(f"And {count(more, 'question')} more that some picture failed.") if more > 0 else ""
    return f'<h3>{title}</h3><ol class="x-contrasts x-questions">{items}</ol>{rest}'


def _item(question: AskedQuestion, model: str, source: Source) -> str:
    failed = len(question.failed)
    label = f"Picture of {model} that failed: {question.text}"
    pictures = "".join(opener(image, label, source) for image in question.failed[:PICTURES])
    more = failed - PICTURES
    told = f"<small>and {more:,} more</small>" if more > 0 else ""
    where = question.prompts[0] if len(question.prompts) == 1 else count(len(question.prompts), "prompt")
    # Who reads "asked for, and not seen" knows that "yes" was right and "no" was said.
    answers = "" if question.expected in (("yes",), ("no",)) else f" · {_answers(question)}"
    return (
        f"<li><p>{escape(question.text)} <small>{escape(question.skill)}</small></p>"
        f'<div class="x-failed">{pictures}{told}</div>'
        f'<p class="x-difference"><b>Failed {failed:,} of {count(question.answered, "picture")}</b>{answers}'
        f"<br>{escape(where)}</p></li>"
    )


def _answers(question: AskedQuestion) -> str:
    said = [f"{answer or 'nothing'} ({_times(times)})" for answer, times in question.said[:_ANSWERS]]
    more = ["..."] if len(question.said) > _ANSWERS else []
    right = " or ".join(question.expected[:_ANSWERS]) + (" ..." if len(question.expected) > _ANSWERS else "")
    return escape(f"right: {right}; said: {', '.join([*said, *more])}")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
