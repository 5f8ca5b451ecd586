"""Writes the denoiser's training set: latents and captions of drawn scenes, in shards."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.checkpoint import read_tensors, write_tensors
from training.codes import target_latents, to_tensor
from training.render import render_batch
from training.settings import LatentSettings
from training.world import draw_training_scene

_CHUNK = 256


@dataclass(frozen=True)
class LatentSet:
    """Latents with the captions and the kinds of their scenes."""

    latents: Tensor
    captions: list[str]
    kinds: list[str]


def write_latents(settings: LatentSettings, work: Path) -> None:
    """Writes the shards that are missing.

    The latents are those the encoder is taught to give, so this part needs no trained
    autoencoder.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    for shard in range(settings.shards):
        path = work / "latents" / f"{shard:03d}.safetensors"
        if path.exists():
            continue
        rng = random.Random(settings.seed + shard)
        scenes = [draw_training_scene(rng) for _ in range(settings.scenes_per_shard)]
        parts = []
        for start in range(0, len(scenes), _CHUNK):
            chunk = scenes[start : start + _CHUNK]
            parts.append(target_latents(to_tensor(render_batch(chunk)), chunk).half())
        facts = {
            "captions": [scene.caption for scene in scenes],
            "kinds": [scene.kind for scene in scenes],
        }
        write_tensors(path, {"latents": torch.cat(parts)}, facts)
        print(f"latents: shard {shard + 1} of {settings.shards}", flush=True)


def read_latents(work: Path) -> LatentSet:
    """Reads all shards."""
    latents, captions, kinds = [], [], []
    for path in sorted((work / "latents").glob("*.safetensors")):
        tensors, facts = read_tensors(path)
        latents.append(tensors["latents"])
        captions += facts["captions"]
        kinds += facts["kinds"]
    if not latents:
        raise FileNotFoundError("no latents: run the part 'latents' first")
    return LatentSet(torch.cat(latents), captions, kinds)
