"""Siblings of a scene that differ in exactly one stated thing: hard negatives for CLIP."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from training.settings import IMAGE_SIZE
from training.world import (
    BACKGROUNDS,
    COLORS,
    OPPOSITE,
    PLACES,
    SHAPES,
    Group,
    Item,
    Scene,
    at_place,
    placed,
)

_MOST = 4  # objects in a scene


def _other(rng: random.Random, options: list[str], value: str) -> str:
    return rng.choice([option for option in options if option != value])


def _recast(scene: Scene, number: int, group: Group) -> Scene | None:
    """Gives one group another colour or shape, in the caption and in the picture."""
    old = scene.groups[number]
    alike = {(other.color, other.shape) for other in scene.groups}
    if (group.color, group.shape) in alike:
        return None
    items = tuple(
        replace(item, color=group.color, shape=group.shape)
        if (item.color, item.shape) == (old.color, old.shape)
        else item
        for item in scene.items
    )
    groups = tuple(group if place == number else other for place, other in enumerate(scene.groups))
    return replace(scene, items=items, groups=groups)


def _color(rng: random.Random, scene: Scene) -> Scene | None:
    number = rng.randrange(len(scene.groups))
    group = scene.groups[number]
    return _recast(scene, number, replace(group, color=_other(rng, list(COLORS), group.color)))


def _shape(rng: random.Random, scene: Scene) -> Scene | None:
    number = rng.randrange(len(scene.groups))
    group = scene.groups[number]
    return _recast(scene, number, replace(group, shape=_other(rng, list(SHAPES), group.shape)))


def _background(rng: random.Random, scene: Scene) -> Scene | None:
    if not scene.names_background:
        return None
    return replace(scene, background=_other(rng, list(BACKGROUNDS), scene.background))


def _count(rng: random.Random, scene: Scene) -> Scene | None:
    if scene.kind not in ("count", "pair"):
        return None
    number = rng.randrange(len(scene.groups))
    group = scene.groups[number]
    mine = [item for item in scene.items if (item.color, item.shape) == (group.color, group.shape)]
    items: list[Item] = list(scene.items)
    if group.count > (1 if scene.kind == "pair" else 2) and rng.random() < 0.5:
        items.remove(rng.choice(mine))
        count = group.count - 1
    else:
        added = placed(rng, mine[0], items) if len(items) < _MOST else None
        if added is None:
            return None
        items.append(added)
        count = group.count + 1
    groups = tuple(
        replace(group, count=count) if place == number else other for place, other in enumerate(scene.groups)
    )
    return replace(scene, items=tuple(items), groups=groups)


def _relation(rng: random.Random, scene: Scene) -> Scene | None:
    """Mirrors the picture, so that the opposite relation holds."""
    if scene.relation is None:
        return None
    if scene.relation.endswith("of"):
        items = tuple(replace(item, x=IMAGE_SIZE - item.x) for item in scene.items)
    else:
        items = tuple(replace(item, y=IMAGE_SIZE - item.y) for item in scene.items)
    return replace(scene, items=items, relation=OPPOSITE[scene.relation])


def _swap(rng: random.Random, scene: Scene) -> Scene | None:
    """Lets the two objects of a relation exchange their colours."""
    if scene.relation is None:
        return None
    first, second = scene.groups
    if first.color == second.color or first.shape == second.shape:
        return None
    groups = replace(first, color=second.color), replace(second, color=first.color)
    one, two = scene.items
    return replace(scene, groups=groups, items=(replace(one, color=two.color), replace(two, color=one.color)))


def _place(rng: random.Random, scene: Scene) -> Scene | None:
    if scene.place is None:
        return None
    place = _other(rng, list(PLACES), scene.place)
    return replace(scene, place=place, items=(at_place(rng, scene.items[0], place),))


CHANGES: dict[str, Callable[[random.Random, Scene], Scene | None]] = {
    "color": _color,
    "shape": _shape,
    "background": _background,
    "count": _count,
    "relation": _relation,
    "swap": _swap,
    "place": _place,
}
_WEIGHTS = (2, 3, 1, 3, 3, 2, 3)


def variant(rng: random.Random, scene: Scene, change: str | None = None, tries: int = 20) -> Scene | None:
    """Returns a sibling of a scene with one thing changed.

    Args:
        rng: Source of chance.
        scene: The scene.
        change: A name in `CHANGES`; by default one that suits the scene.
        tries: How often to try.

    Returns:
        The sibling, or None where the change does not suit the scene.
    """
    names = list(CHANGES)
    for _ in range(tries):
        name = change or rng.choices(names, _WEIGHTS)[0]
        sibling = CHANGES[name](rng, scene)
        if sibling is not None:
            return sibling
    return None
