"""Trains the scoring CLIP: contrastive learning with one-word siblings, helped by teachers."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from training.checkpoint import TrainingState, decoupled_groups, log_to, set_rate
from training.clip_measure import Towers, measure
from training.clip_pictures import draw_batch, preprocess, training_pictures
from training.clip_teachers import Features, Teachers
from training.settings import CONTEXT_LENGTH, ClipSettings
from training.tokenizer import build_tokenizer

__all__ = ["Towers", "build_clip", "measure", "model_config", "preprocess", "train_clip"]

# Apart from the seed of the published figures, so that nothing is chosen by those.
_CURVE_SEED = 501


def model_config(settings: ClipSettings, vocabulary_size: int) -> dict[str, Any]:
    """Returns the open_clip model configuration."""
    return {
        "embed_dim": settings.embed_dim,
        "vision_cfg": {
            "image_size": settings.image_size,
            "layers": list(settings.vision_layers),
            "width": settings.vision_width,
            "head_width": settings.vision_head_width,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": settings.text_width,
            "heads": settings.text_heads,
            "layers": settings.text_layers,
        },
    }


def build_clip(settings: ClipSettings, tokenizer: CLIPTokenizer) -> CLIP:
    """Builds an untrained CLIP that fits the tokenizer."""
    return CLIP(**model_config(settings, len(tokenizer)), quick_gelu=False)


def _features(towers: Towers, images: Tensor, captions: list[str]) -> Features:
    """Runs both towers, the image tower stage by stage, in the short floats that are faster here."""
    visual = towers.model.visual
    with torch.autocast("cpu", dtype=torch.bfloat16):
        middle = visual.layer2(visual.layer1(visual.stem(images)))
        top = visual.layer4(visual.layer3(middle))
        pictures = visual.attnpool(top)
        texts = towers.captions(captions)
    pictures, texts = (functional.normalize(raw.float(), dim=-1) for raw in (pictures, texts))
    return Features(middle.float(), top.float(), pictures, texts)


def _losses(towers: Towers, teachers: Teachers, settings: ClipSettings, step: int) -> dict[str, Tensor]:
    """Returns the weighted losses of the batch that belongs to a step."""
    mark = settings.seed * 1_000_003 + step
    batch = draw_batch(random.Random(mark), settings.batch_size, settings.reading_batch_size)
    images = training_pictures(batch.drawn, settings.image_size, mark)
    images = images.contiguous(memory_format=torch.channels_last)
    features = _features(towers, images, [scene.caption for scene in batch.worded])
    size = len(batch.scenes)
    logits = towers.model.logit_scale.exp() * features.pictures @ features.texts[:size].T
    truth = torch.arange(size)
    find_caption, find_picture = (functional.cross_entropy(side, truth) for side in (logits[:size], logits.T))
    weights = dict(settings.teacher_weights)
    taught = {name: weights[name] * loss for name, loss in teachers.losses(features, batch).items()}
    return {"contrast": (find_caption + find_picture) / 2} | taught


def rate_share(settings: ClipSettings, step: int) -> float:
    """Returns the share of the learning rate at a step: up, level, and down to nothing at the end."""
    left = (settings.steps - step) / settings.steps
    return min(1.0, (step + 1) / settings.warmup_steps, left / (1 - settings.decay_from))


def train_clip(settings: ClipSettings, work: Path) -> None:
    """Trains for the set number of steps; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    torch.manual_seed(settings.seed)
    tokenizer = build_tokenizer()
    model = build_clip(settings, tokenizer).to(memory_format=torch.channels_last)
    teachers = Teachers(settings)
    modules: dict[str, nn.Module] = {"clip": model, "teachers": teachers}
    rates = dict.fromkeys(modules, settings.learning_rate)
    optimizer = torch.optim.AdamW(decoupled_groups(modules, rates, settings.weight_decay), betas=(0.9, 0.98))
    state = TrainingState(work / "clip.safetensors", modules, optimizer)
    towers = Towers(model, tokenizer, settings.image_size)
    log = log_to(work / "logs" / "clip.jsonl")
    while state.step < settings.steps:
        set_rate(optimizer, rate_share(settings, state.step))
        losses = _losses(towers, teachers, settings, state.step)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        state.step += 1
        place = {"step": state.step, "cpu_minutes": state.cpu_seconds / 60}
        if state.step % settings.log_every == 0:
            log(**place, **{name: loss.item() for name, loss in losses.items()})
        if state.step % settings.eval_every == 0:
            log(**place, **measure(towers, rows=128, pairs=64, seed=_CURVE_SEED))
        state.save_if_due(settings.checkpoint_seconds)
    if not state.facts.get("finished"):
        state.facts["finished"] = True
        state.save()
