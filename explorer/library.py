"""The library of models on disk: finds them, names them, and says which one a reference means.

What lies where, `model_scan.py` finds; what a file is, `recognition/` tells from its header. Both
are remembered, so that asking again opens no file that did not change. Weights are never read.
"""

import hashlib
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.checkpoints import as_checkpoint, as_lora, read_checkpoint, read_lora
from explorer.errors import InvalidRequest, StorageError, UnknownName
from explorer.facts import ModelFacts, clean_text
from explorer.model_scan import Found, look_again, walk
from explorer.model_store import ModelStore, Reading
from explorer.pickles import convert_pickle
from explorer.recognition.folders import weight_files
from explorer.recognition.reader import read_model, wrong_kind
from explorer.references import Reference, looks_like_path, read_reference
from explorer.types import Checkpoint, Lora, Model, ModelFile, WeightedLora


@dataclass(frozen=True, slots=True)
class _Catalog:
    """One scan: what was found, and the names it goes by."""

    files: tuple[ModelFile, ...]
    found: dict[str, Found]
    """By the id of the file."""

    def model(self, name: str) -> ModelFile | None:
        """A checkpoint; or a file nobody can read, which may be one that was damaged."""
        return self._named(name, ("checkpoint", "unknown"))

    def lora(self, name: str) -> ModelFile | None:
        return self._named(name, ("lora",))

    def fresh(self, file: ModelFile) -> bool:
        """Whether a file still is as it was when it was scanned."""
        again = look_again(self.found[file.id])
        return again is not None and again.signature == self.found[file.id].signature

    def _named(self, name: str, kinds: tuple[str, ...]) -> ModelFile | None:
        return next((f for f in self.files if f.name == name and f.facts.kind in kinds), None)


class ModelLibrary:
    """Every model file in the folders the person named, and what comes with the program."""

    def __init__(self, folders: Sequence[Path], shipped: Path, store: ModelStore | None = None) -> None:
        """Prepare; nothing is read before it is asked for.

        Args:
            folders: Where the person's models are; other tools' folders among them.
            shipped: Folder of what comes with the program: `models` and `loras` below it.
            store: Remembers scans beyond the life of the program.
        """
        self._folders = tuple(folders)
        self._shipped = (shipped / "models", shipped / "loras")
        self._store = store
        self._lock = threading.RLock()
        self._readings: dict[Path, Reading] | None = None
        self._catalog: _Catalog | None = None

    def files(self) -> list[ModelFile]:
        """Everything that looks like a model, of every kind, also what cannot be used and why.

        The folders are walked each time; only files that are new or changed are opened.
        """
        return list(self._scan().files)

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints that can be used: the person's by place, then the bundled ones."""
        return [
            as_checkpoint(f) for f in self.files() if f.facts.kind == "checkpoint" and not f.facts.problem
        ]

    def loras(self) -> list[Lora]:
        """The LoRAs that can be used: the person's by place, then the bundled ones."""
        return [as_lora(f) for f in self.files() if f.facts.kind == "lora" and not f.facts.problem]

    def search(self, text: str = "", kind: str = "", family: str = "") -> list[ModelFile]:
        """Files of a kind and family whose name, title, variant or trigger words hold each word."""
        return matching(self.files(), text, kind, family)

    def file(self, file_id: str) -> ModelFile:
        """The model file with this id.

        Raises:
            InvalidRequest: It is not there any more.
        """
        for file in self._scan().files:
            if file.id == file_id:
                return file
        raise InvalidRequest("This model file is not there any more. Load the list again.")

    def delete(self, file_id: str) -> ModelFile:
        """Remove a file or diffusers folder, and what lies beside it, from the disk for good.

        A link is removed, never what it leads to.

        Raises:
            InvalidRequest: It comes with the program, or is not there.
            StorageError: The disk refuses.
        """
        with self._lock:
            file = self.file(file_id)
            if file.bundled:
                raise InvalidRequest(f"{file.name} comes with the program and stays.")
            catalog = self._scan()
            twins = [f for f in catalog.files if f.path.with_suffix("") == file.path.with_suffix("")]
            # An original and its conversion share what lies beside them.
            near = catalog.found[file_id].beside if len(twins) == 1 else ()
            try:
                for path in (file.path, *near):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(f"Cannot delete {file.name}: {error.strerror or error}.") from error
        return file

    def convert(self, file_id: str) -> ModelFile:
        """Write a pickled model as .safetensors beside it, tensors only; takes minutes for large ones.

        Raises:
            InvalidRequest: It is no pickled model, or holds more than tensors.
            DiskFull: There is no room for the copy.
        """
        path = convert_pickle(self.file(file_id).path)
        return next(file for file in self.files() if file.path == path)

    def weight_files(self) -> list[Path]:
        """The weights of everything that can be drawn with: files whose SHA-256 will be wanted."""
        usable = [f for f in self.files() if f.facts.kind in ("checkpoint", "lora") and not f.facts.problem]
        return [p for f in usable for p in (weight_files(f.path) if f.layout == "diffusers" else [f.path])]

    def resolve(self, reference: str) -> Model:
        """The model a reference names: `NAME`, a path, each with `+LORA:WEIGHT` behind it.

        A model that is known to be damaged is returned as well, with its `problem`, so that it
        fails alone where many are drawn.

        Raises:
            UnknownName: No such checkpoint or LoRA; near names are given.
            InvalidRequest: A weight is no number, or a path holds no model.
        """
        known = self._catalog
        if known is not None:
            read = _read_reference(reference, known)
            named = [known.model(read.model), *(known.lora(name) for name, _ in read.loras)]
            if all(file is not None and known.fresh(file) for file in named):
                return _model(read, known)
        catalog = self._scan()
        return _model(_read_reference(reference, catalog), catalog)

    def _scan(self) -> _Catalog:
        """Walk the folders, read what is new, and remember it."""
        with self._lock:
            if self._readings is None:
                self._readings = self._store.readings() if self._store else {}
            every = [*walk(self._folders)]
            own = len(every)
            every += walk(self._shipped)
            new = {}
            for found in every:
                known = self._readings.get(found.path)
                if known is None or known.signature != found.signature:
                    new[found.path] = _read(found)
            gone = self._readings.keys() - {found.path for found in every}
            if self._store is not None and (new or gone):
                # What was not even opened is told anew each time; its name may be no text.
                self._store.save(
                    {f.path: new[f.path] for f in every if f.path in new and not f.problem}, gone
                )
            readings = {p: r for p, r in (self._readings | new).items() if p not in gone}
            self._readings = readings
            self._catalog = _catalog(every, [readings[found.path] for found in every], own)
            return self._catalog


