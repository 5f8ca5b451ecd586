"""Loads checkpoints that are one file: in the original layout, or one network alone.

Stable Diffusion 1.5, 2 and XL need nothing besides the file: their configuration is shipped
and CLIP's tokenizer is made here. Of other families the text encoders, the autoencoder and
the tokenizers are taken from a diffusers folder of the family, where the file lacks them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.clip_tokenizer import build_clip_tokenizer
from explorer.errors import ModelError
from explorer.facts import PARTS
from explorer.families import FamilyAdapter
from explorer.loading import Loaded, LoadOptions, Sources, borrow_rest, find_donor
from explorer.recognition.sidecars import read_json_file
from explorer.types import Checkpoint

_PREFIXES = ("model.diffusion_model.", "diffusion_model.")
_VAE = ("first_stage_model.", "vae.")
_TEXT = ("cond_stage_model.", "conditioner.", "text_encoders.")
_SCALES = (".scale_weight", ".weight_scale")
"""What a scaled fp8 file holds beside each weight."""
_OTHER_INPUTS = {9: "fills holes in a picture", 8: "changes a picture", 5: "follows a depth map"}
_V_PREDICTION_SPREAD = 0.09
"""Spread of one layer's bias above which a Stable Diffusion 2 predicts velocity."""


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What the header of a file tells."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, str]
    metadata: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "TensorFile":
        """Read the header; no weights."""
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            types = {name: str(part.get_dtype()) for name, part in slices.items()}
            return cls(path, shapes, types, dict(file.metadata() or {}))

    def holds(self, prefixes: tuple[str, ...]) -> bool:
        """Whether a tensor's name begins so."""
        return any(name.startswith(prefixes) for name in self.shapes)

    def shape_of(self, ending: str) -> tuple[int, ...] | None:
        """The shape of the first tensor whose name ends so."""
        return next((shape for name, shape in self.shapes.items() if name.endswith(ending)), None)


def load_single_file(
    checkpoint: Checkpoint, adapter: FamilyAdapter, sources: Sources, options: LoadOptions
) -> Loaded:
    """Load a checkpoint that is one file.

    Raises:
        ModelError: It is for another purpose, in a form that cannot be read, or needs parts
            that are not there; names them.
    """
    file = TensorFile.read(checkpoint.path)
    refuse_unusable(file, checkpoint.name)
    whole = file.holds(_VAE) and file.holds(_TEXT)
    if adapter.main == "unet":
        config = find_config(file, adapter, sources)
        if config is None:
            raise ModelError(
                f"{checkpoint.name} has other sizes than the published {adapter.title}. Put a diffusers "
                "folder with the same sizes among the models; its configuration will be used."
            )
        if whole and any(key.endswith(_SCALES) for key in file.shapes):
            raise ModelError(
                f"{checkpoint.name} holds scaled fp8 numbers. Use a float16 or plain fp8 file of it."
            )
        if whole:
            return _whole_file(file, adapter, config, options)
        donor = find_donor(adapter, sources, lambda folder: fits(file, folder))
    else:
        donor = config = find_donor(adapter, sources)
    if donor is None or config is None:
        raise ModelError(missing_message(file, checkpoint.name, adapter))
    return _with_donor(file, adapter, donor, options)


def refuse_unusable(file: TensorFile, name: str) -> None:
    """Refuse files that do not draw from a prompt, or whose numbers need another program.

    Raises:
        ModelError: Says why.
    """
    first = file.shape_of("input_blocks.0.0.weight") or file.shape_of("conv_in.weight")
    purpose = _OTHER_INPUTS.get(first[1]) if first and len(first) == 4 else None
    if purpose and not file.shape_of("quant_conv.weight") == first:
        raise ModelError(f"{name} {purpose}; it cannot draw from a prompt alone.")
    embedder = "conditioner.embedders.{}.model.ln_final.weight"
    if embedder.format(0) in file.shapes and embedder.format(1) not in file.shapes:
        raise ModelError(
            f"{name} is an SDXL refiner: it finishes pictures and cannot draw from a prompt alone."
        )
    packed = {t for key, t in file.types.items() if key.endswith(".weight")} & {"I8", "U8", "F4"}
    if packed:
        raise ModelError(
            f"{name} is quantized to whole numbers (int8 or 4 bit), which this program cannot read. "
            "Use a float16, bfloat16 or fp8 file of the same model."
        )


def find_config(file: TensorFile, adapter: FamilyAdapter, sources: Sources) -> Path | None:
    """The configuration a file was made with: the shipped one, or that of a folder that fits."""
    shipped = sources.configs / adapter.family
    if fits(file, shipped):
        return shipped
    return next((folder for folder in sources.folders(adapter.family) if fits(file, folder)), None)


def fits(file: TensorFile, config: Path) -> bool:
    """Whether the sizes in a configuration folder are those of a file's UNet and text encoder."""
    unet = read_json_file(config / "unet" / "config.json") or {}
    first = file.shape_of("input_blocks.0.0.weight") or file.shape_of("conv_in.weight") or (0,)
    attention = file.shape_of("attn2.to_k.weight") or (0, 0)
    words = file.shape_of("token_embedding.weight")
    text = read_json_file(config / "text_encoder" / "config.json") or {}
    return (
        unet.get("block_out_channels", [-1])[0] == first[0]
        and unet.get("cross_attention_dim") == attention[1]
        and (words is None or words == (text.get("vocab_size"), text.get("hidden_size")))
    )


