"""Measures a pipeline with the pixel checker on captions it has not been trained on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from training.checker import check, summarise
from training.settings import IMAGE_SIZE
from training.world import Scene, draw_scene, is_held_out

_CHUNK = 16
_COLUMNS = 8


def evaluation_scenes(count: int, seed: int = 4242) -> list[Scene]:
    """Draws scenes that name their background; two-group wordings are held out of training."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = draw_scene(rng)
        unseen = is_held_out(scene) or scene.kind not in ("relation", "pair")
        if unseen and scene.names_background and not scene.prefix:
            scenes.append(scene)
    return scenes


@torch.no_grad()
def generate(
    pipeline: Any, captions: Sequence[str], steps: int, guidance_scale: float, seed: int = 0
) -> list[Image.Image]:
    """Generates one picture a caption; each caption has its own seed."""
    images: list[Image.Image] = []
    for start in range(0, len(captions), _CHUNK):
        chunk = list(captions[start : start + _CHUNK])
        seeds = range(seed + start, seed + start + len(chunk))
        images += pipeline(
            prompt=chunk,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            height=IMAGE_SIZE,
            width=IMAGE_SIZE,
            generator=[torch.Generator().manual_seed(number) for number in seeds],
        ).images
    return images


def picture_grid(images: Sequence[Image.Image]) -> Image.Image:
    """Pastes pictures side by side."""
    rows = -(-len(images) // _COLUMNS)
    grid = Image.new("RGB", (IMAGE_SIZE * _COLUMNS, IMAGE_SIZE * rows))
    for number, image in enumerate(images):
        row, column = divmod(number, _COLUMNS)
        grid.paste(image, (column * IMAGE_SIZE, row * IMAGE_SIZE))
    return grid


def check_pipeline(
    pipeline: Any, scenes: Sequence[Scene], steps: int, guidance_scale: float
) -> tuple[dict[str, float], Image.Image]:
    """Generates a picture for every scene's caption and checks it.

    Args:
        pipeline: A Stable Diffusion pipeline.
        scenes: The scenes; only their captions are shown to the pipeline.
        steps: Sampling steps.
        guidance_scale: Strength of the guidance.

    Returns:
        Share right of every statement, also "all" by kind of scene; and a grid of pictures.
    """
    images = generate(pipeline, [scene.caption for scene in scenes], steps, guidance_scale)
    results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
    report = summarise(results)
    for kind in sorted({scene.kind for scene in scenes}):
        rows = [result for result, scene in zip(results, scenes, strict=True) if scene.kind == kind]
        report[f"all_{kind}"] = summarise(rows)["all"]
    return report, picture_grid(images[:32])
