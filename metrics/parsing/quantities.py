"""Reads what stands before a noun: an article, a number, "exactly two", "a pair of", "a herd of"."""

from dataclasses import dataclass

from metrics.parsing.inflection import singular
from metrics.parsing.lexicon import (
    ARTICLES,
    COLLECTIVES,
    EXACTLY,
    GROUPS,
    PLURALISERS,
    POSSESSIVES,
    SILENT,
    SIZES,
)
from metrics.parsing.tokens import Token

LONGEST = 20
"""In tokens: what is longer is no phrase."""
_SINGULAR = frozenset(["a", "an", "one", "each", "every", "another"])


@dataclass(slots=True)
class Quantity:
    """What stands before a noun: an article, a number, "a pair of"."""

    end: int
    determined: bool = False
    definite: bool = False
    one: bool = False
    several: bool = False
    count: int | None = None
    pair: bool = False


def read_quantity(tokens: list[Token], start: int) -> Quantity:
    """The article or number that begins here; `end` equals `start` when there is none."""
    found = Quantity(start)
    at, most = start, min(len(tokens), start + LONGEST)
    while at < most and tokens[at].is_word:
        word, number = tokens[at].text, tokens[at].number
        if word in EXACTLY:
            at += 1
            if word == "single" or not (at < most and (tokens[at].number or tokens[at].text in _SINGULAR)):
                # "a single" counts, "single" and "only" alone do not.
                if word == "single" and found.one:
                    found.count = 1
                elif word != "single":
                    break
            elif tokens[at].text in ("a", "an"):
                found.count = 1
            found.end = at
        elif (
            word == "half" and at + 2 < most and tokens[at + 1].text == "a" and tokens[at + 2].text == "dozen"
        ):
            found.count, found.determined, found.several = 6, True, True
            at = found.end = _past_of(tokens, at + 3)
        elif number is not None and (found.count is None or found.count == 1):
            found.count, found.determined, found.several = number, True, number != 1
            found.one = number == 1
            at = found.end = at + 1
        elif word == "dozen" or (word in COLLECTIVES and found.determined and _of_follows(tokens, at)):
            found.count = COLLECTIVES[word] * (found.count if found.count and not found.one else 1)
            found.pair = word == "pair"
            found.several, found.one = True, False
            at = found.end = _past_of(tokens, at + 1)
        elif singular(word) in GROUPS and _of_follows(tokens, at):
            found.several, found.one, found.determined, found.count = True, False, True, None
            at = found.end = at + 2
        elif found.determined and (word in SIZES or word in SILENT) and _group_follows(tokens, at + 1):
            at += 1
        elif word in PLURALISERS or word in ARTICLES:
            found.determined = True
            found.several = found.several or (word in PLURALISERS and word != "some")
            found.one = word in _SINGULAR and not found.several
            found.definite = found.definite or word == "the" or word in POSSESSIVES
            at = found.end = at + 1
        else:
            break
    return found


def _of_follows(tokens: list[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].text == "of"


def _past_of(tokens: list[Token], at: int) -> int:
    return at + 1 if at < len(tokens) and tokens[at].text == "of" else at


def _group_follows(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text in GROUPS and _of_follows(tokens, at)
