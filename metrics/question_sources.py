"""Where the questions and the scene of a picture come from.

In this order: its suite (`Sample.questions`, `Sample.scene`), a stored set that a language model
wrote, the offline parser.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from metrics.base import Sample
from metrics.parsing import parse_questions, parse_scene
from metrics.questions import Question, Scene

UNNAMED_WRITER = "language model"
"""What a set comes from whose file does not say which model wrote it."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions about a picture, and where they come from.

    Attributes:
        questions: What to ask.
        origin: "suite", "parser", or the language model that wrote them.
    """

    questions: tuple[Question, ...]
    origin: str


class QuestionStore(Protocol):
    """Where sets that a language model wrote are kept: one a prompt, by `prompt_key`."""

    def get(self, key: str) -> tuple[Question, ...] | None:
        """The set of a prompt; None where there is none."""

    def writer(self, key: str) -> str:
        """The model that wrote the set of a prompt."""

    def put(self, key: str, questions: Sequence[Question], writer: str = UNNAMED_WRITER) -> None:
        """Keep the set of a prompt, with the model that wrote it."""


class MemoryQuestions:
    """A store that lives as long as the program."""

    def __init__(self, sets: Mapping[str, Sequence[Question]] | None = None) -> None:
        """Begin with some sets."""
        self._sets = {key: tuple(questions) for key, questions in (sets or {}).items()}
        self._writers: dict[str, str] = {}

    def get(self, key: str) -> tuple[Question, ...] | None:
        """The set of a prompt; None where there is none."""
        return self._sets.get(key)

    def writer(self, key: str) -> str:
        """The model that wrote the set of a prompt."""
        return self._writers.get(key, UNNAMED_WRITER)

    def put(self, key: str, questions: Sequence[Question], writer: str = UNNAMED_WRITER) -> None:
        """Keep the set of a prompt, with the model that wrote it."""
        self._sets[key], self._writers[key] = tuple(questions), writer


def prompt_key(prompt: str) -> str:
    """SHA-256 of a prompt in hex, spaces at its ends aside."""
    return hashlib.sha256(prompt.strip().encode("utf-8", "surrogatepass")).hexdigest()


def questions_for(sample: Sample, store: QuestionStore | None = None) -> QuestionSet:
    """The questions about a picture; empty where nobody wrote any and the parser found nothing to ask.

    Args:
        sample: The picture, with its prompt and what its suite asks.
        store: Sets that a language model wrote; None: there are none.
    """
    if sample.questions:
        return QuestionSet(tuple(sample.questions), sample.questions_by or "suite")
    key = prompt_key(sample.prompt)
    stored = store.get(key) if store is not None else None
    if store is not None and stored:
        return QuestionSet(stored, store.writer(key))
    return QuestionSet(parse_questions(sample.prompt), "parser")


def scene_for(sample: Sample) -> Scene | None:
    """What a detector must find on a picture; None where nobody said and the parser names no thing."""
    return sample.scene or parse_scene(sample.prompt)


def questions_text(questions: Sequence[Question]) -> str:
    """Everything that a score depends on in questions, as one text: equal for equal questions."""
    return json.dumps([question.to_dict() for question in questions], sort_keys=True, ensure_ascii=True)


def questions_hash(questions: Sequence[Question]) -> str:
    """SHA-256 of questions in hex; another one after any edit."""
    return hashlib.sha256(questions_text(questions).encode()).hexdigest()
