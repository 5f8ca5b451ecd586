"""Bounding boxes of drawn scenes, their overlap, and average precision.

The usual evaluators need compiled parts that are not always there; this is all of them that is needed.
A box is left, top, right, bottom in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.render import outline_points
from training.settings import IMAGE_SIZE
from training.world import COLORS, SHAPES, Item, Scene

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Boxes:
    """The boxes in one picture, found or true, with a class and a score each (1 for true ones)."""

    corners: Floats
    labels: Integers
    scores: Floats


def pair_names() -> list[str]:
    """Returns the names of all classes, such as "red circle", in their order."""
    return [f"{color} {shape}" for color in COLORS for shape in SHAPES]


def item_box(item: Item) -> list[float]:
    """Returns the box of an object's outline, as far as it lies inside the picture."""
    points = np.array(outline_points(item.shape, item.x, item.y, item.radius)).clip(0, IMAGE_SIZE)
    return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]


def scene_boxes(scene: Scene) -> Boxes:
    """Returns the true boxes of a scene."""
    colors = list(COLORS)
    corners = np.array([item_box(item) for item in scene.items]).reshape(-1, 4)
    labels = [colors.index(item.color) * len(SHAPES) + SHAPES.index(item.shape) for item in scene.items]
    return Boxes(corners, np.array(labels, np.int64), np.ones(len(corners)))


def overlaps(first: Floats, second: Floats) -> Floats:
    """Returns the intersection over union of every box with every other.

    Args:
        first: Shape (n, 4).
        second: Shape (m, 4).

    Returns:
        Shape (n, m).
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None, :] - shared, 1e-9)


def without_doubles(boxes: Boxes, overlap: float = 0.7) -> Boxes:
    """Keeps only the surest of boxes that lie over one another, whatever their classes.

    Args:
        boxes: What was found in one picture.
        overlap: Intersection over union from which on two boxes show the same object.

    Returns:
        The boxes that are left, the surest first.
    """
    shared = overlaps(boxes.corners, boxes.corners)
    kept: list[int] = []
    for number in np.argsort(-boxes.scores, kind="stable").tolist():
        if all(shared[number, other] < overlap for other in kept):
            kept.append(number)
    return Boxes(boxes.corners[kept], boxes.labels[kept], boxes.scores[kept])


def average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], label: int, overlap: float = 0.5
) -> float | None:
    """Returns the area below the precision-recall curve of one class.

    Boxes are taken from the surest on; each claims the best true box that is still free.

    Args:
        found: What was found in each picture.
        truth: What is there.
        label: The class.
        overlap: The least intersection over union of a hit.

    Returns:
        A value from 0 to 1; None where the class never occurs.
    """
    wanted = [boxes.corners[boxes.labels == label] for boxes in truth]
    total = sum(len(corners) for corners in wanted)
    if total == 0:
        return None
    rows = [
        (score, number, corners)
        for number, boxes in enumerate(found)
        for score, corners, name in zip(boxes.scores, boxes.corners, boxes.labels, strict=True)
        if name == label
    ]
    rows.sort(key=lambda row: -row[0])
    free = [np.ones(len(corners), bool) for corners in wanted]
    hits = np.zeros(len(rows))
    for place, (_, number, corners) in enumerate(rows):
        shared = np.where(free[number], overlaps(corners[None], wanted[number])[0], -1.0)
        if len(shared) and shared.max() >= overlap:
            free[number][shared.argmax()] = False
            hits[place] = 1
    precision = hits.cumsum() / np.arange(1, len(rows) + 1)
    # The curve is made to fall: a point counts with the best precision at its recall or beyond.
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * hits).sum() / total)


def mean_average_precision(found: Sequence[Boxes], truth: Sequence[Boxes], classes: int) -> float:
    """Returns the mean over all classes that occur.

    Args:
        found: What was found in each picture.
        truth: What is there.
        classes: How many classes there are.
    """
    values = [average_precision(found, truth, label) for label in range(classes)]
    return float(np.mean([value for value in values if value is not None]))


def relabeled(pictures: Sequence[Boxes], by: str) -> list[Boxes]:
    """Reduces the pair classes to one of their two halves.

    Args:
        pictures: Boxes with pair classes.
        by: "color" or "shape".

    Returns:
        The same boxes with the number of the color or of the shape.
    """
    size = len(SHAPES)
    return [
        Boxes(boxes.corners, boxes.labels // size if by == "color" else boxes.labels % size, boxes.scores)
        for boxes in pictures
    ]
