"""The library of models on disk: finds them, names them, and says which one a reference means.

What lies where, `model_scan.py` finds; what a file is, `recognition/` tells from its header. Both
are remembered, so that asking again opens no file that did not change. Weights are never read.
"""

import contextlib
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explorer.catalog import Catalog, make_catalog
from explorer.checkpoints import as_checkpoint, as_lora, read_checkpoint, read_lora
from explorer.errors import Cancelled, ExplorerError, InvalidRequest, StorageError, UnknownName
from explorer.facts import ModelFacts
from explorer.lora_blocks import known_blocks, missing_block
from explorer.model_scan import Found, walk
from explorer.model_store import ModelStore, Reading
from explorer.pickles import convert_pickle
from explorer.recognition.folders import weight_files
from explorer.recognition.reader import read_model, with_words, wrong_kind
from explorer.references import Reference, looks_like_path, read_reference
from explorer.types import Checkpoint, Lora, Model, ModelFile, WeightedLora

FEW = 16
"""So few new files are read at once, quicker than anybody could be told about it."""
BATCH = 50
"""How many readings are stored at once; a program that is killed loses no more."""
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Look:
    """One walk through the folders, and what is known of what it found."""

    every: tuple[Found, ...]
    own: int
    """How many of them are the person's; those behind come with the program."""
    readings: dict[Path, Reading]
    """Grows while files are read."""

    def reading(self, found: Found) -> Reading | None:
        known = self.readings.get(found.path)
        return known if known is not None and known.signature == found.signature else None

    def unread(self) -> list[Found]:
        return [found for found in self.every if self.reading(found) is None]

    def catalog(self) -> Catalog:
        return make_catalog(self.every, [self.reading(found) for found in self.every], self.own)


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
        self._closed = threading.Event()
        self._readings: dict[Path, Reading] | None = None
        self._look: _Look | None = None
        self._catalog: Catalog | None = None
        self._reader: threading.Thread | None = None

    def close(self) -> None:
        """Read no further file: a scan that is under way ends."""
        self._closed.set()
        if self._reader is not None:
            self._reader.join()

    def files(self) -> list[ModelFile]:
        """Everything that looks like a model, of every kind, also what cannot be used and why.

        The folders are walked each time; only files that are new or changed are opened.
        """
        return list(self._scan().files)

    def known(self) -> Catalog:
        """What is known right now, for a page that must not wait.

        Many new files are read in the background; until they are, the catalog says how many there are.
        """
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if (look := self._look) is not None and look.unread():
                return look.catalog()  # what whoever reads them has read so far
        try:
            look = self._walk()
            if len(new := look.unread()) <= FEW:
                self._read(new)
            else:
                self._read_in_background()
            self._catalog = look.catalog()
            return self._catalog
        finally:
            self._lock.release()

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints that can be used: the person's by place, then the bundled ones."""
        return [as_checkpoint(file) for file in self._scan().of_kind("checkpoint")]

    def loras(self) -> list[Lora]:
        """The LoRAs that can be used: the person's by place, then the bundled ones."""
        return [as_lora(file) for file in self._scan().of_kind("lora")]

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

    def learn(self, told: Mapping[str, ModelFacts]) -> None:
        """Keep what a site says of files, by their ids, in the index: as long as they stay as they are."""
        with self._lock:
            catalog, readings, new = self._scan(), self._known_readings(), {}
            for file_id, words in told.items():
                if (found := catalog.found.get(file_id)) is not None:
                    known = readings[found.path]
                    facts = with_words(known.facts, words, found.stem)
                    readings[found.path] = new[found.path] = replace(known, facts=facts)
            if self._store is not None:
                self._store.save(new)

    def weight_files(self) -> list[Path]:
        """The weights of everything that can be drawn with: files whose SHA-256 will be wanted."""
        catalog = self._scan()
        usable = [*catalog.of_kind("checkpoint"), *catalog.of_kind("lora")]
        return [p for f in usable for p in (weight_files(f.path) if f.layout == "diffusers" else [f.path])]

    def resolve(self, reference: str) -> Model:
        """The model a reference names: `NAME`, a path, each with `+LORA:WEIGHT[BLOCK=WEIGHT]` behind it.

        A model that is known to be damaged is returned as well, with its `problem`, so that it
        fails alone where many are drawn.

        Raises:
            UnknownName: No such checkpoint or LoRA; near names are given.
            InvalidRequest: A weight is no number, a block is not there, or a path holds no model.
        """
        known = self._catalog
        if known is not None:
            read = _read_reference(reference, known)
            named = [known.model(read.model), *(known.lora(lora.name) for lora in read.loras)]
            if all(file is not None and known.fresh(file) for file in named):
                return _model(read, known)
        catalog = self._scan()
        return _model(_read_reference(reference, catalog), catalog)

    def _scan(self) -> Catalog:
        """Walk the folders, read what is new, and remember it. Waits for whoever does that already.

        Raises:
            Cancelled: The program closes.
        """
        with self._lock:
            look = self._walk()
            self._read(look.unread())
            self._catalog = look.catalog()
            return self._catalog

    def _read_in_background(self) -> None:
        def scan() -> None:
            with contextlib.suppress(ExplorerError):  # whoever asks next begins again
                self._scan()

        if self._reader is None or not self._reader.is_alive():
            self._reader = threading.Thread(target=scan, name="reading models", daemon=True)
            self._reader.start()

    def _walk(self) -> _Look:
        """Look what is there. What comes with the program is read at once: the page is made with it."""
        readings = self._known_readings()
        own, shipped = [*walk(self._folders)], [*walk(self._shipped)]
        look = _Look((*own, *shipped), len(own), readings)
        gone = readings.keys() - {found.path for found in look.every}
        for path in gone:
            del readings[path]
        if self._store is not None and gone:
            self._store.save({}, gone)
        prompt = [*shipped, *(found for found in own if found.problem)]
        self._read([found for found in prompt if look.reading(found) is None])
        self._look = look
        return look

    def _known_readings(self) -> dict[Path, Reading]:
        if self._readings is None:
            self._readings = self._store.readings() if self._store else {}
        return self._readings

    def _read(self, files: Sequence[Found]) -> None:
        readings = self._known_readings()
        for start in range(0, len(files), BATCH):
            batch, new = files[start : start + BATCH], {}
            for found in batch:
                if self._closed.is_set():
                    raise Cancelled("Stopped while reading the model files.")
                readings[found.path] = new[found.path] = _read(found)
            if self._store is not None:
                # What was not even opened is told anew each time; its name may be no text.
                self._store.save({f.path: new[f.path] for f in batch if not f.problem})


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


