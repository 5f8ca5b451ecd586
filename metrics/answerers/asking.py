"""What local answerers have in common: questions in batches, answers from token probabilities."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metrics.answerers.base import Answer
from metrics.answerers.choices import Tokens, probabilities, sequences
from metrics.backbones import is_out_of_memory, release_memory
from metrics.questions import Question

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

logger = logging.getLogger(__name__)

# Questions in one forward pass; halved when memory runs out.
AT_ONCE = 32


@dataclass(slots=True, eq=False)
class Seen:
    """What a network saw on one picture, with the answers it gave so far.

    The answers live as long as the picture's feature: metrics that ask the same share them.
    """

    content: Any
    answers: dict[tuple[str, str, tuple[str, ...]], Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one picture, and every token sequence whose probability is asked for."""

    content: Any
    question: Question
    said: dict[str, list[Tokens]]

    @property
    def tokens(self) -> list[Tokens]:
        """All sequences, choice by choice."""
        return [tokens for own in self.said.values() for tokens in own]


class LocalAnswerer(ABC):
    """A loaded network that reads pictures and gives token probabilities."""

    gives_probabilities = True

    def __init__(self, module: Any, processor: Any, end: int | None) -> None:
        """Wrap a network in evaluation mode.

        Args:
            module: The network.
            processor: Its processor, with a tokenizer.
            end: The token that ends its answers, where they end; see `choices.sequences`.
        """
        self.module = module
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.device = module.device
        self.view = f"answerer {type(self).__name__} {processor.image_processor!r}"
        self._end = end
        self._limit = AT_ONCE
        self._said: dict[str, list[Tokens]] = {}

    @abstractmethod
    def prepare(self, image: "Image") -> Any:
        """One RGB image as this network's input; called in worker threads."""

    @abstractmethod
    def see(self, prepared: Sequence[Any]) -> list[Any]:
        """What the vision encoder makes of each picture, on the CPU."""

    @abstractmethod
    def log_probabilities(self, asked: Sequence[Asked]) -> "list[torch.Tensor]":
        """For each question the log-probabilities of its `tokens`, fp32, on the CPU."""

    def refusal(self, text: str) -> str | None:
        """Why a question cannot be asked; None if it can."""
        return None

    def encode(self, prepared: Sequence[Any]) -> Sequence[Seen]:
        """Read each picture once; everything that is asked later starts from this."""
        import torch

        with torch.inference_mode():
            return [Seen(content) for content in self.see(prepared)]

    def answer(self, features: Sequence[Seen], questions: Sequence[Sequence[Question]]) -> list[list[Answer]]:
        """For each picture's feature, one answer for each of its questions, in their order."""
        new: dict[tuple[int, Any], tuple[Seen, Question]] = {}
        for seen, own in zip(features, questions, strict=True):
            for question in own:
                if _key(question) not in seen.answers:
                    new.setdefault((id(seen), _key(question)), (seen, question))
        asked: list[tuple[Seen, Asked]] = []
        for seen, question in new.values():
            said = {choice: self._sequences(choice) for choice in question.choices}
            reason = self.refusal(question.text) or _unsayable(said)
            if reason:
                seen.answers[_key(question)] = Answer(None, reason)
            else:
                asked.append((seen, Asked(seen.content, question, said)))
        for (seen, one), found in zip(asked, self._batches([one for _, one in asked]), strict=True):
            seen.answers[_key(one.question)] = _answer(one, found.tolist())
        return [
            [seen.answers[_key(question)] for question in own]
            for seen, own in zip(features, questions, strict=True)
        ]

    def _batches(self, asked: Sequence[Asked]) -> "list[torch.Tensor]":
        import torch

        found: list[torch.Tensor] = []
        while len(found) < len(asked):
            part = asked[len(found) : len(found) + self._limit]
            try:
                with torch.inference_mode():
                    found += self.log_probabilities(part)
                continue
            except Exception as error:
                if not is_out_of_memory(error) or len(part) == 1:
                    raise
            self._limit = len(part) // 2
            logger.warning("Out of memory, now %d questions at once", self._limit)
            release_memory()  # out here: the error no longer holds the batch
        return found

    def _sequences(self, choice: str) -> list[Tokens]:
        if choice not in self._said:
            self._said[choice] = sequences(choice, self.tokenizer, self._end)
        return self._said[choice]


def of_tokens(logits: "torch.Tensor", rows: Sequence[Tokens]) -> "torch.Tensor":
    """The log-probability of each row's tokens.

    Args:
        logits: Shape (rows, steps, vocabulary): what is said at each step.
        rows: The tokens of each row, at most as many as there are steps.

    Returns:
        Shape (rows,), fp32, on the CPU.
    """
    import torch

    steps = logits.float().log_softmax(dim=-1)
    sums = [steps[row, range(len(tokens)), list(tokens)].sum() for row, tokens in enumerate(rows)]
    return torch.stack(sums).cpu()


def _key(question: Question) -> tuple[str, str, tuple[str, ...]]:
    return question.text, question.expected, question.choices


def _unsayable(said: dict[str, list[Tokens]]) -> str | None:
    """Why one of the choices cannot be told from the others; None if all can."""
    lacking = next((choice for choice, own in said.items() if not own), None)
    if lacking is not None:
        return f"The answerer does not know the answer {lacking!r}; choose another tier or answerer."
    owner: dict[Tokens, str] = {}
    for choice, own in said.items():
        for tokens in own:
            rival = owner.setdefault(tokens, choice)
            if rival != choice:
                return f"The answers {rival!r} and {choice!r} are the same to the answerer; change one."
    return None


def _answer(asked: Asked, log_p: Sequence[float]) -> Answer:
    masses = probabilities(asked.said, dict(zip(asked.tokens, log_p, strict=True)))
    total = sum(masses.values())
    if not math.isfinite(total) or total <= 0:
        return Answer(None, "The answerer gave no finite probability; try the device 'cpu'.")
    ranked = sorted(masses, key=lambda choice: -masses[choice])
    raw = ", ".join(f"{choice} {masses[choice]:.4f}" for choice in ranked[:4])
    return Answer(ranked[0], probability=masses[asked.question.expected] / total, raw=raw)
