"""What questions about scenes are about: which objects, where they are, how they lie to one another."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from training.settings import IMAGE_SIZE
from training.world import COLORS, SHAPES, Item, Scene, plural

_CLEAR = 22.0  # pixels by which a relation must hold, or fail, to be asked for


@dataclass(frozen=True)
class Subject:
    """Which objects a question is about; None leaves color or shape open."""

    color: str | None = None
    shape: str | None = None
    noun: str = "object"

    def find(self, scene: Scene) -> list[Item]:
        """Returns the objects of a scene that are meant."""
        return [
            item
            for item in scene.items
            if self.color in (None, item.color) and self.shape in (None, item.shape)
        ]

    @property
    def one(self) -> str:
        """The words for one, such as "red circle"."""
        return " ".join(word for word in (self.color, self.shape or self.noun) if word)

    @property
    def many(self) -> str:
        """The words for several, such as "red circles"."""
        return " ".join(word for word in (self.color, plural(self.shape or self.noun)) if word)


@dataclass(frozen=True)
class Question:
    """A question with its answer, the skill it needs and the subjects it names."""

    text: str
    answer: str
    skill: str
    subjects: tuple[Subject, ...] = ()


def a(words: str) -> str:
    """Returns words behind their indefinite article."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def subjects_of(scene: Scene) -> list[Subject]:
    """Returns every subject that a scene's objects fit, from "object" to "red circle"."""
    found = {Subject()}
    for item in scene.items:
        found |= {Subject(item.color), Subject(None, item.shape), Subject(item.color, item.shape)}
    return sorted(found, key=lambda subject: (subject.color or "", subject.shape or ""))


def absent_subject(rng: random.Random, scene: Scene) -> Subject:
    """Returns a subject that the scene lacks, mostly a near miss of what it shows.

    Args:
        rng: Source of chance.
        scene: The scene.

    Returns:
        A color with a shape, or one of the two alone.
    """
    while True:
        color, shape = rng.choice(list(COLORS)), rng.choice(SHAPES)
        lot = rng.random()
        if scene.items and lot < 0.75:
            first, second = rng.choice(scene.items), rng.choice(scene.items)
            color = color if lot < 0.25 else first.color
            shape = shape if 0.25 <= lot < 0.5 else second.shape
        kind = rng.random()
        subject = Subject(color if kind < 0.85 else None, shape if not 0.7 <= kind < 0.85 else None)
        if not subject.find(scene):
            return replace(subject, noun=rng.choice(["object", "shape"]))


def present_subject(rng: random.Random, scene: Scene, unique: bool = False) -> Subject | None:
    """Returns a subject that the scene shows, or None.

    Args:
        rng: Source of chance.
        scene: The scene.
        unique: Whether exactly one object must be meant.

    Returns:
        A subject with color or shape or both; both together is the most likely.
    """
    found = [subject for subject in subjects_of(scene) if subject.color or subject.shape]
    found = [subject for subject in found if not unique or len(subject.find(scene)) == 1]
    if not found:
        return None
    weights = [3 if subject.color and subject.shape else 1 for subject in found]
    return replace(rng.choices(found, weights)[0], noun=rng.choice(["object", "shape"]))


def in_place(item: Item, place: str) -> bool | None:
    """Tells whether an object is plainly in a named part of the image; None where it is open."""
    right, down = item.x / IMAGE_SIZE - 0.5, item.y / IMAGE_SIZE - 0.5
    if place == "in the center":
        away = max(abs(right), abs(down))
    else:
        # How far the object still is from the middle of the line that bounds the part.
        away = {"on the left": right, "on the right": -right, "at the top": down, "at the bottom": -down}[
            place
        ]
        away += 0.24
    return True if away <= 0.1 else False if away >= 0.18 else None


def related(first: Item, second: Item, relation: str) -> bool | None:
    """Tells whether a relation plainly holds between two objects; None where it is open."""
    right, down = second.x - first.x, second.y - first.y
    along, beside = (right, down) if relation.endswith("of") else (down, right)
    if relation in ("right of", "below"):
        along = -along
    if along >= _CLEAR and along >= 0.7 * abs(beside):
        return True
    return False if along <= -_CLEAR or (along <= 6 and abs(beside) >= _CLEAR) else None


def exchanged(scene: Scene) -> Scene | None:
    """Returns the scene with the colors of its two groups exchanged, if that changes what it shows."""
    if len(scene.groups) != 2:
        return None
    first, second = scene.groups
    if first.color == second.color or first.shape == second.shape:
        return None
    return replace(scene, groups=(replace(first, color=second.color), replace(second, color=first.color)))
