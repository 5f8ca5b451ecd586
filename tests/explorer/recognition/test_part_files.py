"""VAEs, text encoders, embeddings and ControlNets are told from models."""

from pathlib import Path

import pytest

from explorer.facts import Family, ModelKind
from explorer.recognition.reader import read_model
from tests import model_files as real
from tests.model_files import Shapes, diffusers_unet, with_prefix, write_model

QWEN = {
    "model.embed_tokens.weight": (151936, 2560),
    "model.layers.0.self_attn.q_proj.weight": (4096, 2560),
}
PARTS: list[tuple[str, Shapes, ModelKind, Family, str]] = [
    ("vae-sd", real.VAE, "vae", "unknown", "SD 1.5, SD 2 or SDXL"),
    ("vae-prefixed", with_prefix("first_stage_model.", real.VAE), "vae", "unknown", "SD 1.5, SD 2 or SDXL"),
    (
        "ae",
        {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 16, 3, 3)},
        "vae",
        "unknown",
        "SD 3, Flux.1 or Z-Image",
    ),
    ("vae-flux2", {"decoder.conv_in.weight": (512, 32, 3, 3)}, "vae", "flux2", "Flux.2"),
    ("vae-qwen", {"decoder.conv1.weight": (384, 16, 3, 3, 3)}, "vae", "qwenimage", "Qwen-Image or Wan"),
    (
        "vae-dc",
        {"encoder.project_in.conv.bias": (128,), "decoder.stages.0.op_list.0.main.conv.conv.bias": (8,)},
        "vae",
        "sana",
        "DC-AE",
    ),
    ("clip_l", real.CLIP_L, "text_encoder", "unknown", "CLIP-L"),
    (
        "clip_flat",
        {k.removeprefix("text_model."): v for k, v in real.CLIP_L.items()},
        "text_encoder",
        "unknown",
        "CLIP-L",
    ),
    ("clip_g", real.OPEN_CLIP_G, "text_encoder", "unknown", "OpenCLIP-G"),
    ("t5xxl_fp16", real.T5, "text_encoder", "unknown", "T5-XXL"),
    ("umt5", real.T5 | {"shared.weight": (256384, 4096)}, "text_encoder", "unknown", "UMT5"),
    ("qwen3", QWEN | {"model.layers.0.self_attn.q_norm.weight": (128,)}, "text_encoder", "unknown", "Qwen3"),
    (
        "qwen25",
        QWEN | {"model.layers.0.self_attn.q_proj.bias": (1,), "visual.blocks.0.attn.qkv.weight": (1, 1)},
        "text_encoder",
        "unknown",
        "Qwen2.5-VL",
    ),
    (
        "gemma",
        QWEN | {"model.layers.0.pre_feedforward_layernorm.weight": (1,)},
        "text_encoder",
        "unknown",
        "Gemma 2",
    ),
    ("embedding", {"emb_params": (8, 768)}, "embedding", "sd15", ""),
    ("embedding-sd2", {"<cat-toy>": (4, 1024)}, "embedding", "sd2", ""),
    ("embedding-sdxl", {"clip_l": (8, 768), "clip_g": (8, 1280)}, "embedding", "sdxl", ""),
    (
        "control-sd15",
        with_prefix(
            "control_model.", {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}
        ),
        "controlnet",
        "sd15",
        "",
    ),
    (
        "control-sdxl",
        diffusers_unet(2048, 2816) | {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)},
        "controlnet",
        "sdxl",
        "",
    ),
    (
        "control-flux",
        {"controlnet_x_embedder.weight": (3072, 64), "transformer_blocks.0.attn.to_q.weight": (1, 1)},
        "controlnet",
        "flux",
        "",
    ),
    (
        "control-sd3",
        {"controlnet_blocks.0.weight": (1, 1), "transformer_blocks.0.attn.to_q.weight": (1, 1)},
        "controlnet",
        "sd3",
        "",
    ),
    ("control-zimage", {"control_layers.0.adaLN_modulation.0.weight": (1, 1)}, "controlnet", "zimage", ""),
]


@pytest.mark.parametrize(("name", "shapes", "kind", "family", "variant"), PARTS, ids=[p[0] for p in PARTS])
def test_parts(
    name: str, shapes: Shapes, kind: ModelKind, family: Family, variant: str, tmp_path: Path
) -> None:
    _, facts = read_model(write_model(tmp_path / f"{name}.safetensors", shapes))
    assert (facts.kind, facts.family, facts.variant) == (kind, family, variant)
    assert facts.problem == ""


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"ip_adapter.1.to_k_ip.weight": (1, 1)}, "IP-Adapter"),
        ({"down_blocks.0.motion_modules.0.norm.weight": (1,)}, "AnimateDiff"),
        ({"adapter.body.0.resnets.0.block1.weight": (1, 1)}, "T2I-Adapter"),
        ({"features.0.weight": (64, 3, 3, 3), "classifier.bias": (1000,)}, "no model of a kind"),
    ],
)
def test_other_networks_are_named_or_refused(shapes: Shapes, reason: str, tmp_path: Path) -> None:
    _, facts = read_model(write_model(tmp_path / "x.safetensors", shapes))
    assert facts.kind == "unknown"
    assert reason in facts.problem


@pytest.mark.parametrize(
    ("class_name", "kind", "family"),
    [
        ("AutoencoderKL", "vae", "unknown"),
        ("AutoencoderKLQwenImage", "vae", "qwenimage"),
        ("AutoencoderDC", "vae", "sana"),
        ("AutoencoderTiny", "vae", "unknown"),
        ("ControlNetModel", "controlnet", "unknown"),
    ],
)
def test_parts_of_the_real_classes(class_name: str, kind: ModelKind, family: Family, tmp_path: Path) -> None:
    import diffusers
    import torch

    with torch.device("meta"):
        state = getattr(diffusers, class_name)().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    _, facts = read_model(write_model(tmp_path / "x.safetensors", shapes))
    assert (facts.kind, facts.family) == (kind, family)
