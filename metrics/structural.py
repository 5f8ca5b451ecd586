"""Metrics on structural similarity: no network, the same in every tier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, get_args

from metrics.base import BackboneCard, Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.images import SQUARE
from metrics.pairs import all_pairs, mean_over_pairs
from metrics.structural_backbone import PIXELS, Pixels, PixelSource, ms_ssim, ssim

_TIERS: Mapping[Tier, BackboneCard] = dict.fromkeys(get_args(Tier), PIXELS)


class MsSsimDiversity(Metric):
    """How differently the pictures of a prompt are built: 1 - mean MS-SSIM over pairs of seeds.

    Reference: Wang et al. 2003, multiscale structural similarity.
    """

    least: ClassVar[int] = 2
    card: ClassVar[MetricCard] = MetricCard(
        id="ms_ssim_diversity",
        name="MS-SSIM diversity",
        question="Are the pictures of different seeds built differently?",
        level="prompt",
        direction="neutral",
        range=(0.0, 1.0),
        formula=f"1 - mean MS-SSIM (5 scales, window 11) over all pairs of seeds, at {SQUARE} px square",
        needs=("images of one prompt",),
        backbones=_TIERS,
        citation="Wang, Simoncelli, Bovik 2003, multiscale SSIM; as in torchmetrics",
        weaknesses=(
            "Noise counts as variety: read it beside an adherence score.",
            "Sees pixels, not contents: the same thing moved aside is another picture to it.",
            "Pictures of every shape are squeezed into one square first.",
        ),
        status="established",
        version="1",
        group="variety",
    )

    def source(self, tier: Tier, assets: Path) -> PixelSource:
        """The pixels."""
        return PixelSource()

    def judge(self, units: Sequence[Unit], network: Pixels) -> list[Score]:
        """The mean over each group's pairs."""
        return [self._score(unit, network.device) for unit in units]

    def _score(self, unit: Unit, device: str) -> Score:
        pairs = all_pairs(len(unit.features))
        values = [1.0 - value for value in ms_ssim(unit.features, pairs, device)]
        return mean_over_pairs(unit.samples, pairs, [max(value, 0.0) for value in values], SQUARE)


class ReferenceSsim(Metric):
    """SSIM to the prompt's reference picture; the best of several.

    Reference: Wang et al. 2004, structural similarity.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="reference_ssim",
        name="SSIM to the reference",
        question="Is it built like the reference picture, pixel by pixel?",
        level="image",
        direction="higher",
        range=(-1.0, 1.0),
        formula=f"largest SSIM (window 11) to a reference, both at {SQUARE} px square",
        needs=("image", "reference images"),
        backbones=_TIERS,
        citation="Wang, Bovik, Sheikh, Simoncelli 2004, SSIM; as in torchmetrics",
        weaknesses=(
            "Punishes a shift of a few pixels more than a wrong thing in the right place.",
            "Prompts without a reference picture are unscored.",
        ),
        status="established",
        version="1",
        group="reference",
    )

    def source(self, tier: Tier, assets: Path) -> PixelSource:
        """The pixels."""
        return PixelSource()

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """The reference pictures of the prompt."""
        return samples[0].references

    def refusal(self, samples: Sequence[Sample], source: PixelSource) -> str | None:
        """No reference."""
        return no_reference(samples)

    def judge(self, units: Sequence[Unit], network: Pixels) -> list[Score]:
        """The best SSIM of each image, with all of them in detail."""
        return [self._score(unit, network.device) for unit in units]

    def _score(self, unit: Unit, device: str) -> Score:
        pictures = [unit.features[0], *unit.references]
        values = ssim(pictures, [(0, place) for place in range(1, len(pictures))], device)
        return Score.of(max(values), ssim=values, resolution=SQUARE)


def no_reference(samples: Sequence[Sample]) -> str | None:
    """Why images without a reference cannot be compared with one; None: they have one."""
    if samples[0].references:
        return None
    return "This prompt has no reference picture; add one to compare with."


METRICS = (MsSsimDiversity, ReferenceSsim)
