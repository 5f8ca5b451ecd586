"""English word forms: singular, plural, article, and the -ing form of a verb.

Written here because a noun must come out as a detector knows it: the rules ask the lexicon
first, so that "glass" and "bus" stay what they are and "shoes" becomes "shoe".
"""

from metrics.parsing.nouns import COMPOUNDS, IRREGULAR_PLURALS, NOUNS, PLURAL_ONLY, SAME_PLURAL
from metrics.parsing.words import words

_SINGULAR_OF = {plural: singular for singular, plural in IRREGULAR_PLURALS.items()} | {"people": "person"}
_VOWELS = "aeiou"
_HISSING = ("s", "x", "z", "ch", "sh")
_O_ES = words("potato tomato hero mango volcano mosquito echo")
_SOUNDS_LIKE_YOU = ("uni", "use", "usb", "eu", "ukulele", "ufo", "one", "utensil")
_SILENT_H = ("hour", "honest", "heir", "honour", "honor")
_DOUBLED = words("""
    sit run swim hug jog chop cut dig hit nap get put stop let skip clap pet grab drag drop shop spin
    slip step tap trim wrap zip beg bat hop pop rub sip strum knit skim tip wag win shut set grin plan
    dip flip snap scrub
    """)


def singular(word: str) -> str:
    """The singular of a noun; of compounds, of their last word. Singulars stay as they are."""
    start, _, last = word.rpartition(" ")
    if not start:
        return _singular(last)
    # "wine glasses" are glasses, not a pair of them.
    glasses = last in PLURAL_ONLY and word not in COMPOUNDS and f"{start} {last[:-2]}" in COMPOUNDS
    return f"{start} {last[:-2] if glasses else _singular(last)}"


def _singular(word: str) -> str:
    if word in _SINGULAR_OF:
        return _SINGULAR_OF[word]
    if word in PLURAL_ONLY or word in SAME_PLURAL or word in NOUNS or not word.endswith("s") or len(word) < 3:
        return word
    for end in (1, 2):  # what the lexicon knows goes before any rule: "shoes", "houses", "movies"
        if word[:-end] in NOUNS and (end == 1 or word.endswith("es")):
            return word[:-end]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes", "uses")):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word[:-1]


def is_plural(word: str) -> bool:
    """Whether a noun stands in the plural, as far as its form tells."""
    return word.rpartition(" ")[2] in PLURAL_ONLY or singular(word) != word


def plural(word: str) -> str:
    """The plural of a singular noun; of compounds, of their last word."""
    start, _, last = word.rpartition(" ")
    return f"{start} {_plural(last)}" if start else _plural(last)


def _plural(word: str) -> str:
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    if word in PLURAL_ONLY or word in SAME_PLURAL:
        return word
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + "es" if word.endswith(_HISSING) or word in _O_ES else word + "s"


def with_article(words: str) -> str:
    """Words behind "a" or "an", by their sound."""
    first = words.lower()
    vowel = first[:1] in set(_VOWELS) and not first.startswith(_SOUNDS_LIKE_YOU)
    return f"{'an' if vowel or first.startswith(_SILENT_H) else 'a'} {words}"


def base_of(verb: str) -> str:
    """The base form of a verb in the third person: "runs" to "run", "carries" to "carry"."""
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if verb.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def gerund(base: str) -> str:
    """The -ing form of a verb's base form."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base in _DOUBLED:
        return base + base[-1] + "ing"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        return base[:-1] + "ing"
    return base + "ing"
