"""The start of a GGUF file: metadata and tensor list, read within bounds. No weights."""

import os
import struct
from io import BufferedReader
from pathlib import Path
from typing import Any

from explorer.errors import InvalidRequest
from explorer.recognition.headers import AGAIN, Header, Tensor, file_label, open_regular

MAX_BYTES = 64_000_000
MAX_TENSORS = 100_000
_PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"},
    **{10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 20: "IQ4_NL"},
    **{23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16"},
}


def read_gguf(path: Path) -> Header:
    """The metadata and tensor names of a GGUF file.

    Raises:
        InvalidRequest: The file is cut or damaged.
        OSError: It cannot be opened.
    """
    damaged = InvalidRequest(f"{file_label(path)} is cut short or no GGUF file. {AGAIN}")
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            return _Reader(file).header()
        except (struct.error, ValueError, OverflowError, MemoryError):
            raise damaged from None


class _Reader:
    """Reads values one by one and stops at a bound, whatever lengths the file claims."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.left = min(MAX_BYTES, os.fstat(file.fileno()).st_size)

    def header(self) -> Header:
        if self.take(4) != b"GGUF" or self.number("I") not in (2, 3):
            raise ValueError
        count, entries = self.number("Q"), self.number("Q")
        if count > MAX_TENSORS or entries > MAX_TENSORS or count == 0:
            raise ValueError
        metadata = {}
        for _ in range(entries):
            name = self.string()
            value = self.value(self.number("I"))
            if isinstance(value, str | int | float):
                metadata[name] = str(value)
        tensors = dict(self.tensor() for _ in range(count))
        return Header(tensors, metadata, quantization=_main_type(tensors))

    def tensor(self) -> tuple[str, Tensor]:
        name = self.string()
        dimensions = self.number("I")
        if dimensions > 8:
            raise ValueError
        shape = tuple(self.number("Q") for _ in range(dimensions))
        kind = TYPES.get(self.number("I"), "quantised")
        self.number("Q")  # where its data lies
        return name, Tensor(kind, shape[::-1])  # GGUF lists the fastest dimension first

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind in _PLAIN:
            return self.number(_PLAIN[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY or depth > 3:
            raise ValueError
        inner, length = self.number("I"), self.number("Q")
        if inner in _PLAIN:
            self.take(length * struct.calcsize("<" + _PLAIN[inner]))
        else:
            for _ in range(length):
                self.value(inner, depth + 1)
        return None  # lists are vocabularies; nobody asks for them

    def string(self) -> str:
        return self.take(self.number("Q")).decode("utf-8", "replace")

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise ValueError
        self.left -= length
        data = self.file.read(length)
        if len(data) < length:
            raise ValueError
        return data


def _main_type(tensors: dict[str, Tensor]) -> str:
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.elements
    return max(sizes, key=lambda kind: sizes[kind])
