"""Detectors with a fixed list of nouns: DETR, YOLOS, RT-DETR(v2), D-FINE and their like."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.detection.boxes import Box, Limits, Picture, Sight, from_rows, inside, strongest, to_rows
from metrics.detection.colours import PALETTE, Colours
from metrics.detection.nouns import canonical, unknown

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class ClosedDetector:
    """A network of transformers' object detection family; its features are rows of boxes."""

    def __init__(self, model: Any, processor: Any, limits: Limits, colours: Colours | None) -> None:
        """Wrap a network.

        Args:
            model: On its device, in evaluation mode.
            processor: Its image processor.
            limits: From where on its boxes count.
            colours: Names the colours; None: nobody does.
        """
        import torch

        parts = [model] if colours is None else [model, colours.clip.module]
        self.module = torch.nn.ModuleList(parts)
        self.view = f"boxes of {type(model).__name__} {id(model)}"
        self._model = model
        self._processor = processor
        self.limits = limits
        self._colours = colours
        self._labels: Mapping[int, str] = {
            int(place): canonical(name) for place, name in model.config.id2label.items()
        }

    @property
    def nouns(self) -> tuple[str, ...]:
        """What it finds."""
        return tuple(dict.fromkeys(self._labels.values()))

    @property
    def palette(self) -> tuple[str, ...]:
        """The colours it tells apart."""
        return PALETTE if self._colours else ()

    def unknown(self, nouns: Sequence[str]) -> list[str]:
        """Those of the nouns that are not on its list."""
        return unknown(nouns, self.nouns)

    def prepare(self, image: "Image") -> Picture:
        """An RGB image as the network's input, with the original beside it."""
        pixels = self._processor(images=image, return_tensors="pt")["pixel_values"][0]
        return Picture.of(image, pixels, keep=self._colours is not None)

    def encode(self, prepared: Sequence[Picture]) -> list["torch.Tensor"]:
        """Boxes with colours for each image, as rows (see `to_rows`), on the CPU."""
        boxes: dict[int, list[Box]] = {}
        # Pictures of one shape go together: padding would make a result depend on its neighbours.
        for places in same_shape(prepared):
            found = self._detect([prepared[place] for place in places])
            boxes |= dict(zip(places, found, strict=True))
        chosen = [(place, box) for place in range(len(prepared)) for box in strongest(boxes[place])]
        if self._colours:
            colours = self._colours.of([(prepared[place], box) for place, box in chosen])
            chosen = [(p, replace(b, colours=c)) for (p, b), c in zip(chosen, colours, strict=True)]
        sights = [
            Sight(picture.size, tuple(box for at, box in chosen if at == place))
            for place, picture in enumerate(prepared)
        ]
        return [to_rows(sight, self.nouns, self.palette) for sight in sights]

    def sights(self, features: Sequence["torch.Tensor"], nouns: Sequence[Sequence[str]]) -> list[Sight]:
        """Everything it knows on each picture, whatever is asked for."""
        return [from_rows(rows, self.nouns, self.palette) for rows in features]

    def _detect(self, pictures: Sequence[Picture]) -> list[list[Box]]:
        """The boxes of pictures of one shape."""
        import torch

        sizes = [picture.size for picture in pictures]
        with torch.inference_mode():
            pixels = torch.stack([picture.pixels for picture in pictures])
            return self._read(self._model(pixel_values=pixels.to(self._model.device)), sizes)

    def _read(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[list[Box]]:
        """The boxes in what the network gives, above the lowest cut."""
        found = self._processor.post_process_object_detection(
            outputs, threshold=self.limits.least, target_sizes=[(height, width) for width, height in sizes]
        )
        return [self._boxes(row, size) for row, size in zip(found, sizes, strict=True)]

    def _boxes(self, row: Mapping[str, "torch.Tensor"], size: tuple[int, int]) -> list[Box]:
        boxes = []
        parts = (row[name].tolist() for name in ("labels", "scores", "boxes"))
        for label, score, corners in zip(*parts, strict=True):
            kept = inside(corners, size)
            if kept and label in self._labels:
                boxes.append(Box(self._labels[label], score, kept))
        return boxes


def same_shape(pictures: Sequence[Picture]) -> list[list[int]]:
    """The places of pictures whose pixels have the same shape, together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        groups.setdefault(tuple(picture.pixels.shape), []).append(place)
    return list(groups.values())


def load_closed(folder: Path, limits: Limits, colours: Colours | None, device: str) -> ClosedDetector:
    """Load a detector from a folder as `save_pretrained` writes it.

    Raises:
        ValueError: Weights are missing, which transformers would make up in silence.
    """
    from transformers import AutoModelForObjectDetection

    return ClosedDetector(*load_parts(AutoModelForObjectDetection, folder, device), limits, colours)


def load_parts(family: Any, folder: Path, device: str) -> tuple[Any, Any]:
    """A network in fp32 and its image processor, which is Pillow's wherever there is one.

    Raises:
        ValueError: Weights are missing, which transformers would make up in silence.
    """
    import torch
    from transformers import AutoImageProcessor

    model, told = family.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    lost = sorted([*told["missing_keys"], *(str(key) for key in told["mismatched_keys"])])
    if lost:
        raise ValueError(f"it lacks {lost[:2]}")
    # Its results must not depend on which of the two a computer has.
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
    return model.to(device).eval(), processor
