"""A model file or folder -> what is known about it. Reads headers and the files beside it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from explorer.errors import InvalidRequest
from explorer.facts import KIND_NAMES, PARTS, ModelFacts, ModelKind
from explorer.recognition.denoisers import Shapes, find_denoiser, missing_parts
from explorer.recognition.folders import read_folder
from explorer.recognition.gguf import read_gguf
from explorer.recognition.headers import Header, file_label, read_header
from explorer.recognition.loras import find_lora
from explorer.recognition.metadata import facts_from_metadata, family_of_base, variant_words
from explorer.recognition.parts import find_helper, find_part
from explorer.recognition.sidecars import facts_from_sidecars
from explorer.types import Layout

VERSION = 2
"""Raise it when the rules change: what was recognised by older ones is read again."""
SAFE = (".safetensors", ".sft")
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
PRECISIONS = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8 e4m3",
    "F8_E5M2": "fp8 e5m2",
    "I8": "int8",
    "U8": "4 or 8 bit",
    "F4": "fp4",
}
_SCALED = (".scale_weight", ".weight_scale", ".scale_input", ".comfy_quant", "scaled_fp8")


def read_model(
    path: Path, beside: Iterable[Path] = (), hint: ModelKind = "unknown"
) -> tuple[Layout, ModelFacts]:
    """What a file or folder is. Never raises: what is wrong is told in `problem`.

    Args:
        path: A .safetensors, .gguf or pickled file, or a diffusers folder.
        beside: JSON files and pictures that belong to it.
        hint: What its place among other tools' folders says it is; taken when it cannot be read.
    """
    words = facts_from_sidecars(beside)
    label = file_label(path)
    try:
        layout, facts = _folder(path) if path.is_dir() else _file(path)
    except InvalidRequest as error:
        layout, facts = "single_file", ModelFacts(hint, problem=str(error))
    except OSError as error:
        problem = f"{label} cannot be read: {error.strerror or error}."
        layout, facts = "single_file", ModelFacts(hint, problem=problem)
    return layout, with_words(facts, words, path.stem)


def facts_of(header: Header, label: str) -> tuple[Layout, ModelFacts]:
    """What a header shows; `label` is the file's name for messages."""
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    layout, facts = _recognised(shapes)
    problem = facts.problem or (_quantised(header) if facts.kind != "lora" else "")
    facts = _with_size(replace(facts, problem=problem and f"{label} {problem}"), header)
    return layout, facts.or_else(facts_from_metadata(header.metadata))


def _file(path: Path) -> tuple[Layout, ModelFacts]:
    suffix = path.suffix.lower()
    if suffix in PICKLED:
        raise InvalidRequest(
            f"{file_label(path)} is a pickled file, which can run code when it is opened. "
            "Convert it to .safetensors first."
        )
    if suffix not in (*SAFE, ".gguf"):
        raise InvalidRequest(
            f"{file_label(path)} is not a model this program can read. "
            "Name a .safetensors file or a diffusers folder."
        )
    return facts_of(read_gguf(path) if suffix == ".gguf" else read_header(path), file_label(path))


def _folder(path: Path) -> tuple[Layout, ModelFacts]:
    facts, header = read_folder(path)
    return "diffusers", _with_size(facts, header)


def _recognised(shapes: Shapes) -> tuple[Layout, ModelFacts]:
    if lora := find_lora(shapes):
        facts = ModelFacts("lora", lora.family, problem=lora.problem, lora_kind=lora.kind, rank=lora.rank)
        return "single_file", facts
    if helper := find_helper(shapes):
        return "single_file", ModelFacts(helper.kind, helper.family, helper.variant, problem=helper.problem)
    if network := find_denoiser(shapes):
        missing = () if network.problem else missing_parts(network.family, shapes)
        facts = ModelFacts(
            kind="checkpoint",
            family=network.family,
            variant=network.variant,
            prediction=network.prediction,
            missing=missing,
            problem=network.problem,
        )
        alone = bool(missing) and len(missing) == len(PARTS[network.family])
        return "transformer_only" if alone else "single_file", facts
    if part := find_part(shapes):
        return "single_file", ModelFacts(part.kind, part.family, part.variant)
    return "single_file", ModelFacts(problem="holds no model of a kind this program knows.")


def _with_size(facts: ModelFacts, header: Header) -> ModelFacts:
    """With the number of weights, and the precision of most of them."""
    sizes: dict[str, int] = {}
    for tensor in header.tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.elements
    main = max(sizes, key=lambda dtype: sizes[dtype], default="")
    precision = f"GGUF {header.quantization}" if header.quantization else PRECISIONS.get(main, main.lower())
    return replace(facts, parameters=sum(sizes.values()), precision=precision)


def _quantised(header: Header) -> str:
    """Why the numbers of a file cannot be used as they are; empty when they can."""
    names, kinds = header.tensors, {tensor.dtype for tensor in header.tensors.values()}
    form = ""
    if header.quantization:
        form = "is a GGUF file"
    elif any(".quant_state." in name or name.endswith(".absmax") for name in names):
        form = "holds 4-bit numbers of bitsandbytes"
    elif any(name.endswith((".qweight", ".wscales", ".qzeros")) for name in names):
        form = "holds packed 4-bit numbers"
    elif any(name.endswith(_SCALED) for name in names):
        form = "holds quantised numbers with separate scales"
    elif kinds & {"I8", "U8", "F4"} and any(
        t.dtype in ("I8", "U8", "F4") and t.elements > 4096 for t in names.values()
    ):
        form = "holds int8 numbers"
    elif kinds & {"F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"}:
        form = "holds numbers in a rare 8-bit form"
    return form and f"{form}, which this program cannot draw with. Use its fp16 or bf16 .safetensors file."


def with_words(facts: ModelFacts, words: ModelFacts, stem: str) -> ModelFacts:
    """Facts from tensors, completed by what people wrote; `stem` is the file's name without ending."""
    base = words.base or facts.base
    # What a model site says of a file is kinder to read than what a trainer's log says.
    merged = facts.or_else(words)
    merged = replace(
        merged,
        base=base,
        title=words.title or facts.title,
        trigger_words=words.trigger_words or facts.trigger_words,
    )
    told = family_of_base(base)
    related = facts.family == "flux" and told == "chroma"  # they share the layers LoRAs are made for
    if (facts.kind not in ("checkpoint", "unknown") and facts.family == "unknown") or related:
        merged = replace(merged, family=told)
    labels = variant_words(merged.family, base, merged.title, stem)
    both = [facts.variant, *(label for label in labels.split(", ") if label not in facts.variant)]
    return replace(merged, variant=", ".join(filter(None, both)))


def wrong_kind(facts: ModelFacts, name: str, wanted: ModelKind) -> str:
    """A sentence saying that a file is of another kind than was asked for."""
    return f"{name} is a {KIND_NAMES[facts.kind]}, not a {KIND_NAMES[wanted]}. Choose a {KIND_NAMES[wanted]}."
