"""What a picture made elsewhere says of how it was made, in one form for all tools."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

UNKNOWN_SEED = -1
MAX_SEED = 2**64 - 1
MAX_NAME_CHARACTERS = 120
_EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_LORA = re.compile(r"<(?:lora|lyco):([^<>:]{1,200})(?::([^<>]{0,60}))?>")

Lora = tuple[str, str, float]
"""(name, hash, weight); the hash is empty when none is said."""


@dataclass(frozen=True, slots=True)
class ForeignRecipe:
    """The recipe of a picture as its tool wrote it. What it does not say stays empty or 0."""

    tool: str
    prompt: str
    """Without LoRA tags."""
    negative: str = ""
    model: str = ""
    model_hash: str = ""
    """As the tool writes it; tools differ in what they hash and how much of it they show."""
    loras: tuple[Lora, ...] = ()
    seed: int = UNKNOWN_SEED
    sampler: str = ""
    """With the schedule after it, in the tool's own words."""
    steps: int = 0
    guidance: float = 0.0
    clip_skip: int = 1


def text(value: Any) -> str:
    """A text of JSON as one that can be stored; anything else is empty."""
    # JSON can hold halves of characters, which no file can.
    whole = value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
    return whole.replace("\0", "").strip()


def label(value: Any) -> str:
    """A short text in one line, such as a name; safe to print."""
    line = "".join(c if c.isprintable() else " " for c in text(value)[: 4 * MAX_NAME_CHARACTERS])
    return " ".join(line.split())[:MAX_NAME_CHARACTERS].strip()


def model_name(value: Any) -> str:
    """A model's name from a name or path of any system, without folder and extension."""
    name = label(value).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    for extension in _EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)]
    return name


def number(value: Any) -> float | None:
    """A finite number, also when it is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def whole(value: Any) -> int | None:
    """A whole number, also when it is written as text; exact up to any size in use."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else None


def seed(value: Any) -> int:
    """A seed, or `UNKNOWN_SEED` for what is none."""
    found = whole(value)
    return found if found is not None and 0 <= found <= MAX_SEED else UNKNOWN_SEED


def steps(value: Any) -> int:
    """A number of steps, or 0 for what is none."""
    found = whole(value)
    return found if found is not None and 0 < found <= 100_000 else 0


def guidance(value: Any) -> float:
    """A guidance scale, or 0 for what is none."""
    found = number(value)
    return found if found is not None and abs(found) <= 10_000 else 0.0


def sampler(name: Any, schedule: Any) -> str:
    """Sampler and schedule in one, as A1111 wrote them before it split them."""
    parts = [label(part) for part in (name, schedule)]
    return " ".join(part for part in parts if part.casefold() not in ("", "automatic", "undefined"))


def lora(name: Any, digest: Any, weight: Any) -> Lora:
    """One LoRA; without a weight it works as it was trained."""
    found = number(weight)
    return model_name(name), label(digest), 1.0 if found is None else found


def split_loras(prompt: str, hashes: dict[str, str] | None = None) -> tuple[str, tuple[Lora, ...]]:
    """A prompt without its `<lora:name:0.8>` tags, and the LoRAs they name."""
    found = []
    for name, weight in _LORA.findall(prompt):
        # Some write one weight for each network: <lora:name:te=0.5:unet=0.8>; the first counts.
        first = weight.split(":")[0].rpartition("=")[2]
        found.append(lora(name, (hashes or {}).get(name.strip(), ""), first))
    if not found:
        return prompt.strip(), ()
    plain = _LORA.sub("", prompt)
    plain = re.sub(r"[ \t]{2,}", " ", plain).replace(" ,", ",")
    return re.sub(r",(?:\s{0,9},)+", ",", plain).strip(" ,\n\t"), tuple(dict.fromkeys(found))


def parse(value: str) -> Any:
    """JSON from a file that may be hostile; None for what is none."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A JSON list; an empty one for anything else."""
    return value if isinstance(value, list) else []
