"""Scenes of the bundled world with known contents, and ways to change or spoil their pictures."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageEnhance

from metrics import Sample
from training.render import render
from training.world import COLORS, SHAPES, Scene

Box = tuple[int, int, int, int]


def another(rng: random.Random, scene: Scene, what: str) -> Scene:
    """The same scene with another "shape" or "color" of its one thing."""
    item = scene.items[0]
    choices = [name for name in (SHAPES if what == "shape" else COLORS) if name != getattr(item, what)]
    return replace(scene, items=(replace(item, **{what: rng.choice(choices)}),))


def jittered(rng: random.Random, image: Image.Image) -> Image.Image:
    """A little aside, and a little lighter or darker."""
    aside = ImageChops.offset(image, rng.randint(-3, 3), rng.randint(-3, 3))
    return ImageEnhance.Brightness(aside).enhance(rng.uniform(0.9, 1.1))


def box_of(scene: Scene) -> Box:
    """Where the one thing of a scene is: left, top, right, bottom."""
    item = scene.items[0]
    reach = item.radius * 1.15
    edges = (item.x - reach, item.y - reach, item.x + reach, item.y + reach)
    left, top, right, bottom = (int(min(128, max(0, edge))) for edge in edges)
    return left, top, right, bottom


def shuffled(rng: random.Random, image: Image.Image, box: Box, cut: int) -> Image.Image:
    """The pieces inside a box, cut x cut of them, in another order."""
    return _moved(rng, image, box, cut, scatter=False)


def scattered(rng: random.Random, image: Image.Image, box: Box, cut: int) -> Image.Image:
    """The pieces of a thing all over the plain background."""
    return _moved(rng, image, box, cut, scatter=True)


def _moved(rng: random.Random, image: Image.Image, box: Box, cut: int, scatter: bool) -> Image.Image:
    pixels = np.array(image)
    out = np.empty_like(pixels)
    out[:] = pixels[0, 0]
    width, height = (box[2] - box[0]) // cut, (box[3] - box[1]) // cut
    from_ = [(box[0] + c * width, box[1] + r * height) for r in range(cut) for c in range(cut)]
    if scatter:
        cells = [(x, y) for x in range(0, 129 - width, width + 2) for y in range(0, 129 - height, height + 2)]
        to = rng.sample(cells, cut * cut)
    else:
        out[:] = pixels
        to = from_.copy()
        while to == from_:
            rng.shuffle(to)
    for (x, y), (left, top) in zip(from_, to, strict=True):
        out[top : top + height, left : left + width] = pixels[y : y + height, x : x + width]
    return Image.fromarray(out)


def save(
    folder: Path, images: Sequence[Image.Image], prompts: Sequence[str], model: str = "m"
) -> list[Sample]:
    """Pictures as samples, one a prompt; equal prompts get the next seed."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        path = folder / f"{model}-{number:03}.png"
        image.save(path)
        seed = prompts[:number].count(prompt)
        samples.append(Sample(path.name, path, prompt, model=model, seed=seed))
    return samples


def pictures(scenes: Sequence[Scene]) -> list[Image.Image]:
    """What scenes look like."""
    return [render(scene) for scene in scenes]
