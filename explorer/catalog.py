"""The models that were found, and the names they go by."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.facts import clean_text
from explorer.model_scan import Found, look_again
from explorer.model_store import Reading
from explorer.types import ModelFile


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is known of the model folders: everything, or what was read so far.

    Which of two files of one name is called `x` and which `x (2)` is only certain when both were
    read. While one of them is not, neither is in the catalog.
    """

    files: tuple[ModelFile, ...]
    found: dict[str, Found]
    """By the id of the file."""
    read: int
    total: int
    unsure: frozenset[str]
    """The plain names of files that were not read yet."""

    @property
    def complete(self) -> bool:
        """Whether every file was read."""
        return self.read == self.total

    def model(self, name: str) -> ModelFile | None:
        """A checkpoint; or a file nobody can read, which may be one that was damaged."""
        return self._named(name, ("checkpoint", "unknown"))

    def lora(self, name: str) -> ModelFile | None:
        """A LoRA."""
        return self._named(name, ("lora",))

    def of_kind(self, kind: str) -> list[ModelFile]:
        """The files of a kind that can be used."""
        return [f for f in self.files if f.facts.kind == kind and not f.facts.problem]

    def fresh(self, file: ModelFile) -> bool:
        """Whether a file still is as it was when it was scanned."""
        again = look_again(self.found[file.id])
        return again is not None and again.signature == self.found[file.id].signature

    def may_be(self, name: str) -> bool:
        """Whether a file that was not read yet may turn out to have this name."""
        return _plain_name(name) in self.unsure

    def _named(self, name: str, kinds: tuple[str, ...]) -> ModelFile | None:
        return next((f for f in self.files if f.name == name and f.facts.kind in kinds), None)


def make_catalog(every: Sequence[Found], readings: Sequence[Reading | None], own: int) -> Catalog:
    """Name everything that was read.

    Args:
        every: What was found.
        readings: What was read of each; None where it was not yet.
        own: How many of them are the person's; those behind come with the program.
    """
    unsure = {_plain_name(_safe_name(f.stem)) for f, r in zip(every, readings, strict=True) if r is None}
    names = _unique_names(every, readings)
    files: list[ModelFile] = []
    places: dict[str, Found] = {}
    for position, (found, reading, name) in enumerate(zip(every, readings, names, strict=True)):
        if reading is None or _plain_name(name) in unsure:
            continue
        file_id = hashlib.sha256(str(found.path).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        file = ModelFile(
            id=file_id,
            name=name,
            path=found.path,
            layout=reading.layout,
            size_bytes=found.size_bytes,
            facts=reading.facts,
            bundled=position >= own,
        )
        files.append(file)
        places[file_id] = found
    read = sum(reading is not None for reading in readings)
    return Catalog(tuple(files), places, read, len(every), frozenset(unsure))


def _unique_names(every: Sequence[Found], readings: Sequence[Reading | None]) -> list[str]:
    """A name of its own for each: a second `x` of a kind becomes `x (2)`, broken ones last."""
    names = [""] * len(every)
    taken: set[tuple[str, str]] = set()
    known = [(i, reading.facts) for i, reading in enumerate(readings) if reading is not None]
    for i, facts in sorted(known, key=lambda pair: bool(pair[1].problem)):
        kind = facts.kind.replace("unknown", "checkpoint")  # they are asked for alike
        name = plain = _safe_name(every[i].stem)
        count = 1
        while (kind, name) in taken:
            count += 1
            name = f"{plain} ({count})"
        taken.add((kind, name))
        names[i] = name
    return names


def _safe_name(stem: str) -> str:
    """A file's name as people can read and type it; never one that looks like a path."""
    name = clean_text(stem.replace("\\", "_").replace("/", "_")).lstrip("~. ")
    while name.lower().endswith(".safetensors"):
        name = name[: -len(".safetensors")]
    return name.strip() or "unnamed"


def _plain_name(name: str) -> str:
    """A name without the numbers that tell equal ones apart."""
    return re.sub(r"( \(\d+\))+$", "", name)
