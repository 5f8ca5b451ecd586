"""Checkpoints by their headers: original layouts written down, diffusers layouts from its classes."""

from pathlib import Path

import pytest

from explorer.facts import Family, ModelFacts
from explorer.recognition.reader import read_model
from explorer.types import Layout
from tests import model_files as real
from tests.model_files import Shapes, diffusers_unet, ldm_unet, with_prefix, write_model

AIO = {
    "text_encoders.clip_l.transformer.text_model.final_layer_norm.weight": (768,),
    "text_encoders.t5xxl.transformer.shared.weight": (32128, 4096),
    "vae.decoder.conv_in.weight": (512, 16, 3, 3),
}
SD35_MEDIUM = real.SD3_MEDIUM | {"joint_blocks.0.x_block.attn2.qkv.weight": (4608, 1536)}
FLUX_FILL = real.FLUX_DEV | {"img_in.weight": (3072, 384)}
SPRINT = real.SANA | {"cfg_embedder.mlp.0.weight": (2240, 256)}
COMFY = "model.diffusion_model."

KNOWN: list[tuple[str, Shapes, Family, Layout, str, tuple[str, ...]]] = [
    ("sd15", real.SD15, "sd15", "single_file", "", ()),
    ("sd2", real.SD2, "sd2", "single_file", "", ()),
    ("sdxl", real.SDXL, "sdxl", "single_file", "", ()),
    ("playground", real.SDXL | {"edm_mean": (1, 4, 1, 1)}, "sdxl", "single_file", "Playground v2.5", ()),
    (
        "sd15-no-vae",
        {k: v for k, v in real.SD15.items() if "first_stage" not in k},
        "sd15",
        "single_file",
        "",
        ("vae",),
    ),
    ("unet-sd15", ldm_unet(768), "sd15", "transformer_only", "", ("text_encoder", "vae")),
    (
        "unet-sdxl",
        with_prefix(COMFY, ldm_unet(2048, pooled=2816)),
        "sdxl",
        "transformer_only",
        "",
        ("text_encoder", "text_encoder_2", "vae"),
    ),
    ("unet-diffusers-sd15", diffusers_unet(768), "sd15", "transformer_only", "", ("text_encoder", "vae")),
    ("unet-diffusers-sd2", diffusers_unet(1024), "sd2", "transformer_only", "", ("text_encoder", "vae")),
    (
        "unet-diffusers-sdxl",
        diffusers_unet(2048, 2816),
        "sdxl",
        "transformer_only",
        "",
        ("text_encoder", "text_encoder_2", "vae"),
    ),
    (
        "flux-schnell",
        real.FLUX,
        "flux",
        "transformer_only",
        "schnell",
        ("text_encoder", "text_encoder_2", "vae"),
    ),
    (
        "flux1-d",
        with_prefix(COMFY, real.FLUX_DEV),
        "flux",
        "transformer_only",
        "dev",
        ("text_encoder", "text_encoder_2", "vae"),
    ),
    ("flux-all-in-one", with_prefix(COMFY, real.FLUX_DEV) | AIO, "flux", "single_file", "dev", ()),
    ("chroma", real.CHROMA, "chroma", "transformer_only", "", ("text_encoder", "vae")),
    ("klein", real.FLUX2_KLEIN, "flux2", "transformer_only", "Klein 4B", ("text_encoder", "vae")),
    (
        "sd3-m",
        with_prefix(COMFY, real.SD3_MEDIUM),
        "sd3",
        "transformer_only",
        "3 Medium",
        ("text_encoder", "text_encoder_2", "text_encoder_3", "vae"),
    ),
    (
        "sd3-vae",
        with_prefix(COMFY, real.SD3_MEDIUM) | with_prefix("first_stage_model.", real.VAE),
        "sd3",
        "single_file",
        "3 Medium",
        ("text_encoder", "text_encoder_2", "text_encoder_3"),
    ),
    (
        "sd35-m",
        SD35_MEDIUM,
        "sd3",
        "transformer_only",
        "3.5 Medium",
        ("text_encoder", "text_encoder_2", "text_encoder_3", "vae"),
    ),
    (
        "sd35_large_turbo",
        real.SD35_LARGE,
        "sd3",
        "transformer_only",
        "3.5 Large, Turbo",
        ("text_encoder", "text_encoder_2", "text_encoder_3", "vae"),
    ),
    ("z_image_turbo", real.ZIMAGE, "zimage", "transformer_only", "Turbo", ("text_encoder", "vae")),
    (
        "qwen_image",
        with_prefix(COMFY, real.QWENIMAGE),
        "qwenimage",
        "transformer_only",
        "",
        ("text_encoder", "vae"),
    ),
    ("pixart", real.PIXART, "pixart", "transformer_only", "Sigma", ("text_encoder", "vae")),
    ("sana", real.SANA, "sana", "transformer_only", "", ("text_encoder", "vae")),
    ("sana-s", SPRINT, "sana", "transformer_only", "Sprint", ("text_encoder", "vae")),
]


