"""Model files for tests: headers with the tensor names and shapes of real models, and no weights.

The files are as long as their headers say, but the disk holds none of it: they are sparse.
"""

import json
import os
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

BITS = {"F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "I64": 64}
Shapes = Mapping[str, tuple[int, ...]]


def header_of(
    shapes: Shapes, dtypes: Mapping[str, str] | str = "F16", metadata: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and how many bytes of data follow it."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name, shape in shapes.items():
        dtype = dtypes if isinstance(dtypes, str) else dtypes.get(name, "F16")
        end = position + prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    return header, position


def write_header(path: Path, header: Mapping[str, Any], data_bytes: int) -> Path:
    """A file with this header and that many bytes behind it."""
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + data_bytes)
    return path


def write_model(
    path: Path,
    shapes: Shapes,
    dtypes: Mapping[str, str] | str = "F16",
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A whole safetensors file with these tensors."""
    return write_header(path, *header_of(shapes, dtypes, metadata))


def with_prefix(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


def ldm_unet(context: int, channels: int = 4, pooled: int = 0) -> dict[str, tuple[int, ...]]:
    """Some layers of a UNet in its original layout."""
    shapes: dict[str, tuple[int, ...]] = {
        "input_blocks.0.0.weight": (320, channels, 3, 3),
        "time_embed.0.weight": (1280, 320),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, context),
        "middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1280, context),
        "out.2.weight": (4, 320, 3, 3),
    }
    return shapes | ({"label_emb.0.0.weight": (1280, pooled)} if pooled else {})


def diffusers_unet(context: int, pooled: int = 0) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "conv_in.weight": (320, 4, 3, 3),
        "time_embedding.linear_1.weight": (1280, 320),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, context),
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight": (1280, context),
        "conv_out.weight": (4, 320, 3, 3),
    }
    return shapes | ({"add_embedding.linear_1.weight": (1280, pooled)} if pooled else {})


VAE = {
    "encoder.conv_in.weight": (128, 3, 3, 3),
    "decoder.conv_in.weight": (512, 4, 3, 3),
    "post_quant_conv.weight": (4, 4, 1, 1),
}
CLIP_L = {
    "text_model.embeddings.token_embedding.weight": (49408, 768),
    "text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768),
    "text_model.final_layer_norm.weight": (768,),
}
OPEN_CLIP_G = {
    "token_embedding.weight": (49408, 1280),
    "transformer.resblocks.0.attn.in_proj_weight": (3840, 1280),
    "ln_final.weight": (1280,),
}
T5 = {
    "shared.weight": (32128, 4096),
    "encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096),
    "encoder.final_layer_norm.weight": (4096,),
}
SD15 = {
    **with_prefix("model.diffusion_model.", ldm_unet(768)),
    **with_prefix("cond_stage_model.transformer.", CLIP_L),
    **with_prefix("first_stage_model.", VAE),
}
SD2 = {
    **with_prefix("model.diffusion_model.", ldm_unet(1024)),
    **with_prefix("cond_stage_model.model.", OPEN_CLIP_G),
    **with_prefix("first_stage_model.", VAE),
}
SDXL = {
    **with_prefix("model.diffusion_model.", ldm_unet(2048, pooled=2816)),
    **with_prefix("conditioner.embedders.0.transformer.", CLIP_L),
    **with_prefix("conditioner.embedders.1.model.", OPEN_CLIP_G),
    **with_prefix("first_stage_model.", VAE),
}
FLUX = {
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 4096),
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.0.linear1.weight": (21504, 3072),
    "final_layer.linear.weight": (64, 3072),
}
FLUX_DEV = FLUX | {"guidance_in.in_layer.weight": (3072, 256)}
CHROMA = FLUX | {"distilled_guidance_layer.in_proj.weight": (5120, 64)}
FLUX2_KLEIN = {
    "img_in.weight": (3072, 128),
    "txt_in.weight": (3072, 7680),
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.0.linear1.weight": (27648, 3072),
    "single_stream_modulation.lin.weight": (9216, 3072),
}
SD3_MEDIUM = {
    "pos_embed": (1, 36864, 1536),
    "x_embedder.proj.weight": (1536, 16, 2, 2),
    "joint_blocks.0.context_block.adaLN_modulation.1.weight": (9216, 1536),
    "joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536),
}
SD35_LARGE = {
    **{f"joint_blocks.{i}.x_block.attn.ln_q.weight": (64,) for i in range(38)},
    "joint_blocks.0.context_block.adaLN_modulation.1.weight": (14592, 2432),
    "pos_embed": (1, 36864, 2432),
}
ZIMAGE = {
    "x_embedder.weight": (3840, 64),
    "cap_embedder.1.weight": (3840, 2560),
    "layers.0.attention.qkv.weight": (11520, 3840),
    "layers.0.adaLN_modulation.0.weight": (15360, 256),
    "noise_refiner.0.attention.qkv.weight": (11520, 3840),
}
QWENIMAGE = {
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 3584),
    "txt_norm.weight": (3584,),
    "transformer_blocks.0.img_mod.1.weight": (18432, 3072),
    "transformer_blocks.0.attn.add_q_proj.weight": (3072, 3072),
}
PIXART = {
    "x_embedder.proj.weight": (1152, 4, 2, 2),
    "y_embedder.y_proj.fc1.weight": (1152, 4096),
    "blocks.0.cross_attn.q_linear.weight": (1152, 1152),
    "blocks.0.cross_attn.kv_linear.weight": (2304, 1152),
    "blocks.0.mlp.fc1.weight": (4608, 1152),
}
SANA = {
    "x_embedder.proj.weight": (2240, 32, 1, 1),
    "attention_y_norm.weight": (2240,),
    "blocks.0.cross_attn.q_linear.weight": (2240, 2240),
    "blocks.0.cross_attn.kv_linear.weight": (4480, 2240),
    "blocks.0.mlp.inverted_conv.conv.weight": (11200, 2240, 1, 1),
}


def lora_layer(path: str, inputs: int, outputs: int, rank: int = 8) -> dict[str, tuple[int, ...]]:
    """One layer as kohya writes it."""
    return {
        f"{path}.alpha": (),
        f"{path}.lora_down.weight": (rank, inputs),
        f"{path}.lora_up.weight": (outputs, rank),
    }


def peft_layer(path: str, inputs: int, outputs: int, rank: int = 8) -> dict[str, tuple[int, ...]]:
    """One layer as diffusers and peft write it."""
    return {f"{path}.lora_A.weight": (rank, inputs), f"{path}.lora_B.weight": (outputs, rank)}


SD15_LORA = {
    **lora_layer("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768, 320),
    **lora_layer("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 768, 768),
}
SDXL_LORA = {
    **lora_layer("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, 640, 32),
    **lora_layer("lora_te2_text_model_encoder_layers_0_self_attn_q_proj", 1280, 1280, 32),
}
FLUX_LORA = lora_layer("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216, 16)
