"""Blocks of a network that a LoRA can be given weights for: `[down=0.5,up.1=0,text=0]`.

A UNet has `down`, from its first layer on, `mid`, and `up` to its last layer; a transformer has its
lists of blocks under their names in diffusers, such as `transformer_blocks`. With a number behind
it, one block is meant: `down.1`. Every model has `text`, its text encoders, and `other`, the rest.
"""

import math
from collections.abc import Mapping
from typing import Any

from explorer.recognition.sidecars import read_json_file
from explorer.types import BlockWeights, Checkpoint

BlockCounts = Mapping[str, int | None]
"""Names of blocks, and how many lie under each, numbered from 0; None is not known yet."""
_ALWAYS: dict[str, int | None] = {"text": 0, "other": 0}
_UNET = {
    **dict.fromkeys(("conv_in", "down_blocks"), "down"),
    "mid_block": "mid",
    **dict.fromkeys(("up_blocks", "conv_norm_out", "conv_out"), "up"),
}
_UNET_LEVELS = {"sd15": 4, "sd2": 4, "sdxl": 3}
_TWO_LISTS = ("transformer_blocks", "single_transformer_blocks")
_LISTS = {
    **dict.fromkeys(("sd3", "qwenimage", "sana", "pixart"), ("transformer_blocks",)),
    **dict.fromkeys(("flux", "flux2", "chroma"), _TWO_LISTS),
    "zimage": ("noise_refiner", "context_refiner", "layers"),
}


def known_blocks(checkpoint: Checkpoint) -> BlockCounts:
    """The blocks of a checkpoint, as far as they are known without loading it; may be empty."""
    family = checkpoint.family
    if family in _UNET_LEVELS:
        folder = checkpoint.layout == "diffusers"
        config = read_json_file(checkpoint.path / "unet" / "config.json") if folder else None
        levels = (config or {}).get("down_block_types")
        return _unet_blocks(len(levels) if isinstance(levels, list) else _UNET_LEVELS[family])
    return dict.fromkeys(_LISTS[family]) | _ALWAYS if family in _LISTS else {}


def loaded_blocks(pipe: Any) -> BlockCounts:
    """The blocks of a loaded pipeline."""
    import torch

    unet = getattr(pipe, "unet", None)
    if unet is not None:
        return _unet_blocks(len(unet.down_blocks))
    transformer = getattr(pipe, "transformer", None)
    if transformer is None:
        return _ALWAYS
    parts = transformer.named_children()
    return {name: len(part) for name, part in parts if isinstance(part, torch.nn.ModuleList)} | _ALWAYS


def block_of(part: str, layer: str, blocks: BlockCounts) -> str:
    """The block a layer lies in.

    Args:
        part: Which network of the pipeline: `unet`, `text_encoder_2`.
        layer: Its name there: `down_blocks.1.resnets.0.conv1`.
        blocks: What `loaded_blocks` gave for the pipeline.

    Returns:
        A name such as `down.1`, `mid`, `text` or `other`.
    """
    if part.startswith("text_encoder"):
        return "text"
    outer, _, rest = layer.partition(".")
    name = _UNET.get(outer, outer) if part == "unet" else outer
    number = rest.partition(".")[0]
    if name not in blocks:
        return "other"
    return f"{name}.{number}" if blocks[name] and number.isdecimal() else name


def block_weight(weights: BlockWeights, block: str) -> float:
    """By what a LoRA's weight is multiplied in a block: `down=0.5,down.1=0.5` is 0.25 in `down.1`."""
    names = {block, block.partition(".")[0]}
    return math.prod(weight for name, weight in weights if name in names)


def missing_block(weights: BlockWeights, blocks: BlockCounts, model: str) -> str:
    """Which block a model has not, and which it has; empty when it has all of them."""
    wrong = next((name for name, _ in weights if not _is_there(name, blocks)), None)
    if wrong is None:
        return ""
    return f"{model} has no block {wrong}. Its blocks are {', '.join(map(_spelled, blocks.items()))}."


def _unet_blocks(levels: int) -> dict[str, int | None]:
    return {"down": levels, "mid": 0, "up": levels, **_ALWAYS}


def _is_there(name: str, blocks: BlockCounts) -> bool:
    outer, dot, number = name.partition(".")
    if outer not in blocks or not dot:
        return outer in blocks
    count = blocks[outer]
    plain = number.isdecimal() and str(int(number)) == number
    return plain and (count is None or int(number) < count)


def _spelled(block: tuple[str, int | None]) -> str:
    name, count = block
    if count == 0:
        return name
    return f"{name} ({name}.0 and so on)" if count is None else f"{name} ({name}.0 to {name}.{count - 1})"
