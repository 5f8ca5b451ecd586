"""Answerers behind an API in the whole program: chosen, paid within a budget, and silent about the key."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from explorer import AnalyzeRequest, Explorer, GenerateRequest, InvalidRequest, Sampling, Settings
from explorer.answering import Answering, check_answerer
from explorer.bundle_reader import read_bundle
from explorer.events import Event, Notice, Progress, Scored
from tests.conftest import PROMPTS
from tests.fakes import PROJECT, write_suite
from tests.metrics.answerers.judges import KEY, Judge, Said, judging

SMALL = GenerateRequest(
    models=("tiny-a", "tiny-b"), suite="tiny", seeds=1, sampling=Sampling(sampler="DDIM", steps=1)
)
ASK = AnalyzeRequest(("tifa",), answerer="gemini")
PICTURES = 4


@pytest.fixture
def judge() -> Iterator[Judge]:
    with judging() as judge:
        yield judge


@pytest.fixture
def asking(settings: Settings, judge: Judge) -> Iterator[Explorer]:
    """An Explorer whose services are on this machine, with four pictures."""
    update = {"gemini_url": judge.url, "openai_url": judge.url, "answers_per_minute": 60_000.0}
    explorer = Explorer(settings.model_copy(update=update))
    list(explorer.generate(SMALL))
    yield explorer
    explorer.close()


def scored(events: list[Event]) -> list[Scored]:
    return [event for event in events if isinstance(event, Scored)]


def test_a_service_scores_a_run_and_is_asked_nothing_twice(asking: Explorer, judge: Judge) -> None:
    events = list(asking.analyze(ASK, key=SecretStr(KEY)))
    assert len(scored(events)) == PICTURES
    assert all(event.score.value is not None for event in scored(events))
    assert len(judge.heard) == PICTURES
    again = list(asking.analyze(replace(ASK, metrics=("tifa", "dsg")), key=SecretStr(KEY)))
    assert all(event.score.value is not None for event in scored(again))
    assert len(judge.heard) == PICTURES


def test_its_scores_have_a_column_of_their_own(asking: Explorer) -> None:
    list(asking.analyze(AnalyzeRequest(("tifa", "clip_score"))))
    list(asking.analyze(replace(ASK, metrics=("tifa", "clip_score")), key=SecretStr(KEY)))
    boards = {(row.metric, row.tier, row.model): row.images for row in asking.leaderboard()}
    assert set(boards) == {
        (metric, tier, model)
        for metric, tier in (
            ("tifa", "bundled"),
            ("tifa", "gemini:gemma-3-27b-it"),
            ("clip_score", "bundled"),
        )
        for model in ("tiny-a", "tiny-b")
    }
    named = asking.results_for(replace(ASK, metrics=("tifa", "clip_score"))).scores
    assert {(row.metric, row.tier) for row in named} == {
        ("tifa", "gemini:gemma-3-27b-it"),
        ("clip_score", "bundled"),
    }
    assert {row.tier for row in asking.results_for(AnalyzeRequest(("tifa",))).scores} == {"bundled"}


def test_requests_are_told_before_while_and_after(asking: Explorer) -> None:
    events = list(asking.analyze(ASK, key=SecretStr(KEY)))
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices[0].startswith("gemini: at most 4 requests")
    assert notices[-1] == "gemini: 4 requests, 4,080 tokens."
    messages = [event.message for event in events if isinstance(event, Progress)]
    assert any("gemini: 2 requests" in message for message in messages)


def test_a_budget_ends_the_asking(asking: Explorer, judge: Judge) -> None:
    events = list(asking.analyze(replace(ASK, most_requests=3), key=SecretStr(KEY)))
    values = [event.score.value for event in scored(events)]
    assert len([value for value in values if value is None]) == 1
    assert len(judge.heard) == 3
    list(asking.analyze(ASK, key=SecretStr(KEY)))
    assert len(judge.heard) == PICTURES


def test_a_price_makes_costs_known(settings: Settings) -> None:
    priced = settings.model_copy(update={"answer_price": "1.0,10.0"})
    assert Answering(priced).estimate(ASK, 1_000) == (
        "gemini: at most 1,000 requests, about $2.10; fewer where answers are kept, more where a request "
        "must be tried again."
    )
    assert "$" not in Answering(settings).estimate(ASK, 1_000)
    assert Answering(settings).estimate(replace(ASK, answerer="local:bundled"), 1_000) == ""
    assert Answering(settings).estimate(AnalyzeRequest(), 1_000) == ""


def test_a_job_gets_its_key_and_keeps_it_over_a_pause(asking: Explorer, judge: Judge) -> None:
    judge.plan = [Said(status=429, message="slower", headers={"Retry-After": "60"})]
    job = asking.queue.submit(ASK, token=SecretStr(KEY))
    asking.start()
    _until(lambda: bool(judge.heard))
    asking.queue.pause(job.id)
    _until(lambda: asking.queue.get(job.id).state == "paused" and bool(asking.queue._tokens))
    asking.queue.resume(job.id)
    _until(lambda: not asking.queue.get(job.id).active)
    assert asking.queue.get(job.id).state == "done", asking.queue.get(job.id)
    assert len(asking.scores()) == PICTURES
    assert all(row.value is not None for row in asking.scores())
    assert KEY.encode() not in b"".join(
        path.read_bytes() for path in asking.settings.root.rglob("*") if path.is_file()
    )


def _until(true: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def test_the_key_is_nowhere(
    asking: Explorer, judge: Judge, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    judge.plan = [
        Said(status=500, message=f"you sent {KEY}"),
        Said(f'{{"1": "{KEY}"}}'),
        Said(refusal=f"not with {KEY}"),
        Said(status=400, message=f"bad {KEY}"),
    ]
    events = list(asking.analyze(ASK, key=SecretStr(KEY)))
    assert any(event.score.reason for event in scored(events))
    for name in ("csv", "json", "html"):
        asking.export(name, tmp_path / f"out.{name}", table="scores")  # type: ignore[arg-type]
    asking.results_for(ASK).write(tmp_path / "written")
    files = [
        path for folder in (asking.settings.root, tmp_path) for path in folder.rglob("*") if path.is_file()
    ]
    assert asking.settings.answers in files
    assert asking.settings.database in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in caplog.text
    assert KEY not in repr(events)
    assert KEY in str([heard.headers for heard in judge.heard])


def test_its_scores_travel_in_a_bundle(asking: Explorer, tmp_path: Path) -> None:
    list(asking.analyze(ASK, key=SecretStr(KEY)))
    bundle = read_bundle(asking.export("bundle", tmp_path / "all.zip"))
    assert {row.tier for row in bundle.scores} == {"gemini:gemma-3-27b-it"}


def test_keys_come_from_the_environment_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "EXPLORER_GOOGLE_KEY"):
        monkeypatch.setenv(name, f"{name}-value")
        found = Settings().google_key
        assert found is not None
        assert found.get_secret_value() == f"{name}-value"
        assert "value" not in repr(Settings().google_key)
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    assert Settings().openai_key == SecretStr("other")


def test_each_service_gets_its_own_key(asking: Explorer, judge: Judge) -> None:
    keys = {"google_key": SecretStr(f"{KEY}-google"), "openai_key": SecretStr(f"{KEY}-openai")}
    answering = Answering(asking.settings.model_copy(update=keys))
    for name, key in (("gemini", "google"), ("openai:m", "openai")):
        source = answering.source(replace(ASK, answerer=name))
        assert source is not None
        assert source.session.key == SecretStr(f"{KEY}-{key}")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changes",
    [{"answerer": "clippy"}, {"answerer": "openai"}, {"most_requests": -1}, {"most_dollars": -0.5}],
)
def test_what_cannot_be_asked_is_refused_at_once(explorer: Explorer, changes: dict[str, object]) -> None:
    request = replace(ASK, **changes)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        check_answerer(request)
    with pytest.raises(InvalidRequest):
        explorer.queue.submit(request)


def test_a_folder_is_no_answerer_of_a_job(explorer: Explorer) -> None:
    with pytest.raises(InvalidRequest, match="command line"):
        explorer.queue.submit(replace(ASK, answerer="local:/etc"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gemini_url", "ftp://x"),
        ("openai_url", "https://user:pass@x/v1"),
        ("openai_url", "nonsense"),
        ("answer_price", "1"),
        ("answer_price", "a,b"),
        ("answer_price", "-1,2"),
        ("answers_per_minute", 0),
    ],
)
def test_settings_that_cannot_work(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_the_command_line_asks_a_server_with_the_key_of_the_environment(
    tmp_path: Path, tiny_models: Path, judge: Judge
) -> None:
    write_suite(tmp_path / "workspace" / "suites" / "tiny.yaml", PROMPTS)
    environment = os.environ | {
        "EXPLORER_ROOT": str(tmp_path / "workspace"),
        "EXPLORER_MODEL_FOLDERS": str(tiny_models),
        "EXPLORER_DEVICE": "cpu",
        "EXPLORER_ANSWERS_PER_MINUTE": "60000",
        "OPENAI_API_KEY": KEY,
        "HF_HUB_OFFLINE": "1",
    }
    arguments = ["run", "--models", "tiny-a", "--suite", "tiny", "--seeds", "1", "--steps", "1"]
    arguments += ["--metrics", "tifa", "soft_tifa", "--output", str(tmp_path / "out")]
    arguments += ["--answerer", "openai:some-model", "--answerer-url", judge.url, "--budget", "5"]
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "at most 2 requests" in done.stderr
    assert len(judge.heard) == 2
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    assert {row["tier"] for row in scores} == {"openai:some-model"}
    assert {row["metric"] for row in scores if row["value"] is None} == {"soft_tifa"}
    assert KEY not in done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
