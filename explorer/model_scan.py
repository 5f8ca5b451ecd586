"""Walks the model folders and says what lies there. Opens no file: names, sizes and times only.

Folders of other tools are known by their names: what a file is expected to be, and which
folders hold nothing for us. Links are followed only inside the folders that were named, and
every folder is entered once, so that a circle of links ends.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explorer.facts import ModelKind
from explorer.recognition.headers import file_label
from explorer.recognition.reader import PICKLED, SAFE, VERSION
from explorer.recognition.sidecars import beside

MAX_DEPTH = 12
SUFFIXES = (*SAFE, ".gguf", *PICKLED)
HINTS: dict[str, ModelKind] = {
    **dict.fromkeys(("stable-diffusion", "checkpoints", "diffusion_models", "unet"), "checkpoint"),
    **dict.fromkeys(("lora", "loras", "lycoris"), "lora"),
    "vae": "vae",
    **dict.fromkeys(("clip", "text_encoder", "text_encoders"), "text_encoder"),
    "embeddings": "embedding",
    "controlnet": "controlnet",
}
"""Folder names of A1111, Forge, ComfyUI and SD.Next -> what their files are."""
_PROGRAM_FOLDERS = """
venv env python python_embeded node_modules __pycache__ site-packages outputs output input temp
extensions extensions-builtin custom_nodes repositories localizations tests
"""
_OTHER_PURPOSES = """
upscale_models latent_upscale_models esrgan realesrgan bsrgan swinir scunet dat ldsr gfpgan codeformer
restoreformer facerestore_models facedetection insightface instantid photomaker deepbooru
torch_deepdanbooru interrogate blip clip_interrogator karlo hypernetworks ultralytics yolo sams sam2
grounding-dino clip_vision style_models ipadapter ip-adapter annotator annotators
controlnetpreprocessor animatediff_models animatediff_motion_lora vae_approx gligen llm florence2
onnx vfi audio_encoders model_patches
"""
PROGRAM_FOLDERS = frozenset(_PROGRAM_FOLDERS.split())
"""Of a tool's installation; passed over near its top only, for people use these names too."""
OTHER_PURPOSES = frozenset(_OTHER_PURPOSES.split())
GENERIC = {"diffusion_pytorch_model", "pytorch_lora_weights", "model", "adapter_model", "pytorch_model"}
"""File names that say nothing: such a file is called after its folder."""
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")
_FOLDER_FILES = (".json", ".txt", ".model", ".safetensors", ".bin", ".md")


@dataclass(frozen=True, slots=True)
class Found:
    """A model file or diffusers folder as it lies on the disk."""

    path: Path
    size_bytes: int
    signature: str
    """Changes when the file, a file of the folder, or a file beside it does."""
    beside: tuple[Path, ...] = ()
    hint: ModelKind = "unknown"
    problem: str = ""
    """Why it is not even opened."""

    @property
    def stem(self) -> str:
        """The file's name without its ending, or the folder's, where the file's says nothing."""
        name = self.path.stem if self.path.suffix.lower() in SUFFIXES else self.path.name
        shard = _SHARD.sub("", name)
        return self.path.parent.name if _VARIANT_END.sub("", shard) in GENERIC else shard


_VARIANT_END = re.compile(r"\.(fp16|bf16|fp32|non_ema|ema)$")


def walk(roots: Sequence[Path]) -> Iterator[Found]:
    """Everything that looks like a model below these folders, in the order of its path."""
    allowed = tuple(root.resolve() for root in roots if root.is_dir())
    walker = _Walker(allowed)
    for root in allowed:
        yield from walker.folder(root, _hint_above(root), 0)


def look_again(found: Found) -> Found | None:
    """The same place now; None when it is no longer there."""
    try:
        if found.path.is_dir():
            inside, size, _ = _folder_state(found.path, ())
            return replace(found, size_bytes=size, signature=_signature(inside, found.beside))
        state = found.path.stat()
        return replace(found, size_bytes=state.st_size, signature=_signature(_stamp(state), found.beside))
    except OSError:
        return None


