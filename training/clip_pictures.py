"""Pictures and batches for the scoring CLIP: drawn well or ill, with siblings side by side.

The scoring CLIP judges pictures of small diffusion models: corners are rounded, outlines
wobble, colors are blotchy. Half of what it learns from is misdrawn in these ways.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from training.codes import to_tensor
from training.render import Points, outline_points, render
from training.settings import IMAGE_SIZE
from training.variants import variant
from training.world import (
    BACKGROUNDS,
    COLORS,
    SHAPES,
    Group,
    Scene,
    draw_training_scene,
    is_held_out,
    placed,
)

_SIBLINGS = (0, 1, 1, 2, 3)
_OUTLINE_STEPS = 64
_SUPERSAMPLING = 2
# Beyond this badness a shape is often read as another one, and its caption no longer holds.
_WORST = 0.8


@dataclass(frozen=True)
class Batch:
    """The scenes of one training step.

    Attributes:
        scenes: Scenes with picture and caption.
        crowded: Scenes with a picture that no caption fits.
        unseen: Scenes with a caption only.
    """

    scenes: list[Scene]
    crowded: list[Scene]
    unseen: list[Scene]

    @property
    def drawn(self) -> list[Scene]:
        """All scenes with a picture."""
        return self.scenes + self.crowded

    @property
    def worded(self) -> list[Scene]:
        """All scenes with a caption."""
        return self.scenes + self.unseen


def preprocess(scenes: Sequence[Scene], size: int) -> Tensor:
    """Draws scenes and prepares them as open_clip does: squashed bicubic, then to [-1, 1]."""
    return _prepared([render(scene, supersampling=_SUPERSAMPLING) for scene in scenes], size)


def training_pictures(scenes: Sequence[Scene], size: int, mark: int) -> Tensor:
    """Draws scenes for training: half of them misdrawn, all more or less spoiled.

    Args:
        scenes: What to draw.
        size: Side of the pictures that the network sees.
        mark: Seed of the chance.

    Returns:
        Tensor of shape (scenes, 3, size, size).
    """
    chance = np.random.default_rng(mark)
    images = [
        misdraw(scene, chance, chance.uniform(0, _WORST))
        if chance.uniform() < 0.5
        else render(scene, supersampling=_SUPERSAMPLING)
        for scene in scenes
    ]
    return spoil(_prepared(images, size), torch.Generator().manual_seed(mark))


def misdraw(scene: Scene, chance: np.random.Generator, badness: float) -> Image.Image:
    """Draws a scene with rounded corners and wobbling outlines.

    Args:
        scene: What to draw.
        chance: Source of chance.
        badness: 0 for almost right to 1 for barely recognizable.

    Returns:
        An RGB image.
    """
    side = IMAGE_SIZE * _SUPERSAMPLING
    image = Image.new("RGB", (side, side), BACKGROUNDS[scene.background])
    pen = ImageDraw.Draw(image)
    for item in scene.items:
        outline = outline_points(item.shape, item.x, item.y, item.radius)
        wobbling = misshape(outline, chance, badness)
        pen.polygon([(x * _SUPERSAMPLING, y * _SUPERSAMPLING) for x, y in wobbling], fill=COLORS[item.color])
    return image.reduce(_SUPERSAMPLING)


def misshape(outline: Points, chance: np.random.Generator, badness: float) -> Points:
    """Rounds and bends a closed outline by way of its Fourier series.

    Args:
        outline: The corners.
        chance: Source of chance.
        badness: 0 keeps the outline nearly as it is.

    Returns:
        Evenly spaced points.
    """
    spectrum = np.fft.fft(_evenly(outline))
    order = np.abs(np.fft.fftfreq(_OUTLINE_STEPS, 1 / _OUTLINE_STEPS))
    # Fine detail goes: corners become round. The centre, order 0, stays where it is.
    spectrum *= np.exp(-((order / (20 - 13 * badness)) ** 2))
    radius = np.abs(spectrum[1:]).max()
    bend = chance.normal(size=_OUTLINE_STEPS) + 1j * chance.normal(size=_OUTLINE_STEPS)
    spectrum += 0.04 * badness * radius * bend * ((order >= 1) & (order <= 4))
    points = np.fft.ifft(spectrum)
    return list(zip(points.real.tolist(), points.imag.tolist(), strict=True))


def spoil(images: Tensor, chance: torch.Generator) -> Tensor:
    """Blurs pictures, makes them blotchy, grainy and tinted, each as much as chance has it.

    Args:
        images: Shape (rows, 3, side, side).
        chance: Source of chance.

    Returns:
        Tensor of the same shape.
    """
    rows, side = len(images), images.shape[-1]

    def amount(share: float, most: float) -> Tensor:
        """Strength for every picture: none for some, up to the most for a share of them."""
        drawn = torch.rand(2, rows, 1, 1, 1, generator=chance)
        return most * drawn[0] * (drawn[1] < share)

    small = functional.interpolate(images, max(2, side * 2 // 5), mode="bilinear", antialias=True)
    blurred = functional.interpolate(small, side, mode="bilinear")
    images = torch.lerp(images, blurred, amount(0.6, 1.0))
    patches = torch.randn(rows, 3, 8, 8, generator=chance)
    images = images + amount(0.4, 0.12) * functional.interpolate(patches, side, mode="bilinear")
    images = images + amount(0.3, 0.1) * torch.randn(images.shape, generator=chance)
    return images + amount(1.0, 0.08) * torch.randn(rows, 3, 1, 1, generator=chance)


def draw_batch(rng: random.Random, size: int, readings: int) -> Batch:
    """Draws what one step learns from.

    Args:
        rng: Source of chance.
        size: How many scenes have both picture and caption. Their captions are distinct, and
            many are siblings that differ in one thing.
        readings: How many scenes of two related objects have a caption only.

    Returns:
        The scenes, none of them with a wording that is held out.
    """
    batch: dict[str, Scene] = {}
    while len(batch) < size:
        scene = draw_training_scene(rng)
        batch.setdefault(scene.caption, scene)
        for _ in range(rng.choice(_SIBLINGS)):
            sibling = _sibling(rng, scene)
            if sibling is not None and not is_held_out(sibling):
                batch.setdefault(sibling.caption, sibling)
    scenes = list(batch.values())[:size]
    crowded = [fuller for scene in scenes if (fuller := crowd(rng, scene)) is not None]
    return Batch(scenes, crowded, [draw_training_scene(rng, ["relation"]) for _ in range(readings)])


def crowd(rng: random.Random, scene: Scene) -> Scene | None:
    """Adds a fifth object to four, as small models do; no caption of the world is right then."""
    if len(scene.items) != 4:
        return None
    smallest = min(item.radius for item in scene.items)
    added = placed(rng, replace(rng.choice(scene.items), radius=smallest), scene.items)
    return replace(scene, items=(*scene.items, added)) if added else None


def odd_one_out(rng: random.Random, scene: Scene) -> Scene | None:
    """Gives one object of several equal ones another shape; "three stars" no longer holds."""
    if len(scene.groups) != 1 or scene.groups[0].count == 1:
        return None
    group = scene.groups[0]
    shape = rng.choice([shape for shape in SHAPES if shape != group.shape])
    number = rng.randrange(len(scene.items))
    items = tuple(
        replace(item, shape=shape) if place == number else item for place, item in enumerate(scene.items)
    )
    groups = replace(group, count=group.count - 1), Group(1, group.color, shape)
    return replace(scene, kind="pair", groups=groups, items=items)


def _sibling(rng: random.Random, scene: Scene) -> Scene | None:
    """Draws a sibling; what binds words to objects is hardest to learn and comes more often."""
    if scene.relation is not None and rng.random() < 0.5:
        return variant(rng, scene, rng.choice(["relation", "swap"]), tries=1)
    if scene.kind == "count" and rng.random() < 0.3:
        return odd_one_out(rng, scene)
    return variant(rng, scene)


def _prepared(images: Sequence[Image.Image], size: int) -> Tensor:
    squashed = [np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in images]
    return to_tensor(np.stack(squashed))


def _evenly(outline: Points) -> NDArray[np.complex128]:
    """Returns points at equal distances along a closed outline, as complex numbers."""
    corners = np.array([complex(x, y) for x, y in (*outline, outline[0])])
    along = np.concatenate([[0.0], np.abs(np.diff(corners)).cumsum()])
    return np.interp(np.linspace(0, along[-1], _OUTLINE_STEPS, endpoint=False), along, corners)
