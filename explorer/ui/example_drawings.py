"""What worked examples are made of: small pictures of the bundled networks' world, drawn here."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageDraw

SIDE = 128
COLORS = {
    "red": (220, 40, 40),
    "blue": (45, 90, 230),
    "green": (40, 165, 60),
    "yellow": (245, 210, 40),
    "white": (250, 250, 250),
    "beige": (235, 220, 185),
    "navy": (25, 30, 85),
    "black": (15, 15, 18),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One flat shape: its centre and radius in pixels of a 128 px square."""

    kind: Literal["circle", "square"]
    color: str
    x: int = 64
    y: int = 64
    radius: int = 28


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of an example, and what a model would have been asked for."""

    shapes: tuple[Shape, ...]
    background: str = "white"
    prompt: str = ""
    seed: int = 0
    model: str = "a model"
    caption: str = ""
    """What stands below it; the seed where this is empty."""


@dataclass(frozen=True, slots=True)
class Case:
    """Pictures that get one value together."""

    label: str
    pictures: tuple[Drawing, ...]
    value: float
    """Of all of them; of the first one where a metric judges pictures one by one."""
    reference: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """What a metric does, on something small enough to follow."""

    cases: tuple[Case, ...] = ()
    by_hand: tuple[str, ...] = ()
    lesson: str = ""
    """What to see in it."""


def draw(drawing: Drawing) -> Image.Image:
    """The picture, 128 x 128 pixels."""
    picture = Image.new("RGB", (SIDE, SIDE), COLORS[drawing.background])
    pen = ImageDraw.Draw(picture)
    for shape in drawing.shapes:
        box = (shape.x - shape.radius, shape.y - shape.radius, shape.x + shape.radius, shape.y + shape.radius)
        paint = pen.ellipse if shape.kind == "circle" else pen.rectangle
        paint(box, fill=COLORS[shape.color])
    return picture


@lru_cache(maxsize=256)
def data_address(drawing: Drawing) -> str:
    """The picture inside an address, for a page that fetches nothing."""
    buffer = io.BytesIO()
    draw(drawing).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
