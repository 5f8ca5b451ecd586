"""All questions about a picture as one request, and the strict reading of the reply."""

import json
import re
from collections.abc import Sequence
from typing import Any

from metrics.answerers.base import Answer
from metrics.questions import Question

# Changes when the request is worded in another way: answers to another wording are others.
VERSION = "judge-1"
_SHOWN = 80
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)


def request_text(questions: Sequence[Question]) -> str:
    """The request that comes with a picture."""
    lines = [
        f"{number}. {question.text} Possible answers: {', '.join(question.choices)}."
        for number, question in enumerate(questions, 1)
    ]
    return (
        "Look at the picture and answer every question below. Judge only by what can be seen. "
        "Give for each question exactly one of its possible answers, as it is written.\n\n"
        + "\n".join(lines)
        + '\n\nReply with nothing but a JSON object from question number to answer, such as {"1": "yes"}.'
    )


def read_reply(reply: str, questions: Sequence[Question]) -> list[Answer]:
    """One answer a question. What is not exactly one of its choices is no answer."""
    if not reply.strip():
        return [Answer(None, "The answerer said nothing.")] * len(questions)
    found = _object(reply)
    if found is None:
        reason = f"The reply is not in the form that was asked for: {_short(reply)}"
        return [Answer(None, reason, raw=_short(reply)) for _ in questions]
    return [_answer(found.get(str(number)), question) for number, question in enumerate(questions, 1)]


def _object(reply: str) -> dict[str, Any] | None:
    fenced = _FENCE.match(reply.strip())
    try:
        found = json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _answer(said: Any, question: Question) -> Answer:
    if said is None:
        return Answer(None, "The reply has no answer to this question.")
    raw = (
        _short(str(said))
        if isinstance(said, str | int) and not isinstance(said, bool)
        else _short(repr(said))
    )
    heard = raw.strip().removesuffix(".").casefold()
    meant = next((choice for choice in question.choices if choice.casefold() == heard), None)
    if meant is None:
        return Answer(None, f"The answer {raw!r} is none of: {', '.join(question.choices)}.", raw=raw)
    return Answer(meant, raw=raw)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
