"""The small DINOv3 networks: what they learn from, a shortened run and the shipped weights."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, DINOv3ConvNextModel, DINOv3ViTModel

from training.checkpoint import read_tensors
from training.dino import (
    KINDS,
    build_network,
    export_dino,
    look,
    normalized,
    place_patches,
    start_locally,
    train_dino,
    train_network,
)
from training.dino_measure import measure_dino, object_mask
from training.pictures import (
    Teacher,
    cell_targets,
    close_up,
    content,
    contrast_loss,
    draw_pairs,
    neighbor_agreement,
    paint,
    rate_at,
    rearranged,
    shape_shares,
    silhouettes,
    stage_at,
)
from training.render import render
from training.settings import SHORT, DinoSettings, Stage
from training.world import Item, Scene

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a shortened run."""
    folder = tmp_path_factory.mktemp("dino")
    train_dino(SHORT.dino, folder)
    return folder


@pytest.fixture(scope="module")
def exported(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a shortened run exports."""
    folder = tmp_path_factory.mktemp("assets")
    export_dino(SHORT.dino, work, folder)
    return folder


def _scene(shape: str, color: str, background: str) -> Scene:
    return Scene("single", background, (Item(shape, color, 64, 64, 30),), ())


def test_stages_follow_one_another() -> None:
    stages = (Stage(64, 8, 2), Stage(128, 4, 3))
    sides = [stage.side if (stage := stage_at(stages, step)) else None for step in range(6)]
    assert sides == [64, 64, 128, 128, 128, None]


def test_rate_rises_stays_and_falls() -> None:
    stages = (Stage(64, 8, 60), Stage(128, 4, 40))
    rates = [rate_at(stages, step, warmup_steps=10, decay_share=0.2) for step in (0, 4, 9, 50, 79, 90, 99)]
    assert rates == pytest.approx([0.1, 0.5, 1, 1, 1, 0.5, 0.05])


def test_shares_name_the_shape() -> None:
    codes = torch.zeros(1, 3, 1, 3)
    codes[0, 0, 0, 1] = -2.5  # all square
    codes[0, 2, 0, 2] = 1.0  # two fifths of a diamond
    shares = shape_shares(codes)[0, :, 0]
    assert torch.allclose(shares[:, 0], torch.eye(7)[0])
    assert torch.allclose(shares[:, 1], torch.eye(7)[2])
    assert torch.allclose(shares[:, 2], 0.6 * torch.eye(7)[0] + 0.4 * torch.eye(7)[5])


def test_silhouette_is_the_drawn_area() -> None:
    scene = _scene("square", "red", "beige")
    mask = silhouettes(paint([scene]), [scene])
    assert mask.shape == (1, 1, 128, 128)
    assert mask.sum().item() == pytest.approx((2 * 0.88 * 30) ** 2, rel=0.06)


def test_outlines_reward_the_right_strokes() -> None:
    scene = _scene("circle", "red", "white")
    images = paint([scene])
    masks = silhouettes(images, [scene])
    target = cell_targets(images, [scene])
    strokes = torch.nn.functional.pixel_unshuffle(torch.nn.functional.adaptive_avg_pool2d(masks, 64), 4)
    sure = torch.cat(
        [torch.zeros(1, 10, 16, 16), 20 * shape_shares(target[:, 3:6]), 40 * strokes - 20], dim=1
    )
    teacher = Teacher(4, [33])
    with torch.no_grad():
        teacher.maps[0].weight.copy_(torch.eye(33)[..., None, None])
        teacher.maps[0].bias.zero_()
    right = teacher.outlines([sure], [target], [masks])
    assert teacher.outlines([-sure], [target], [masks]) > 10 * right
    assert right < 0.6  # cells that are part of two things leave a rest


def test_twins_show_the_same_on_another_background() -> None:
    rng = random.Random(0)
    for side in (64, 128):
        scenes = draw_pairs(rng, 20, side, styled_share=0.5)
        for scene, twin in zip(scenes[::2], scenes[1::2], strict=True):
            assert content(scene) == content(twin)
            assert scene.background != twin.background
            assert scene.style == twin.style
    assert len({content(scene) for scene in scenes}) > 5


def test_close_ups_fill_a_small_picture() -> None:
    rng = random.Random(0)
    radii = [item.radius for _ in range(50) for item in close_up(rng, 64).items]
    assert 26 <= min(radii) < max(radii) <= 54
    moved = rearranged(rng, _scene("star", "red", "white"))
    assert moved.items[0].shape == "star"
    assert 22.5 <= moved.items[0].radius <= 37.5


def test_cells_say_color_and_shape() -> None:
    scene = Scene("single", "black", (Item("diamond", "red", 64, 64, 50),), ())
    for side, middle in ((128, 8), (64, 4)):
        images = paint([scene], side)
        target = cell_targets(images, [scene])
        assert target.shape == (1, 10, side // 8, side // 8)
        assert torch.allclose(
            target[0, :3, middle, middle], torch.tensor([220, 40, 40]) / 127.5 - 1, atol=0.02
        )
        assert (
            target[0, 5, middle, middle] == 2.5
        )  # circle, square, triangle, star, diamond: third axis, plus
        assert target[0, 3:, 0, 0].abs().max() < 0.01


def test_contrast_loss_by_hand() -> None:
    features = torch.tensor([[2.0, 0], [5, 0], [0, 1], [0, 3]])
    loss = contrast_loss(features, ["a", "a", "b", "b"], temperature=1.0)
    assert loss.item() == pytest.approx(-1 + math.log(math.e + 2))


def test_neighbors_are_sought_on_other_backgrounds() -> None:
    scenes = [_scene("star", "red", "white"), _scene("cross", "red", "gray")]
    gallery = [
        _scene("star", "red", "white"),  # nearest to the first, but on its own background
        _scene("star", "blue", "black"),
        _scene("cross", "red", "navy"),
    ]
    features = torch.tensor([[1.0, 0], [0, 1]])
    found = neighbor_agreement(features, scenes, torch.tensor([[1, 0], [0.9, 0.1], [0, 1]]), gallery)
    assert found == {"shape": 1.0, "color": 0.5, "both": 0.5}


def test_heads_begin_by_looking_at_neighbors() -> None:
    torch.manual_seed(0)
    settings = DinoSettings(num_hidden_layers=3, initializer_range=1e-4)
    network = build_network(settings, "vit").eval()
    network.set_attn_implementation("eager")
    start_locally(network, sharpness=20.0)
    with torch.no_grad():
        attentions = network(torch.zeros(1, 3, 128, 128), output_attentions=True).attentions
    for block, offsets in zip(attentions[:2], (((-1, 0), (1, 0)), ((-1, -1), (-1, 1))), strict=True):
        for head, (down, right) in enumerate(offsets):
            seen = block[0, head, 5 + 8 * 16 + 8, 5:].argmax().item()
            assert divmod(seen, 16) == (8 + down, 8 + right)


def test_patches_of_close_ups_lie_as_far_apart() -> None:
    network = build_network(SHORT.dino, "vit").eval()
    usual = network.rope_embeddings(torch.zeros(1, 3, 128, 128))[0]
    place_patches(network, 64)
    close = network.rope_embeddings(torch.zeros(1, 3, 64, 64))[0]
    place_patches(network, 128)
    # The middle patches of the whole picture are those of the close-up.
    middle = usual.view(16, 16, -1)[4:12, 4:12].flatten(0, 1)
    assert torch.allclose(close, middle, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_short_run_loads_as_a_user_would(exported: Path, kind: str) -> None:
    folder = exported / f"dinov3-{kind}"
    network = {"vit": DINOv3ViTModel, "convnext": DINOv3ConvNextModel}[kind].from_pretrained(folder)
    assert network.dtype == torch.float32
    scene = _scene("star", "red", "navy")
    pixels = AutoImageProcessor.from_pretrained(folder)(
        images=[render(scene, supersampling=3)], return_tensors="pt"
    )
    assert torch.allclose(pixels.pixel_values, normalized(paint([scene])), atol=1e-5)
    report = measure_dino(folder, count=4, seed=3)
    assert 0 <= report["neighbor_both"] <= min(report["neighbor_shape"], report["neighbor_color"]) <= 1
    assert ("attention_on_objects" in report) == (kind == "vit")
    text = (folder / "config.json").read_text()
    assert "_name_or_path" not in text
    assert json.loads(text).get("dtype", "float32") == "float32"


def test_maps_keep_their_places() -> None:
    network = build_network(SHORT.dino, "vit").eval()
    pixels = torch.zeros(1, 3, 128, 128)
    with torch.no_grad():
        plain = look(network, pixels).maps[-1]
        pixels[..., 40:48, 80:88] = 3  # the sixth row, the eleventh column of patches
        changed = look(network, pixels).maps[-1]
    change = (changed - plain).square().sum(1)[0]
    assert divmod(change.argmax().item(), 16) == (5, 10)


def test_object_mask_is_the_drawn_area() -> None:
    scene = _scene("square", "red", "white")
    mask = object_mask(np.asarray(render(scene)), scene)
    assert mask.sum() == pytest.approx((2 * 0.88 * 30) ** 2, rel=0.06)


class Stopped(Exception):
    """Ends a training before its time."""


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_where_it_stopped(work: Path, tmp_path: Path, kind: str) -> None:
    def stop(step: int, **_: object) -> None:
        if step == 3:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.dino.log_to", lambda path: stop)
        patch.setattr("training.checkpoint.TrainingState.save_if_due", lambda self, seconds: self.save())
        with pytest.raises(Stopped):
            train_network(SHORT.dino, kind, tmp_path)
    train_network(SHORT.dino, kind, tmp_path)
    name = f"dino_{kind}.safetensors"
    (unbroken, facts), (resumed, others) = (read_tensors(folder / name) for folder in (work, tmp_path))
    assert facts["step"] == others["step"] == 4
    assert all(torch.allclose(unbroken[key].float(), resumed[key].float()) for key in unbroken)
    before = (tmp_path / name).stat().st_mtime_ns
    train_network(SHORT.dino, kind, tmp_path)
    assert (tmp_path / name).stat().st_mtime_ns == before


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_network_finds_scenes_of_the_same_content(kind: str) -> None:
    report = measure_dino(ASSETS / f"dinov3-{kind}", count=40, seed=31)
    assert report["neighbor_both"] >= 0.9
    assert report["patch_neighbor_shape"] >= 0.9
    if kind == "vit":
        assert report["attention_on_objects"] > 1.7 * report["objects_share_of_area"]


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_network_is_small(kind: str) -> None:
    assert (ASSETS / f"dinov3-{kind}" / "model.safetensors").stat().st_size <= 2_000_000
