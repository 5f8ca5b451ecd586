"""Layer names of LoRA files, against the writer of the original layout."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from explorer.module_names import named_layers, original_unet_name
from tests.fakes import PROJECT


@pytest.mark.parametrize("model", ["shapes-base", "shapes-xl"])
def test_original_names_are_those_that_the_single_file_writer_gives(model: str, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel
    from safetensors import safe_open

    from training.single_file import write_single_file

    folder = PROJECT / "assets" / "models" / model
    write_single_file(folder, tmp_path / "one.safetensors")
    with safe_open(tmp_path / "one.safetensors", "pt") as file:
        start = "model.diffusion_model."
        written = {name.removeprefix(start) for name in file.keys() if name.startswith(start)}  # noqa: SIM118
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    per_block = unet.config.layers_per_block
    parts = (name.rpartition(".") for name in unet.state_dict())
    named = {f"{original_unet_name(layer, per_block)}.{kind}" for layer, _, kind in parts}
    # A block without attention has its upsampler one place earlier; both names are known.
    either = {name.replace(".2.conv.", ".1.conv.") for name in named} | named
    assert written <= either
    layers = named_layers(SimpleNamespace(unet=unet))
    for name in written:
        assert f"lora_unet_{name.rpartition('.')[0].replace('.', '_')}" in layers, name


def test_text_encoder_layers_go_by_old_and_new_names() -> None:
    from transformers import CLIPTextModel

    encoder = CLIPTextModel.from_pretrained(PROJECT / "assets" / "models" / "shapes-base" / "text_encoder")
    layers = named_layers(SimpleNamespace(text_encoder=encoder))
    first = layers["lora_te_text_model_encoder_layers_0_mlp_fc1"]
    assert first is layers["lora_te1_encoder_layers_0_mlp_fc1"]
    assert first.module.weight.shape == (512, 128)
    assert first.block == "text"
