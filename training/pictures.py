"""Batches of labeled pictures and the teacher that the small image networks learn from.

A teacher is a set of linear readers, thrown away after the training: one reads off the
pooled features what a picture shows, one off every place of a map what stands there. The
pooled features are also pulled together where two pictures show the same things.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.codes import CELL, LATENT_CHANNELS, scene_code, to_tensor
from training.labels import PictureHeads, picture_labels
from training.render import render_batch
from training.settings import IMAGE_SIZE, Stage
from training.world import (
    BACKGROUNDS,
    COLORS,
    SHAPES,
    STYLES,
    Group,
    Item,
    Scene,
    draw_training_scene,
    placed,
)

_LARGEST = 54.0  # the largest radius that leaves an object some room
_CLOSE_RADII = (13.0, 27.0)
_SHAPE_CODE = 2.5  # height of a shape's code (codes.py)
_STROKES = 4  # the silhouette in a cell is drawn with 4 x 4 points
_PLACE_SIZES = (LATENT_CHANNELS, len(SHAPES) + 1, _STROKES**2)
_SINGLE = ("single", "place")


def stage_at(stages: Sequence[Stage], step: int) -> Stage | None:
    """Returns the stage that a step falls in, or None after the last one."""
    for stage in stages:
        if step < stage.steps:
            return stage
        step -= stage.steps
    return None


def rate_at(stages: Sequence[Stage], step: int, warmup_steps: int, decay_share: float) -> float:
    """Returns the share of the learning rate: up at first, level, and down to nothing at the end.

    Args:
        stages: All stages of the training.
        step: The step.
        warmup_steps: Length of the rise.
        decay_share: Length of the fall as a share of all steps.
    """
    total = sum(stage.steps for stage in stages)
    return min(1.0, (step + 1) / warmup_steps, (total - step) / (decay_share * total))


def close_up(rng: random.Random, side: int) -> Scene:
    """Returns one object, sometimes two, large enough to look natural in a small picture.

    Args:
        rng: Source of chance.
        side: Side of the picture in pixels. The objects are as many pixels large there as in
            a whole picture, which makes small pictures cheap lessons for large ones.
    """
    zoom = IMAGE_SIZE / side
    items: list[Item] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        radius = min(rng.uniform(*_CLOSE_RADII) * zoom, _LARGEST)
        item = placed(rng, Item(rng.choice(SHAPES), rng.choice(list(COLORS)), 0, 0, radius), items)
        if item is not None:
            items.append(item)
    groups = tuple(Group(1, item.color, item.shape) for item in items)
    return Scene("pair" if len(items) > 1 else "single", rng.choice(list(BACKGROUNDS)), tuple(items), groups)


def rearranged(rng: random.Random, scene: Scene) -> Scene:
    """Returns a picture of the same objects at other places, in other sizes, on another background."""
    background = rng.choice([name for name in BACKGROUNDS if name != scene.background])
    items: list[Item] = []
    for item in scene.items:
        radius = min(item.radius * rng.uniform(0.75, 1.25), _LARGEST)
        moved = placed(rng, replace(item, radius=radius), items)
        if moved is None:  # no room: the new background alone has to do
            return replace(scene, background=background)
        items.append(moved)
    return replace(scene, background=background, items=tuple(items))


def draw_pairs(rng: random.Random, count: int, side: int, styled_share: float) -> list[Scene]:
    """Draws scenes for one batch: each one is followed by its rearranged twin.

    Args:
        rng: Source of chance.
        count: How many scenes, an even number.
        side: Side of the pictures; less than a whole picture means close-ups.
        styled_share: Share of outlined or striped scenes.
    """
    scenes: list[Scene] = []
    while len(scenes) < count:
        if side < IMAGE_SIZE:
            scene = close_up(rng, side)
        elif rng.random() < 0.5:
            scene = draw_training_scene(rng, _SINGLE)
        else:
            scene = draw_training_scene(rng)
        if rng.random() < styled_share:
            scene = replace(scene, style=rng.choice(STYLES))
        scenes += [scene, rearranged(rng, scene)]
    return scenes


def paint(scenes: Sequence[Scene], side: int = IMAGE_SIZE) -> Tensor:
    """Returns pictures of scenes in [-1, 1], shape (rows, 3, side, side)."""
    return to_tensor(render_batch(scenes, side))


def content(scene: Scene) -> str:
    """Names what a picture shows, whatever the places, sizes and background."""
    return ", ".join([*sorted(f"{item.color} {item.shape}" for item in scene.items), scene.style or "plain"])


def cell_targets(images: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Returns what each cell of 8 x 8 pixels should say: its mean color and the code of the scene.

    Args:
        images: Pictures, shape (rows, 3, side, side).
        scenes: The scenes that they show.

    Returns:
        Tensor of shape (rows, 10, side / 8, side / 8).
    """
    codes = torch.from_numpy(np.stack([scene_code(scene) for scene in scenes]))
    return torch.cat(
        [
            functional.avg_pool2d(images, CELL),
            functional.adaptive_avg_pool2d(codes, images.shape[-1] // CELL),
        ],
        dim=1,
    )


def contrast_loss(features: Tensor, labels: Sequence[str], temperature: float) -> Tensor:
    """Returns the supervised contrastive loss: equal labels attract, unlike ones repel.

    Args:
        features: Shape (rows, width), of any length.
        labels: One for each row; every label occurs at least twice.
        temperature: Softness of the comparison.
    """
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    marks = torch.tensor([numbers[label] for label in labels])
    itself = torch.eye(len(labels), dtype=torch.bool)
    alike = (marks[:, None] == marks[None, :]) & ~itself
    unit = functional.normalize(features, dim=-1)
    logits = (unit @ unit.T / temperature).masked_fill(itself, -1e9)
    return -(logits.log_softmax(-1) * alike).sum() / alike.sum()


def shape_shares(codes: Tensor) -> Tensor:
    """Returns how much of each cell belongs to no object and to objects of each shape.

    Args:
        codes: The three shape channels of `cell_targets`, shape (rows, 3, height, width).

    Returns:
        Shape (rows, 7, height, width).
    """
    shares = torch.stack([codes, -codes], dim=2).flatten(1, 2).clamp(min=0) / _SHAPE_CODE
    nothing = (1 - shares.sum(1, keepdim=True)).clamp(min=0)  # objects that nearly touch overlap a little
    return torch.cat([nothing, shares], dim=1)


def silhouettes(images: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Returns 1 where a picture shows an object and 0 elsewhere, shape (rows, 1, side, side)."""
    grounds = torch.tensor([BACKGROUNDS[scene.background] for scene in scenes]) / 127.5 - 1
    return ((images - grounds[..., None, None]).abs().sum(1, keepdim=True) > 0.3).float()


class Teacher(nn.Module):
    """Readers of pooled features and of maps; used in training only."""

    def __init__(self, width: int, map_widths: Sequence[int]) -> None:
        """Builds the readers.

        Args:
            width: Width of the pooled features.
            map_widths: Channels of each map that is read.
        """
        super().__init__()
        self.picture = PictureHeads(width)
        self.style = nn.Linear(width, len(STYLES) + 1)
        # A shape by itself is learned from objects of all colors at once.
        self.presence = nn.Linear(width, len(COLORS) + len(SHAPES))
        self.maps = nn.ModuleList(nn.Conv2d(channels, sum(_PLACE_SIZES), 1) for channels in map_widths)

    def attributes(self, pooled: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """Returns the loss of reading objects, background and style off the pooled features."""
        styles = torch.tensor([STYLES.index(scene.style) + 1 if scene.style else 0 for scene in scenes])
        _, _, present = picture_labels(scenes)
        return (
            self.picture.loss(pooled, scenes)
            + functional.cross_entropy(self.style(pooled), styles)
            + 3 * functional.binary_cross_entropy_with_logits(self.presence(pooled), present)
        )

    def places(self, maps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Returns the mean loss of reading the cells off each map; cells of objects count more.

        Args:
            maps: Shape (rows, channels, height, width) each.
            targets: What `cell_targets` gives, brought to the size of each map.
        """
        losses = []
        for reader, features, target in zip(self.maps, maps, targets, strict=True):
            codes = reader(features)[:, :LATENT_CHANNELS]
            weight = 1 + 4 * (target[:, 3:6].abs().amax(1, keepdim=True) > 0.5)
            errors = functional.smooth_l1_loss(codes, target, reduction="none")
            losses.append((errors * weight).sum() / (weight.sum() * LATENT_CHANNELS))
        return torch.stack(losses).mean()

    def outlines(self, maps: Sequence[Tensor], targets: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Returns the mean loss of naming the shape in each cell and drawing the silhouette there.

        Args:
            maps: Shape (rows, channels, height, width) each.
            targets: What `cell_targets` gives, brought to the size of each map.
            masks: What `silhouettes` gives, cut to what each map covers.
        """
        losses = []
        for reader, features, target, mask in zip(self.maps, maps, targets, masks, strict=True):
            _, names, drawn = reader(features).split(_PLACE_SIZES, dim=1)
            shares = shape_shares(target[:, 3:6])
            weight = 1 + 4 * (shares[:, 0] < 0.8)
            errors = functional.cross_entropy(names, shares, reduction="none")
            fine = functional.adaptive_avg_pool2d(mask, _STROKES * features.shape[-1])
            strokes = functional.pixel_unshuffle(fine, _STROKES)
            losses.append((errors * weight).sum() / weight.sum())
            losses.append(2 * functional.binary_cross_entropy_with_logits(drawn, strokes))
        return torch.stack(losses).mean()


def single_scenes(seed: int, count: int) -> list[Scene]:
    """Draws scenes of one object, for measuring."""
    rng = random.Random(seed)
    return [draw_training_scene(rng, _SINGLE) for _ in range(count)]


def neighbor_agreement(
    features: Tensor, scenes: Sequence[Scene], gallery: Tensor, gallery_scenes: Sequence[Scene]
) -> dict[str, float]:
    """Returns how often the nearest neighbor by cosine, among other backgrounds, shows the same.

    Args:
        features: Features of the queries.
        scenes: What they show, one object each.
        gallery: Features to search in.
        gallery_scenes: What those show.

    Returns:
        Shares of the queries whose neighbor has the same "shape", "color" and "both".
    """
    cosines = functional.normalize(features, dim=-1) @ functional.normalize(gallery, dim=-1).T
    backgrounds = np.array([scene.background for scene in gallery_scenes])
    same = np.stack([backgrounds == scene.background for scene in scenes])
    nearest = cosines.masked_fill(torch.from_numpy(same), -2).argmax(-1).tolist()
    found = [gallery_scenes[number].items[0] for number in nearest]
    wanted = [scene.items[0] for scene in scenes]
    shape = np.array([one.shape == other.shape for one, other in zip(found, wanted, strict=True)])
    color = np.array([one.color == other.color for one, other in zip(found, wanted, strict=True)])
    return {
        "shape": float(shape.mean()),
        "color": float(color.mean()),
        "both": float((shape & color).mean()),
    }
