"""The nouns of the library: cards, scores, samples, and what a metric and a network must offer.

A metric reads *units*. At image level a unit is one image; at prompt level it is all images
of one (model, prompt); at model level all images of one model. Networks never see units:
they turn images into features, once, and every metric on that network reads the features.
A network may also read the features of another one, as a predictor on CLIP embeddings does.

Plain data and interfaces only: this file imports no network library.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

if TYPE_CHECKING:
    from PIL.Image import Image

    from metrics.downloads import WeightsFile
    from metrics.questions import Question, Scene

Tier = Literal["bundled", "light", "standard", "large"]
Level = Literal["image", "prompt", "model"]
Direction = Literal["higher", "lower", "neutral"]
Status = Literal["established", "experimental"]
Group = Literal["adherence", "variety", "quality", "reference"]


@dataclass(frozen=True)
class BackboneCard:
    """The network behind a metric in one tier.

    Attributes:
        id: Name of the network, as stored with every score.
        revision: Commit of the weights on the Hub, or how the revision is found.
        parameters: Number of parameters; 0 where nothing was learned.
        download_mb: Size of the download in megabytes (10^6 bytes); 0 when there is none.
        licence: Licence of the weights.
    """

    id: str
    revision: str
    parameters: int
    download_mb: int
    licence: str


@dataclass(frozen=True)
class MetricCard:
    """Everything a person should know about a metric; dialogs, tables and lists read it.

    Attributes:
        id: The unique name, such as "clip_score".
        name: The name people see.
        question: The question it answers, as a person would ask it.
        level: What one value belongs to.
        direction: Whether higher is better, lower is better, or neither.
        range: Smallest and largest possible value; None where there is no bound.
        formula: How the value is computed.
        needs: What it reads, such as ("image", "prompt").
        backbones: The network by tier; a tier that is absent cannot compute it.
        citation: Where it was published.
        weaknesses: What it is known to get wrong.
        status: Whether the field trusts it.
        version: Changes when the same input gives another value.
        group: What kind of question it answers; lists are sorted by it.
    """

    id: str
    name: str
    question: str
    level: Level
    direction: Direction
    range: tuple[float | None, float | None]
    formula: str
    needs: tuple[str, ...]
    backbones: Mapping[Tier, BackboneCard]
    citation: str
    weaknesses: tuple[str, ...]
    status: Status
    version: str
    group: Group = "adherence"

    def to_dict(self) -> dict[str, Any]:
        """The card as plain JSON values (lists, not tuples)."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "range": list(self.range),
            "needs": list(self.needs),
            "weaknesses": list(self.weaknesses),
            "backbones": {tier: asdict(card) for tier, card in self.backbones.items()},
        }


@dataclass(frozen=True)
class Score:
    """A value, or the reason why there is none; always with its evidence.

    Attributes:
        value: The finite number, or None when unscored.
        reason: Why there is no number, in words a person can act on; None when scored.
        detail: The evidence as plain JSON values.
    """

    value: float | None
    reason: str | None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a value that is no number, and anything but exactly one of value and reason.

        Raises:
            ValueError: The value is not finite, or both or neither of the two are given.
        """
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"A score is a finite number, not {self.value}; use Score.unscored(reason).")
        if (self.value is None) == (not self.reason):
            raise ValueError("A score has either a value or a reason: use Score.of or Score.unscored.")

    @classmethod
    def of(cls, value: float, **detail: Any) -> Self:
        """A scored value.

        Raises:
            ValueError: The value is not finite.
        """
        return cls(float(value), None, detail)

    @classmethod
    def unscored(cls, reason: str, **detail: Any) -> Self:
        """No value, and why.

        Raises:
            ValueError: The reason is empty.
        """
        return cls(None, reason, detail)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to score.

    Attributes:
        key: The caller's name for it; comes back with every score.
        path: The image file.
        prompt: The text it was made from; "" when unknown.
        image_hash: SHA-256 of the file's bytes in hex; None: computed when needed.
        model: Which model made it; groups the samples of prompt and model level.
        seed: The seed it was made with, when known.
        references: Pictures of what the prompt asks for, to compare with.
        questions: What to ask about it, as its suite says; empty: made from the prompt.
        questions_by: The language model that wrote them; "": the suite's author.
        scene: What a detector must find, as its suite says; None: made from the prompt.
    """

    key: str
    path: Path
    prompt: str = ""
    image_hash: str | None = None
    model: str = ""
    seed: int | None = None
    references: tuple[Path, ...] = ()
    questions: "tuple[Question, ...]" = ()
    questions_by: str = ""
    scene: "Scene | None" = None


