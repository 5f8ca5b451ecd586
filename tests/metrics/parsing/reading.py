"""What a prompt says, in the short form of `prompts.yaml`."""

from pathlib import Path
from typing import Any

import yaml

from metrics.parsing import describe
from metrics.parsing.description import Thing

PROMPTS: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("prompts.yaml").read_text()
)
CHECKED = ("things", "relations", "absent")
MORE = ("actions", "at", "text", "styles")
"""Compared where the expectation has them."""


def short(thing: Thing) -> tuple[str, int | None, frozenset[str]]:
    """Name, number and qualities."""
    return (
        thing.name,
        thing.count,
        frozenset(thing.colours + thing.materials + thing.sizes + thing.attributes),
    )


def told(line: str) -> tuple[str, int | None, frozenset[str]]:
    """The same from a line such as "apple: 3 green"."""
    name, _, words = line.partition(": ")
    numbers = [int(word) for word in words.split() if word.isdigit()]
    return name, next(iter(numbers), None), frozenset(w for w in words.split() if not w.isdigit())


def key(each: tuple[str, int | None, frozenset[str]]) -> tuple[str, int, list[str]]:
    """For sorting."""
    return each[0], each[1] or 0, sorted(each[2])


def read(prompt: str) -> dict[str, Any]:
    """What the parser finds, field by field."""
    found = describe(prompt)
    return {
        "things": sorted((short(thing) for thing in found.things), key=key),
        "relations": sorted(
            f"{lies.subject.name} > {lies.word} > {' + '.join(each.name for each in lies.objects)}"
            for lies in found.relations
        ),
        "absent": sorted(thing.name for thing in found.absent),
        "actions": sorted(
            " > ".join([does.subject.name, does.verb, *([does.target.name] if does.target else [])])
            for does in found.actions
        ),
        "at": sorted(f"{thing.name} > {place}" for thing in found.things for place in thing.positions),
        "text": sorted(writing.text for writing in found.writings),
        "styles": sorted(found.styles),
    }


def expected(entry: dict[str, Any]) -> dict[str, Any]:
    """What it should find."""
    wanted: dict[str, Any] = {"things": sorted((told(line) for line in entry["things"]), key=key)}
    for name in CHECKED[1:]:
        wanted[name] = sorted(entry.get(name, []))
    return wanted | {name: sorted(entry[name]) for name in MORE if name in entry}


def mistakes(entry: dict[str, Any]) -> dict[str, Any]:
    """Where the parser differs: (found, expected) by field."""
    found, wanted = read(entry["prompt"]), expected(entry)
    return {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
