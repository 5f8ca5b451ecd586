"""The runner on a network one can check by hand: order, cache, failures, memory, cancel."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metrics import (
    BackboneLoading,
    CacheKey,
    MemoryCache,
    Progress,
    Sample,
    Score,
    Scored,
    ScoreOptions,
    Stopped,
    score,
    score_folder,
)
from tests.metrics.brightness import GreySource, grey_registry, write_greys


def options(source: GreySource, **more: Any) -> ScoreOptions:
    return ScoreOptions(device="cpu", registry=grey_registry(source), **more)


def scored(samples: Sequence[Sample], metrics: Sequence[str], chosen: ScoreOptions) -> list[Scored]:
    return [event for event in score(samples, metrics, chosen) if isinstance(event, Scored)]


def values(events: Sequence[Scored]) -> dict[tuple[str, str], float | None]:
    return {(event.metric, event.sample.key): event.score.value for event in events}


def test_values_by_hand_with_one_pass_for_two_metrics(tmp_path: Path) -> None:
    source = GreySource()
    samples = write_greys(tmp_path, [10, 20, 30, 70])
    found = scored(samples, ["brightness", "darkness", "spread", "brightness"], options(source, batch_size=3))
    assert values(found) == {
        **{("brightness", s.key): v for s, v in zip(samples, (10, 20, 30, 70), strict=True)},
        **{("darkness", s.key): v for s, v in zip(samples, (245, 235, 225, 185), strict=True)},
        ("spread", samples[0].key): 10,
        ("spread", samples[2].key): 40,
    }
    (network,) = source.loaded
    assert network.decoded == 4
    assert network.batches == [3, 1]
    groups = {event.sample.key: len(event.group) for event in found if event.metric == "spread"}
    assert set(groups.values()) == {2}


def test_events_tell_the_story(tmp_path: Path) -> None:
    samples = write_greys(tmp_path, [10, 20, 30])
    events = list(score(samples, ["brightness"], options(GreySource(), batch_size=2)))
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        *("Progress", "Progress", "BackboneLoading"),
        *("Scored", "Scored", "Progress", "Scored", "Progress"),
    ]
    assert isinstance(events[2], BackboneLoading)
    assert events[2].metrics == ("brightness",)
    assert isinstance(events[5], Progress)
    assert (events[5].done, events[5].total) == (2, 3)
    assert events[5].seconds_left is not None
    assert events[-1] == Progress(3, 3, 0.0, "Scored 3 of 3")


def test_nothing_to_do_is_fine() -> None:
    assert [type(event) for event in score([], ["brightness"], options(GreySource()))] == [Progress, Progress]


def test_second_run_is_cached_and_loads_nothing(tmp_path: Path) -> None:
    source, cache = GreySource(), MemoryCache()
    samples = write_greys(tmp_path, [10, 20])
    first = scored(samples, ["brightness", "spread"], options(source, cache=cache))
    moved = samples[0].path.rename(tmp_path / "renamed.png")
    renamed = [replace(samples[0], path=moved), samples[1]]
    again = scored(renamed, ["brightness", "spread"], options(source, cache=cache))
    assert [event.cached for event in first] == [False] * 3
    assert [event.cached for event in again] == [True] * 3
    assert values(again) == values(first)
    assert len(source.loaded) == 1


def test_an_edited_prompt_rescores_only_what_reads_it(tmp_path: Path) -> None:
    cache = MemoryCache()
    samples = write_greys(tmp_path, [10])
    scored(samples, ["brightness", "darkness"], options(GreySource(), cache=cache))
    edited = [replace(samples[0], prompt="another")]
    found = scored(edited, ["brightness", "darkness"], options(GreySource(), cache=cache))
    assert {event.metric: event.cached for event in found} == {"brightness": True, "darkness": False}


class ReasonCache:
    """A cache that answers reasons as if they were results, and keeps what it is given."""

    def __init__(self) -> None:
        self.put: dict[CacheKey, Score] = {}

    def get_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Score]:
        return {key: Score.unscored("from the cache") for key in keys}

    def put_many(self, scores: Mapping[CacheKey, Score]) -> None:
        self.put.update(scores)


def test_reasons_are_neither_put_into_a_cache_nor_taken_from_one(tmp_path: Path) -> None:
    cache = ReasonCache()
    samples = write_greys(tmp_path, [10, 20])
    samples[1].path.write_bytes(b"")
    found = scored(samples, ["brightness"], options(GreySource(), cache=cache))
    assert {event.score.value for event in found} == {10.0, None}
    assert [score.value for score in cache.put.values()] == [10.0]


def test_a_bad_image_is_one_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    samples = write_greys(tmp_path, [10, 20, 30, 40, 50, 60])
    samples[1].path.write_bytes(samples[1].path.read_bytes()[:-20])
    samples[3].path.unlink()
    samples[4] = replace(samples[4], prompt="refuse")
    found = scored(samples, ["brightness", "spread"], options(GreySource()))
    reasons = {(e.metric, e.sample.key): e.score.reason for e in found if e.score.reason}
    assert len(found) == 6 + 4
    assert "is damaged" in (reasons.pop(("brightness", samples[1].key)) or "")
    assert "does not exist" in (reasons.pop(("brightness", samples[3].key)) or "")
    assert reasons.pop(("brightness", samples[4].key)) == "no thanks"
    assert reasons.pop(("spread", samples[4].key)) == "no thanks"
    assert "needs 2 seeds a prompt, this one has 1 that can be read" in (
        reasons.pop(("spread", samples[0].key)) or ""
    )
    assert "does not exist" in (reasons.pop(("spread", samples[2].key)) or "")
    alone = reasons.pop(("spread", samples[5].key))
    assert alone == "Spread needs 2 seeds a prompt, this one has 1; draw it with more seeds."
    assert not reasons


def test_a_group_is_scored_over_the_images_that_can_be_read(tmp_path: Path) -> None:
    samples = [replace(s, prompt="p") for s in write_greys(tmp_path, [10, 20, 30, 45])]
    samples[1].path.write_bytes(samples[1].path.read_bytes()[:-20])
    samples[2].path.unlink()
    (event,) = scored(samples, ["spread"], options(GreySource()))
    assert event.score.value == 35.0
    assert event.score.detail["images"] == 2
    left_out = event.score.detail["left_out"]
    assert "is damaged" in left_out[samples[1].path.name]
    assert "does not exist" in left_out[samples[2].path.name]
    assert len(event.group) == 4


def test_copies_are_computed_once_and_all_answered(tmp_path: Path) -> None:
    source = GreySource()
    (sample,) = write_greys(tmp_path, [10])
    copy = tmp_path / "copy.png"
    copy.write_bytes(sample.path.read_bytes())
    found = scored([sample, replace(sample, key="copy", path=copy)], ["brightness"], options(source))
    assert values(found) == {("brightness", sample.key): 10.0, ("brightness", "copy"): 10.0}
    assert source.loaded[0].decoded == 1


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_batch_size_does_not_matter(tmp_path: Path, batch_size: int) -> None:
    samples = write_greys(tmp_path, range(0, 100, 10))
    found = scored(samples, ["brightness", "spread"], options(GreySource(), batch_size=batch_size))
    assert values(found) == values(scored(samples, ["brightness", "spread"], options(GreySource())))


def test_out_of_memory_halves_the_batch_and_stays_there(tmp_path: Path) -> None:
    source = GreySource(memory=3)
    samples = write_greys(tmp_path, range(0, 160, 10))
    found = scored(samples, ["brightness"], options(source, batch_size=8))
    assert [event.score.value for event in found] == list(range(0, 160, 10))
    assert source.loaded[0].batches == [2] * 8


def test_no_memory_for_one_image_is_a_reason(tmp_path: Path) -> None:
    samples = write_greys(tmp_path, [10, 20])
    found = scored(samples, ["brightness"], options(GreySource(memory=0)))
    assert all("ran out of memory on one image" in (event.score.reason or "") for event in found)


def test_a_failing_network_is_a_reason(tmp_path: Path) -> None:
    samples = write_greys(tmp_path, [13, 20])
    found = scored(samples, ["brightness"], options(GreySource(), batch_size=1))
    assert found[0].score.reason == "grey failed (RuntimeError: unlucky number); the log has the whole error."
    assert found[1].score.value == 20.0


def test_cancel_ends_with_stopped_and_keeps_what_is_done(tmp_path: Path) -> None:
    source, cache, stop = GreySource(), MemoryCache(), [False]
    samples = write_greys(tmp_path, range(0, 100, 10))
    events = []
    chosen = options(source, cache=cache, batch_size=2, cancel=lambda: stop[0])
    for event in score(samples, ["brightness"], chosen):
        events.append(event)
        stop[0] = stop[0] or isinstance(event, Scored)
    assert events[-1] == Stopped(2, 10)
    assert len(cache) == 2
    assert source.loaded[0].batches == [2]


def test_cancel_is_noticed_between_the_parts_of_a_batch(tmp_path: Path) -> None:
    source = GreySource(memory=1)
    samples = write_greys(tmp_path, [10, 20, 30, 40])
    stop = lambda: bool(source.loaded and source.loaded[0].batches)  # noqa: E731
    events = list(score(samples, ["brightness"], options(source, cancel=stop)))
    assert source.loaded[0].batches == [1]
    assert events[-1] == Stopped(1, 4)


def test_cancel_before_the_start() -> None:
    sample = Sample("a", Path("a.png"))
    assert list(score([sample], ["brightness"], options(GreySource(), cancel=lambda: True)))[-1] == Stopped(
        0, 1
    )


def test_folder_without_a_prompt_list(tmp_path: Path) -> None:
    write_greys(tmp_path, [10, 20])
    (tmp_path / "notes.txt").write_text("no picture")
    events = list(score_folder(tmp_path, {}, ["brightness"], options(GreySource())))
    assert [event.score.value for event in events if isinstance(event, Scored)] == [10.0, 20.0]


@pytest.mark.parametrize("wrong", [{"tier": "huge"}, {"batch_size": 0}, {"workers": 0}])
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tier|at least 1"):
        ScoreOptions(**wrong)
