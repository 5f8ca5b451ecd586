"""Pixels as features, and SSIM and MS-SSIM of all pairs of a group.

Wang et al. 2004 and 2003, as torchmetrics computes them. What depends on one image alone
(its blurred mean and variance at each scale) is found once an image instead of once a pair.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metrics.base import BackboneCard, BackboneSource, FeatureForm
from metrics.images import SQUARE, SQUARE_VIEW, square

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PIXELS = BackboneCard("pixels", "1", 0, 0, "nothing was learned")
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
# Few, so that what is worked on stays in the processor's cache.
_PAIRS_AT_ONCE = 4


def as_tensor(image: "Image") -> "torch.Tensor":
    """An RGB image as shape (3, 256, 256), uint8."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(square(image))).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class PixelSource(BackboneSource):
    """The picture itself, at the fixed size."""

    @property
    def card(self) -> BackboneCard:
        """The card of no network."""
        return PIXELS

    @property
    def revision(self) -> str:
        """Nothing was learned."""
        return "1"

    @property
    def preprocessing(self) -> str:
        """The version of the preprocessing; it names the fixed size."""
        return SQUARE_VIEW

    @property
    def form(self) -> FeatureForm:
        """The pixels: 197 kB an image."""
        return FeatureForm("pixels-uint8", "uint8", (3, SQUARE, SQUARE))

    def load(self, device: str) -> "Pixels":
        """Nothing to load."""
        return Pixels(device)


class Pixels:
    """Shows pictures as they are."""

    view = SQUARE_VIEW

    def __init__(self, device: str) -> None:
        """Compare on a device."""
        self.device = device

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as shape (3, 256, 256), uint8."""
        return as_tensor(image)

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence["torch.Tensor"]:
        """The same."""
        return prepared


@dataclass(frozen=True)
class _Scale:
    """What SSIM needs of each image alone at one scale.

    Variance and covariance are the same for pixels less a constant. Less their mean they are
    small, and what is left of them after subtracting is exact, also on plain surfaces.

    Attributes:
        level: Mean of each image's channel; shape (images, 3, 1, 1).
        pixels: The pixels less their level; shape (images, 3, side, side).
        mean: These, blurred.
        variance: Around the mean, blurred.
    """

    level: "torch.Tensor"
    pixels: "torch.Tensor"
    mean: "torch.Tensor"
    variance: "torch.Tensor"


def ms_ssim(pictures: Sequence["torch.Tensor"], pairs: Sequence[tuple[int, int]], device: str) -> list[float]:
    """MS-SSIM of pairs of pictures, 0 to 1.

    Args:
        pictures: Shape (3, 256, 256), uint8.
        pairs: Places of two pictures each.
        device: Where to compute.
    """
    import torch

    weights = torch.tensor(WEIGHTS, device=device)

    def judge(terms: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        # Contrast and structure at each scale, luminance at the coarsest only; below 0,
        # which has no power, counts as 0.
        parts = torch.stack([*(contrast for _, contrast in terms[:-1]), terms[-1][0]], dim=1)
        return (parts.clamp(min=0) ** weights).prod(dim=1)

    return _values(pictures, _scales(pictures, len(WEIGHTS), device), pairs, judge)


def ssim(pictures: Sequence["torch.Tensor"], pairs: Sequence[tuple[int, int]], device: str) -> list[float]:
    """SSIM of pairs of pictures, -1 to 1; arguments as for `ms_ssim`."""
    return _values(pictures, _scales(pictures, 1, device), pairs, lambda terms: terms[0][0])


def _values(
    pictures: Sequence["torch.Tensor"],
    scales: Sequence["_Scale"],
    pairs: Sequence[tuple[int, int]],
    judge: "Callable[[list[tuple[torch.Tensor, torch.Tensor]]], torch.Tensor]",
) -> list[float]:
    """The values of pairs, a few at once; exactly 1 for equal pictures."""
    import torch

    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = pairs[start : start + _PAIRS_AT_ONCE]
            part = torch.tensor(some, device=scales[0].pixels.device)
            found += judge([_compare(scale, part) for scale in scales]).tolist()
    equal = [torch.equal(pictures[one], pictures[other]) for one, other in pairs]
    return [1.0 if same else value for same, value in zip(equal, found, strict=True)]


def _scales(pictures: Sequence["torch.Tensor"], count: int, device: str) -> list[_Scale]:
    import torch
    from torch.nn.functional import avg_pool2d

    pixels = torch.stack(list(pictures)).to(device).float() / 255
    scales: list[_Scale] = []
    for _ in range(count):
        level = pixels.mean(dim=(2, 3), keepdim=True)
        around = pixels - level
        mean = _blurred(around)
        variance = (_blurred(around * around) - mean * mean).clamp(min=0)
        scales.append(_Scale(level, around, mean, variance))
        pixels = avg_pool2d(pixels, 2)
    return scales


def _compare(scale: _Scale, pairs: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """SSIM and its contrast-structure term of each pair; both of shape (pairs,)."""
    one, other = pairs[:, 0], pairs[:, 1]
    covariance = _blurred(scale.pixels[one] * scale.pixels[other]) - scale.mean[one] * scale.mean[other]
    contrast = (2 * covariance + _C2) / (scale.variance[one] + scale.variance[other] + _C2)
    mean_one, mean_other = (scale.mean[place] + scale.level[place] for place in (one, other))
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one.square() + mean_other.square() + _C1)
    # As torchmetrics: the edge counts for SSIM, and not for the contrast term.
    edge = WINDOW // 2
    inner = contrast[..., edge:-edge, edge:-edge]
    return (luminance * contrast).mean(dim=(1, 2, 3)), inner.mean(dim=(1, 2, 3))


def _blurred(pictures: "torch.Tensor") -> "torch.Tensor":
    """A Gaussian of 11 pixels along both axes, reflecting at the edges."""
    from torch.nn.functional import pad

    reach = WINDOW // 2
    kernel = [math.exp(-(offset**2) / (2 * SIGMA**2)) for offset in range(-reach, reach + 1)]
    kernel = [weight / sum(kernel) for weight in kernel]
    height, width = pictures.shape[-2:]
    padded = pad(pictures, (reach, reach, reach, reach), mode="reflect")
    # Adding shifted pictures is several times faster on a processor than a convolution.
    rows = padded[..., :width] * kernel[0]
    for offset in range(1, WINDOW):
        rows.add_(padded[..., offset : offset + width], alpha=kernel[offset])
    found = rows[..., :height, :] * kernel[0]
    for offset in range(1, WINDOW):
        found.add_(rows[..., offset : offset + height, :], alpha=kernel[offset])
    return found
