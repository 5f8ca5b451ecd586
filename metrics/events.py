"""What `metrics.score` tells while it works."""

from dataclasses import dataclass

from metrics.base import BackboneCard, Sample, Score
from metrics.cache import CacheKey

ScoreRecipe = CacheKey
"""The recipe of a score is the key it is kept by: one thing, two points of view."""


@dataclass(frozen=True)
class Scored:
    """One value, or the reason for none. Every (unit, metric) gets exactly one of these.

    Attributes:
        sample: The image; the first of the group for prompt and model level.
        metric: Metric id.
        score: The value or the reason.
        recipe: Everything the value depends on.
        cached: Whether it was known before.
        group: All images of the unit; one at image level.
    """

    sample: Sample
    metric: str
    score: Score
    recipe: ScoreRecipe
    cached: bool
    group: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far the analysis is.

    Attributes:
        done: Scores given so far, also unscored and cached ones.
        total: Scores there will be.
        seconds_left: Estimate from the computed scores; None before the first batch.
        message: What is being done, for people.
    """

    done: int
    total: int
    seconds_left: float | None
    message: str


@dataclass(frozen=True)
class BackboneLoading:
    """A network is about to be loaded; one that must be fetched is told as `Downloading` first.

    Attributes:
        backbone: Its card, with size and licence.
        metrics: The metrics it serves.
        message: The same for people.
    """

    backbone: BackboneCard
    metrics: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Downloading:
    """Weights are being fetched, because `ScoreOptions.download` allows it.

    Attributes:
        backbone: The network's card, with size and licence.
        file: Name of the file.
        done: Bytes fetched so far.
        total: Bytes of the file; 0 while not known.
        seconds_left: Estimate for this file; None while not known.
        message: The same for people.
    """

    backbone: BackboneCard
    file: str
    done: int
    total: int
    seconds_left: float | None
    message: str


@dataclass(frozen=True)
class Stopped:
    """The analysis was cancelled; this is its last event. Finished scores are kept.

    Attributes:
        done: Scores given.
        total: Scores there would have been.
    """

    done: int
    total: int


MetricEvent = Scored | Progress | BackboneLoading | Downloading | Stopped
