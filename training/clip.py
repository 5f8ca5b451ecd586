"""Trains the scoring CLIP: contrastive learning with one-word siblings, helped by attributes.

Linear heads on both towers' embeddings read what a picture shows and what a caption
states. They are thrown away after the training; without them shapes and places come last.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from training.checkpoint import TrainingState, decoupled_groups, log_to, set_rate
from training.codes import to_tensor
from training.labels import CaptionHeads, PictureHeads, caption_labels
from training.render import render
from training.settings import CONTEXT_LENGTH, ClipSettings
from training.tokenizer import build_tokenizer, encode, zero_padded
from training.variants import CHANGES, variant
from training.world import Scene, draw_scene, draw_training_scene, is_held_out

_SIBLINGS = (0, 1, 1, 2, 3)
_RETRIEVAL = 64


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


def preprocess(scenes: Sequence[Scene], size: int) -> Tensor:
    """Draws scenes and prepares them as open_clip does: squashed bicubic, then to [-1, 1]."""
    images = [
        np.asarray(render(scene, supersampling=2).resize((size, size), Image.Resampling.BICUBIC))
        for scene in scenes
    ]
    return to_tensor(np.stack(images))


def augment(images: Tensor, rng: random.Random, chance: torch.Generator) -> Tensor:
    """Blurs, tints and adds noise, as generated pictures are never as clean as drawn ones."""
    if rng.random() < 0.4:
        side = images.shape[-1]
        small = rng.choice([side // 2, side * 2 // 3, side * 5 // 6])
        shrunk = functional.interpolate(images, small, mode="bilinear", antialias=True)
        images = functional.interpolate(shrunk, side, mode="bilinear")
    noise = torch.randn(images.shape, generator=chance) * rng.choice([0, 0, 0.06, 0.16])
    tint = torch.randn(len(images), 3, 1, 1, generator=chance) * 0.06
    return images + noise + tint


def draw_batch(rng: random.Random, size: int) -> list[Scene]:
    """Draws scenes of distinct captions, many with siblings that differ in one thing."""
    batch: dict[str, Scene] = {}
    while len(batch) < size:
        scene = draw_training_scene(rng)
        batch.setdefault(scene.caption, scene)
        for _ in range(rng.choice(_SIBLINGS)):
            sibling = variant(rng, scene)
            if sibling is not None and not is_held_out(sibling):
                batch.setdefault(sibling.caption, sibling)
    return list(batch.values())[:size]


class Towers:
    """Embeds scenes and captions with unit length."""

    def __init__(self, model: CLIP, tokenizer: CLIPTokenizer, image_size: int) -> None:
        """Keeps the model.

        Args:
            model: The CLIP.
            tokenizer: Its tokenizer.
            image_size: Side of its images.
        """
        self.model, self._tokenizer, self.image_size = model, tokenizer, image_size

    def captions(self, captions: Sequence[str]) -> Tensor:
        """Returns the raw embeddings of captions."""
        ids = zero_padded(encode(self._tokenizer, captions), self._tokenizer.eos_token_id)
        return self.model.encode_text(ids)

    def cosines(self, scenes: Sequence[Scene], captions: Sequence[str]) -> Tensor:
        """Returns the cosine of every scene's clean picture with every caption."""
        pictures = self.model.encode_image(preprocess(scenes, self.image_size), normalize=True)
        return pictures @ functional.normalize(self.captions(captions), dim=-1).T


