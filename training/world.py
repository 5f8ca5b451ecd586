"""The toy world: what a scene is, how it is worded and how scenes are drawn by lot.

A scene is one or two groups of flat shapes on a plain background. The caption is a
function of the scene, so that captions and pictures cannot drift apart.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

from training.settings import IMAGE_SIZE

Rgb = tuple[int, int, int]
Box = tuple[float, float, float, float]

COLORS: dict[str, Rgb] = {
    "red": (220, 40, 40),
    "green": (40, 165, 60),
    "blue": (45, 90, 230),
    "yellow": (245, 210, 40),
    "orange": (245, 135, 30),
    "purple": (140, 60, 190),
    "pink": (250, 140, 190),
    "cyan": (60, 205, 220),
}
BACKGROUNDS: dict[str, Rgb] = {
    "white": (250, 250, 250),
    "black": (15, 15, 18),
    "gray": (128, 128, 128),
    "beige": (235, 220, 185),
    "navy": (25, 30, 85),
}
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "diamond", "cross")
NUMBERS: dict[int, str] = {1: "one", 2: "two", 3: "three", 4: "four"}
OPPOSITE: dict[str, str] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}
PLACES: dict[str, tuple[float, float]] = {
    "on the left": (0.25, 0.5),
    "on the right": (0.75, 0.5),
    "at the top": (0.5, 0.25),
    "at the bottom": (0.5, 0.75),
    "in the center": (0.5, 0.5),
}
SIZES: dict[str, tuple[float, float]] = {"small": (13, 17), "large": (32, 42)}
STYLES: tuple[str, ...] = ("outlined", "striped")
KINDS: tuple[str, ...] = ("single", "place", "count", "relation", "pair")
PREFIXES: tuple[str, ...] = ("a picture of ", "a photo of ", "a drawing of ")

_KIND_WEIGHTS = (3, 2, 4, 4, 3)
_RADII: dict[int, tuple[float, float]] = {1: (20, 34), 2: (17, 25), 3: (14, 19), 4: (14, 18)}
_PLACE_RADII = (18, 26)
_REACH = 1.12  # the tips of a star and of a diamond reach past the radius
_HALVES: dict[str, tuple[Box, Box]] = {
    "left of": ((0, 0.45, 0.15, 0.85), (0.55, 1, 0.15, 0.85)),
    "above": ((0.15, 0.85, 0, 0.45), (0.15, 0.85, 0.55, 1)),
}


@dataclass(frozen=True)
class Item:
    """One drawn shape; the centre and the radius are in pixels of a 128 px image."""

    shape: str
    color: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Group:
    """What a caption says of one group of equal shapes."""

    count: int
    color: str
    shape: str


@dataclass(frozen=True)
class Scene:
    """A picture of the world and the wording of its caption."""

    kind: str
    background: str
    items: tuple[Item, ...]
    groups: tuple[Group, ...]
    relation: str | None = None
    place: str | None = None
    size: str | None = None
    names_background: bool = True
    prefix: str = ""
    long_relation: bool = False
    style: str | None = None

    @property
    def core(self) -> str:
        """The caption without prefix and background."""
        nouns = [noun_phrase(group) for group in self.groups]
        if self.kind == "single" and self.size:
            return f"a {self.size} {self.groups[0].color} {self.groups[0].shape}"
        if self.kind == "place":
            return f"{nouns[0]} {self.place}"
        if self.kind == "relation":
            longer = self.long_relation and self.relation in ("left of", "right of")
            return f"{nouns[0]} {'to the ' if longer else ''}{self.relation} {nouns[1]}"
        return " and ".join(nouns)

    @property
    def caption(self) -> str:
        """The whole caption."""
        ending = f" on a {self.background} background" if self.names_background else ""
        return f"{self.prefix}{self.core}{ending}"


def plural(shape: str) -> str:
    """Returns the plural of a shape's name."""
    return "crosses" if shape == "cross" else f"{shape}s"


def noun_phrase(group: Group) -> str:
    """Returns the words for one group, such as "two red circles"."""
    if group.count == 1:
        return f"{'an' if group.color[0] == 'o' else 'a'} {group.color} {group.shape}"
    return f"{NUMBERS[group.count]} {group.color} {plural(group.shape)}"


def vocabulary() -> list[str]:
    """Returns every word that a caption can use, sorted."""
    text = ["a an and on to background left of right above below"]
    text += [*PREFIXES, *PLACES, *SIZES, *COLORS, *BACKGROUNDS]
    text += [word for count, word in NUMBERS.items() if count > 1]
    text += [*SHAPES, *(plural(shape) for shape in SHAPES)]
    return sorted(set(" ".join(text).split()))


