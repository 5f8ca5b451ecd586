"""Did it draw what was asked for? Metrics on the answers to questions about a picture.

All of them read the same answerer, so a picture goes through its vision encoder once, and a
question that two of them ask is answered once.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from typing import Any, ClassVar

from metrics.answerers.base import Answer, Answerer, AnswererSource
from metrics.answerers.catalog import CARDS, answerer_source
from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.parsing import plain_sentence
from metrics.question_sources import questions_for, questions_text
from metrics.questions import YES_NO, Question
from metrics.vocabulary import refuse_foreign

_NEEDS = ("image", "prompt or questions")
_JUDGE = "Only as good as its answerer: numbers of two answerers, or of two tiers, are never to be compared."
_PARSED = (
    "Without questions in the suite a parser makes them: it asks for objects, counts, colours, attributes "
    "and places, and keeps silent about the rest of the prompt."
)
_HALF = (
    "About half of the yes-or-no questions are to be answered with no, so an empty picture is not at 0, "
    "and numbers are not those of published tables."
)
_DRAWN = "The bundled answerer knows the bundled drawn world only."


class AnswerMetric(Metric):
    """Asks an answerer about each picture and turns the answers into a score."""

    soft: ClassVar[bool] = False
    """Whether it needs probabilities."""

    def __init__(self) -> None:
        self._assets: Path | None = None

    def source(self, tier: Tier, assets: Path) -> AnswererSource:
        """The answerer of a tier."""
        self._assets = assets  # where the words of the drawn world are
        return answerer_source(tier, assets)

    def asked(self, sample: Sample) -> tuple[Question, ...]:
        """The questions about a picture."""
        return questions_for(sample).questions

    def text(self, samples: Sequence[Sample]) -> str:
        """The value depends on the questions alone: the prompt only leads to them."""
        return questions_text(self.asked(samples[0]))

    def refusal(self, samples: Sequence[Sample], source: AnswererSource) -> str | None:
        """Nothing to ask, an answerer without probabilities, or one that knows nothing of the prompt."""
        sample = samples[0]
        if not sample.prompt.strip() and not sample.questions:
            return f"The prompt of this image is not known; give it one to get a {self.card.name} score."
        if source.drawn_world and self._assets is not None:
            foreign = refuse_foreign(samples, self._assets, "question answerer")
            if foreign:
                return foreign
        if self.soft and not source.gives_probabilities:
            return (
                f"{source.card.id} gives no probabilities, which {self.card.name} is made of; "
                "choose another answerer."
            )
        if not self.asked(sample):
            return "Nothing was found to ask about this prompt; write questions for it in the Prompt Editor."
        return None

    def judge(self, units: Sequence[Unit], network: Answerer) -> list[Score]:
        """One score for each picture, with every question and its answer in detail."""
        samples = [unit.samples[0] for unit in units]
        questions = [self.asked(sample) for sample in samples]
        answers = network.answer([unit.features[0] for unit in units], questions)
        return [
            self._score(sample, own, given)
            for sample, own, given in zip(samples, questions, answers, strict=True)
        ]

    def _score(self, sample: Sample, questions: Sequence[Question], answers: Sequence[Answer]) -> Score:
        detail = {
            "questions": [evidence(q, a) for q, a in zip(questions, answers, strict=True)],
            **self.origin(sample),
        }
        lacking = unanswered(questions, answers, self.soft)
        if lacking:
            return Score.unscored(lacking, **detail)
        value, more = self.value(questions, answers)
        return Score.of(value, **more, **detail)

    def origin(self, sample: Sample) -> dict[str, Any]:
        """Where the questions come from, as part of the detail."""
        return {"questions_from": questions_for(sample).origin}

    @abstractmethod
    def value(self, questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The value, and what else belongs into the detail.

        Args:
            questions: At least one.
            answers: One each, none of them missing.
        """


