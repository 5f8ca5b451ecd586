"""The Vendi score by hand, and equal numbers for every model."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metrics import Sample, ScoreOptions
from metrics.clip_backbone import BUNDLED, ClipSource
from metrics.distribution import Vendi, VendiPrompt, vendi
from metrics.images import open_rgb
from tests.metrics.counting import scored
from tests.metrics.drawn import write_circles


def by_hand(vectors: np.ndarray) -> float:
    """From the definition: the eigenvalues of the n x n kernel."""
    kernel = vectors.astype(np.float64) @ vectors.astype(np.float64).T / len(vectors)
    eigenvalues = [value for value in np.linalg.eigh(kernel)[0] if value > 1e-12]
    return math.exp(-sum(value * math.log(value) for value in eigenvalues))


@pytest.mark.parametrize("shape", [(5, 16), (16, 16), (40, 8)])
def test_parity_with_the_definition(shape: tuple[int, int]) -> None:
    vectors = torch.nn.functional.normalize(
        torch.randn(shape, generator=torch.Generator().manual_seed(0)), dim=1
    )
    assert vendi(vectors) == pytest.approx(by_hand(vectors.numpy()), rel=1e-6)


def test_known_values() -> None:
    assert vendi(torch.eye(7)) == pytest.approx(7)
    assert vendi(torch.ones(5, 1)) == pytest.approx(1)
    assert vendi(torch.eye(2).repeat_interleave(3, dim=0)) == pytest.approx(2)
    # Two vectors at 60 degrees: eigenvalues 3/4 and 1/4.
    pair = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    assert vendi(pair) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)), rel=1e-6)


def test_score_is_that_of_the_clip_features(tmp_path: Path, options: ScoreOptions, assets: Path) -> None:
    samples = write_circles(tmp_path / "m", 3)
    network = ClipSource(BUNDLED, assets).load("cpu")
    features = torch.stack(list(network.encode([network.prepare(open_rgb(s.path)) for s in samples]))).numpy()
    (whole,) = scored(samples, ["vendi"], options)
    red, blue = scored(samples, ["vendi_prompt"], options)
    assert whole.score.value == pytest.approx(by_hand(features), rel=1e-4)
    assert red.score.value == pytest.approx(by_hand(features[:3]), rel=1e-4)
    assert blue.score.value == pytest.approx(by_hand(features[3:]), rel=1e-4)


def test_different_pictures_count_more_than_copies(tmp_path: Path, options: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 1, colors=4)
    copies = [replace(s, path=samples[0].path) for s in samples]
    (varied,) = scored(samples, ["vendi"], options)
    (same,) = scored(copies, ["vendi"], options)
    assert (varied.score.value or 0) > 1.5
    assert same.score.value == pytest.approx(1.0, abs=1e-5)


def test_models_are_compared_on_equally_many_pictures(tmp_path: Path, options: ScoreOptions) -> None:
    many, few = write_circles(tmp_path / "a", 5, model="a"), write_circles(tmp_path / "b", 3, model="b")
    events = scored([*many, *few], ["vendi", "vendi_prompt"], options)
    assert [e.score.detail["images"] for e in events if e.metric == "vendi"] == [6, 6]
    assert [e.score.detail["images"] for e in events if e.metric == "vendi_prompt"] == [3] * 4
    assert [len(e.group) for e in events if e.metric == "vendi"] == [10, 6]


def test_the_choice_is_of_contents_not_of_names() -> None:
    unit = tuple(Sample(f"{n}", Path(f"{n}.png"), "p", f"{n:064d}") for n in range(9))
    renamed = tuple(replace(s, key=f"x{s.key}", path=Path(f"x{s.key}.png")) for s in reversed(unit))
    small = tuple(replace(s, model="small") for s in unit[:4])
    for metric in (Vendi(), VendiPrompt()):
        chosen = metric.select([unit, small])[0]
        again = metric.select([renamed, small])[0]
        assert len(chosen) == 4
        assert {s.image_hash for s in chosen} == {s.image_hash for s in again}


def test_a_single_picture_does_not_shrink_the_others() -> None:
    unit = tuple(Sample(f"{n}", Path(f"{n}.png"), "p", f"{n:064d}") for n in range(4))
    assert [len(u) for u in Vendi().select([unit, unit[:1], ()])] == [4, 1, 0]
    assert [len(u) for u in VendiPrompt().select([unit, unit[:1], ()])] == [4, 1, 0]
