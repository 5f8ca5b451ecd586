"""LoRA files of every trainer and family, by the layer names they write."""

from pathlib import Path

import pytest

from explorer.facts import Family, LoraKind, ModelFacts
from explorer.recognition.reader import read_model
from tests import model_files as real
from tests.model_files import Shapes, lora_layer, peft_layer, write_model

CROSS = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
KOHYA_CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def loha(path: str, rank: int = 4) -> dict[str, tuple[int, ...]]:
    first = {f"{path}.hada_w1_a": (320, rank), f"{path}.hada_w1_b": (rank, 768)}
    return first | {f"{path}.hada_w2_a": (320, rank), f"{path}.hada_w2_b": (rank, 768)}


def lokr(path: str) -> dict[str, tuple[int, ...]]:
    return {f"{path}.lokr_w1": (16, 16), f"{path}.lokr_w2_a": (40, 8), f"{path}.lokr_w2_b": (8, 128)}


FILES: list[tuple[str, Shapes, Family, LoraKind, int | None]] = [
    ("kohya-sd15", real.SD15_LORA, "sd15", "lora", 8),
    ("kohya-sd2", lora_layer(KOHYA_CROSS, 1024, 640), "sd2", "lora", 8),
    ("kohya-sdxl", real.SDXL_LORA, "sdxl", "lora", 32),
    ("kohya-flux", real.FLUX_LORA, "flux", "lora", 16),
    (
        "kohya-sd3",
        lora_layer("lora_unet_joint_blocks_0_context_block_attn_qkv", 1536, 4608),
        "sd3",
        "lora",
        8,
    ),
    ("kohya-klein", lora_layer("lora_unet_single_blocks_0_linear1", 3072, 27648), "flux2", "lora", 8),
    (
        "kohya-flux2-dev",
        lora_layer("lora_unet_double_blocks_0_img_attn_qkv", 6144, 18432),
        "flux2",
        "lora",
        8,
    ),
    (
        "kohya-qwen",
        lora_layer("lora_unet_transformer_blocks_0_img_mlp_net_0_proj", 3072, 12288),
        "qwenimage",
        "lora",
        8,
    ),
    ("kohya-zimage", lora_layer("lora_unet_layers_0_attention_to_q", 3840, 3840), "zimage", "lora", 8),
    (
        "kohya-te-only",
        lora_layer("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 768, 768),
        "sd15",
        "lora",
        8,
    ),
    (
        "onetrainer-flux",
        lora_layer("lora_transformer_single_transformer_blocks_0_attn_to_q", 3072, 3072),
        "flux",
        "lora",
        8,
    ),
    ("diffusers-sd15", peft_layer(f"unet.{CROSS}", 768, 640), "sd15", "lora", 8),
    ("diffusers-sd2", peft_layer(f"unet.{CROSS}", 1024, 640), "sd2", "lora", 8),
    ("diffusers-sdxl", peft_layer(f"unet.{CROSS}", 2048, 640), "sdxl", "lora", 8),
    (
        "diffusers-old",
        {
            f"unet.{CROSS.rsplit('.', 1)[0]}.processor.to_k_lora.down.weight": (4, 768),
            f"unet.{CROSS.rsplit('.', 1)[0]}.processor.to_k_lora.up.weight": (640, 4),
        },
        "sd15",
        "lora",
        4,
    ),
    (
        "diffusers-flux",
        peft_layer("transformer.single_transformer_blocks.0.attn.to_q", 3072, 3072),
        "flux",
        "lora",
        8,
    ),
    (
        "diffusers-flux2",
        peft_layer("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 3072, 27648),
        "flux2",
        "lora",
        8,
    ),
    ("diffusers-sd3", peft_layer("transformer.transformer_blocks.0.attn.to_q", 1536, 1536), "sd3", "lora", 8),
    (
        "diffusers-qwen",
        peft_layer("transformer.transformer_blocks.59.attn.to_q", 3072, 3072),
        "qwenimage",
        "lora",
        8,
    ),
    (
        "diffusers-sana",
        peft_layer("transformer.transformer_blocks.0.attn1.to_q", 2240, 2240),
        "sana",
        "lora",
        8,
    ),
    ("diffusers-zimage", peft_layer("transformer.layers.0.attention.to_q", 3840, 3840), "zimage", "lora", 8),
    ("comfy-zimage", peft_layer("diffusion_model.layers.0.attention.qkv", 3840, 11520), "zimage", "lora", 8),
    ("bfl-flux", peft_layer("double_blocks.0.img_attn.qkv", 3072, 9216), "flux", "lora", 8),
    (
        "xlabs-flux",
        {
            "double_blocks.0.processor.qkv_lora1.down.weight": (16, 3072),
            "double_blocks.0.processor.qkv_lora1.up.weight": (9216, 16),
        },
        "flux",
        "lora",
        16,
    ),
    ("peft-sd15", peft_layer(f"base_model.model.{CROSS}", 768, 640), "sd15", "lora", 8),
    (
        "peft-flux",
        peft_layer("base_model.model.single_transformer_blocks.0.attn.to_q", 3072, 3072),
        "flux",
        "lora",
        8,
    ),
    (
        "locon",
        real.SD15_LORA | {"lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (8, 320, 3, 3)},
        "sd15",
        "locon",
        8,
    ),
    ("locon-tucker", real.SD15_LORA | {"lora_unet_x.lora_mid.weight": (8, 8, 3, 3)}, "sd15", "locon", 8),
    (
        "one-by-one",
        real.SD15_LORA | {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (8, 320, 1, 1)},
        "sd15",
        "lora",
        8,
    ),
    ("loha", loha(KOHYA_CROSS), "sd15", "loha", 4),
    (
        "lokr",
        lokr(KOHYA_CROSS) | lora_layer("lora_te2_text_model_encoder_layers_0_self_attn_q_proj", 1280, 1280),
        "sdxl",
        "lokr",
        8,
    ),
    ("dora", real.SD15_LORA | {f"{KOHYA_CROSS}.dora_scale": (320, 1)}, "sd15", "dora", 8),
    (
        "peft-dora",
        peft_layer(f"unet.{CROSS}", 2048, 640) | {f"unet.{CROSS}.lora_magnitude_vector": (640,)},
        "sdxl",
        "dora",
        8,
    ),
    (
        "no-cross-attention",
        lora_layer("lora_unet_down_blocks_1_resnets_0_conv1", 320, 640),
        "unknown",
        "lora",
        8,
    ),
    (
        "narrow",
        peft_layer("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 16, 8),
        "sd15",
        "lora",
        8,
    ),
]


def facts(path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> ModelFacts:
    return read_model(write_model(path, shapes, metadata=metadata))[1]


@pytest.mark.parametrize(("name", "shapes", "family", "kind", "rank"), FILES, ids=[f[0] for f in FILES])
def test_formats_and_families(
    name: str, shapes: Shapes, family: Family, kind: LoraKind, rank: int | None, tmp_path: Path
) -> None:
    found = facts(tmp_path / f"{name}.safetensors", shapes)
    assert (found.kind, found.problem) == ("lora", "")
    assert (found.family, found.lora_kind, found.rank) == (family, kind, rank)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({f"{KOHYA_CROSS}.oft_blocks": (4, 8, 8)}, "OFT"),
        ({"diffusion_model.single_blocks.0.linear1.diff": (8, 8)}, "differences"),
        (peft_layer("diffusion_model.blocks.0.self_attn.q", 5120, 5120), "made for Wan"),
        (lora_layer("lora_unet_double_stream_blocks_0_block", 8, 8), "made for HiDream"),
    ],
)
def test_adapters_that_cannot_be_applied_say_so(shapes: Shapes, reason: str, tmp_path: Path) -> None:
    found = facts(tmp_path / "x.safetensors", shapes)
    assert found.kind == "lora"
    assert reason in found.problem


def test_metadata_says_what_shapes_cannot(tmp_path: Path) -> None:
    """Chroma kept the layers of Flux, and PixArt and Sana share their widths."""
    path = tmp_path / "x.safetensors"
    assert facts(path, real.FLUX_LORA, {"ss_base_model_version": "chroma"}).family == "chroma"
    attention = peft_layer("transformer.transformer_blocks.0.attn1.to_q", 1152, 1152)
    assert facts(path, attention).family == "unknown"
    assert facts(path, attention, {"modelspec.architecture": "pixart-sigma/lora"}).family == "pixart"
    # Tensors are believed before words.
    assert facts(path, real.SDXL_LORA, {"ss_base_model_version": "sd_v1"}).family == "sdxl"


def test_real_loras_of_peft_are_recognised(tiny_models: Path, tmp_path: Path) -> None:
    from tests.fakes import build_tiny_lora

    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "style.safetensors")
    found = read_model(file)[1]
    assert (found.kind, found.family, found.lora_kind, found.rank) == ("lora", "sd15", "lora", 4)
