"""One asker for each skill: given a scene and the wanted reply, it words a question.

An asker takes its source of chance, the scene, and whether a yes-or-no question shall be true.
It gives None where the scene has no such question, and as many true as untrue ones otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from training.subjects import (
    Question,
    Subject,
    a,
    absent_subject,
    exchanged,
    in_place,
    present_subject,
    related,
    subjects_of,
)
from training.variants import variant
from training.world import (
    BACKGROUNDS,
    COLORS,
    NUMBERS,
    OPPOSITE,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    draw_scene,
    plural,
)

IMAGES = ("the image", "this image", "the picture", "this picture")


def _in(rng: random.Random) -> str:
    return f" in {rng.choice(IMAGES)}" if rng.random() < 0.3 else ""


def _of(rng: random.Random) -> str:
    return f" of {rng.choice(IMAGES)}" if rng.random() < 0.3 else ""


def _reply(wanted: bool) -> str:
    return "yes" if wanted else "no"


def _object(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks whether something is there."""
    subject = present_subject(rng, scene) if wanted else absent_subject(rng, scene)
    if subject is None:
        return None
    image, one = rng.choice(IMAGES), a(subject.one)
    texts = (
        f"is there {one}{_in(rng)}",
        f"is there {one}{_in(rng)}",
        f"does {image} contain {one}",
        f"does {image} show {one}",
        f"are there any {subject.many}{_in(rng)}",
        f"can you see {one}{_in(rng)}",
    )
    return Question(rng.choice(texts), _reply(wanted), "object", (subject,))