@torch.no_grad()
def measure(towers: Towers, rows: int = 256, pairs: int = 60) -> dict[str, float]:
    """Returns retrieval among unseen captions and how often a one-word change is noticed."""
    rng = random.Random(77)
    unseen: dict[str, Scene] = {}
    while len(unseen) < rows:
        scene = draw_scene(rng)
        if scene.names_background and (is_held_out(scene) or scene.kind not in ("relation", "pair")):
            unseen.setdefault(scene.core, scene)
    scenes = list(unseen.values())
    towers.model.eval()
    cosines = towers.cosines(scenes, [scene.caption for scene in scenes])
    hits = []
    for start in range(0, rows, _RETRIEVAL):
        block = cosines[start : start + _RETRIEVAL, start : start + _RETRIEVAL]
        truth = torch.arange(len(block))
        hits.append([(block.argmax(dim) == truth).float().mean().item() for dim in (1, 0)])
    image_to_text, text_to_image = np.mean(hits, axis=0).tolist()
    matching = cosines.diag().mean().item()
    others = ((cosines.sum() - cosines.diag().sum()) / (rows * (rows - 1))).item()
    report = {
        "image_to_text": image_to_text,
        "text_to_image": text_to_image,
        "matching_cosine": matching,
        "other_cosine": others,
    }
    for change in CHANGES:
        right: list[Scene] = []
        wrong: list[Scene] = []
        while len(right) < pairs:
            scene = draw_scene(rng)
            sibling = variant(rng, scene, change)
            if sibling is not None:
                right.append(scene)
                wrong.append(sibling)
        matched = towers.cosines(right, [scene.caption for scene in right]).diag()
        mismatched = towers.cosines(right, [scene.caption for scene in wrong]).diag()
        report[f"noticed_{change}"] = (matched > mismatched).float().mean().item()
    towers.model.train()
    return report


def _loss(
    towers: Towers, heads: dict[str, nn.Module], settings: ClipSettings, step: int
) -> tuple[Tensor, Tensor]:
    """Returns contrastive and attribute loss of the batch that belongs to a step."""
    mark = settings.seed * 1_000_003 + step
    rng, chance = random.Random(mark), torch.Generator().manual_seed(mark)
    scenes = draw_batch(rng, settings.batch_size)
    images = augment(preprocess(scenes, settings.image_size), rng, chance)
    pictures = towers.model.encode_image(images)
    texts = towers.captions([scene.caption for scene in scenes])
    labels = torch.tensor([caption_labels(scene) for scene in scenes])
    attributes = heads["picture"].loss(pictures, scenes) + heads["caption"].loss(texts, labels)
    scale = towers.model.logit_scale.exp()
    cosines = functional.normalize(pictures, dim=-1) @ functional.normalize(texts, dim=-1).T
    logits, truth = scale * cosines, torch.arange(len(scenes))
    contrast = (functional.cross_entropy(logits, truth) + functional.cross_entropy(logits.T, truth)) / 2
    return contrast, attributes


def train_clip(settings: ClipSettings, work: Path) -> None:
    """Trains until the minutes or the steps are used up; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    torch.manual_seed(settings.seed)
    tokenizer = build_tokenizer()
    model = build_clip(settings, tokenizer)
    heads: dict[str, nn.Module] = {
        "picture": PictureHeads(settings.embed_dim),
        "caption": CaptionHeads(settings.embed_dim),
    }
    modules: dict[str, nn.Module] = {"clip": model, **heads}
    rates = dict.fromkeys(modules, settings.learning_rate)
    optimizer = torch.optim.AdamW(decoupled_groups(modules, rates, settings.weight_decay), betas=(0.9, 0.98))
    state = TrainingState(work / "clip.safetensors", modules, optimizer)
    towers = Towers(model, tokenizer, settings.image_size)
    log = log_to(work / "logs" / "clip.jsonl")
    while not state.facts.get("finished"):
        progress = max(state.cpu_seconds / 60 / settings.cpu_minutes, state.step / settings.max_steps)
        if progress >= 1:
            log(step=state.step, cpu_minutes=state.cpu_seconds / 60, **measure(towers))
            state.facts["finished"] = True
            state.save()
            return
        ramp = min(1.0, (state.step + 1) / settings.warmup_steps)
        set_rate(optimizer, ramp * (0.01 + 0.5 + 0.5 * math.cos(math.pi * progress)))
        contrast, attributes = _loss(towers, heads, settings, state.step)
        optimizer.zero_grad()
        (contrast + settings.attribute_weight * attributes).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        state.step += 1
        minutes = state.cpu_seconds / 60
        if state.step % settings.log_every == 0:
            log(step=state.step, cpu_minutes=minutes, contrast=contrast.item(), attributes=attributes.item())
        if state.step % settings.eval_every == 0:
            log(step=state.step, cpu_minutes=minutes, **measure(towers))
        state.save_if_due(settings.checkpoint_seconds)
