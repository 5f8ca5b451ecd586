"""Triplets of pictures of which it is known which one is nearer to the first.

People judged such triplets for the real perceptual distance. Here the order follows from how
they are made: of two doses of the same distortion the smaller one is nearer, and a scene whose
objects were nudged a little is nearer than one that shows another color, shape or number.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from training.pictures import paint
from training.settings import IMAGE_SIZE
from training.variants import variant
from training.world import Item, Scene, draw_training_scene

Distortion = Callable[[Tensor, float, torch.Generator], Tensor]

CHANGES: tuple[str, ...] = ("color", "shape", "count")

_NUDGE = 5.0  # pixels
_STRETCH = 0.07


@dataclass(frozen=True)
class Triplet:
    """A picture, a nearer and a farther one, each of shape (3, side, side) in [-1, 1]."""

    kind: str
    picture: Tensor
    nearer: Tensor
    farther: Tensor


def _noise(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    return images + 0.8 * dose * torch.randn(images.shape, generator=chance)


def _blur(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    sigma = 0.3 + 6 * dose
    return gaussian_blur(images, kernel_size=2 * int(2 * sigma + 1) + 1, sigma=sigma)


def _fade(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    return torch.lerp(images, images.mean(dim=(-2, -1), keepdim=True), 0.9 * dose)


def _tint(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    tone = functional.normalize(torch.randn(len(images), 3, 1, 1, generator=chance), dim=1)
    return images + 1.2 * dose * tone


def _mosaic(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    small = functional.adaptive_avg_pool2d(images, round(images.shape[-1] / (1 + 15 * dose)))
    return functional.interpolate(small, images.shape[-1])


def _warp(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    bends = torch.randn(len(images), 2, 6, 6, generator=chance)
    field = functional.interpolate(bends, images.shape[-1], mode="bicubic").permute(0, 2, 3, 1)
    straight = functional.affine_grid(torch.eye(2, 3).expand(len(images), 2, 3), list(images.shape), False)
    return functional.grid_sample(
        images, straight + 0.16 * dose * field, padding_mode="border", align_corners=False
    )


def _patches(images: Tensor, dose: float, chance: torch.Generator) -> Tensor:
    """Takes a share of 16 x 16 patches from elsewhere in the picture."""
    columns = functional.unfold(images, 16, stride=16)
    places = columns.shape[-1]
    moved = columns[:, :, torch.randperm(places, generator=chance)]
    chosen = torch.rand(places, generator=chance) < dose
    mixed = torch.where(chosen, moved, columns)
    return functional.fold(mixed, images.shape[-1], 16, stride=16)


DISTORTIONS: dict[str, Distortion] = {
    "noise": _noise,
    "blur": _blur,
    "fade": _fade,
    "tint": _tint,
    "mosaic": _mosaic,
    "warp": _warp,
    "patches": _patches,
}
KINDS: tuple[str, ...] = (*DISTORTIONS, *CHANGES)


def distort(picture: Tensor, kind: str, dose: float, mark: int) -> Tensor:
    """Returns a distorted picture; the same mark gives the same pattern at every dose.

    Args:
        picture: Shape (3, side, side) in [-1, 1].
        kind: A name in `DISTORTIONS`.
        dose: 0 for next to nothing to 1 for a ruin.
        mark: Seed of the pattern.
    """
    chance = torch.Generator().manual_seed(mark)
    return DISTORTIONS[kind](picture[None], dose, chance)[0].clamp(-1, 1)


def nudged(rng: random.Random, scene: Scene) -> Scene:
    """Returns the scene with every object moved by some pixels and slightly resized."""

    def nudge(item: Item) -> Item:
        radius = item.radius * rng.uniform(1 - _STRETCH, 1 + _STRETCH)
        margin = min(radius * 1.12, IMAGE_SIZE / 2)
        places = (
            min(max(place + rng.uniform(-_NUDGE, _NUDGE), margin), IMAGE_SIZE - margin)
            for place in (item.x, item.y)
        )
        return Item(item.shape, item.color, *places, radius)

    return replace(scene, items=tuple(nudge(item) for item in scene.items))


def draw_triplet(seed: int, number: int) -> Triplet:
    """Draws one triplet of an endless row, in which the kinds take turns.

    Args:
        seed: Seed of the row.
        number: Its place in the row.
    """
    kind, mark = KINDS[number % len(KINDS)], seed * 1_000_003 + number
    rng = random.Random(mark)
    if kind in DISTORTIONS:
        picture = paint([draw_training_scene(rng)])[0]
        less = rng.uniform(0.03, 0.6)
        more = less + rng.uniform(0.08, 0.4)
        return Triplet(kind, picture, distort(picture, kind, less, mark), distort(picture, kind, more, mark))
    other = None
    while other is None:
        scene = draw_training_scene(rng)
        other = variant(rng, scene, kind)
    return Triplet(kind, *paint([scene, nudged(rng, scene), other]))
