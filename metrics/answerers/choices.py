"""From token probabilities to the probabilities of the choices of a question.

A choice is a set of token sequences: "yes", "Yes", " yes" and " Yes" are four ways to say one
thing, "2" and "two" are too. The probability of a choice is the sum over its sequences, each
the product over its tokens, so that choices may share their first token ("light blue", "light
green"). As Soft-TIFA (GenEval 2) does, but whole sequences, and normalised among the choices.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Tokens = tuple[int, ...]

_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
# How tokenizers write a word after a space.
_WORD_MARKS = ("", "\u2581", "\u0120")


def spellings(choice: str) -> list[str]:
    """The ways to write a choice: lower case, capital, number as digit and as word.

    Each is there with and without a leading space.
    """
    words = [choice]
    if choice.isdigit() and int(choice) < len(_NUMBERS):
        words.append(_NUMBERS[int(choice)])
    elif choice.lower() in _NUMBERS:
        words.append(str(_NUMBERS.index(choice.lower())))
    forms = [form for word in words for form in (word, word.lower(), word[:1].upper() + word[1:])]
    return list(dict.fromkeys(space + form for form in forms for space in ("", " ")))


def sequences(choice: str, tokenizer: Any, end: int | None) -> list[Tokens]:
    """The token sequences that say a choice, each once; empty when the tokenizer lacks its words.

    Args:
        choice: What is said.
        tokenizer: A tokenizer of transformers.
        end: The token that ends every answer, for networks whose answers end; None: what
            follows is open.
    """
    vocabulary = tokenizer.get_vocab()
    found: list[Tokens] = []
    for form in spellings(choice):
        found.append(tuple(tokenizer.encode(form, add_special_tokens=False)))
        # Tokenizers of SentencePiece never give a word without its mark, yet networks say it.
        found += [(vocabulary[mark + form],) for mark in _WORD_MARKS if mark + form in vocabulary]
    known = [tokens for tokens in dict.fromkeys(found) if tokens and tokenizer.unk_token_id not in tokens]
    return [(*tokens, end) for tokens in known] if end is not None else _shortest(known)


def probabilities(said: Mapping[str, Sequence[Tokens]], log_p: Mapping[Tokens, float]) -> dict[str, float]:
    """The probability of each choice to be said, not normalised.

    Where a choice begins another one ("1" and "10"), what goes on to the other is not counted.

    Args:
        said: The sequences of each choice.
        log_p: The natural logarithm of the probability of each sequence.
    """
    masses: dict[str, float] = {}
    for choice, own in said.items():
        others = [tokens for name, more in said.items() if name != choice for tokens in more]
        mass = 0.0
        for tokens in own:
            longer = _shortest([other for other in others if _extends(other, tokens)])
            mass += math.exp(log_p[tokens]) - sum(math.exp(log_p[other]) for other in longer)
        masses[choice] = max(mass, 0.0)
    return masses


def _shortest(found: Sequence[Tokens]) -> list[Tokens]:
    """Those that do not go on from another one: counting both would count one event twice."""
    return [tokens for tokens in found if not any(_extends(tokens, other) for other in found)]


def _extends(longer: Tokens, shorter: Tokens) -> bool:
    return len(longer) > len(shorter) and longer[: len(shorter)] == shorter
