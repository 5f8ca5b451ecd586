"""Names local files: asks Civitai whose they are by their hash, and keeps what it says."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.compute import Tell
from explorer.downloads.civitai import BATCH, Identity
from explorer.downloads.fetcher import Fetcher
from explorer.downloads.options import Cancel
from explorer.errors import Cancelled, StorageError
from explorer.events import Progress
from explorer.facts import ModelFacts
from explorer.library import ModelLibrary
from explorer.model_store import ModelStore
from explorer.recognition.metadata import split_words
from explorer.recognition.sidecars import read_json_file
from explorer.types import ModelFile
from explorer.whole_files import write_whole

Kept = Literal["beside", "index"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one file."""

    file: ModelFile
    identity: Identity | None
    """None when Civitai does not know the file."""
    kept: Kept = "index"
    """Where the answer is: in a file beside the model, or in the program's index."""
    problem: str = ""
    """Why it could not be asked about."""

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.problem:
            return self.problem
        if self.identity is None:
            return f"{self.file.name}: Civitai does not know this file."
        words = ", ".join(self.identity.trigger_words)
        parts = (f"{self.identity.name} {self.identity.version}".strip(), self.identity.base, words)
        return f"{self.file.name}: {'; '.join(part for part in parts if part)}"


class Identifier:
    """Asks Civitai about files on disk. Only their hashes are sent."""

    def __init__(self, library: ModelLibrary, fetcher: Fetcher, store: ModelStore, own: Path) -> None:
        """Ask nothing yet.

        Args:
            library: The files.
            fetcher: Asks Civitai.
            store: Remembers hashes.
            own: The workspace's own folder of models: beside these files answers may be written.
        """
        self._library, self._fetcher, self._store, self._own = library, fetcher, store, own

    def run(
        self, files: Sequence[ModelFile], cancel: Cancel, tell: Tell, found: Callable[[Finding], None]
    ) -> None:
        """Hash the files, ask whose they are, and keep the answers, up to a hundred files at a time.

        Args:
            files: What to ask about.
            cancel: Whether the person stopped the work.
            tell: Takes Progress, counted in files.
            found: Takes the finding for each file, as soon as it is kept.

        Raises:
            DownloadError: Civitai does not answer; what was found before is kept.
            Cancelled: The person stopped the work; what was found before is kept.
        """
        self._fetcher.check_online()
        for start in range(0, len(files), BATCH):
            hashes: dict[str, str] = {}
            batch = files[start : start + BATCH]
            for done, file in enumerate(batch, start):
                tell(Progress(done, len(files), f"reading {file.name}"))
                try:
                    hashes[file.id] = self._hash(file, cancel, tell, Progress(done, len(files)))
                except OSError as error:
                    found(Finding(file, None, problem=f"{file.name} cannot be read: {error.strerror}."))
            tell(Progress(start + len(batch), len(files), "asking Civitai"))
            known = self._fetcher.identify_many(hashes.values(), cancel)
            for finding in self._keep([file for file in batch if file.id in hashes], hashes, known):
                found(finding)

    def _hash(self, file: ModelFile, cancel: Cancel, tell: Tell, place: Progress) -> str:
        last = 0

        def read(count: int) -> None:
            nonlocal last
            if cancel():
                raise Cancelled("Stopped.")
            percent = count * 100 // max(1, file.size_bytes)
            if percent > last:
                last = percent
                tell(Progress(place.done, place.total, f"reading {file.name}, {percent} %"))

        if cancel():
            raise Cancelled("Stopped.")
        return self._store.file_hash(file.path, tell=read)

    def _keep(
        self, batch: Sequence[ModelFile], hashes: dict[str, str], known: dict[str, Identity]
    ) -> list[Finding]:
        findings = []
        for file in batch:
            identity = known.get(hashes[file.id])
            beside = identity is not None and self._write(file.path, identity, hashes[file.id])
            findings.append(Finding(file, identity, "beside" if beside else "index"))
        self._library.learn(
            {f.file.id: _facts(f.identity) for f in findings if f.identity is not None and f.kept == "index"}
        )
        return findings

    def _write(self, model: Path, identity: Identity, sha256: str) -> bool:
        """Write a sidecar as other tools do; false where that must not or cannot be done."""
        path = sidecar(model)
        inside = model.parent.resolve().is_relative_to(self._own.resolve())
        if not inside or not _is_ours(path):
            return False
        try:
            write_whole(path, json.dumps(_record(model, identity, sha256), indent=1).encode())
        except StorageError:
            return False
        return True


def can_be_asked(file: ModelFile) -> bool:
    """Whether a site could know it: sites list single files, by their hash."""
    return not file.bundled and file.layout != "diffusers" and file.path.is_file()


def unknown(files: Iterable[ModelFile]) -> list[ModelFile]:
    """Those of which nothing on this disk says a name, a base model or, for a LoRA, trigger words."""
    return [
        file
        for file in files
        if not file.facts.problem
        and not file.facts.page
        and not (
            file.facts.title and file.facts.base and (file.facts.trigger_words or file.facts.kind != "lora")
        )
        and can_be_asked(file)
    ]


def sidecar(model: Path) -> Path:
    """Where Civitai's answer about a model is kept beside it."""
    return model.with_name(f"{model.stem}.civitai.info")


def _is_ours(path: Path) -> bool:
    """Whether a sidecar may be written: there is none, or it is one of ours; others' say more."""
    if not path.exists() and not path.is_symlink():
        return True
    data = read_json_file(path)
    return isinstance(data, dict) and "source" in data


def _record(model: Path, identity: Identity, sha256: str) -> dict[str, object]:
    """The answer as Civitai spells it, with what else tools look for; `source` is ours alone."""
    model_id, _, version_id = identity.source.removeprefix("civitai:").partition("@")
    return {
        "id": int(version_id),
        "modelId": int(model_id),
        "name": identity.version,
        "baseModel": identity.base,
        "trainedWords": list(identity.trigger_words),
        "model": {"name": identity.name, "type": identity.kind},
        "files": [{"name": model.name, "hashes": {"SHA256": sha256.upper()}}],
        "source": identity.source,
        "page": identity.page,
    }


def _facts(identity: Identity) -> ModelFacts:
    return ModelFacts(
        base=identity.base,
        title=f"{identity.name} {identity.version}".strip(),
        trigger_words=split_words(", ".join(identity.trigger_words)),
        page=identity.page,
    )
