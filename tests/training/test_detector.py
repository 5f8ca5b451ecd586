"""The detector: its targets and losses, a shortened training, and the shipped weights."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForObjectDetection, RTDetrForObjectDetection

from training.boxes import Boxes, pair_names, scene_boxes, without_doubles
from training.checkpoint import read_tensors
from training.detector import (
    build_detector,
    export_detector,
    load_weights,
    rate_share,
    set_stage,
    train_detector,
)
from training.detector_data import model_labels, roughened, varied
from training.detector_loss import assign, attribute_loss, cells, dense_loss
from training.detector_measure import SINGLE_CUT, find, measure_detector, quality, sureness
from training.render import render_batch
from training.settings import SHORT
from training.world import Item, Scene, draw_scene

pytestmark = pytest.mark.usefixtures("one_thread")
ASSETS = Path(__file__).parents[2] / "assets" / "detector"
SETTINGS = SHORT.detector


@pytest.fixture(scope="module")
def trained(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shortened run and its export."""
    folder = tmp_path_factory.mktemp("detector")
    train_detector(SETTINGS, folder)
    export_detector(SETTINGS, folder, folder / "exported")
    return folder


def _scene(*items: Item) -> Scene:
    return Scene("pair", "white", items, ())


def test_cells_lie_as_in_the_model() -> None:
    middles, levels = cells()
    assert levels.bincount().tolist() == [256, 64, 16]
    assert middles[1].tolist() == pytest.approx([12 / 128, 4 / 128])
    assert middles[256].tolist() == pytest.approx([8 / 128, 8 / 128])
    model = build_detector(SETTINGS).eval()
    anchors, valid = model.model.generate_anchors(((16, 16), (8, 8), (4, 4)))
    assert valid.all()
    assert torch.allclose(anchors[0, :, :2].sigmoid(), middles, atol=1e-6)


def test_small_and_large_objects_are_selected_on_their_levels() -> None:
    # A small object whose middle is in the second cell of the third row, a large one in the picture's middle.
    boxes = torch.tensor([[12, 20, 30, 30], [66, 65, 90, 80]]) / 128
    selecting, telling, owner = assign(boxes)
    assert selecting.tolist() == [2 * 16 + 1, 256 + 64 + 2 * 4 + 2]
    middles, _ = cells()
    assert (middles[telling][owner == 0] - boxes[0, :2]).abs().max() < 0.3 * 30 / 128
    assert {33, 330} <= set(telling.tolist())
    nothing = assign(torch.zeros(0, 4))
    assert [len(part) for part in nothing] == [0, 0, 0]


def test_attribute_loss_reads_color_and_shape_from_the_pairs() -> None:
    names = pair_names()
    logits = torch.zeros(1, 48)
    truth = torch.tensor([names.index("green star")])
    assert attribute_loss(logits, truth).item() == pytest.approx(math.log(8) + math.log(6), abs=1e-5)
    for number, name in enumerate(names):
        logits[0, number] = 20.0 * ("green" in name) + 20.0 * ("star" in name)
    assert attribute_loss(logits, truth).item() < 1e-3


