"""What answers questions about pictures: a network with one more method, and where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from metrics.base import BackboneSource, PixelNetwork
from metrics.questions import Question


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question, or why there is none.

    Attributes:
        text: One of the question's choices; None when unanswered.
        reason: Why there is no answer; None when there is one.
        probability: Probability of the *expected* answer among the choices, 0 to 1; None where
            the answerer gives none.
        raw: What was said, as it was said.
    """

    text: str | None
    reason: str | None = None
    probability: float | None = None
    raw: str = ""


class Answerer(PixelNetwork, Protocol):
    """Reads each picture once (`encode`), then answers any number of questions from that."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether `Answer.probability` is filled in."""

    def answer(self, features: Sequence[Any], questions: Sequence[Sequence[Question]]) -> list[list[Answer]]:
        """For each picture's feature, one answer for each of its questions, in their order."""


class AnswererSource(BackboneSource):
    """Where an answerer comes from.

    Wherever a metric's source is one of these, `ScoreOptions.answerer` takes its place.
    """

    @property
    def gives_probabilities(self) -> bool:
        """Whether its answers come with probabilities; known without loading."""
        return True

    @property
    def drawn_world(self) -> bool:
        """Whether it knows the bundled drawn world only, so that other prompts are refused."""
        return False
