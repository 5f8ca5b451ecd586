"""The scoring CLIP: its pictures, its teachers, a shortened run, resuming and the shipped weights."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.checkpoint import read_tensors
from training.clip import rate_share, train_clip
from training.clip_measure import area_under_curve, measure_clip
from training.clip_pictures import (
    Batch,
    crowd,
    draw_batch,
    misdraw,
    misshape,
    odd_one_out,
    spoil,
    training_pictures,
)
from training.clip_teachers import Teachers
from training.export import export_clip
from training.render import outline_points
from training.settings import SHORT, ClipSettings
from training.world import Group, Item, Scene, is_held_out

ASSETS = Path(__file__).parents[2] / "assets"
STARS = Scene(
    "count",
    "navy",
    tuple(Item("star", "red", x, 40.0, 15.0) for x in (30.0, 64.0, 100.0)),
    (Group(3, "red", "star"),),
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shortened run."""
    folder = tmp_path_factory.mktemp("clip")
    train_clip(SHORT.clip, folder)
    return folder


def test_badness_zero_keeps_an_outline_and_more_rounds_and_bends_it() -> None:
    circle = outline_points("circle", 50, 60, 30)
    kept = np.array(misshape(circle, np.random.default_rng(0), 0))
    assert np.hypot(kept[:, 0] - 50, kept[:, 1] - 60) == pytest.approx(30, abs=0.3)
    cross = outline_points("cross", 50, 60, 30)
    bent = np.array(misshape(cross, np.random.default_rng(0), 1))
    assert bent.mean(0) == pytest.approx([50, 60], abs=0.5)
    turns = np.diff(bent, axis=0, append=bent[:1])
    angles = np.angle(np.exp(1j * np.diff(np.arctan2(turns[:, 1], turns[:, 0]))))
    assert np.abs(angles).max() < math.pi / 4  # the corners of a cross turn by a right angle
    again = np.array(misshape(cross, np.random.default_rng(0), 1))
    assert np.array_equal(bent, again)


def test_a_misdrawn_picture_keeps_place_and_color() -> None:
    pixels = np.asarray(misdraw(STARS, np.random.default_rng(1), 0.5))
    assert pixels.shape == (128, 128, 3)
    for item in STARS.items:
        assert pixels[int(item.y), int(item.x)].tolist() == [220, 40, 40]
    assert pixels[110, 64].tolist() == [25, 30, 85]


