"""Reads one noun phrase: "exactly two large, fluffy white dogs" and what that is."""

from dataclasses import dataclass, field

from metrics.parsing.description import Kind, Thing
from metrics.parsing.inflection import base_of, gerund, is_plural, singular
from metrics.parsing.lexicon import (
    ABSTRACT,
    ADJECTIVE_ENDS,
    ARTICLES,
    ATTRIBUTES,
    COLOUR_NOUNS,
    COLOURS,
    MATERIALS,
    SHADES,
    SILENT,
    SIZES,
    STOPS,
)
from metrics.parsing.nouns import (
    COMPOUNDS,
    MASS,
    NOUNS,
    PEOPLE,
    PLACE_COMPOUNDS,
    PLACES,
    PLURAL_ONLY,
    STRUCTURES,
)
from metrics.parsing.quantities import LONGEST, Quantity, read_quantity
from metrics.parsing.relations import RELATIONS
from metrics.parsing.tokens import Token, match_phrase
from metrics.parsing.verbs import GERUNDS, PARTICIPLES, THIRD_PERSONS, VERBS

MOST_COUNTED = 100
_MOST_WORDS = 8
_RELATIONS = frozenset(name for name in RELATIONS if " " in name)


@dataclass(slots=True)
class Phrase:
    """A noun phrase.

    Attributes:
        end: The first token behind it.
        thing: What it names; None for what is no thing ("the style").
        head: Its last word, in the singular.
        determined: Whether an article or a number stands before it.
        definite: Whether it may name again what was named before.
        actions: Verbs before the noun: "a smiling woman".
        verb: The -ing form of a verb right behind it; `end` is behind the verb then.
    """

    end: int
    thing: Thing | None
    head: str
    determined: bool = False
    definite: bool = False
    actions: list[str] = field(default_factory=list)
    verb: str = ""


def read_phrase(tokens: list[Token], start: int, determined: bool = False) -> Phrase | None:
    """The noun phrase that begins here; None when none does.

    A noun nobody knows is taken behind an article or a number only.

    Args:
        tokens: All tokens.
        start: Where to read.
        determined: Whether a word such as "no" stands before it, in place of an article.
    """
    quantity = read_quantity(tokens, start)
    quantity.determined = quantity.determined or determined
    if quantity.count is not None and not 0 < quantity.count <= MOST_COUNTED:
        return None
    words, end = _collect(tokens, quantity)
    while words and not _may_be_head(words[-1], quantity.determined, alone=len(words) == 1):
        words.pop()
        end -= 1
        while end > quantity.end and not tokens[end - 1].is_word:
            end -= 1
    if not words:
        return None
    split = _compound_start(words)
    name = " ".join(words[split:])
    head = singular(words[-1])
    if head in ABSTRACT or words[-1] in ABSTRACT:
        phrase = Phrase(end, None, head, quantity.determined, quantity.definite)
        if head in ("background", "backdrop"):
            phrase.thing = Thing("background", kind="place")
            _describe(phrase, words[:-1])
        return phrase
    if not quantity.determined and not _known(words[-1]):
        return None
    phrase = Phrase(end, _thing(name, quantity), head, quantity.determined, quantity.definite)
    _describe(phrase, words[:split])
    verb = _verb_at(tokens, end, words[-1], quantity)
    if verb:
        phrase.verb, phrase.end = verb, end + 1
    return phrase


def _thing(name: str, quantity: Quantity) -> Thing:
    last = name.rpartition(" ")[2]
    if last in PLURAL_ONLY and not (quantity.count and not quantity.pair) and singular(name) == name:
        return Thing(name, plural=True)
    one = singular(name)
    if last in PLURAL_ONLY and last.endswith("es") and one == name:
        one = name[:-2] if last == "glasses" else name
    several = quantity.several or (not quantity.one and is_plural(name))
    kind: Kind = "thing"
    head = one.rpartition(" ")[2]
    if (head in PLACES - STRUCTURES or one in PLACE_COMPOUNDS) and not quantity.several:
        kind = "place"
    elif head in MASS and not several and not quantity.one and quantity.count is None:
        kind = "mass"
    return Thing(one, several, quantity.count, kind)


