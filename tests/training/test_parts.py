"""Every part of the training, shortened, from nothing to pictures; and resuming."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.checkpoint import Average, TrainingState, decoupled_groups, read_tensors
from training.codes import COLOR_MATRIX, scene_code, target_latents, to_tensor
from training.render import render_batch
from training.tokenizer import build_tokenizer, encode, zero_padded
from training.world import SHAPES, Item, Scene, vocabulary


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a shortened run makes."""
    folder = tmp_path_factory.mktemp("training")
    threads = torch.get_num_threads()
    assets = folder / "assets"
    assets.mkdir()
    shutil.copy(Path(__file__).parents[2] / "assets" / "MODEL_CARD.md", assets)
    main(["all", "--work", str(folder / "work"), "--assets", str(assets), "--short"])
    torch.set_num_threads(threads)
    return folder


def test_tokenizer_keeps_words_whole() -> None:
    tokenizer = build_tokenizer()
    words = vocabulary()
    assert [word for word in words if len(tokenizer.tokenize(word)) != 1] == []
    caption = "two red circles and a blue square on a gray background"
    ids = encode(tokenizer, [caption, ""])
    assert tokenizer.decode(ids[0], skip_special_tokens=True).strip() == caption
    assert ids.shape[1] == 24
    assert ids.max() == tokenizer.eos_token_id == len(tokenizer) - 1
    padded = zero_padded(ids, tokenizer.eos_token_id)
    assert (padded == tokenizer.eos_token_id).sum(1).tolist() == [1, 1]


def test_latent_code_shows_shape_and_color() -> None:
    for number, shape in enumerate(SHAPES):
        scene = Scene("single", "black", (Item(shape, "red", 64, 64, 30),), ())
        code = scene_code(scene)
        axis, side = divmod(number, 2)
        assert code[axis, 8, 8] * (-1 if side else 1) > 2
        latents = target_latents(to_tensor(render_batch([scene])), [scene])
        color = torch.linalg.inv(COLOR_MATRIX) @ latents[0, :3, 8, 8]
        assert torch.allclose(color, torch.tensor([220, 40, 40]) / 127.5 - 1, atol=0.02)


def test_short_run_ends_in_a_pipeline_that_draws(trained: Path) -> None:
    from training.measure import load

    classes = dict.fromkeys(("shapes-base", "shapes-mid", "shapes-early"), "StableDiffusionPipeline")
    for name, class_name in {**classes, "shapes-xl": "StableDiffusionXLPipeline"}.items():
        folder = trained / "assets" / "models" / name
        index = json.loads((folder / "model_index.json").read_text())
        assert index["_class_name"] == class_name
        image = load(folder)(prompt="a red circle", num_inference_steps=2, height=128, width=128).images[0]
        assert image.size == (128, 128)


def test_short_run_ends_in_a_clip_and_a_manifest(trained: Path) -> None:
    assets = trained / "assets"
    assert (assets / "clip" / "vocabulary.txt").read_text().split() == vocabulary()
    manifest = json.loads((assets / "models.json").read_text())
    assert set(manifest) == {path.relative_to(assets).as_posix() for path in assets.rglob("*.safetensors")}
    report = json.loads((assets / "training_logs" / "measurements.json").read_text())
    assert 0 <= report["pictures"]["shapes-base"]["clip_score"] <= 100
    parts = {"pictures", "lora", "lpips", "dino_vit", "dino_convnext", "answerer", "detector"}
    assert set(report) == parts
    card = (assets / "MODEL_CARD.md").read_text()
    for part in ("clip", *parts):
        table = card.split(f"<!-- {part} -->")[1].split(f"<!-- end of {part} -->")[0]
        assert table.count("\n|") > 3, part


def test_exported_clip_prepares_pictures_as_the_training_did(trained: Path) -> None:
    import open_clip
    from PIL import Image

    from training.clip import preprocess
    from training.render import render
    from training.settings import SHORT

    scene = Scene("single", "navy", (Item("star", "red", 50, 70, 30),), ())
    name = f"local-dir:{trained / 'assets' / 'clip'}"
    _, _, transform = open_clip.create_model_and_transforms(name, require_pretrained=True)
    image = render(scene, supersampling=2)
    assert isinstance(image, Image.Image)
    assert torch.allclose(transform(image), preprocess([scene], SHORT.clip.image_size)[0], atol=1e-5)
    tokenizer = build_tokenizer()
    captions = ["two red circles", "an orange star left of a pink cross on a navy background"]
    ids = zero_padded(encode(tokenizer, captions), tokenizer.eos_token_id)
    assert torch.equal(open_clip.get_tokenizer(name)(captions), ids)


def test_finished_parts_are_left_alone(trained: Path) -> None:
    work = trained / "work"
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    for part in ("vae", "latents", "diffusion", "refine", "clip"):
        main([part, "--work", str(work), "--short"])
    after = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    assert before == after


def _train(path: Path, until: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    modules = {"b": torch.nn.Linear(3, 2), "a": torch.nn.Linear(2, 1)}
    optimizer = torch.optim.AdamW(decoupled_groups(modules, {"a": 0.1, "b": 0.1}, 0.1))
    average = Average(modules, 0.9)
    state = TrainingState(path, modules, optimizer, average)
    while state.step < until:
        chance = torch.Generator().manual_seed(state.step)
        loss = modules["a"](modules["b"](torch.randn(4, 3, generator=chance))).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state.step += 1
        average.update(state.step)
    state.save()
    return read_tensors(path)[0]


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = _train(tmp_path / "unbroken.safetensors", 10)
    _train(tmp_path / "broken.safetensors", 4)
    (tmp_path / "broken.tmp").write_bytes(b"cut off by a kill")
    resumed = _train(tmp_path / "broken.safetensors", 10)
    assert unbroken.keys() == resumed.keys()
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_resumed_parts_go_on_with_the_same_batches(tmp_path: Path) -> None:
    from training.diffusion import BatchDrawer
    from training.latents import LatentSet
    from training.settings import SHORT

    data = LatentSet(torch.randn(6, 8, 16, 16), [""] * 6, ["single"] * 6)
    ids = torch.arange(6)[:, None].expand(6, 24)
    drawers = [BatchDrawer(SHORT.diffusion, data, ids, torch.zeros(1, 24).long()) for _ in range(2)]
    drawers[0].draw(0, 0.5)
    for first, second in zip(drawers[0].draw(1, 0.5), drawers[1].draw(1, 0.5), strict=True):
        assert torch.equal(first, second)
