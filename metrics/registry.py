"""Which metrics there are, by name. Family modules are importable without torch."""

from collections.abc import Iterable
from typing import Self

from metrics.aesthetic import METRICS as AESTHETIC
from metrics.base import Metric, MetricCard
from metrics.batch_quality import METRICS as BATCH_QUALITY
from metrics.clip import METRICS as CLIP
from metrics.deep_diversity import METRICS as DEEP_DIVERSITY
from metrics.dino_text import METRICS as DINO_TEXT
from metrics.dinov3 import METRICS as DINOV3
from metrics.distribution import METRICS as DISTRIBUTION
from metrics.errors import DuplicateMetric, UnknownMetric
from metrics.geneval import METRICS as GENEVAL
from metrics.object_integrity import METRICS as OBJECT_INTEGRITY
from metrics.perceptual import METRICS as PERCEPTUAL
from metrics.preference import METRICS as PREFERENCE
from metrics.structural import METRICS as STRUCTURAL
from metrics.vqa import METRICS as VQA


class Registry:
    """Metric classes by the id of their card."""

    def __init__(self, metrics: Iterable[type[Metric]] = ()) -> None:
        """Register the given classes.

        Raises:
            DuplicateMetric: Two of them have the same id.
        """
        self._metrics: dict[str, type[Metric]] = {}
        for metric in metrics:
            self.register(metric)

    @classmethod
    def standard(cls) -> Self:
        """Every metric of this library; a new family is one more line here."""
        families = (
            CLIP,
            VQA,
            GENEVAL,
            PREFERENCE,
            AESTHETIC,
            PERCEPTUAL,
            STRUCTURAL,
            DISTRIBUTION,
            DINOV3,
            DINO_TEXT,
            DEEP_DIVERSITY,
            OBJECT_INTEGRITY,
            BATCH_QUALITY,
        )
        return cls(metric for family in families for metric in family)

    def register(self, metric: type[Metric]) -> None:
        """Add a metric.

        Raises:
            DuplicateMetric: Another class has its id; the message names both.
        """
        name = metric.card.id
        owner = self._metrics.get(name)
        if owner is not None:
            raise DuplicateMetric(
                f"{_place(metric)} and {_place(owner)} are both named {name!r}; rename one of them."
            )
        self._metrics[name] = metric

    def cards(self) -> list[MetricCard]:
        """Every card, in the order of registration."""
        return [metric.card for metric in self._metrics.values()]

    def card(self, name: str) -> MetricCard:
        """The card of one metric.

        Raises:
            UnknownMetric: No metric has this name; the message lists near ones.
        """
        return self._find(name).card

    def create(self, name: str) -> Metric:
        """A new metric object; it loads nothing.

        Raises:
            UnknownMetric: No metric has this name; the message lists near ones.
        """
        return self._find(name)()

    def _find(self, name: str) -> type[Metric]:
        if name not in self._metrics:
            raise UnknownMetric(name, self._metrics)
        return self._metrics[name]


def list_metrics() -> list[MetricCard]:
    """The card of every metric; loads no network library."""
    return Registry.standard().cards()


def get_card(name: str) -> MetricCard:
    """The card of one metric.

    Raises:
        UnknownMetric: No metric has this name; the message lists near ones.
    """
    return Registry.standard().card(name)


def create_metric(name: str) -> Metric:
    """A new metric object; it loads nothing.

    Raises:
        UnknownMetric: No metric has this name; the message lists near ones.
    """
    return Registry.standard().create(name)


def _place(metric: type[Metric]) -> str:
    return f"{metric.__module__}.{metric.__qualname__}"
