"""Metrics on LPIPS, the perceptual distance. It changes with resolution, so that is fixed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from metrics.base import BackboneCard, Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.images import SQUARE
from metrics.lpips_backbone import ALEX_CARD, BUNDLED_CARD, LpipsNetwork, LpipsSource, distances
from metrics.pairs import all_pairs, mean_over_pairs
from metrics.structural import no_reference
from metrics.vocabulary import refuse_foreign

_TIERS: Mapping[Tier, BackboneCard] = {
    "bundled": BUNDLED_CARD,
    "light": ALEX_CARD,
    "standard": ALEX_CARD,
    "large": ALEX_CARD,
}
_CITATION = "Zhang et al. 2018, LPIPS, arXiv:1801.03924; v0.1, AlexNet"
_BUNDLED_SCALE = "The bundled network has a scale of its own and knows the drawn world only."

# 16 seeds of 16 prompts are 1,920 pairs. More features would not be small beside the batch.
MOST_PAIRS, MOST_SEEDS = 2_000, 16
_CHOICE_SEED = 20_260_101


@dataclass(frozen=True)
class _Bundled(LpipsSource):
    """The bundled network, with the list of words it belongs to."""

    assets: Path = field(default=Path(), compare=False)


class _Perceptual(Metric):
    """What metrics on LPIPS have in common."""

    def source(self, tier: Tier, assets: Path) -> LpipsSource:
        """The LPIPS of a tier."""
        return _Bundled(assets / "lpips", assets=assets) if tier == "bundled" else LpipsSource(None)

    def refusal(self, samples: Sequence[Sample], source: LpipsSource) -> str | None:
        """Bundled: prompts outside the drawn world."""
        return refuse_foreign(samples, source.assets, "LPIPS") if isinstance(source, _Bundled) else None


class LpipsDiversity(_Perceptual):
    """How different the pictures of a prompt look: mean LPIPS over pairs of seeds."""

    least: ClassVar[int] = 2
    card: ClassVar[MetricCard] = MetricCard(
        id="lpips_diversity",
        name="LPIPS diversity",
        question="Do different seeds give different pictures?",
        level="prompt",
        direction="neutral",
        range=(0.0, None),
        formula=f"mean LPIPS (v0.1, AlexNet) over all pairs of a prompt's seeds, at {SQUARE} px square",
        needs=("images of one prompt",),
        backbones=_TIERS,
        citation=_CITATION,
        weaknesses=(
            "Noise counts as variety: read it beside an adherence score.",
            "Pictures of every shape are squeezed into one square first.",
            _BUNDLED_SCALE,
        ),
        status="established",
        version="1",
        group="variety",
    )

    def judge(self, units: Sequence[Unit], network: LpipsNetwork) -> list[Score]:
        """The mean over each group's pairs."""
        return [_mean(unit, all_pairs(len(unit.features))) for unit in units]


class CrossPromptDiversity(_Perceptual):
    """How different a model's pictures of different prompts look: mean LPIPS at the same seed."""

    least: ClassVar[int] = 2
    card: ClassVar[MetricCard] = MetricCard(
        id="cross_prompt_diversity",
        name="Cross-prompt diversity",
        question="Do different prompts give different pictures, or does everything look alike?",
        level="model",
        direction="neutral",
        range=(0.0, None),
        formula=(
            f"mean LPIPS over pairs of different prompts at the same seed, at {SQUARE} px square; all pairs, "
            f"or those of a fixed random choice of {MOST_SEEDS} seeds and as many prompts as give "
            f"{MOST_PAIRS:,} pairs"
        ),
        needs=("images of several prompts with the same seeds",),
        backbones=_TIERS,
        citation=_CITATION,
        weaknesses=(
            "Depends on how different the suite's prompts are: compare models on one suite only.",
            "A low value beside a usual LPIPS diversity means one look for everything.",
            _BUNDLED_SCALE,
        ),
        status="experimental",
        version="1",
        group="variety",
    )

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """All images, or a fixed choice of seeds and prompts where there are many."""
        return [_choice(unit) for unit in units]

    def refusal(self, samples: Sequence[Sample], source: LpipsSource) -> str | None:
        """No two prompts share a seed, or (bundled) prompts outside the drawn world."""
        if not _same_seed_pairs(samples):
            return "Needs pictures of at least two prompts with the same seed; draw more prompts."
        return super().refusal(samples, source)

    def judge(self, units: Sequence[Unit], network: LpipsNetwork) -> list[Score]:
        """The mean over each model's pairs."""
        return [self._score(unit) for unit in units]

    def _score(self, unit: Unit) -> Score:
        pairs = _same_seed_pairs(unit.samples)
        if not pairs:
            return Score.unscored("Too few of these pictures can be read; generate them again.")
        by_seed: dict[int | None, list[tuple[int, int]]] = {}
        for pair in pairs:
            by_seed.setdefault(unit.samples[pair[0]].seed, []).append(pair)
        values: dict[tuple[int, int], float] = {}
        for same in by_seed.values():
            members = sorted({place for pair in same for place in pair})
            found = distances([unit.features[place] for place in members])
            at = {place: row for row, place in enumerate(members)}
            values |= {(a, b): float(found[at[a], at[b]]) for a, b in same}
        return mean_over_pairs(unit.samples, pairs, [values[pair] for pair in pairs], SQUARE)


