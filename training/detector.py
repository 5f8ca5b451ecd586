"""Trains the object detector: a small RT-DETR whose classes are the pairs of color and shape.

Its query selection is taught openly at first (`detector_loss.py`); the model's own loss, by
matching, is there from the start and stays alone at the end.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

from training.boxes import pair_names, scene_boxes
from training.checkpoint import TrainingState, decoupled_groups, log_to, read_tensors, set_rate
from training.codes import to_tensor
from training.detector_data import model_labels, roughened, varied
from training.detector_loss import STRIDES, dense_loss
from training.detector_measure import find, quality
from training.files import fresh, replace_folder, tidy_configurations
from training.render import render_batch
from training.settings import IMAGE_SIZE, DetectorSettings
from training.world import COLORS, SHAPES, draw_scene, draw_training_scene

_VALIDATION_SEED = 98


def build_detector(settings: DetectorSettings) -> RTDetrForObjectDetection:
    """Builds an untrained detector."""
    names, width = pair_names(), settings.width
    backbone = RTDetrResNetConfig(
        embedding_size=settings.backbone_widths[0],
        hidden_sizes=list(settings.backbone_widths),
        depths=list(settings.backbone_depths),
        layer_type="basic",
        out_indices=[2, 3, 4],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,
        encoder_in_channels=list(settings.backbone_widths[1:]),
        feat_strides=list(STRIDES),
        encoder_hidden_dim=width,
        encoder_ffn_dim=2 * width,
        encoder_attention_heads=settings.attention_heads,
        hidden_expansion=0.5,
        d_model=width,
        decoder_in_channels=[width] * len(STRIDES),
        decoder_ffn_dim=2 * width,
        decoder_layers=settings.decoder_layers,
        decoder_attention_heads=settings.attention_heads,
        num_queries=settings.queries,
        num_denoising=settings.denoising,
        # With 16 queries empty ones are no flood: second boxes for one object are to cost their full share.
        focal_loss_alpha=1.0,
        focal_loss_gamma=1.0,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    model = RTDetrForObjectDetection(config)
    _start(model)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def _start(model: RTDetrForObjectDetection) -> None:
    """Sets weights that the class starts badly for a training from nothing."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # the class begins near zero, for a trained backbone
    width = model.config.d_model
    parts = nn.init.orthogonal_(torch.empty(len(COLORS) + len(SHAPES), width)) * 0.75
    pairs = (parts[: len(COLORS), None] + parts[None, len(COLORS) :]).flatten(0, 1)
    # Each pair starts as the sum of its color and its shape, alike in all heads, so that
    # what is learned of red squares and blue stars serves for red stars.
    for head in (model.model.enc_score_head, *model.model.decoder.class_embed):
        head.weight.copy_(pairs)
    if hasattr(model.model, "denoising_class_embed"):
        model.model.denoising_class_embed.weight[: len(pairs)].copy_(pairs * (width**0.5))


def processor() -> RTDetrImageProcessor:
    """Returns the image processor that goes with the detector: resized, values from 0 to 1."""
    return RTDetrImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})


def detector_loss(
    model: RTDetrForObjectDetection, settings: DetectorSettings, step: int
) -> dict[str, Tensor]:
    """Returns the weighted losses of the batch that belongs to a step."""
    mark = settings.seed * 1_000_003 + step
    rng, chance = random.Random(mark), torch.Generator().manual_seed(mark)
    torch.manual_seed(mark)  # the model draws its denoising queries from the common source
    scenes = [varied(rng, draw_training_scene(rng), settings) for _ in range(settings.batch_size)]
    images = roughened((to_tensor(render_batch(scenes, supersampling=2)) + 1) / 2, chance)
    labels = model_labels(scenes)
    outputs = model(pixel_values=images.contiguous(memory_format=torch.channels_last), labels=labels)
    losses = {"own": outputs.loss}
    openly = 1 - step / (settings.open_until * settings.steps)
    if openly > 0:
        told = outputs.enc_outputs_coord_logits.sigmoid()
        dense = dense_loss(outputs.enc_outputs_class, told, labels)
        losses |= {name: settings.open_weight * openly * loss for name, loss in dense.items()}
    return losses


