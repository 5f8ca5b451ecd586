"""Loads a checkpoint into a pipeline, from this machine alone.

Here: diffusers folders, parts borrowed from another folder, and the check of what was
loaded. Files without a folder are in `single_files.py`. Nothing is ever asked of the Hub.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.errors import ModelError
from explorer.families import FamilyAdapter
from explorer.recognition.sidecars import read_json_file
from explorer.types import Checkpoint, Family

_SMALLEST_TOKENIZER = 100
_NOT_NEEDED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that have no say in a picture drawn from text."""
_OTHER_PURPOSES = {
    "Inpaint": "fills holes in a picture",
    "Img2Img": "changes a picture",
    "Pix2Pix": "changes a picture",
    "Upscale": "enlarges a picture",
    "Depth": "follows a depth map",
    "Control": "follows a second picture",
    "Fill": "fills holes in a picture",
    "Kontext": "changes a picture",
    "Edit": "changes a picture",
    "Video": "makes videos",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts are that a checkpoint does not bring along."""

    configs: Path
    """The shipped configuration folders, one a family."""
    folders: Callable[[Family], Sequence[Path]] = lambda _family: ()
    """Diffusers folders of a family that parts may be borrowed from, best first."""


@dataclass(slots=True)
class Loaded:
    """A pipeline on the CPU, and what is worth knowing about how it came together."""

    pipe: Any
    borrowed: str = ""
    """Which parts are of another model; empty when none is."""
    scheduler: dict[str, Any] = field(default_factory=dict)
    """Settings of the noise schedule that the file told, over those of the config."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How every part of a model is loaded."""

    precision: str
    check: Callable[[], None]
    """Asked between the parts; raises to stop."""

    @property
    def dtype(self) -> Any:
        """The precision as torch has it."""
        import torch

        return getattr(torch, self.precision)


def load_folder(checkpoint: Checkpoint, adapter: FamilyAdapter, options: LoadOptions) -> Loaded:
    """Load a diffusers folder.

    Raises:
        ModelError: It is for another purpose, or not whole; names the parts.
    """
    index = read_json_file(checkpoint.path / "model_index.json") or {}
    class_name = str(index.get("_class_name"))
    if class_name not in adapter.pipelines:
        raise ModelError(_wrong_class(checkpoint.name, class_name))
    missing = missing_parts(checkpoint.path)
    named = {name for name, _, _ in _parts(checkpoint.path)}
    for part in (adapter.main, "vae", "text_encoder", "tokenizer", "scheduler"):
        if part not in named:
            missing[part] = f"Its model_index.json names no {part}."
    if missing:
        raise ModelError(f"{checkpoint.name} cannot be loaded: {' '.join(missing.values())}")
    return Loaded(_from_folder(checkpoint.path, index, {}, options))


def borrow_rest(folder: Path, parts: Mapping[str, Any], options: LoadOptions) -> Any:
    """The pipeline of a folder, with some parts given instead of loaded."""
    return _from_folder(folder, read_json_file(folder / "model_index.json") or {}, parts, options)


def load_part(folder: Path, name: str, class_name: str, options: LoadOptions) -> Any:
    """A text encoder or tokenizer of a diffusers folder.

    Raises:
        ModelError: The weights are not whole.
    """
    import transformers

    options.check()
    part_class = getattr(transformers, class_name)
    if not hasattr(part_class, "base_model_prefix"):  # a tokenizer
        return part_class.from_pretrained(folder / name, local_files_only=True)
    # Whatever is missing would be filled with random numbers, and nothing said.
    network, report = part_class.from_pretrained(
        folder / name,
        dtype=options.dtype,
        variant=_variant(folder, name),
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    if report["missing_keys"]:
        raise ModelError(
            f"{folder.name} is incomplete: the tensor {name}.{min(report['missing_keys'])} is missing."
        )
    return network.eval()


def missing_parts(folder: Path, without: str = "") -> dict[str, str]:
    """Parts a diffusers folder names in its index and does not hold, each with a sentence.

    Args:
        folder: The folder with the `model_index.json`.
        without: A part of which the config is enough.
    """
    missing = {}
    for name, _, class_name in _parts(folder):
        place = folder / name
        if class_name.endswith("Scheduler") or not place.is_dir():
            if not place.is_dir():
                missing[name] = f"It has no folder {name}."
        elif "Tokenizer" not in class_name and "Processor" not in class_name:
            if not (place / "config.json").is_file():
                missing[name] = f"The folder {name} has no config.json."
            elif name != without and not any(place.glob("*.safetensors")):
                pickled = any(place.glob("*.bin"))
                reason = "only pickled weights (.bin), which can run code" if pickled else "no weights"
                missing[name] = f"The folder {name} has {reason}; .safetensors are needed."
    return missing


def find_donor(
    adapter: FamilyAdapter, sources: Sources, fits: Callable[[Path], bool] = lambda _folder: True
) -> Path | None:
    """A diffusers folder of the family whose parts can be borrowed, or None."""
    candidates = [*sources.folders(adapter.family), *_cached(adapter.published)]
    return next((c for c in candidates if not missing_parts(c, adapter.main) and fits(c)), None)


def check_pipeline(pipe: Any, name: str, check: Callable[[], None] = lambda: None) -> None:
    """Refuse a pipeline that loaded without an error but is not whole.

    A folder without tokenizer files gives an empty tokenizer, and a missing tensor stays on
    the meta device: both would draw nonsense in silence.

    Raises:
        ModelError: Names the part that is missing.
    """
    import torch

    for part, component in pipe.components.items():
        if part.startswith("tokenizer") and component is not None and len(component) < _SMALLEST_TOKENIZER:
            raise ModelError(f"{name} has no usable {part}: its tokenizer files are missing.")
        if not isinstance(component, torch.nn.Module):
            continue
        check()
        for key, tensor in (*component.state_dict().items(), *component.named_buffers()):
            if tensor.is_meta:
                raise ModelError(f"{name} is incomplete: the tensor {part}.{key} is missing.")
            if tensor.is_floating_point() and not _finite(tensor):
                raise ModelError(f"{name} is damaged: the tensor {part}.{key} holds no finite numbers.")


def count_parameters(checkpoint: Checkpoint) -> int:
    """How many numbers the weights of a checkpoint are; reads headers only."""
    if checkpoint.layout != "diffusers":
        return _count([checkpoint.path])
    folders = [checkpoint.path / name for name, _, _ in _parts(checkpoint.path)]
    return sum(_count(_used_files(folder)) for folder in folders)


def plain_reason(error: Exception) -> str:
    """What a library said while it loaded a model, in words that help."""
    text = one_line(error)
    full = "it does not fit into memory. Close other programs, or choose a smaller model."
    known = {
        "out of memory": full,
        "not enough memory": full,
        "allocate memory": full,
        "Unable to load weights": "its file is damaged or cut short. Download it again.",
        "SafetensorError": "its file is damaged or cut short. Download it again.",
        "meta tensor": "it is incomplete, some of its tensors are missing. Download it again.",
        "expected shape": "its tensors have other sizes than its configuration says.",
        "size mismatch": "its tensors have other sizes than its configuration says.",
    }
    reasons = (reason for words, reason in known.items() if words in f"{type(error).__name__} {text}")
    return next(reasons, text)


def one_line(error: Exception) -> str:
    """What a library said, short enough to show."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _from_folder(folder: Path, index: dict[str, Any], parts: Mapping[str, Any], options: LoadOptions) -> Any:
    import diffusers

    given = dict(parts)
    for name, library, class_name in _parts(folder):
        if library == "transformers" and name not in given:
            given[name] = load_part(folder, name, class_name, options)
    given |= {name: None for name in _NOT_NEEDED if name in index}
    if "requires_safety_checker" in index:
        given["requires_safety_checker"] = False
    options.check()
    pipeline_class = getattr(diffusers, str(index["_class_name"]))
    variants = {_variant(folder, name) for name, library, _ in _parts(folder) if library == "diffusers"}
    # Without use_safetensors a lone pickle (.bin) would be loaded instead.
    return pipeline_class.from_pretrained(
        folder,
        dtype=options.dtype,
        variant=next((variant for variant in variants if variant), None),
        local_files_only=True,
        use_safetensors=True,
        **given,
    )


def _parts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(name, library, class) of each part of a diffusers folder that pictures depend on."""
    for name, entry in (read_json_file(folder / "model_index.json") or {}).items():
        if name not in _NOT_NEEDED and isinstance(entry, list) and len(entry) == 2 and all(entry):
            yield name, str(entry[0]), str(entry[1])


def _variant(folder: Path, part: str) -> str | None:
    """`fp16` when a part comes as such files only."""
    files = [file.name for file in (folder / part).glob("*.safetensors")]
    return "fp16" if files and all(".fp16" in file for file in files) else None


def _used_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    plain = [file for file in files if ".fp16" not in file.name]
    return plain or files


def _count(files: Sequence[Path]) -> int:
    from math import prod

    from safetensors import safe_open

    total = 0
    for file in files:
        with safe_open(file, "pt") as tensors:
            total += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return total


def _cached(repositories: Sequence[str]) -> Iterator[Path]:
    """Snapshots of these repositories in the Hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    for repository in repositories:
        index = try_to_load_from_cache(repository, "model_index.json")
        if isinstance(index, str):
            yield Path(index).parent


def _finite(tensor: Any) -> bool:
    import torch

    # One pass without a copy; a sum that overflows is looked at again.
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32))) or bool(torch.isfinite(tensor).all())


def _wrong_class(name: str, class_name: str) -> str:
    purpose = next((does for word, does in _OTHER_PURPOSES.items() if word in class_name), None)
    if purpose:
        return f"{name} {purpose} ({class_name}); it cannot draw from a prompt alone."
    return f"{name} is made for {class_name}, which this program cannot draw with."