@pytest.mark.parametrize(
    ("name", "shapes", "family", "layout", "variant", "missing"), KNOWN, ids=[k[0] for k in KNOWN]
)
def test_original_layouts(
    name: str,
    shapes: Shapes,
    family: Family,
    layout: Layout,
    variant: str,
    missing: tuple[str, ...],
    tmp_path: Path,
) -> None:
    found, facts = read_model(write_model(tmp_path / f"{name}.safetensors", shapes))
    assert (facts.kind, facts.problem) == ("checkpoint", "")
    assert (facts.family, found, facts.variant, facts.missing) == (family, layout, variant, missing)
    assert facts.precision == "fp16"


def test_a_unet_of_three_levels_is_sd15(tmp_path: Path) -> None:
    # Too small for the usual mark, `output_blocks.11`, and with widths no real model has.
    shapes = {
        "model.diffusion_model.input_blocks.0.0.weight": (32, 4, 3, 3),
        "model.diffusion_model.time_embed.0.weight": (128, 32),
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 128),
        **with_prefix("cond_stage_model.transformer.", real.CLIP_L),
        **with_prefix("first_stage_model.", real.VAE),
    }
    layout, facts = read_model(write_model(tmp_path / "tiny.safetensors", shapes))
    assert (facts.family, layout, facts.missing) == ("sd15", "single_file", ())


REFUSED: list[tuple[str, Shapes, str, str]] = [
    ("inpaint", with_prefix(COMFY, ldm_unet(768, channels=9)), "Inpainting", "made for inpainting"),
    ("pix2pix", with_prefix(COMFY, ldm_unet(768, channels=8)), "", "made for changing pictures"),
    ("x4", with_prefix(COMFY, ldm_unet(1024, channels=7)), "", "only enlarges"),
    ("refiner", with_prefix(COMFY, ldm_unet(1280, pooled=2560)), "Refiner", "SDXL refiner"),
    ("kolors", diffusers_unet(4096, 5632), "Kolors", "Kolors"),
    ("unclip", ldm_unet(1024, pooled=2048), "SD 2 unCLIP", "unCLIP"),
    ("fill", FLUX_FILL, "Fill", "made for inpainting"),
    ("wan", with_prefix(COMFY, {"patch_embedding.weight": (5120, 16, 1, 2, 2)}), "Wan", "Wan model"),
    (
        "hunyuan",
        {"txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias": (1,)},
        "HunyuanVideo",
        "HunyuanVideo",
    ),
    ("ltx", with_prefix(COMFY, {"patchify_proj.weight": (2048, 128)}), "LTX-Video", "LTX-Video"),
    (
        "lumina",
        {"cap_embedder.1.weight": (2304, 2304), "layers.0.adaLN_modulation.1.weight": (9216, 1024)},
        "Lumina 2",
        "Lumina 2",
    ),
    ("auraflow", with_prefix("model.", {"double_layers.0.attn.w1q.weight": (1, 1)}), "AuraFlow", "AuraFlow"),
    ("qwen21", {"txt_in.text_norm.weight": (4096,)}, "Qwen-Image 2.1", "Qwen-Image 2.1"),
    ("cascade", {"clip_txt_mapper.weight": (2048, 1280)}, "Stable Cascade", "Stable Cascade"),
]


