"""How things are called in a question.

Questions go to networks that were taught with American texts, so it is "color" in them.
"""

from collections.abc import Sequence

from metrics.parsing.description import Thing
from metrics.parsing.inflection import plural, with_article

_UNIQUE = frozenset(
    ["sky", "night sky", "starry sky", "sea", "ocean", "moon", "sun", "milky way", "eiffel tower"]
)
_NAMES = frozenset(["space", "mount fuji", "big ben"])


class Names:
    """Names that tell the things of one prompt apart."""

    def __init__(self, things: Sequence[Thing]) -> None:
        """Find a name for each."""
        self._labels: dict[int, str] = {}
        for thing in things:
            alike = [other for other in things if other.name == thing.name]
            words = [thing.name]
            if len(alike) > 1:
                marks = [next(iter(other.colours + other.sizes + other.attributes), "") for other in alike]
                mark = next(m for m, other in zip(marks, alike, strict=True) if other is thing)
                words = [mark, thing.name] if mark and marks.count(mark) == 1 else []
            self._labels[id(thing)] = " ".join(words)

    def label(self, thing: Thing) -> str:
        """Its name, with a mark where others have the same name; "" where nothing tells them apart."""
        return self._labels[id(thing)]

    def told(self, *things: Thing) -> bool:
        """Whether each of them can be named."""
        return all(self._labels[id(thing)] for thing in things)

    def the(self, thing: Thing) -> str:
        """With the definite article."""
        label = self.label(thing)
        return f"the {plural(label) if thing.plural else label}"


def is_are(thing: Thing) -> str:
    """The verb that fits, as the first word of a question."""
    return "Are" if thing.plural else "Is"


def existence(thing: Thing, label: str) -> str:
    """The question whether it is there."""
    if thing.kind == "place":
        return f"Does this image show {indefinite(thing, label)}?"
    if thing.plural:
        return f"Are there any {plural(label)}?"
    return f"Is there any {label}?" if thing.kind == "mass" else f"Is there {indefinite(thing, label)}?"


def indefinite(thing: Thing, label: str) -> str:
    """With the indefinite article where it takes one."""
    if thing.plural:
        return plural(label)
    if label in _UNIQUE:
        return f"the {label}"
    return label if thing.kind == "mass" or label in _NAMES else with_article(label)
