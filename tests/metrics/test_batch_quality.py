"""Batch quality: the distance, its evidence, and every way a reference can be wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metrics import MemoryCache, Sample, Score, ScoreOptions, build_set
from metrics.backbones import Backbones
from metrics.base import Unit
from metrics.batch_quality import BatchQuality, _score
from metrics.dinov3_backbone import PooledSource
from metrics.dinov3_networks import DinoPooled
from metrics.dinov3_weights import BUNDLED_CONVNEXT
from metrics.images import open_rgb
from metrics.reference_sets import summed_up, write_set
from metrics.set_distances import frechet, mmd
from tests.metrics.counting import scored
from tests.metrics.drawn import draw, write_circles
from tests.metrics.test_perceptual import sample_hash
from tests.metrics.test_reference_sets import RECIPE, rows


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference folder of 52 pictures."""
    folder = tmp_path_factory.mktemp("reference")
    write_circles(folder / "good", 13, colors=4, first=100)
    return folder / "good"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """52 pictures of a model."""
    return write_circles(tmp_path_factory.mktemp("model") / "m", 13, colors=4)


def features(assets: Path, paths: list[Path]) -> np.ndarray:
    with Backbones("cpu") as backbones:
        network = backbones.load(PooledSource(BUNDLED_CONVNEXT, assets))
        assert isinstance(network, DinoPooled)
        found = network.encode([network.prepare(open_rgb(path)) for path in paths])
    return np.stack([row.numpy() for row in found]).astype(float)


def one(samples: list[Sample], options: ScoreOptions) -> Score:
    (event,) = scored(samples, ["batch_quality"], options)
    return event.score


def test_the_distance_to_a_folder(good: Path, samples: list[Sample], options: ScoreOptions) -> None:
    found = one(samples, replace(options, reference=good))
    own = features(options.assets, [sample.path for sample in samples])
    other = features(options.assets, sorted(good.iterdir()))
    wanted = mmd(own, other)
    assert found.value == pytest.approx(wanted.value, rel=1e-4, abs=1e-6)
    assert (found.detail["low"], found.detail["high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-4)
    assert found.detail["rough"] is True
    assert found.detail["reference_pictures"] == 52
    assert "frechet" not in found.detail
    far = {}
    for row, sample in zip(own, samples, strict=True):
        apart = np.sort(np.sqrt(((other - row) ** 2).sum(1)))
        far[sample_hash(sample)] = apart[:5].mean()
    least = [image for image, _ in found.detail["least_natural"]]
    assert least == sorted(far, key=lambda image: -far[image])[:10]
    assert found.detail["most_natural"][0][1] == pytest.approx(min(far.values()), abs=1e-3)
    assert len(found.detail["most_natural"]) == 10


def test_a_stored_set_gives_the_value_of_its_folder(
    good: Path, samples: list[Sample], options: ScoreOptions, tmp_path: Path
) -> None:
    path = tmp_path / "good.safetensors"
    list(build_set(good, path, options))
    stored = one(samples, replace(options, reference=path))
    folder = one(samples, replace(options, reference=good))
    assert stored.value == pytest.approx(folder.value, abs=1e-5)
    assert stored.detail["reference_pictures"] == 52


def test_the_references_of_the_prompts_are_a_set_too(
    good: Path, samples: list[Sample], options: ScoreOptions
) -> None:
    shared = [replace(sample, references=tuple(sorted(good.iterdir()))) for sample in samples]
    found = one(shared, options)
    assert found.value == pytest.approx(one(samples, replace(options, reference=good)).value, abs=1e-6)


def test_another_reference_is_another_recipe(
    good: Path, samples: list[Sample], options: ScoreOptions, tmp_path: Path
) -> None:
    choice = replace(options, cache=MemoryCache(), reference=tmp_path / "good.safetensors")
    list(build_set(good, tmp_path / "good.safetensors", options))
    (first,) = scored(samples, ["batch_quality"], choice)
    (again,) = scored(samples, ["batch_quality"], choice)
    assert again.cached
    write_circles(tmp_path / "other", 15, colors=4)
    list(build_set(tmp_path / "other", tmp_path / "good.safetensors", options))
    (changed,) = scored(samples, ["batch_quality"], choice)
    assert not changed.cached
    assert changed.score.value != first.score.value


def test_under_fifty_pictures_it_is_unscored(
    good: Path, samples: list[Sample], options: ScoreOptions
) -> None:
    found = one(samples[:49], replace(options, reference=good))
    assert found.value is None
    assert "needs 50 images a model, this one has 49" in (found.reason or "")


def wrong_reference(kind: str, folder: Path, options: ScoreOptions) -> Path | None:
    path = folder / "x.safetensors"
    if kind == "few":
        write_circles(folder / "few", 12, colors=4)
        return folder / "few"
    if kind == "other network":
        write_set(path, RECIPE, summed_up(rows(60)))
    if kind == "small set":
        source = PooledSource(BUNDLED_CONVNEXT, options.assets)
        own = {"backbone": source.card.id, "revision": source.revision}
        recipe = replace(RECIPE, **own, preprocessing=source.preprocessing, count=9)
        write_set(path, recipe, summed_up(rows(9)))
    if kind == "text":
        (folder / "notes.txt").write_text("no set")
        return folder / "notes.txt"
    return {"none": None, "nowhere": folder / "nowhere"}.get(kind, path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "Nothing to compare with: name a reference"),
        ("nowhere", "There is no reference"),
        ("few", "has 48 pictures and needs 50"),
        ("other network", "was made with another network"),
        ("small set", "has 9 pictures and needs 50"),
        ("text", "notes.txt is no reference set"),
        ("absent file", "x.safetensors is no reference set"),
    ],
)
def test_wrong_references_are_told(
    samples: list[Sample], options: ScoreOptions, tmp_path: Path, kind: str, reason: str
) -> None:
    found = one(samples, replace(options, reference=wrong_reference(kind, tmp_path, options)))
    assert found.value is None
    assert reason in (found.reason or "")


