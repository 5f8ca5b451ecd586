"""Draws scenes as anti-aliased images."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.settings import IMAGE_SIZE
from training.world import BACKGROUNDS, COLORS, Item, Scene

Points = list[tuple[float, float]]

_STRIPE = 4.0  # height in pixels of a stripe and of the gap below it
_OUTLINE = 5.0


def outline_points(shape: str, x: float, y: float, radius: float) -> Points:
    """Returns the corners of a shape."""
    if shape == "circle":
        turns = (step * math.pi / 24 for step in range(48))
        return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]
    if shape == "square":
        side = radius * 0.88
        return [(x - side, y - side), (x + side, y - side), (x + side, y + side), (x - side, y + side)]
    if shape == "triangle":
        return [(x, y - radius), (x + radius, y + radius * 0.8), (x - radius, y + radius * 0.8)]
    if shape == "diamond":
        tall, wide = radius * 1.1, radius * 0.8
        return [(x, y - tall), (x + wide, y), (x, y + tall), (x - wide, y)]
    if shape == "star":
        reach = [radius * (0.47 if step % 2 else 1.1) for step in range(10)]
        turns = [step * math.pi / 5 for step in range(10)]
        pairs = zip(reach, turns, strict=True)
        return [(x + far * math.sin(turn), y - far * math.cos(turn)) for far, turn in pairs]
    if shape != "cross":
        raise ValueError(f"unknown shape: {shape}")
    arm = radius * 0.36
    corners = [(-arm, -radius), (arm, -radius), (arm, -arm), (radius, -arm), (radius, arm), (arm, arm)]
    corners += [(-dx, -dy) for dx, dy in corners]
    return [(x + dx, y + dy) for dx, dy in corners]


def _hole(item: Item) -> Points:
    """Returns the corners of the empty inside of an outlined shape."""
    if item.shape == "triangle":
        return outline_points("triangle", item.x, item.y + 1.2, item.radius * 0.6)
    inner = item.radius * 0.62 if item.shape == "star" else item.radius - _OUTLINE
    return outline_points(item.shape, item.x, item.y, max(inner, item.radius * 0.5))


def _stripes(image_size: tuple[int, int], item: Item, scale: float) -> Image.Image:
    """Returns a mask of the stripes over one shape."""
    mask = Image.new("L", image_size, 0)
    pen = ImageDraw.Draw(mask)
    top, bottom = item.y - item.radius * 1.2, item.y + item.radius * 1.2
    for number in range(math.ceil((bottom - top) / (2 * _STRIPE))):
        start = (top + 2 * _STRIPE * number) * scale
        pen.rectangle((0, start, image_size[0], start + _STRIPE * scale), fill=255)
    return mask


def render(scene: Scene, size: int = IMAGE_SIZE, supersampling: int = 4) -> Image.Image:
    """Draws a scene.

    Args:
        scene: What to draw, with its style.
        size: Side of the image in pixels.
        supersampling: How many times larger the shapes are drawn before the reduction.

    Returns:
        An RGB image.
    """
    scale = size / IMAGE_SIZE * supersampling
    side = size * supersampling
    image = Image.new("RGB", (side, side), BACKGROUNDS[scene.background])
    pen = ImageDraw.Draw(image)

    def scaled(points: Points) -> Points:
        return [(x * scale, y * scale) for x, y in points]

    for item in scene.items:
        points = scaled(outline_points(item.shape, item.x, item.y, item.radius))
        if scene.style == "striped":
            mask = Image.new("L", image.size, 0)
            ImageDraw.Draw(mask).polygon(points, fill=255)
            stripes = _stripes(image.size, item, scale)
            mask = Image.composite(mask, Image.new("L", image.size, 0), stripes)
            image.paste(COLORS[item.color], (0, 0), mask)
            continue
        pen.polygon(points, fill=COLORS[item.color])
        if scene.style == "outlined":
            pen.polygon(scaled(_hole(item)), fill=BACKGROUNDS[scene.background])
    return image.reduce(supersampling)


def render_batch(
    scenes: Iterable[Scene], size: int = IMAGE_SIZE, supersampling: int = 3
) -> NDArray[np.uint8]:
    """Draws scenes as one array of shape (count, size, size, 3)."""
    return np.stack([np.asarray(render(scene, size, supersampling)) for scene in scenes])
