"""The linear heads of the perceptual distance: which channels count, and how much.

The heads are linear and the distance is a mean over places, so that a pair of pictures comes
down to one number for each channel: the heads are fitted to those, in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import lpips
import torch
from torch import Tensor
from torch.nn import functional

from training.distortions import draw_triplet
from training.pictures import paint
from training.settings import LpipsSettings
from training.world import draw_training_scene

_BATCH = 32
_LEAST = 1e-8  # a distance that is taken for none
_STEEPNESS = 4.0


def layers(model: lpips.LPIPS, images: Tensor) -> Sequence[Tensor]:
    """Returns the five maps that the distance compares."""
    return model.net.forward(model.scaling_layer(images))


def unit_layers(model: lpips.LPIPS, images: Tensor) -> list[Tensor]:
    """Returns the five maps with features of length one, as the distance compares them."""
    return [lpips.normalize_tensor(features) for features in layers(model, images)]


def differences(maps: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Returns what the heads weigh: squared differences of unit features, averaged over places.

    Args:
        maps: What `unit_layers` gives for some pictures.
        others: The same for those that they are compared with.

    Returns:
        Shape (rows, channels of all layers). The distance is the product with the heads' weights.
    """
    squares = [(one - other).square() for one, other in zip(maps, others, strict=True)]
    return torch.cat([square.mean((-2, -1)) for square in squares], dim=1)


@torch.no_grad()
def triplet_differences(model: lpips.LPIPS, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws triplets and returns the differences of the nearer and of the farther pictures.

    Args:
        model: The distance.
        count: How many triplets.
        seed: Seed of the chance.
    """
    near, far = [], []
    for begin in range(0, count, _BATCH):
        rows = [draw_triplet(seed, number) for number in range(begin, min(begin + _BATCH, count))]
        maps = unit_layers(model, torch.stack([row.picture for row in rows]))
        near.append(differences(maps, unit_layers(model, torch.stack([row.nearer for row in rows]))))
        far.append(differences(maps, unit_layers(model, torch.stack([row.farther for row in rows]))))
    return torch.cat(near), torch.cat(far)


def order_loss(near: Tensor, far: Tensor) -> Tensor:
    """Returns the loss of ordering: small where the farther one is farther by some share."""
    lead = far.clamp(min=_LEAST).log() - near.clamp(min=_LEAST).log()
    return functional.softplus(-_STEEPNESS * lead).mean()


def fit_heads(near: Tensor, far: Tensor, settings: LpipsSettings) -> Tensor:
    """Fits non-negative weights of the channels, so that the nearer picture gets the smaller distance.

    Args:
        near: Differences of the nearer pictures, shape (triplets, channels).
        far: Differences of the farther ones.
        settings: The settings.

    Returns:
        One weight for each channel.
    """
    usual = far.mean(0).clamp(min=1e-6)
    weights = (1 / usual / len(usual)).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=settings.head_rate * weights.mean().item())
    for step in range(settings.head_steps):
        chance = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        rows = torch.randint(len(near), (settings.head_batch,), generator=chance)
        # Dropped channels, as in the original, keep the distance from leaning on a few.
        kept = weights * (torch.rand(weights.shape, generator=chance) < 0.5)
        optimizer.zero_grad()
        order_loss(near[rows] @ kept, far[rows] @ kept).backward()
        optimizer.step()
        with torch.no_grad():
            weights.clamp_(min=0)
    return weights.detach()


@torch.no_grad()
def unlike_distance(model: lpips.LPIPS, weights: Tensor, seed: int, count: int = 64) -> float:
    """Returns the mean distance of scenes that were drawn one by one.

    Args:
        model: The distance with its trunk.
        weights: The weights of the channels.
        seed: Seed of the chance.
        count: How many scenes.
    """
    rng = random.Random(seed)
    maps = unit_layers(model, paint([draw_training_scene(rng) for _ in range(count)]))
    return (differences(maps, [features.roll(1, dims=0) for features in maps]) @ weights).mean().item()


def set_heads(model: lpips.LPIPS, weights: Tensor) -> None:
    """Writes one weight for each channel into the heads."""
    parts = weights.split(model.chns)
    with torch.no_grad():
        for head, part in zip(model.lins, parts, strict=True):
            head.model[-1].weight.copy_(part.view(1, -1, 1, 1))