def test_dense_loss_of_perfect_cells_is_nearly_nothing() -> None:
    labels = model_labels([_scene(Item("star", "green", 40, 40, 15)), _scene()])
    selecting, telling, _ = assign(labels[0]["boxes"])
    logits = torch.full((2, 336, 48), -20.0)
    label = labels[0]["class_labels"].item()
    table = torch.full((8, 6), -20.0)
    table[label // 6] += 10
    table[:, label % 6] += 10
    logits[0, telling] = table.flatten() - 20
    logits[0, selecting] = table.flatten()
    logits[0, selecting, label] = 20
    boxes = torch.full((2, 336, 4), 0.5)
    boxes[0, telling] = labels[0]["boxes"]
    losses = dense_loss(logits, boxes, labels)
    assert sum(losses.values()).item() < 0.01
    assert dense_loss(-logits, boxes, labels)["selection"] > 5
    assert dense_loss(logits, boxes + 0.1, labels)["boxes"] > 1


def test_rate_rises_and_falls_in_both_stages() -> None:
    settings = replace(SETTINGS, steps=100, refine_steps=40, warmup_steps=8)
    assert rate_share(settings, 0) == pytest.approx(1 / 8)
    assert rate_share(settings, 50) == pytest.approx(0.505)
    assert rate_share(settings, 99) < 0.012
    assert rate_share(settings, 100) == pytest.approx(1 / 2)
    assert rate_share(settings, 120) == pytest.approx(0.505)


def test_only_the_decoder_learns_at_the_end() -> None:
    model = build_detector(SETTINGS)
    set_stage(model, SETTINGS, 0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    set_stage(model, SETTINGS, SETTINGS.steps)
    learning = {name.split(".")[1] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"decoder"}
    assert not model.model.backbone.training


def test_labels_are_middles_and_sizes_as_shares() -> None:
    label = model_labels([_scene(Item("square", "cyan", 64, 32, 20))])[0]
    assert label["boxes"][0].tolist() == pytest.approx([0.5, 0.25, 0.275, 0.275])
    assert pair_names()[label["class_labels"][0]] == "cyan square"


def test_scenes_vary_as_asked() -> None:
    rng = random.Random(0)
    scene = draw_scene(rng)
    none = replace(SETTINGS, mixed_share=0, extra_share=0, shifted_share=0, empty_share=0, styled_share=0)
    assert varied(rng, scene, none) == scene
    assert varied(rng, scene, replace(none, empty_share=1)).items == ()
    assert varied(rng, scene, replace(none, styled_share=1)).style is not None
    moved = varied(rng, _scene(Item("star", "red", 64, 64, 20)), replace(none, shifted_share=1)).items[0]
    assert (moved.x, moved.y) != (64, 64)
    assert max(abs(moved.x - 64), abs(moved.y - 64)) <= 30
    more = [varied(rng, scene, replace(none, extra_share=1)) for _ in range(5)]
    assert max(len(other.items) for other in more) == len(scene.items) + 1


def test_roughened_pictures_stay_pictures_and_the_same_for_the_same_chance() -> None:
    images = torch.rand(6, 3, 128, 128)
    first, second = (roughened(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.allclose(first, images, atol=0.01)


def test_quality_and_sureness_by_hand() -> None:
    truth = [scene_boxes(_scene(Item("square", "red", 30, 30, 15), Item("star", "blue", 90, 90, 15)))]
    right = Boxes(truth[0].corners, truth[0].labels, torch.tensor([0.9, 0.7]).double().numpy())
    assert quality([right], truth) == {"map50": 1.0, "exact_count": 1.0, "exact_labels": 1.0}
    assert sureness([right], truth)["score_of_right_boxes"] == pytest.approx(0.8)
    named_wrongly = Boxes(right.corners, right.labels[::-1].copy(), right.scores)
    assert quality([named_wrongly], truth) == {"map50": 0.0, "exact_count": 1.0, "exact_labels": 1.0}
    assert sureness([named_wrongly], truth)["wrong_boxes"] == 1
    unsure = Boxes(right.corners, right.labels, right.scores - 0.3)
    assert quality([unsure], truth) == {"map50": 1.0, "exact_count": 0.0, "exact_labels": 0.0}


def test_exported_folder_loads_by_the_general_classes_and_agrees(trained: Path) -> None:
    folder = trained / "exported"
    model = AutoModelForObjectDetection.from_pretrained(folder)
    assert isinstance(model, RTDetrForObjectDetection)
    assert model.dtype == torch.float32
    assert list(model.config.id2label.values()) == pair_names()
    images = list(render_batch([_scene(Item("star", "green", 40, 40, 20))]))
    inputs = AutoImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 128, 128)
    own = build_detector(SETTINGS).eval()
    load_weights(own, trained)
    with torch.no_grad():
        exported, original = (one(**inputs).logits.sigmoid().amax() for one in (model, own))
    assert exported.item() == pytest.approx(original.item(), abs=0.01)
    for path in folder.glob("*.json"):
        assert "float16" not in path.read_text()
        assert "_name_or_path" not in path.read_text()
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_measuring_gives_all_figures(trained: Path) -> None:
    report = measure_detector(trained / "exported", 3, 5)
    assert {"map50", "exact_count", "exact_labels", "color_map50", "blurred_map50", "rough_map50"} <= set(
        report
    )
    assert all(isinstance(value, float) and value >= 0 for value in report.values())


def test_log_holds_losses_and_quality(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "logs" / "detector.jsonl").read_text().splitlines()]
    assert any("own" in line and "selection" in line for line in lines)
    assert any("map50" in line for line in lines)


def test_broken_training_goes_on_as_if_unbroken(trained: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:
        from training import detector

        loss_of = detector.detector_loss

        def dying(model: RTDetrForObjectDetection, settings: object, step: int) -> dict[str, torch.Tensor]:
            if step == 2:
                raise Killed
            return loss_of(model, settings, step)

        patch.setattr(detector, "detector_loss", dying)
        often = replace(SETTINGS, checkpoint_seconds=0.0)
        with pytest.raises(Killed):
            train_detector(often, tmp_path)
    train_detector(SETTINGS, tmp_path)
    resumed, whole = (read_tensors(path / "detector.safetensors")[0] for path in (tmp_path, trained))
    assert resumed.keys() == whole.keys()
    assert all(torch.allclose(resumed[name].float(), whole[name].float(), atol=1e-5) for name in whole)


def test_finished_training_is_left_alone(trained: Path) -> None:
    before = (trained / "detector.safetensors").stat().st_mtime_ns
    train_detector(SETTINGS, trained)
    assert (trained / "detector.safetensors").stat().st_mtime_ns == before


def test_shipped_weights_find_and_name_objects() -> None:
    report = measure_detector(ASSETS, 40, 4321)
    assert report["map50"] > 0.95
    assert report["exact_count"] > 0.75
    assert report["exact_labels_without_doubles"] > 0.9


def test_shipped_weights_read_a_picture_of_another_size() -> None:
    model = AutoModelForObjectDetection.from_pretrained(ASSETS)
    scene = _scene(Item("star", "green", 80, 40, 20), Item("circle", "red", 40, 90, 22))
    picture = render_batch([scene], size=256)
    found = find(model, AutoImageProcessor.from_pretrained(ASSETS), list(picture), SINGLE_CUT)[0]
    boxes = without_doubles(found)
    assert sorted(model.config.id2label[label] for label in boxes.labels.tolist()) == [
        "green star",
        "red circle",
    ]
    # A star reaches 1.1 radii up, 1.046 to the sides and 0.89 down; twice all that in the larger picture.
    star = boxes.corners[[model.config.id2label[label] for label in boxes.labels].index("green star")]
    assert star == pytest.approx([118.2, 36, 201.8, 115.6], abs=6)
