"""Takes out of a prompt what is said of the picture itself: medium, light, setting, quality."""

from collections.abc import Iterator

from metrics.parsing.description import Description
from metrics.parsing.styles import FRAMES, LIGHTS, MEDIA, QUALITY, SETTINGS
from metrics.parsing.tokens import Token, match_phrase

_MEDIA = frozenset(MEDIA)
_NIGHTS = frozenset(light for light in LIGHTS if " " in light)
_TO_THE_END = frozenset(
    ["in the style of", "style of", "inspired by", "by", "art by", "illustration by", "painted by"]
)


def read_segments(tokens: list[Token], found: Description) -> list[Token]:
    """The tokens that are about things; what is about the picture goes into the description."""
    kept: list[Token] = []
    for segment, mark in _segments(tokens):
        rest = _about_things(segment, found)
        kept += rest
        if mark and (kept and (mark.is_end or kept[-1].is_word or kept[-1].is_quote)):
            kept.append(mark)
    return kept


def _segments(tokens: list[Token]) -> Iterator[tuple[list[Token], Token | None]]:
    segment: list[Token] = []
    for token in tokens:
        if token.is_word or token.is_quote:
            segment.append(token)
        else:
            yield segment, token
            segment = []
    yield segment, None


def _about_things(segment: list[Token], found: Description) -> list[Token]:
    words = " ".join(token.text for token in segment) if len(segment) <= 8 else ""
    if words in QUALITY:
        return []
    for table, target in ((MEDIA, found.styles), (LIGHTS, found.lights), (SETTINGS, found.settings)):
        name = table.get(
            words.removeprefix("a ").removeprefix("an ").removesuffix(" style") if table is MEDIA else words
        )
        name = name or table.get(words)
        if name:
            _add(target, name)
            return []
    return _without_asides(_without_frame(segment, found), found)


def _without_frame(segment: list[Token], found: Description) -> list[Token]:
    """The segment without "a watercolor painting of" at its start."""
    for at in range(min(len(segment), 6)):
        medium = match_phrase(segment, at, _MEDIA)
        if medium and medium[1] < len(segment):
            end = medium[1]
            if segment[end].text in FRAMES | {"style"}:
                end += 1
            if end < len(segment) and segment[end].text == "of":
                _add(found.styles, MEDIA[medium[0]])
                return segment[end + 1 :]
        if segment[at].text in FRAMES and at + 1 < len(segment) and segment[at + 1].text == "of":
            return segment[at + 2 :]
    return segment


def _without_asides(segment: list[Token], found: Description) -> list[Token]:
    """The segment without "at night", "in watercolor style" and the names of artists."""
    kept: list[Token] = []
    at = 0
    while at < len(segment):
        light = match_phrase(segment, at, _NIGHTS)
        if light:
            _add(found.lights, LIGHTS[light[0]])
            at = light[1]
            continue
        if segment[at].text == "in":
            start = at + 2 if at + 1 < len(segment) and segment[at + 1].text in ("a", "an", "the") else at + 1
            medium = match_phrase(segment, start, _MEDIA)
            if medium and (medium[1] == len(segment) or segment[medium[1]].text == "style"):
                _add(found.styles, MEDIA[medium[0]])
                at = medium[1] + 1
                continue
        named = match_phrase(segment, at, _TO_THE_END)
        if named and _names(segment, named[1], named[0]):
            break
        kept.append(segment[at])
        at += 1
    return kept


def _names(segment: list[Token], at: int, words: str) -> bool:
    """Whether an artist or a style follows: "by" alone may also mean "next to"."""
    if at >= len(segment):
        return False
    return words != "by" or (segment[at].raw[:1].isupper() and segment[at].text not in ("A", "The"))


def _add(target: list[str], name: str) -> None:
    if name not in target:
        target.append(name)
