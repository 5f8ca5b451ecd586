"""Pictures for the detector: drawn scenes made as imperfect as generated ones, with their boxes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.boxes import scene_boxes
from training.settings import IMAGE_SIZE, DetectorSettings
from training.world import COLORS, SHAPES, STYLES, Item, Scene, placed

_EXTRA_RADII = (12.0, 18.0)
_SHIFT = 30.0  # pixels


def varied(rng: random.Random, scene: Scene, settings: DetectorSettings) -> Scene:
    """Lets some scenes break the world's rules, as generated pictures do.

    Args:
        rng: Source of chance.
        scene: A scene of the world.
        settings: How often each rule is broken.

    Returns:
        The scene, perhaps with colors and shapes by lot, one more object, objects that reach past
        the edge, none at all, or a style.
    """
    items = list(scene.items)
    if rng.random() < settings.mixed_share:
        items = [replace(item, color=rng.choice(list(COLORS)), shape=rng.choice(SHAPES)) for item in items]
    if rng.random() < settings.extra_share:
        extra = Item(rng.choice(SHAPES), rng.choice(list(COLORS)), 0, 0, rng.uniform(*_EXTRA_RADII))
        spot = placed(rng, extra, items)
        items += [spot] if spot else []
    if rng.random() < settings.shifted_share:
        right, down = rng.uniform(-_SHIFT, _SHIFT), rng.uniform(-_SHIFT, _SHIFT)
        moved = [replace(item, x=item.x + right, y=item.y + down) for item in items]
        items = [item for item in moved if 0 < item.x < IMAGE_SIZE and 0 < item.y < IMAGE_SIZE]
    if rng.random() < settings.empty_share:
        items = []
    style = rng.choice(STYLES) if rng.random() < settings.styled_share else None
    return replace(scene, items=tuple(items), style=style)


def roughened(images: Tensor, chance: torch.Generator) -> Tensor:
    """Makes pictures as imperfect as generated ones, each in its own measure, some not at all.

    Args:
        images: Values from 0 to 1, shape (pictures, 3, side, side).
        chance: Source of chance.

    Returns:
        Pictures with bent outlines, blur, blotches, a tint and noise.
    """
    count, side = len(images), images.shape[-1]

    def strength(largest: float, share: float) -> Tensor:
        drawn = torch.rand(2, count, 1, 1, 1, generator=chance)
        return largest * drawn[0] * (drawn[1] < share)

    bend = functional.interpolate(torch.randn(count, 2, 7, 7, generator=chance), side, mode="bicubic")
    steps = (torch.arange(side) + 0.5) * 2 / side - 1
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    places = torch.stack([right, down])[None] + bend * strength(2.0, 0.4) * 2 / side
    grid = places.permute(0, 2, 3, 1)
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    coarse = functional.interpolate(images, side // 4, mode="bilinear", antialias=True)
    smooth = functional.interpolate(coarse, side, mode="bilinear")
    images = images + (smooth - images) * strength(1.0, 0.4)
    blotches = functional.interpolate(torch.randn(count, 3, 16, 16, generator=chance), side, mode="bilinear")
    images = images + blotches * strength(0.06, 0.4)
    images = images + torch.randn(count, 3, 1, 1, generator=chance) * strength(0.05, 0.5)
    return (images + torch.randn(images.shape, generator=chance) * strength(0.1, 0.4)).clamp(0, 1)


def model_labels(scenes: Sequence[Scene]) -> list[dict[str, Tensor]]:
    """Returns classes and boxes (middle and size as shares) in the form that the model takes."""
    labels = []
    for scene in scenes:
        truth = scene_boxes(scene)
        low, high = truth.corners[:, :2] / IMAGE_SIZE, truth.corners[:, 2:] / IMAGE_SIZE
        boxes = torch.from_numpy(np.concatenate([(low + high) / 2, high - low], axis=1)).float()
        labels.append({"class_labels": torch.from_numpy(truth.labels), "boxes": boxes})
    return labels
