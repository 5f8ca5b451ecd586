"""Metrics on DINOv3's global token: what a picture shows, compared with other pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from metrics.base import BackboneCard, Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.dinov3_backbone import DinoSource, LookSource
from metrics.dinov3_networks import DinoLooks, Look
from metrics.dinov3_weights import BUNDLED_VIT, VIT_L, VIT_S, DinoModel
from metrics.structural import no_reference
from metrics.vocabulary import refuse_foreign

if TYPE_CHECKING:
    import torch

CITATION = "Siméoni et al. 2025, DINOv3, arXiv:2508.10104"
LOOKERS: Mapping[Tier, DinoModel] = MappingProxyType(
    {"bundled": BUNDLED_VIT, "light": VIT_S, "standard": VIT_L, "large": VIT_L}
)
"""The transformer that is read for looks, by tier."""


def cards(models: Mapping[Tier, DinoModel]) -> Mapping[Tier, BackboneCard]:
    """The cards of networks, by tier."""
    return MappingProxyType({tier: model.card for tier, model in models.items()})


def foreign(samples: Sequence[Sample], source: DinoSource) -> str | None:
    """Bundled: why pictures of prompts outside the drawn world cannot be judged; None if they can."""
    return refuse_foreign(samples, source.assets, "DINOv3") if source.bundled else None


class _Match(Metric):
    """What metrics on the global token have in common."""

    def source(self, tier: Tier, assets: Path) -> LookSource:
        """The transformer of a tier; object integrity shares its pass."""
        return LookSource(LOOKERS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: LookSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return foreign(samples, source)


class SemanticMatch(_Match):
    """How alike what a picture shows and what the prompt's reference pictures show."""

    card: ClassVar[MetricCard] = MetricCard(
        id="semantic_match",
        name="Semantic match",
        question="Does it show the same as the reference picture?",
        level="image",
        direction="higher",
        range=(-1.0, 1.0),
        formula="largest cosine of DINOv3's global token to that of a reference picture; the mean in detail",
        needs=("image", "reference images"),
        backbones=cards(LOOKERS),
        citation=CITATION,
        weaknesses=(
            "Compares pictures, not words: a reference that shows the prompt badly spoils it.",
            "Has no scale of its own: 0.6 may be near in one subject and far in another.",
            "Prompts without a reference picture are unscored.",
        ),
        status="experimental",
        version="1",
        group="adherence",
    )

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """The reference pictures of the prompt."""
        return samples[0].references

    def refusal(self, samples: Sequence[Sample], source: LookSource) -> str | None:
        """No reference, or (bundled) prompts outside the drawn world."""
        return no_reference(samples) or super().refusal(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoLooks) -> list[Score]:
        """The best cosine of each image, with all of them in detail."""
        return [_match(unit) for unit in units]


class SemanticConsensus(_Match):
    """How alike what a picture shows and what the other models drew of its prompt."""

    spares_references: ClassVar[bool] = True

    def __init__(self) -> None:
        """Know no pictures yet; `select` shows all of them."""
        self._drawn: dict[str, dict[str, list[Path]]] = {}

    card: ClassVar[MetricCard] = MetricCard(
        id="semantic_consensus",
        name="Semantic consensus",
        question="Does it show what the other models show for this prompt?",
        level="image",
        direction="higher",
        range=(-1.0, 1.0),
        formula=(
            "cosine of DINOv3's global token to the consensus: the mean over the other models of their mean "
            "unit token for this prompt"
        ),
        needs=("image", "images of other models"),
        backbones=cards(LOOKERS),
        citation=CITATION,
        weaknesses=(
            "No reference picture is in it: it says who agrees with the others, not who is right.",
            "Changes when a model is added; only models of one analysis are compared.",
            "A model that is better than all others looks like an outlier.",
        ),
        status="experimental",
        version="1",
        group="adherence",
    )

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """Every image; they are remembered by prompt and model."""
        self._drawn = {}
        for sample in (sample for unit in units for sample in unit):
            models = self._drawn.setdefault(sample.prompt, {})
            models.setdefault(sample.model, []).append(sample.path)
        return list(units)

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """The pictures that the other models drew of the prompt."""
        return tuple(path for paths in self._others(samples[0]) for path in paths)

    def refusal(self, samples: Sequence[Sample], source: LookSource) -> str | None:
        """No other model, no known prompt, or (bundled) prompts outside the drawn world."""
        if not samples[0].prompt.strip():
            return "The prompt of this picture is not known, so it has no consensus to be compared with."
        if not self._others(samples[0]):
            return "No other model drew this prompt; analyze the pictures of two models together."
        return super().refusal(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoLooks) -> list[Score]:
        """The cosine of each image to the consensus of the other models."""
        return [self._score(unit) for unit in units]

    def _score(self, unit: Unit) -> Score:
        import torch

        looks = iter(unit.references)
        models = [[next(looks) for _ in paths] for paths in self._others(unit.samples[0])]
        read = [found for model in models if (found := [look for look in model if look is not None])]
        if not read:
            return Score.unscored("No picture that another model drew of this prompt can be read.")
        consensus = torch.stack([unit_tokens(model).mean(dim=0) for model in read]).mean(dim=0)
        value = float(torch.cosine_similarity(_unit(unit.features[0]), consensus, dim=0))
        pictures = sum(len(model) for model in read)
        return _scored(value, models=len(read), pictures=pictures, compared_with="the other models")

    def _others(self, sample: Sample) -> list[list[Path]]:
        models = self._drawn.get(sample.prompt, {})
        return [models[name] for name in sorted(models) if name != sample.model]


def unit_tokens(looks: Sequence[Look]) -> "torch.Tensor":
    """The global tokens of looks at unit length; shape (looks, features), float64."""
    import torch

    return torch.stack([_unit(look) for look in looks])


def _unit(look: Look) -> "torch.Tensor":
    import torch

    return torch.nn.functional.normalize(look.token.double(), dim=0)


def _match(unit: Unit) -> Score:
    cosines = (unit_tokens(unit.references) @ _unit(unit.features[0])).tolist()
    best = max(range(len(cosines)), key=lambda place: cosines[place])
    return _scored(
        cosines[best],
        cosines=[round(value, 6) for value in cosines],
        mean=sum(cosines) / len(cosines),
        best=best,
        compared_with="the reference pictures",
    )


def _scored(value: float, **detail: Any) -> Score:
    if value != value:
        return Score.unscored("DINOv3 gave no finite number for this image; try the device 'cpu'.")
    return Score.of(max(-1.0, min(1.0, value)), **detail)


METRICS = (SemanticMatch, SemanticConsensus)
