"""Reads the sentences and tags of a prompt from left to right into a `Description`.

A small grammar with few rules: it goes from thing to thing, and remembers whom a clause is about. Where a
sentence can be read in two ways it keeps silent about what differs.
"""

from metrics.parsing.clauses import Clause, is_animate, place
from metrics.parsing.cleaning import CleanText
from metrics.parsing.description import Description, Writing
from metrics.parsing.inflection import singular
from metrics.parsing.lexicon import (
    ATTRIBUTES,
    COLOURS,
    CONTAINERS,
    COPULAS,
    LIKENESSES,
    MATERIALS,
    SIZES,
    TEXT_WORDS,
)
from metrics.parsing.phrases import read_phrase
from metrics.parsing.relations import POSITIONS, RELATIONS
from metrics.parsing.segments import read_segments
from metrics.parsing.tokens import Token, match_phrase, tokenise
from metrics.parsing.verbs import GERUNDS, NOT_SEEN, PARTICIPLES, SAYING
from metrics.parsing.words import phrases, words

_POSITIONS = frozenset(POSITIONS)
_RELATIONS = frozenset(RELATIONS)
_SIMILES = frozenset(
    ["like", "as", "resembling", "inspired by", "shaped like", "in the style of", "in the shape of"]
)
_NEGATIONS = frozenset(["no", "without", "with no", "nor"])
_OTHERS = frozenset(["instead of", "rather than", "other than", "not"])
_MADE_OF = frozenset(["made of", "made from", "made out of", "carved from", "carved out of", "crafted from"])
_OF_THE_PICTURE = frozenset(
    f"of {the} {what}" for the in ("the", "this") for what in ("image", "picture", "photo", "frame", "scene")
)
_COVERS = phrases(
    "covered in, covered with, covered by, filled with, surrounded by, full of, topped with, lit by"
)
_ROWS = phrases("in a row, in rows, in a line, in line, side by side, in a pile, in pairs")
_ACCESSORIES = words("with has have having featuring showing depicting containing including")


def read(text: CleanText) -> Description:
    """What a prompt says, as far as it is understood."""
    return _Reader(text).read()