def matching(files: Iterable[ModelFile], text: str = "", kind: str = "", family: str = "") -> list[ModelFile]:
    """Those of a kind and family whose name, title, variant or trigger words hold each word."""
    words = text.casefold().split()
    return [
        file
        for file in files
        if kind in ("", file.facts.kind)
        and family in ("", file.facts.family)
        and all(word in _searched(file) for word in words)
    ]


def _read(found: Found) -> Reading:
    if found.problem:
        return Reading(found.signature, "single_file", ModelFacts(found.hint, problem=found.problem))
    return Reading(found.signature, *read_model(found.path, found.beside, found.hint))


def _catalog(every: Sequence[Found], readings: Sequence[Reading], own: int) -> _Catalog:
    names = _unique_names(every, readings)
    files = [
        ModelFile(
            id=hashlib.sha256(str(found.path).encode("utf-8", "surrogateescape")).hexdigest()[:12],
            name=name,
            path=found.path,
            layout=reading.layout,
            size_bytes=found.size_bytes,
            facts=reading.facts,
            bundled=position >= own,
        )
        for position, (found, reading, name) in enumerate(zip(every, readings, names, strict=True))
    ]
    return _Catalog(tuple(files), {file.id: found for file, found in zip(files, every, strict=True)})


def _unique_names(every: Sequence[Found], readings: Sequence[Reading]) -> list[str]:
    """A name of its own for each: a second `x` of a kind becomes `x (2)`, broken ones last."""
    names = [""] * len(every)
    taken: set[tuple[str, str]] = set()
    for i in sorted(range(len(every)), key=lambda i: bool(readings[i].facts.problem)):
        kind = readings[i].facts.kind.replace("unknown", "checkpoint")  # they are asked for alike
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


def _searched(file: ModelFile) -> str:
    facts = file.facts
    return " ".join((file.name, facts.title, facts.variant, facts.base, *facts.trigger_words)).casefold()


def _read_reference(reference: str, catalog: _Catalog) -> Reference:
    return read_reference(
        reference,
        lambda name: catalog.model(name) is not None or _exists(name),
        lambda name: catalog.lora(name) is not None or _exists(name),
    )


def _exists(name: str) -> bool:
    try:
        return looks_like_path(name) and Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False  # too long, a zero byte, or no home folder


def _model(read: Reference, catalog: _Catalog) -> Model:
    loras = tuple(WeightedLora(_named_lora(name, catalog), weight) for name, weight in read.loras)
    return Model(_named_checkpoint(read.model, catalog), loras)


def _named_checkpoint(name: str, catalog: _Catalog) -> Checkpoint:
    if file := catalog.model(name):
        return as_checkpoint(file)
    if looks_like_path(name):
        if not _exists(name):
            raise InvalidRequest(f"There is no model at {name}.")
        return read_checkpoint(Path(name).expanduser())
    for file in catalog.files:
        if file.name == name:
            raise InvalidRequest(wrong_kind(file.facts, name, "checkpoint"))
    raise UnknownName("model", name, [f.name for f in catalog.files if f.facts.kind == "checkpoint"])


def _named_lora(name: str, catalog: _Catalog) -> Lora:
    if file := catalog.lora(name):
        return as_lora(file)
    if looks_like_path(name) and _exists(name):
        return read_lora(Path(name).expanduser())
    raise UnknownName("LoRA", name, [f.name for f in catalog.files if f.facts.kind == "lora"])