@dataclass(frozen=True)
class Unit:
    """What one value belongs to, with one feature per image from the network.

    Attributes:
        samples: The images: exactly one at image level.
        features: What `Network.encode` gave for each, in the same order.
        references: What it gave for each of `Metric.references`.
    """

    samples: tuple[Sample, ...]
    features: tuple[Any, ...]
    references: tuple[Any, ...] = ()


class Network(Protocol):
    """A loaded network. Used in the caller's thread.

    A network of torch may show its module as `module`: stopping then takes one layer.
    """

    def encode(self, prepared: Sequence[Any]) -> Sequence[Any]:
        """One feature for each prepared image (or feature of the base), in the same order."""


class PixelNetwork(Network, Protocol):
    """A network that reads images."""

    @property
    def view(self) -> str:
        """Names what `prepare` makes: an image is prepared once for all networks of a view."""

    def prepare(self, image: "Image") -> Any:
        """One RGB image as this network's input; called in worker threads."""


@dataclass(frozen=True)
class FeatureForm:
    """How a network's features are kept as bytes: tensors on the CPU, row by row.

    Attributes:
        kind: Names the feature; another content needs another kind.
        dtype: Name of the torch type.
        shape: Shape of one feature; -1 stands for what the number of bytes tells.
    """

    kind: str
    dtype: Literal["float32", "float16", "uint8"]
    shape: tuple[int, ...] = (-1,)

    def pack(self, feature: Any) -> bytes:
        """A feature as bytes."""
        return bytes(feature.contiguous().numpy().tobytes())

    def unpack(self, content: bytes) -> Any:
        """The feature again, equal bit for bit."""
        import torch

        # A copy, because a tensor on bytes would be read-only memory that torch may write to.
        flat = torch.frombuffer(bytearray(content), dtype=getattr(torch, self.dtype))
        return flat.reshape(self.shape)


class BackboneSource(ABC):
    """Where a network comes from; equal sources are loaded once, so they are hashable.

    Everything but `load` must work without importing a network library, so that an analysis
    whose scores are all known loads nothing.
    """

    @property
    @abstractmethod
    def card(self) -> BackboneCard:
        """The network's card."""

    @property
    @abstractmethod
    def revision(self) -> str:
        """What identifies the weights exactly.

        Raises:
            MissingWeights: The weights are not there to identify.
        """

    @property
    @abstractmethod
    def preprocessing(self) -> str:
        """What identifies the way from pixels and text to the network's input."""

    @property
    def base(self) -> "BackboneSource | None":
        """The network whose features this one reads; None: it reads images."""
        return None

    @property
    def files(self) -> "tuple[WeightsFile, ...]":
        """The files that must be fetched before it loads."""
        return ()

    @property
    def form(self) -> FeatureForm | None:
        """How its features are kept between analyses; None: they are not."""
        return None

    @abstractmethod
    def load(self, device: str) -> Network:
        """Load the network onto a device ("cpu", "cuda", "mps").

        Raises:
            MissingWeights: The weights are not on this computer, or do not load.
        """


class Metric(ABC):
    """One metric: its card, and how features become scores. Made anew for each analysis."""

    card: ClassVar[MetricCard]
    least: ClassVar[int] = 1
    """The fewest images a unit can be judged from."""
    spares_references: ClassVar[bool] = False
    """Whether a reference that cannot be read is left out (None in its place), for others will do;
    else its units are unscored."""
    reference: Path | None = None
    """What whole folders are compared with, as `ScoreOptions.reference` says."""

    @abstractmethod
    def source(self, tier: Tier, assets: Path) -> BackboneSource:
        """Where this metric's network comes from, for a tier of its card.

        Args:
            tier: One of the card's tiers.
            assets: Folder of the bundled networks.
        """

    def text(self, samples: Sequence[Sample]) -> str:
        """The text a unit's value depends on; "" for metrics that read none."""
        return ""

    def references(self, samples: Sequence[Sample]) -> tuple[Path, ...]:
        """Further images a unit's value depends on."""
        return ()

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """Which images of each unit are judged; sees all units, so that it can be fair to all."""
        return list(units)

    def refusal(self, samples: Sequence[Sample], source: Any) -> str | None:
        """Why a unit cannot be scored, before anything is loaded; None if it can."""
        return None

    @abstractmethod
    def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
        """One score for each unit, in the same order."""
