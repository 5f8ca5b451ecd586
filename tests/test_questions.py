"""Questions of a language model, from the command line to the detail of a score, over real HTTP."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

import benchmark_app
from explorer import Cancelled, Explorer, GenerateRequest, InvalidRequest, Sampling, Settings
from explorer.events import Failed
from explorer.question_files import QuestionFiles
from explorer.question_writing import QuestionWriting
from explorer.requests import AnalyzeRequest
from explorer.suites import SuiteLibrary
from explorer.types import Suite
from metrics import UNNAMED_WRITER, Question, prompt_key
from tests.conftest import PROMPTS
from tests.metrics.answerers.judges import KEY, Heard, Judge, Said, judging

ASKED = (Question("q1", "Is there a circle?"), Question("q2", "Is there a cat?", "no", parents=("q1",)))
REPLY = Said(json.dumps([question.to_dict() for question in ASKED]))
MODELS = {"gemini": "gemini:gemma-3-27b-it", "openai:some-model": "openai:some-model"}


@pytest.fixture
def judge() -> Iterator[Judge]:
    with judging() as judge:
        judge.otherwise = lambda heard: REPLY
        yield judge


@pytest.fixture(params=MODELS)
def writer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workspace(settings: Settings, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The command line works in the test's workspace, and its services are on this machine."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "EXPLORER_ROOT": str(settings.root),
        "EXPLORER_GEMINI_URL": judge.url,
        "EXPLORER_OPENAI_URL": judge.url,
        "EXPLORER_GOOGLE_KEY": KEY,
        "EXPLORER_OPENAI_KEY": KEY,
        "EXPLORER_ANSWERS_PER_MINUTE": "60000",
        "EXPLORER_ANSWER_PRICE": "1,10",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    return Settings(offline=True)


def ask(writer: str, *more: str) -> int:
    return benchmark_app.main(["questions", "tiny", "--writer", writer, *more])


def stored(settings: Settings) -> list[tuple[Question, ...] | None]:
    files = QuestionFiles(settings.questions)
    return [files.get(prompt_key(text)) for text in PROMPTS]


def tiny(settings: Settings) -> Suite:
    return SuiteLibrary(settings.prompts, settings.suites).get("tiny")


def test_each_prompt_is_asked_about_once(
    workspace: Settings, judge: Judge, writer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(writer) == 0
    said = capsys.readouterr()
    assert "2 requests, 2,040 tokens, $0.00" in said.err
    assert said.out.strip() == str(workspace.questions)
    assert stored(workspace) == [ASKED, ASKED]
    assert QuestionFiles(workspace.questions).writer(prompt_key(PROMPTS[0])) == MODELS[writer]
    assert [heard.picture for heard in judge.heard] == ["", ""]
    assert all(json.dumps(text) in heard.text for text, heard in zip(PROMPTS, judge.heard, strict=True))
    assert {heard.model for heard in judge.heard} == {MODELS[writer].partition(":")[2]}

    assert ask(writer) == 0
    assert "Every prompt has questions" in capsys.readouterr().err
    assert len(judge.heard) == 2
    assert ask(writer, "--again") == 0
    assert len(judge.heard) == 4


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said("Sure! Here are your questions."), "no JSON list"),
        (Said(""), "empty reply"),
        (Said(refusal="not about this"), "would not answer"),
        (Said(status=400, message="too long"), "too long"),
    ],
    ids=["malformed", "empty", "refusal", "status"],
)
def test_a_reply_that_cannot_be_used_is_listed_and_asked_for_again(
    workspace: Settings,
    judge: Judge,
    writer: str,
    said: Said,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge.plan = [said]
    assert ask(writer) == 1
    failed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Failed: p0: ")]
    assert len(failed) == 1
    assert reason in failed[0]
    assert stored(workspace) == [None, ASKED]
    assert ask(writer) == 0
    assert stored(workspace) == [ASKED, ASKED]
    assert len(judge.heard) == 3


def test_a_busy_service_is_asked_again(workspace: Settings, judge: Judge, writer: str) -> None:
    judge.plan = [Said(status=429, message="slower", headers={"Retry-After": "0.01"})]
    assert ask(writer) == 0
    assert stored(workspace) == [ASKED, ASKED]
    assert len(judge.heard) == 3


def test_a_budget_ends_the_asking_and_the_rest_is_asked_later(
    workspace: Settings, judge: Judge, writer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(writer, "--budget", "1") == 1
    assert "Failed: 1 of 2 prompts left: The budget of 1 requests is used up" in capsys.readouterr().err
    assert stored(workspace) == [ASKED, None]
    assert ask(writer) == 0
    assert len(judge.heard) == 2
    assert len({heard.text for heard in judge.heard}) == 2


def test_a_wrong_key_is_told_once(workspace: Settings, judge: Judge, writer: str) -> None:
    wrong = {"google_key": SecretStr("wrong"), "openai_key": SecretStr("wrong")}
    events = QuestionWriting(workspace.model_copy(update=wrong), writer).write(tiny(workspace))
    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.label for event in failed] == ["2 of 2 prompts left"]
    assert "does not accept the key" in failed[0].reason
    assert len(judge.heard) == 1


def test_stopped_within_a_wait_what_was_written_stays(workspace: Settings, judge: Judge, writer: str) -> None:
    cancel = threading.Event()

    def busy(heard: Heard) -> Said:
        cancel.set()
        return Said(status=429, message="slower", headers={"Retry-After": "60"})

    judge.plan, judge.otherwise = [REPLY], busy
    with pytest.raises(Cancelled):
        list(QuestionWriting(workspace, writer).write(tiny(workspace), cancel))
    assert stored(workspace) == [ASKED, None]
    judge.otherwise = lambda heard: REPLY
    assert ask(writer) == 0
    assert stored(workspace) == [ASKED, ASKED]
    assert [json.dumps(PROMPTS[0]) in heard.text for heard in judge.heard] == [True, False, False]


def test_prompts_with_questions_and_equal_texts_are_not_asked_about(
    workspace: Settings, judge: Judge
) -> None:
    first, second = tiny(workspace).prompts
    prompts = (replace(first, questions=ASKED), second, replace(second, id="same"))
    suite = replace(tiny(workspace), prompts=prompts)
    for again in (False, True):
        writing = QuestionWriting(workspace, "gemini", again=again)
        assert writing.lacking(suite) == [second]
        list(writing.write(suite))
    assert len(judge.heard) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tiny", "--writer", "gemini"], "set EXPLORER_GOOGLE_KEY"),
        (["tiny", "--writer", "openai:m"], "set EXPLORER_OPENAI_KEY"),
        (["tiny", "--writer", "local:bundled"], "writes no questions"),
        (["tiny", "--writer", "poet"], "no answerer 'poet'"),
        (["tinny", "--writer", "gemini"], "Did you mean tiny"),
        (["tiny", "--writer", "gemini", "--budget", "-1"], "0 or more"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_status_2(
    workspace: Settings,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    for name in ("EXPLORER_GOOGLE_KEY", "EXPLORER_OPENAI_KEY", "EXPLORER_OPENAI_URL"):
        monkeypatch.delenv(name)
    assert benchmark_app.main(["questions", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, len(err.splitlines())) == ("", 1)
    assert not judge.heard


def test_a_key_is_refused_over_the_open_network_before_anything(workspace: Settings) -> None:
    settings = workspace.model_copy(update={"openai_url": "http://example.com/v1"})
    with pytest.raises(InvalidRequest, match="https only"):
        QuestionWriting(settings, "openai:m").write(tiny(workspace))


def test_the_key_is_nowhere(
    workspace: Settings,
    judge: Judge,
    writer: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    repeated = replace(ASKED[0], text=f"Is there {KEY}?")
    judge.plan = [
        Said(status=429, message=f"slower, {KEY}", headers={"Retry-After": "0.01"}),
        Said(json.dumps([repeated.to_dict()])),
        Said(refusal=f"not with {KEY}"),
    ]
    assert ask(writer) == 1
    assert KEY in str([heard.headers for heard in judge.heard])
    assert stored(workspace)[0] == (replace(repeated, text="Is there ***?"),)
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(capfd.readouterr())
    assert KEY not in caplog.text


def test_the_detail_of_a_score_names_the_model_that_wrote_its_questions(
    workspace: Settings, explorer: Explorer
) -> None:
    assert ask("gemini", "--budget", "1") == 1  # the second prompt is left to the parser
    request = GenerateRequest(("tiny-a",), "tiny", seeds=1, sampling=Sampling(sampler="DDIM", steps=1))
    list(explorer.generate(request))
    list(explorer.analyze(AnalyzeRequest(("tifa",))))
    found = {explorer.image(row.image_id).recipe.prompt: row.detail for row in explorer.scores()}
    assert [found[text]["questions_from"] for text in PROMPTS] == ["gemini:gemma-3-27b-it", "parser"]


def test_a_file_that_does_not_say_who_wrote_it(tmp_path: Path) -> None:
    files, key = QuestionFiles(tmp_path), prompt_key("x")
    assert files.writer(key) == UNNAMED_WRITER
    entries = [question.to_dict() for question in ASKED]
    for written in ({"questions": entries}, {"questions": entries, "writer": 3}, [], 3):
        (tmp_path / f"{key}.json").write_text(json.dumps(written))
        assert files.writer(key) == UNNAMED_WRITER
