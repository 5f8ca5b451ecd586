"""Measures images: metrics with cards, scores with reasons, one runner.

Works alone on a folder of images; see `metrics.score`. Importing it loads no network library.
"""

from metrics.base import (
    BackboneCard,
    Direction,
    Level,
    Metric,
    MetricCard,
    Sample,
    Score,
    Status,
    Tier,
)
from metrics.cache import CacheKey, MemoryCache, ScoreCache
from metrics.errors import (
    BadImage,
    DeviceUnavailable,
    DuplicateMetric,
    MetricsError,
    MissingWeights,
    UnknownMetric,
)
from metrics.events import BackboneLoading, MetricEvent, Progress, Scored, ScoreRecipe, Stopped
from metrics.registry import Registry, create_metric, get_card, list_metrics
from metrics.runner import PICTURE_SUFFIXES, ScoreOptions, score, score_folder
from metrics.torchvision_shim import install as _install_torchvision_shim

__all__ = [
    "PICTURE_SUFFIXES",
    "BackboneCard",
    "BackboneLoading",
    "BadImage",
    "CacheKey",
    "DeviceUnavailable",
    "Direction",
    "DuplicateMetric",
    "Level",
    "MemoryCache",
    "Metric",
    "MetricCard",
    "MetricEvent",
    "MetricsError",
    "MissingWeights",
    "Progress",
    "Registry",
    "Sample",
    "Score",
    "ScoreCache",
    "ScoreOptions",
    "ScoreRecipe",
    "Scored",
    "Status",
    "Stopped",
    "Tier",
    "UnknownMetric",
    "create_metric",
    "get_card",
    "list_metrics",
    "score",
    "score_folder",
]

_install_torchvision_shim()