@pytest.mark.parametrize(("name", "shapes", "variant", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_models_that_draw_nothing_from_a_prompt_are_named_and_refused(
    name: str, shapes: Shapes, variant: str, reason: str, tmp_path: Path
) -> None:
    _, facts = read_model(write_model(tmp_path / f"{name}.safetensors", shapes))
    assert facts.kind == "checkpoint"
    assert facts.variant == variant
    assert facts.problem.startswith(f"{name}.safetensors ")
    assert reason in facts.problem


def sizes(module: object) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("class_name", "settings", "family", "variant"),
    [
        ("UNet2DConditionModel", {"cross_attention_dim": 768}, "sd15", ""),
        ("UNet2DConditionModel", {"cross_attention_dim": 1024}, "sd2", ""),
        ("FluxTransformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "flux", "schnell"),
        (
            "FluxTransformer2DModel",
            {"num_layers": 1, "num_single_layers": 1, "guidance_embeds": True},
            "flux",
            "dev",
        ),
        ("Flux2Transformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "flux2", "dev"),
        ("ChromaTransformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "chroma", ""),
        ("SD3Transformer2DModel", {"num_layers": 1}, "sd3", "3 Medium"),
        ("SD3Transformer2DModel", {"num_layers": 38, "qk_norm": "rms_norm"}, "sd3", "3.5 Large"),
        (
            "SD3Transformer2DModel",
            {"num_layers": 1, "dual_attention_layers": (0,), "qk_norm": "rms_norm"},
            "sd3",
            "3.5 Medium",
        ),
        ("QwenImageTransformer2DModel", {"num_layers": 1}, "qwenimage", ""),
        ("ZImageTransformer2DModel", {"n_layers": 1, "n_refiner_layers": 1}, "zimage", ""),
        ("SanaTransformer2DModel", {"num_layers": 1}, "sana", ""),
        ("PixArtTransformer2DModel", {"num_layers": 1, "caption_channels": 4096}, "pixart", "Alpha"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_diffusers_layouts_of_the_real_classes(
    class_name: str, settings: dict[str, object], family: Family, variant: str, tmp_path: Path
) -> None:
    import diffusers
    import torch

    with torch.device("meta"):
        shapes = sizes(getattr(diffusers, class_name)(**settings))
    layout, facts = read_model(write_model(tmp_path / "x.safetensors", shapes, "BF16"))
    assert (facts.kind, facts.family, facts.variant) == ("checkpoint", family, variant)
    assert (facts.problem, facts.precision, layout) == ("", "bf16", "transformer_only")
    assert facts.parameters == sum(torch.Size(shape).numel() for shape in shapes.values())


LABELS = [
    ("ponyDiffusionV6XL_v6.safetensors", "Pony"),
    ("Illustrious-XL-v2.0.safetensors", "Illustrious"),
    ("waiNSFWIllustrious_v140.safetensors", "Illustrious"),
    ("NoobAI-XL-Vpred-v1.0.safetensors", "NoobAI"),
    ("animagine-xl-4.0.safetensors", "Animagine"),
    ("sd_xl_turbo_1.0_fp16.safetensors", "Turbo"),
    ("dreamshaperXL_lightningDPMSDE.safetensors", "Lightning"),
    ("ponyRealism_lightning4S.safetensors", "Pony, Lightning"),
    ("sdxl_base.safetensors", ""),
]


@pytest.mark.parametrize(("file", "label"), LABELS)
def test_derivatives_of_sdxl_are_labelled(file: str, label: str, tmp_path: Path) -> None:
    assert read_model(write_model(tmp_path / file, real.SDXL))[1].variant == label


def test_prediction_is_told_by_a_tensor_or_the_metadata(tmp_path: Path) -> None:
    def prediction(shapes: Shapes, metadata: dict[str, str] | None = None) -> str:
        return facts(tmp_path, shapes, metadata=metadata).prediction

    assert prediction(real.SDXL | {"v_pred": (0,)}) == "v_prediction"
    assert prediction(real.SD2, {"modelspec.prediction_type": "v"}) == "v_prediction"
    assert prediction(real.SDXL, {"modelspec.prediction_type": "epsilon"}) == "epsilon"
    assert prediction(real.SDXL) == ""


def facts(
    tmp_path: Path,
    shapes: Shapes,
    dtypes: dict[str, str] | str = "F16",
    metadata: dict[str, str] | None = None,
) -> ModelFacts:
    return read_model(write_model(tmp_path / "x.safetensors", shapes, dtypes, metadata))[1]


def test_precision_is_that_of_most_weights(tmp_path: Path) -> None:
    assert facts(tmp_path, real.FLUX, "F8_E4M3").precision == "fp8 e4m3"
    assert facts(tmp_path, real.FLUX, "F8_E4M3").problem == ""
    assert facts(tmp_path, real.FLUX, "F8_E5M2").precision == "fp8 e5m2"
    one = {name: "F32" if "final" in name else "BF16" for name in real.FLUX}
    assert facts(tmp_path, real.FLUX, one).precision == "bf16"


@pytest.mark.parametrize(
    ("extra", "dtype", "reason"),
    [
        ({"scaled_fp8": (2,)}, "F8_E4M3", "separate scales"),
        ({"double_blocks.0.img_attn.qkv.scale_weight": (1,)}, "F8_E4M3", "separate scales"),
        ({"double_blocks.0.img_attn.qkv.weight_scale": (9216,)}, "I8", "separate scales"),
        ({}, "I8", "int8"),
        ({"double_blocks.0.img_attn.qkv.weight.absmax": (100,)}, "U8", "bitsandbytes"),
        ({"double_blocks.0.img_attn.qkv.wscales": (100,)}, "BF16", "packed 4-bit"),
    ],
)
def test_quantised_files_are_recognised_and_refused(
    extra: Shapes, dtype: str, reason: str, tmp_path: Path
) -> None:
    found = facts(tmp_path, real.FLUX_DEV | extra, dtype)
    assert (found.kind, found.family, found.variant) == ("checkpoint", "flux", "dev")
    assert reason in found.problem
    assert "fp16 or bf16" in found.problem
