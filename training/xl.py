"""Trains `shapes-xl`: the base's world in the layout of SDXL, thinner, taught by the base.

A model of its own would need the base's hours. This one begins with the base's channels,
thinned out, and then learns the base's answers, block by block, on the same noised latents:
they hold no noise that cannot be foreseen, unlike the true targets, so few steps go far.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from training.checkpoint import (
    Average,
    TrainingState,
    decoupled_groups,
    load_modules,
    log_to,
    module_tensors,
    read_tensors,
    set_rate,
    write_tensors,
)
from training.diffusion import (
    BatchDrawer,
    build_scheduler,
    latest_snapshot,
    learning_rate_share,
    load_snapshot,
)
from training.files import fresh, replace_folder, tidy_configurations
from training.latents import read_latents
from training.settings import Settings
from training.tokenizer import build_tokenizer, encode
from training.world import draw_training_scene
from training.xl_parts import (
    BlockOutputs,
    XlTexts,
    build_xl_pipeline,
    build_xl_unet,
    start_from_base,
    time_ids,
)

_TEXTS, _FINAL = "xl_texts.safetensors", "xl_final.safetensors"


def _snapshot(work: Path) -> Path:
    snapshot = latest_snapshot(work)
    if snapshot is None:
        raise FileNotFoundError("no snapshot of the base: run the part 'diffusion' first")
    return snapshot


def _captions(tokenizer: CLIPTokenizer, mark: int, size: int) -> Tensor:
    rng = random.Random(mark)
    captions = [draw_training_scene(rng).caption if rng.random() < 0.95 else "" for _ in range(size)]
    return encode(tokenizer, captions)


def teach_texts(settings: Settings, base: CLIPTextModel, work: Path) -> None:
    """Teaches both text encoders the base's features; writes `xl_texts.safetensors` once.

    The last layer of the first encoder is taught as well, though SDXL does not read it.

    Args:
        settings: The settings.
        base: The base's text encoder.
        work: Folder of the run.
    """
    options, tokenizer = settings.xl, build_tokenizer()
    if (work / _TEXTS).exists():
        return
    torch.manual_seed(options.seed)
    texts = XlTexts(options, tokenizer)
    modules: dict[str, nn.Module] = {"texts": texts}
    groups = decoupled_groups(modules, {"texts": options.text_learning_rate}, 0.0)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    state = TrainingState(work / "xl_texts_state.safetensors", modules, optimizer)
    log = log_to(work / "logs" / "xl_texts.jsonl")
    while state.step < options.text_steps:
        progress = state.step / options.text_steps
        set_rate(optimizer, min(1.0, (state.step + 1) / 50) * (1 - progress))
        ids = _captions(tokenizer, options.seed * 1_000_003 + state.step, options.text_batch_size)
        with torch.no_grad():
            wanted = base(ids)[0]
        given, pooled = texts(ids)
        ends = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
        error = (given - wanted).pow(2).mean()
        whole = (pooled - wanted[torch.arange(len(ids)), ends]).pow(2).mean()
        loss = error + 0.2 * whole
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(texts.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        if state.step % options.log_every == 0:
            left = (error / wanted.var()).item()
            minutes = state.cpu_seconds / 60
            log(step=state.step, cpu_minutes=minutes, loss=loss.item(), unexplained=left)
        state.save_if_due(options.checkpoint_seconds)
    facts = {"steps": state.step, "cpu_minutes": state.cpu_seconds / 60}
    write_tensors(work / _TEXTS, module_tensors(modules), facts)


def load_texts(settings: Settings, work: Path) -> XlTexts:
    """Loads the taught text encoders; they are not trained any further."""
    texts = XlTexts(settings.xl, build_tokenizer())
    load_modules({"texts": texts}, read_tensors(work / _TEXTS)[0])
    return texts.eval().requires_grad_(False)


class Lesson:
    """Gives the loss of one step: the base's answers, the true ones, and the way to them."""

    def __init__(
        self, settings: Settings, work: Path, base: UNet2DConditionModel, base_text: CLIPTextModel
    ) -> None:
        """Loads data and texts.

        Args:
            settings: The settings.
            work: Folder of the run.
            base: The base's denoiser.
            base_text: The base's text encoder.
        """
        self._options, self._base, self._base_text = settings.xl, base, base_text
        self._texts, self._scheduler = load_texts(settings, work), build_scheduler()
        data, tokenizer = read_latents(work), build_tokenizer()
        drawing = replace(
            settings.diffusion,
            seed=settings.xl.seed,
            batch_size=settings.xl.batch_size,
            single_object_until=0.0,
            high_noise_until=settings.xl.high_noise_until,
        )
        empty = encode(tokenizer, [""])
        self._drawer = BatchDrawer(drawing, data, encode(tokenizer, data.captions), empty)
        self._base_blocks = BlockOutputs(base)

    def loss(
        self, modules: dict[str, nn.Module], blocks: BlockOutputs, step: int, progress: float
    ) -> dict[str, Tensor]:
        """Returns the loss and its parts.

        Args:
            modules: The thin denoiser and, for each block, the matrix that widens its output.
            blocks: The outputs of the denoiser's blocks.
            step: Number of the step.
            progress: Share of the training that is done.
        """
        latents, noise, timesteps, ids = self._drawer.draw(step, progress)
        noisy = self._scheduler.add_noise(latents, noise, timesteps)
        true = self._scheduler.get_velocity(latents, noise, timesteps)
        with torch.no_grad():
            wanted = self._base(noisy, timesteps, self._base_text(ids)[0]).sample
            features, pooled = self._texts(ids)
        added = {"text_embeds": pooled, "time_ids": time_ids(len(ids))}
        given = modules["unet"](noisy, timesteps, features, added_cond_kwargs=added).sample
        hints = [
            (widen(mine) - block).pow(2).mean() / block.var()
            for widen, mine, block in zip(
                modules["hints"], blocks.take(), self._base_blocks.take(), strict=True
            )
        ]
        share = self._options.true_share
        answer, target = (given - wanted).pow(2).mean(), (given - true).pow(2).mean()
        hint = torch.stack(hints).mean()
        weight = self._options.hint_weight * (1 - progress)
        loss = (1 - share) * answer + share * target + weight * hint
        return {"loss": loss, "to_base": answer, "to_truth": target, "to_blocks": hint}