def _collect(tokens: list[Token], quantity: Quantity) -> tuple[list[str], int]:
    """The words of the phrase behind its article, and where it ends."""
    words: list[str] = []
    at = quantity.end
    stop = min(len(tokens), at + LONGEST)
    while at < stop and len(words) < _MOST_WORDS:
        token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
        word = token.text
        if word == "," or word == "and":
            # "a large, fluffy cat", "a black and white cat": only between two adjectives.
            if not (words and _is_adjective(words[-1]) and following and _is_adjective(following.text)):
                break
            behind = tokens[at + 2] if at + 2 < len(tokens) else None
            if not (behind and behind.is_word and behind.text not in STOPS - {"and"}):
                break
            if word == "," and not quantity.determined:
                break
        elif not token.is_word or word in STOPS or (token.number is not None and words):
            break
        elif word.endswith("'s"):
            words, quantity.determined, quantity.one, quantity.count = [], True, False, None
        elif words and (
            match_phrase(tokens, at, _RELATIONS) or _ends_before(words, token, following, quantity)
        ):
            break
        elif word.endswith("ly") and word not in ATTRIBUTES and not _known(word):
            if words and _noun_like(words[-1]):
                break
        else:
            words.append(word)
        at += 1
    while at > quantity.end and not tokens[at - 1].is_word:
        at -= 1
    return words, at


def _ends_before(words: list[str], token: Token, following: Token | None, quantity: Quantity) -> bool:
    """Whether the phrase is over before this word, which then is a verb or describes from behind."""
    word, last = token.text, words[-1]
    if not _noun_like(last) or last in COLOURS:
        return False
    next_word = following.text if following and following.is_word else ""
    if _is_gerund(word) or (word.endswith("ed") and not _known(word)):
        bare = bool(next_word) and _known(next_word) and not is_plural(next_word)
        return _known(last) or not (bare and next_word not in MASS)
    if _known(word) and not _verb_form(word, last, next_word, quantity):
        return False
    return _is_adjective(word) or bool(_verb_form(word, last, next_word, quantity))


def _verb_form(word: str, last: str, next_word: str, quantity: Quantity) -> str:
    """The -ing form of a finite verb behind a noun; "" when it is none."""
    several = quantity.several or (not quantity.one and is_plural(last))
    if several and word in VERBS and (not _known(word) or next_word in STOPS | ARTICLES):
        return gerund(word)
    if several:
        return ""
    if word in THIRD_PERSONS and (not _known(word) or quantity.one or next_word in ARTICLES):
        return gerund(THIRD_PERSONS[word])
    # No noun can stand in the plural behind "a": what looks so is a verb.
    if quantity.one and is_plural(word) and not _known(word) and len(word) > 3:
        return gerund(base_of(word))
    return ""


def _verb_at(tokens: list[Token], at: int, last: str, quantity: Quantity) -> str:
    if at >= len(tokens) or not tokens[at].is_word or tokens[at].text in STOPS:
        return ""
    next_word = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return _verb_form(tokens[at].text, last, next_word, quantity)


def _describe(phrase: Phrase, words: list[str]) -> None:
    """Sort the words before the noun into what they say of it."""
    thing = phrase.thing
    if thing is None:
        return
    for word in words:
        colour = COLOURS.get(word.removesuffix("-colored").removesuffix("-coloured"))
        if colour:
            thing.colours += [colour] if colour not in thing.colours else []
        elif word in MATERIALS:
            thing.materials.append(MATERIALS[word])
        elif word == "little" and phrase.head in PEOPLE:
            continue  # says how old somebody is
        elif word in SIZES:
            thing.sizes.append(SIZES[word])
        elif word in ATTRIBUTES:
            thing.attributes.append(word)
        elif word in GERUNDS or word in PARTICIPLES:
            phrase.actions.append(word)


def _compound_start(words: list[str]) -> int:
    """Where the noun begins: "coffee cup" is one, "wooden table" is described."""
    start = len(words) - 1
    while start > 0:
        word = words[start - 1]
        if word in COLOURS or word in MATERIALS or _is_adjective(word) or not _noun_like(word):
            break
        start -= 1
    return start


def _may_be_head(word: str, determined: bool, alone: bool) -> bool:
    if word in ABSTRACT or singular(word) in ABSTRACT:
        return True
    if word in COLOURS and word not in COLOUR_NOUNS:
        return False
    if word in COLOURS:
        return determined and alone
    if _known(word):
        return (
            determined or not alone or word in PLACES | MASS or word not in SILENT | VERBS or is_plural(word)
        )
    return determined and len(word) > 2 and word.isalpha() and not _is_adjective(word)


def _known(word: str) -> bool:
    one = singular(word)
    return one in NOUNS or one in COMPOUNDS or word in COMPOUNDS


def _noun_like(word: str) -> bool:
    return _known(word) or not _is_adjective(word)


def _is_gerund(word: str) -> bool:
    return word.endswith("ing") and len(word) > 4 and not _known(word)


def _is_adjective(word: str) -> bool:
    if word in COLOURS or word in SIZES or word in ATTRIBUTES or word in SILENT or word in SHADES:
        return True
    if word in MATERIALS:
        return not _known(word)
    if _known(word):
        return False
    return "-" in word or (len(word) > 4 and word.endswith(ADJECTIVE_ENDS))
