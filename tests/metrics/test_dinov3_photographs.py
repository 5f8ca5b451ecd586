"""Real photographs, from small to large and in every shape, run through all DINOv3 metrics."""

from dataclasses import replace
from pathlib import Path

import gradio
import pytest
from PIL import Image

from metrics import Sample, ScoreOptions
from metrics.backbones import Backbones
from metrics.dinov3_backbone import LayersSource, LookSource, PooledSource
from metrics.dinov3_networks import DinoLooks
from metrics.dinov3_weights import BUNDLED_CONVNEXT, BUNDLED_VIT, VIT_L
from tests.metrics.counting import scored

# Photographs that a package we need ships anyway.
PHOTOGRAPHS = [
    Path(gradio.__file__).parent / "media_assets" / "images" / f"{name}.jpg"
    for name in ("cheetah1", "lion", "tower")
]
SIZES = [(96, 96), (96, 160), (333, 217), (512, 768), (2048, 1365), (1365, 2048)]
METRICS = ("semantic_match", "semantic_consensus", "deep_diversity", "object_integrity", "vendi_dino")
# The bundled networks are asked as if these were their own world: here only the way counts.
PROMPT = "a red circle"


def photographs(folder: Path, count: int = len(SIZES)) -> list[Sample]:
    """Photographs at every size, of two models."""
    samples = []
    for number in range(count):
        size = SIZES[number % len(SIZES)]
        source = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
        path = folder / f"{number}.png"
        with Image.open(source) as image:
            shift = 3 * (number // len(SIZES))
            image.convert("RGB").crop((shift, shift, *image.size)).resize(size).save(path, compress_level=1)
        samples.append(Sample(path.name, path, PROMPT, model="ab"[number % 2], seed=number // 2))
    return samples


def test_every_metric_takes_every_size(tmp_path: Path, options: ScoreOptions) -> None:
    samples = [replace(s, references=(PHOTOGRAPHS[0],)) for s in photographs(tmp_path)]
    events = scored(samples, METRICS, replace(options, batch_size=4))
    assert len(events) == 3 * len(samples) + 2 + 2
    assert all(event.score.value is not None for event in events), [event.score.reason for event in events]
    shapes = [
        (len(event.score.detail["heat"]), len(event.score.detail["heat"][0]))
        for event in events
        if event.metric == "object_integrity"
    ]
    assert sorted(shapes) == sorted([(16, 16), (21, 12), (13, 20), (20, 13), (13, 20), (20, 13)])


def test_whole_folders_of_photographs(tmp_path: Path, options: ScoreOptions) -> None:
    (tmp_path / "good").mkdir()
    small = [size for size in SIZES if max(size) < 600]
    for number in range(51):
        with Image.open(PHOTOGRAPHS[number % 3]) as image:
            cut = image.convert("RGB").crop((number, number, *image.size))
            cut.resize(small[number % len(small)]).save(tmp_path / "good" / f"{number}.jpg")
    paths = sorted((tmp_path / "good").iterdir())
    samples = [Sample(path.name, path, PROMPT, model="m") for path in paths]
    (event,) = scored(samples, ["batch_quality"], replace(options, reference=tmp_path / "good"))
    assert event.score.value == pytest.approx(0.0, abs=0.2)


def test_memory_does_not_grow_with_the_picture(options: ScoreOptions) -> None:
    """What a network is given is bounded, however large or oblong a picture is."""
    sizes = [(2048, 2048), (4000, 50), (50, 4000), (1, 3000)]
    with Backbones("cpu") as backbones:
        for source in (LookSource(BUNDLED_VIT), LayersSource(BUNDLED_VIT), PooledSource(BUNDLED_CONVNEXT)):
            network = backbones.load(replace(source, assets=options.assets))
            for size in sizes:
                prepared = network.prepare(Image.new("RGB", size))  # type: ignore[attr-defined]
                assert prepared.numel() <= 3 * 128 * 128 * 1.1
        looks = DinoLooks(network.module, VIT_L, "fit", "cpu")  # type: ignore[attr-defined]
        for size in sizes:
            assert looks.prepare(Image.new("RGB", size)).numel() <= 3 * 256 * 256 * 1.1