class ReferenceSimilarity(_Perceptual):
    """How alike an image and the prompt's reference picture look: 1 - LPIPS; the best of several."""

    card: ClassVar[MetricCard] = MetricCard(
        id="reference_similarity",
        name="Likeness to the reference",
        question="Does it look like the reference picture?",
        level="image",
        direction="higher",
        range=(None, 1.0),
        formula=f"1 - smallest LPIPS (v0.1, AlexNet) to a reference, both at {SQUARE} px square",
        needs=("image", "reference images"),
        backbones=_TIERS,
        citation=_CITATION,
        weaknesses=(
            "One reference is one of many right pictures.",
            "Prompts without a reference picture are unscored.",
            _BUNDLED_SCALE,
        ),
        status="established",
        version="1",
        group="reference",
    )

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """The reference pictures of the prompt."""
        return samples[0].references

    def refusal(self, samples: Sequence[Sample], source: LpipsSource) -> str | None:
        """No reference, or (bundled) a prompt outside the drawn world."""
        return no_reference(samples) or super().refusal(samples, source)

    def judge(self, units: Sequence[Unit], network: LpipsNetwork) -> list[Score]:
        """The best likeness of each image, with all distances in detail."""
        return [_likeness(unit) for unit in units]


def _mean(unit: Unit, pairs: Sequence[tuple[int, int]]) -> Score:
    found = distances(unit.features)
    if not bool(found.isfinite().all()):
        return Score.unscored("LPIPS gave no finite number for these images; try the device 'cpu'.")
    return mean_over_pairs(unit.samples, pairs, [float(found[a, b]) for a, b in pairs], SQUARE)


def _likeness(unit: Unit) -> Score:
    found = distances([unit.features[0], *unit.references])[0, 1:].tolist()
    return Score.of(1.0 - min(found), lpips=found, resolution=SQUARE)


def _same_seed_pairs(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Pairs of images of different prompts at the same known seed."""
    by_seed: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        if sample.seed is not None:
            by_seed.setdefault(sample.seed, []).append(place)
    return [
        (places[a], places[b])
        for places in by_seed.values()
        for a, b in all_pairs(len(places))
        if samples[places[a]].prompt != samples[places[b]].prompt
    ]


def _choice(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The images to compare: all of them, or those of a fixed choice of seeds and prompts."""
    prompts = sorted({sample.prompt for sample in samples})
    seeds = sorted({sample.seed for sample in samples if sample.seed is not None})
    possible = len(seeds) * len(prompts) * (len(prompts) - 1) // 2
    if possible <= MOST_PAIRS and len(seeds) <= MOST_SEEDS:
        return samples
    rng = random.Random(_CHOICE_SEED)
    kept_seeds = set(rng.sample(seeds, min(MOST_SEEDS, len(seeds))))
    count = len(prompts)
    while count > 2 and len(kept_seeds) * count * (count - 1) // 2 > MOST_PAIRS:
        count -= 1
    kept_prompts = set(rng.sample(prompts, count))
    return tuple(s for s in samples if s.seed in kept_seeds and s.prompt in kept_prompts)


METRICS = (LpipsDiversity, CrossPromptDiversity, ReferenceSimilarity)