def _start(
    settings: Settings, work: Path, base: UNet2DConditionModel
) -> tuple[TrainingState, dict[str, nn.Module]]:
    options = settings.xl
    torch.manual_seed(options.seed)
    unet = build_xl_unet(options)
    start_from_base(unet, base)
    thin, wide = options.block_out_channels, base.config.block_out_channels
    widths = list(zip(thin, wide, strict=True))
    pairs = [*widths, widths[-1], *reversed(widths)]
    hints = nn.ModuleList(nn.Conv2d(*pair, 1) for pair in pairs)
    modules: dict[str, nn.Module] = {"unet": unet.train(), "hints": hints}
    rates = dict.fromkeys(modules, options.learning_rate)
    optimizer = torch.optim.AdamW(decoupled_groups(modules, rates, options.weight_decay), betas=(0.9, 0.99))
    average = Average(modules, options.ema_decay)
    return TrainingState(work / "xl.safetensors", modules, optimizer, average), modules


def train_xl(settings: Settings, work: Path) -> None:
    """Trains until the minutes or the steps are used up; resumes where it stopped.

    The teacher is the base's latest snapshot at the time of the call.

    Args:
        settings: The settings.
        work: Folder of the run, with the base's snapshots and latents.
    """
    options = settings.xl
    if (work / _FINAL).exists():
        return
    snapshot = _snapshot(work)
    base, base_text, facts = load_snapshot(settings, snapshot)
    teach_texts(settings, base_text, work)
    state, modules = _start(settings, work, base)
    lesson, blocks = Lesson(settings, work, base, base_text), BlockOutputs(modules["unet"])
    log = log_to(work / "logs" / "xl.jsonl")
    log(step=state.step, teacher=snapshot.stem, teacher_minutes=facts["cpu_minutes"])
    pace = replace(settings.diffusion, warmup_steps=options.warmup_steps, decay_from=options.decay_from)
    while True:
        progress = max(state.cpu_seconds / 60 / options.cpu_minutes, state.step / options.max_steps)
        if progress >= 1:
            break
        set_rate(state.optimizer, learning_rate_share(pace, state.step, progress))
        losses = lesson.loss(modules, blocks, state.step, progress)
        state.optimizer.zero_grad()
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(modules["unet"].parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        state.average.update(state.step)
        if state.step % options.log_every == 0:
            minutes = state.cpu_seconds / 60
            log(step=state.step, cpu_minutes=minutes, **{name: loss.item() for name, loss in losses.items()})
        state.save_if_due(options.checkpoint_seconds)
    state.save()
    halves = {name: value.half() for name, value in state.average.tensors.items() if name.startswith("unet/")}
    facts = {"step": state.step, "cpu_minutes": round(state.cpu_seconds / 60, 2), "teacher": snapshot.stem}
    write_tensors(work / _FINAL, halves, facts)


def export_xl(settings: Settings, work: Path, target: Path) -> None:
    """Writes an SDXL folder in half precision.

    Args:
        settings: The settings.
        work: Folder of the run, which holds the autoencoder.
        target: The folder; an old one is replaced when the new one is whole.
    """
    unet = build_xl_unet(settings.xl)
    load_modules({"unet": unet}, read_tensors(work / _FINAL)[0])
    refined = work / "vae_refined"
    vae = AutoencoderKL.from_pretrained(refined if refined.exists() else work / "vae")
    pipeline = build_xl_pipeline(unet, load_texts(settings, work), vae, settings.diffusion.scaling_factor)
    temporary = fresh(target)
    pipeline.to(torch.float16).save_pretrained(temporary)
    tidy_configurations(temporary)
    replace_folder(temporary, target)
