"""Trains and writes the question answerer: it first learns to see, then to answer.

The vision tower is taught openly what stands where (`sight.py`), at first in windows around
objects. Then the text side learns questions on top of the still tower, and at last all of
it together. Linear heads, dropped later, read off the question encoder which objects are
asked about, how many of them there are and where: "yes" and "no" alone tell a small network
too little.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BlipForQuestionAnswering

from training.answerer_measure import shares
from training.answerer_model import (
    ReadingHeads,
    answer_ids,
    answer_logits,
    build_answerer,
    build_processor,
    encode_questions,
    pack,
    parts,
    reading_labels,
)
from training.answerer_start import start_reading
from training.checkpoint import Average, TrainingState, decoupled_groups, log_to, set_rate
from training.codes import to_tensor
from training.files import fresh, replace_folder, tidy_configurations
from training.questions import ask_several
from training.render import render_batch
from training.settings import AnswererSettings
from training.sight import SightHeads, draw_pictures, draw_scenes, look, window
from training.world import draw_scene


class Answerer:
    """Model, processor and readers under training."""

    def __init__(self, settings: AnswererSettings) -> None:
        """Builds everything untrained.

        Args:
            settings: The settings.
        """
        torch.manual_seed(settings.seed)
        self.settings, self.processor = settings, build_processor()
        self.model = build_answerer(settings, self.processor.tokenizer).train()
        self.sight, self.reading = SightHeads(settings.hidden_size), ReadingHeads(settings.hidden_size)
        self.modules: dict[str, nn.Module] = {
            **parts(self.model),
            "sight": self.sight,
            "reading": self.reading,
        }

    def sight_loss(self, rng: random.Random, step: int) -> dict[str, Tensor]:
        """Returns the losses of seeing, first in windows around objects, then in whole pictures."""
        settings, vision = self.settings, self.model.vision_model
        windows = step < settings.window_steps
        scenes = draw_scenes(rng, settings.window_batch_size if windows else settings.sight_batch_size)
        images = draw_pictures(scenes, rng, min(1.0, step / settings.window_steps))
        if not windows:
            return self.sight.losses(vision(images).last_hidden_state, scenes)
        kept = torch.tensor([window(rng, scene, settings.window_side) for scene in scenes])
        return self.sight.losses(look(vision, images, kept), scenes, kept)

    def question_loss(self, rng: random.Random, step: int) -> dict[str, Tensor]:
        """Returns the losses of answering and reading, and of seeing where the tower learns as well."""
        settings, tokenizer = self.settings, self.processor.tokenizer
        scenes = draw_scenes(rng, settings.pictures)
        asked = [ask_several(rng, scene, settings.questions, settings.skill_weights) for scene in scenes]
        joint = step >= settings.question_steps
        with torch.set_grad_enabled(joint):
            features = self.model.vision_model(draw_pictures(scenes, rng, 1.0)).last_hidden_state
        packed = pack(tokenizer, asked, rng)
        encoded = encode_questions(self.model, features, packed)
        answers = answer_ids(tokenizer, asked)
        logits = answer_logits(self.model, encoded, packed, answers)
        targets = torch.stack([answers, torch.full_like(answers, tokenizer.sep_token_id)], dim=-1)
        labels = [
            reading_labels(scene, question.subjects)
            for scene, questions in zip(scenes, asked, strict=True)
            for question in questions
        ]
        rows, starts, _ = packed.spans.unbind(-1)
        losses = {
            "answer": 2 * functional.cross_entropy(logits.flatten(0, 1), targets.flatten()),
            "reading": settings.reading_weight
            * self.reading.loss(encoded[rows, starts], torch.stack(labels)),
        }
        if joint:
            weight = settings.joint_center_weight
            seen = self.sight.losses(features, scenes, center_weight=weight).values()
            losses["sight"] = settings.sight_weight * torch.stack(list(seen)).sum()
        return losses

    @torch.no_grad()
    def accuracy(self, count: int) -> dict[str, float]:
        """Returns the share of right answers on clean pictures, for each skill and in all."""
        rng = random.Random(99)
        scenes = [draw_scene(rng) for _ in range(count)]
        asked = [ask_several(rng, scene, 8, self.settings.skill_weights) for scene in scenes]
        self.model.eval()
        features = self.model.vision_model(to_tensor(render_batch(scenes))).last_hidden_state
        packed = pack(self.processor.tokenizer, asked)
        answers = answer_ids(self.processor.tokenizer, asked)
        logits = answer_logits(self.model, encode_questions(self.model, features, packed), packed, answers)
        right = (logits[:, 0].argmax(-1) == answers).tolist()
        seen = self.sight.accuracy(features, scenes)
        self.model.train()
        questions = [question for several in asked for question in several]
        return {f"sees_{name}": share for name, share in seen.items()} | shares(questions, right)


@dataclass(frozen=True)
class Course:
    """One of the two trainings that follow one another."""

    name: str
    steps: int
    learning_rate: float
    rates: Mapping[str, float]  # share of the learning rate for each trained module


def train_answerer(settings: AnswererSettings, work: Path) -> None:
    """Trains sight and then answers to the end and writes `WORK/answerer`; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    if (work / "answerer").exists():
        return
    learner = Answerer(settings)
    steps = settings.window_steps + settings.sight_steps
    rates = dict.fromkeys(("vision", "sight"), 1.0)
    _train(learner, Course("sight", steps, settings.sight_learning_rate, rates), learner.sight_loss, work)
    start_reading(learner.model, learner.sight, learner.processor.tokenizer)
    steps = settings.question_steps + settings.joint_steps
    rates = dict.fromkeys(learner.modules, 1.0) | {"vision": settings.vision_share}
    _train(learner, Course("answers", steps, settings.learning_rate, rates), learner.question_loss, work)
    temporary = fresh(work / "answerer")
    learner.model.save_pretrained(temporary)
    replace_folder(temporary, work / "answerer")


