"""Questions whose right answer is no: near misses of what a prompt says.

They catch an answerer that says yes to everything, and a picture that mixes up who has which colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from zlib import crc32

from metrics.parsing.description import Description, Thing
from metrics.parsing.lexicon import CONFUSABLE, OPPOSITES
from metrics.parsing.nouns import SHAPES
from metrics.parsing.relations import INVERSE, OTHER_POSITION
from metrics.parsing.wording import Names, existence, is_are
from metrics.questions import Skill

PALETTE = ("red", "green", "blue", "yellow", "orange", "purple", "pink")
EDGES = ("black", "white")
_UNLIKELY: dict[str, str] = {
    "elephant": "animal zoo safari savanna jungle circus herd wildlife africa desert",
    "airplane": "sky plane airport jet aircraft runway pilot vehicle hangar flying",
    "giraffe": "animal zoo safari savanna jungle circus herd wildlife africa",
    "fire hydrant": "street city road sidewalk firefighter town downtown",
    "zebra": "animal zoo safari savanna jungle circus herd wildlife africa crosswalk",
    "snowboard": "snow mountain ski winter sport",
    "pizza": "food restaurant kitchen dinner italian meal lunch party fridge",
    "surfboard": "beach sea ocean surf wave summer sport",
    "train": "station railway track city subway platform",
    "toilet": "bathroom house room home",
    "banana": "fruit food kitchen market monkey smoothie",
    "umbrella": "rain beach street city weather storm",
}
"""Things that are not there unless something of the kind is named: with the words that make it doubtful."""
_MOST_ABSENT = 3


@dataclass(frozen=True, slots=True)
class Control:
    """A question to be answered with no, and the things that must be there for it to make sense."""

    text: str
    skill: Skill
    about: tuple[Thing, ...] = ()


def controls(found: Description, names: Names) -> Iterator[Control]:
    """Controls for a description, the telling ones of each kind first."""
    kinds = [
        _wrong_colours(found, names),
        _inverse_relations(found, names),
        _opposites(found, names),
        _absent_things(found),
        _wrong_background(found),
    ]
    rounds = chain.from_iterable(zip_longest(*kinds))
    yield from (control for control in rounds if control is not None)


def wrong_colours(right: Sequence[str], near: Sequence[str], salt: str) -> list[str]:
    """Colours that plainly are none of the right ones; `near`, those of other things, come first."""
    alike = {colour for group in CONFUSABLE if group & set(right) for colour in group} | set(right)
    by_lot = sorted(PALETTE, key=lambda colour: crc32(f"{salt} {colour}".encode()))
    return [colour for colour in dict.fromkeys([*near, *by_lot, *EDGES]) if colour not in alike]


def _wrong_colours(found: Description, names: Names) -> Iterator[Control]:
    for thing in found.things:
        if not thing.colours:
            continue
        alike = [other for other in found.things if other.name == thing.name]
        right = [colour for other in alike for colour in other.colours]
        near = [c for other in found.things if other.name != thing.name for c in other.colours]
        wrong = wrong_colours(right, near, thing.name)
        if not wrong or any(not other.colours for other in alike):
            continue
        if len(alike) == 1:
            yield Control(f"{is_are(thing)} {names.the(thing)} {wrong[0]}?", "colour", (thing,))
        else:
            yield Control(existence(thing, f"{wrong[0]} {thing.name}"), "colour")


def _inverse_relations(found: Description, names: Names) -> Iterator[Control]:
    for relation in found.relations:
        things = (relation.subject, *relation.objects)
        inverse = INVERSE.get(relation.word)
        if inverse and names.told(*things):
            text = f"{is_are(things[0])} {names.the(things[0])} {inverse} {names.the(things[1])}?"
            yield Control(text, "spatial", things)
    for thing in found.things:
        for position in thing.positions if names.told(thing) else ():
            if position in OTHER_POSITION:
                text = f"{is_are(thing)} {names.the(thing)} {OTHER_POSITION[position]}?"
                yield Control(text, "spatial", (thing,))


def _opposites(found: Description, names: Names) -> Iterator[Control]:
    skills: tuple[tuple[str, Skill], ...] = (("sizes", "size"), ("attributes", "attribute"))
    for thing in found.things:
        if names.label(thing) != thing.name:
            continue
        words = {word for field, _ in skills for word in getattr(thing, field)}
        for field, skill in skills:
            for word in getattr(thing, field):
                if word in OPPOSITES and OPPOSITES[word] not in words:
                    yield Control(f"{is_are(thing)} {names.the(thing)} {OPPOSITES[word]}?", skill, (thing,))


def _absent_things(found: Description) -> Iterator[Control]:
    """Things the prompt does not name and that do not go with it."""
    named = [thing.name for thing in (*found.things, *found.absent)]
    salt = " ".join(named)
    if not found.things:
        return
    drawn = any(name in SHAPES for name in named)
    if drawn:
        offer = [shape for shape in SHAPES if shape not in named]
    else:
        words = {word for name in named for word in name.split()}
        offer = [name for name, doubt in _UNLIKELY.items() if not words & {*doubt.split(), *name.split()}]
    offer.sort(key=lambda name: crc32(f"{salt} {name}".encode()))
    for name in offer[:_MOST_ABSENT]:
        yield Control(existence(Thing(name), name), "object")


def _wrong_background(found: Description) -> Iterator[Control]:
    if found.backgrounds:
        wrong = wrong_colours(found.backgrounds, (), "background")
        yield Control(f"Is the background {wrong[0]}?", "background")