def evidence(question: Question, answer: Answer) -> dict[str, Any]:
    """A question with its answer, as plain JSON values."""
    return {
        **question.to_dict(),
        "control": question.control,
        "answer": answer.text,
        "probability": answer.probability,
        "right": None if answer.text is None else is_right(question, answer),
        "raw": answer.raw,
        **({"reason": answer.reason} if answer.reason else {}),
    }


def is_right(question: Question, answer: Answer) -> bool:
    """Whether the answer is the expected one."""
    return answer.text == question.expected


def unanswered(questions: Sequence[Question], answers: Sequence[Answer], soft: bool = False) -> str | None:
    """Why there can be no score, because a question has no answer; None if all have one.

    Args:
        questions: What was asked.
        answers: One each.
        soft: Whether an answer without a probability is none.
    """
    lacking = [
        (question, answer)
        for question, answer in zip(questions, answers, strict=True)
        if answer.text is None or (soft and answer.probability is None)
    ]
    if not lacking:
        return None
    question, answer = lacking[0]
    reason = answer.reason or "The answerer gave no probability."
    return f"{len(lacking)} of {len(questions)} questions were not answered. {question.text} {reason}"


def by_skill(questions: Sequence[Question], points: Sequence[float]) -> dict[str, dict[str, float]]:
    """The mean of the points of each skill, and of how many questions."""
    groups: dict[str, list[float]] = {}
    for question, point in zip(questions, points, strict=True):
        groups.setdefault(question.skill, []).append(point)
    return {skill: {"mean": _mean(found), "questions": len(found)} for skill, found in groups.items()}


def gated(questions: Sequence[Question], right: Mapping[str, bool]) -> dict[str, bool]:
    """The answers after DSG's rule: wrong where a direct parent was answered wrongly.

    Parents are looked up as they were answered, not as they were gated. What is no question of
    this prompt is no parent.

    Args:
        questions: The questions.
        right: Whether each was answered rightly, by id.
    """
    return {q.id: right[q.id] and all(right.get(parent, True) for parent in q.parents) for q in questions}


def _mean(points: Sequence[float]) -> float:
    return sum(points) / len(points)


class Tifa(AnswerMetric):
    """TIFA: the share of questions that are answered as expected.

    Reference: Hu et al. 2023, TIFA, arXiv:2303.11897. The questions and the answerer are others.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="tifa",
        name="TIFA",
        question="How much of what the prompt says is on the picture?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula="right answers / questions; an answer is the likeliest of a question's choices",
        needs=_NEEDS,
        backbones=CARDS,
        citation="Hu et al. 2023, TIFA, arXiv:2303.11897; other questions, another answerer",
        weaknesses=(
            _JUDGE,
            _PARSED,
            _HALF,
            "What is asked of a thing that is missing counts as well; DSG looks at that.",
            _DRAWN,
        ),
        status="established",
        version="1",
    )

    def value(self, questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The share right, in all and by skill, and of the controls."""
        right = [float(is_right(q, a)) for q, a in zip(questions, answers, strict=True)]
        controls = [point for question, point in zip(questions, right, strict=True) if question.control]
        more = {"controls": {"mean": _mean(controls), "questions": len(controls)}} if controls else {}
        return _mean(right), {"skills": by_skill(questions, right), **more}


class Dsg(AnswerMetric):
    """DSG: as TIFA, but what is asked of a thing that is missing counts as wrong.

    Reference: Cho et al. 2024, Davidsonian Scene Graph, arXiv:2310.18235.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="dsg",
        name="DSG",
        question="How much of what the prompt says is there, counting nothing of things that are missing?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula=(
            "right answers / all questions; a question with a direct parent that was answered wrongly counts "
            "as wrong. The share without that rule is kept as raw"
        ),
        needs=_NEEDS,
        backbones=CARDS,
        citation=(
            "Cho et al. 2024, Davidsonian Scene Graph, arXiv:2310.18235; other questions, another answerer"
        ),
        weaknesses=(
            _JUDGE,
            _PARSED,
            _HALF,
            "The rule makes results readable and hardly changes how well they agree with people.",
            _DRAWN,
        ),
        status="established",
        version="1",
    )

    def value(self, questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The gated share, the raw one, and the ids of what a parent made wrong."""
        right = {q.id: is_right(q, a) for q, a in zip(questions, answers, strict=True)}
        counted = gated(questions, right)
        points = [float(counted[question.id]) for question in questions]
        blocked = [name for name, kept in counted.items() if right[name] and not kept]
        more = {"raw": _mean([float(r) for r in right.values()]), "gated": _mean(points), "blocked": blocked}
        return _mean(points), {**more, "skills": by_skill(questions, points)}


