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
from metrics.cache import CacheKey, FeatureCache, FeatureKey, MemoryCache, ScoreCache
from metrics.errors import (
    BadImage,
    DeviceUnavailable,
    DuplicateMetric,
    MetricsError,
    MissingWeights,
    UnknownMetric,
)
from metrics.events import (
    BackboneLoading,
    Downloading,
    MetricEvent,
    Progress,
    Scored,
    ScoreRecipe,
    Stopped,
)
from metrics.feature_folder import FolderFeatures
from metrics.images import blank_kind
from metrics.preference import preference
from metrics.registry import Registry, create_metric, get_card, list_metrics
from metrics.runner import PICTURE_SUFFIXES, ScoreOptions, score, score_folder
from metrics.supply import needed_downloads
from metrics.torchvision_shim import install as _install_torchvision_shim

__all__ = [
    "PICTURE_SUFFIXES",
    "BackboneCard",
    "BackboneLoading",
    "BadImage",
    "CacheKey",
    "DeviceUnavailable",
    "Direction",
    "Downloading",
    "DuplicateMetric",
    "FeatureCache",
    "FeatureKey",
    "FolderFeatures",
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
    "blank_kind",
    "create_metric",
    "get_card",
    "list_metrics",
    "needed_downloads",
    "preference",
    "score",
    "score_folder",
]

_install_torchvision_shim()
