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
_KIND_CYCLE = ("single", "count", "relation", "pair", "place", "count", "single", "pair", "count", "relation")
SORTS = ("one_object", "counting", "two_objects", "mixed_groups")


def evaluation_scenes(count: int, seed: int = 4242) -> list[Scene]:
    """Draws scenes that name their background, each sort of prompt in its fixed share.

    The wordings with two groups are held out of training. One object or one group can be
    worded in so few ways that all of them occur in training: there the scenes are new, the
    captions are not.

    Args:
        count: How many scenes.
        seed: Seed of the draw.

    Returns:
        The scenes, the sorts mixed evenly, so that the first few are a fair sample too.
    """
    rng = random.Random(seed)
    scenes: list[Scene] = []
    for number in range(count):
        kind = _KIND_CYCLE[number % len(_KIND_CYCLE)]
        while True:
            scene = draw_scene(rng, [kind])
            unseen = is_held_out(scene) or kind not in ("relation", "pair")
            if unseen and scene.names_background and not scene.prefix:
                break
        scenes.append(scene)
    return scenes


def sort_of(scene: Scene) -> str:
    """Returns what a scene's caption tests: one object, counting, two objects, or mixed groups."""
    if len(scene.groups) == 1:
        return "counting" if scene.groups[0].count > 1 else "one_object"
    return "two_objects" if all(group.count == 1 for group in scene.groups) else "mixed_groups"


def report_by_sort(
    scenes: Sequence[Scene], results: Sequence[dict[str, bool]]
) -> dict[str, dict[str, float]]:
    """Returns number of prompts and shares right for each sort of prompt."""
    report = {}
    for sort in SORTS:
        rows = [result for scene, result in zip(scenes, results, strict=True) if sort_of(scene) == sort]
        if rows:
            report[sort] = {"prompts": len(rows), **summarise(rows)}
    return report


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
        Share right of every statement, also "all" by sort of prompt; and a grid of pictures.
    """
    images = generate(pipeline, [scene.caption for scene in scenes], steps, guidance_scale)
    results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
    report = summarise(results)
    for sort, shares in report_by_sort(scenes, results).items():
        report[f"all_{sort}"] = shares["all"]
    return report, picture_grid(images[:32])
