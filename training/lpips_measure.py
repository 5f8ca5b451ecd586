"""Measures the exported perceptual distance beside one with a random trunk and beside pixels."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import lpips
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.distortions import draw_triplet, nudged
from training.lpips_backbone import build_lpips, load_lpips, pooled
from training.lpips_heads import layers
from training.pictures import neighbor_agreement, paint, single_scenes
from training.world import COLORS, SHAPES, Scene, draw_scene

Distance = Callable[[Tensor, Tensor], Tensor]

_BATCH = 32
_USUAL_SIZE = 256


def measure_lpips(folder: Path, count: int = 1000, seed: int = 9_001) -> dict[str, float]:
    """Measures an exported distance on freshly drawn triplets and scenes.

    Args:
        folder: The exported folder.
        count: How many triplets; neighbors are sought for 3 scenes of 10 among as many.
        seed: Seed of the scenes; those of the training must not be used.

    Returns:
        Shares of the triplets ordered rightly, by kind and over all; the same for a random trunk
        under the package's own heads and for plain pixels, and over all for pictures enlarged to
        256 pixels; mean distances; and how well the features tell shapes and colors.
    """
    model = load_lpips(folder)
    torch.manual_seed(seed)
    random_trunk = build_lpips(pretrained=True)
    judges: dict[str, Distance] = {
        "ordered": model,
        "ordered_random_trunk": random_trunk,
        "ordered_pixels": _pixels,
        "ordered_at_256": lambda one, other: model(_enlarged(one), _enlarged(other)),
    }
    report: dict[str, float] = {"triplets": count, **_orders(judges, count, seed)}
    report |= _distances(model, seed)
    report |= {f"neighbor_{name}": value for name, value in _neighbors(model, count, seed).items()}
    others = _neighbors(random_trunk, count, seed)
    report |= {f"neighbor_random_trunk_{name}": value for name, value in others.items()}
    return report | _linear(model, count, seed)


def _pixels(pictures: Tensor, others: Tensor) -> Tensor:
    return (pictures - others).square().mean((1, 2, 3))


def _enlarged(pictures: Tensor) -> Tensor:
    return functional.interpolate(pictures, _USUAL_SIZE, mode="bicubic", antialias=True).clamp(-1, 1)


@torch.no_grad()
def _orders(judges: dict[str, Distance], count: int, seed: int) -> dict[str, float]:
    """Returns for each judge the share of triplets ordered rightly, over all and by kind."""
    hits: dict[str, list[float]] = {}
    for begin in range(0, count, _BATCH):
        rows = [draw_triplet(seed, number) for number in range(begin, min(begin + _BATCH, count))]
        picture = torch.stack([row.picture for row in rows])
        nearer = torch.stack([row.nearer for row in rows])
        farther = torch.stack([row.farther for row in rows])
        for name, distance in judges.items():
            if name == "ordered_at_256" and begin > count / 4:
                continue  # four times as dear
            right = distance(picture, nearer).flatten() < distance(picture, farther).flatten()
            for row, hit in zip(rows, right.tolist(), strict=True):
                hits.setdefault(name, []).append(hit)
                if name != "ordered_at_256":
                    hits.setdefault(f"{name}_{row.kind}", []).append(hit)
    return {name: float(np.mean(values)) for name, values in hits.items()}


@torch.no_grad()
def _distances(model: lpips.LPIPS, seed: int, count: int = 100) -> dict[str, float]:
    """Returns mean distances of a scene to itself, to the nudged scene and to another scene."""
    rng = random.Random(seed)
    scenes = [draw_scene(rng) for _ in range(count)]
    pictures, moved = paint(scenes), paint([nudged(rng, scene) for scene in scenes])
    return {
        "distance_to_itself": model(pictures, pictures).max().item(),
        "distance_of_nudged_scenes": model(pictures, moved).mean().item(),
        "distance_of_unlike_scenes": model(pictures, pictures.roll(1, dims=0)).mean().item(),
    }


@torch.no_grad()
def _features(model: lpips.LPIPS, scenes: list[Scene]) -> Tensor:
    """Returns mean and maximum of the trunk's last map."""
    rows = [
        pooled(layers(model, paint(scenes[begin : begin + _BATCH])))
        for begin in range(0, len(scenes), _BATCH)
    ]
    return torch.cat(rows)


def _neighbors(model: lpips.LPIPS, count: int, seed: int) -> dict[str, float]:
    queries, gallery = single_scenes(seed + 1, max(2, count * 3 // 10)), single_scenes(seed + 2, count)
    return neighbor_agreement(_features(model, queries), queries, _features(model, gallery), gallery)


def _linear(model: lpips.LPIPS, count: int, seed: int) -> dict[str, float]:
    """Fits a linear reader to one half of the scenes and returns how well it reads the other half."""
    scenes = single_scenes(seed + 3, 2 * count)
    features = _features(model, scenes)
    features = (features - features[:count].mean(0)) / features[:count].std(0).clamp(min=1e-4)
    features = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    report = {}
    for name, options in (("shape", list(SHAPES)), ("color", list(COLORS))):
        truth = torch.tensor([options.index(getattr(scene.items[0], name)) for scene in scenes])
        wanted = functional.one_hot(truth[:count], len(options)).double()
        square = features[:count].T @ features[:count] + 10 * torch.eye(features.shape[1], dtype=torch.double)
        reader = torch.linalg.solve(square, features[:count].T @ wanted)
        report[f"linear_{name}"] = (
            ((features[count:] @ reader).argmax(1) == truth[count:]).float().mean().item()
        )
    return report
