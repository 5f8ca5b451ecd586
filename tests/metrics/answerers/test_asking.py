"""Answerers within an analysis: counted passes, columns of their own, stopping."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from metrics import MemoryCache, Sample, Scored, ScoreOptions, Stopped, needed_downloads, score
from metrics.answerers.asking import LocalAnswerer
from metrics.answerers.blip import BlipAnswerer
from metrics.answerers.catalog import NAMED, Whereabouts, find_answerer
from metrics.base import Tier
from metrics.questions import Question
from tests.fakes import PROJECT
from tests.metrics.answerers.judges import Judge, Said, judging
from tests.metrics.answerers.test_remote import Place
from tests.metrics.answerers.tiny import save_tiny
from tests.metrics.drawn import write_circles

HERE = Whereabouts(PROJECT / "assets")
QUESTIONS = (
    Question("q1", "is there a red circle?"),
    Question("q2", "is there a blue circle?", expected="no"),
    Question("q3", "what color is the circle?", "red", "colour", ("red", "blue", "green")),
    Question("q4", "how many circles are there?", "1", "count", ("0", "1", "2", "3", "4")),
)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = write_circles(tmp_path / "pictures", seeds=5, colors=1)
    return [replace(sample, questions=QUESTIONS) for sample in found]


@pytest.fixture(params=["gemini", "openai"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with judging() as judge:
        yield Place(request.param, judge, tmp_path)


def scored(samples: list[Sample], *metrics: str, **options: object) -> list[Scored]:
    settings = ScoreOptions(device="cpu", **options)  # type: ignore[arg-type]
    return [event for event in score(samples, metrics, settings) if isinstance(event, Scored)]


def test_metrics_share_one_pass_and_one_answer(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, asked = 0, 0
    see, compute = BlipAnswerer.see, BlipAnswerer.log_probabilities

    def count_seen(self: BlipAnswerer, prepared: list[object]) -> object:
        nonlocal seen
        seen += len(prepared)
        return see(self, prepared)  # type: ignore[arg-type]

    def count_asked(self: BlipAnswerer, rows: list[object]) -> object:
        nonlocal asked
        asked += len(rows)
        return compute(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(BlipAnswerer, "see", count_seen)
    monkeypatch.setattr(BlipAnswerer, "log_probabilities", count_asked)
    events = scored(samples, "tifa", "dsg", "soft_tifa", "vqa_score")
    assert len(events) == 4 * len(samples)
    assert all(event.score.value is not None for event in events), {event.score.reason for event in events}
    assert seen == len(samples)
    assert asked == len(samples) * (len(QUESTIONS) + 1)


def test_the_bundled_answerer_knows_the_drawn_world(samples: list[Sample]) -> None:
    values = [event.score.value or 0.0 for event in scored(samples, "tifa")]
    assert sum(values) / len(values) > 0.9


def test_another_answerer_has_a_column_of_its_own(samples: list[Sample], tmp_path: Path) -> None:
    folder = save_tiny("qwen3-vl", tmp_path / "my-model")
    cache = MemoryCache()
    own = scored(samples, "soft_tifa", "clip_score", cache=cache)
    other = scored(
        samples, "soft_tifa", "clip_score", cache=cache, answerer=find_answerer(f"local:{folder}", HERE)
    )
    of = {(e.metric, e.recipe.tier, e.recipe.backbone, e.cached) for e in other}
    assert of == {
        ("soft_tifa", "local:my-model", "my-model", False),
        ("clip_score", "bundled", "bundled-clip", True),
    }
    assert {(e.recipe.tier, e.recipe.backbone) for e in own if e.metric == "soft_tifa"} == {
        ("bundled", "bundled-vqa")
    }
    assert all(e.score.value is not None for e in other)


def test_naming_the_answerer_of_the_tier_changes_nothing(samples: list[Sample]) -> None:
    cache = MemoryCache()
    scored(samples, "tifa", cache=cache)
    again = scored(samples, "tifa", cache=cache, answerer=find_answerer("local:bundled", HERE))
    assert all(event.cached for event in again)


def test_needed_downloads_are_those_of_the_chosen_answerer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.metrics.hub import own_caches

    own_caches(tmp_path, monkeypatch)
    names = {
        tier: [card.id for card in needed_downloads(["tifa"], tier, PROJECT / "assets")]
        for tier in ("bundled", "light", "standard")
    }
    assert names == {"bundled": [], "light": ["blip-vqa-base"], "standard": ["Qwen3-VL-2B-Instruct"]}
    tier: Tier = "bundled"
    chosen = needed_downloads(["tifa"], tier, PROJECT / "assets", answerer=NAMED["llava-1.5-7b"])
    assert [card.id for card in chosen] == ["llava-1.5-7b-hf"]


def test_a_service_scores_what_needs_no_probability(samples: list[Sample], place: Place) -> None:
    events = scored(samples, "tifa", "dsg", "soft_tifa", answerer=place.source())
    by_metric = {name: [e for e in events if e.metric == name] for name in ("tifa", "dsg", "soft_tifa")}
    # The service says the first choice of each question: one of four is wrong, and "0" for "1".
    assert [e.score.value for e in by_metric["tifa"]] == [0.5] * len(samples)
    assert all(e.score.value == 0.5 for e in by_metric["dsg"])
    assert all("no probabilities" in (e.score.reason or "") for e in by_metric["soft_tifa"])
    assert len(place.judge.heard) == len(samples)
    assert {e.recipe.tier for e in events} == {place.source().card.id}


def test_stopping_within_a_service_keeps_what_was_answered(samples: list[Sample], place: Place) -> None:
    judge: Judge = place.judge

    def stop() -> bool:
        return len(judge.heard) >= 3

    cache = MemoryCache()
    source = place.source(stop=stop)
    options = ScoreOptions(device="cpu", cache=cache, answerer=source, cancel=stop)
    events = list(score(samples, ["tifa", "dsg"], options))
    assert isinstance(events[-1], Stopped)
    assert len(judge.heard) == 3
    again = scored(samples, "tifa", "dsg", cache=cache, answerer=place.source())
    assert all(event.score.value is not None for event in again)
    texts = [(heard.picture, text) for heard in judge.heard for text, _ in heard.questions.values()]
    assert len(texts) == len(set(texts)) == len(samples) * len(QUESTIONS)


def test_stopping_within_a_local_answer_takes_one_layer(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = False
    compute = LocalAnswerer.answer

    def stop_first(self: LocalAnswerer, features: object, questions: object) -> object:
        nonlocal stopped
        stopped = True
        return compute(self, features, questions)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalAnswerer, "answer", stop_first)
    options = ScoreOptions(device="cpu", cancel=lambda: stopped)
    events = list(score(samples, ["tifa"], options))
    assert isinstance(events[-1], Stopped)
    assert not [event for event in events if isinstance(event, Scored)]


def test_a_missing_key_leaves_the_other_metrics_alone(samples: list[Sample], place: Place) -> None:
    source = place.source(key=None)
    if place.kind == "openai":
        source = replace(source, url="https://api.openai.com/v1")
    events = scored(samples, "tifa", "clip_score", answerer=source)
    assert all(("needs a key" in (e.score.reason or "")) == (e.metric == "tifa") for e in events)


def test_a_refused_picture_is_unscored_with_the_reason(samples: list[Sample], place: Place) -> None:
    place.judge.plan = [Said(refusal="not this one")]
    events = scored(samples, "tifa", answerer=place.source())
    lost = [event.score.reason for event in events if event.score.value is None]
    assert len(lost) == 1
    assert "would not answer" in (lost[0] or "")


def test_an_answerer_that_is_lost_says_why(samples: list[Sample]) -> None:
    events = scored(samples, "tifa", "clip_score", answerer=find_answerer("local:some/model", HERE))
    assert all(("not on this computer" in (e.score.reason or "")) == (e.metric == "tifa") for e in events)
