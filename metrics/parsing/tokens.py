"""Cuts a clean prompt into words, with compound nouns as one."""

import re
from dataclasses import dataclass

from metrics.parsing.cleaning import MARK
from metrics.parsing.inflection import singular
from metrics.parsing.lexicon import COLOURS, NUMBERS
from metrics.parsing.nouns import COMPOUNDS, NOUNS

_TOKEN = re.compile(rf"{MARK}|[^\W_]+(?:['’-][^\W_]+)*'?|[,.;:!?/&]")
_COUNTED = re.compile(r"(\d{1,2})([a-z]{3,})")
_MOST_WORDS = max(len(name.split()) for name in COMPOUNDS)
_FIRST_WORDS = frozenset(name.split()[0] for name in COMPOUNDS)
_ENDS = ".;!?:"


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a mark of punctuation, or a quoted text.

    Attributes:
        text: In lower case.
        raw: As written.
    """

    text: str
    raw: str

    @property
    def is_word(self) -> bool:
        """Whether it is a word or a number."""
        return self.text[0].isalnum()

    @property
    def is_quote(self) -> bool:
        """Whether it stands for a quoted text."""
        return self.text == MARK

    @property
    def is_end(self) -> bool:
        """Whether a sentence ends here."""
        return self.text in _ENDS

    @property
    def number(self) -> int | None:
        """The number it tells, in digits or words."""
        if self.text.isascii() and self.text.isdigit():
            return int(self.text[:6])
        return NUMBERS.get(self.text)


def tokenise(text: str) -> list[Token]:
    """The tokens of a clean prompt."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        raw = match[0].rstrip("'")
        tokens += _parts(raw)
    return _with_compounds(tokens)


def _parts(raw: str) -> list[Token]:
    word = raw.lower()
    if word == "&":
        return [Token("and", raw)]
    counted = _COUNTED.fullmatch(word)
    if counted and singular(counted[2]) in NOUNS:  # "2girls", as tags have it
        return [Token(counted[1], counted[1]), Token(counted[2], counted[2])]
    pieces = word.split("-")
    if len(pieces) > 1 and all(piece in COLOURS or piece == "and" for piece in pieces):
        return [Token(piece, piece) for piece in pieces]
    return [Token(word, raw)]


def _with_compounds(tokens: list[Token]) -> list[Token]:
    merged: list[Token] = []
    at = 0
    while at < len(tokens):
        length = 1
        if tokens[at].text in _FIRST_WORDS:
            for size in range(min(_MOST_WORDS, len(tokens) - at), 1, -1):
                words = " ".join(token.text for token in tokens[at : at + size])
                if singular(words) in COMPOUNDS or words in COMPOUNDS:
                    length = size
                    break
        part = tokens[at : at + length]
        merged.append(Token(" ".join(t.text for t in part), " ".join(t.raw for t in part)))
        at += length
    return merged


def match_phrase(
    tokens: list[Token], start: int, phrases: frozenset[str], most: int = 6
) -> tuple[str, int] | None:
    """The longest of some phrases that begins here, and where it ends.

    Args:
        tokens: All tokens.
        start: Where to look.
        phrases: In lower case, words apart by one space.
        most: The most words a phrase has.
    """
    for size in range(min(most, len(tokens) - start), 0, -1):
        words = " ".join(token.text for token in tokens[start : start + size])
        if words in phrases:
            return words, start + size
    return None
