"""What a score and a feature depend on, and places to keep them by it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from metrics.base import Score


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Everything a score depends on, in named parts: its recipe.

    File names are no part of it, so a renamed or copied image is still known.

    Attributes:
        image_hash: SHA-256 of the image's bytes, or of the sorted hashes of a group's images;
            "" when the file could not be read.
        text_hash: SHA-256 of what else the metric reads: the text, and the hashes of
            reference images; "" when it reads neither.
        metric: Metric id.
        metric_version: The card's version.
        tier: Which weights; where a person chose another answerer, its name.
        backbone: Network id; "" when the metric has none in this tier.
        revision: What identifies the weights; "" when they are missing.
        preprocessing: What identifies the way from pixels and text to the network.
    """

    image_hash: str
    text_hash: str
    metric: str
    metric_version: str
    tier: str
    backbone: str
    revision: str
    preprocessing: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the named parts; the same in every process and version."""
        parts = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(parts.encode()).hexdigest()


class ScoreCache(Protocol):
    """Where scores are kept between analyses. Only values are kept, never reasons."""

    def get_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Score]:
        """The scores known for these keys; absent keys are absent."""

    def put_many(self, scores: Mapping[CacheKey, Score]) -> None:
        """Keep scores."""


class MemoryCache:
    """Keeps scores as long as the object lives."""

    def __init__(self) -> None:
        """Start empty."""
        self._scores: dict[CacheKey, Score] = {}

    def __len__(self) -> int:
        """How many scores are kept."""
        return len(self._scores)

    def get_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Score]:
        """The scores known for these keys; absent keys are absent."""
        return {key: self._scores[key] for key in keys if key in self._scores}

    def put_many(self, scores: Mapping[CacheKey, Score]) -> None:
        """Keep the scores that have a value; a reason may be gone the next time."""
        self._scores.update({key: score for key, score in scores.items() if score.value is not None})


@dataclass(frozen=True, slots=True)
class FeatureKey:
    """Everything a feature of one image depends on.

    Attributes:
        image_hash: SHA-256 of the image's bytes.
        backbone: Network id.
        revision: What identifies the weights.
        preprocessing: What identifies the way from pixels to the network.
        kind: Which feature of the network, and how it is written.
    """

    image_hash: str
    backbone: str
    revision: str
    preprocessing: str
    kind: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the named parts; the same in every process and version."""
        parts = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(parts.encode()).hexdigest()


class FeatureCache(Protocol):
    """Where features are kept between analyses. It may forget any of them at any time.

    With it, adding an image to a group that was scored costs one pass through each network,
    not a pass for each image of the group. Sizes of one image's features: CLIP embedding 0.5
    to 4 kB, 256 px picture 197 kB, LPIPS layer maps 1.3 MB.
    """

    def get_many(self, keys: Sequence[FeatureKey]) -> dict[FeatureKey, bytes]:
        """The features known for these keys; absent keys are absent."""

    def put_many(self, features: Mapping[FeatureKey, bytes]) -> None:
        """Keep features."""
