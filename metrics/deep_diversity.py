"""Variety as DINOv3 sees it: LPIPS with it in the place of AlexNet, and Vendi scores."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.dinov3 import CITATION, LOOKERS, cards, foreign, unit_tokens
from metrics.dinov3_backbone import LayersSource, LookSource
from metrics.dinov3_networks import DinoLayers, DinoLooks
from metrics.dinov3_weights import BUNDLED_VIT, VIT_B, VIT_S, DinoModel
from metrics.distribution import Vendi, VendiPrompt, vendi
from metrics.pairs import all_pairs, mean_over_pairs, squared_distances

_MODELS: Mapping[Tier, DinoModel] = MappingProxyType(
    {"bundled": BUNDLED_VIT, "light": VIT_S, "standard": VIT_B, "large": VIT_B}
)


def _by_dino(card: MetricCard) -> MetricCard:
    """The card of a Vendi score, with DINOv3's global token in the place of CLIP's embedding."""
    return replace(
        card,
        id=card.id.replace("vendi", "vendi_dino"),
        name=f"{card.name} (DINOv3)",
        formula=card.formula.replace("CLIP image features", "DINOv3's global tokens"),
        backbones=cards(LOOKERS),
        citation=f"{card.citation}; {CITATION}",
        weaknesses=(
            "Grows with the number of pictures: only equal numbers are compared, which the detail states.",
            "Sees looks and layout more than CLIP does; noise may count as variety.",
            "The bundled network knows only the bundled scenes.",
        ),
        status="experimental",
    )


class DeepDiversity(Metric):
    """How differently the pictures of a prompt are made up: mean dino-LPIPS over pairs of seeds."""

    least: ClassVar[int] = 2
    card: ClassVar[MetricCard] = MetricCard(
        id="deep_diversity",
        name="Deep diversity",
        question="Is the model just repeating itself?",
        level="prompt",
        direction="neutral",
        range=(0.0, 4.0),
        formula=(
            "mean over all pairs of a prompt's seeds of the squared difference of DINOv3's unit patch "
            "tokens, averaged over places and over blocks 3, 6, 9 and 12 (each quarter of the depth), at "
            "256 px square (bundled: 128)"
        ),
        needs=("images of one prompt",),
        backbones=cards(_MODELS),
        citation=f"{CITATION}; the form of LPIPS, Zhang et al. 2018, without learned weights",
        weaknesses=(
            "Noise counts as variety: read it beside an adherence score.",
            "Compares place by place: the same thing moved far aside is another picture to it.",
            "Bundled network, 40 drawn scenes: 15 % less light moves it by 4 % of the distance of different "
            "scenes and a shift by 4 pixels by 13 %; the bundled LPIPS moves less (2 % and 8 %).",
        ),
        status="experimental",
        version="1",
        group="variety",
    )

    def source(self, tier: Tier, assets: Path) -> LayersSource:
        """The transformer of a tier."""
        return LayersSource(_MODELS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: LayersSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return foreign(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoLayers) -> list[Score]:
        """The mean over each group's pairs, with the nearest and the farthest one."""
        return [_mean(unit, network) for unit in units]


def _mean(unit: Unit, network: DinoLayers) -> Score:
    found = squared_distances(unit.features) / network.scale**2
    if not bool(found.isfinite().all()):
        return Score.unscored("DINOv3 gave no finite number for these images; try the device 'cpu'.")
    pairs = all_pairs(len(unit.features))
    return mean_over_pairs(unit.samples, pairs, [float(found[a, b]) for a, b in pairs], network.side)


class _DinoVendi(Metric):
    """What both levels have in common."""

    def source(self, tier: Tier, assets: Path) -> LookSource:
        """The transformer of a tier; semantic match shares its pass."""
        return LookSource(LOOKERS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: LookSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return foreign(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoLooks) -> list[Score]:
        """The number of each set."""
        return [_number(unit) for unit in units]


class DinoVendi(_DinoVendi, Vendi):  # type: ignore[misc]  # the card of each is a constant
    """How many different pictures a model drew in all, by what DINOv3 sees."""

    card: ClassVar[MetricCard] = _by_dino(Vendi.card)


class DinoVendiPrompt(_DinoVendi, VendiPrompt):  # type: ignore[misc]
    """How many different pictures a model drew of one prompt, by what DINOv3 sees."""

    card: ClassVar[MetricCard] = _by_dino(VendiPrompt.card)


def _number(unit: Unit) -> Score:
    tokens = unit_tokens(unit.features)
    if not bool(tokens.isfinite().all()):
        return Score.unscored("DINOv3 gave no finite number for these images; try the device 'cpu'.")
    return Score.of(vendi(tokens), most=len(unit.features))


METRICS = (DeepDiversity, DinoVendi, DinoVendiPrompt)
