import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from explorer.checkpoints import read_checkpoint
from explorer.errors import Cancelled, ModelError
from explorer.families import family_of_pipeline
from explorer.loading import Sources
from explorer.pipelines import PipelineManager, library_versions
from explorer.placement import Wishes
from explorer.types import Checkpoint, Lora, Model, Recipe, WeightedLora
from tests.explorer.test_recipes import make_recipe
from tests.fakes import PROJECT, build_tiny_lora, copy_checkpoint


@pytest.fixture
def manager() -> PipelineManager:
    return PipelineManager(Wishes("cpu"), Sources(PROJECT / "assets" / "configs"))


def model(folder: Path, *loras: WeightedLora) -> Model:
    return Model(read_checkpoint(folder), tuple(loras))


def recipes(seeds: list[int], **changes: object) -> list[Recipe]:
    values = {"prompt": "a red circle", "negative": "", "width": 64, "height": 64, "steps": 2} | changes
    return [make_recipe(seed=seed, **values) for seed in seeds]


def draw(manager: PipelineManager, model: Model, seeds: list[int], **changes: object) -> np.ndarray:
    with manager.borrow(model) as loaded:
        pictures = loaded.draw(recipes(seeds, **changes), "DDIM", lambda step, steps: None)
    return np.stack([np.asarray(picture, dtype=int) for picture in pictures])


def test_the_same_recipe_gives_the_same_picture_whatever_is_beside_it(
    manager: PipelineManager, tiny_models: Path
) -> None:
    together = draw(manager, model(tiny_models / "tiny-a"), [5, 6, 7])
    alone = draw(manager, model(tiny_models / "tiny-a"), [6])
    assert together.shape == (3, 64, 64, 3)
    # Float sums differ in the last bits with the batch shape; after rounding by one at most.
    assert np.abs(together[1] - alone[0]).max() <= 1
    assert np.abs(together[0] - together[1]).max() > 1


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE Karras", "DDPM", "LCM"])
def test_noise_of_the_steps_does_not_depend_on_the_batch_either(
    manager: PipelineManager, tiny_models: Path, sampler: str
) -> None:
    with manager.borrow(model(tiny_models / "tiny-a")) as loaded:
        together = loaded.draw(recipes([1, 2]), sampler, lambda step, steps: None)  # type: ignore[arg-type]
        alone = loaded.draw(recipes([2]), sampler, lambda step, steps: None)  # type: ignore[arg-type]
    assert np.abs(np.asarray(together[1], int) - np.asarray(alone[0], int)).max() <= 1