def set_stage(model: RTDetrForObjectDetection, settings: DetectorSettings, step: int) -> None:
    """Sets what learns at a step: at first everything, at the end only the decoder's decisions.

    By then boxes and names are right, but two queries often claim one object. Settling that
    needs many steps and nothing new from the pictures, so all before the decoder stands still.

    Args:
        model: The detector; its configuration is changed, too.
        settings: The settings.
        step: The step.
    """
    model.train()
    if step < settings.steps:
        return
    model.config.num_denoising = 0
    model.config.weight_loss_vfl = settings.refine_score_weight
    for name, part in model.model.named_children():
        if name != "decoder":
            part.requires_grad_(False).eval()


def rate_share(settings: DetectorSettings, step: int) -> float:
    """Returns the share of the learning rate at a step: a short rise and a long fall, in each stage."""
    length, warmup = settings.steps, settings.warmup_steps
    if step >= settings.steps:
        step, length, warmup = step - settings.steps, settings.refine_steps, settings.warmup_steps // 4
    ramp = min(1.0, (step + 1) / max(1, warmup))
    return ramp * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / length)))


def train_detector(settings: DetectorSettings, work: Path) -> None:
    """Trains for so many steps; resumes where it stopped, does nothing when finished.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    torch.manual_seed(settings.seed)
    model = build_detector(settings).train()
    modules: dict[str, nn.Module] = {"detector": model}
    groups = decoupled_groups(modules, {"detector": settings.learning_rate}, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    state = TrainingState(work / "detector.safetensors", modules, optimizer)
    log = log_to(work / "logs" / "detector.jsonl")
    last = settings.steps + settings.refine_steps
    while state.step < last:
        set_stage(model, settings, state.step)
        set_rate(optimizer, rate_share(settings, state.step))
        losses = detector_loss(model, settings, state.step)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_limit)
        optimizer.step()
        state.step += 1
        minutes = state.cpu_seconds / 60
        if state.step % settings.log_every == 0:
            values = {name: loss.item() for name, loss in losses.items()}
            log(step=state.step, cpu_minutes=minutes, **values)
        if state.step % settings.eval_every == 0 or state.step == last:
            log(step=state.step, cpu_minutes=minutes, **_validate(model, settings.eval_scenes))
        if state.step == last:
            state.save()
        state.save_if_due(settings.checkpoint_seconds)


def load_weights(model: RTDetrForObjectDetection, work: Path) -> None:
    """Loads the weights of the last checkpoint.

    Args:
        model: A detector of the settings that the run had.
        work: Folder of the run.
    """
    tensors, _ = read_tensors(work / "detector.safetensors")
    start = "model/detector/"
    state = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
    model.load_state_dict(state)


def export_detector(settings: DetectorSettings, work: Path, target: Path) -> None:
    """Writes the folder of model and image processor in half precision.

    Args:
        settings: The settings of the training.
        work: Folder of the run.
        target: The folder; an old one is replaced when the new one is whole.
    """
    model = build_detector(settings)
    load_weights(model, work)
    temporary = fresh(target)
    model.half().save_pretrained(temporary)
    processor().save_pretrained(temporary)
    tidy_configurations(temporary)
    replace_folder(temporary, target)


def _validate(model: RTDetrForObjectDetection, count: int) -> dict[str, float]:
    rng = random.Random(_VALIDATION_SEED)
    scenes = [draw_scene(rng) for _ in range(count)]
    found = find(model.eval(), processor(), list(render_batch(scenes)), 0.0)
    return quality(found, [scene_boxes(scene) for scene in scenes])
