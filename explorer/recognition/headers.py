"""The header of a safetensors file: read within bounds and checked to the last byte.

Files are opened in a way that cannot block, so a pipe under a model's name hangs nothing.
"""

import json
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from explorer.errors import InvalidRequest
from explorer.facts import clean_text

MAX_HEADER_BYTES = 32_000_000
"""Real headers, with a training log and a picture inside, stay below 10 MB."""
MAX_DIMENSIONS = 16
DTYPE_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I8", "U8", "BOOL"), 8),
    **{"F6_E2M3": 6, "F6_E3M2": 6, "F4": 4},
}
OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer: the text that stands for the file, not the file"),
    (b"<!doctype", "is a web page, not a model"),
    (b"<html", "is a web page, not a model"),
    (b"<?xml", "is an XML text, not a model"),
    (b"{", "is a JSON text, not a model"),
    (b"PK\x03\x04", "is a zip archive or a pickled model under another name"),
    (b"\x80", "is a pickled model under another name, which can run code when it is opened"),
    (b"GGUF", "is a GGUF file under another name"),
    (b"\x1f\x8b", "is a gzip archive"),
    (b"7z\xbc\xaf", "is a 7-Zip archive"),
    (b"Rar!", "is a RAR archive"),
    (b"\x89PNG", "is a picture, not a model"),
    (b"\xff\xd8\xff", "is a picture, not a model"),
)
AGAIN = "Download it again."


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a header."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What a model file lists at its start."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    quantization: str = ""
    """Of a GGUF file, such as "Q4_K"."""


def file_label(path: Path) -> str:
    """A file's name as it may be shown."""
    return clean_text(path.name, 120) or "the file"


def open_regular(path: Path) -> int:
    """A file descriptor for reading; refuses pipes, devices and folders instead of waiting.

    Raises:
        InvalidRequest: It is no regular file.
        OSError: It cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidRequest(f"{file_label(path)} is no ordinary file. Remove it, or put the model there.")
    return descriptor


def read_header(path: Path) -> Header:
    """The header of a safetensors file.

    Raises:
        InvalidRequest: The file is cut, damaged or no safetensors file; says which.
        OSError: It cannot be opened.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        label = file_label(path)
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise InvalidRequest(f"{label} {_what_instead(start + file.read(120), size, length)}")
        text = file.read(length)
    entries, metadata = _parse(text, label)
    return Header(_check_layout(entries, size - 8 - length, label), metadata)


def _what_instead(start: bytes, size: int, length: int) -> str:
    """What a file that cannot be read is, as far as its first bytes tell."""
    if size == 0:
        return f"is empty (0 bytes). {AGAIN}"
    if size - 8 < length <= MAX_HEADER_BYTES and start[8:9] in (b"{", b""):
        return f"is cut short: it ends within its header. {AGAIN}"
    for magic, words in OTHER_FORMATS:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(magic.lower()):
            return f"{words}. {AGAIN}"
    if size < 8:
        return f"is cut short: only {size} bytes are there. {AGAIN}"
    if start[8:9] == b"{":
        return f"claims a header of {length / 1e6:,.0f} MB, which no real model has. {AGAIN}"
    return f"is damaged or no .safetensors file. {AGAIN}"


def _parse(text: bytes, label: str) -> tuple[dict[str, Any], dict[str, str]]:
    damaged = InvalidRequest(f"{label} is damaged or no .safetensors file: its header is no JSON. {AGAIN}")
    if not text.startswith(b"{"):
        raise damaged
    try:
        entries = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except _Duplicate as error:
        name = clean_text(str(error), 80)
        raise InvalidRequest(f"{label} is damaged: its header lists {name!r} twice. {AGAIN}") from None
    except (ValueError, RecursionError, MemoryError):
        raise damaged from None
    if not isinstance(entries, dict):
        raise damaged
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        metadata = {}
    return entries, {k: v for k, v in metadata.items() if isinstance(v, str)}


class _Duplicate(Exception):
    """A name that occurs twice in one object."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Duplicate(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return found


def _check_layout(entries: dict[str, Any], room: int, label: str) -> dict[str, Tensor]:
    """The tensors, which must fill the `room` bytes behind the header without gap or overlap."""
    tensors: dict[str, Tensor] = {}
    places: list[tuple[int, int, str]] = []
    for name, entry in entries.items():
        tensor, begin, end = _entry(name, entry, label)
        tensors[name] = tensor
        places.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(places):
        if begin != position:
            what = "overlaps another one" if begin < position else "has a gap before it"
            raise InvalidRequest(f"{label} is damaged: its tensor {_shown(name)} {what}. {AGAIN}")
        position = end
    if position > room:
        raise InvalidRequest(
            f"{label} is cut short: {room / 1e6:,.1f} of {position / 1e6:,.1f} MB are there. {AGAIN}"
        )
    if position < room:
        raise InvalidRequest(f"{label} has {room - position:,} bytes too many behind its tensors. {AGAIN}")
    if not tensors:
        raise InvalidRequest(f"{label} holds no tensors. {AGAIN}")
    return tensors


def _entry(name: str, entry: Any, label: str) -> tuple[Tensor, int, int]:
    if not isinstance(entry, dict):
        raise InvalidRequest(f"{label} is damaged: its entry {_shown(name)} is no tensor. {AGAIN}")
    dtype, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not _counts(shape) or not _counts(place) or len(place) != 2 or len(shape) > MAX_DIMENSIONS:
        raise InvalidRequest(f"{label} is damaged: its tensor {_shown(name)} has no right shape. {AGAIN}")
    bits = DTYPE_BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        kind = clean_text(str(dtype), 40)
        raise InvalidRequest(f"{label} holds numbers of a kind this program does not know ({kind}).")
    tensor, begin, end = Tensor(str(dtype), tuple(shape)), place[0], place[1]
    if (end - begin) * 8 != -(-tensor.elements * bits // 8) * 8:
        raise InvalidRequest(f"{label} is damaged: its tensor {_shown(name)} has a wrong size. {AGAIN}")
    return tensor, begin, end


def _counts(value: Any) -> TypeGuard[list[int]]:
    """Whether this is a list of plain whole numbers, none negative."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**62 for n in value)


def _shown(name: str) -> str:
    return repr(clean_text(name, 80))
