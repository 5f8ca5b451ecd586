"""Diffusers folders: `model_index.json` names the pipeline, each part has a folder of its own."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.errors import InvalidRequest
from explorer.facts import Family, ModelFacts, clean_text
from explorer.recognition.denoisers import EDITING, INPAINTING, find_denoiser
from explorer.recognition.headers import Header, Tensor, file_label, read_header
from explorer.recognition.sidecars import read_json_file, read_text

PIPELINES: dict[str, tuple[Family, str]] = {
    "StableDiffusionPipeline": ("sd15", ""),
    "LatentConsistencyModelPipeline": ("sd15", "LCM"),
    "StableDiffusionXLPipeline": ("sdxl", ""),
    "StableDiffusion3Pipeline": ("sd3", ""),
    "FluxPipeline": ("flux", ""),
    "FluxKontextPipeline": ("flux", "Kontext"),
    "Flux2Pipeline": ("flux2", "dev"),
    "Flux2KleinPipeline": ("flux2", "Klein"),
    "ChromaPipeline": ("chroma", ""),
    "ZImagePipeline": ("zimage", ""),
    "QwenImagePipeline": ("qwenimage", ""),
    "SanaPipeline": ("sana", ""),
    "SanaSprintPipeline": ("sana", "Sprint"),
    "PixArtAlphaPipeline": ("pixart", "Alpha"),
    "PixArtSigmaPipeline": ("pixart", "Sigma"),
}
WEIGHTED = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZER_FILES = {"tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model", "vocab.txt"}
_VARIANT = re.compile(r"\.(fp16|bf16|fp32|fp8|int8|ema|non_ema)[.-]")


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a diffusers folder."""
    return sorted(folder.glob("*/*.safetensors"))


def read_folder(folder: Path) -> tuple[ModelFacts, Header]:
    """What a diffusers folder holds, with every tensor of its parts listed.

    Raises:
        InvalidRequest: It is no diffusers folder.
        OSError: A file cannot be read.
    """
    index = read_json_file(folder / "model_index.json")
    if not isinstance(index, dict) or "_class_name" not in index:
        raise InvalidRequest(
            f"{file_label(folder)} is not a model: a diffusers folder holds a model_index.json. "
            "Name such a folder, or a .safetensors file."
        )
    family, variant, problem = _pipeline(index["_class_name"])
    missing: list[str] = []
    tensors: dict[str, Tensor] = {}
    for part in WEIGHTED:
        if not _names_class(index.get(part)):
            continue
        try:
            found = _part_tensors(folder / part)
        except InvalidRequest as error:
            problem = problem or f"cannot be loaded: {part}/{error}"
            continue
        tensors |= {f"{part}.{name}": tensor for name, tensor in found.items()}
        if not found:
            missing.append(part)
    problem = problem or next(_missing_files(folder, index, missing), "")
    if family == "sd15" and _cross_attention(folder) == 1024:
        family = "sd2"
    network = find_denoiser({n: t.shape for n, t in tensors.items() if n.startswith(("unet.", "transf"))})
    scheduler = read_json_file(folder / "scheduler" / "scheduler_config.json")
    prediction = scheduler.get("prediction_type") if isinstance(scheduler, dict) else ""
    facts = ModelFacts(
        kind="checkpoint",
        family=family,
        variant=variant or (network.variant if network and network.family == family else ""),
        prediction=prediction if prediction in ("epsilon", "v_prediction") else "",
        missing=tuple(part for part in missing if part not in ("unet", "transformer")),
        problem=problem and f"{file_label(folder)} {problem}",
        licence=_licence(folder),
    )
    return facts, Header(tensors, {})


def _pipeline(name: Any) -> tuple[Family, str, str]:
    """Family, variant, and why the pipeline draws nothing from a prompt alone."""
    if not isinstance(name, str):
        return "unknown", "", "brings program code of its own, which is never run."
    if name in PIPELINES:
        return *PIPELINES[name], ""
    for word, problem in (("Inpaint", INPAINTING), ("Fill", INPAINTING), ("Edit", EDITING)):
        if word in name:
            return "unknown", word, problem
    shown = clean_text(name, 80)
    return "unknown", shown, f"is made for {shown}, a family this program cannot draw with."


def _names_class(entry: Any) -> bool:
    """Whether `model_index.json` lists a part rather than leaving it empty."""
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)


def _part_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of one part; those of a second precision beside them do not count twice."""
    files = sorted(folder.glob("*.safetensors"))
    chosen = [file for file in files if not _VARIANT.search(file.name)] or files
    tensors: dict[str, Tensor] = {}
    for file in files:
        header = read_header(file)  # all are checked, because any of them may be loaded
        tensors |= header.tensors if file in chosen else {}
    for index in folder.glob("*.safetensors.index.json"):
        listed = read_json_file(index)
        places = listed.get("weight_map") if isinstance(listed, dict) else None
        wanted = set(places.values()) if isinstance(places, dict) else set()
        gone = sorted(str(name) for name in wanted if name not in {file.name for file in files})
        if gone and not _VARIANT.search(index.name):
            raise InvalidRequest(f"{clean_text(gone[0], 120)} is not there. Download it.")
    return tensors


def _missing_files(folder: Path, index: Mapping[str, Any], missing: list[str]) -> Iterator[str]:
    """Why the folder cannot be loaded as it is, file by file."""
    for part in missing:
        pickled = [*folder.glob(f"{part}/*.bin"), *folder.glob(f"{part}/*.ckpt")]
        if pickled:
            yield (
                f"cannot be loaded: its weights in {part}/ are pickled and can run code when they are "
                "opened. Download its .safetensors files."
            )
        elif part in ("unet", "transformer"):
            yield f"cannot be loaded: it has no weights in {part}/. Download its .safetensors files."
    for part in WEIGHTED:
        if _names_class(index.get(part)) and part not in missing:
            config = folder / part / "config.json"
            if not isinstance(read_json_file(config), dict):
                yield f"has no {part}/config.json that can be read. Download it again."
    for part in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        there = {file.name for file in (folder / part).glob("*")}
        if _names_class(index.get(part)) and not there & TOKENIZER_FILES:
            yield f"has no usable tokenizer in {part}/. Download its files."


def _cross_attention(folder: Path) -> Any:
    config = read_json_file(folder / "unet" / "config.json")
    return config.get("cross_attention_dim") if isinstance(config, dict) else None


def _licence(folder: Path) -> str:
    """From the block at the top of a model card."""
    card = read_text(folder / "README.md")[:5000]
    found = re.search(r"^license:[ \t]*([^\n]{1,80})", card, re.MULTILINE) if card.startswith("---") else None
    return clean_text(found.group(1).strip("\"' ")) if found else ""
