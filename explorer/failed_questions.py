"""Which questions about its pictures a model fails most. Pure functions; no I/O.

Reads what the question metrics keep of every answer in the detail of their scores. Details also
come with bundles of other people, so what has another form is left out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from explorer.score_tables import OTHER_NETWORK, score_tables
from explorer.types import Image, ScoreRow

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One question with what became of it on all pictures of a model, over prompts and seeds."""

    text: str
    skill: str
    control: bool
    """The right answer is no: who fails it says yes to what is not there."""
    expected: tuple[str, ...]
    """The right answers, of each prompt; mostly one."""
    said: tuple[tuple[str, int], ...]
    """The wrong answers and how often each came, the most frequent first."""
    answered: int
    """Pictures on which it was answered."""
    unanswered: int
    prompts: tuple[str, ...]
    """Those with a picture that failed it."""
    failed: tuple[str, ...]
    """Ids of the pictures that failed it, as the pictures come."""

    @property
    def failure(self) -> float:
        """How surely it fails: the lower end of Wilson's 95 % interval of the share that failed.

        So 8 of 8 stands before 2 of 2, and both before 9 of 160.
        Reference: Wilson 1927, J. Am. Stat. Assoc. 22.
        """
        if not self.answered:
            return 0.0
        share, squared = len(self.failed) / self.answered, _NORMAL_95**2
        spread = sqrt(share * (1 - share) / self.answered + squared / (4 * self.answered**2))
        middle = share + squared / (2 * self.answered)
        return (middle - _NORMAL_95 * spread) / (1 + squared / self.answered)


@dataclass(frozen=True, slots=True)
class Answers:
    """All questions about the pictures of a model under one metric."""

    questions: tuple[AskedQuestion, ...]
    """Those that fail most surely first."""
    unasked: int
    """Pictures about which nothing was asked."""
    reasons: tuple[tuple[str, int], ...]
    """Why answers are missing and how many of each, the most frequent first."""

    @property
    def failed(self) -> tuple[AskedQuestion, ...]:
        """Those of them that some picture failed."""
        return tuple(question for question in self.questions if question.failed)


@dataclass(slots=True)
class _Count:
    expected: dict[str, None] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    unanswered: int = 0
    failed: list[Image] = field(default_factory=list)


def answers_of(images: Sequence[Image], scores: Sequence[ScoreRow], model: str) -> Answers:
    """What became of every question about the pictures of a model.

    Questions of one text, skill and kind (a control or not) are one question, whatever prompts
    ask it. Right and wrong are those of the answers: a rule by which a metric counts an answer as
    wrong because of another question is not applied.

    Args:
        images: The pictures of a run.
        scores: Their scores under one metric and tier.
        model: Whose pictures are looked at.
    """
    tables = score_tables(images, scores, {})
    rows: Mapping[str, ScoreRow] = tables[0].row_of if tables else {}
    counts: dict[tuple[str, str, bool], _Count] = {}
    reasons: Counter[str] = Counter()
    unasked = 0
    for image in images:
        if image.recipe.model != model:
            continue
        asked = list(_questions(rows.get(image.id)))
        unasked += not asked
        if not asked and image.id in rows:
            reasons[rows[image.id].reason or "Nothing was asked."] += 1
        for question in asked:
            key = (str(question["text"]), str(question.get("skill", "")), bool(question.get("control")))
            reason = _note(counts.setdefault(key, _Count()), question, image)
            reasons.update([reason] if reason else [])
    questions = [_question(*key, count) for key, count in counts.items()]
    questions.sort(key=lambda question: (-question.failure, -len(question.failed), question.text))
    return Answers(tuple(questions), unasked, tuple(reasons.most_common()))


def asks(scores: Sequence[ScoreRow]) -> bool:
    """Whether a metric asks questions, as its scores tell."""
    return any(True for row in scores for _ in _questions(row))


def _questions(row: ScoreRow | None) -> Iterator[Mapping[str, Any]]:
    # Answers of another answerer are answers to another examination.
    found = row.detail.get("questions") if row and row.reason != OTHER_NETWORK else None
    for question in found if isinstance(found, list | tuple) else ():
        if isinstance(question, Mapping) and question.get("text"):
            yield question


def _note(count: _Count, question: Mapping[str, Any], image: Image) -> str | None:
    """Count one answer; returns why there is none."""
    count.expected[str(question.get("expected", ""))] = None
    if not isinstance(question.get("right"), bool):
        count.unanswered += 1
        return str(question.get("reason") or "The answerer gave no answer.")
    count.answered += 1
    if not question["right"]:
        count.failed.append(image)
        count.said[str(question.get("answer", ""))] += 1
    return None


def _question(text: str, skill: str, control: bool, count: _Count) -> AskedQuestion:
    return AskedQuestion(
        *(text, skill, control),
        expected=tuple(count.expected),
        said=tuple(count.said.most_common()),
        answered=count.answered,
        unanswered=count.unanswered,
        prompts=tuple(dict.fromkeys(image.recipe.prompt for image in count.failed)),
        failed=tuple(image.id for image in count.failed),
    )
