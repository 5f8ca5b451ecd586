"""The pipeline's text encoder and its warm-up: reading captions without any picture.

The encoder is causal, so only the end mark and the padding behind it have seen the whole
caption. The warm-up makes a linear head read every statement of the caption from each of
those positions. The denoiser's cross-attention then finds colours, shapes and counts
already bound to one another, wherever it looks first.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.checkpoint import log_to, module_tensors, write_tensors
from training.labels import CaptionHeads, caption_labels
from training.settings import CONTEXT_LENGTH, TextSettings
from training.tokenizer import build_tokenizer, encode
from training.world import Scene, draw_training_scene


def build_text_encoder(settings: TextSettings, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Builds an untrained text encoder that fits the tokenizer."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.hidden_size * 4,
        num_hidden_layers=settings.num_hidden_layers,
        num_attention_heads=settings.num_attention_heads,
        max_position_embeddings=CONTEXT_LENGTH,
        projection_dim=settings.hidden_size,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def _batch(rng: random.Random, tokenizer: CLIPTokenizer, size: int) -> tuple[Tensor, Tensor, list[Scene]]:
    scenes = [draw_training_scene(rng) for _ in range(size)]
    ids = encode(tokenizer, [scene.caption for scene in scenes])
    return ids, torch.tensor([caption_labels(scene) for scene in scenes]), scenes


def warm_up(settings: TextSettings, work: Path) -> None:
    """Trains the text encoder on captions alone; writes `text.safetensors` once.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    result = work / "text.safetensors"
    if result.exists():
        return
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)
    tokenizer = build_tokenizer()
    encoder = build_text_encoder(settings, tokenizer)
    heads = CaptionHeads(settings.hidden_size)
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
    log = log_to(work / "logs" / "text.jsonl")
    for step in range(settings.steps):
        progress = step / settings.steps
        for group in optimizer.param_groups:
            ramp = min(1.0, (step + 1) / 100)
            group["lr"] = settings.learning_rate * ramp * (0.5 + 0.5 * math.cos(math.pi * progress))
        ids, labels, _ = _batch(rng, tokenizer, settings.batch_size)
        rows, positions = (ids == tokenizer.eos_token_id).nonzero(as_tuple=True)
        features = encoder(ids)[0][rows, positions]
        loss = heads.loss(features, labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0 or step + 1 == settings.steps:
            accuracy = heads.accuracy(features, labels[rows])
            log(part="text", step=step + 1, loss=loss.item(), all_read=accuracy)
    write_tensors(result, module_tensors({"text": encoder}), {"steps": settings.steps})
