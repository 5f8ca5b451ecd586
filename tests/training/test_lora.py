"""The LoRA `outline`: counting outlines, a shortened training, both formats, and the shipped files."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors import safe_open

from training.checkpoint import TrainingState, read_tensors
from training.diffusion import build_pipeline, load_snapshot
from training.lora import base_snapshot, lora_path, paired_latents, train_lora
from training.lora_files import (
    DIFFUSERS_FILE,
    KOHYA_FILE,
    count_outlined,
    export_lora,
    kohya_tensors,
    measure_lora,
)
from training.render import render
from training.settings import SHORT
from training.world import draw_scene

pytestmark = pytest.mark.usefixtures("one_thread")
ASSETS = Path(__file__).parents[2] / "assets"
LORAS = ASSETS / "loras"


@pytest.fixture(scope="module")
def assets(work: Path) -> Path:
    """The shortened base and its LoRA, exported."""
    folder = work / "assets"
    unet, text, _ = load_snapshot(SHORT, base_snapshot(work))
    pipeline = build_pipeline(unet, text, AutoencoderKL.from_pretrained(work / "vae"), 0.5)
    pipeline.save_pretrained(folder / "models" / "shapes-base")
    train_lora(SHORT, work)
    export_lora(SHORT, work, folder / "loras")
    return folder


def test_outlines_are_counted() -> None:
    rng = random.Random(3)
    for _ in range(60):
        scene = draw_scene(rng)
        objects = len(scene.items)
        assert count_outlined(render(scene), scene) == (0, objects)
        outlined = render(replace(scene, style="outlined"))
        assert count_outlined(outlined, scene) == (objects, objects), scene.caption


def test_kohya_names() -> None:
    layers = {
        "up_blocks.1.resnets.0.conv1.lora_A.weight": torch.ones(2, 3, 3, 3),
        "up_blocks.1.resnets.0.conv1.lora_B.weight": torch.zeros(4, 2, 1, 1),
    }
    start = "lora_unet_up_blocks_1_resnets_0_conv1"
    given = kohya_tensors(layers, alpha=16)
    assert given.keys() == {f"{start}.lora_down.weight", f"{start}.lora_up.weight", f"{start}.alpha"}
    assert given[f"{start}.lora_down.weight"].shape == (2, 3, 3, 3)
    assert given[f"{start}.alpha"].item() == 16


def test_both_files_hold_the_same_and_say_what_they_are(assets: Path) -> None:
    with safe_open(assets / "loras" / KOHYA_FILE, "pt") as file:
        kohya, metadata = list(file.keys()), file.metadata()
    with safe_open(assets / "loras" / DIFFUSERS_FILE, "pt") as file:
        diffusers, adapter = list(file.keys()), json.loads(file.metadata()["lora_adapter_metadata"])
    assert len(kohya) == len(diffusers) / 2 * 3
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert json.loads(metadata["ss_tag_frequency"])["outlined"]["a"] > 0
    assert (adapter["unet.r"], adapter["unet.lora_alpha"]) == (2, 4)
    report = measure_lora(assets, count=2, seed=5)
    assert report["same_in_both_formats"] == report["same_at_0"] == report["same_after_unloading"] == 1


def test_a_lora_belongs_to_one_base(work: Path, assets: Path) -> None:
    final = lora_path(work, base_snapshot(work), "final")
    before = final.stat().st_mtime_ns
    train_lora(SHORT, work)
    assert final.stat().st_mtime_ns == before
    assert lora_path(work, work / "text.safetensors", "final") != final


def test_a_killed_training_ends_as_an_unbroken_one(
    work: Path, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final, state = (lora_path(work, base_snapshot(work), part) for part in ("final", "state"))
    unbroken = read_tensors(final)[0]
    final.unlink()
    state.unlink()

    def kill(state: TrainingState, _seconds: float) -> None:
        if state.step == 2:
            state.save()
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "save_if_due", kill)
    with pytest.raises(KeyboardInterrupt):
        train_lora(SHORT, work)
    monkeypatch.undo()
    assert not final.exists()
    train_lora(SHORT, work)
    resumed = read_tensors(final)[0]
    assert resumed.keys() == unbroken.keys()
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_latents_speak_of_the_style(work: Path, assets: Path) -> None:
    latents = paired_latents(SHORT.lora, work).latents.float()
    plain, outlined = latents.chunk(2, dim=1)
    assert plain.shape == outlined.shape == (8, 10, 16, 16)
    assert plain[:, 6].abs().max() == 0
    assert outlined[:, 6].flatten(1).max(dim=1).values.min() > 1.5
    assert torch.equal(plain[:, 7:], outlined[:, 7:])  # shape and place stay


def test_shipped_lora_draws_outlines() -> None:
    if not LORAS.exists():
        pytest.skip("no LoRA yet")
    report = measure_lora(ASSETS, count=6, seed=11)
    assert report["outlined_at_1"] >= 0.35
    assert report["outlined_at_0"] <= 0.05
    assert report["same_in_both_formats"] == report["same_at_0"] == report["same_after_unloading"] == 1
    assert all((LORAS / name).stat().st_size < 400_000 for name in (KOHYA_FILE, DIFFUSERS_FILE))
