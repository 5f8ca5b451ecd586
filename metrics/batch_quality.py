"""How far a whole folder of pictures is from a set of good ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.dinov3 import CITATION, cards, foreign
from metrics.dinov3_backbone import PooledSource
from metrics.dinov3_networks import DinoPooled
from metrics.dinov3_weights import BUNDLED_CONVNEXT, CONVNEXT_BASE, CONVNEXT_TINY, DinoModel
from metrics.errors import BadImage
from metrics.images import PICTURE_SUFFIXES, hash_file
from metrics.reference_sets import SUFFIX, Statistics, mismatch, read_recipe, read_set, summed_up
from metrics.set_distances import frechet, mmd, nearest

if TYPE_CHECKING:
    import numpy as np

LEAST = 50
"""Fewer pictures a side say nothing."""
ROUGH_UNDER = 1_000
FRECHET_FROM = 2_000
_LISTED = 10
_NEIGHBORS = 5
MODELS: Mapping[Tier, DinoModel] = MappingProxyType(
    {
        "bundled": BUNDLED_CONVNEXT,
        "light": CONVNEXT_TINY,
        "standard": CONVNEXT_BASE,
        "large": CONVNEXT_BASE,
    }
)


class BatchQuality(Metric):
    """The kernel distance of a model's pictures to a reference set, by DINOv3 ConvNeXt features.

    Reference: Binkowski et al. 2018, the kernel inception distance, with another network.
    """

    least: ClassVar[int] = LEAST
    card: ClassVar[MetricCard] = MetricCard(
        id="batch_quality",
        name="Batch quality",
        question="Does this whole folder look natural?",
        level="model",
        direction="lower",
        range=(None, None),
        formula=(
            "unbiased squared MMD with the cubic kernel of KID (gamma 1 / d) between the pooled DINOv3 "
            f"ConvNeXt features of a model's pictures and of a reference set, from {LEAST} pictures a side; "
            f"Frechet distance in detail from {FRECHET_FROM:,}"
        ),
        needs=("images of a model", "reference set"),
        backbones=cards(MODELS),
        citation=f"{CITATION}; Binkowski et al. 2018, KID, arXiv:1801.01401",
        weaknesses=(
            "Says how alike two sets are: a reference of another subject is as far away as bad pictures.",
            f"Rough under {ROUGH_UNDER:,} pictures: read the interval; compare equal numbers only.",
            f"Of a reference, a fixed random choice of {2_000:,} feature vectors is compared.",
            "Pictures of every shape are squeezed into one square first.",
            "The bundled network does not see noise under 64 of 255; blur and lost colour it does.",
        ),
        status="experimental",
        version="1",
        group="quality",
    )

    def source(self, tier: Tier, assets: Path) -> PooledSource:
        """The ConvNeXt of a tier."""
        return PooledSource(MODELS[tier], assets)

    def text(self, samples: Sequence[Sample]) -> str:
        """The content of a stored set; pictures to compare with are told as references."""
        if not self._stored:
            return ""
        try:
            return f"reference set {hash_file(self._stored)}"
        except BadImage:
            return ""  # refused below

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """The pictures of the reference folder, in the order of their names; or those of the prompts."""
        if self.reference is not None:
            return () if self._stored else pictures_of(self.reference)
        return tuple(dict.fromkeys(path for sample in samples for path in sample.references))

    def refusal(self, samples: Sequence[Sample], source: PooledSource) -> str | None:
        """No reference set, one that is too small or another network's, or (bundled) foreign prompts."""
        return self._no_reference(samples, source) or foreign(samples, source)

    def judge(self, units: Sequence[Unit], network: DinoPooled) -> list[Score]:
        """The distance of each model's pictures, and its most and least natural ones."""
        stored = read_set(self._stored)[1] if self._stored else None
        return [_score(unit, stored) for unit in units]

    @property
    def _stored(self) -> Path | None:
        path = self.reference
        return path if path is not None and (path.suffix == SUFFIX or path.is_file()) else None

    def _no_reference(self, samples: Sequence[Sample], source: PooledSource) -> str | None:
        if self._stored:
            recipe = read_recipe(self._stored)
            wrong = mismatch(recipe, (source.card.id, source.revision, source.preprocessing))
            return wrong or _too_small(recipe.count)
        if self.reference is not None and not self.reference.is_dir():
            return f"There is no reference {self.reference}; name a folder of pictures or a stored set."
        count = len(self.references(samples))
        if not count and self.reference is None:
            return "Nothing to compare with: name a reference, a folder of good pictures or a stored set."
        return _too_small(count)


def pictures_of(folder: Path) -> tuple[Path, ...]:
    """The picture files below a folder, in the order of their names."""
    return tuple(
        sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
        )
    )


def _too_small(count: int) -> str | None:
    if count >= LEAST:
        return None
    return f"The reference set has {count} pictures and needs {LEAST}; add more good ones."


def _score(unit: Unit, stored: Statistics | None) -> Score:
    own = _rows(unit.features)
    reference = stored or summed_up(_rows(unit.references))
    if not bool((own.sum() + reference.mean.sum() + reference.features.sum()) < float("inf")):
        return Score.unscored("DINOv3 gave no finite number for these images; try the device 'cpu'.")
    found = mmd(own, reference.features)
    few = min(len(own), reference.count)
    detail: dict[str, Any] = {
        "low": found.low,
        "high": found.high,
        "reference_pictures": reference.count,
        "reference_compared": len(reference.features),
        "rough": few < ROUGH_UNDER,
    }
    if few >= FRECHET_FROM:
        mine = summed_up(own)
        detail["frechet"] = frechet(mine.mean, mine.covariance, reference.mean, reference.covariance)
    return Score.of(found.value, **detail, **_extremes(unit.samples, own, reference))


def _extremes(
    samples: Sequence[Sample], own: "np.ndarray[Any, Any]", reference: Statistics
) -> dict[str, Any]:
    """The pictures nearest to the reference pictures and farthest from them, by hash with the distance."""
    distances = nearest(own, reference.features, _NEIGHBORS)
    # Hashes, because the score is also that of the same images under other names.
    named = sorted(
        (round(float(far), 4), sample.image_hash or "")
        for far, sample in zip(distances, samples, strict=True)
    )
    pairs = [[image, far] for far, image in named]
    return {"most_natural": pairs[:_LISTED], "least_natural": pairs[::-1][:_LISTED]}


def _rows(features: Sequence[Any]) -> "np.ndarray[Any, Any]":
    import numpy as np

    return np.stack([feature.numpy() for feature in features]).astype(np.float64)


METRICS = (BatchQuality,)