def _searched(file: ModelFile) -> str:
    facts = file.facts
    return " ".join((file.name, facts.title, facts.variant, facts.base, *facts.trigger_words)).casefold()


def _read_reference(reference: str, catalog: Catalog) -> Reference:
    return read_reference(
        reference,
        lambda name: catalog.model(name) is not None or catalog.may_be(name) or _exists(name),
        lambda name: catalog.lora(name) is not None or catalog.may_be(name) or _exists(name),
    )


def _exists(name: str) -> bool:
    try:
        return looks_like_path(name) and Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False  # too long, a zero byte, or no home folder


def _model(read: Reference, catalog: Catalog) -> Model:
    loras = tuple(
        WeightedLora(_named_lora(lora.name, catalog), lora.weight, lora.blocks) for lora in read.loras
    )
    checkpoint = _named_checkpoint(read.model, catalog)
    weights = tuple(each for lora in read.loras for each in lora.blocks)
    blocks = known_blocks(checkpoint) if weights else {}
    if blocks and (missing := missing_block(weights, blocks, checkpoint.name)):
        raise InvalidRequest(missing)
    return Model(checkpoint, loras)


def _named_checkpoint(name: str, catalog: Catalog) -> Checkpoint:
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


def _named_lora(name: str, catalog: Catalog) -> Lora:
    if file := catalog.lora(name):
        return as_lora(file)
    if looks_like_path(name) and _exists(name):
        return read_lora(Path(name).expanduser())
    raise UnknownName("LoRA", name, [f.name for f in catalog.files if f.facts.kind == "lora"])