def test_spoiling_differs_between_pictures_and_can_be_repeated() -> None:
    images = torch.zeros(6, 3, 32, 32)
    first, second = (spoil(images, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape
    spread = first.std(dim=(1, 2, 3))
    assert spread.max() > 2 * spread.min()
    batch = [STARS, STARS]
    assert torch.equal(training_pictures(batch, 32, 9), training_pictures(batch, 32, 9))


def test_the_odd_one_out_is_counted_apart() -> None:
    odd = odd_one_out(random.Random(0), STARS)
    assert odd is not None
    shapes = [item.shape for item in odd.items]
    assert shapes.count("star") == 2
    other = next(shape for shape in shapes if shape != "star")
    assert odd.caption == f"two red stars and a red {other} on a navy background"
    assert odd_one_out(random.Random(0), replace(STARS, groups=(Group(1, "red", "star"),))) is None


def test_batches_have_distinct_captions_none_held_out() -> None:
    batch = draw_batch(random.Random(4), 64, readings=5)
    assert len({scene.caption for scene in batch.scenes}) == len(batch.scenes) == 64
    assert not any(is_held_out(scene) for scene in batch.worded)
    assert {scene.kind for scene in batch.unseen} == {"relation"}
    assert len(batch.worded) == 69
    assert batch.crowded
    assert all(len(scene.items) == 5 for scene in batch.crowded)


def test_only_four_objects_are_joined_by_a_fifth() -> None:
    assert crowd(random.Random(0), STARS) is None
    four = replace(STARS, items=(*STARS.items, Item("star", "red", 64.0, 100.0, 14.0)))
    fuller = crowd(random.Random(0), four)
    assert fuller is not None
    assert fuller.items[:4] == four.items
    added = fuller.items[4]
    assert (added.shape, added.color, added.radius) == ("star", "red", 14.0)
    assert min(math.dist((added.x, added.y), (item.x, item.y)) for item in four.items) > 29


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    settings = ClipSettings(steps=1000, warmup_steps=10, decay_from=0.6)
    shares = [rate_share(settings, step) for step in (0, 4, 9, 600, 800, 999)]
    assert shares == pytest.approx([0.1, 0.5, 1, 1, 0.5, 0.0025])


def test_parting_is_low_where_one_threshold_fits_all() -> None:
    teachers = Teachers(SHORT.clip)
    # Scale 10, threshold 0.5: own pairs and others are 0.5 away, ln(1 + e^-5) each or ln(1 + e^5).
    assert teachers.parting(torch.eye(2)).item() == pytest.approx(2 * math.log1p(math.exp(-5)), rel=1e-4)
    # A picture that no caption fits adds its two pairs; the sum is shared by the captions.
    crowded = torch.cat([torch.eye(2), torch.zeros(1, 2)])
    assert teachers.parting(crowded).item() == pytest.approx(3 * math.log1p(math.exp(-5)), rel=1e-4)
    assert teachers.parting(1 - torch.eye(2)).item() == pytest.approx(2 * math.log1p(math.exp(5)), rel=1e-4)


def test_area_under_curve_counts_pairs_in_order() -> None:
    right = torch.tensor([True, False, True, False])
    # Pairs (right, wrong): .9 > .4, .9 > .6, .5 > .4, .5 < .6.
    assert area_under_curve(torch.tensor([0.9, 0.4, 0.5, 0.6]), right) == 0.75
    assert area_under_curve(torch.ones(4), right) == 0.5
    assert math.isnan(area_under_curve(torch.ones(4), torch.ones(4, dtype=torch.bool)))


def test_short_run_exports_a_model_that_is_measured(work: Path, tmp_path: Path) -> None:
    export_clip(SHORT, work, tmp_path / "clip")
    report = measure_clip(tmp_path / "clip", count=4)
    assert {"image_to_text", "noticed_swap", "noticed_misdrawn_shape", "misdrawn_auc"} <= report.keys()
    assert all(-1 <= value <= 1 for value in report.values())


def test_a_broken_run_ends_as_an_unbroken_one(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = replace(SHORT.clip, checkpoint_seconds=0.0)
    calls = 0

    def cut_off(rng: random.Random, size: int, readings: int) -> Batch:
        nonlocal calls
        calls += 1
        if calls == SHORT.clip.steps:
            raise KeyboardInterrupt
        return draw_batch(rng, size, readings)

    with monkeypatch.context() as patch:
        patch.setattr("training.clip.draw_batch", cut_off)
        with pytest.raises(KeyboardInterrupt):
            train_clip(saving, tmp_path)
    assert 0 < read_tensors(tmp_path / "clip.safetensors")[1]["step"] < SHORT.clip.steps
    train_clip(saving, tmp_path)
    unbroken, resumed = (read_tensors(folder / "clip.safetensors")[0] for folder in (work, tmp_path))
    assert unbroken.keys() == resumed.keys()
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_the_shipped_model_tells_scenes_apart() -> None:
    report = measure_clip(ASSETS / "clip", count=60, seed=4711)
    assert min(report["image_to_text"], report["text_to_image"]) > 0.95
    for change in ("color", "shape", "background", "count", "place", "relation"):
        assert report[f"noticed_{change}"] > 0.93, change
        assert report[f"noticed_misdrawn_{change}"] > 0.93, change
    assert report["noticed_swap"] > 0.85
    assert report["noticed_fifth_object"] > 0.9
    assert report["misdrawn_auc"] > 0.97
