"""What the open-vocabulary detectors share."""

from collections.abc import Sequence
from dataclasses import replace

from metrics.detection.boxes import Box, Picture, Sight
from metrics.detection.colours import Colours


def coloured(picture: Picture, boxes: Sequence[Box], colours: Colours) -> Sight:
    """A picture's boxes with their colours."""
    named = colours.of([(picture, box) for box in boxes])
    done = tuple(replace(box, colours=shares) for box, shares in zip(boxes, named, strict=True))
    return Sight(picture.size, done)