class SoftTifa(AnswerMetric):
    """Soft-TIFA: probabilities of the expected answers in place of right and wrong.

    Reference: GenEval 2 (Kamath et al. 2025), whose geometric mean stands for the whole prompt.
    """

    soft = True
    card: ClassVar[MetricCard] = MetricCard(
        id="soft_tifa",
        name="Soft-TIFA",
        question="How surely is everything the prompt says on the picture?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula=(
            "geometric mean over the questions of P(expected answer) among the choices; the arithmetic mean "
            "is kept beside it, in all and by skill"
        ),
        needs=_NEEDS,
        backbones=CARDS,
        citation="GenEval 2, Meta 2025 (Soft-TIFA AM and GM); other questions, another answerer",
        weaknesses=(
            _JUDGE,
            _PARSED,
            "The geometric mean is near 0 as soon as one thing surely fails; the arithmetic one, in detail, "
            "tells how much does.",
            "Answerers that are too sure of themselves make it as coarse as right and wrong.",
            _DRAWN,
        ),
        status="established",
        version="1",
    )

    def value(self, questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The geometric mean, and the arithmetic one in all and by skill."""
        chances = [min(max(answer.probability or 0.0, 0.0), 1.0) for answer in answers]
        geometric = geometric_mean(chances)
        return geometric, {"gm": geometric, "am": _mean(chances), "skills": by_skill(questions, chances)}


def geometric_mean(chances: Sequence[float]) -> float:
    """The geometric mean of probabilities; 0 where one of them is."""
    return exp(_mean([log(chance) for chance in chances])) if min(chances) > 0 else 0.0


class VqaScore(AnswerMetric):
    """VQAScore: the probability of "yes" when asked whether the image shows the prompt.

    Reference: Lin et al. 2024, VQAScore, arXiv:2404.01291; its template says "figure".
    """

    soft = True
    card: ClassVar[MetricCard] = MetricCard(
        id="vqa_score",
        name="VQAScore",
        question="How surely does the picture show the prompt as a whole?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula='P("yes") / (P("yes") + P("no")) for: Does this image show <prompt>?',
        needs=("image", "prompt"),
        backbones=CARDS,
        citation="Lin et al. 2024, VQAScore, arXiv:2404.01291; another answerer",
        weaknesses=(
            _JUDGE,
            "Gives no reason: TIFA and DSG tell what is wrong.",
            "Close to 1 for every picture of a strong model.",
            "Only answerers that give probabilities; the Gemini API gives none.",
            _DRAWN,
        ),
        status="established",
        version="1",
    )

    def asked(self, sample: Sample) -> tuple[Question, ...]:
        """The one question, with the prompt freed of weights and LoRA tags."""
        sentence = plain_sentence(sample.prompt)
        if not sentence:
            return ()
        return (Question("prompt", f"Does this image show {sentence}?", "yes", "other", YES_NO),)

    def refusal(self, samples: Sequence[Sample], source: AnswererSource) -> str | None:
        """No prompt, or what any of these metrics refuses."""
        if not samples[0].prompt.strip():
            return f"The prompt of this image is not known; give it one to get a {self.card.name}."
        return super().refusal(samples, source)

    def origin(self, sample: Sample) -> dict[str, Any]:
        """The question is always made of the prompt."""
        return {}

    def value(self, questions: Sequence[Question], answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The probability of "yes"."""
        return min(max(answers[0].probability or 0.0, 0.0), 1.0), {}


METRICS = (Tifa, Dsg, SoftTifa, VqaScore)
