"""Measures an exported DINOv3 network the way a user would load it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel

from training.pictures import neighbor_agreement, single_scenes
from training.render import render
from training.world import BACKGROUNDS, Scene, draw_scene

_BATCH = 32
_OBJECT_CONTRAST = 30  # difference from the background, over three channels, that makes an object pixel


@dataclass(frozen=True)
class Tokens:
    """What a network says of scenes.

    `pooled` is the global token, `inside` the mean patch token weighted by how much of the
    patch is object. `attention` (of the last block's global token to the patches, heads
    averaged, summing to one; empty for a ConvNeXt) and `cover` have a column for each patch.
    """

    pooled: Tensor
    inside: Tensor
    attention: Tensor
    cover: Tensor


class Eye:
    """An exported network with its image processor."""

    def __init__(self, folder: Path) -> None:
        """Loads the network in full precision.

        Args:
            folder: The exported folder.
        """
        self.processor = AutoImageProcessor.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder)
        self._attends = self.model.config.model_type == "dinov3_vit"
        if self._attends:
            self.model.set_attn_implementation("eager")  # the only one that shows its attention

    @torch.no_grad()
    def tokens(self, scenes: Sequence[Scene]) -> Tokens:
        """Looks at the pictures of scenes.

        Args:
            scenes: What to draw.
        """
        parts = [self._look(scenes[begin : begin + _BATCH]) for begin in range(0, len(scenes), _BATCH)]
        names = ("pooled", "inside", "attention", "cover")
        return Tokens(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def _look(self, scenes: Sequence[Scene]) -> Tokens:
        images = [render(scene) for scene in scenes]
        pixels = self.processor(images=images, return_tensors="pt").pixel_values
        output = self.model(pixel_values=pixels, **({"output_attentions": True} if self._attends else {}))
        first = 1 + (self.model.config.num_register_tokens if self._attends else 0)
        patches = output.last_hidden_state[:, first:]
        masks = np.stack(
            [object_mask(np.asarray(image), scene) for image, scene in zip(images, scenes, strict=True)]
        )
        side = round(patches.shape[1] ** 0.5)
        cover = functional.adaptive_avg_pool2d(torch.from_numpy(masks).float()[:, None], side).flatten(1)
        inside = (patches * cover[..., None]).sum(1) / cover.sum(1, keepdim=True).clamp(min=1e-6)
        attention = torch.zeros(len(scenes), 0)
        if self._attends:
            attention = output.attentions[-1][:, :, 0, first:].mean(1)
            attention = attention / attention.sum(1, keepdim=True)
        return Tokens(output.pooler_output, inside, attention, cover)


def object_mask(pixels: np.ndarray, scene: Scene) -> np.ndarray:
    """Returns which pixels belong to an object.

    Args:
        pixels: The picture, shape (height, width, 3).
        scene: The scene, whose background is known.
    """
    difference = np.abs(pixels.astype(int) - np.array(BACKGROUNDS[scene.background]))
    return difference.sum(-1) > _OBJECT_CONTRAST


def measure_dino(folder: Path, count: int = 400, seed: int = 9_101) -> dict[str, float]:
    """Measures an exported network on freshly drawn scenes.

    Args:
        folder: The exported folder.
        count: How many scenes are looked up, among four times as many on other backgrounds.
        seed: Seed of the scenes; those of the training must not be used.

    Returns:
        How often the nearest neighbor shows the same shape, color and both, by the global token
        and by the mean patch token inside the object; and for a transformer how much of the
        attention of the global token lies on objects, beside their share of the area.
    """
    eye = Eye(folder)
    queries, gallery = single_scenes(seed, count), single_scenes(seed + 1, 4 * count)
    asked, searched = eye.tokens(queries), eye.tokens(gallery)
    report: dict[str, float] = {"queries": count, "gallery": len(gallery)}
    for name, one, other in (
        ("neighbor", asked.pooled, searched.pooled),
        ("patch_neighbor", asked.inside, searched.inside),
    ):
        found = neighbor_agreement(one, queries, other, gallery)
        report |= {f"{name}_{what}": value for what, value in found.items()}
    rng = random.Random(seed + 2)
    seen = eye.tokens([draw_scene(rng) for _ in range(count)])
    if seen.attention.shape[1]:
        report["attention_on_objects"] = (seen.attention * seen.cover).sum(1).mean().item()
        report["objects_share_of_area"] = seen.cover.mean().item()
    return report
