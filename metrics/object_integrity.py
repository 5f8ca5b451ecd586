"""Whether a picture has a body that hangs together, by where DINOv3 looks.

A heuristic: on whole things the attention of the global token gathers in few, joined places.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from metrics.backbones import Backbones
from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.dinov3 import CITATION, LOOKERS, cards, foreign
from metrics.dinov3_backbone import LookSource
from metrics.dinov3_networks import DinoLooks, Look
from metrics.images import open_rgb

if TYPE_CHECKING:
    import numpy as np

MASK_SHARE = 0.6
"""The mask is the fewest patches that hold this share of the attention."""
# Patches that touch at a corner belong together.
_TOUCHING = [[1, 1, 1]] * 3
_LEVELS = 255


@dataclass(frozen=True)
class AttentionStructure:
    """What the attention of a picture looks like.

    Attributes:
        concentration: 1 - entropy / largest possible entropy: 0 spread evenly, 1 on one patch.
        halo: Share of the attention in the ring of patches just outside the mask, 0 to 1.
        blobs: Number of separate pieces of the mask.
        mask: The fewest patches with `MASK_SHARE` of the attention; shape (rows, columns).
        ring: The patches next to it; shape (rows, columns).
    """

    concentration: float
    halo: float
    blobs: int
    mask: "np.ndarray[Any, np.dtype[np.bool_]]"
    ring: "np.ndarray[Any, np.dtype[np.bool_]]"

    @property
    def integrity(self) -> float:
        """The value of the metric, 0 to 1."""
        return self.concentration * (1.0 - self.halo)


def attention_structure(attention: Any) -> AttentionStructure:
    """The parts of object integrity.

    Args:
        attention: Attention of the patches, none below 0, sum over 0; shape (rows, columns).
    """
    import numpy as np
    from scipy import ndimage

    shares = np.asarray(attention, dtype=np.float64)
    shares = shares / shares.sum()
    present = shares[shares > 0]
    most = math.log(shares.size) if shares.size > 1 else 1.0
    concentration = 1.0 + float((present * np.log(present)).sum()) / most
    order = np.argsort(-shares, axis=None, kind="stable")
    held = np.cumsum(shares.ravel()[order])
    chosen = order[: int(np.searchsorted(held, MASK_SHARE - 1e-12)) + 1]
    mask = np.zeros(shares.shape, dtype=bool)
    mask.ravel()[chosen] = True
    ring = ndimage.binary_dilation(mask, structure=_TOUCHING) & ~mask
    blobs = int(ndimage.label(mask, structure=_TOUCHING)[1])
    return AttentionStructure(max(concentration, 0.0), float(shares[ring].sum()), blobs, mask, ring)


class ObjectIntegrity(Metric):
    """How much the attention of a picture gathers on one body, without spilling around it."""

    card: ClassVar[MetricCard] = MetricCard(
        id="object_integrity",
        name="Object integrity",
        question="Did it mess up the body or structure?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula=(
            "concentration x (1 - halo) of the attention of DINOv3's global token to the patches in the last "
            "block: concentration = 1 - entropy / log(patches), halo = share of the attention in the ring "
            f"around the fewest patches that hold {MASK_SHARE:.0%} of it"
        ),
        needs=("image",),
        backbones=cards(LOOKERS),
        citation=CITATION,
        weaknesses=(
            "A heuristic without a published comparison with people: look at the heat map.",
            "Low for a picture of many things, of a pattern or of a landscape, however well made.",
            "Depends on the size of the thing: compare pictures of one prompt.",
            "Bundled network, 200 drawn scenes: falls in 20 % where the thing's pieces are shuffled and in "
            "43 % where they are scattered, far from the 80 % aimed at; separate blobs grow in 77 %.",
        ),
        status="experimental",
        version="1",
        group="quality",
    )

    def source(self, tier: Tier, assets: Path) -> LookSource:
        """The transformer of a tier; semantic match shares its pass."""
        return LookSource(LOOKERS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: LookSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return foreign(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoLooks) -> list[Score]:
        """The value of each image, its parts, and its heat map in 256 steps."""
        return [_score(unit.features[0]) for unit in units]


def heat_map(path: Path, tier: Tier, assets: Path, device: str = "auto") -> Look:
    """The attention of one picture again, at full precision.

    Args:
        path: The picture.
        tier: One of the card's tiers.
        assets: Folder of the bundled networks.
        device: Where to compute.

    Raises:
        BadImage: The file gives no pixels.
        MissingWeights: The weights are not on this computer.
    """
    with Backbones(device) as backbones:
        network = cast(DinoLooks, backbones.load(LookSource(LOOKERS[tier], assets)))
        return network.encode([network.prepare(open_rgb(path))])[0]


def _score(look: Look) -> Score:
    if not bool(look.attention.isfinite().all()):
        return Score.unscored("DINOv3 gave no finite number for this image; try the device 'cpu'.")
    found = attention_structure(look.attention.numpy())
    steps = look.attention / look.attention.max() * _LEVELS
    return Score.of(
        found.integrity,
        concentration=round(found.concentration, 6),
        halo=round(found.halo, 6),
        blobs=found.blobs,
        heat=[[int(step) for step in row] for row in steps.round().tolist()],
    )


METRICS = (ObjectIntegrity,)
