"""Writes a pipeline folder as one file in the original layout of Stable Diffusion or SDXL.

Other programs pass models on as one `.safetensors` whose tensors have the names of the
first implementations. The numbers stay as they are; names change, the convolutional
attention of the autoencoder gets its two unit dimensions back, and the second text encoder
of SDXL takes open_clip's form, with queries, keys and values in one matrix.

    python -m training.single_file FOLDER FILE
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Tensors = dict[str, Tensor]
Names = Mapping[str, str]

_UNET_ENDS: Names = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_UNET_RESNET: Names = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_ATTENTION: Names = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP: Names = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER: Names = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_WEIGHTS = {"transformers": "model.safetensors", "diffusers": "diffusion_pytorch_model.safetensors"}
_ARCHITECTURES = {
    "StableDiffusionPipeline": "stable-diffusion-v1",
    "StableDiffusionXLPipeline": "stable-diffusion-xl-v1-base",
}


def _moved(name: str, places: Names) -> tuple[str, str]:
    """Splits a name behind the longest known beginning; returns its new beginning and the rest."""
    head = name
    while head not in places:
        head = head.rpartition(".")[0]
        if not head:
            raise ValueError(f"the original layout has no place for {name!r}")
    return places[head], name[len(head) :].lstrip(".")


def unet_places(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns where the original layout keeps each block of a denoiser.

    Args:
        config: The denoiser's configuration.

    Returns:
        Beginnings of names as diffusers writes them, with the original ones.
    """
    layers, places = config["layers_per_block"], dict(_UNET_ENDS)
    if not isinstance(layers, int):
        raise ValueError("the original layout has the same number of layers in every block")
    for level in range(len(config["down_block_types"])):
        first, block = 1 + level * (layers + 1), f"down_blocks.{level}"
        for layer in range(layers):
            places[f"{block}.resnets.{layer}"] = f"input_blocks.{first + layer}.0"
            places[f"{block}.attentions.{layer}"] = f"input_blocks.{first + layer}.1"
        places[f"{block}.downsamplers.0.conv"] = f"input_blocks.{first + layers}.0.op"
    for level, kind in enumerate(config["up_block_types"]):
        first, block = level * (layers + 1), f"up_blocks.{level}"
        for layer in range(layers + 1):
            places[f"{block}.resnets.{layer}"] = f"output_blocks.{first + layer}.0"
            places[f"{block}.attentions.{layer}"] = f"output_blocks.{first + layer}.1"
        # The upsampler stands behind the attention where there is one.
        behind = 2 if kind.startswith("CrossAttn") else 1
        places[f"{block}.upsamplers.0.conv"] = f"output_blocks.{first + layers}.{behind}.conv"
    return places


def original_unet(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensors:
    """Renames a denoiser's tensors.

    Args:
        tensors: The tensors as diffusers names them.
        config: The denoiser's configuration.
    """
    places, result = unet_places(config), {}
    for name, tensor in tensors.items():
        place, rest = _moved(name, places)
        if ".resnets." in name:
            part, end = _moved(rest, _UNET_RESNET)
            rest = f"{part}.{end}"
        result[f"model.diffusion_model.{place}.{rest}"] = tensor
    return result


def original_vae(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensors:
    """Renames an autoencoder's tensors; its attention becomes 1 x 1 convolutions.

    Args:
        tensors: The tensors as diffusers names them.
        config: The autoencoder's configuration.
    """
    last, result = len(config["block_out_channels"]) - 1, {}

    def up(match: re.Match[str]) -> str:
        return f"decoder.up.{last - int(match[1])}."

    changes: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"encoder\.down_blocks\.", "encoder.down."),
        (r"decoder\.up_blocks\.(\d+)\.", up),
        (r"mid_block\.resnets\.(\d+)", lambda match: f"mid.block_{int(match[1]) + 1}"),
        (r"\.resnets\.", ".block."),
        (r"\.(down|up)samplers\.0\.", r".\1sample."),
        (r"conv_shortcut", "nin_shortcut"),
        (r"conv_norm_out", "norm_out"),
    ]
    for name, tensor in tensors.items():
        head, found, rest = name.partition("mid_block.attentions.0.")
        if found:
            part, end = _moved(rest, _VAE_ATTENTION)
            renamed = f"{head}mid.attn_1.{part}.{end}"
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        else:
            renamed = name
            for pattern, change in changes:
                renamed = re.sub(pattern, change, renamed)
        result[f"first_stage_model.{renamed}"] = tensor
    return result