def placed(
    rng: random.Random, item: Item, others: Sequence[Item], box: Box = (0, 1, 0, 1), tries: int = 60
) -> Item | None:
    """Returns the item at a free random place inside a box (shares of the image), if any."""
    margin = item.radius * _REACH + 2
    left, right, top, bottom = (share * IMAGE_SIZE for share in box)
    low_x, high_x = max(margin, left), min(IMAGE_SIZE - margin, right)
    low_y, high_y = max(margin, top), min(IMAGE_SIZE - margin, bottom)
    if low_x > high_x or low_y > high_y:
        return None
    for _ in range(tries):
        x, y = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
        gaps = (hypot(x - other.x, y - other.y) - 1.22 * (item.radius + other.radius) - 3 for other in others)
        if all(gap > 0 for gap in gaps):
            return replace(item, x=x, y=y)
    return None


def at_place(rng: random.Random, item: Item, place: str) -> Item:
    """Returns the item moved to a named place, with a little scatter."""
    margin = item.radius * _REACH + 2
    centre = [share * IMAGE_SIZE + rng.uniform(-6, 6) for share in PLACES[place]]
    x, y = (min(max(value, margin), IMAGE_SIZE - margin) for value in centre)
    return replace(item, x=x, y=y)


def _scatter(rng: random.Random, groups: Sequence[Group], radius: float) -> list[Item] | None:
    items: list[Item] = []
    for group in groups:
        for _ in range(group.count):
            size = radius * rng.uniform(0.92, 1.08)
            item = placed(rng, Item(group.shape, group.color, 0, 0, size), items)
            if item is None:
                return None
            items.append(item)
    return items


def _related(rng: random.Random, groups: Sequence[Group], relation: str) -> list[Item] | None:
    boxes = _HALVES[relation] if relation in _HALVES else _HALVES[OPPOSITE[relation]][::-1]
    items: list[Item] = []
    for group, box in zip(groups, boxes, strict=True):
        item = Item(group.shape, group.color, 0, 0, rng.uniform(*_RADII[2]))
        spot = placed(rng, item, items, box)
        if spot is None:
            return None
        items.append(spot)
    across = abs(items[0].x - items[1].x), abs(items[0].y - items[1].y)
    along, beside = across if relation.endswith("of") else across[::-1]
    return items if along > 30 and beside < 30 else None


def _group(rng: random.Random, count: int = 1) -> Group:
    return Group(count, rng.choice(list(COLORS)), rng.choice(SHAPES))


def _draw(rng: random.Random, kind: str) -> Scene | None:
    """Draws one scene of a kind; None where the objects found no room."""
    first, second = _group(rng), _group(rng)
    groups: tuple[Group, ...] = (first,)
    size = place = relation = None
    items: list[Item] | None
    if kind == "single":
        size = rng.choice([None, "small", "large"])
        items = _scatter(rng, groups, rng.uniform(*(SIZES[size] if size else _RADII[1])))
    elif kind == "place":
        place = rng.choice(list(PLACES))
        item = Item(first.shape, first.color, 0, 0, rng.uniform(*_PLACE_RADII))
        items = [at_place(rng, item, place)]
    elif kind == "count":
        groups = (replace(first, count=rng.choice([2, 2, 3, 3, 4])),)
        items = _scatter(rng, groups, rng.uniform(*_RADII[groups[0].count]))
    elif first == second:
        return None
    elif kind == "relation":
        relation, groups = rng.choice(list(OPPOSITE)), (first, second)
        items = _related(rng, groups, relation)
    else:
        count = rng.choice([1, 1, 2, 3])
        groups = (
            replace(first, count=count),
            replace(second, count=rng.choice([1, 1, 2]) if count < 3 else 1),
        )
        items = _scatter(rng, groups, rng.uniform(*_RADII[sum(group.count for group in groups)]))
    if items is None:
        return None
    background = rng.choice(list(BACKGROUNDS))
    return Scene(kind, background, tuple(items), groups, relation, place, size)


def draw_scene(rng: random.Random, kinds: Sequence[str] = KINDS) -> Scene:
    """Draws a scene and a wording by lot.

    Args:
        rng: Source of chance.
        kinds: The kinds to draw from, weighted as in the whole world.

    Returns:
        A scene whose objects stand apart from one another.
    """
    weights = [_KIND_WEIGHTS[KINDS.index(kind)] for kind in kinds]
    while True:
        scene = _draw(rng, rng.choices(list(kinds), weights)[0])
        if scene is not None:
            return replace(
                scene,
                names_background=rng.random() < 0.8,
                prefix=rng.choice(PREFIXES) if rng.random() < 0.12 else "",
                long_relation=rng.random() < 0.15,
            )


def is_held_out(scene: Scene) -> bool:
    """Tells whether the scene's wording is kept away from training (1 in 17 of two-group ones)."""
    if scene.kind not in ("relation", "pair"):
        return False
    return zlib.crc32(replace(scene, long_relation=False).core.encode()) % 17 == 0


def draw_training_scene(rng: random.Random, kinds: Sequence[str] = KINDS) -> Scene:
    """Draws a scene that is not held out."""
    while True:
        scene = draw_scene(rng, kinds)
        if not is_held_out(scene):
            return scene
