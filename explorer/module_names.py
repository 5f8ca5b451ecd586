"""The names that LoRA files give to the layers of a pipeline.

Trainers of the kohya line write a layer as one word with underscores: on SD 1.x after the
diffusers layout, on SDXL often after the layout the model was first published in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from explorer.lora_blocks import BlockCounts, block_of, loaded_blocks

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


@dataclass(frozen=True, slots=True)
class NamedLayer:
    """A layer of a pipeline that a file may have something for."""

    module: Any
    block: str
    """Where it lies: `down.1`, `text`."""


def named_layers(pipe: Any) -> dict[str, NamedLayer]:
    """Every layer with a weight, under each name a file may give it.

    Returns:
        Layers by names such as `lora_unet_down_blocks_0_resnets_0_conv1`,
        `lora_unet_input_blocks_1_0_in_layers_2` and `lora_te1_text_model_encoder_layers_0_mlp_fc1`.
    """
    found: dict[str, NamedLayer] = {}
    blocks = loaded_blocks(pipe)
    unet = getattr(pipe, "unet", None)
    if unet is not None:
        layers = unet.config.layers_per_block
        for name, layer in _weighted(pipe, "unet", blocks):
            found[f"lora_unet_{_word(name)}"] = layer
            original = _word(original_unet_name(name, layers))
            found[f"lora_unet_{original}"] = layer
            if "_upsamplers_" in _word(name):
                # It stands behind the block's attention, or in its place where there is none.
                found[f"lora_unet_{original.replace('_2_conv', '_1_conv')}"] = layer
    for name, layer in _weighted(pipe, "transformer", blocks):
        found[f"lora_unet_{_word(name)}"] = layer
        found[f"lora_transformer_{_word(name)}"] = layer
    encoders = (("text_encoder", ("te", "te1")), ("text_encoder_2", ("te2",)), ("text_encoder_3", ("te3",)))
    for part, prefixes in encoders:
        for name, layer in _weighted(pipe, part, blocks):
            # transformers dropped the level `text_model` of CLIP; files still have it.
            plain = name.removeprefix("text_model.")
            for prefix in prefixes:
                found[f"lora_{prefix}_{_word(plain)}"] = layer
                found[f"lora_{prefix}_text_model_{_word(plain)}"] = layer
    return found


def original_unet_name(name: str, layers_per_block: int) -> str:
    """A UNet layer's name in the layout that SD and SDXL were published in.

    Args:
        name: Its name in diffusers, such as `down_blocks.0.resnets.1.conv1`.
        layers_per_block: As the UNet's config says.
    """
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    parts = name.split(".")
    place = layers_per_block + 1
    if parts[0] == "mid_block":
        kind, number = parts[1], int(parts[2])
        slot = 1 if kind == "attentions" else 2 * number
        return f"middle_block.{slot}.{_inner(kind, parts[3:])}"
    if parts[0] not in ("down_blocks", "up_blocks"):
        return name
    block, kind, number = int(parts[1]), parts[2], int(parts[3])
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * place}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{block * place + layers_per_block}.2.conv"
    slot = 1 if kind == "attentions" else 0
    first = 1 + block * place if parts[0] == "down_blocks" else block * place
    side = "input_blocks" if parts[0] == "down_blocks" else "output_blocks"
    return f"{side}.{first + number}.{slot}.{_inner(kind, parts[4:])}"


def _inner(kind: str, parts: list[str]) -> str:
    rest = ".".join(parts)
    return _RESNET.get(rest, rest) if kind == "resnets" else rest


def _weighted(pipe: Any, part: str, blocks: BlockCounts) -> Iterator[tuple[str, NamedLayer]]:
    network = getattr(pipe, part, None)
    for name, module in () if network is None else network.named_modules():
        base = getattr(module, "base_layer", module)  # a layer that peft has wrapped
        weight = getattr(base, "weight", None)
        if weight is not None and not name.endswith(".base_layer") and ".lora_" not in name:
            yield name, NamedLayer(base, block_of(part, name, blocks))


def _word(name: str) -> str:
    return name.replace(".", "_")
