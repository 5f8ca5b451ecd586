"""What a score depends on, and a place to keep scores by it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from metrics.base import Score


@dataclass(frozen=True)
class CacheKey:
    """Everything a score depends on, in named parts: its recipe.

    File names are no part of it, so a renamed or copied image is still known.

    Attributes:
        image_hash: SHA-256 of the image's bytes, or of the sorted hashes of a group's images;
            "" when the file could not be read.
        text_hash: SHA-256 of the text the metric reads; "" when it reads none.
        metric: Metric id.
        metric_version: The card's version.
        tier: Which weights.
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