def schedule_facts(file: TensorFile, adapter: FamilyAdapter) -> dict[str, Any]:
    """What a file tells about the noise it was trained with, over what its config says."""
    facts: dict[str, Any] = {}
    told = file.metadata.get("modelspec.prediction_type", "").casefold()
    architecture = file.metadata.get("modelspec.architecture", "").casefold()
    if "v_pred" in file.shapes or told.startswith("v") or architecture.endswith("768-v"):
        facts["prediction_type"] = "v_prediction"
    elif told.startswith("eps"):
        facts["prediction_type"] = "epsilon"
    elif adapter.family == "sd2":
        velocity = _spread(file) > _V_PREDICTION_SPREAD
        facts["prediction_type"] = "v_prediction" if velocity else "epsilon"
    if "ztsnr" in file.shapes:
        # With no signal left at the last step, steps must begin there.
        facts |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return facts


def missing_message(file: TensorFile, name: str, adapter: FamilyAdapter) -> str:
    """Which parts a file lacks, and what to do."""
    lacks = [
        named
        for part, named in PARTS[adapter.family].items()
        if not file.holds(_VAE if part == "vae" else _TEXT)
    ]
    lacks += [] if adapter.main == "unet" else ["the tokenizers"]
    parts = lacks[0] if len(lacks) == 1 else f"{', '.join(lacks[:-1])} and {lacks[-1]}"
    return (
        f"{name} holds a part of {adapter.title} only; missing: {parts}. Put a diffusers folder of "
        f"{adapter.title} among the models, or fetch hf:{adapter.published[0]}; its parts will be used."
    )


def _whole_file(file: TensorFile, adapter: FamilyAdapter, config: Path, options: LoadOptions) -> Loaded:
    import diffusers

    index = read_json_file(config / "model_index.json") or {}
    given: dict[str, Any] = {}
    for name in ("tokenizer", "tokenizer_2"):
        if name in index and not (config / name).is_dir():
            options.check()
            # OpenCLIP's encoders were trained with another padding than CLIP's.
            given[name] = build_clip_tokenizer(pad_with_zero=name == "tokenizer_2" or adapter.family == "sd2")
    options.check()
    pipeline_class = getattr(diffusers, adapter.pipelines[0])
    pipe = pipeline_class.from_single_file(
        str(file.path), config=str(config), local_files_only=True, dtype=options.dtype, **given
    )
    return Loaded(pipe, scheduler=schedule_facts(file, adapter))


def _with_donor(file: TensorFile, adapter: FamilyAdapter, donor: Path, options: LoadOptions) -> Loaded:
    import diffusers

    parts = {adapter.main: load_main(file, adapter, donor, options)}
    borrowed = ["text encoders", "VAE"]
    known = (read_json_file(donor / "model_index.json") or {}).get("vae", ["", ""])[1]
    if file.holds(_VAE) and known == "AutoencoderKL":
        parts["vae"] = diffusers.AutoencoderKL.from_single_file(
            str(file.path),
            config=str(donor),
            subfolder="vae",
            local_files_only=True,
            dtype=options.dtype,
        )
        borrowed.remove("VAE")
    pipe = borrow_rest(donor, parts, options)
    facts = schedule_facts(file, adapter) if adapter.main == "unet" else {}
    return Loaded(pipe, f"{' and '.join(borrowed)} of {donor.name}", facts)


def load_main(file: TensorFile, adapter: FamilyAdapter, config: Path, options: LoadOptions) -> Any:
    """The network that is run in every step, from a file with any of the usual tensor names."""
    import diffusers
    from accelerate import init_empty_weights
    from safetensors.torch import load_file

    options.check()
    network_class = getattr(diffusers, adapter.main_class)
    with init_empty_weights(include_buffers=False):
        network = network_class.from_config(network_class.load_config(config, subfolder=adapter.main))
    tensors = unscaled(load_file(file.path))
    plain = {_without_prefix(name): tensor for name, tensor in tensors.items()}
    expected = set(network.state_dict())
    if expected <= set(plain):
        network.load_state_dict({name: plain[name].to(options.dtype) for name in expected}, assign=True)
        return network.to(options.dtype).eval()
    if not hasattr(network_class, "from_single_file"):
        raise ModelError(f"The tensors of {file.path.name} do not have the names of {adapter.title}.")
    return network_class.from_single_file(
        tensors,
        config=str(config),
        subfolder=adapter.main,
        local_files_only=True,
        dtype=options.dtype,
    ).eval()


def unscaled(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors of a scaled fp8 file with their scales multiplied in; others as they are."""
    import torch

    scales = {name: tensor for name, tensor in tensors.items() if name.endswith(_SCALES)}
    notes = (*_SCALES, ".scale_input", ".input_scale", "scaled_fp8", ".comfy_quant")
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith(notes)}
    for name, scale in scales.items():
        weight = f"{name.rpartition('.')[0]}.weight"
        if weight in plain:
            by_row = scale.reshape(-1, *(1,) * (plain[weight].ndim - 1)) if scale.ndim == 1 else scale
            plain[weight] = plain[weight].to(torch.float32) * by_row.to(torch.float32)
    return plain


def _without_prefix(name: str) -> str:
    return next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)


def _spread(file: TensorFile) -> float:
    """Standard deviation of the bias that tells the two kinds of Stable Diffusion 2 apart."""
    from safetensors import safe_open

    name = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    if name not in file.shapes:
        return 1.0
    with safe_open(file.path, "pt") as tensors:
        return float(tensors.get_tensor(name).float().std())
