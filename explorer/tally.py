"""How far a scoring is, metric by metric, in words; and how long its networks take a picture."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import metrics
from explorer.events import Progress
from explorer.types import Image

FEWEST = 16
"""Pictures a network must have seen before its speed says something."""
_DECODING = 2_000_000
"""Decoding and resizing a picture, as the size of a network that takes as long."""


@dataclass(slots=True)
class WatchedFeatures:
    """Passes features on and counts those that were there: they cost no time."""

    inner: metrics.FeatureCache
    hits: int = 0

    def get_many(self, keys: Sequence[metrics.FeatureKey]) -> dict[metrics.FeatureKey, bytes]:
        """The features known for these keys."""
        found = self.inner.get_many(keys)
        self.hits += len(found)
        return found

    def put_many(self, features: Mapping[metrics.FeatureKey, bytes]) -> None:
        """Keep features."""
        self.inner.put_many(features)


@dataclass(slots=True)
class Tally:
    """Counts the scores of one analysis."""

    cards: Mapping[str, metrics.MetricCard]
    """The chosen metrics by id."""
    totals: Mapping[str, int]
    """How many scores each will give."""
    done: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    """Scores that an earlier analysis had computed."""
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    service: str = ""
    """What was asked of an answerer behind an API so far."""
    _doing: str = ""
    _networks: dict[str, metrics.BackboneCard] = field(default_factory=dict)
    """Metric id -> the network that it is computed with."""
    _seen: dict[str, set[str]] = field(default_factory=dict)
    """Network id -> the pictures it has been used for."""
    _wave: set[str] = field(default_factory=set)
    """Pictures seen since the networks in memory were loaded."""
    _warm: bool = False
    """Whether a batch went through the networks in memory."""
    _since: float | None = None
    """When the first of them was through."""
    _spent: float = 0.0
    _left: float | None = None
    """Seconds that are left, as they were told last."""

    @classmethod
    def of(cls, images: Sequence[Image], chosen: Sequence[str]) -> "Tally":
        """Begin to count for pictures and metric ids."""
        sizes = {
            "image": len(images),
            "prompt": len({(image.recipe.model, image.recipe.prompt) for image in images}),
            "model": len({image.recipe.model for image in images}),
        }
        cards = {card.id: card for card in metrics.list_metrics() if card.id in chosen}
        return cls(cards, {name: sizes[card.level] for name, card in cards.items()})

    def doing(self, message: str) -> None:
        """Something else than scoring goes on, such as fetching."""
        self._pause()
        self._doing = message

    def loading(self, event: metrics.BackboneLoading) -> None:
        """A network is about to be loaded."""
        self._pause()
        self._warm = False
        self._wave.clear()
        self._doing = event.message
        for name in event.metrics:
            self._networks[name] = event.backbone

    def scored(self, event: metrics.Scored) -> None:
        """One score came."""
        self.done[event.metric] += 1
        self.known[event.metric] += event.cached
        if event.score.reason:
            self.reasons.setdefault(event.metric, Counter())[event.score.reason] += 1
        network = self._networks.get(event.metric)
        names = dict.fromkeys(card.id for name, card in self._networks.items() if self._open(name))
        self._doing = ", ".join(names) or self._doing
        if event.cached or event.score.value is None or network is None:
            return
        if self._since is None:
            self._warm = True
            return  # the first batch pays for the loading, so time begins behind it
        keys = {sample.key for sample in event.group or (event.sample,)}
        self._seen.setdefault(network.id, set()).update(keys)
        self._wave |= keys

    def progress(self, seconds_left: float | None = None) -> Progress:
        """How far it is, for who follows; the end of a batch."""
        if self._warm and self._since is None:
            self._since = time.monotonic()
        if seconds_left is not None:
            self._left = seconds_left
        return Progress(self.done.total(), sum(self.totals.values()), self.message, self._left)

    @property
    def message(self) -> str:
        """What goes on in the first line, then a line a metric."""
        service = [self.service] if self.service else []
        return "\n".join([self._first_line(), *service, *(self._line(name) for name in self.cards)])

    def notices(self) -> list[str]:
        """What has no value, and why, a line a metric."""
        return [
            f"{self.cards[name].name}: {sum(reasons.values()):,} of {self.totals[name]:,} unscored. "
            f"{_most(reasons)}"
            for name, reasons in self.reasons.items()
        ]

    def speeds(self) -> dict[str, float]:
        """Seconds a picture by network: the time spent, shared out by the size of the networks."""
        spent = self._spent + (time.monotonic() - self._since if self._since is not None else 0.0)
        cards = {card.id: card for card in self._networks.values()}
        work = {name: len(seen) * (cards[name].parameters + _DECODING) for name, seen in self._seen.items()}
        total = sum(work.values())
        enough = {name: seen for name, seen in self._seen.items() if len(seen) >= FEWEST}
        return {name: spent * work[name] / total / len(seen) for name, seen in enough.items()}

    def _open(self, name: str) -> bool:
        return self.done[name] < self.totals.get(name, 0)

    def _pause(self) -> None:
        if self._since is not None:
            self._spent += time.monotonic() - self._since
            self._since = None

    def _first_line(self) -> str:
        if self._since is None or not self._wave:
            return self._doing
        rate = 60 * len(self._wave) / max(time.monotonic() - self._since, 1e-3)
        return f"{self._doing or 'Scoring'}, {rate:,.0f} pictures a minute"

    def _line(self, name: str) -> str:
        parts = [f"{self.cards[name].name}: {self.done[name]:,} of {self.totals[name]:,}"]
        if self.known[name]:
            parts.append(f"{self.known[name]:,} known before")
        if name in self.reasons:
            parts.append(f"{sum(self.reasons[name].values()):,} unscored ({_most(self.reasons[name])})")
        return ", ".join(parts)


def _most(reasons: Counter[str]) -> str:
    """The most frequent reason, and how many others there are."""
    more = f" And {len(reasons) - 1} other reasons." if len(reasons) > 1 else ""
    return reasons.most_common(1)[0][0] + more
