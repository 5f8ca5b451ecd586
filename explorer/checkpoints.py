"""Finds checkpoints and LoRAs on disk. Reads headers and configs, never weights.

A diffusers folder is known by its `model_index.json`; a single file by the tensor names in
its safetensors header. Pickled weights (.ckpt, .bin, .pt) are never listed or loaded.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explorer.errors import InvalidRequest, ModelError, UnknownName
from explorer.types import Checkpoint, Family, Lora, Model, WeightedLora

MAX_HEADER_BYTES = 100_000_000
PIPELINE_FAMILIES: dict[str, Family] = {
    "StableDiffusionPipeline": "sd15",
    "StableDiffusionXLPipeline": "sdxl",
}
NATIVE_SIDE: dict[Family, int] = {"sd15": 512, "sdxl": 1024, "unknown": 512}


@dataclass(frozen=True, slots=True)
class ModelLibrary:
    """Every checkpoint and LoRA in the folders the person named."""

    checkpoint_folders: tuple[Path, ...]
    lora_folders: tuple[Path, ...]
    bundled: Path

    def checkpoints(self) -> list[Checkpoint]:
        """The person's checkpoints by name, then the bundled ones."""
        own = [c for folder in self.checkpoint_folders for c in scan_checkpoints(folder)]
        shipped = [replace(c, bundled=True) for c in scan_checkpoints(self.bundled)]
        return list(_unique([*own, *shipped]))

    def loras(self) -> list[Lora]:
        """The person's LoRAs by name."""
        files = (p for folder in self.lora_folders for p in sorted(folder.rglob("*.safetensors")))
        return [Lora(path.stem, path, path.stat().st_size) for path in files if path.is_file()]

    def resolve(self, reference: str) -> Model:
        """The model a reference names: `NAME`, a path, each with `+LORA:WEIGHT` behind it.

        Raises:
            UnknownName: No such checkpoint or LoRA; near names are given.
            InvalidRequest: A weight is no number, or a path holds no model.
        """
        base, *lora_parts = _split_reference(reference)
        return Model(self._checkpoint(base), tuple(self._lora(part) for part in lora_parts))

    def _checkpoint(self, name: str) -> Checkpoint:
        known = self.checkpoints()
        for checkpoint in known:
            if checkpoint.name == name:
                return checkpoint
        path = Path(name).expanduser()
        if looks_like_path(name):
            if not path.exists():
                raise InvalidRequest(f"There is no model at {name}.")
            return read_checkpoint(path)
        raise UnknownName("model", name, [checkpoint.name for checkpoint in known])

    def _lora(self, part: str) -> WeightedLora:
        name, _, weight = part.rpartition(":")
        if not name:
            name, weight = part, "1"
        try:
            value = float(weight)
        except ValueError:
            raise InvalidRequest(
                f"The LoRA weight {weight!r} is not a number; write {name}:0.8, for example."
            ) from None
        if not -10 <= value <= 10:
            raise InvalidRequest(f"The LoRA weight {value:g} is out of range; use -10 to 10.")
        known = self.loras()
        for lora in known:
            if lora.name == name:
                return WeightedLora(lora, value)
        path = Path(name).expanduser()
        if path.suffix == ".safetensors" and path.is_file():
            return WeightedLora(Lora(path.stem, path, path.stat().st_size), value)
        raise UnknownName("LoRA", name, [lora.name for lora in known])


