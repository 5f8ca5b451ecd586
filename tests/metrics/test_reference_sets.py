"""Reference sets: exact statistics in bounded memory, files that can be shared, and wrong ones refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from metrics import MissingWeights, Progress, ScoreOptions, Stopped, build_set
from metrics.reference_sets import (
    MOST_KEPT,
    BadReferenceSet,
    Gathering,
    SetRecipe,
    mismatch,
    read_recipe,
    read_set,
    summed_up,
    write_set,
)
from tests.metrics.drawn import write_circles

RECIPE = SetRecipe("good", "net", "abc", "square-128", 128, 60)


def rows(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1_000.0, 0.01, (count, width))


def test_statistics_batch_by_batch_lose_no_digits() -> None:
    """Far from zero and close together, where sums of squares alone would be noise."""
    whole = rows(101)
    gathering = Gathering()
    for start in (0, 1, 4, 40):
        gathering.add(whole[start : {0: 1, 1: 4, 4: 40, 40: 101}[start]])
    found = gathering.result()
    np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(whole, rowvar=False), rtol=1e-7)
    np.testing.assert_array_equal(found.features, whole)


def test_of_many_a_fixed_choice_is_kept() -> None:
    many = np.arange(MOST_KEPT * 3, dtype=float)[:, None]
    kept = summed_up(many).features[:, 0]
    again = Gathering()
    for start in range(0, len(many), 700):
        again.add(many[start : start + 700])
    np.testing.assert_array_equal(kept, again.result().features[:, 0])
    assert len(set(kept)) == MOST_KEPT
    # From everywhere: the mean of a fair choice is near that of all.
    assert kept.mean() == pytest.approx(many.mean(), rel=0.05)


def test_one_picture_has_no_spread() -> None:
    with pytest.raises(BadReferenceSet, match="two pictures"):
        summed_up(rows(1))


def test_a_set_survives_its_file(tmp_path: Path) -> None:
    wanted = summed_up(rows(60))
    path = tmp_path / "deep" / "good.safetensors"
    write_set(path, RECIPE, wanted)
    recipe, found = read_set(path)
    assert recipe == RECIPE == read_recipe(path)
    assert found.count == 60
    np.testing.assert_array_equal(found.covariance, wanted.covariance)
    np.testing.assert_allclose(found.features, wanted.features, rtol=1e-6)
    assert [file.name for file in path.parent.iterdir()] == ["good.safetensors"]


def spoilt(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.safetensors"
    write_set(path, RECIPE, summed_up(rows(60)))
    arrays, facts = load_file(path), json.dumps({"version": 1, **RECIPE.__dict__})
    if kind == "text":
        path.write_text("not a set")
    elif kind == "pickle":
        path.write_bytes(b"\x80\x04N.")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "foreign":
        save_file(arrays, path)
    elif kind == "later":
        save_file(arrays, path, {"reference_set": facts.replace('"version": 1', '"version": 2')})
    elif kind == "shape":
        arrays["covariance"] = arrays["covariance"][:3]
        save_file(arrays, path, {"reference_set": facts})
    elif kind == "nan":
        arrays["mean"][0] = np.nan
        save_file(arrays, path, {"reference_set": facts})
    else:
        path.unlink()
    return path


@pytest.mark.parametrize("kind", ["text", "pickle", "cut", "foreign", "later", "shape", "nan", "absent"])
def test_other_files_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadReferenceSet, match=r"later version" if kind == "later" else r"no reference set"):
        read_set(spoilt(tmp_path, kind))


def test_sets_made_another_way_are_not_compared() -> None:
    assert mismatch(RECIPE, ("net", "abc", "square-128")) is None
    assert "another network" in (mismatch(RECIPE, ("other", "abc", "square-128")) or "")
    assert "other weights" in (mismatch(RECIPE, ("net", "def", "square-128")) or "")
    assert "preparing" in (mismatch(RECIPE, ("net", "abc", "square-256")) or "")


def test_a_folder_becomes_a_set(tmp_path: Path, options: ScoreOptions) -> None:
    write_circles(tmp_path / "good", 13, colors=4)
    (tmp_path / "good" / "zz.png").write_bytes(b"no picture")
    events = list(build_set(tmp_path / "good", tmp_path / "good.safetensors", replace(options, batch_size=7)))
    last = events[-1]
    assert isinstance(last, Progress)
    assert "52 pictures" in last.message
    assert "zz.png" in last.message
    recipe, found = read_set(tmp_path / "good.safetensors")
    assert (recipe.name, recipe.backbone, recipe.count) == ("good", "bundled-dinov3-convnext", 52)
    assert recipe.resolution == 128
    assert found.features.shape == (52, 160)
    write_circles(tmp_path / "good", 13, colors=4)
    list(build_set(tmp_path / "good", tmp_path / "again.safetensors", replace(options, batch_size=32)))
    np.testing.assert_allclose(read_set(tmp_path / "again.safetensors")[1].mean, found.mean, rtol=1e-4)


def test_too_few_pictures_and_absent_networks_write_nothing(tmp_path: Path, options: ScoreOptions) -> None:
    output = tmp_path / "x.safetensors"
    with pytest.raises(BadReferenceSet, match="needs 50"):
        build_set(tmp_path / "nowhere", output, options)
    write_circles(tmp_path / "few", 12, colors=4)
    with pytest.raises(BadReferenceSet, match="48 pictures"):
        build_set(tmp_path / "few", output, options)
    write_circles(tmp_path / "good", 13, colors=4)
    with pytest.raises(MissingWeights, match="allow the download"):
        list(build_set(tmp_path / "good", output, replace(options, tier="light")))
    for number in range(5):
        (tmp_path / "good" / f"m-red-{number}.png").write_bytes(b"no picture")
    with pytest.raises(BadReferenceSet, match="Only 47 of 52"):
        list(build_set(tmp_path / "good", output, options))
    assert not output.exists()


def test_a_stop_writes_nothing(tmp_path: Path, options: ScoreOptions) -> None:
    write_circles(tmp_path / "good", 13, colors=4)
    events = list(
        build_set(tmp_path / "good", tmp_path / "x.safetensors", replace(options, cancel=lambda: True))
    )
    assert isinstance(events[-1], Stopped)
    assert not (tmp_path / "x.safetensors").exists()
