"""One model on disk: what a path holds, the size it draws in, and the hash that is its identity."""

import glob
import hashlib
from collections.abc import Callable
from pathlib import Path

from explorer.errors import InvalidRequest, ModelError
from explorer.facts import ModelKind
from explorer.families import adapter
from explorer.recognition.folders import weight_files
from explorer.recognition.reader import read_model, wrong_kind
from explorer.recognition.sidecars import beside, read_json_file
from explorer.types import Checkpoint, Lora, ModelFile


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at a path; one that cannot be used says so in its facts.

    Raises:
        InvalidRequest: The path holds no checkpoint; says why.
    """
    return as_checkpoint(_file_at(path, "checkpoint"))


def read_lora(path: Path) -> Lora:
    """The LoRA at a path.

    Raises:
        InvalidRequest: The path holds no LoRA; says why.
    """
    return as_lora(_file_at(path, "lora"))


def native_size(checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels the checkpoint was trained for."""
    if len(checkpoint.facts.resolution) == 2:
        return checkpoint.facts.resolution[0], checkpoint.facts.resolution[1]
    family = adapter(checkpoint.family)
    side = family.native_side if family else 512
    if checkpoint.layout == "diffusers":
        unet = read_json_file(checkpoint.path / "unet" / "config.json") or {}
        vae = read_json_file(checkpoint.path / "vae" / "config.json") or {}
        factor = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
        sample = unet.get("sample_size")
        if isinstance(sample, int) and 0 < sample <= 1024:
            side = sample * factor
    return side, side


def content_hash(checkpoint: Checkpoint, file_hash: Callable[[Path], str]) -> str:
    """The identity of a checkpoint: the SHA-256 of its file, or of its folder's contents.

    Args:
        checkpoint: What to hash.
        file_hash: Gives the SHA-256 of one file, remembered where possible.

    Raises:
        ModelError: A file cannot be read.
    """
    try:
        if checkpoint.layout != "diffusers":
            return file_hash(checkpoint.path)
        digest = hashlib.sha256()
        for file in [*weight_files(checkpoint.path), *_config_files(checkpoint.path)]:
            digest.update(f"{file.relative_to(checkpoint.path).as_posix()} {file_hash(file)}\n".encode())
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"Cannot read the model {checkpoint.name}: {error.strerror}.") from error


def _config_files(folder: Path) -> list[Path]:
    # Configs and tokenizers change the pictures as much as weights do.
    return sorted([*folder.glob("*.json"), *folder.glob("*/*.json"), *folder.glob("*/*.txt")])


def as_checkpoint(file: ModelFile) -> Checkpoint:
    """A file of that kind as what is compared."""
    facts = file.facts
    return Checkpoint(file.name, file.path, facts.family, file.layout, file.size_bytes, file.bundled, facts)


def as_lora(file: ModelFile) -> Lora:
    """A file of that kind as what is put on a checkpoint."""
    return Lora(file.name, file.path, file.size_bytes, file.facts.family, file.bundled, file.facts)


def _file_at(path: Path, kind: ModelKind) -> ModelFile:
    """What lies at a path that a person wrote.

    Raises:
        InvalidRequest: It is of another kind, or cannot be read.
    """
    try:
        folder = path.is_dir()
        size = sum(f.stat().st_size for f in weight_files(path)) if folder else path.stat().st_size
    except OSError as error:
        raise InvalidRequest(f"There is no model at {path}: {error.strerror}.") from error
    layout, facts = read_model(path, _files_beside(path))
    if facts.kind != kind:
        raise InvalidRequest(facts.problem or wrong_kind(facts, path.name, kind))
    return ModelFile("", path.name if folder else path.stem, path, layout, size, facts)


def _files_beside(path: Path) -> list[Path]:
    stem = path.name if path.is_dir() else path.stem
    names = (near.name for near in path.parent.glob(f"{glob.escape(stem)}.*"))
    return [path.with_name(name) for name in beside(stem, names)]
