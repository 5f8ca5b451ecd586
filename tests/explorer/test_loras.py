"""LoRAs on a loaded pipeline: kept loaded, switched, merged where peft cannot, and no trace left."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer.errors import ModelError
from explorer.loras import _KEPT, LoraSet, count_layers
from explorer.types import Lora, WeightedLora
from tests.fakes import build_tiny_lora


@pytest.fixture(scope="module")
def pipe(tiny_models: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(tiny_models / "tiny-a", safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def loras(pipe: Any, tmp_path: Path) -> Any:
    found = LoraSet(pipe, "tiny-a")
    yield found
    found.detach()
    pipe.unload_lora_weights()


def noise(pipe: Any) -> torch.Tensor:
    """One forward of the denoiser on a fixed input."""
    generator = torch.Generator().manual_seed(3)
    latents, text = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 5, 16, generator=generator)
    with torch.no_grad():
        return pipe.unet(latents, 500, text).sample


def weighted(file: Path, weight: float = 1.0) -> WeightedLora:
    return WeightedLora(Lora(file.stem, file, file.stat().st_size), weight)


def test_weights_are_switched_without_loading_again(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "style.v1.safetensors", strength=2.0)
    base, loads = noise(pipe), []
    load = pipe.load_lora_weights
    monkeypatch.setattr(pipe, "load_lora_weights", lambda *a, **k: (loads.append(a), load(*a, **k)))
    loras.attach((weighted(file, 1.0),))
    full = noise(pipe)
    assert not torch.equal(full, base)
    assert loras.fits[0].whole
    assert loras.fits[0].matched == loras.fits[0].layers == len(load_file(file)) // 2
    loras.attach((weighted(file, 0.5),))
    half = noise(pipe)
    assert not torch.equal(half, full)
    loras.attach((weighted(file, 0.0),))
    assert torch.equal(noise(pipe), base)
    loras.attach((weighted(file, 1.0),))
    assert torch.equal(noise(pipe), full)
    with loras.paused():
        assert torch.equal(noise(pipe), base)
    assert torch.equal(noise(pipe), full)
    loras.attach(())
    assert torch.equal(noise(pipe), base)
    assert len(loads) == 1


def test_a_changed_file_under_an_old_name_is_loaded_anew(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path
) -> None:
    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "style.safetensors", strength=2.0)
    loras.attach((weighted(file),))
    first = noise(pipe)
    loras.attach(())
    save_file({name: value * 2 for name, value in load_file(file).items()}, file)
    loras.attach((weighted(file),))
    assert not torch.equal(noise(pipe), first)


def test_only_the_latest_adapters_stay_loaded(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path
) -> None:
    base = noise(pipe)
    for number in range(_KEPT + 3):
        file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / f"s{number}.safetensors", strength=1.0)
        loras.attach((weighted(file),))
        assert not torch.equal(noise(pipe), base)
    there = {name for names in pipe.get_list_adapters().values() for name in names}
    assert len(there) == _KEPT
    loras.detach()
    assert torch.equal(noise(pipe), base)


def test_merged_and_switched_loras_together(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path
) -> None:
    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "style.safetensors", strength=2.0)
    layer = pipe.unet.conv_in
    other = tmp_path / "full.safetensors"
    save_file({"lora_unet_conv_in.diff": torch.ones_like(layer.weight)}, other)
    base, before = noise(pipe), layer.weight.clone()
    loras.attach((weighted(file), weighted(other, 0.5)))
    both = noise(pipe)
    assert torch.allclose(layer.weight, before + 0.5)
    assert [fit.name for fit in loras.fits] == ["style", "full"]
    loras.attach((weighted(file),))
    assert torch.equal(layer.weight, before)
    assert not torch.equal(noise(pipe), both)
    loras.attach((weighted(other, -1.0),))
    assert torch.allclose(layer.weight, before - 1)
    loras.detach()
    assert torch.equal(noise(pipe), base)


def test_a_lora_that_fits_in_part_says_so(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path
) -> None:
    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "part.safetensors", strength=2.0)
    tensors = load_file(file)
    tensors |= {f"unet.nowhere.lora_{half}.weight": torch.ones(4, 4) for half in "AB"}
    save_file(tensors, file)
    loras.attach((weighted(file),))
    assert loras.fits[0].layers == loras.fits[0].matched + 1
    assert not loras.fits[0].whole


def test_numbers_that_are_not_finite_are_refused_and_leave_no_trace(
    pipe: Any, loras: LoraSet, tiny_models: Path, tmp_path: Path
) -> None:
    base = noise(pipe)
    file = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "nan.safetensors")
    tensors = load_file(file)
    first = next(iter(tensors))
    save_file(tensors | {first: torch.full_like(tensors[first], float("nan"))}, file)
    with pytest.raises(ModelError, match="not finite"):
        loras.attach((weighted(file),))
    loras.detach()
    assert torch.equal(noise(pipe), base)
    assert not {name for names in pipe.get_list_adapters().values() for name in names}


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (["lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.alpha"], 1),
        (["unet.a.lora_A.weight", "unet.a.lora_B.weight", "unet.b.lora_A.weight"], 2),
        (["unet.a.lora.down.weight", "unet.a.lora.up.weight"], 1),
        (["unet.a.processor.to_q_lora.down.weight", "unet.a.processor.to_k_lora.down.weight"], 2),
        ([], 0),
    ],
)
def test_layers_of_each_format_are_counted(names: list[str], layers: int) -> None:
    assert count_layers(names) == layers


def test_a_lora_that_changes_nothing_is_told_of(tiny_models: Path, tmp_path: Path) -> None:
    from explorer.checkpoints import read_checkpoint
    from explorer.loading import Sources
    from explorer.pipelines import PipelineManager
    from explorer.placement import Wishes
    from explorer.types import Model
    from tests.explorer.test_pipelines import recipes

    real = build_tiny_lora(tiny_models / "tiny-a", tmp_path / "real.safetensors", strength=2.0)
    idle = tmp_path / "idle.safetensors"
    save_file({name: torch.zeros_like(value) for name, value in load_file(real).items()}, idle)
    manager = PipelineManager(Wishes("cpu"), Sources(tmp_path))
    told = {}
    for file in (real, idle):
        model = Model(read_checkpoint(tiny_models / "tiny-a"), (weighted(file),))
        wanted = recipes([1], loras=((file.stem, file.stem, 1.0),))
        with manager.borrow(model) as loaded:
            told[file.stem] = [text for text in loaded.notices(wanted) if "change nothing" in text]
    assert told["real"] == []
    assert len(told["idle"]) == 1
    manager.release()
