"""How many different pictures there are in a set, without a reference set."""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.clip_backbone import CARDS, MODELS, ClipSource
from metrics.vocabulary import refuse_foreign

if TYPE_CHECKING:
    import torch

_CHOICE_SEED = 20_260_101
_FORMULA = "exp(entropy of the eigenvalues of the cosine kernel / n) of CLIP image features; 1 to n"
_CITATION = "Friedman, Dieng 2023, Vendi score, arXiv:2210.02410"
_WEAKNESSES = (
    "Grows with the number of pictures: only equal numbers are compared, which the detail states.",
    "CLIP sees contents more than looks; noise may count as variety.",
    "The bundled network knows only the bundled scenes.",
)


class _Vendi(Metric):
    """What both levels have in common."""

    least: ClassVar[int] = 2

    def source(self, tier: Tier, assets: Path) -> ClipSource:
        """The CLIP of a tier, as for the CLIP score."""
        return ClipSource(MODELS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: ClipSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return None if source.model.file else refuse_foreign(samples, source.assets, "CLIP")

    def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
        """The number of each set."""
        return [_score(unit) for unit in units]


class Vendi(_Vendi):
    """How many different pictures a model drew in all.

    Reference: Friedman and Dieng 2023, the Vendi score.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="vendi",
        name="Vendi score",
        question="How many truly different pictures did the model draw?",
        level="model",
        direction="neutral",
        range=(1.0, None),
        formula=f"{_FORMULA}; over all pictures of a model, as many of each model",
        needs=("images of a model",),
        backbones=CARDS,
        citation=_CITATION,
        weaknesses=_WEAKNESSES,
        status="established",
        version="1",
        group="variety",
    )

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """As many images of each model as the smallest has."""
        return _equal(units)


class VendiPrompt(_Vendi):
    """How many different pictures a model drew of one prompt.

    Reference: Friedman and Dieng 2023, the Vendi score.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="vendi_prompt",
        name="Vendi score of a prompt",
        question="How many truly different pictures does a prompt give?",
        level="prompt",
        direction="neutral",
        range=(1.0, None),
        formula=f"{_FORMULA}; over the seeds of a prompt, as many of each model",
        needs=("images of one prompt",),
        backbones=CARDS,
        citation=_CITATION,
        weaknesses=_WEAKNESSES,
        status="established",
        version="1",
        group="variety",
    )

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """As many images of a prompt of each model as the smallest has."""
        of_prompt: dict[str, list[int]] = {}
        for place, unit in enumerate(units):
            of_prompt.setdefault(unit[0].prompt if unit else "", []).append(place)
        chosen = list(units)
        for places in of_prompt.values():
            for place, unit in zip(places, _equal([units[place] for place in places]), strict=True):
                chosen[place] = unit
        return chosen


def vendi(features: "torch.Tensor") -> float:
    """The Vendi score of unit vectors.

    Args:
        features: Shape (n, features), unit length, n at least 1.

    Returns:
        1 (all alike) to n (all orthogonal).
    """
    import torch

    vectors = features.double()
    count, width = vectors.shape
    # Both products have the same eigenvalues but for zeros; the smaller one costs less.
    kernel = (vectors @ vectors.T if count <= width else vectors.T @ vectors) / count
    eigenvalues = torch.linalg.eigvalsh(kernel).clamp(min=0)
    present = eigenvalues[eigenvalues > 0]
    return math.exp(float(-(present * present.log()).sum()))


def _score(unit: Unit) -> Score:
    import torch

    features = torch.stack(list(unit.features))
    if not bool(features.isfinite().all()):
        return Score.unscored("CLIP gave no finite number for these images; try the device 'cpu'.")
    return Score.of(vendi(features), most=len(unit.features))


def _equal(units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
    """Equally many images of each unit, by a fixed random choice; units of one stay as they are."""
    sizes = [len(unit) for unit in units if len(unit) >= _Vendi.least]
    return [_fewer(unit, min(sizes)) if len(unit) >= _Vendi.least else unit for unit in units]


def _fewer(unit: tuple[Sample, ...], count: int) -> tuple[Sample, ...]:
    if len(unit) == count:
        return unit
    # By content, so that neither names nor the order of a folder change the choice.
    places = sorted(range(len(unit)), key=lambda place: (unit[place].prompt, unit[place].image_hash or ""))
    kept = set(random.Random(_CHOICE_SEED).sample(places, count))
    return tuple(sample for place, sample in enumerate(unit) if place in kept)


METRICS = (Vendi, VendiPrompt)