def original_text(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Puts CLIP's text tensors under a prefix; newer transformers leave out `text_model.`."""
    return {
        f"{prefix}text_model.{name.removeprefix('text_model.')}": value for name, value in tensors.items()
    }


def open_clip_text(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Gives a projecting text encoder the form that it has in open_clip.

    Args:
        tensors: The tensors as transformers names them.
        prefix: What the new names begin with.
    """
    result: Tensors = {}
    for full, tensor in tensors.items():
        name = full.removeprefix("text_model.")
        layer = re.match(r"encoder\.layers\.(\d+)\.(.+)", name)
        if name == "text_projection.weight":
            result[f"{prefix}text_projection"] = tensor.T
        elif not layer:
            result[f"{prefix}{_OPEN_CLIP[name]}"] = tensor
        else:
            block, part = f"{prefix}transformer.resblocks.{layer[1]}.", layer[2]
            fused = re.fullmatch(r"self_attn\.q_proj\.(weight|bias)", part)
            if fused:
                parts = [tensors[full.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
                result[f"{block}attn.in_proj_{fused[1]}"] = torch.cat(parts)
            elif not re.match(r"self_attn\.[kv]_proj\.", part):
                place, end = _moved(part, _OPEN_CLIP_LAYER)
                result[f"{block}{place}.{end}"] = tensor
    return result


def _read(folder: Path, index: Mapping[str, Any], part: str) -> tuple[Tensors, dict[str, Any]]:
    config = json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
    return load_file(folder / part / _WEIGHTS[index[part][0]]), config


def _parts(folder: Path, index: Mapping[str, Any]) -> Iterator[Tensors]:
    """Gives the renamed tensors of each network of a pipeline."""
    yield original_unet(*_read(folder, index, "unet"))
    yield original_vae(*_read(folder, index, "vae"))
    text, _ = _read(folder, index, "text_encoder")
    if index["_class_name"] == "StableDiffusionPipeline":
        yield original_text(text, "cond_stage_model.transformer.")
    else:
        yield original_text(text, "conditioner.embedders.0.transformer.")
        second, _ = _read(folder, index, "text_encoder_2")
        yield open_clip_text(second, "conditioner.embedders.1.model.")


def write_single_file(folder: Path, file: Path) -> None:
    """Writes a pipeline folder as one file; precision and numbers stay as they are.

    Args:
        folder: A StableDiffusionPipeline or StableDiffusionXLPipeline as diffusers saves it.
        file: Where to write; an old file is replaced when the new one is whole.

    Raises:
        ValueError: The folder holds another kind of pipeline, or a network of another build.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    if index["_class_name"] not in _ARCHITECTURES:
        raise ValueError(f"{index['_class_name']} has no original layout that is written here")
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    tensors = {name: value.contiguous() for part in _parts(folder, index) for name, value in part.items()}
    metadata = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _ARCHITECTURES[index["_class_name"]],
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": folder.name,
        "modelspec.prediction_type": "v" if scheduler["prediction_type"] == "v_prediction" else "epsilon",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    save_file(tensors, temporary, metadata=metadata)
    temporary.chmod(0o644)
    temporary.replace(file)


def main(arguments: list[str] | None = None) -> None:
    """Writes one folder as one file.

    Args:
        arguments: Command line without the program's name; by default that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m training.single_file", description=__doc__)
    parser.add_argument("folder", type=Path, help="pipeline folder as diffusers saves it")
    parser.add_argument("file", type=Path, help="the .safetensors to write")
    options = parser.parse_args(arguments)
    write_single_file(options.folder, options.file)


if __name__ == "__main__":
    main()
