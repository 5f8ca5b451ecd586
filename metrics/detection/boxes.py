"""What a detector finds on a picture: named boxes in pixels of the original image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from metrics.base import FeatureForm, PixelNetwork

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

MOST_OF_A_NOUN = 16
"""Boxes of one noun that are looked at, as in GenEval."""
MOST_BOXES = 64
"""Boxes of a picture that are kept."""
MOST_KEPT_PIXELS = 1536
"""The longer side of a picture that waits for its objects to be cut out."""
_FIXED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """One object that was found. Equal to itself only: two objects may look alike.

    Attributes:
        noun: What it is.
        score: How sure the detector is, 0 to 1.
        corners: Left, top, right, bottom in pixels of the original image.
        colours: Probability of each named colour; empty where nobody looked.
    """

    noun: str
    score: float
    corners: tuple[float, float, float, float]
    colours: Mapping[str, float] = field(default_factory=dict)

    @property
    def colour(self) -> str:
        """The most probable colour; "" where nobody looked."""
        return max(self.colours, key=lambda name: self.colours[name]) if self.colours else ""


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything found on one picture.

    Attributes:
        size: Width and height of the original image in pixels.
        boxes: The boxes, the surest first.
    """

    size: tuple[int, int]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a box counts. Each detector has scores of its own kind.

    Attributes:
        cut: The score that a box must exceed.
        counting_cut: The same where objects are counted.
        overlap: Of two boxes with this intersection over union the less sure one goes; 1: none goes.
        across: Whether boxes of different nouns compete too.
    """

    cut: float = 0.3
    counting_cut: float = 0.9
    overlap: float = 1.0
    across: bool = False

    def of(self, task: str) -> float:
        """The cut for a task."""
        return self.counting_cut if task == "counting" else self.cut

    @property
    def least(self) -> float:
        """The lowest cut of any task."""
        return min(self.cut, self.counting_cut)


@dataclass(frozen=True, slots=True)
class Picture:
    """One image on its way through a detector.

    Attributes:
        size: Width and height of the original.
        pixels: Shape (3, height, width), as the network wants it.
        image: To cut objects out of: the original, or a smaller copy; None: nobody will.
    """

    size: tuple[int, int]
    pixels: "torch.Tensor"
    image: "Image | None"

    @classmethod
    def of(cls, image: "Image", pixels: "torch.Tensor", keep: bool = True) -> Self:
        """An RGB image with the network's input; `keep` where objects will be cut out of it."""
        if keep and max(image.size) > MOST_KEPT_PIXELS:
            # Many pictures wait at once, and CLIP looks at 224 pixels of an object.
            small = image.copy()
            small.thumbnail((MOST_KEPT_PIXELS, MOST_KEPT_PIXELS))
            return cls(image.size, pixels, small)
        return cls(image.size, pixels, image if keep else None)


class Detector(PixelNetwork, Protocol):
    """Sees each picture once (`encode`), and then says what of some nouns is on it."""

    @property
    def limits(self) -> Limits:
        """From where on its boxes count."""

    @property
    def palette(self) -> tuple[str, ...]:
        """The colours it tells apart."""

    def unknown(self, nouns: Sequence[str]) -> list[str]:
        """Those of the nouns that it cannot find."""

    def sights(self, features: Sequence[Any], nouns: Sequence[Sequence[str]]) -> list[Sight]:
        """For each picture's feature, what is on it of its nouns, and perhaps more."""


def strongest(boxes: Sequence[Box], most: int = MOST_BOXES) -> tuple[Box, ...]:
    """The surest boxes, at most so many and `MOST_OF_A_NOUN` of each noun; ties keep their order."""
    kept: list[Box] = []
    seen: dict[str, int] = {}
    for box in sorted(boxes, key=lambda box: -box.score):
        seen[box.noun] = seen.get(box.noun, 0) + 1
        if seen[box.noun] <= MOST_OF_A_NOUN:
            kept.append(box)
    return tuple(kept[:most])


def inside(corners: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """A box as far as it lies on the picture; None: nothing of it does."""
    width, height = size
    left, right = (min(max(float(x), 0.0), float(width)) for x in (corners[0], corners[2]))
    top, bottom = (min(max(float(y), 0.0), float(height)) for y in (corners[1], corners[3]))
    return (left, top, right, bottom) if right > left and bottom > top else None


def form(palette: Sequence[str]) -> FeatureForm:
    """How rows of boxes are kept between analyses."""
    return FeatureForm("boxes-1", "float32", (-1, _FIXED + len(palette)))


def to_rows(sight: Sight, nouns: Sequence[str], palette: Sequence[str]) -> "torch.Tensor":
    """A sight as numbers: shape (1 + boxes, 6 + colours), fp32; the first row holds the size."""
    import torch

    places = {noun: place for place, noun in enumerate(nouns)}
    rows = [[*map(float, sight.size), *[0.0] * (_FIXED - 2 + len(palette))]]
    for box in sight.boxes:
        colours = [box.colours.get(name, 0.0) for name in palette]
        rows.append([float(places[box.noun]), box.score, *box.corners, *colours])
    return torch.tensor(rows, dtype=torch.float32)


def from_rows(rows: "torch.Tensor", nouns: Sequence[str], palette: Sequence[str]) -> Sight:
    """The sight that `to_rows` wrote."""
    (width, height, *_), *found = rows.tolist()
    boxes = []
    for noun, score, left, top, right, bottom, *shares in found:
        colours = dict(zip(palette, shares, strict=True)) if any(shares) else {}
        boxes.append(Box(nouns[int(noun)], score, (left, top, right, bottom), colours))
    return Sight((int(width), int(height)), tuple(boxes))
