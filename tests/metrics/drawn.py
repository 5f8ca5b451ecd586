"""Small drawn pictures of the bundled world, for tests."""

import random
from pathlib import Path

from PIL import Image, ImageDraw

from metrics import Sample

COLORS = {"red": (220, 40, 40), "blue": (45, 90, 230), "green": (40, 160, 70), "yellow": (240, 210, 50)}


def prompt_of(color: str) -> str:
    return f"a {color} circle on a white background"


def draw(path: Path, color: str, seed: int, side: int = 128) -> Path:
    """A circle of a color somewhere on white."""
    rng = random.Random(f"{color} {seed}")
    image = Image.new("RGB", (128, 128), (250, 250, 250))
    x, y, radius = rng.randint(30, 95), rng.randint(30, 95), rng.randint(15, 28)
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLORS[color])
    image.resize((side, side)).save(path)
    return path


def write_circles(
    folder: Path, seeds: int, colors: int = 2, model: str = "m", first: int = 0
) -> list[Sample]:
    """`seeds` pictures of each of the first colors, a prompt each."""
    folder.mkdir(exist_ok=True)
    samples = []
    for color in list(COLORS)[:colors]:
        for seed in range(first, first + seeds):
            path = draw(folder / f"{model}-{color}-{seed}.png", color, seed)
            samples.append(Sample(path.name, path, prompt_of(color), model=model, seed=seed))
    return samples
