"""`shapes-xl`: how it starts from the base, a shortened training, and the shipped weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from training.checkpoint import TrainingState, read_tensors
from training.diffusion import build_unet
from training.evaluation import check_pipeline, evaluation_scenes
from training.measure import load
from training.settings import FULL, SHORT
from training.tokenizer import build_tokenizer, encode
from training.xl import export_xl, train_xl
from training.xl_parts import XlTexts, build_xl_unet, kept_channels, start_from_base, time_ids

pytestmark = pytest.mark.usefixtures("one_thread")
ASSETS = Path(__file__).parents[2] / "assets"


def drawn_right(folder: Path, count: int, seed: int) -> dict[str, float]:
    """Shares right of an exported pipeline's pictures, measured as the base is."""
    scenes = evaluation_scenes(count, seed)
    return check_pipeline(load(folder), scenes, steps=20, guidance_scale=1.5)[0]


def test_shortened_training_ends_in_a_pipeline(work: Path, tmp_path: Path) -> None:
    train_xl(SHORT, work)
    before = (work / "xl_final.safetensors").stat().st_mtime_ns
    train_xl(SHORT, work)
    assert (work / "xl_final.safetensors").stat().st_mtime_ns == before

    target = tmp_path / "shapes-xl"
    export_xl(SHORT, work, target)
    pipeline = StableDiffusionXLPipeline.from_pretrained(target)
    assert pipeline.unet.dtype == pipeline.text_encoder_2.dtype == torch.float32
    assert not pipeline.vae.config.force_upcast
    image = pipeline("a red circle", num_inference_steps=2, height=128, width=128).images[0]
    assert image.size == (128, 128)
    assert 0 <= drawn_right(target, count=2, seed=5)["all"] <= 1


def test_a_killed_training_ends_as_an_unbroken_one(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By steps alone: where minutes count as well, no two runs are quite the same.
    settings = replace(SHORT, xl=replace(SHORT.xl, cpu_minutes=1e9))
    final, killed = work / "xl_final.safetensors", set()

    def begin_anew() -> None:
        for path in work.glob("xl*.safetensors"):
            path.unlink()

    def kill(state: TrainingState, _seconds: float) -> None:
        if state.step == 2 and state.path not in killed:
            killed.add(state.path)
            state.save()
            raise KeyboardInterrupt

    begin_anew()
    train_xl(settings, work)
    unbroken = read_tensors(final)[0]
    begin_anew()
    monkeypatch.setattr(TrainingState, "save_if_due", kill)
    for _ in ("texts", "denoiser"):
        with pytest.raises(KeyboardInterrupt):
            train_xl(settings, work)
    train_xl(settings, work)
    resumed = read_tensors(final)[0]
    assert resumed.keys() == unbroken.keys()
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_texts_stand_side_by_side() -> None:
    tokenizer = build_tokenizer()
    texts = XlTexts(SHORT.xl, tokenizer)
    features, pooled = texts(encode(tokenizer, ["a red circle", ""]))
    assert features.shape == (2, 24, 32)
    assert pooled.shape == (2, 32)
    config = FULL.xl
    assert config.text_widths[0] != config.text_widths[1]
    assert config.text_layers[1] >= 10  # readers of single files look for the tenth layer


def test_channels_are_spread_evenly() -> None:
    widths = [(6, 4), (9, 6)]
    assert kept_channels(6, 4, widths).tolist() == [0, 1, 3, 4]
    assert kept_channels(5, 5, widths).tolist() == [0, 1, 2, 3, 4]
    # Two blocks side by side: 9 and 6 become 6 and 4, each as by itself.
    assert kept_channels(15, 10, widths).tolist() == [0, 1, 3, 4, 6, 7, 9, 10, 12, 13]


def test_a_denoiser_as_wide_as_the_base_starts_as_the_base() -> None:
    options = replace(SHORT.xl, block_out_channels=SHORT.diffusion.block_out_channels)
    base, unet = build_unet(SHORT.diffusion, 32).eval(), build_xl_unet(options).eval()
    start_from_base(unet, base)
    noisy, features = torch.randn(2, 10, 16, 16), torch.randn(2, 24, 32)
    added = {"text_embeds": torch.randn(2, 32), "time_ids": time_ids(2)}
    with torch.no_grad():
        wanted = base(noisy, 500, features).sample
        given = unet(noisy, 500, features, added_cond_kwargs=added).sample
    assert torch.allclose(given, wanted, atol=1e-5)
    assert time_ids(1).tolist() == [[128, 128, 0, 0, 128, 128]]


def test_shipped_model_draws_what_is_asked_for() -> None:
    folder = ASSETS / "models" / "shapes-xl"
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) <= 6_000_000
    report = drawn_right(folder, count=12, seed=7)
    assert report["background"] >= 0.9
    assert report["color"] >= 0.4