def _count(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks for a number, each with the same chance where the scene allows, or whether one is right."""
    found = [subject for subject in subjects_of(scene) if len(subject.find(scene)) <= 4]
    if rng.random() < 0.2:
        subject = absent_subject(rng, scene)
    else:
        number = rng.choice(sorted({len(subject.find(scene)) for subject in found}))
        subject = rng.choice([subject for subject in found if len(subject.find(scene)) == number])
        subject = replace(subject, noun=rng.choice(["object", "shape"]))
    number, image = len(subject.find(scene)), rng.choice(IMAGES)
    if rng.random() < 0.5:
        texts = (
            f"how many {subject.many} are there{_in(rng)}",
            f"how many {subject.many} are in {image}",
            f"how many {subject.many} does {image} show",
        )
        return Question(rng.choice(texts), str(number), "count", (subject,))
    if number == 0 and (wanted or rng.random() < 0.5):
        return None
    others = [other for other in NUMBERS if other != number and abs(other - number) < 3]
    named = number if wanted else rng.choice(others)
    exactly = rng.choice(["", "", "exactly "])
    words = NUMBERS[named] if rng.random() < 0.75 else str(named)
    if named == 1:
        text = f"is there {exactly}{words} {subject.one}{_in(rng)}"
    else:
        there = f"are there {exactly}{words} {subject.many}{_in(rng)}"
        text = rng.choice([there, there, f"does {image} show {words} {subject.many}"])
    return Question(text, _reply(wanted), "count", (subject,))


def _other(rng: random.Random, options: Sequence[str], right: str, near: Sequence[str]) -> str:
    """Returns a wrong option, half of the time one that another object has."""
    close = [option for option in near if option != right]
    return rng.choice(
        close if close and rng.random() < 0.5 else [option for option in options if option != right]
    )


def _color(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks for the color of all objects of a shape, or whether it is the named one."""
    subject = Subject(None, rng.choice(scene.items).shape) if scene.items else Subject()
    if len(scene.items) == 1 and rng.random() < 0.3:
        subject = Subject(noun=rng.choice(["object", "shape"]))
    found = subject.find(scene)
    colors = {item.color for item in found}
    if len(colors) != 1:
        return None
    (color,) = colors
    several = len(found) > 1
    words = f"are the {subject.many}" if several else f"is the {subject.one}"
    if rng.random() < 0.5:
        return Question(f"what color {words}{_in(rng)}", color, "color", (subject,))
    near = [item.color for item in scene.items]
    named = color if wanted else _other(rng, list(COLORS), color, near)
    if not wanted and rng.random() < 0.2:
        absent = absent_subject(rng, scene)
        if absent.shape and not Subject(None, absent.shape).find(scene):
            subject, words = Subject(None, absent.shape), f"is the {absent.shape}"
            named = rng.choice(near)
    return Question(f"{words} {named}{_in(rng)}", _reply(wanted), "color", (subject,))


def _shape(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks for the shape of all objects of a color, or whether it is the named one."""
    subject = Subject(
        rng.choice(scene.items).color if scene.items else None, noun=rng.choice(["object", "shape"])
    )
    found = subject.find(scene)
    shapes = {item.shape for item in found}
    if len(shapes) != 1:
        return None
    (shape,) = shapes
    several = len(found) > 1
    words = f"are the {subject.many}" if several else f"is the {subject.one}"
    if rng.random() < 0.5:
        return Question(f"what shape {words}{_in(rng)}", shape, "shape", (subject,))
    near = [item.shape for item in scene.items]
    named = shape if wanted else _other(rng, SHAPES, shape, near)
    if not wanted and rng.random() < 0.2:
        absent = rng.choice(list(COLORS))
        if not Subject(absent).find(scene):
            subject, several, named = replace(subject, color=absent), False, rng.choice(near)
            words = f"is the {subject.one}"
    named = plural(named) if several else a(named)
    return Question(f"{words} {named}{_in(rng)}", _reply(wanted), "shape", (subject,))


def _size(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks whether a single object that is plainly small or large is so."""
    subject = present_subject(rng, scene, unique=True)
    if subject is None:
        return None
    radius = subject.find(scene)[0].radius
    if SIZES["small"][1] < radius < SIZES["large"][0]:
        return None
    size = "small" if (radius <= SIZES["small"][1]) is wanted else "large"
    texts = f"is the {subject.one} {size}{_in(rng)}", f"is there a {size} {subject.one}{_in(rng)}"
    return Question(rng.choice(texts), _reply(wanted), "size", (subject,))


def _background(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks for the color of the background, or whether it is the named one."""
    image, right = rng.choice(IMAGES), scene.background
    if rng.random() < 0.4:
        texts = f"what color is the background{_of(rng)}", "what is the background color"
        return Question(rng.choice(texts), right, "background")
    named = right if wanted else _other(rng, list(BACKGROUNDS), right, ())
    texts = [
        f"is the background{_of(rng)} {named}",
        f"is the background {named}",
        f"does {image} have a {named} background",
        f"is there a {named} background{_in(rng)}",
    ]
    subject = present_subject(rng, scene)
    if subject is None or rng.random() < 0.75:
        return Question(rng.choice(texts), _reply(wanted), "background")
    return Question(f"is the {subject.one} on a {named} background", _reply(wanted), "background", (subject,))


def _place(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks whether a single object is in a part of the image."""
    subject = present_subject(rng, scene, unique=True)
    if subject is None:
        return None
    answers = {place: in_place(subject.find(scene)[0], place) for place in PLACES}
    places = [place for place, answer in answers.items() if answer is wanted]
    if not places or True not in answers.values():  # as many yes as no
        return None
    if not wanted and rng.random() < 0.15:
        subject = absent_subject(rng, scene)
    place = rng.choice(places)
    texts = (
        f"is the {subject.one} {place}{_of(rng)}",
        f"is the {subject.one} {place}{_of(rng)}",
        f"is there {a(subject.one)} {place}{_of(rng)}",
    )
    return Question(rng.choice(texts), _reply(wanted), "place", (subject,))


def _relation(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks how two single objects lie to one another."""
    first, second = (present_subject(rng, scene, unique=True) for _ in range(2))
    if first is None or second is None or first.find(scene) == second.find(scene):
        return None
    items = first.find(scene)[0], second.find(scene)[0]
    answers = {relation: related(*items, relation) for relation in OPPOSITE}
    relations = [relation for relation, answer in answers.items() if answer is wanted]
    if not relations or True not in answers.values():
        return None
    relation = rng.choice(relations)
    if not wanted and rng.random() < 0.15:
        lost = absent_subject(rng, scene)
        first, second = (lost, second) if rng.random() < 0.5 else (first, lost)
    words = f"to the {relation}" if relation.endswith("of") and rng.random() < 0.4 else relation
    texts = (
        f"is the {first.one} {words} the {second.one}",
        f"is the {first.one} {words} the {second.one}",
        f"is there {a(first.one)} {words} {a(second.one)}",
    )
    return Question(rng.choice(texts), _reply(wanted), "relation", (first, second))


def _caption(rng: random.Random, scene: Scene, wanted: bool) -> Question | None:
    """Asks whether a whole caption holds."""
    if not scene.groups:
        return None
    told, lot = scene, rng.random()
    if not wanted and lot < 0.15:
        told = draw_scene(rng)
    elif not wanted and lot < 0.3 and scene.size:
        told = replace(scene, size="small" if scene.size == "large" else "large")
    elif not wanted and lot < 0.5:
        told = exchanged(scene) or variant(rng, scene)
    elif not wanted:
        told = variant(rng, scene)
    if told is None or (not wanted and lot < 0.15 and told.groups == scene.groups):
        return None
    image = rng.choice(IMAGES)
    texts = (
        f"does {image} show {told.caption}",
        f"does this image show {told.caption}",
        f"is this {rng.choice(['a picture', 'an image'])} of {replace(told, prefix='').caption}",
    )
    subjects = tuple(Subject(group.color, group.shape) for group in told.groups)
    return Question(rng.choice(texts), _reply(wanted), "caption", subjects)


SKILLS: dict[str, Callable[[random.Random, Scene, bool], Question | None]] = {
    "object": _object,
    "count": _count,
    "color": _color,
    "shape": _shape,
    "size": _size,
    "background": _background,
    "place": _place,
    "relation": _relation,
    "caption": _caption,
}