def test_a_pipeline_written_by_hand_gives_the_same_picture(
    manager: PipelineManager, tiny_models: Path
) -> None:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    ours = draw(manager, model(tiny_models / "tiny-a"), [3], negative="a blue star", guidance=4.0)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_models / "tiny-a", safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    theirs = pipe(
        "a red circle",
        negative_prompt="a blue star",
        num_inference_steps=2,
        guidance_scale=4.0,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    assert np.abs(ours[0] - np.asarray(theirs, int)).max() <= 1


def test_a_lora_changes_the_picture_by_its_weight_and_leaves_no_trace(
    manager: PipelineManager, tiny_models: Path, tmp_path: Path
) -> None:
    folder = tiny_models / "tiny-a"
    file = build_tiny_lora(folder, tmp_path / "my.style v1.safetensors", strength=2.0)
    lora = Lora("my.style v1", file, file.stat().st_size)
    base = draw(manager, model(folder), [1])
    full = draw(manager, model(folder, WeightedLora(lora, 1.0)), [1])
    none = draw(manager, model(folder, WeightedLora(lora, 0.0)), [1])
    assert np.abs(full - base).max() > 5
    assert np.array_equal(none, base)
    assert np.array_equal(draw(manager, model(folder), [1]), base)


def test_a_lora_that_fits_nothing_is_refused_and_the_base_still_works(
    manager: PipelineManager, tiny_models: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    file = tmp_path / "foreign.safetensors"
    layer = "transformer.single_transformer_blocks.0.attn.to_q"
    save_file({f"{layer}.lora_{x}.weight": torch.zeros(4, 4) for x in "AB"}, file)
    foreign = WeightedLora(Lora("foreign", file, 1))
    with pytest.raises(ModelError, match="The LoRA foreign fits no layer of tiny-a"):
        draw(manager, model(tiny_models / "tiny-a", foreign), [1])
    assert draw(manager, model(tiny_models / "tiny-a"), [1]).shape == (1, 64, 64, 3)


def test_one_checkpoint_is_in_memory_at_a_time(manager: PipelineManager, tiny_models: Path) -> None:
    with manager.borrow(model(tiny_models / "tiny-a")) as first:
        pass
    with manager.borrow(model(tiny_models / "tiny-a")) as again:
        assert again is first
    with manager.borrow(model(tiny_models / "tiny-b")) as other:
        assert other is not first
    manager.release()
    assert manager._loaded is None


def test_the_step_callback_stops_the_drawing_and_the_model_stays_usable(
    manager: PipelineManager, tiny_models: Path
) -> None:
    seen = []

    def stop_at_two(step: int, steps: int) -> None:
        seen.append((step, steps))
        if step == 2:
            raise Cancelled("stopped")

    before = draw(manager, model(tiny_models / "tiny-a"), [1])
    with manager.borrow(model(tiny_models / "tiny-a")) as loaded, pytest.raises(Cancelled):
        loaded.draw(recipes([1], steps=10), "DDIM", stop_at_two)
    assert seen == [(1, 10), (2, 10)]
    assert np.array_equal(draw(manager, model(tiny_models / "tiny-a"), [1]), before)


def damage(folder: Path, how: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif how == "no tokenizer":
        shutil.rmtree(folder / "tokenizer")
        (folder / "tokenizer").mkdir()
    elif how == "only a pickle":
        weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    else:
        tensors = load_file(weights)
        if how == "missing tensor":
            tensors.pop("conv_in.weight")
        else:
            tensors["conv_in.weight"].fill_(float("nan"))
        save_file(tensors, weights)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "mine cannot be loaded"),
        ("no tokenizer", "mine (has no usable tokenizer|cannot be loaded)"),
        ("only a pickle", "mine cannot be loaded"),
        (
            "missing tensor",
            "mine is incomplete: the tensor unet.conv_in.weight is missing|mine cannot be loaded",
        ),
        ("nan", "mine is damaged: the tensor unet.conv_in.weight holds no finite numbers"),
    ],
)
def test_a_damaged_model_is_refused_with_the_reason(
    manager: PipelineManager, tiny_models: Path, tmp_path: Path, how: str, message: str
) -> None:
    folder = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "mine")
    damage(folder, how)
    with pytest.raises(ModelError, match=message) as caught:
        draw(manager, model(folder), [1])
    assert "\n" not in str(caught.value)


def test_a_model_that_gives_nan_is_told(manager: PipelineManager, tiny_models: Path) -> None:
    import torch

    with manager.borrow(model(tiny_models / "tiny-a")) as loaded:
        with torch.no_grad():
            loaded.pipe.unet.conv_out.bias.fill_(float("inf"))
        with pytest.raises(ModelError, match="numbers that are no picture"):
            loaded.draw(recipes([1]), "DDIM", lambda step, steps: None)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("KolorsPipeline", "other is of a model family this program cannot draw with yet"),
        ("FluxPipeline", "other cannot be loaded: Its model_index.json names no transformer"),
    ],
)
def test_other_families_are_refused_by_name(
    manager: PipelineManager, tiny_models: Path, tmp_path: Path, class_name: str, message: str
) -> None:
    folder = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "other")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": class_name}))
    family = family_of_pipeline(class_name)
    checkpoint = Checkpoint("other", folder, family, "diffusers", 1)
    with pytest.raises(ModelError, match=message):
        draw(manager, Model(checkpoint), [1])


def test_a_long_prompt_is_counted(manager: PipelineManager, tiny_models: Path) -> None:
    with manager.borrow(model(tiny_models / "tiny-a")) as loaded:
        assert loaded.cut_prompt("a red circle") == 0
        assert loaded.cut_prompt("a red circle " * 30) > 50


def test_versions_and_batch_sizes(manager: PipelineManager) -> None:
    assert library_versions()["torch"].startswith("2.13.0")
    assert manager.placement().precision == "float32"
    assert manager.batch_size(128, 128) == 8
    assert manager.batch_size(4096, 4096) == 1


def test_size_other_than_square(manager: PipelineManager, tiny_models: Path) -> None:
    assert draw(manager, model(tiny_models / "tiny-a"), [1], width=96, height=72).shape == (1, 72, 96, 3)


def test_pictures_are_pictures(manager: PipelineManager, tiny_models: Path) -> None:
    with manager.borrow(model(tiny_models / "tiny-a")) as loaded:
        (picture,) = loaded.draw(recipes([1]), "Euler", lambda step, steps: None)
    assert isinstance(picture, Pillow.Image)
    assert picture.mode == "RGB"
