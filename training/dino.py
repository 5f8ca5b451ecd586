"""Trains two small DINOv3 networks: a vision transformer and a ConvNeXt.

They learn from labels, not by self-distillation: readers of the pooled features and of the
maps, and pictures of the same things drawn together (`pictures.py`). The first stage
shows close-ups, which are cheap; the last one whole pictures.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    DINOv3ConvNextConfig,
    DINOv3ConvNextModel,
    DINOv3ViTConfig,
    DINOv3ViTImageProcessor,
    DINOv3ViTModel,
)
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from training.checkpoint import TrainingState, decoupled_groups, load_modules, log_to, read_tensors, set_rate
from training.clip_pictures import spoil
from training.files import fresh, replace_folder, tidy_configurations
from training.pictures import (
    Teacher,
    cell_targets,
    content,
    contrast_loss,
    draw_pairs,
    neighbor_agreement,
    paint,
    rate_at,
    silhouettes,
    single_scenes,
    stage_at,
)
from training.settings import IMAGE_SIZE, DinoSettings, Stage
from training.world import Scene

Network = DINOv3ViTModel | DINOv3ConvNextModel

# Steps (down, right) to the neighbor that each of four heads looks at first, block by block.
_OFFSETS = (
    ((-1, 0), (1, 0), (0, -1), (0, 1)),
    ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    ((-2, 0), (2, 0), (0, -2), (0, 2)),
    ((-2, -2), (-2, 2), (2, -2), (2, 2)),
)

KINDS: tuple[str, ...] = ("vit", "convnext")


@dataclass(frozen=True)
class Views:
    """What a network makes of a batch: the global token and its maps (rows, channels, y, x)."""

    pooled: Tensor
    maps: tuple[Tensor, ...]


def build_network(settings: DinoSettings, kind: str) -> Network:
    """Builds an untrained network.

    Args:
        settings: The settings.
        kind: "vit" or "convnext".
    """
    if kind == "vit":
        network = DINOv3ViTModel(
            DINOv3ViTConfig(
                image_size=IMAGE_SIZE,
                patch_size=settings.patch_size,
                hidden_size=settings.hidden_size,
                intermediate_size=settings.intermediate_size,
                num_hidden_layers=settings.num_hidden_layers,
                num_attention_heads=settings.num_attention_heads,
                num_register_tokens=settings.num_register_tokens,
                initializer_range=settings.initializer_range,
                key_bias=True,
                pos_embed_rescale=None,
            )
        )
        start_locally(network, settings.locality)
        return network
    return DINOv3ConvNextModel(
        DINOv3ConvNextConfig(
            image_size=IMAGE_SIZE,
            hidden_sizes=list(settings.convnext_sizes),
            depths=list(settings.convnext_depths),
            layer_scale_init_value=settings.convnext_layer_scale,
        )
    )


@torch.no_grad()
def start_locally(network: DINOv3ViTModel, sharpness: float) -> None:
    """Lets every head but those of the last block begin by looking at one neighboring patch.

    Rotary positions turn queries and keys by angles that grow with the place. Equal biases on
    both then make a head look at its own place, and turning the query's bias ahead by the
    angle of a step makes it look one step aside: the blocks start as convolutions, which
    learn shapes from far fewer pictures, and may unlearn it.

    Args:
        network: The fresh transformer; its keys must have biases.
        sharpness: Lead of the chosen patch in the logits, for each frequency.
    """
    frequencies = 2 * math.pi * network.rope_embeddings.inv_freq
    step = 2 * network.config.patch_size / IMAGE_SIZE  # a patch's side where a picture spans -1 to 1
    strength = sharpness**0.5 * network.rope_embeddings.head_dim**0.25
    for layer, offsets in zip(network.model.layer[:-1], _OFFSETS, strict=False):
        steps = torch.tensor(offsets)[:, :, None] * step * frequencies
        turns = steps.flatten(1)  # one row a head: angles down, then angles to the right
        ahead = torch.cat([turns.cos(), turns.sin()], dim=1)
        straight = torch.cat([torch.ones_like(turns), torch.zeros_like(turns)], dim=1)
        layer.attention.q_proj.bias.copy_(strength * ahead.flatten())
        layer.attention.k_proj.bias.copy_(strength * straight.flatten())


def normalized(images: Tensor) -> Tensor:
    """Turns pictures in [-1, 1] into what the image processor gives."""
    mean = torch.tensor(IMAGENET_DEFAULT_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_DEFAULT_STD).view(3, 1, 1)
    return ((images + 1) / 2 - mean) / std


def taught_widths(settings: DinoSettings, kind: str) -> tuple[int, list[int]]:
    """Returns the width of the global token and those of the maps that are read."""
    if kind == "vit":
        return settings.hidden_size, [settings.hidden_size] * (settings.num_hidden_layers - 1)
    return settings.convnext_sizes[-1], list(settings.convnext_sizes[1:])


def look(network: Network, pixels: Tensor) -> Views:
    """Runs a network and returns the maps of all its blocks or stages but the first.

    Args:
        network: The network.
        pixels: Normalized pictures.
    """
    output = network(pixels, output_hidden_states=True)
    hidden = output.hidden_states[2:]
    if isinstance(network, DINOv3ViTModel):
        side = pixels.shape[-1] // network.config.patch_size
        first = 1 + network.config.num_register_tokens
        hidden = tuple(tokens[:, first:].transpose(1, 2).unflatten(2, (side, side)) for tokens in hidden)
    return Views(output.pooler_output, hidden)


def _losses(
    network: Network, teacher: Teacher, settings: DinoSettings, stage: Stage, step: int
) -> dict[str, Tensor]:
    """Returns the losses of the batch that belongs to a step."""
    mark = settings.seed * 1_000_003 + step
    rng, chance = random.Random(mark), torch.Generator().manual_seed(mark)
    scenes = draw_pairs(rng, stage.batch_size, stage.side, settings.styled_share)
    images = paint(scenes, stage.side)
    if isinstance(network, DINOv3ViTModel):
        place_patches(network, stage.side)
    seen = spoil(images, chance) if rng.random() < settings.spoiled_share else images
    views = look(network, normalized(seen))
    cells = cell_targets(images, scenes)
    targets = [functional.adaptive_avg_pool2d(cells, features.shape[-1]) for features in views.maps]
    masks = [silhouettes(images, scenes)] * len(targets)
    return {
        "contrast": contrast_loss(views.pooled, [content(scene) for scene in scenes], settings.temperature),
        "attributes": settings.attribute_weight * teacher.attributes(views.pooled, scenes),
        "places": stage.place_weight * teacher.places(views.maps, targets),
        "outlines": stage.outline_weight * teacher.outlines(views.maps, targets, masks),
    }


@torch.no_grad()
def place_patches(network: DINOv3ViTModel, side: int) -> None:
    """Lets the patches of a close-up lie as far apart as those of a whole picture.

    Positions are shares of the picture; in one of half the side a step would seem twice as long.

    Args:
        network: The transformer.
        side: Side of the pictures that come next.
    """
    rope = network.rope_embeddings
    usual = 1 / rope.base ** torch.arange(0, 1, 4 / rope.head_dim)
    rope.inv_freq.copy_(usual * side / IMAGE_SIZE)


@torch.no_grad()
def global_tokens(network: Network, scenes: Sequence[Scene], batch_size: int = 64) -> Tensor:
    """Returns the global token of every scene's clean picture, prepared as in training."""
    network.eval()
    if isinstance(network, DINOv3ViTModel):
        place_patches(network, IMAGE_SIZE)
    rows = [
        network(normalized(paint(scenes[start : start + batch_size]))).pooler_output
        for start in range(0, len(scenes), batch_size)
    ]
    return torch.cat(rows)


