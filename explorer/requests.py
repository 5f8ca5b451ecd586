"""What people ask for: requests, and the choices in them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from explorer.types import Tier

SamplerName = Literal[
    "Euler",
    "Euler a",
    "DPM++ 2M",
    "DPM++ 2M Karras",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Karras",
    "DDIM",
    "DDPM",
    "Heun",
    "LMS",
    "PLMS",
    "UniPC",
    "DEIS",
    "LCM",
]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a picture is drawn, apart from model, prompt and seed."""

    sampler: SamplerName = "DPM++ 2M"
    steps: int = 20
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG); 1 or less turns guidance off."""
    width: int | None = None
    """Pixels; None takes the size the model was trained for."""
    height: int | None = None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Draw every prompt with every seed on every model."""

    models: tuple[str, ...]
    """Ids, names or paths, each with LoRAs as `MODEL+LORA:0.8`."""
    suite: str = ""
    """Suite id, or the path of a suite file."""
    prompts: tuple[str, ...] = ()
    """Texts of the person's own, used instead of a suite."""
    categories: tuple[str, ...] = ()
    """Only these categories of the suite; empty takes all."""
    seeds: int = 2
    """How many seeds a prompt: `first_seed`, `first_seed + 1`, ..."""
    first_seed: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    negative: str = ""
    batch_size: int | None = None
    """Seeds drawn together; None lets the device decide."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        values = dict(data)
        values["sampling"] = Sampling(**values.get("sampling", {}))
        for name in ("models", "prompts", "categories"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class AnalyzeRequest:
    """Score the pictures of a run, or of a folder."""

    metrics: tuple[str, ...] = ("clip_score",)
    tier: Tier = "bundled"
    run: str = ""
    """The run to score; empty takes the latest."""
    folder: str = ""
    """A folder of PNG files instead of a run (command line only)."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        return cls(**{**data, "metrics": tuple(data.get("metrics", ()))})


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Which pictures, in which order, which page."""

    run: str = ""
    model: str = ""
    prompt_id: str = ""
    category: str = ""
    sort: Literal["prompt", "newest", "score"] = "prompt"
    metric: str = "clip_score"
    """What `score` sorts by, best first."""
    offset: int = 0
    limit: int = 60
