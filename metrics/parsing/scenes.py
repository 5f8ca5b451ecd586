"""A description of a prompt -> what a detector must find, as GenEval's metadata has it."""

from dataclasses import replace

from metrics.parsing.description import Description, Thing
from metrics.parsing.nouns import PARTS, THINGS
from metrics.parsing.relations import DETECTABLE
from metrics.questions import ExpectedObject, Relation, Scene, Task, task_of


def scene_of(found: Description) -> Scene | None:
    """What a detector must find; None where no thing is named that one can find.

    A thing that others are placed by comes before them, as in GenEval.
    """
    things = [thing for thing in found.things if thing.kind == "thing" and thing.name not in PARTS - THINGS]
    if not things:
        return None
    links: dict[int, tuple[Relation, Thing]] = {}
    for relation in found.relations:
        word, target = _detectable(relation.word), relation.objects[0]
        if word and id(relation.subject) not in links and relation.subject in things and target in things:
            links[id(relation.subject)] = (word, target)
    order = _targets_first(things, links)
    include = tuple(_expected(thing, order, links) for thing in order)
    exclude = [
        ExpectedObject(t.name, t.count + 1) for t in things if t.count is not None and _only(t, things)
    ]
    exclude += [ExpectedObject(thing.name, 1) for thing in found.absent if thing.kind == "thing"]
    return Scene(_task(include, things), include, tuple(exclude))


def _detectable(word: str) -> Relation | None:
    match DETECTABLE.get(word):
        case "left of" | "right of" | "above" | "below" as relation:
            return relation
    return None


def _only(thing: Thing, things: list[Thing]) -> bool:
    """Whether no other phrase names the same kind of thing: else their number is not known."""
    return [other.name for other in things].count(thing.name) == 1


def _targets_first(things: list[Thing], links: dict[int, tuple[Relation, Thing]]) -> list[Thing]:
    order: list[Thing] = []

    def place(thing: Thing, waiting: tuple[Thing, ...]) -> None:
        if thing in order or thing in waiting:
            return
        link = links.get(id(thing))
        if link:
            place(link[1], (*waiting, thing))
            if link[1] not in order:  # two things placed by each other: one of the two must begin
                del links[id(thing)]
        order.append(thing)

    for thing in things:
        place(thing, ())
    return order


def _expected(thing: Thing, order: list[Thing], links: dict[int, tuple[Relation, Thing]]) -> ExpectedObject:
    colour = thing.colours[0] if len(thing.colours) == 1 else ""
    relation, target = links.get(id(thing), (None, None))
    count = thing.count or (2 if thing.plural else 1)
    return ExpectedObject(thing.name, count, colour, relation, order.index(target) if target else None)


def _task(include: tuple[ExpectedObject, ...], things: list[Thing]) -> Task:
    """The task of GenEval that a prompt is most like; "dogs" is a plural, but no number to count."""
    counted = any(thing.count and thing.count > 1 for thing in things)
    return task_of(include if counted else [replace(each, count=1) for each in include])
