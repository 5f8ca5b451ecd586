"""Services over real HTTP: Google's through its own library, OpenAI's through httpx."""

import base64
import io
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from metrics import MetricsError
from metrics.answerers.answer_file import AnswerFile
from metrics.answerers.base import Answer
from metrics.answerers.gemini import DEFAULT_MODEL, GeminiSource
from metrics.answerers.openai_compatible import OPENAI_URL, OpenAiSource
from metrics.answerers.remote import SENT_PIXELS, RemoteAnswerer, RemoteSource, Session
from metrics.answerers.spending import Budget, Price, Spending, estimate
from metrics.errors import Interrupted, NoReply
from metrics.questions import Question
from tests.metrics.answerers.judges import KEY, Judge, Said, judging

QUESTIONS = (
    Question("q1", "Is there a cat?"),
    Question("q2", "Is there a dog?", expected="no"),
    Question("q3", "What colour is the cat?", "red", choices=("red", "light blue")),
    Question("q4", "How many cats are there?", "2", choices=("2", "3")),
)
SERVICES = {"gemini": (GeminiSource, DEFAULT_MODEL), "openai": (OpenAiSource, "some-model")}


@pytest.fixture
def judge() -> Iterator[Judge]:
    with judging() as judge:
        yield judge


class Place:
    """Sources at the service, with a file of answers of their own."""

    def __init__(self, kind: str, judge: Judge, folder: Path) -> None:
        self.kind, self.judge = kind, judge
        self.file = folder / "answers.jsonl"
        self.session = Session(
            SecretStr(KEY), AnswerFile(self.file), Spending(), per_minute=60_000, timeout=5.0, first_wait=0.01
        )

    def source(self, **changes: Any) -> RemoteSource:
        cls, model = SERVICES[self.kind]
        return cls(model, self.judge.url, replace(self.session, **changes))

    def ask(self, *pictures: Image.Image, source: RemoteSource | None = None) -> list[list[Answer]]:
        answerer = (source or self.source()).load("cpu")
        features = answerer.encode([answerer.prepare(picture) for picture in pictures])
        return answerer.answer(features, [QUESTIONS] * len(pictures))


@pytest.fixture(params=SERVICES)
def place(request: pytest.FixtureRequest, judge: Judge, tmp_path: Path) -> Place:
    return Place(request.param, judge, tmp_path)


def picture(shade: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (40 * shade, 10, 200))


def reasons(answers: list[Answer]) -> set[str]:
    assert all(answer.text is None and answer.probability is None for answer in answers)
    return {answer.reason or "" for answer in answers}


def test_success_is_one_request_a_picture(place: Place) -> None:
    spending = Spending(price=Price(1.0, 10.0))
    found = place.ask(picture(1), picture(2), source=place.source(spending=spending))
    assert [[answer.text for answer in own] for own in found] == [["yes", "yes", "red", "2"]] * 2
    assert all(answer.reason is None and answer.probability is None for own in found for answer in own)
    assert len(place.judge.heard) == 2
    assert spending.requests == 2
    assert (spending.input_tokens, spending.output_tokens) == (2_000, 40)
    assert spending.dollars == pytest.approx(2_000 / 1e6 + 40 * 10 / 1e6)


