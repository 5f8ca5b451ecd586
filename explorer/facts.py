"""What a model file says about itself: its kind, family, precision, and what people wrote into it.

Nouns only, like `types.py`, which hands them on. How they are found is in `recognition/`.
"""

import unicodedata
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

Family = Literal[
    "sd15",
    "sd2",
    "sdxl",
    "sd3",
    "flux",
    "flux2",
    "chroma",
    "zimage",
    "qwenimage",
    "sana",
    "pixart",
    "unknown",
]
ModelKind = Literal["checkpoint", "lora", "vae", "text_encoder", "embedding", "controlnet", "unknown"]
LoraKind = Literal["lora", "locon", "loha", "lokr", "dora", "oft", "diff"]

FAMILY_NAMES: dict[Family, str] = {
    "sd15": "SD 1.5",
    "sd2": "SD 2",
    "sdxl": "SDXL",
    "sd3": "SD 3",
    "flux": "Flux.1",
    "flux2": "Flux.2",
    "chroma": "Chroma",
    "zimage": "Z-Image",
    "qwenimage": "Qwen-Image",
    "sana": "Sana",
    "pixart": "PixArt",
    "unknown": "unknown",
}
KIND_NAMES: dict[ModelKind, str] = {
    "checkpoint": "checkpoint",
    "lora": "LoRA",
    "vae": "VAE",
    "text_encoder": "text encoder",
    "embedding": "textual-inversion embedding",
    "controlnet": "ControlNet",
    "unknown": "unknown file",
}
_CLIP, _T5, _VAE = "CLIP-L text encoder", "T5-XXL text encoder", "VAE"
PARTS: dict[Family, dict[str, str]] = {
    "sd15": {"text_encoder": _CLIP, "vae": _VAE},
    "sd2": {"text_encoder": "OpenCLIP-H text encoder", "vae": _VAE},
    "sdxl": {"text_encoder": _CLIP, "text_encoder_2": "OpenCLIP-G text encoder", "vae": _VAE},
    "sd3": {
        "text_encoder": _CLIP,
        "text_encoder_2": "OpenCLIP-G text encoder",
        "text_encoder_3": _T5,
        "vae": _VAE,
    },
    "flux": {"text_encoder": _CLIP, "text_encoder_2": _T5, "vae": _VAE},
    "flux2": {"text_encoder": "Qwen3 or Mistral text encoder", "vae": _VAE},
    "chroma": {"text_encoder": _T5, "vae": _VAE},
    "zimage": {"text_encoder": "Qwen3 text encoder", "vae": _VAE},
    "qwenimage": {"text_encoder": "Qwen2.5-VL text encoder", "vae": _VAE},
    "sana": {"text_encoder": "Gemma 2 text encoder", "vae": "DC-AE VAE"},
    "pixart": {"text_encoder": _T5, "vae": _VAE},
    "unknown": {},
}
"""What a family needs beside its UNet or transformer: name in diffusers -> name for people."""


@dataclass(frozen=True, slots=True)
class RecommendedSettings:
    """Settings that the maker wrote down, or used for the pictures shown with the model."""

    steps: int | None = None
    guidance: float | None = None
    sampler: str = ""
    """As the maker spells it."""
    clip_skip: int | None = None
    """As A1111 counts: 1 is the last layer."""
    weight: float | None = None
    """Strength of a LoRA."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; only what is known."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about a model file without reading its weights. Empty means not known."""

    kind: ModelKind = "unknown"
    family: Family = "unknown"
    variant: str = ""
    """A well-known derivative or size, such as "Pony", "Turbo", "3.5 Large", "schnell"."""
    precision: str = ""
    """Of most weights: "fp16", "bf16", "fp32", "fp8 e4m3", "int8", "GGUF Q4_K" ..."""
    parameters: int = 0
    prediction: str = ""
    """What the network predicts where the file says so: "epsilon" or "v_prediction"."""
    resolution: tuple[int, ...] = ()
    """Width and height in pixels it was trained for, where the file says so."""
    missing: tuple[str, ...] = ()
    """Parts that it needs and does not hold, by their names in diffusers, such as "vae"."""
    problem: str = ""
    """Why it cannot be used; one or two sentences for people."""
    lora_kind: LoraKind | None = None
    rank: int | None = None
    alpha: float | None = None
    base: str = ""
    """The base model as the metadata spells it."""
    trigger_words: tuple[str, ...] = ()
    title: str = ""
    author: str = ""
    description: str = ""
    licence: str = ""
    page: str = ""
    """Address of the site's page about it; to be shown as text."""
    recommended: RecommendedSettings = field(default_factory=RecommendedSettings)
    preview: Path | None = None
    """A picture beside the file."""

    @property
    def missing_names(self) -> tuple[str, ...]:
        """The missing parts in words for people, such as "CLIP-L text encoder"."""
        names = PARTS[self.family]
        return tuple(names.get(part, part.replace("_", " ")) for part in self.missing)

    def or_else(self, other: Self) -> Self:
        """These facts; what they do not say is taken from `other`."""
        nothing = (None, "", "unknown", 0, (), RecommendedSettings())
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{n: getattr(other, n) if v in nothing else v for n, v in mine.items()})

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where files are."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {
            "missing": list(self.missing_names),
            "resolution": list(self.resolution),
            "trigger_words": list(self.trigger_words),
            "recommended": self.recommended.to_dict(),
            "preview": self.preview is not None,
        }
        return plain


def clean_text(text: str, limit: int = 200) -> str:
    """Text from a file or a file name, safe to show: one line, no control or hidden marks."""
    text = text[: limit * 4].encode("utf-8", "replace").decode("utf-8")
    shown = "".join(" " if unicodedata.category(c) in _HIDDEN and c not in _JOINERS else c for c in text)
    return " ".join(shown.split())[:limit].strip()


_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}
_JOINERS = "\u200d\u200c"
"""Hidden as well, but emoji and some scripts are spelled with them."""