def test_frechet_only_from_two_thousand() -> None:
    """Features stand for pictures: what is counted is rows."""
    import torch

    def unit(count: int) -> Unit:
        values = torch.from_numpy(np.random.default_rng(1).normal(0.1, 1.0, (count, 4))).float()
        sample = Sample("a", Path("a.png"), image_hash="0")
        return Unit((sample,) * count, tuple(values))

    reference = summed_up(np.random.default_rng(2).normal(0.0, 1.0, (2_100, 4)))
    assert "frechet" not in _score(unit(1_999), reference).detail
    found = _score(unit(2_000), reference)
    own = np.stack([row.numpy() for row in unit(2_000).features]).astype(float)
    wanted = frechet(own.mean(0), np.cov(own, rowvar=False), reference.mean, reference.covariance)
    assert found.detail["frechet"] == pytest.approx(wanted, rel=1e-9)
    assert found.detail["rough"] is False
    assert found.detail["reference_compared"] == 2_000


def test_one_unreadable_picture_is_left_out(
    good: Path, samples: list[Sample], options: ScoreOptions, tmp_path: Path
) -> None:
    broken = Sample("x", tmp_path / "x.png", samples[0].prompt, model="m")
    broken.path.write_bytes(b"no picture")
    found = one([*samples, broken], replace(options, reference=good))
    assert found.value is not None
    assert "x.png" in found.detail["left_out"]


def test_foreign_prompts_are_refused(good: Path, samples: list[Sample], options: ScoreOptions) -> None:
    foreign = [replace(sample, prompt="a wombat") for sample in samples]
    assert "never taught 'wombat'" in (one(foreign, replace(options, reference=good)).reason or "")


def test_nothing_is_known_before_a_reference_is_named(tmp_path: Path) -> None:
    metric = BatchQuality()
    path = draw(tmp_path / "a.png", "red", 1)
    assert metric.references([Sample("a", path)]) == ()
    assert metric.text([Sample("a", path)]) == ""
