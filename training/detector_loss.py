"""Open supervision of the detector's query selection: every cell is told what stands there.

The model's own loss reaches only the few cells that were selected, and from random weights
these are the wrong ones for long. Here all cells learn at once: the cell in the middle of an
object is to be selected, and all cells around the middle are to tell its color, its shape and its box.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss
from transformers.image_transforms import center_to_corners_format

from training.settings import IMAGE_SIZE
from training.world import COLORS, SHAPES

STRIDES = (8, 16, 32)
_MIDDLE = 0.3  # a cell tells of an object if it is off the middle by less than this share of the box
_LARGEST = torch.tensor([42.0, 64.0]) / IMAGE_SIZE  # longest side of the objects of the first two levels
_NEGATIVE_WEIGHT, _FOCUS = 0.75, 2.0
_SIDES_WEIGHT, _OVERLAP_WEIGHT = 5.0, 2.0


@cache
def cells() -> tuple[Tensor, Tensor]:
    """Returns the middle of every cell as shares of the picture, and the number of its level."""
    middles, levels = [], []
    for level, stride in enumerate(STRIDES):
        steps = (torch.arange(IMAGE_SIZE // stride) + 0.5) * stride / IMAGE_SIZE
        down, right = torch.meshgrid(steps, steps, indexing="ij")
        middles.append(torch.stack([right, down], dim=-1).view(-1, 2))
        levels.append(torch.full((len(middles[-1]),), level))
    return torch.cat(middles), torch.cat(levels)


def assign(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tells which cells are to select, and which are to tell of, the objects of one picture.

    Args:
        boxes: Middle, width and height as shares of the picture, shape (objects, 4).

    Returns:
        For each object the number of the cell that selects it; the cells that tell of an
        object; and the number of that object for each of them.
    """
    middles, levels = cells()
    away = ((middles[None] - boxes[:, None, :2]).abs() / boxes[:, None, 2:]).amax(-1)
    own_level = torch.bucketize(boxes[:, 2:].amax(-1), _LARGEST)
    elsewhere = levels[None] != own_level[:, None]
    selecting = (away + 1e3 * elsewhere).argmin(-1)
    nearest, owner = away.min(0) if len(boxes) else (torch.ones(len(middles)), levels)
    telling = (nearest < _MIDDLE).nonzero()[:, 0]
    return selecting, telling, owner[telling]


def dense_loss(logits: Tensor, boxes: Tensor, labels: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Returns the losses of all cells.

    Args:
        logits: Class scores of all cells, shape (pictures, cells, pairs).
        boxes: Their boxes as shares of the picture, shape (pictures, cells, 4).
        labels: Classes and boxes of each picture, in the form that the model takes.

    Returns:
        The losses of selection, attributes and boxes.
    """
    wanted = torch.zeros_like(logits)
    pictures, places, classes, corners = [], [], [], []
    for number, label in enumerate(labels):
        selecting, telling, owner = assign(label["boxes"])
        wanted[number, selecting, label["class_labels"]] = 1
        pictures.append(torch.full_like(telling, number))
        places.append(telling)
        classes.append(label["class_labels"][owner])
        corners.append(label["boxes"][owner])
    objects = wanted.sum().clamp(min=1)
    # Sure mistakes count most: nearly all cells are empty, and most of them plainly so.
    weights = torch.where(wanted > 0, 1.0, _NEGATIVE_WEIGHT * logits.detach().sigmoid().pow(_FOCUS))
    selection = functional.binary_cross_entropy_with_logits(logits, wanted, weights, reduction="sum")
    chosen = torch.cat(pictures), torch.cat(places)
    told, target = boxes[chosen], torch.cat(corners)
    overlap = generalized_box_iou_loss(center_to_corners_format(told), center_to_corners_format(target))
    sides = (told - target).abs().sum(-1)
    share = 1 / max(1, len(target))
    return {
        "selection": selection / objects,
        "attributes": attribute_loss(logits[chosen], torch.cat(classes)) * share,
        "boxes": (_SIDES_WEIGHT * sides + _OVERLAP_WEIGHT * overlap).sum() * share,
    }


def attribute_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Returns the summed cross entropy of color and of shape, each read from the means of its pairs.

    Args:
        logits: Scores of all pairs, shape (rows, pairs).
        classes: Numbers of the true pairs.
    """
    table = logits.view(-1, len(COLORS), len(SHAPES))
    colors, shapes = table.mean(2), table.mean(1)
    return functional.cross_entropy(
        colors, classes // len(SHAPES), reduction="sum"
    ) + functional.cross_entropy(shapes, classes % len(SHAPES), reduction="sum")
