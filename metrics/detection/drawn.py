"""The bundled detector of the drawn world, whose classes are a colour and a shape."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.detection.boxes import Box, Limits, inside
from metrics.detection.closed import ClosedDetector, load_parts

if TYPE_CHECKING:
    import torch


class DrawnDetector(ClosedDetector):
    """Finds shapes, and names their colours by its own classes: no second network is needed."""

    def __init__(self, model: Any, processor: Any, limits: Limits) -> None:
        """Wrap a network whose classes are named "<colour> <shape>", every colour with every shape."""
        super().__init__(model, processor, limits, None)
        names = [model.config.id2label[place].split(" ", 1) for place in range(len(model.config.id2label))]
        self._shapes = tuple(dict.fromkeys(shape for _, shape in names))
        self._palette = tuple(dict.fromkeys(colour for colour, _ in names))
        if names != [[colour, shape] for colour in self._palette for shape in self._shapes]:
            raise ValueError("its classes are not every colour with every shape")

    @property
    def nouns(self) -> tuple[str, ...]:
        """The shapes."""
        return self._shapes

    @property
    def palette(self) -> tuple[str, ...]:
        """The colours of the drawn world."""
        return self._palette

    def _read(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[list[Box]]:
        """One box a query: its best class is the shape, that shape's other classes the colours."""
        scores = outputs.logits.sigmoid().unflatten(2, (len(self._palette), len(self._shapes)))
        return [
            [box for one, where in zip(*both, strict=True) if (box := self._box(one, where, size))]
            for *both, size in zip(scores, outputs.pred_boxes, sizes, strict=True)
        ]

    def _box(self, scores: "torch.Tensor", place: "torch.Tensor", size: tuple[int, int]) -> Box | None:
        """A query's box.

        Args:
            scores: Shape (colours, shapes).
            place: Centre and size as shares of the picture.
            size: Of the picture.
        """
        best = float(scores.max())
        if best <= self.limits.least:
            return None
        shape = int(scores.argmax()) % len(self._shapes)
        x, y, wide, high = place.tolist()
        shares = ((x - wide / 2), (y - high / 2), (x + wide / 2), (y + high / 2))
        corners = inside([share * size[axis % 2] for axis, share in enumerate(shares)], size)
        if corners is None:
            return None
        of_shape = (scores[:, shape] / scores[:, shape].sum()).tolist()
        return Box(self._shapes[shape], best, corners, dict(zip(self._palette, of_shape, strict=True)))


def load_drawn(folder: Path, limits: Limits, device: str) -> DrawnDetector:
    """Load the bundled detector.

    Raises:
        ValueError: Weights are missing, or its classes are not those of the drawn world.
    """
    from transformers import AutoModelForObjectDetection

    return DrawnDetector(*load_parts(AutoModelForObjectDetection, folder, device), limits)
