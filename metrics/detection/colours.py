"""Names the colour of an object: CLIP zero-shot on its crop, as GenEval does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metrics.clip_backbone import ClipNetwork
from metrics.detection.boxes import Box, Picture

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PALETTE = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
TEMPLATES = ("a photo of a {} {}", "a photo of a {}-colored {}", "a photo of a {} object")
GREY = "#999999"
"""Painted over what a mask leaves out."""
CROPS_AT_ONCE = 32


class Colours:
    """Colours by a CLIP; each noun's texts are read once."""

    def __init__(self, clip: ClipNetwork) -> None:
        """Take a loaded CLIP: GenEval's is OpenAI's ViT-L/14."""
        self.clip = clip
        self._classifiers: dict[str, torch.Tensor] = {}

    def of(self, objects: Sequence[tuple[Picture, Box]]) -> list[dict[str, float]]:
        """The probability of each colour for objects of any pictures, in their order."""
        import torch

        found: list[dict[str, float]] = []
        for start in range(0, len(objects), CROPS_AT_ONCE):
            some = objects[start : start + CROPS_AT_ONCE]
            crops = [self.clip.prepare(cut_out(picture, box)) for picture, box in some]
            for vector, (_, box) in zip(self.clip.encode(crops), some, strict=True):
                shares = torch.softmax(self.clip.scale * self._classifier(box.noun) @ vector, dim=0)
                found.append(dict(zip(PALETTE, shares.tolist(), strict=True)))
        return found

    def _classifier(self, noun: str) -> "torch.Tensor":
        """Unit vectors of the colours for a noun: shape (colours, features)."""
        import torch
        from torch.nn.functional import normalize

        if noun not in self._classifiers:
            texts = [template.format(colour, noun) for colour in PALETTE for template in TEMPLATES]
            vectors = torch.stack([text.vector for text in self.clip.texts(texts)])
            means = vectors.view(len(PALETTE), len(TEMPLATES), -1).mean(dim=1)
            self._classifiers[noun] = normalize(means, dim=-1)
        return self._classifiers[noun]


def cut_out(picture: Picture, box: Box) -> "Image":
    """An object of a picture.

    Raises:
        ValueError: The picture was not kept.
    """
    if picture.image is None:
        raise ValueError("this picture was not kept to cut objects out of")
    scales = [kept / side for kept, side in zip(picture.image.size, picture.size, strict=True)]
    return crop(picture.image, [value * scales[place % 2] for place, value in enumerate(box.corners)])


def crop(image: "Image", corners: Sequence[float], mask: "Image | None" = None) -> "Image":
    """An object cut out of an image; at least one pixel.

    Args:
        image: The whole image, RGB.
        corners: Left, top, right, bottom of the object.
        mask: Of the image's size, white where the object is; the rest becomes grey.
    """
    from PIL import Image as Images

    if mask is not None:
        image = Images.composite(image, Images.new("RGB", image.size, GREY), mask)
    left, top, right, bottom = (round(value) for value in corners)
    left, top = min(left, image.width - 1), min(top, image.height - 1)
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
