"""Trains an AlexNet for the perceptual distance LPIPS, and the distance's linear heads.

The trunk first learns to name what a picture shows and where (`pictures.py`); then the heads,
non-negative weights of the trunk's channels, learn to order triplets (`distortions.py`). The
`lpips` package's own class holds both, so that the distance is computed by its code.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Sequence
from pathlib import Path

import lpips
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoint import (
    TrainingState,
    decoupled_groups,
    load_modules,
    log_to,
    read_tensors,
    set_rate,
    write_tensors,
)
from training.clip_pictures import spoil
from training.codes import CELL
from training.files import fresh, replace_folder
from training.lpips_heads import (
    fit_heads,
    layers,
    order_loss,
    set_heads,
    triplet_differences,
    unlike_distance,
)
from training.pictures import (
    Teacher,
    cell_targets,
    content,
    contrast_loss,
    draw_pairs,
    paint,
    rate_at,
    silhouettes,
    stage_at,
)
from training.settings import IMAGE_SIZE, LpipsSettings, Stage

WEIGHTS, CONFIGURATION = "alexnet.safetensors", "config.json"

_TAUGHT = (1, 2, 4)  # the layers whose maps are read
_WIDTHS = (192, 384, 256)


def build_lpips(pretrained: bool = False) -> lpips.LPIPS:
    """Builds the distance with an untrained trunk.

    Args:
        pretrained: Whether to keep the package's own heads, which fit the usual weights.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on how torchvision's arguments are named nowadays
        return lpips.LPIPS(
            net="alex", pnet_rand=True, pnet_tune=True, pretrained=pretrained, version="0.1", verbose=False
        )


def load_lpips(folder: Path) -> lpips.LPIPS:
    """Loads an exported distance.

    Args:
        folder: The exported folder.

    Returns:
        The distance, ready for pictures in [-1, 1].
    """
    model = build_lpips()
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval().requires_grad_(False)


def start(trunk: nn.Module) -> None:
    """Draws weights that keep the signal as strong from layer to layer; there are no norms."""
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """Returns mean and maximum of the last map over all places."""
    return torch.cat([maps[-1].mean((-2, -1)), maps[-1].amax((-2, -1))], dim=1)


def taught_targets(cells: Tensor, masks: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Brings cells and silhouettes to the grids of the taught maps.

    The places of the second layer lie on the corners of the cells, those of the later ones on
    every other corner.

    Args:
        cells: What `cell_targets` gives.
        masks: What `silhouettes` gives.
    """
    corners = functional.avg_pool2d(cells, 2, stride=1)
    coarse = corners[..., 1::2, 1::2]
    half = CELL // 2
    fine_mask, coarse_mask = masks[..., half:-half, half:-half], masks[..., CELL:-CELL, CELL:-CELL]
    return [corners, coarse, coarse], [fine_mask, coarse_mask, coarse_mask]


def _losses(
    model: lpips.LPIPS, teacher: Teacher, settings: LpipsSettings, stage: Stage, step: int
) -> dict[str, Tensor]:
    """Returns the losses of the batch that belongs to a step."""
    mark = settings.seed * 1_000_003 + step
    rng, chance = random.Random(mark), torch.Generator().manual_seed(mark)
    scenes = draw_pairs(rng, stage.batch_size, stage.side, settings.styled_share)
    images = paint(scenes, stage.side)
    maps = layers(model, spoil(images, chance))
    features = pooled(maps)
    taught = [maps[number] for number in _TAUGHT]
    targets, masks = taught_targets(cell_targets(images, scenes), silhouettes(images, scenes))
    return {
        "contrast": contrast_loss(features, [content(scene) for scene in scenes], settings.temperature),
        "attributes": settings.attribute_weight * teacher.attributes(features, scenes),
        "places": stage.place_weight * teacher.places(taught, targets),
        "outlines": stage.outline_weight * teacher.outlines(taught, targets, masks),
    }


def train_trunk(settings: LpipsSettings, work: Path) -> None:
    """Trains the trunk; goes on where it stopped, and leaves a finished one alone.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    torch.manual_seed(settings.seed)
    model = build_lpips()
    start(model.net)
    teacher = Teacher(2 * _WIDTHS[-1], _WIDTHS)
    modules: dict[str, nn.Module] = {"trunk": model.net, "teacher": teacher}
    rates = dict.fromkeys(modules, settings.learning_rate)
    groups = decoupled_groups(modules, rates, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    state = TrainingState(work / "lpips_trunk.safetensors", modules, optimizer)
    log = log_to(work / "logs" / "lpips_trunk.jsonl")
    total = sum(stage.steps for stage in settings.stages)
    while (stage := stage_at(settings.stages, state.step)) is not None:
        set_rate(optimizer, rate_at(settings.stages, state.step, settings.warmup_steps, settings.decay_share))
        losses = _losses(model, teacher, settings, stage, state.step)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.net.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step == total or state.step % settings.log_every == 0:
            values = {name: loss.item() for name, loss in losses.items()}
            log(step=state.step, cpu_minutes=state.cpu_seconds / 60, side=stage.side, **values)
        if state.step == total:
            state.save()
        state.save_if_due(settings.checkpoint_seconds)


def train_lpips(settings: LpipsSettings, work: Path) -> None:
    """Trains trunk and heads; goes on where it stopped, and leaves finished ones alone.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    train_trunk(settings, work)
    target = work / "lpips_heads.safetensors"
    if target.exists():
        return
    model = _trained(work)
    near, far = triplet_differences(model, settings.triplets, settings.seed)
    weights = fit_heads(near, far, settings)
    weights *= settings.unlike_distance / unlike_distance(model, weights, settings.seed)
    ordered = (near @ weights < far @ weights).float().mean().item()
    log_to(work / "logs" / "lpips_heads.jsonl")(
        triplets=len(near),
        ordered_before=(near.sum(1) < far.sum(1)).float().mean().item(),
        ordered=ordered,
        loss=order_loss(near @ weights, far @ weights).item(),
        channels_used=int((weights > 0).sum()),
    )
    write_tensors(target, {"weights": weights}, {})


def _trained(work: Path) -> lpips.LPIPS:
    """Returns the distance with the trained trunk."""
    model = build_lpips().eval()
    tensors, _ = read_tensors(work / "lpips_trunk.safetensors")
    start = "model/trunk/"
    trunk = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith(start)}
    load_modules({"trunk": model.net}, trunk)
    return model


def export_lpips(settings: LpipsSettings, work: Path, target: Path) -> None:
    """Writes trunk and heads in half precision, and how pictures are to be prepared.

    Args:
        settings: The settings; the export has none of its own.
        work: Folder of the run.
        target: The folder; an old one is replaced when the new one is whole.
    """
    model = _trained(work)
    set_heads(model, read_tensors(work / "lpips_heads.safetensors")[0]["weights"])
    # The heads stand in the state twice, under "lin0" and "lins.0": each name gets its own copy.
    weights = {
        name: (value if name.startswith("scaling_layer") else value.half()).clone()
        for name, value in model.state_dict().items()
    }
    config = {
        "network": "alex",
        "lpips_version": "0.1",
        "input_size": IMAGE_SIZE,
        "input_range": [-1, 1],
        "unlike_scenes_distance": settings.unlike_distance,
    }
    temporary = fresh(target)
    temporary.mkdir(parents=True)
    save_file(weights, temporary / WEIGHTS, metadata={"format": "pt"})
    (temporary / CONFIGURATION).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    replace_folder(temporary, target)
