"""How much work an analysis does: each image once a network, and never anything twice."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from metrics import FeatureKey, FolderFeatures, MemoryCache, Sample, Scored, ScoreOptions, Stopped, score
from tests.metrics.counting import counted, scored, values
from tests.metrics.drawn import draw, prompt_of, write_circles

BUNDLED = (
    *("clip_score", "lpips_diversity", "cross_prompt_diversity", "reference_similarity"),
    *("ms_ssim_diversity", "reference_ssim", "vendi", "vendi_prompt"),
)


@pytest.fixture
def kept(options: ScoreOptions, tmp_path: Path) -> ScoreOptions:
    """With places for scores and features."""
    return replace(options, cache=MemoryCache(), features=FolderFeatures(tmp_path / "features"), batch_size=3)


def with_reference(samples: list[Sample], path: Path) -> list[Sample]:
    return [replace(sample, references=(path,)) for sample in samples]


def test_eight_metrics_decode_and_pass_each_image_once(tmp_path: Path, options: ScoreOptions) -> None:
    samples = with_reference(write_circles(tmp_path / "m", 4), draw(tmp_path / "reference.png", "red", 99))
    with counted() as counts:
        events = scored(samples, BUNDLED, replace(options, batch_size=3))
    assert all(event.score.value is not None for event in events)
    assert len(events) == 8 + 2 + 1 + 8 + 2 + 8 + 1 + 2
    # The reference is an image like the others, and CLIP need not see it.
    wanted = {"decoded": 9, "resized": 9, "ClipNetwork": 8, "LpipsNetwork": 9, "Pixels": 9, "texts": 2}
    assert counts == wanted


def test_an_added_image_costs_one_pass(tmp_path: Path, kept: ScoreOptions) -> None:
    reference = draw(tmp_path / "reference.png", "red", 99)
    eight = with_reference(write_circles(tmp_path / "m", 8, colors=1), reference)
    chosen = [name for name in BUNDLED if name != "cross_prompt_diversity"]
    scored(eight, chosen, kept)
    ninth = with_reference(write_circles(tmp_path / "m", 1, colors=1, first=8), reference)
    with counted() as counts:
        grown = scored(eight + ninth, chosen, kept)
    assert counts == dict.fromkeys(
        ("decoded", "resized", "ClipNetwork", "LpipsNetwork", "Pixels", "texts"), 1
    )
    fresh = replace(kept, cache=None, features=None)
    assert values(grown) == pytest.approx(values(scored(eight + ninth, chosen, fresh)), rel=1e-6)


def test_renamed_images_cost_nothing(tmp_path: Path, kept: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 3)
    before = values(scored(samples, ["clip_score", "lpips_diversity", "vendi"], kept))
    moved = [replace(s, path=s.path.rename(tmp_path / f"x{n}.png")) for n, s in enumerate(samples)]
    with counted() as counts:
        events = scored(moved, ["clip_score", "lpips_diversity", "vendi"], kept)
    assert values(events) == before
    assert all(event.cached for event in events)
    assert not counts


def test_an_edited_prompt_costs_its_text_only(tmp_path: Path, kept: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 3, colors=1)
    chosen = ["clip_score", "lpips_diversity", "ms_ssim_diversity", "vendi_prompt"]
    scored(samples, chosen, kept)
    edited = [replace(sample, prompt=prompt_of("blue")) for sample in samples]
    with counted() as counts:
        events = scored(edited, chosen, kept)
    assert counts == {"texts": 1}
    assert {event.metric: event.cached for event in events} == {
        "clip_score": False,
        **dict.fromkeys(chosen[1:], True),
    }


def test_forgotten_features_are_made_again(tmp_path: Path, kept: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 3, colors=1)
    before = values(scored(samples, ["lpips_diversity"], kept))
    assert isinstance(kept.features, FolderFeatures)
    kept.features.clear()
    with counted() as counts:
        again = scored(samples, ["lpips_diversity"], replace(kept, cache=None))
    assert counts == {"decoded": 3, "resized": 3, "LpipsNetwork": 3}
    assert values(again) == before


def test_stopping_loses_one_batch_at_most(tmp_path: Path, kept: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 6)
    stop = threading.Event()
    events = []
    for event in score(samples, ["clip_score"], replace(kept, cancel=stop.is_set)):
        events.append(event)
        if sum(isinstance(event, Scored) for event in events) == 6:
            stop.set()
    assert isinstance(events[-1], Stopped)
    with counted() as counts:
        scored(samples, ["clip_score"], kept)
    assert counts["ClipNetwork"] == 6


def test_analyses_share_their_caches_at_the_same_time(tmp_path: Path, kept: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 4)
    chosen = ["clip_score", "lpips_diversity", "vendi"]
    found: list[dict[tuple[str, str], float | None]] = []
    threads = [
        threading.Thread(target=lambda: found.append(values(scored(samples, chosen, kept)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert found[0] == pytest.approx(found[2], rel=1e-6)
    assert all(event.cached for event in scored(samples, chosen, kept))


def test_a_spoilt_feature_is_made_again(tmp_path: Path, kept: ScoreOptions) -> None:
    class Spoilt:
        def get_many(self, keys: Sequence[FeatureKey]) -> dict[FeatureKey, bytes]:
            return dict.fromkeys(keys, b"xyz")

        def put_many(self, features: Mapping[FeatureKey, bytes]) -> None:
            pass

    samples = write_circles(tmp_path / "m", 2, colors=1)
    chosen = ["clip_score", "lpips_diversity", "ms_ssim_diversity"]
    events = scored(samples, chosen, replace(kept, features=Spoilt()))
    assert all(event.score.value is not None for event in events)
