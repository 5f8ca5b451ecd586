"""Checkpoints that are one file: whole ones, one network alone, and what cannot be read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.errors import ModelError
from explorer.families.stable_diffusion import SD2
from explorer.single_files import TensorFile, schedule_facts
from explorer.types import Family
from tests.tiny_families import CONFIGS, Folders, draw, manager, model, recipes
from training.single_file import original_vae, write_single_file

pytestmark = pytest.mark.usefixtures("no_network")
PREFIX = "model.diffusion_model."


def tensors_of(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(file))


def save(tensors: dict[str, Any], file: Path, **metadata: str) -> Path:
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, metadata=metadata)
    return file


@pytest.fixture(scope="module")
def configs(tiny: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration folders of the tiny sizes, in place of the shipped ones; no weights."""
    root = tmp_path_factory.mktemp("configs")
    for family in ("sd15", "sdxl"):
        shutil.copytree(tiny(family), root / family, ignore=shutil.ignore_patterns("*.safetensors"))
    return root


@pytest.fixture(scope="module")
def whole(tiny: Folders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sd15.safetensors` and `sdxl.safetensors` in the original layout."""
    root = tmp_path_factory.mktemp("single")
    for family in ("sd15", "sdxl"):
        write_single_file(tiny(family), root / f"{family}.safetensors")
    return root


def picture(
    path: Path, family: Family, configs: Path, *parts: Path, layout: str = "single_file"
) -> np.ndarray:
    with manager(configs, *parts).borrow(model(path, family, layout)) as loaded:
        return draw(loaded, recipes(family, [1], negative="a star"))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_whole_file_draws_what_its_folder_draws(
    tiny: Folders,
    whole: Path,
    configs: Path,
    family: Family,
) -> None:
    expected = picture(tiny(family), family, configs, layout="diffusers")
    given = picture(whole / f"{family}.safetensors", family, configs)
    assert np.abs(given - expected).max() <= 1


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float8_e4m3fn"])
def test_low_precision_files_are_computed_in_the_working_precision(
    whole: Path, configs: Path, tmp_path: Path, kind: str
) -> None:
    import torch

    low = {n: t.to(getattr(torch, kind)) for n, t in tensors_of(whole / "sd15.safetensors").items()}
    file = save(low, tmp_path / f"{kind}.safetensors")
    with manager(configs).borrow(model(file, "sd15", "single_file")) as loaded:
        assert {p.dtype for p in loaded.pipe.unet.parameters()} == {torch.float32}
        assert draw(loaded, recipes("sd15", [1])).shape == (1, 96, 64, 3)


def test_the_full_tokenizer_is_made_here(tiny: Folders, tmp_path: Path) -> None:
    import json

    import torch
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "full"))
    encoder = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(encoder)
    name = next(n for n in tensors if n.endswith("token_embedding.weight"))
    tensors[name] = torch.randn(49408, tensors[name].shape[1]) * 0.1
    save_file(tensors, encoder, metadata={"format": "pt"})
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    config |= {"vocab_size": 49408, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config))
    file = tmp_path / "full.safetensors"
    write_single_file(folder, file)
    bare = tmp_path / "configs" / "sd15"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("*.safetensors", "tokenizer"))
    with manager(tmp_path / "configs").borrow(model(file, "sd15", "single_file")) as loaded:
        assert len(loaded.pipe.tokenizer) == 49408
        # As published: start, "a photo of a cat", end.
        ids = loaded.pipe.tokenizer("a photo of a cat").input_ids
        assert ids == [49406, 320, 1125, 539, 320, 2368, 49407]
        assert draw(loaded, recipes("sd15", [1])).shape == (1, 96, 64, 3)


@pytest.mark.parametrize(
    ("marks", "metadata", "expected"),
    [
        ((), {}, ("epsilon", False, "leading")),
        (("v_pred",), {}, ("v_prediction", False, "leading")),
        (("v_pred", "ztsnr"), {}, ("v_prediction", True, "trailing")),
        ((), {"modelspec.prediction_type": "v"}, ("v_prediction", False, "leading")),
    ],
)
def test_what_the_network_predicts_is_read_from_the_file(
    whole: Path,
    configs: Path,
    tmp_path: Path,
    marks: tuple[str, ...],
    metadata: dict[str, str],
    expected: Any,
) -> None:
    import torch

    tensors = tensors_of(whole / "sdxl.safetensors") | {mark: torch.zeros(0) for mark in marks}
    file = save(tensors, tmp_path / "noob.safetensors", **metadata)
    with manager(configs).borrow(model(file, "sdxl", "single_file")) as loaded:
        draw(loaded, recipes("sdxl", [1]))
        config = loaded.pipe.scheduler.config
    found = config.prediction_type, bool(config.rescale_betas_zero_snr), config.timestep_spacing
    assert found == expected


@pytest.mark.parametrize(
    ("spread", "metadata", "expected"),
    [
        (0.2, {}, "v_prediction"),
        (0.01, {}, "epsilon"),
        (0.2, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        (0.01, {"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction"),
    ],
)
def test_the_two_kinds_of_stable_diffusion_2_are_told_apart(
    tmp_path: Path, spread: float, metadata: dict[str, str], expected: str
) -> None:
    import torch

    bias = torch.linspace(-1, 1, 64)
    name = f"{PREFIX}output_blocks.11.1.transformer_blocks.0.norm1.bias"
    file = save({name: bias / bias.std() * spread}, tmp_path / "sd2.safetensors", **metadata)
    assert schedule_facts(TensorFile.read(file), SD2)["prediction_type"] == expected


# One network alone


@pytest.mark.parametrize(
    ("family", "prefix"),
    [("flux", PREFIX), ("flux", ""), ("sd3", PREFIX), ("zimage", ""), ("pixart", PREFIX), ("sd15", "")],
)
def test_one_network_alone_takes_the_rest_from_a_folder(
    tiny: Folders,
    configs: Path,
    tmp_path: Path,
    family: Family,
    prefix: str,
) -> None:
    part = "unet" if family == "sd15" else "transformer"
    weights = tensors_of(tiny(family) / part / "diffusion_pytorch_model.safetensors")
    file = save({prefix + n: t for n, t in weights.items()}, tmp_path / "mine.safetensors")
    with manager(configs, tiny(family)).borrow(model(file, family, "transformer_only")) as loaded:
        given = draw(loaded, recipes(family, [1]))
        assert f"text encoders and VAE of tiny-{family}" in str(loaded.placement)
    with manager().borrow(model(tiny(family), family)) as loaded:
        assert np.abs(given - draw(loaded, recipes(family, [1]))).max() <= 1


def test_a_vae_in_the_file_is_used(tiny: Folders, configs: Path, tmp_path: Path) -> None:
    import json

    import torch

    weights = tensors_of(tiny("flux") / "transformer" / "diffusion_pytorch_model.safetensors")
    vae = tensors_of(tiny("flux") / "vae" / "diffusion_pytorch_model.safetensors")
    vae["decoder.conv_out.bias"] = torch.tensor([0.1, 0.2, 0.3])
    config = json.loads((tiny("flux") / "vae" / "config.json").read_text())
    parts = {PREFIX + name: tensor for name, tensor in weights.items()} | original_vae(vae, config)
    file = save(parts, tmp_path / "mine.safetensors")
    with manager(configs, tiny("flux")).borrow(model(file, "flux", "single_file")) as loaded:
        assert loaded.pipe.vae.decoder.conv_out.bias.tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert "text encoders of tiny-flux" in str(loaded.placement)
        assert draw(loaded, recipes("flux", [1])).std() > 1


def test_a_unet_in_the_original_layout_takes_the_rest_from_a_folder(
    tiny: Folders,
    whole: Path,
    configs: Path,
    tmp_path: Path,
) -> None:
    weights = tensors_of(whole / "sdxl.safetensors")
    unet = {name: tensor for name, tensor in weights.items() if name.startswith(PREFIX)}
    file = save(unet, tmp_path / "unet.safetensors")
    given = picture(file, "sdxl", configs, tiny("sdxl"), layout="transformer_only")
    assert np.abs(given - picture(tiny("sdxl"), "sdxl", configs, layout="diffusers")).max() <= 1


def test_scaled_fp8_is_multiplied_out(tiny: Folders, configs: Path, tmp_path: Path) -> None:
    import torch

    weights = tensors_of(tiny("flux") / "transformer" / "diffusion_pytorch_model.safetensors")
    low: dict[str, Any] = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, tensor in weights.items():
        if name.endswith("to_q.weight"):
            # One scale for the tensor, as most files have it, or one for each row.
            rows = "single" in name
            scale = (tensor.abs().amax(dim=1) if rows else tensor.abs().max()) / 400
            low[name] = (tensor / (scale[:, None] if rows else scale)).to(torch.float8_e4m3fn)
            low[name.replace("weight", "scale_weight")] = scale
        else:
            low[name] = tensor
    file = save(low, tmp_path / "scaled.safetensors")
    with manager(configs, tiny("flux")).borrow(model(file, "flux", "transformer_only")) as loaded:
        for name, tensor in loaded.pipe.transformer.state_dict().items():
            assert torch.allclose(tensor, weights[name], atol=0.05 * float(weights[name].abs().max())), name


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("flux", r"missing: CLIP-L text encoder, T5-XXL text encoder, VAE and the tokenizers"),
        ("sd15", r"missing: CLIP-L text encoder and VAE\. Put a diffusers folder of SD 1\.5"),
    ],
)
def test_without_a_folder_the_missing_parts_are_named(
    tiny: Folders,
    configs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: Family,
    message: str,
) -> None:
    monkeypatch.setattr("explorer.loading._cached", lambda _repositories: ())
    part = "unet" if family == "sd15" else "transformer"
    weights = tensors_of(tiny(family) / part / "diffusion_pytorch_model.safetensors")
    file = save(weights, tmp_path / "mine.safetensors")
    with (
        pytest.raises(ModelError, match=message),
        manager(configs).borrow(model(file, family, "transformer_only")),
    ):
        pass


# What cannot be read


def changed(tensors: dict[str, Any], how: str) -> dict[str, Any]:
    import torch

    first = f"{PREFIX}input_blocks.0.0.weight"
    if how == "inpainting":
        tensors[first] = torch.zeros(8, 9, 3, 3)
    elif how == "int8":
        tensors[f"{PREFIX}out.2.weight"] = torch.zeros(4, 8, 3, 3, dtype=torch.int8)
    elif how == "scaled":
        tensors[f"{PREFIX}out.2.scale_weight"] = torch.ones(())
    elif how == "other sizes":
        tensors[first] = torch.zeros(24, 4, 3, 3)
    elif how == "lacking":
        tensors.pop(f"{PREFIX}middle_block.0.in_layers.2.weight")
    elif how == "nan":
        tensors[f"{PREFIX}out.2.weight"] = torch.full_like(tensors[f"{PREFIX}out.2.weight"], torch.nan)
    elif how == "refiner":
        kept = {n: t for n, t in tensors.items() if not n.startswith("conditioner.embedders.0")}
        return {n.replace("embedders.1", "embedders.0"): t for n, t in kept.items()}
    return tensors


@pytest.mark.parametrize(
    ("family", "how", "message"),
    [
        ("sd15", "inpainting", "mine fills holes in a picture; it cannot draw from a prompt alone"),
        ("sdxl", "refiner", "mine is an SDXL refiner"),
        ("sd15", "int8", "mine is quantized to whole numbers"),
        ("sd15", "scaled", "mine holds scaled fp8 numbers"),
        ("sd15", "other sizes", r"mine has other sizes than the published SD 1\.5"),
        ("sd15", "lacking", "mine (cannot be loaded: it is|is) incomplete"),
        ("sd15", "nan", "mine is damaged: the tensor unet.conv_out.weight holds no finite numbers"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    whole: Path, configs: Path, tmp_path: Path, family: Family, how: str, message: str
) -> None:
    tensors = changed(tensors_of(whole / f"{family}.safetensors"), how)
    file = save(tensors, tmp_path / "mine.safetensors")
    with (
        pytest.raises(ModelError, match=message) as caught,
        manager(configs).borrow(model(file, family, "single_file")),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_cut_short_says_so(whole: Path, configs: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes((whole / "sd15.safetensors").read_bytes()[:-1000])
    with (
        pytest.raises(ModelError, match="mine cannot be loaded: its file is damaged or cut short"),
        manager(configs).borrow(model(file, "sd15", "single_file")),
    ):
        pass


def test_the_shipped_configurations_are_those_of_the_published_models() -> None:
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def size(network: Any) -> int:
        return sum(p.numel() for p in network.parameters())

    def unet(family: str) -> Any:
        return UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(CONFIGS / family / "unet"))

    with torch.device("meta"):
        assert [size(unet(f)) for f in ("sd15", "sd2", "sdxl")] == [859_520_964, 865_910_724, 2_567_463_684]
        for family, text in (("sd15", 123_060_480), ("sd2", 340_387_840), ("sdxl", 123_060_480)):
            vae = AutoencoderKL.from_config(AutoencoderKL.load_config(CONFIGS / family / "vae"))
            assert size(vae) == 83_653_863
            encoder = CLIPTextConfig.from_pretrained(CONFIGS / family / "text_encoder")
            assert size(CLIPTextModel(encoder)) == text
        second = CLIPTextConfig.from_pretrained(CONFIGS / "sdxl" / "text_encoder_2")
        assert size(CLIPTextModelWithProjection(second)) == 694_659_840
