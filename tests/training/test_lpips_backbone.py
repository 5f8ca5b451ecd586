"""The perceptual distance: its triplets, its heads, a shortened run and the shipped weights."""

import math
import random
from pathlib import Path

import pytest
import torch

from training.checkpoint import read_tensors
from training.distortions import DISTORTIONS, KINDS, distort, draw_triplet, nudged
from training.lpips_backbone import (
    build_lpips,
    export_lpips,
    load_lpips,
    taught_targets,
    train_lpips,
    train_trunk,
)
from training.lpips_heads import differences, fit_heads, order_loss, set_heads, unit_layers
from training.lpips_measure import measure_lpips
from training.pictures import paint
from training.settings import SHORT, LpipsSettings
from training.world import Item, Scene

SHIPPED = Path(__file__).parents[2] / "assets" / "lpips"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a shortened run."""
    folder = tmp_path_factory.mktemp("lpips")
    train_lpips(SHORT.lpips, folder)
    return folder


def _scene() -> Scene:
    return Scene("single", "white", (Item("star", "red", 60, 70, 25),), ())


def test_targets_lie_where_the_maps_look() -> None:
    # What a place of a map sees most is the middle of its field of view; targets must lie there.
    across = torch.arange(16.0).expand(1, 10, 16, 16) * 8 + 4  # middles of the cells in pixels
    masks = torch.arange(128.0).expand(1, 1, 128, 128) + 0.5
    targets, cut = taught_targets(across, masks)
    assert targets[0][0, 0, 0].tolist() == [8 + 8 * place for place in range(15)]
    assert targets[1][0, 0, 0].tolist() == [16 + 16 * place for place in range(7)]
    for target, mask, side in zip(targets, cut, (15, 7, 7), strict=True):
        middles = torch.nn.functional.adaptive_avg_pool2d(mask, side)[0, 0, 0]
        assert torch.allclose(middles, target[0, 0, 0])


def test_the_larger_dose_changes_more_pixels() -> None:
    picture = paint([_scene()])[0]
    for kind in DISTORTIONS:
        errors = [(distort(picture, kind, dose, mark=3) - picture).abs().mean() for dose in (0.1, 0.3, 0.9)]
        assert errors[0] < errors[1] < errors[2], kind


def test_triplets_are_repeatable_and_take_turns() -> None:
    for number, kind in enumerate(KINDS):
        triplet, again = draw_triplet(5, number), draw_triplet(5, number)
        assert triplet.kind == kind
        assert torch.equal(triplet.farther, again.farther)
        assert triplet.nearer.shape == (3, 128, 128)
        assert not torch.equal(triplet.nearer, triplet.picture)


def test_nudged_scenes_show_the_same_a_little_aside() -> None:
    scene = _scene()
    item = nudged(random.Random(1), scene).items[0]
    assert (item.shape, item.color) == ("star", "red")
    assert 0 < math.dist((item.x, item.y), (60, 70)) < 7.1
    assert abs(item.radius / 25 - 1) <= 0.07


def test_order_loss_looks_at_the_ratio_only() -> None:
    one = order_loss(torch.tensor([1.0]), torch.tensor([2.0]))
    assert one.item() == pytest.approx(math.log(1 + 2**-4))
    assert order_loss(torch.tensor([10.0]), torch.tensor([20.0])).item() == pytest.approx(one.item())
    assert order_loss(torch.tensor([1.0]), torch.tensor([1.0])).item() == pytest.approx(math.log(2))


def test_heads_find_the_channel_that_orders() -> None:
    chance = torch.Generator().manual_seed(0)
    near, far = torch.rand(2, 400, 9, generator=chance) + 0.1
    far[:, 1] = near[:, 1] * 3  # only the second one knows
    settings = LpipsSettings(head_steps=400, head_batch=64)
    weights = fit_heads(near, far, settings)
    assert weights.min() >= 0
    assert weights[1] > 3 * weights[2:].max()


def test_distance_is_the_weighed_difference() -> None:
    torch.manual_seed(0)
    model = build_lpips()
    weights = torch.rand(sum(model.chns))
    set_heads(model, weights)
    one, other = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        wanted = differences(unit_layers(model, one), unit_layers(model, other)) @ weights
        assert torch.allclose(model(one, other).flatten(), wanted, rtol=1e-4)


def test_short_run_ends_in_a_distance(work: Path, tmp_path: Path) -> None:
    export_lpips(SHORT.lpips, work, tmp_path / "lpips")
    report = measure_lpips(tmp_path / "lpips", count=20, seed=4)
    assert report["distance_to_itself"] == 0
    assert 0 <= report["ordered"] <= 1
    assert {"ordered_random_trunk", "ordered_pixels", "neighbor_both", "linear_shape"} <= set(report)
    model = load_lpips(tmp_path / "lpips")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert model.lin0.model[-1].weight.min() >= 0


def test_trunk_goes_on_where_it_stopped(work: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(step: int, **_: object) -> None:
        if step == 3:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.lpips_backbone.log_to", lambda path: stop)
        patch.setattr("training.checkpoint.TrainingState.save_if_due", lambda self, seconds: self.save())
        with pytest.raises(Stopped):
            train_trunk(SHORT.lpips, tmp_path)
    train_trunk(SHORT.lpips, tmp_path)
    name = "lpips_trunk.safetensors"
    unbroken, resumed = (read_tensors(folder / name)[0] for folder in (work, tmp_path))
    assert unbroken.keys() == resumed.keys()
    assert all(torch.allclose(unbroken[key].float(), resumed[key].float()) for key in unbroken)


def test_finished_parts_are_left_alone(work: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")}
    train_lpips(SHORT.lpips, work)
    assert len(before) == 2
    assert before == {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")}


def test_shipped_distance_orders_triplets() -> None:
    report = measure_lpips(SHIPPED, count=70, seed=31)
    assert report["distance_to_itself"] == 0
    assert report["ordered"] >= 0.95
    assert report["ordered"] >= report["ordered_random_trunk"]
    assert report["ordered_at_256"] >= 0.9
    assert 0.4 < report["distance_of_unlike_scenes"] < 0.6