def scan_checkpoints(folder: Path) -> Iterator[Checkpoint]:
    """The checkpoints below a folder; what is none is passed over."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            if path.is_dir() and not (path / "model_index.json").exists():
                yield from scan_checkpoints(path)
            elif path.is_dir() or path.suffix == ".safetensors":
                yield read_checkpoint(path)
        except (InvalidRequest, OSError):
            continue


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at a path.

    Raises:
        InvalidRequest: The path holds no checkpoint; says why.
    """
    if path.is_dir():
        index = read_json(path / "model_index.json")
        if not isinstance(index, dict) or "_class_name" not in index:
            raise InvalidRequest(
                f"{path} is not a model: a diffusers folder holds a model_index.json. "
                "Name such a folder, or a .safetensors file."
            )
        family = PIPELINE_FAMILIES.get(str(index["_class_name"]), "unknown")
        size = sum(file.stat().st_size for file in weight_files(path))
        return Checkpoint(path.name, path, family, "diffusers", size)
    if path.suffix != ".safetensors":
        raise InvalidRequest(
            f"{path.name} is not a .safetensors file. Pickled weights (.ckpt, .bin, .pt) can run "
            "code when they are opened; convert them to .safetensors first."
        )
    names = read_header(path)
    family = single_file_family(names)
    if family == "unknown":
        raise InvalidRequest(f"{path.name} is not a checkpoint this program knows (SD 1.5 or SDXL).")
    return Checkpoint(path.stem, path, family, "single_file", path.stat().st_size)


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor names with their types and shapes.

    Raises:
        InvalidRequest: The file is cut or no safetensors file.
    """
    wrong = f"{path.name} is damaged or no .safetensors file. Download it again."
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise InvalidRequest(wrong)
        try:
            header = json.loads(file.read(length))
            ends = [int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IndexError):
            raise InvalidRequest(wrong) from None
    if 8 + length + max(ends, default=0) != size:
        raise InvalidRequest(wrong)
    header.pop("__metadata__", None)
    return dict(header)


def single_file_family(names: Iterable[str]) -> Family:
    """The family of a single-file checkpoint, by tensor names of the original layouts."""
    known = set(names)
    if "model.diffusion_model.input_blocks.0.0.weight" not in known:
        return "unknown"
    if "conditioner.embedders.1.model.ln_final.weight" in known:
        return "sdxl"
    if "cond_stage_model.transformer.text_model.final_layer_norm.weight" in known:
        return "sd15"
    return "unknown"


def native_size(checkpoint: Checkpoint) -> tuple[int, int]:
    """Width and height in pixels the checkpoint was trained for."""
    side = NATIVE_SIDE[checkpoint.family]
    if checkpoint.layout == "diffusers":
        unet = read_json(checkpoint.path / "unet" / "config.json") or {}
        vae = read_json(checkpoint.path / "vae" / "config.json") or {}
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
        if checkpoint.layout == "single_file":
            return file_hash(checkpoint.path)
        digest = hashlib.sha256()
        for file in [*weight_files(checkpoint.path), *_config_files(checkpoint.path)]:
            digest.update(f"{file.relative_to(checkpoint.path).as_posix()} {file_hash(file)}\n".encode())
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"Cannot read the model {checkpoint.name}: {error.strerror}.") from error


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a diffusers folder."""
    return sorted(folder.glob("*/*.safetensors"))


def read_json(path: Path) -> Any:
    """A small JSON file, or None when it is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _config_files(folder: Path) -> list[Path]:
    # Configs and tokenizers change the pictures as much as weights do.
    return sorted([*folder.glob("*.json"), *folder.glob("*/*.json"), *folder.glob("*/*.txt")])


def _split_reference(reference: str) -> list[str]:
    # A path may hold a plus sign; a reference that exists as it stands is one path.
    if looks_like_path(reference) and Path(reference).expanduser().exists():
        return [reference]
    return [part.strip() for part in reference.split("+")]


def looks_like_path(name: str) -> bool:
    """Whether a reference names a place on the disk rather than a known model."""
    return "/" in name or "\\" in name or name.startswith(("~", ".")) or name.endswith(".safetensors")


def _unique(checkpoints: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
    """Give every checkpoint a name of its own: a second `x` becomes `x (2)`."""
    seen: dict[str, int] = {}
    for checkpoint in checkpoints:
        count = seen[checkpoint.name] = seen.get(checkpoint.name, 0) + 1
        yield checkpoint if count == 1 else replace(checkpoint, name=f"{checkpoint.name} ({count})")
