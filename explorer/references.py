"""How people write models: `NAME`, or a path, each with `+LORA:WEIGHT` behind it.

A LoRA may have weights for blocks of the network: `+LORA:WEIGHT[down=0.5,text=0]`. A file's name
may hold all of these signs as well; the longest name that exists is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from explorer.errors import InvalidRequest

MAX_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class LoraReference:
    """A LoRA as written behind a model, taken apart."""

    name: str
    """Or its path."""
    weight: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()
    """Name of a block, and by what the weight is multiplied there, each."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A model as written, taken apart."""

    model: str
    loras: tuple[LoraReference, ...] = ()


def read_reference(text: str, is_model: Callable[[str], bool], is_lora: Callable[[str], bool]) -> Reference:
    """Take a reference apart. Names that do not exist are returned as they stand.

    Args:
        text: What was written.
        is_model: Whether a name or path is that of a checkpoint.
        is_lora: Whether a name or path is that of a LoRA.

    Raises:
        InvalidRequest: A weight is no number, or out of range; or brackets cannot be read.
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


def _first_lora(parts: list[str], is_lora: Callable[[str], bool]) -> tuple[LoraReference, int]:
    """The LoRA that these parts begin with, and how many of them belong to it."""
    for end in range(len(parts), 0, -1):
        if lora := _whole_lora("+".join(parts[:end]).strip(), is_lora):
            return lora, end
    return _unknown_lora(parts[0].strip(), is_lora), 1


def _whole_lora(text: str, is_lora: Callable[[str], bool]) -> LoraReference | None:
    """What a text says that is one LoRA that exists, written in full; else nothing."""
    if is_lora(text):
        return LoraReference(text)
    before, opened, inside = text.removesuffix("]").rpartition("[")
    if opened and text.endswith("]") and (lora := _weighted_lora(before.strip(), is_lora)):
        return replace(lora, blocks=_blocks(lora.name, inside))
    return _weighted_lora(text, is_lora)


def _weighted_lora(text: str, is_lora: Callable[[str], bool]) -> LoraReference | None:
    if is_lora(text):
        return LoraReference(text)
    name, _, weight = text.rpartition(":")
    # With a plus sign in it, what is behind the colon may be a weight and the next LoRA.
    if name and is_lora(name) and _is_number(weight):
        return LoraReference(name, _weight(name, weight))
    return None


def _unknown_lora(text: str, is_lora: Callable[[str], bool]) -> LoraReference:
    """A LoRA that does not exist, by the name it would have.

    Raises:
        InvalidRequest: It does exist, and what stands behind it cannot be read.
    """
    before, opened, inside = text.partition("[")
    for name in (before.strip(), before.rpartition(":")[0].strip()):
        if opened and is_lora(name):
            raise InvalidRequest(
                f"{text!r} cannot be read. Write the weight, then closed brackets: "
                f"{name}:0.8[down=0.5,text=0], for example."
            )
    # Brackets may be part of a name.
    named = before if opened and "=" in inside else text
    name, colon, weight = named.strip().rpartition(":")
    return LoraReference(name, _weight(name, weight)) if colon and name else LoraReference(named.strip())


def _blocks(lora: str, text: str) -> tuple[tuple[str, float], ...]:
    """What stands between the brackets behind a LoRA: `down=0.5,text=0`."""
    if not text.strip():
        raise InvalidRequest(
            f"The brackets behind {lora} are empty. Leave them out, or write {lora}:0.8[down=0.5]."
        )
    weights: dict[str, float] = {}
    for entry in text.split(","):
        block, _, number = (part.strip() for part in entry.partition("="))
        if not block or not _is_number(number):
            raise InvalidRequest(
                f"{entry.strip()!r} in the brackets behind {lora} is no weight of a block; "
                "write down=0.5, for example."
            )
        if block in weights:
            raise InvalidRequest(f"The block {block} of {lora} has two weights; give it one.")
        weights[block] = _in_range(float(number), f"weight of the block {block}")
    return tuple(weights.items())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _weight(name: str, text: str) -> float:
    if not _is_number(text):
        raise InvalidRequest(f"The LoRA weight {text!r} is not a number; write {name}:0.8, for example.")
    return _in_range(float(text), "LoRA weight")


def _in_range(weight: float, what: str) -> float:
    if not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
        raise InvalidRequest(f"The {what} {weight:g} is out of range; use -10 to 10.")
    return weight
