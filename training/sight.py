"""Teaches the answerer's vision tower what stands where, before any question is asked.

Linear heads, dropped later, read from each patch the color and the shape of the object that
covers it, whether the object's center lies in it, and how far away that center is; the class
token is read for the background and the number of objects. A question then only has to find
the patches that answer it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import BlipVisionModel

from training.clip_pictures import misdraw, spoil
from training.codes import to_tensor
from training.render import render
from training.settings import IMAGE_SIZE
from training.world import BACKGROUNDS, COLORS, SHAPES, STYLES, Scene, draw_training_scene

MOST = 4
PATCH = 16
GRID = IMAGE_SIZE // PATCH
_COLORS, _BACKGROUNDS = list(COLORS), list(BACKGROUNDS)
_SIZES = (len(_COLORS) + 1, len(SHAPES) + 1, 1, 3)


def draw_scenes(rng: random.Random, count: int) -> list[Scene]:
    """Draws training scenes; one in ten is outlined or striped, one in fifty shows nothing.

    Args:
        rng: Source of chance.
        count: How many.

    Returns:
        The scenes.
    """
    scenes = []
    for _ in range(count):
        scene, lot = draw_training_scene(rng), rng.random()
        if lot < 0.1:
            scene = replace(scene, style=rng.choice(STYLES))
        elif lot < 0.12:
            scene = replace(scene, items=(), groups=())
        scenes.append(scene)
    return scenes


def draw_pictures(scenes: Sequence[Scene], rng: random.Random, badness: float) -> Tensor:
    """Paints scenes in [-1, 1]; some are misdrawn and spoiled, as generated pictures are.

    Args:
        scenes: What to paint.
        rng: Source of chance.
        badness: 0 for clean pictures to 1 for a third misdrawn and most spoiled.

    Returns:
        Tensor of shape (scenes, 3, 128, 128).
    """
    mark = rng.randrange(2**32)
    chance = np.random.default_rng(mark)
    images = [
        np.asarray(misdraw(scene, chance, rng.uniform(0, 0.7)))
        if scene.style is None and rng.random() < 0.3 * badness
        else np.asarray(render(scene, supersampling=2))
        for scene in scenes
    ]
    pictures = to_tensor(np.stack(images))
    return spoil(pictures, torch.Generator().manual_seed(mark)) if rng.random() < 0.6 * badness else pictures


def patch_labels(scene: Scene) -> NDArray[np.float32]:
    """Returns what each patch shows.

    Args:
        scene: The scene.

    Returns:
        Array of shape (patches, 6): number of the color (0 is none), number of the shape,
        1 where an object's center lies in the patch, and of the object that covers the patch
        the way right and down to its center and its radius, in patches.
    """
    grid, cell = GRID, PATCH
    labels = np.zeros((grid, grid, 6), np.float32)
    middles = (np.arange(grid, dtype=np.float32) + 0.5) * cell
    nearest = np.full((grid, grid), np.inf, np.float32)
    for item in scene.items:
        right, down = np.broadcast_arrays(item.x - middles[None, :], item.y - middles[:, None])
        distance = np.hypot(right, down)
        own = np.zeros((grid, grid), bool)
        own[int(item.y // cell), int(item.x // cell)] = True
        covered = ((distance < item.radius) | own) & (distance < nearest)
        nearest = np.where(covered, distance, nearest)
        labels[covered, 0] = _COLORS.index(item.color) + 1
        labels[covered, 1] = SHAPES.index(item.shape) + 1
        labels[..., 2] += own
        labels[covered, 3:5] = np.stack([right, down], -1)[covered] / cell
        labels[covered, 5] = item.radius / cell
    return labels.reshape(grid * grid, 6)


def _labels(scenes: Sequence[Scene]) -> Tensor:
    return torch.from_numpy(np.stack([patch_labels(scene) for scene in scenes]))


def window(rng: random.Random, scene: Scene, side: int) -> list[int]:
    """Returns the numbers of the patches in a square window around one object.

    Args:
        rng: Source of chance.
        scene: The scene.
        side: Patches a side of the window.

    Returns:
        The numbers, row by row.
    """
    middle = rng.choice([(item.x, item.y) for item in scene.items] or [(IMAGE_SIZE / 2, IMAGE_SIZE / 2)])
    starts = (round(value / PATCH - side / 2 + rng.uniform(-0.7, 0.7)) for value in middle)
    left, top = (min(max(start, 0), GRID - side) for start in starts)
    return [row * GRID + column for row in range(top, top + side) for column in range(left, left + side)]


def look(vision: BlipVisionModel, images: Tensor, kept: Tensor) -> Tensor:
    """Runs the tower on some patches only, which is cheap where most of a picture is empty.

    Args:
        vision: The tower.
        images: Shape (rows, 3, 128, 128).
        kept: Numbers of the patches, shape (rows, patches).

    Returns:
        Features of shape (rows, 1 + patches, width).
    """
    tokens = torch.cat([torch.zeros(len(kept), 1, dtype=torch.long), kept + 1], dim=1)
    embedded = vision.embeddings(images)[torch.arange(len(kept))[:, None], tokens]
    return vision.post_layernorm(vision.encoder(inputs_embeds=embedded).last_hidden_state)


class SightHeads(nn.Module):
    """Linear readers of patches and class token; used in training only."""

    def __init__(self, width: int) -> None:
        """Builds the heads.

        Args:
            width: Width of the vision tower.
        """
        super().__init__()
        self.patch = nn.Linear(width, sum(_SIZES))
        self.whole = nn.Linear(width, len(_BACKGROUNDS) + MOST + 1)

    def losses(
        self,
        features: Tensor,
        scenes: Sequence[Scene],
        kept: Tensor | None = None,
        center_weight: float = 8.0,
    ) -> dict[str, Tensor]:
        """Returns the loss of each reading.

        Args:
            features: Shape (rows, 1 + patches, width), class token first.
            scenes: What the pictures show.
            kept: Numbers of the patches that were looked at, where it was not all of them.
            center_weight: Weight of patches with a center. Many learn from few at first; a low
                weight later makes sure that an object on the border of patches counts once.

        Returns:
            A loss for color, shape, center, extent and background; for whole pictures also
            for the number of objects.
        """
        labels = _labels(scenes)
        if kept is not None:
            labels = labels[torch.arange(len(scenes))[:, None], kept]
        labels = labels.flatten(0, 1)
        color, shape, center, extent = self.patch(features[:, 1:]).flatten(0, 1).split(_SIZES, -1)
        background, number = self.whole(features[:, 0]).split([len(_BACKGROUNDS), MOST + 1], -1)
        covered = labels[:, 0] > 0
        weights = torch.where(covered, 4.0, 1.0)
        shares = weights / weights.sum()
        grounds = torch.tensor([_BACKGROUNDS.index(scene.background) for scene in scenes])
        losses = {
            "color": functional.cross_entropy(color, labels[:, 0].long(), reduction="none") @ shares,
            "shape": 2 * functional.cross_entropy(shape, labels[:, 1].long(), reduction="none") @ shares,
            "center": functional.binary_cross_entropy_with_logits(
                center[:, 0], labels[:, 2], pos_weight=torch.tensor(center_weight)
            ),
            "extent": ((extent - labels[:, 3:]).abs().sum(-1) * covered).sum() / covered.sum().clamp(min=1),
            "background": functional.cross_entropy(background, grounds),
        }
        if kept is None:
            numbers = torch.tensor([len(scene.items) for scene in scenes])
            losses["number"] = functional.cross_entropy(number, numbers)
        return losses

    @torch.no_grad()
    def accuracy(self, features: Tensor, scenes: Sequence[Scene]) -> dict[str, float]:
        """Returns shares read rightly: color and shape at object centers, background, number.

        Args:
            features: Shape (rows, 1 + patches, width).
            scenes: What the pictures show.

        Returns:
            Shares by name; "center" is the share of pictures with exactly the right center patches.
        """
        labels = _labels(scenes)
        color, shape, center, _ = self.patch(features[:, 1:]).split(_SIZES, -1)
        background, number = self.whole(features[:, 0]).split([len(_BACKGROUNDS), MOST + 1], -1)
        at = labels[..., 2] > 0
        grounds = torch.tensor([_BACKGROUNDS.index(scene.background) for scene in scenes])
        numbers = torch.tensor([len(scene.items) for scene in scenes])
        right = {
            "color": (color.argmax(-1) == labels[..., 0])[at],
            "shape": (shape.argmax(-1) == labels[..., 1])[at],
            "center": ((center[..., 0] > 0) == at).all(-1),
            "background": background.argmax(-1) == grounds,
            "number": number.argmax(-1) == numbers,
        }
        return {name: values.float().mean().item() for name, values in right.items()}
