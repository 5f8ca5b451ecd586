"""Reads a picture of the world back: background, and colour, shape and place of each object.

Colours of shapes and of backgrounds never coincide, so plain image processing is enough.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.render import render
from training.settings import IMAGE_SIZE
from training.world import BACKGROUNDS, COLORS, PLACES, SHAPES, Item, Scene

Mask = NDArray[np.bool_]

_TEMPLATE_SIZE = 32
_MIN_AREA = 50
_FOREGROUND_DISTANCE = 90
_PLACE_TOLERANCE = 0.14


@dataclass(frozen=True)
class Found:
    """One connected object of a picture; the centre is in pixels."""

    color: str
    shape: str
    x: float
    y: float
    area: int


@dataclass(frozen=True)
class Reading:
    """All that was read from a picture."""

    background: str
    background_error: float
    objects: tuple[Found, ...]


def _normalised(mask: Mask) -> tuple[NDArray[np.float64], float]:
    """Returns the mask cut to its box and scaled to the template size, and the box's aspect."""
    rows, columns = np.where(mask)
    cut = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    picture = Image.fromarray(cut.astype(np.uint8) * 255)
    scaled = picture.resize((_TEMPLATE_SIZE, _TEMPLATE_SIZE), Image.Resampling.BILINEAR)
    return np.asarray(scaled) / 255, cut.shape[1] / cut.shape[0]


@cache
def _templates() -> dict[str, list[tuple[NDArray[np.float64], float]]]:
    templates: dict[str, list[tuple[NDArray[np.float64], float]]] = {}
    for shape in SHAPES:
        for radius in (14, 20, 28):
            item = Item(shape, "pink", IMAGE_SIZE / 2, IMAGE_SIZE / 2, radius)
            pixels = np.asarray(render(Scene("single", "black", (item,), ()))).astype(int)
            mask = np.abs(pixels - np.array(BACKGROUNDS["black"])).sum(-1) > 180
            templates.setdefault(shape, []).append(_normalised(mask))
    return templates


def _shape_of(mask: Mask) -> str:
    picture, aspect = _normalised(mask)

    def likeness(template: tuple[NDArray[np.float64], float]) -> float:
        overlap = 1 - np.abs(picture - template[0]).mean()
        return float(overlap - 0.25 * abs(math.log(aspect / template[1])))

    best = {shape: max(map(likeness, group)) for shape, group in _templates().items()}
    return max(best, key=best.__getitem__)


def _nearest(palette: dict[str, tuple[int, int, int]], color: NDArray[np.float64]) -> tuple[str, float]:
    distances = {name: float(np.abs(color - np.array(rgb)).sum()) for name, rgb in palette.items()}
    name = min(distances, key=distances.__getitem__)
    return name, distances[name]


def read_picture(image: Image.Image) -> Reading:
    """Reads background and objects from a picture.

    Args:
        image: The picture; other sizes than 128 px are scaled.

    Returns:
        What was found; specks under 50 pixels are passed over.
    """
    pixels = np.asarray(image.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE))).astype(np.int32)
    edges = [pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]]
    border = np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0)
    background, error = _nearest(BACKGROUNDS, border)
    regions, count = ndimage.label(np.abs(pixels - border).sum(-1) > _FOREGROUND_DISTANCE)
    objects = []
    for number in range(1, count + 1):
        mask = regions == number
        if mask.sum() < _MIN_AREA:
            continue
        inner = ndimage.binary_erosion(mask, iterations=2)
        color = np.median(pixels[inner if inner.sum() > 10 else mask], axis=0)
        rows, columns = np.where(mask)
        x, y = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
        name = _nearest(COLORS, color)[0]
        objects.append(Found(name, _shape_of(mask), float(x), float(y), int(mask.sum())))
    return Reading(background, error, tuple(objects))


def _relation_holds(scene: Scene, objects: Iterable[Found]) -> bool:
    pair = []
    for group in scene.groups:
        match = [found for found in objects if (found.color, found.shape) == (group.color, group.shape)]
        if not match:
            return False
        pair.append(match[0])
    first, second = pair
    return {
        "left of": first.x < second.x,
        "right of": first.x > second.x,
        "above": first.y < second.y,
        "below": first.y > second.y,
    }[str(scene.relation)]


def check(image: Image.Image, scene: Scene) -> dict[str, bool]:
    """Compares a picture with what the scene's caption asks for.

    Args:
        image: The picture.
        scene: The scene whose caption was the prompt.

    Returns:
        Truth of "count", "color", "shape" (each over all objects) and "objects" (both bound
        together); of "background", "relation" and "place" where the caption states them; and
        of "all".
    """
    reading = read_picture(image)
    found = reading.objects
    wanted: Counter[tuple[str, str]] = Counter()
    colors: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    for group in scene.groups:
        wanted[group.color, group.shape] += group.count
        colors[group.color] += group.count
        shapes[group.shape] += group.count
    result = {
        "count": len(found) == wanted.total(),
        "color": Counter(item.color for item in found) == colors,
        "shape": Counter(item.shape for item in found) == shapes,
        "objects": Counter((item.color, item.shape) for item in found) == wanted,
    }
    if scene.names_background:
        result["background"] = reading.background == scene.background and reading.background_error < 90
    if scene.relation:
        result["relation"] = _relation_holds(scene, found)
    if scene.place:
        largest = max(found, key=lambda item: item.area, default=None)
        x, y = PLACES[scene.place]
        result["place"] = largest is not None and (
            abs(largest.x / IMAGE_SIZE - x) < _PLACE_TOLERANCE
            and abs(largest.y / IMAGE_SIZE - y) < _PLACE_TOLERANCE
        )
    stated = ("objects", "background", "relation", "place")
    result["all"] = all(result.get(name, True) for name in stated)
    return result


def summarise(results: Iterable[dict[str, bool]]) -> dict[str, float]:
    """Returns the share that is true of each name, over the results that have it."""
    values: dict[str, list[bool]] = {}
    for result in results:
        for name, value in result.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(found)) for name, found in values.items()}
