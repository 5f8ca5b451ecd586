"""Metrics one can check by hand: the mean brightness of an image, and its spread in a group."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageStat

from metrics import BackboneCard, Metric, MetricCard, Registry, Sample, Score, Tier
from metrics.base import BackboneSource, Unit

CARD = MetricCard(
    id="brightness",
    name="Brightness",
    question="How bright is it?",
    level="image",
    direction="neutral",
    range=(0.0, 255.0),
    formula="mean grey value",
    needs=("image",),
    backbones={"bundled": BackboneCard("grey", "1", 1, 0, "MIT")},
    citation="none",
    weaknesses=("a toy",),
    status="experimental",
    version="1",
)


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class GreyNetwork:
    """Features are mean grey values. Notes what it saw; refuses batches over its memory."""

    view = "grey"

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.batches: list[int] = []
        self.decoded = 0

    def prepare(self, image: Image.Image) -> float:
        self.decoded += 1
        return ImageStat.Stat(image.convert("L")).mean[0]

    def encode(self, prepared: Sequence[float]) -> list[float]:
        if len(prepared) > self.memory:
            raise OutOfMemoryError("out of memory")
        if any(value == 13.0 for value in prepared):
            raise RuntimeError("unlucky number")
        self.batches.append(len(prepared))
        return list(prepared)


@dataclass(frozen=True)
class GreySource(BackboneSource):
    """Where the grey network comes from; keeps the networks it loaded."""

    memory: int = 1000
    loaded: list[GreyNetwork] = field(default_factory=list, compare=False)
    card: ClassVar[BackboneCard] = CARD.backbones["bundled"]  # type: ignore[misc]
    revision: ClassVar[str] = "1"  # type: ignore[misc]
    preprocessing: ClassVar[str] = "1"  # type: ignore[misc]

    def load(self, device: str) -> GreyNetwork:
        self.loaded.append(GreyNetwork(self.memory))
        return self.loaded[-1]


def grey_registry(source: GreySource) -> Registry:
    """A registry with brightness (image), darkness (image) and spread (prompt) on one source."""

    class Brightness(Metric):
        card = CARD

        def source(self, tier: Tier, assets: Path) -> GreySource:
            return source

        def refusal(self, samples: Sequence[Sample], source: Any) -> str | None:
            return "no thanks" if samples[0].prompt == "refuse" else None

        def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
            return [self.value(unit.features) for unit in units]

        def value(self, greys: Sequence[float]) -> Score:
            return Score.of(greys[0])

    class Darkness(Brightness):
        card = replace(CARD, id="darkness", name="Darkness")

        def text(self, samples: Sequence[Sample]) -> str:
            return samples[0].prompt

        def value(self, greys: Sequence[float]) -> Score:
            return Score.of(255.0 - greys[0])

    class Spread(Brightness):
        card = replace(CARD, id="spread", name="Spread", level="prompt")
        least = 2

        def value(self, greys: Sequence[float]) -> Score:
            return Score.of(max(greys) - min(greys))

    return Registry([Brightness, Darkness, Spread])


def write_greys(folder: Path, values: Sequence[int]) -> list[Sample]:
    """One picture of each grey value, and its samples; pairs share a prompt."""
    samples = []
    for place, value in enumerate(values):
        path = folder / f"grey_{place}_{value}.png"
        Image.new("RGB", (8, 8), (value, value, value)).save(path)
        samples.append(Sample(path.name, path, prompt=f"prompt {place // 2}", model="m"))
    return samples