def test_the_request_is_what_it_should_be(place: Place) -> None:
    place.ask(picture(1, (1600, 400)))
    [heard] = place.judge.heard
    assert heard.model == SERVICES[place.kind][1]
    assert heard.questions["3"] == ("What colour is the cat?", ["red", "light blue"])
    with Image.open(io.BytesIO(base64.b64decode(heard.picture))) as sent:
        assert sent.format == "JPEG"
        assert sent.size == (SENT_PIXELS, SENT_PIXELS // 4)


def test_a_small_picture_is_not_enlarged(place: Place) -> None:
    place.ask(picture(1))
    with Image.open(io.BytesIO(base64.b64decode(place.judge.heard[0].picture))) as sent:
        assert sent.size == (40, 30)


def test_a_text_alone_goes_the_same_way(place: Place) -> None:
    place.judge.plan = [Said(status=503, message="busy"), Said(f"hello, {KEY}"), Said(refusal="no")]
    spending = Spending(Budget(requests=3))
    answerer = place.source(spending=spending).load("cpu")
    assert answerer.say("hi") == "hello, ***"
    assert [(heard.text, heard.picture) for heard in place.judge.heard] == [("hi", "")] * 2
    with pytest.raises(NoReply, match="would not answer") as refused:
        answerer.say("hi")
    with pytest.raises(NoReply, match="budget of 3 requests") as over:
        answerer.say("hi")
    assert (refused.value.final, over.value.final) == (False, True)
    assert (spending.requests, spending.input_tokens) == (3, 2_000)
    assert not place.file.exists()


def test_metrics_that_ask_the_same_share_the_answers(place: Place) -> None:
    answerer = place.source().load("cpu")
    features = answerer.encode([answerer.prepare(picture())])
    place.judge.plan = [Said("no reply worth keeping")]
    first = answerer.answer(features, [QUESTIONS])
    assert answerer.answer(features, [QUESTIONS]) == first
    assert len(place.judge.heard) == 1


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (Said(refusal="I would rather not"), "would not answer"),
        (Said(""), "said nothing"),
        (Said(None), "said nothing"),
        (Said("I think the answer is yes."), "not in the form"),
        (Said('["yes", "no"]'), "not in the form"),
        (Said("{}"), "no answer to this question"),
        (Said('{"1": "maybe", "2": true, "3": "yes", "4": 7}'), "is none of"),
    ],
    ids=["refusal", "empty", "nothing", "prose", "list", "none", "wrong"],
)
def test_what_is_no_answer_is_unanswered_and_asked_again_later(place: Place, said: Said, part: str) -> None:
    place.judge.plan = [said]
    [answers] = place.ask(picture())
    assert all(part in reason for reason in reasons(answers))
    assert len(place.judge.heard) == 1
    [again] = place.ask(picture())
    assert [answer.text for answer in again] == ["yes", "yes", "red", "2"]
    assert len(place.judge.heard) == 2


def test_answers_that_are_there_count_also_beside_missing_ones(place: Place) -> None:
    place.judge.plan = [Said('```json\n{"1": "Yes.", "3": " Light Blue ", "4": 2}\n```')]
    [answers] = place.ask(picture())
    assert [answer.text for answer in answers] == ["yes", None, "light blue", "2"]
    place.ask(picture())
    assert list(place.judge.heard[-1].questions.values()) == [("Is there a dog?", ["yes", "no"])]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(place: Place, status: int) -> None:
    place.judge.plan = [Said(status=status, message="busy"), Said(status=status, message="busy")]
    spending = Spending()
    [answers] = place.ask(picture(), source=place.source(spending=spending))
    assert [answer.text for answer in answers] == ["yes", "yes", "red", "2"]
    assert spending.requests == len(place.judge.heard) == 3


