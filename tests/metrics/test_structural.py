"""SSIM and MS-SSIM by statistics kept an image equal torchmetrics pair by pair."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from metrics import Sample, ScoreOptions
from metrics.structural_backbone import ms_ssim, ssim
from tests.metrics.counting import scored
from tests.metrics.drawn import draw, prompt_of, write_circles


@pytest.fixture(scope="module")
def pictures() -> list[torch.Tensor]:
    """Smooth ones, noise, a faded one, its negative and a plain one; shape (3, 256, 256), uint8."""
    chance = torch.Generator().manual_seed(0)
    smooth = [
        interpolate(torch.rand(1, 3, 16, 16, generator=chance), 256, mode="bicubic")[0] for _ in range(3)
    ]
    first = smooth[0].clamp(0, 1)
    others = [
        torch.rand(3, 256, 256, generator=chance),
        first * 0.9 + 0.03,
        1 - first,
        torch.full_like(first, 0.5),
    ]
    return [(picture.clamp(0, 1) * 255).byte() for picture in (*smooth, *others)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ms_ssim, multiscale_structural_similarity_index_measure), (ssim, structural_similarity_index_measure)],
    ids=["ms_ssim", "ssim"],
)
def test_parity_with_torchmetrics(
    pictures: list[torch.Tensor], ours: Callable[..., list[float]], theirs: Callable[..., torch.Tensor]
) -> None:
    pairs = list(itertools.combinations(range(len(pictures)), 2))
    # In float64, because in float32 the other's variances of plain surfaces are rounding only.
    scaled = [picture[None].double() / 255 for picture in pictures]
    wanted = [float(theirs(scaled[a], scaled[b], data_range=1.0)) for a, b in pairs]
    assert ours(pictures, pairs, "cpu") == pytest.approx(wanted, rel=2e-5, abs=1e-6)


def test_equal_pictures_are_one(pictures: list[torch.Tensor]) -> None:
    pairs = [(place, place) for place in range(len(pictures))]
    assert ms_ssim(pictures, pairs, "cpu") == [1.0] * len(pairs)
    assert ssim(pictures, pairs, "cpu") == [1.0] * len(pairs)


def test_opposite_pictures_are_nought_and_not_nan(pictures: list[torch.Tensor]) -> None:
    assert ms_ssim(pictures, [(0, 5)], "cpu") == [0.0]


def test_diversity_of_seeds_and_of_copies(tmp_path: Path, options: ScoreOptions) -> None:
    samples = [replace(s, prompt="words of any kind") for s in write_circles(tmp_path / "m", 4, colors=1)]
    copies = [replace(samples[0], key=str(n)) for n in range(4)]
    (varied,) = scored(samples, ["ms_ssim_diversity"], options)
    (same,) = scored(copies, ["ms_ssim_diversity"], options)
    assert (varied.score.value or 0) > 0.05
    assert same.score.value == 0.0
    assert varied.score.detail["pairs"] == 6


def test_every_tier_computes_the_same(tmp_path: Path, options: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 2, colors=1)
    values = set()
    for tier in ("bundled", "standard", "large"):
        (event,) = scored(samples, ["ms_ssim_diversity"], replace(options, tier=tier))  # type: ignore[arg-type]
        values.add(event.score.value)
    assert len(values) == 1


def test_the_best_of_several_references(tmp_path: Path, options: ScoreOptions) -> None:
    path = draw(tmp_path / "a.png", "red", 2)
    references = (draw(tmp_path / "far.png", "blue", 5), path)
    (event,) = scored(
        [Sample("a", path, prompt_of("red"), references=references)], ["reference_ssim"], options
    )
    assert event.score.value == 1.0
    assert event.score.detail["ssim"][0] < 0.99