class _Reader:
    """The state of reading one prompt."""

    def __init__(self, text: CleanText) -> None:
        self._found = Description()
        self._tokens = read_segments(tokenise(text.text), self._found)
        self._quotes = iter(text.quoted)
        self._at = 0
        self._named_nothing = -1
        """Where the last phrase ended that named no thing."""
        self._now = Clause(self._found, [])

    def read(self) -> Description:
        """Read to the end."""
        steps = [self._punctuation, self._quote, self._negation, self._simile, self._aside, self._made_of]
        steps += [
            self._where,
            self._relation_word,
            self._verb_word,
            self._copula,
            self._function_word,
            self._noun_phrase,
        ]
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if not any(step(token) for step in steps):
                self._at += 1
        return self._found

    def _punctuation(self, token: Token) -> bool:
        if token.is_word or token.is_quote:
            return False
        self._at += 1
        if token.is_end:
            self._now = Clause(self._found, self._now.about)
        elif token.text == "/":
            self._now.drop_last()
        else:
            self._now.nothing_waits()
        return True

    def _quote(self, token: Token) -> bool:
        if not token.is_quote:
            return False
        self._at += 1
        bearer = None if self._now.last and is_animate(self._now.last) else self._now.last
        self._found.writings.append(Writing(next(self._quotes, ""), bearer))
        self._now.written = bearer is None
        return True

    def _negation(self, token: Token) -> bool:
        found = match_phrase(self._tokens, self._at, _NEGATIONS)
        other = None if found else match_phrase(self._tokens, self._at, _OTHERS)
        if not found and not other:
            return False
        self._at = (found or other or ("", self._at))[1]
        while phrase := read_phrase(self._tokens, self._at, determined=bool(found)):
            self._at = phrase.end
            if found and phrase.thing and phrase.thing.name != "background":
                self._found.absent.append(phrase.thing)
            if not (self._at < len(self._tokens) and self._tokens[self._at].text in ("or", "and", "nor")):
                break
            self._at += 1
        return True

    def _simile(self, token: Token) -> bool:
        found = match_phrase(self._tokens, self._at, _SIMILES)
        if not found:
            return False
        self._at = found[1]
        phrase = read_phrase(self._tokens, self._at)
        self._at = phrase.end if phrase else self._at
        return True

    def _aside(self, token: Token) -> bool:
        """Words that say how things are arranged, or that lead to another thing and say no more."""
        cover = match_phrase(self._tokens, self._at, _COVERS)
        row = match_phrase(self._tokens, self._at, _ROWS)
        if cover:
            self._now.nothing_waits()
            self._now.accessory = self._now.related = True
        self._at = (cover or row or ("", self._at))[1]
        return bool(cover or row)

    def _made_of(self, token: Token) -> bool:
        found = match_phrase(self._tokens, self._at, _MADE_OF)
        if not found:
            return False
        self._at = found[1]
        phrase = read_phrase(self._tokens, self._at)
        if phrase is None:
            word = self._tokens[self._at].text if self._at < len(self._tokens) else ""
            self._at += word in MATERIALS
        else:  # "made of boxes": no material, and no boxes of their own either
            self._at, word = phrase.end, phrase.thing.name if phrase.thing else ""
        if self._now.last and word in MATERIALS:
            self._now.last.materials.append(MATERIALS[word])
        return True

    def _where(self, token: Token) -> bool:
        """A place on the picture: "on the left"."""
        found = match_phrase(self._tokens, self._at, _POSITIONS)
        if not found:
            return False
        words, end = found
        position = POSITIONS[words]
        following = self._tokens[end].text if end < len(self._tokens) else ""
        if following == "of":
            of = match_phrase(self._tokens, end, _OF_THE_PICTURE)
            if not of:
                return False
            end = of[1]
        self._at = end
        if self._now.last is None:
            self._now.position = position
        elif self._now.last in self._now.subjects:
            # Behind a relation nobody can tell which of the two things is meant.
            place(self._now.last, position)
        return True

    def _relation_word(self, token: Token) -> bool:
        found = match_phrase(self._tokens, self._at, _RELATIONS)
        if not found:
            return False
        if self._at == self._named_nothing:
            self._now.accessory = True  # "his reflection in a puddle": it is not he who is in it
        else:
            self._now.leads_to(RELATIONS[found[0]])
        self._at = found[1]
        return True

    def _verb_word(self, token: Token) -> bool:
        word = token.text
        if word in SAYING and self._at + 1 < len(self._tokens) and self._says():
            return True
        if (word not in GERUNDS and word not in PARTICIPLES) or self._describes():
            return False
        self._at += 1
        if word not in NOT_SEEN:
            self._now.does(word, self._thing_follows())
        return True

    def _says(self) -> bool:
        """'a sign that says OPEN': words in capitals are taken as if they were in quotes."""
        at = self._at + 1
        if self._tokens[at].is_quote:
            self._at = at
            return True
        end = at
        while end < len(self._tokens) and self._tokens[end].raw.isupper() and self._tokens[end].is_word:
            end += 1
        if end == at or self._tokens[self._at].text == "that":
            return False
        self._found.writings.append(
            Writing(" ".join(token.raw for token in self._tokens[at:end]), self._now.last)
        )
        self._at = end
        return True

    def _thing_follows(self) -> bool:
        phrase = read_phrase(self._tokens, self._at)
        return bool(phrase and phrase.thing and phrase.thing.name != "background")

    def _describes(self) -> bool:
        """Whether a verb stands before its noun: "with flying cars", and not "holding a sword"."""
        phrase = read_phrase(self._tokens, self._at)
        if phrase is None or phrase.thing is None:
            return False
        before = self._tokens[self._at - 1].text if self._at else ","
        somebody = any(is_animate(thing) for thing in self._now.about)
        return self._now.accessory or bool(self._now.relation) or (before in (",", "and") and not somebody)

    def _copula(self, token: Token) -> bool:
        """'the car is red': what follows describes whom the clause is about."""
        if token.text not in COPULAS:
            return False
        self._at += 1
        self._now.nothing_waits()
        about = self._now.about
        self._now.related = bool(about)
        while about and self._at < len(self._tokens):
            word = self._tokens[self._at].text
            kind = next((k for k, words in _QUALITIES if word in words), "")
            joined = word == "and" and self._at + 1 < len(self._tokens)
            if joined and any(self._tokens[self._at + 1].text in words for _, words in _QUALITIES):
                self._at += 1
                continue
            if not kind or read_phrase(self._tokens, self._at):
                break
            for thing in about:
                getattr(thing, kind).append(dict(_QUALITIES)[kind].get(word, word))
            self._at += 1
        return True

    def _function_word(self, token: Token) -> bool:
        word = token.text
        if word == "and":
            self._now.joined = self._now.last is not None and not self._now.accessory
        elif word == "or":
            self._now.drop_last()
        elif word in _ACCESSORIES:
            self._now.accessory, self._now.related = True, bool(self._now.subjects)
            self._now.joined = False
        elif word in ("that", "which", "who") and self._now.last:
            if self._now.last not in self._now.subjects:
                self._now.subjects = [self._now.last]
            self._now.joined = False
        elif word in ("he", "she", "it", "they") and self._now.topic and not self._now.subjects:
            self._now.subjects, self._now.last = list(self._now.topic), self._now.topic[-1]
        elif word == "of" and self._now.last and self._shows_another():
            phrase = read_phrase(self._tokens, self._at + 1)  # what a statue shows is not there itself
            self._at = phrase.end - 1 if phrase else self._at
        elif word == "of" and self._now.last:
            self._now.accessory, self._now.joined = True, False
        else:
            return False
        self._at += 1
        return True

    def _shows_another(self) -> bool:
        """Whether the word before is a statue, a poster or the like."""
        before = singular(self._tokens[self._at - 1].text.rpartition(" ")[2])
        return before in LIKENESSES - CONTAINERS

    def _noun_phrase(self, token: Token) -> bool:
        phrase = read_phrase(self._tokens, self._at)
        if phrase is None:
            return False
        self._at = phrase.end
        following = self._tokens[self._at].text if self._at < len(self._tokens) else ""
        if phrase.thing is None:
            self._named_nothing = phrase.end
            if following != "of" and phrase.head not in TEXT_WORDS:
                self._now.relation = self._now.verb = ""
            return True
        if phrase.thing.name == "background":
            self._found.backgrounds += [c for c in phrase.thing.colours if c not in self._found.backgrounds]
            self._now.relation = self._now.verb = ""
            return True
        if self._now.unsure:
            self._now.unsure = False
            return True
        self._now.meet(phrase)
        if phrase.verb:
            self._now.does(phrase.verb, self._thing_follows())
        return True


_QUALITIES: tuple[tuple[str, dict[str, str]], ...] = (
    ("colours", COLOURS),
    ("materials", {word: name for word, name in MATERIALS.items() if word != name}),
    ("sizes", SIZES),
    ("attributes", {word: word for word in ATTRIBUTES}),
)