def test_a_failure_that_stays_is_told_after_five_tries(place: Place) -> None:
    place.judge.otherwise = lambda heard: Said(status=500, message="all is lost")
    [answers] = place.ask(picture())
    assert any("500" in reason and "all is lost" in reason for reason in reasons(answers))
    assert len(place.judge.heard) == 5


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every wait there would have been, in seconds."""
    found: list[float] = []
    monkeypatch.setattr(RemoteAnswerer, "_pause", lambda answerer, seconds: found.append(seconds))
    return found


def test_waits_double_and_a_wanted_pause_is_kept(place: Place, waits: list[float]) -> None:
    busy = Said(status=429, message="slower")
    place.judge.plan = [busy, busy, replace(busy, headers={"Retry-After": "7"}), busy]
    place.ask(picture(), source=place.source(first_wait=0.25, per_minute=1e9))
    assert [wait for wait in waits if wait > 0.01] == [0.25, 0.5, 7.0, 2.0]


def test_a_service_closed_for_the_day_is_not_waited_for(place: Place) -> None:
    place.judge.plan = [Said(status=429, message="come back tomorrow", headers={"Retry-After": "86400"})]
    [answers] = place.ask(picture())
    assert any("come back tomorrow" in reason for reason in reasons(answers))
    assert len(place.judge.heard) == 1


def test_time_out(place: Place) -> None:
    place.judge.plan = [Said("{}", seconds=1.5)]
    [answers] = place.ask(picture(), source=place.source(timeout=0.3))
    assert [answer.text for answer in answers] == ["yes", "yes", "red", "2"]
    assert len(place.judge.heard) == 2


def test_nobody_there(place: Place) -> None:
    source = replace(place.source(), url="http://127.0.0.1:1")
    [answers] = place.ask(picture(), source=source)
    assert all("cannot be reached" in reason for reason in reasons(answers))


def test_key_missing(place: Place) -> None:
    for key in (None, SecretStr("  ")):
        source = place.source(key=key)
        if place.kind == "openai":  # local servers want none, OpenAI itself does
            source = replace(source, url=OPENAI_URL)
        with pytest.raises(MetricsError, match="needs a key"):
            source.load("cpu")
    assert not place.judge.heard


def test_a_local_server_may_want_no_key(judge: Judge, tmp_path: Path) -> None:
    judge.key = None
    place = Place("openai", judge, tmp_path)
    [answers] = place.ask(picture(), source=place.source(key=None))
    assert answers[0].text == "yes"
    assert "authorization" not in judge.heard[0].headers


def test_key_wrong_is_told_once_and_not_tried_again(place: Place) -> None:
    wrong = SecretStr("wrong-key-77aa")
    found = place.ask(picture(1), picture(2), source=place.source(key=wrong))
    for answers in found:
        assert all("does not accept the key" in reason for reason in reasons(answers))
    assert len(place.judge.heard) == 1
    assert "wrong-key-77aa" not in str(found)


def test_a_key_goes_over_https_only(place: Place) -> None:
    with pytest.raises(MetricsError, match="https only"):
        replace(place.source(), url="http://example.com/v1").load("cpu")
    replace(place.source(), url="https://example.com/v1").load("cpu")


def test_a_key_with_foreign_signs_is_refused(place: Place) -> None:
    with pytest.raises(MetricsError, match="paste it again"):
        place.source(key=SecretStr("sécret\nkey")).load("cpu")


def test_a_redirect_does_not_take_the_key_along(place: Place) -> None:
    with judging() as other:
        place.judge.otherwise = lambda heard: Said(status=307, headers={"Location": other.url + "/x"})
        [answers] = place.ask(picture())
        assert reasons(answers)
        assert not other.heard


def test_budget_of_requests(place: Place) -> None:
    spending = Spending(Budget(requests=2))
    found = place.ask(picture(1), picture(2), picture(3), picture(4), source=place.source(spending=spending))
    assert [own[0].text for own in found] == ["yes", "yes", None, None]
    assert all("budget of 2 requests" in reason for own in found[2:] for reason in reasons(own))
    assert len(place.judge.heard) == spending.requests == 2


def test_tries_count_against_the_budget(place: Place) -> None:
    place.judge.otherwise = lambda heard: Said(status=500, message="no")
    spending = Spending(Budget(requests=3))
    [answers] = place.ask(picture(), source=place.source(spending=spending))
    assert all("budget" in reason for reason in reasons(answers))
    assert len(place.judge.heard) == 3


def test_budget_of_money_is_never_passed(place: Place) -> None:
    # A request is $0.0017 at most here, so two fit under $0.004 and a third might not.
    price = Price(1.0, 3.0)
    spending = Spending(Budget(dollars=0.004), price)
    found = place.ask(*(picture(i) for i in range(5)), source=place.source(spending=spending))
    assert spending.dollars is not None
    assert 0 < spending.dollars <= 0.004
    assert [own[0].text is not None for own in found] == [True, True, True, False, False]
    assert all("$0.00" in reason for reason in reasons(found[-1]))


def test_a_budget_of_money_without_a_price_asks_nothing(place: Place) -> None:
    [answers] = place.ask(picture(), source=place.source(spending=Spending(Budget(dollars=1.0))))
    assert all("needs the price" in reason for reason in reasons(answers))
    assert not place.judge.heard


def test_what_is_kept_costs_nothing_when_the_budget_is_used_up(place: Place) -> None:
    place.ask(picture())
    spending = Spending(Budget(requests=0))
    [answers] = place.ask(picture(), source=place.source(spending=spending))
    assert answers[0].text == "yes"
    assert (spending.requests, spending.kept) == (0, len(QUESTIONS))


def test_cancelled_within_a_wait(place: Place) -> None:
    place.judge.otherwise = lambda heard: Said(status=429, message="slower", headers={"Retry-After": "60"})
    stopped = threading.Event()
    threading.Timer(0.2, stopped.set).start()
    with pytest.raises(Interrupted):
        place.ask(picture(), source=place.source(stop=stopped.is_set))
    assert len(place.judge.heard) == 1


def test_cancelled_before_anything_asks_nothing(place: Place) -> None:
    with pytest.raises(Interrupted):
        place.ask(picture(), source=place.source(stop=lambda: True))
    assert not place.judge.heard


def test_resumed_asks_no_question_twice(place: Place) -> None:
    heard_before_stop = 2
    source = place.source(stop=lambda: len(place.judge.heard) >= heard_before_stop)
    pictures = [picture(i) for i in range(4)]
    with pytest.raises(Interrupted):
        place.ask(*pictures, source=source)
    # Another process: the file is read anew.
    found = place.ask(*pictures, source=place.source(answers=AnswerFile(place.file)))
    assert all(answer.text for own in found for answer in own)
    asked = [(heard.picture, text) for heard in place.judge.heard for text, _ in heard.questions.values()]
    assert len(asked) == len(set(asked)) == 4 * len(QUESTIONS)


def test_another_model_and_another_host_are_asked_anew(place: Place) -> None:
    place.ask(picture())
    place.ask(picture(), source=replace(place.source(), model="another"))
    with judging() as other:
        place.ask(picture(), source=replace(place.source(), url=other.url))
        assert len(other.heard) == 1
    assert [heard.model for heard in place.judge.heard] == [SERVICES[place.kind][1], "another"]


def test_requests_keep_their_distance(place: Place, waits: list[float]) -> None:
    place.ask(*(picture(i) for i in range(3)), source=place.source(per_minute=1.0))
    first, second, third = waits
    assert first <= 0
    assert 55 < second <= 60
    assert 55 < third <= 60


def test_every_request_is_told(place: Place) -> None:
    told: list[str] = []
    place.ask(
        picture(1), picture(2), source=place.source(tell=lambda spending: told.append(spending.in_words()))
    )
    assert told == ["1 requests, 1,020 tokens", "2 requests, 2,040 tokens"]


def test_an_option_that_a_model_refuses_is_left_out(judge: Judge, tmp_path: Path) -> None:
    error = {"error": {"message": "Unsupported parameter", "param": "max_tokens"}}
    judge.plan = [Said(status=400, body=json.dumps(error))]
    place = Place("openai", judge, tmp_path)
    found = place.ask(picture(1), picture(2))
    assert all(answer.text for own in found for answer in own)
    assert len(judge.heard) == 3


@pytest.mark.parametrize("body", ["<html>hello</html>", "[]", '{"choices": []}', '{"candidates": 5}', ""])
def test_what_is_no_reply_at_all(place: Place, body: str) -> None:
    place.judge.plan = [Said(body=body)] * 5
    [answers] = place.ask(picture())
    assert reasons(answers)


def test_the_key_is_nowhere(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"your key {KEY} is odd"
    place.judge.plan = [
        Said(status=500, message=said),
        Said(f'{{"1": "{KEY}", "2": "yes"}}'),
        Said(refusal=said),
        Said(said),
        Said(status=400, message=said),
        Said(status=403, message=said),
    ]
    source = place.source()
    found = place.ask(*(picture(i) for i in range(6)), source=source)
    assert KEY in place.judge.heard[0].headers.get("x-goog-api-key", "") + place.judge.heard[0].headers.get(
        "authorization", ""
    )
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    output = "".join(capfd.readouterr())
    for text in (str(found), repr(source), repr(source.session), source.revision, str(source.card), written):
        assert KEY not in text
    assert KEY not in caplog.text
    assert KEY not in output
    assert "***" in str(found)


def test_the_file_survives_a_crash_within_a_line(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerFile(file).put_many({"a": "yes", "b": "no"})
    file.write_bytes(file.read_bytes()[:-5])
    again = AnswerFile(file)
    assert (again.get("a"), again.get("b")) == ("yes", None)
    again.put_many({"c": "red"})
    whole = AnswerFile(file)
    assert (whole.get("a"), whole.get("b"), whole.get("c")) == ("yes", None, "red")


def test_sources_are_equal_whatever_their_session(place: Place) -> None:
    assert place.source() == place.source(key=None, per_minute=1)
    assert hash(place.source()) == hash(place.source(key=None))
    assert place.source() != replace(place.source(), model="another")


def test_an_estimate_is_one_request_a_picture() -> None:
    assert estimate(100, None).dollars is None
    found = estimate(100, Price(1.0, 10.0))
    assert found.requests == 100
    assert found.dollars == pytest.approx(100 * (1_500 + 600) / 1e6)


def test_a_budget_is_not_below_nothing() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Budget(requests=-1)
