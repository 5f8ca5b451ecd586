"""How people write models: `NAME`, or a path, each with `+LORA:WEIGHT` behind it.

A file's name may hold `+` and `:` as well; the longest name that exists is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass

from explorer.errors import InvalidRequest

MAX_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class Reference:
    """A model as written, taken apart."""

    model: str
    loras: tuple[tuple[str, float], ...] = ()
    """Name or path, and weight, each."""


def read_reference(text: str, is_model: Callable[[str], bool], is_lora: Callable[[str], bool]) -> Reference:
    """Take a reference apart. Names that do not exist are returned as they stand.

    Args:
        text: What was written.
        is_model: Whether a name or path is that of a checkpoint.
        is_lora: Whether a name or path is that of a LoRA.

    Raises:
        InvalidRequest: A weight is no number, or out of range.
    """
    parts = text.split("+")
    model, rest = parts[0].strip(), parts[1:]
    for end in range(len(parts), 0, -1):
        if is_model(name := "+".join(parts[:end]).strip()):
            model, rest = name, parts[end:]
            break
    loras = []
    while rest:
        lora, used = _first_lora(rest, is_lora)
        loras.append(lora)
        rest = rest[used:]
    return Reference(model, tuple(loras))


def looks_like_path(name: str) -> bool:
    """Whether a reference names a place on the disk rather than a known model."""
    return "/" in name or "\\" in name or name.startswith(("~", ".")) or name.endswith(".safetensors")


def _first_lora(parts: list[str], is_lora: Callable[[str], bool]) -> tuple[tuple[str, float], int]:
    """The LoRA that these parts begin with, and how many of them belong to it."""
    for end in range(len(parts), 0, -1):
        text = "+".join(parts[:end]).strip()
        name, _, weight = text.rpartition(":")
        if is_lora(text):
            return (text, 1.0), end
        # With a plus sign in it, what is behind the colon may be a weight and the next LoRA.
        if name and is_lora(name) and (end == 1 or _is_number(weight)):
            return (name, _weight(name, weight)), end
    name, colon, weight = parts[0].strip().rpartition(":")
    return ((name, _weight(name, weight)) if colon and name else (parts[0].strip(), 1.0)), 1


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _weight(name: str, text: str) -> float:
    if not _is_number(text):
        raise InvalidRequest(f"The LoRA weight {text!r} is not a number; write {name}:0.8, for example.")
    weight = float(text)
    if not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidRequest(f"The LoRA weight {weight:g} is out of range; use -10 to 10.")
    return weight
