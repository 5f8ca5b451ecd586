"""Pipeline folders written as one file load back tensor by tensor and draw the same picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import safe_open

from explorer.checkpoints import read_checkpoint
from tests.fakes import build_tiny_checkpoint
from training.single_file import (
    main,
    open_clip_text,
    original_text,
    original_unet,
    original_vae,
    unet_places,
    write_single_file,
)

MODELS = Path(__file__).parents[2] / "assets" / "models"
SHIPPED = ("shapes-base", "shapes-early", "shapes-xl")


def picture(pipeline: Any) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    # Weights read from a file lie at other addresses than converted ones, where the processor
    # may add in another order: copies of their own make both pictures exact.
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            for parameter in part.parameters():
                parameter.data = parameter.data.clone()
    chance = torch.Generator().manual_seed(3)
    return pipeline(
        prompt="two red circles",
        num_inference_steps=2,
        height=side,
        width=side,
        generator=chance,
        output_type="np",
    ).images


def assert_round_trip(folder: Path, file: Path) -> None:
    write_single_file(folder, file)
    family = read_checkpoint(file).family
    assert family == read_checkpoint(folder).family
    pipeline_class = {"sd15": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}[family]
    wanted = pipeline_class.from_pretrained(folder, dtype=torch.float32)
    given = pipeline_class.from_single_file(str(file), config=str(folder), local_files_only=True)
    for part, module in wanted.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        restored = getattr(given, part).state_dict()
        state = module.state_dict()
        assert restored.keys() == state.keys()
        assert all(torch.equal(restored[name], state[name]) for name in state), part
    assert np.array_equal(picture(given), picture(wanted))


def test_a_tiny_checkpoint_comes_back(tmp_path: Path) -> None:
    folder = build_tiny_checkpoint(tmp_path / "tiny")
    file = tmp_path / "new" / "tiny.safetensors"
    assert_round_trip(folder, file)
    assert sorted(path.name for path in file.parent.iterdir()) == ["tiny.safetensors"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_come_back(name: str, tmp_path: Path) -> None:
    assert_round_trip(MODELS / name, tmp_path / "model.safetensors")


def test_the_file_keeps_precision_and_tells_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "base.safetensors"
    main([str(MODELS / "shapes-base"), str(file)])
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
        types = {opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118
    assert types == {"F16"}
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert metadata["modelspec.prediction_type"] == "v"
    assert file.stat().st_mode & 0o777 == 0o644


def test_blocks_go_to_their_numbers() -> None:
    three_levels = {
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    }
    places = unet_places(three_levels)
    assert places["down_blocks.0.resnets.0"] == "input_blocks.1.0"
    assert places["down_blocks.0.downsamplers.0.conv"] == "input_blocks.2.0.op"
    assert places["down_blocks.2.attentions.0"] == "input_blocks.5.1"
    assert places["up_blocks.0.resnets.1"] == "output_blocks.1.0"
    assert places["up_blocks.0.upsamplers.0.conv"] == "output_blocks.1.2.conv"
    assert places["up_blocks.2.resnets.1"] == "output_blocks.5.0"
    real = unet_places(
        {
            "layers_per_block": 2,
            "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
            "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        }
    )
    # The places that Stable Diffusion 1.5 is known to have.
    assert real["down_blocks.3.resnets.1"] == "input_blocks.11.0"
    assert real["up_blocks.0.upsamplers.0.conv"] == "output_blocks.2.1.conv"
    assert real["up_blocks.1.upsamplers.0.conv"] == "output_blocks.5.2.conv"
    assert real["up_blocks.3.attentions.2"] == "output_blocks.11.1"


def test_tensors_get_the_original_names() -> None:
    one = torch.ones(1)
    unet = {"layers_per_block": 1, "down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    renamed = original_unet({"down_blocks.0.resnets.0.time_emb_proj.bias": one, "conv_in.weight": one}, unet)
    assert set(renamed) == {
        "model.diffusion_model.input_blocks.1.0.emb_layers.1.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
    }
    vae = original_vae(
        {
            "decoder.up_blocks.0.resnets.1.conv_shortcut.weight": one,
            "encoder.mid_block.resnets.1.norm2.bias": one,
            "decoder.mid_block.attentions.0.to_out.0.weight": torch.ones(3, 3),
            "encoder.down_blocks.1.downsamplers.0.conv.bias": one,
            "decoder.conv_norm_out.bias": one,
        },
        {"block_out_channels": (4, 4, 8, 8)},
    )
    assert {name: tuple(tensor.shape) for name, tensor in vae.items()} == {
        "first_stage_model.decoder.up.3.block.1.nin_shortcut.weight": (1,),
        "first_stage_model.encoder.mid.block_2.norm2.bias": (1,),
        "first_stage_model.decoder.mid.attn_1.proj_out.weight": (3, 3, 1, 1),
        "first_stage_model.encoder.down.1.downsample.conv.bias": (1,),
        "first_stage_model.decoder.norm_out.bias": (1,),
    }
    assert set(original_text({"text_model.a": one, "b": one}, "x.")) == {"x.text_model.a", "x.text_model.b"}


def test_open_clip_fuses_queries_keys_and_values() -> None:
    layer = "text_model.encoder.layers.3.self_attn"
    tensors = {f"{layer}.{letter}_proj.bias": torch.full((2,), number) for number, letter in enumerate("vqk")}
    tensors["text_projection.weight"] = torch.arange(6.0).view(2, 3)
    tensors["text_model.final_layer_norm.bias"] = torch.zeros(2)
    given = open_clip_text(tensors, "x.")
    assert given.keys() == {
        "x.transformer.resblocks.3.attn.in_proj_bias",
        "x.text_projection",
        "x.ln_final.bias",
    }
    assert given["x.transformer.resblocks.3.attn.in_proj_bias"].tolist() == [1, 1, 2, 2, 0, 0]
    assert given["x.text_projection"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_other_builds_are_refused() -> None:
    unet = {"layers_per_block": 1, "down_block_types": (), "up_block_types": ()}
    with pytest.raises(ValueError, match="no place"):
        original_unet({"class_embedding.weight": torch.ones(1)}, unet)
    with pytest.raises(ValueError, match="same number of layers"):
        unet_places(unet | {"layers_per_block": (1, 2)})
