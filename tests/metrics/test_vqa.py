"""Arithmetic of the question metrics, against hand computation; answers are given, no network is used."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from metrics import MemoryCache, Sample, Score, ScoreOptions, list_metrics
from metrics.answerers.base import Answer, AnswererSource
from metrics.answerers.catalog import answerer_source
from metrics.base import BackboneCard, Unit
from metrics.questions import Question
from metrics.vqa import METRICS, AnswerMetric, Dsg, SoftTifa, Tifa, VqaScore, geometric_mean
from tests.metrics.counting import scored

# A tree as "name<parent,parent", right answers as 1; then raw and gated shares, worked out by hand.
TREES = [
    ("a", "1", 1, 1),
    ("a", "0", 0, 0),
    ("a b", "10", 1 / 2, 1 / 2),
    ("a b<a", "11", 1, 1),
    ("a b<a", "01", 1 / 2, 0),
    ("a b<a", "10", 1 / 2, 1 / 2),
    ("a b<a", "00", 0, 0),
    ("a b<a c<b", "111", 1, 1),
    ("a b<a c<b", "011", 2 / 3, 1 / 3),  # only direct parents count: c keeps its point
    ("a b<a c<b", "101", 2 / 3, 1 / 3),
    ("a b<a c<b", "001", 1 / 3, 0),
    ("a b c<a,b", "111", 1, 1),
    ("a b c<a,b", "011", 2 / 3, 1 / 3),
    ("a b c<a,b", "101", 2 / 3, 1 / 3),
    ("a b c<a,b", "001", 1 / 3, 0),
    ("a b c<a,b", "110", 2 / 3, 2 / 3),
    ("a b<a c<a d<a", "0111", 3 / 4, 0),
    ("a b<a c<a d<a", "1011", 3 / 4, 3 / 4),
    ("a b<a c<a d<b,c", "1111", 1, 1),
    ("a b<a c<a d<b,c", "1011", 3 / 4, 2 / 4),
    ("a b<a c<a d<b,c", "0111", 3 / 4, 1 / 4),
    ("a b<a c d<c", "0111", 3 / 4, 2 / 4),
    ("b<a a", "10", 1 / 2, 0),  # a parent may come after its child
    ("a<x b", "11", 1, 1),  # what is no question is no parent
    ("a b<a c<a,b d<c e<d", "10111", 4 / 5, 3 / 5),
    ("a b c<a d<b e<a,b", "10111", 4 / 5, 2 / 5),
]


def tree(text: str) -> tuple[Question, ...]:
    found = []
    for part in text.split():
        name, _, parents = part.partition("<")
        found.append(
            Question(name, f"Is there a {name}?", parents=tuple(parents.split(",")) if parents else ())
        )
    return tuple(found)


class Given:
    """Answers as they are told."""

    gives_probabilities = True

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers

    def answer(self, features: Sequence[Any], questions: Sequence[Sequence[Question]]) -> list[list[Answer]]:
        return [[self.answers[question.id] for question in own] for own in questions]


def judge(metric: AnswerMetric, questions: Sequence[Question], answers: Sequence[Answer]) -> Score:
    sample = Sample("x", Path("x.png"), "a prompt", "0" * 64, questions=tuple(questions))
    network: Any = Given({q.id: a for q, a in zip(questions, answers, strict=True)})
    (score,) = metric.judge([Unit((sample,), (None,))], network)
    return score


def said(right: str, questions: Sequence[Question]) -> list[Answer]:
    return [Answer(q.expected if mark == "1" else "no") for mark, q in zip(right, questions, strict=True)]


@pytest.mark.parametrize(("text", "right", "raw", "gated"), TREES)
def test_tifa_and_dsg_on_trees(text: str, right: str, raw: float, gated: float) -> None:
    questions = tree(text)
    tifa, dsg = (judge(metric, questions, said(right, questions)) for metric in (Tifa(), Dsg()))
    assert tifa.value == pytest.approx(raw)
    assert dsg.value == pytest.approx(gated)
    assert dsg.detail["raw"] == pytest.approx(raw)
    assert dsg.detail["gated"] == pytest.approx(gated)
    assert len(dsg.detail["blocked"]) == round((raw - gated) * len(questions))


def test_there_are_more_than_twenty_trees() -> None:
    assert len({(text, right) for text, right, _, _ in TREES}) == len(TREES) >= 20


ASKED = (
    Question("q1", "Is there a dog?"),
    Question("q2", "What color is the dog?", "red", "colour", ("red", "blue", "green"), ("q1",)),
    Question("q3", "How many dogs are there?", "2", "count", ("1", "2", "3"), ("q1",)),
    Question("q4", "Is the dog blue?", "no", "colour", parents=("q1",)),
)
ANSWERS = (
    Answer("yes", probability=0.9),
    Answer("blue", probability=0.2),
    Answer("2", probability=0.5),
    Answer("no", probability=0.8),
)


def test_tifa_by_hand() -> None:
    score = judge(Tifa(), ASKED, ANSWERS)
    assert score.value == pytest.approx(3 / 4)
    assert score.detail["skills"] == {
        "object": {"mean": 1.0, "questions": 1},
        "colour": {"mean": 0.5, "questions": 2},
        "count": {"mean": 1.0, "questions": 1},
    }
    assert score.detail["controls"] == {"mean": 1.0, "questions": 1}
    assert score.detail["questions_from"] == "suite"
    assert [(row["answer"], row["right"], row["control"]) for row in score.detail["questions"]] == [
        ("yes", True, False),
        ("blue", False, False),
        ("2", True, False),
        ("no", True, True),
    ]


def test_soft_tifa_by_hand() -> None:
    score = judge(SoftTifa(), ASKED, ANSWERS)
    assert score.detail["am"] == pytest.approx((0.9 + 0.2 + 0.5 + 0.8) / 4)
    assert score.value == score.detail["gm"] == pytest.approx((0.9 * 0.2 * 0.5 * 0.8) ** 0.25)
    assert score.detail["skills"]["colour"] == {"mean": pytest.approx(0.5), "questions": 2}


def test_the_geometric_mean() -> None:
    assert geometric_mean([0.5, 0.0, 1.0]) == 0.0
    assert geometric_mean([1.0]) == 1.0
    # Far below what a product of 60 such numbers could hold.
    assert geometric_mean([1e-9] * 60) == pytest.approx(exp(log(1e-9)))


def test_vqa_score_is_the_probability_of_yes() -> None:
    metric = VqaScore()
    sample = Sample("x", Path("x.png"), "(A red Car:1.2), <lora:z:1>\n")
    (question,) = metric.asked(sample)
    assert question.text == "Does this image show A red Car?"
    assert question.choices == ("yes", "no")
    network: Any = Given({"prompt": Answer("no", probability=0.3)})
    (score,) = metric.judge([Unit((sample,), (None,))], network)
    assert score.value == pytest.approx(0.3)
    assert "questions_from" not in score.detail


@pytest.mark.parametrize("metric", [Tifa(), Dsg(), SoftTifa()])
def test_an_unanswered_question_is_never_counted_as_wrong(metric: AnswerMetric) -> None:
    answers = [*ANSWERS[:2], Answer(None, "It was refused."), Answer(None, "Too late.")]
    score = judge(metric, ASKED, answers)
    assert score.value is None
    assert score.reason == ("2 of 4 questions were not answered. How many dogs are there? It was refused.")
    assert [row["right"] for row in score.detail["questions"]] == [True, False, None, None]
    assert score.detail["questions"][2]["reason"] == "It was refused."


def test_soft_scores_need_probabilities() -> None:
    hard = [replace(answer, probability=None) for answer in ANSWERS]
    assert judge(Tifa(), ASKED, hard).value == pytest.approx(3 / 4)
    score = judge(SoftTifa(), ASKED, hard)
    assert score.value is None
    assert "4 of 4 questions were not answered" in (score.reason or "")


class Remote(AnswererSource):
    """An answerer that gives no probabilities, as those behind an API do."""

    card = BackboneCard("remote", "1", 0, 0, "")  # type: ignore[assignment]
    revision = preprocessing = "1"  # type: ignore[assignment]
    gives_probabilities = False  # type: ignore[assignment]

    def load(self, device: str) -> Any:
        raise AssertionError("refused before anything is loaded")


@pytest.mark.parametrize(
    ("metric", "refused"), [(Tifa, False), (Dsg, False), (SoftTifa, True), (VqaScore, True)]
)
def test_an_answerer_without_probabilities_is_refused_where_they_are_needed(
    metric: type[AnswerMetric], refused: bool
) -> None:
    reason = metric().refusal([Sample("x", Path("x.png"), "a red car")], Remote())
    assert ("gives no probabilities" in reason) if refused and reason else not refused and reason is None


@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_asked_is_refused_with_a_reason(metric: type[AnswerMetric], assets: Path) -> None:
    def refusal(prompt: str, questions: tuple[Question, ...] = ()) -> str | None:
        made = metric()
        source = made.source("bundled", assets)
        return made.refusal([Sample("x", Path("x.png"), prompt, questions=questions)], source)

    assert "is not known" in (refusal(" ") or "")
    assert "never taught 'dragon'" in (refusal("a dragon") or "")
    assert refusal("a red circle") is None
    if metric is not VqaScore:
        assert "Nothing was found to ask" in (refusal("above and below") or "")


def test_equal_sources_so_that_one_pass_serves_all(assets: Path) -> None:
    sources = {metric().source("bundled", assets) for metric in METRICS}
    assert sources == {answerer_source("bundled", assets)}


def test_the_cards_are_listed() -> None:
    ids = [card.id for card in list_metrics()]
    assert {"tifa", "dsg", "soft_tifa", "vqa_score"} <= set(ids)
    for metric in METRICS:
        assert {"bundled", "standard", "large"} <= set(metric.card.backbones)


def test_an_edited_question_scores_again_only_what_it_touches(scenes: Path, options: ScoreOptions) -> None:
    questions = (Question("q1", "is there a circle?"), Question("q2", "is the circle red?", parents=("q1",)))
    first, second = (
        Sample(name, scenes / name, "a red circle", questions=questions)
        for name in ("red_circle.png", "blue_square.png")
    )
    cached = replace(options, cache=MemoryCache())
    before = scored([first, second], ["tifa", "dsg"], cached)
    assert [event.cached for event in before] == [False] * 4
    assert {e.sample.key: e.score.value for e in before if e.metric == "dsg"} == {
        "red_circle.png": 1.0,
        "blue_square.png": 0.0,
    }
    edited = (questions[0], replace(questions[1], text="is there a red circle?"))
    after = scored([first, replace(second, questions=edited)], ["tifa", "dsg"], cached)
    assert {(e.sample.key, e.cached) for e in after} == {("red_circle.png", True), ("blue_square.png", False)}