def _train(
    learner: Answerer, course: Course, loss_of: Callable[[random.Random, int], dict[str, Tensor]], work: Path
) -> None:
    """Runs a course to its end and leaves the averaged weights in place.

    Args:
        learner: What is trained.
        course: Which course.
        loss_of: Gives the losses from a source of chance and the step.
        work: Folder of the run.
    """
    settings = learner.settings
    modules = {name: learner.modules[name] for name in course.rates}
    groups = decoupled_groups(modules, course.rates, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    average = Average(modules, settings.ema_decay)
    state = TrainingState(work / f"answerer_{course.name}.safetensors", modules, optimizer, average)
    log = log_to(work / "logs" / "answerer.jsonl")
    while state.step < course.steps:
        ramp = min(1.0, (state.step + 1) / settings.warmup_steps)
        cosine = 0.01 + 0.5 + 0.5 * math.cos(math.pi * state.step / course.steps)
        set_rate(optimizer, course.learning_rate * ramp * cosine)
        losses = loss_of(random.Random(settings.seed * 1_000_003 + state.step), state.step)
        optimizer.zero_grad()
        sum(losses.values(), torch.zeros(())).backward()
        for module in modules.values():
            torch.nn.utils.clip_grad_norm_(module.parameters(), settings.gradient_limit)
        optimizer.step()
        state.step += 1
        average.update(state.step)
        facts = {"course": course.name, "step": state.step, "cpu_minutes": state.cpu_seconds / 60}
        if state.step % settings.log_every == 0:
            log(**facts, **{name: loss.item() for name, loss in losses.items()})
        if state.step % settings.eval_every == 0 or state.step == course.steps:
            average.swap()
            log(**facts, **learner.accuracy(settings.eval_pictures))
            average.swap()
            state.save()
        state.save_if_due(settings.checkpoint_seconds)
    average.swap()


def export_answerer(settings: AnswererSettings, work: Path, target: Path) -> None:
    """Writes the folder that `BlipForQuestionAnswering` and `BlipProcessor` load, in half precision.

    Args:
        settings: The settings.
        work: Folder of the run.
        target: The folder; an old one is replaced when the new one is whole.
    """
    temporary = fresh(target)
    BlipForQuestionAnswering.from_pretrained(work / "answerer").half().save_pretrained(temporary)
    build_processor().save_pretrained(temporary)
    tidy_configurations(temporary)
    replace_folder(temporary, target)
