"""The nouns of the product, as frozen dataclasses.

What people ask for is in `requests.py`, what is told while it works in `events.py`. Nothing
here does I/O or imports a heavy library; every layer may import these files.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

Family = Literal["sd15", "sdxl", "unknown"]
Layout = Literal["diffusers", "single_file"]
Difficulty = Literal["easy", "medium", "hard"]
Tier = Literal["bundled", "standard", "large"]
JobKind = Literal["generate", "analyze"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


# What is compared


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A diffusion model on disk, before any LoRA."""

    name: str
    """Unique among the checkpoints found; what people type."""
    path: Path
    """A diffusers folder, or one .safetensors file."""
    family: Family
    layout: Layout
    size_bytes: int
    bundled: bool = False
    """Shipped with the program."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where the file is."""
        return {
            "name": self.name,
            "kind": "checkpoint",
            "family": self.family,
            "layout": self.layout,
            "size_mb": round(self.size_bytes / 1e6, 1),
            "bundled": self.bundled,
        }


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter on disk."""

    name: str
    path: Path
    size_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where the file is."""
        return {"name": self.name, "kind": "lora", "size_mb": round(self.size_bytes / 1e6, 1)}


@dataclass(frozen=True, slots=True)
class WeightedLora:
    """A LoRA and how strongly it is applied; 0 changes nothing, 1 is as trained."""

    lora: Lora
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """What is compared: a checkpoint with zero or more weighted LoRAs."""

    checkpoint: Checkpoint
    loras: tuple[WeightedLora, ...] = ()

    @property
    def name(self) -> str:
        """As people write it: `checkpoint+lora:0.8`."""
        parts = [self.checkpoint.name, *(f"{w.lora.name}:{w.weight:g}" for w in self.loras)]
        return "+".join(parts)


# What is asked of it


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text to draw, with what is needed to read the results by group."""

    id: str
    text: str
    category: str = "custom"
    difficulty: Difficulty = "medium"
    negative: str = ""
    """Overrides the request's negative prompt when not empty."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named, versioned list of prompts."""

    id: str
    name: str
    version: int
    prompts: tuple[Prompt, ...]
    description: str = ""
    licence: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of the prompts, in the order they first appear."""
        return tuple(dict.fromkeys(prompt.category for prompt in self.prompts))

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain summary, without the prompts themselves."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "licence": self.licence,
            "categories": list(self.categories),
            "prompts": len(self.prompts),
        }


# What comes out


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything needed to draw a picture again; stored inside the PNG."""

    model: str
    model_hash: str
    """Names and weights are for people; this hash of contents is the identity."""
    checkpoint_hash: str
    loras: tuple[tuple[str, str, float], ...]
    """(name, SHA-256, weight) each."""
    prompt: str
    negative: str
    seed: int
    sampler: str
    steps: int
    guidance: float
    width: int
    height: int
    prompt_id: str
    suite: str
    category: str
    difficulty: str
    cell: str
    """Key of the cell this picture fills."""
    batch_size: int = 1
    precision: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as written into the PNG."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` wrote; unknown keys of a newer program are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["loras"] = tuple((str(n), str(h), float(w)) for n, h, w in known.get("loras", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on disk. Its id is the SHA-256 of the file's bytes."""

    id: str
    path: Path
    recipe: Recipe
    created: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One value of one metric for one picture, or the reason there is none."""

    image_id: str
    metric: str
    tier: str
    value: float | None
    reason: str | None
    detail: Mapping[str, Any]
    metric_version: str
    backbone: str
    revision: str
    preprocessing: str


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A model's result under one metric: the mean over prompts with its 95 % interval."""

    model: str
    metric: str
    tier: str
    direction: str
    mean: float | None
    low: float | None
    high: float | None
    prompts: int
    images: int
    unscored: int
    reason: str | None = None
    """Why there is no mean, in the words of the most common unscored reason."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Run:
    """One plan of cells; the same plan again is the same run."""

    id: str
    created: str
    title: str
    models: tuple[str, ...]
    suite: str
    """Empty when the prompts were the person's own."""
    categories: tuple[str, ...]
    cells: int
    images: int
    """How many of the cells have their picture."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives the page: a row in the database."""

    id: str
    kind: JobKind
    state: JobState
    title: str
    run: str
    """The run it fills or scores; empty until known."""
    created: str
    started: str | None = None
    ended: str | None = None
    done: int = 0
    total: int = 0
    failed: int = 0
    seconds_left: float | None = None
    message: str = ""
    error: str | None = None
    after: str | None = None
    """Id of the job this one waits for."""
    step: int = 0
    steps: int = 0
    """Where the batch in flight stands."""

    @property
    def active(self) -> bool:
        """Whether it still waits or works."""
        return self.state in ("queued", "running")

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ImagePage:
    """One page of pictures and how many there are in all."""

    images: tuple[Image, ...]
    total: int