class _Walker:
    def __init__(self, allowed: tuple[Path, ...]) -> None:
        self.allowed = allowed
        self.seen: set[tuple[int, int]] = set()

    def folder(self, folder: Path, hint: ModelKind, depth: int) -> Iterator[Found]:
        try:
            state = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return  # not ours to read
        if depth > MAX_DEPTH or (state.st_dev, state.st_ino) in self.seen:
            return
        self.seen.add((state.st_dev, state.st_ino))
        names = [entry.name for entry in entries]
        if "model_index.json" in names:
            yield self.diffusers(folder)
            return
        for entry in entries:
            if entry.name.startswith(".") or f"{entry.name}.aria2" in names:
                continue  # hidden, or a download that goes on
            yield from self.entry(entry, names, hint, depth)

    def entry(
        self, entry: os.DirEntry[str], names: list[str], hint: ModelKind, depth: int
    ) -> Iterator[Found]:
        path = Path(entry.path)
        looks = path.suffix.lower() in SUFFIXES
        problem = _bad_name(path) or (self.link_problem(path) if entry.is_symlink() else "")
        try:
            folder = entry.is_dir()
        except OSError:
            folder = False  # a link to itself, which its problem tells
        if problem:
            if looks or folder:
                yield Found(path, 0, f"{VERSION}:{problem}", (), hint, problem)
        elif folder:
            name = entry.name.casefold()
            if name not in OTHER_PURPOSES and not (depth < 2 and name in PROGRAM_FOLDERS):
                yield from self.folder(path, HINTS.get(name, hint), depth + 1)
        elif looks:
            yield from self.file(path, names, hint)

    def file(self, path: Path, names: list[str], hint: ModelKind) -> Iterator[Found]:
        try:
            state = path.stat()
        except OSError:
            return  # gone since the folder was listed
        shard = _SHARD.search(path.stem)
        if shard and shard.group(1) != "00001":
            return
        problem = ""
        if shard:
            problem = (
                f"{file_label(path)} is one of {int(shard.group(2))} parts of a model. "
                "Use the whole diffusers folder, or a single file."
            )
        elif not stat.S_ISREG(state.st_mode):
            problem = f"{file_label(path)} is no ordinary file. Remove it, or put the model there."
        near = beside(path.stem, names)
        if path.stem == "adapter_model" and "adapter_config.json" in names:
            near.append("adapter_config.json")
        files = tuple(path.with_name(name) for name in near)
        yield Found(path, state.st_size, _signature(_stamp(state), files), files, hint, problem)

    def diffusers(self, folder: Path) -> Found:
        try:
            inside, size, problem = _folder_state(folder, self.allowed)
            near = [folder.with_name(name) for name in beside(folder.name, _names(folder.parent))]
            near += [folder / name for name in beside("preview", _names(folder))]
        except OSError as error:
            inside, size, near = str(VERSION), 0, []
            problem = f"{file_label(folder)} cannot be read: {error.strerror}."
        return Found(folder, size, _signature(inside, near), tuple(near), "checkpoint", problem)

    def link_problem(self, path: Path) -> str:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return f"{file_label(path)} is a link that leads nowhere. Put the file there, or remove the link."
        if any(target.is_relative_to(root) for root in self.allowed):
            return ""
        return (
            f"{file_label(path)} is a link to a place outside the model folders. "
            "Name that folder in EXPLORER_MODEL_FOLDERS, or put the file here."
        )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _bad_name(path: Path) -> str:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return f"{file_label(path)} has a name that is no text. Rename it."
    return ""


def _hint_above(root: Path) -> ModelKind:
    return HINTS.get(root.name.casefold(), "unknown")


def _stamp(state: os.stat_result) -> str:
    return f"{VERSION}:{state.st_size}:{state.st_mtime_ns}"


def _signature(own: str, files: Sequence[Path]) -> str:
    """The mark of a model, with those of the files beside it."""
    parts = [own]
    for file in files:
        try:
            parts.append(f"{file.name}:{_stamp(file.stat())}")
        except OSError:
            parts.append(f"{file.name}:gone")
    return "|".join(parts)


def _folder_state(folder: Path, allowed: tuple[Path, ...]) -> tuple[str, int, str]:
    """Signature, size in bytes, and what is wrong with a diffusers folder."""
    total, problem = 0, ""
    digest = hashlib.sha256(str(VERSION).encode())
    for inner in [folder, *(p for p in sorted(folder.iterdir()) if p.is_dir())]:
        for path in sorted(inner.iterdir()):
            if not path.name.endswith(_FOLDER_FILES) or path.name.startswith("."):
                continue
            if allowed and path.is_symlink():
                problem = problem or _Walker(allowed).link_problem(path)
                if problem:
                    continue
            state = path.stat()
            total += state.st_size
            digest.update(
                f"{inner.name}/{path.name}:{state.st_size}:{state.st_mtime_ns}\n".encode("utf-8", "replace")
            )
    return digest.hexdigest()[:32], total, problem
