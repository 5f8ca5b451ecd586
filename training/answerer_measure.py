"""Measures the exported question answerer the way a user would ask it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageFilter
from transformers import BlipForQuestionAnswering, BlipProcessor

from training.askers import SKILLS
from training.questions import ask_several
from training.render import render
from training.subjects import Question
from training.world import draw_scene


def measure_answerer(folder: Path, count: int, seed: int) -> dict[str, float]:
    """Asks an exported answerer about freshly drawn pictures, clean ones and blurred ones.

    Args:
        folder: The exported folder.
        count: How many questions.
        seed: Seed of the pictures and questions.

    Returns:
        Shares of right answers: in all, for each skill, for each type of answer and for the
        yes-or-no and the number questions about counts; the share of "yes" among the answers
        to yes-or-no questions; and the same for the blurred pictures, named "blurred_...".
    """
    model = BlipForQuestionAnswering.from_pretrained(folder, local_files_only=True)
    processor = BlipProcessor.from_pretrained(folder, local_files_only=True)
    rng = random.Random(seed)
    cases: list[tuple[Image.Image, Question]] = []
    while len(cases) < count:
        scene = draw_scene(rng)
        image = render(scene)
        cases += [(image, question) for question in ask_several(rng, scene, 4, [1.0] * len(SKILLS))]
    cases = cases[:count]
    questions = [question for _, question in cases]
    images = [image for image, _ in cases]
    blurred = [image.filter(ImageFilter.GaussianBlur(1.5)) for image in images]
    report = answer_shares(questions, answers(model, processor, images, questions))
    worse = answer_shares(questions, answers(model, processor, blurred, questions))
    return report | {f"blurred_{name}": share for name, share in worse.items()}


def answers(
    model: BlipForQuestionAnswering,
    processor: BlipProcessor,
    images: Sequence[Image.Image],
    questions: Sequence[Question],
) -> list[str]:
    """Returns the answers that `generate` gives, 32 questions at a time.

    Args:
        model: The model.
        processor: Its processor.
        images: A picture for each question.
        questions: The questions.

    Returns:
        The answers as text.
    """
    given: list[str] = []
    for start in range(0, len(questions), 32):
        texts = [question.text for question in questions[start : start + 32]]
        inputs = processor(images=images[start : start + 32], text=texts, padding=True, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=3)
        given += processor.batch_decode(tokens, skip_special_tokens=True)
    return given


def answer_shares(questions: Sequence[Question], given: Sequence[str]) -> dict[str, float]:
    """Returns the shares of right answers by skill and by type, and of "yes" where yes or no was asked.

    Args:
        questions: The questions.
        given: The answers given.

    Returns:
        Shares by name.
    """
    right = [answer == question.answer for question, answer in zip(questions, given, strict=True)]
    report = shares(questions, right)
    kinds = [_kind(question) for question in questions]
    for kind in dict.fromkeys(kinds):
        hits = [hit for hit, other in zip(right, kinds, strict=True) if other == kind]
        report[kind] = sum(hits) / len(hits)
    binary = [
        (question, answer, hit)
        for question, answer, hit, kind in zip(questions, given, right, kinds, strict=True)
        if kind == "yes_no"
    ]
    counted = [hit for question, _, hit in binary if question.skill == "count"]
    report["count_yes_no"] = sum(counted) / max(len(counted), 1)
    report["said_yes"] = sum(answer == "yes" for _, answer, _ in binary) / max(len(binary), 1)
    return report


def _kind(question: Question) -> str:
    """Returns the type of a question's answer."""
    if question.answer in ("yes", "no"):
        return "yes_no"
    return "number" if question.answer.isdigit() else "word"


def shares(questions: Sequence[Question], right: Sequence[bool]) -> dict[str, float]:
    """Returns the share of right answers for each skill and in all.

    Args:
        questions: The questions.
        right: Whether each was answered rightly.

    Returns:
        Shares by skill, and "all".
    """
    asked = Counter(question.skill for question in questions)
    hits = Counter(question.skill for question, hit in zip(questions, right, strict=True) if hit)
    shares = {skill: hits[skill] / asked[skill] for skill in SKILLS if asked[skill]}
    return shares | {"all": sum(right) / len(right)}