def _progress(network: Network, settings: DinoSettings) -> dict[str, float]:
    """Returns how often neighbors agree on scenes that belong neither to training nor to the test."""
    queries = single_scenes(settings.seed + 1, settings.eval_scenes)
    gallery = single_scenes(settings.seed + 2, 4 * settings.eval_scenes)
    found = neighbor_agreement(
        global_tokens(network, queries), queries, global_tokens(network, gallery), gallery
    )
    network.train()
    return {f"neighbor_{name}": value for name, value in found.items()}


def train_dino(settings: DinoSettings, work: Path) -> None:
    """Trains both networks; goes on where it stopped, and leaves finished ones alone.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    for kind in KINDS:
        train_network(settings, kind, work)


def train_network(settings: DinoSettings, kind: str, work: Path) -> None:
    """Trains one network.

    Args:
        settings: The settings.
        kind: "vit" or "convnext".
        work: Folder of the run.
    """
    torch.manual_seed(settings.seed)
    network = build_network(settings, kind).train()
    teacher = Teacher(*taught_widths(settings, kind))
    modules = {"network": network, "teacher": teacher}
    rate = settings.learning_rate if kind == "vit" else settings.convnext_learning_rate
    rates = dict.fromkeys(modules, rate)
    groups = decoupled_groups(modules, rates, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    state = TrainingState(work / f"dino_{kind}.safetensors", modules, optimizer)
    log = log_to(work / "logs" / f"dino_{kind}.jsonl")
    stages = settings.vit_stages if kind == "vit" else settings.convnext_stages
    total = sum(stage.steps for stage in stages)
    while (stage := stage_at(stages, state.step)) is not None:
        set_rate(optimizer, rate_at(stages, state.step, settings.warmup_steps, settings.decay_share))
        losses = _losses(network, teacher, settings, stage, state.step)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        last = state.step == total
        if last or state.step % settings.log_every == 0:
            values = {name: loss.item() for name, loss in losses.items()}
            log(step=state.step, cpu_minutes=state.cpu_seconds / 60, side=stage.side, **values)
        if last or state.step % settings.eval_every == 0:
            log(step=state.step, cpu_minutes=state.cpu_seconds / 60, **_progress(network, settings))
        if last:
            state.save()
        state.save_if_due(settings.checkpoint_seconds)


def export_dino(settings: DinoSettings, work: Path, assets: Path) -> None:
    """Writes the folders "dinov3-vit" and "dinov3-convnext" in half precision.

    Args:
        settings: The settings that the networks were trained with.
        work: Folder of the run.
        assets: Where the folders go.
    """
    for kind in KINDS:
        export_network(settings, kind, work, assets / f"dinov3-{kind}")


def export_network(settings: DinoSettings, kind: str, work: Path, target: Path) -> None:
    """Writes one network and its image processor as transformers loads them.

    Args:
        settings: The settings.
        kind: "vit" or "convnext".
        work: Folder of the run.
        target: The folder; an old one is replaced when the new one is whole.
    """
    tensors, _ = read_tensors(work / f"dino_{kind}.safetensors")
    start = "model/network/"
    state = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith(start)}
    network = build_network(settings, kind)
    load_modules({"network": network}, state)
    temporary = fresh(target)
    network.half().save_pretrained(temporary)
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    DINOv3ViTImageProcessor(size=size).save_pretrained(temporary)
    tidy_configurations(temporary)
    replace_folder(temporary, target)
