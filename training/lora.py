"""Trains `outline`, a LoRA that has the base draw outlines instead of filled shapes.

Its captions are the plain ones: the LoRA alone decides on the style. The base has never seen
an outlined shape, but its decoder has, so only the denoiser needs to learn anything.
"""

from __future__ import annotations

import copy
import hashlib
import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.checkpoint import (
    Average,
    TrainingState,
    decoupled_groups,
    log_to,
    read_tensors,
    set_rate,
    write_tensors,
)
from training.codes import COLOR_CHANNELS, target_latents, to_tensor
from training.diffusion import (
    BatchDrawer,
    build_scheduler,
    latest_snapshot,
    learning_rate_share,
    load_snapshot,
)
from training.latents import LatentSet
from training.render import render_batch
from training.settings import DiffusionSettings, LoraSettings, Settings
from training.tokenizer import build_tokenizer, encode
from training.world import draw_training_scene

STYLE = "outlined"
# Where the objects stand is settled further down; an outline is a matter of the finest level,
# and of the attention just below it.
_TARGETS = (
    r"conv_in|conv_out|(down_blocks\.0|up_blocks\.2)\.resnets\.\d\.conv[12]"
    r"|up_blocks\.1\..*\.(to_q|to_k|to_v|to_out\.0)"
)
_CHUNK = 256


def lora_config(settings: LoraSettings) -> LoraConfig:
    """Returns which layers get how large a LoRA."""
    return LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=_TARGETS)


def add_lora(unet: UNet2DConditionModel, settings: LoraSettings) -> nn.ModuleList:
    """Adds an untrained LoRA to a denoiser, whose own weights stay as they are.

    Args:
        unet: The denoiser.
        settings: The settings.

    Returns:
        The new layers, the only ones that learn.
    """
    unet.requires_grad_(False)
    unet.add_adapter(lora_config(settings))
    ends = (".lora_A", ".lora_B")
    return nn.ModuleList(module for name, module in unet.named_modules() if name.endswith(ends))


def paired_latents(settings: LoraSettings, work: Path) -> LatentSet:
    """Returns latents of scenes, plain and then outlined in further channels; draws them once.

    Args:
        settings: The settings.
        work: Folder of the run.

    Returns:
        Latents of twice the channels, with the captions, which do not speak of the style.
    """
    path = work / "lora_latents.safetensors"
    if not path.exists():
        rng = random.Random(settings.seed)
        scenes = [draw_training_scene(rng) for _ in range(settings.scenes)]
        parts = []
        for start in range(0, len(scenes), _CHUNK):
            chunk = scenes[start : start + _CHUNK]
            looks = (chunk, [replace(scene, style=STYLE) for scene in chunk])
            pair = [target_latents(to_tensor(render_batch(look)), look).half() for look in looks]
            parts.append(torch.cat(pair, dim=1))
        facts = {name: [getattr(scene, name) for scene in scenes] for name in ("caption", "kind")}
        write_tensors(path, {"latents": torch.cat(parts)}, facts)
    tensors, facts = read_tensors(path)
    return LatentSet(tensors["latents"], facts["caption"], facts["kind"])


def base_snapshot(work: Path) -> Path:
    """Returns the base's latest snapshot, which the LoRA is made for."""
    snapshot = latest_snapshot(work)
    if snapshot is None:
        raise FileNotFoundError("no snapshot of the base: run the part 'diffusion' first")
    return snapshot


def lora_path(work: Path, snapshot: Path, part: str) -> Path:
    """Returns where the LoRA of these very weights of the base is kept.

    A LoRA belongs to one base: with another snapshot the training begins anew.

    Args:
        work: Folder of the run.
        snapshot: The base's weights.
        part: "state" or "final".
    """
    mark = hashlib.sha256(snapshot.read_bytes()).hexdigest()[:10]
    return work / f"lora_{mark}_{part}.safetensors"


class Lesson:
    """Gives the loss of one step: what the base says of the plain scene, and the style on top.

    The true latents would do as well, but nearly all of what cannot be foreseen in them is
    the scene itself, and that is no business of the LoRA. The base's own answer to the same
    noise on the plain scene leaves the style as the only thing to learn.
    """

    def __init__(
        self, settings: Settings, data: LatentSet, base: UNet2DConditionModel, text: CLIPTextModel
    ) -> None:
        """Keeps what is needed.

        Args:
            settings: The settings.
            data: What `paired_latents` returns.
            base: The denoiser without the LoRA.
            text: The text encoder.
        """
        tokenizer = build_tokenizer()
        ids, empty = encode(tokenizer, data.captions), encode(tokenizer, [""])
        self._drawer, self._scheduler = BatchDrawer(_pace(settings), data, ids, empty), build_scheduler()
        self._base, self._text = base, text
        self._color_weight = settings.lora.color_weight

    def loss(self, unet: UNet2DConditionModel, step: int, progress: float) -> Tensor:
        """Returns the loss of the denoiser with the LoRA.

        Args:
            unet: The denoiser.
            step: Number of the step.
            progress: Share of the training that is done.
        """
        latents, noise, timesteps, ids = self._drawer.draw(step, progress)
        (plain, outlined), noise = latents.chunk(2, dim=1), noise[:, : latents.shape[1] // 2]
        with torch.no_grad():
            features = self._text(ids)[0]
            answer = self._base(self._scheduler.add_noise(plain, noise, timesteps), timesteps, features)
        nothing = torch.zeros_like(noise)
        # Velocity is linear in the clean latents: this is the part that the style adds to it.
        style = self._scheduler.get_velocity(outlined - plain, nothing, timesteps)
        noisy = self._scheduler.add_noise(outlined, noise, timesteps)
        error = (unet(noisy, timesteps, features).sample - answer.sample - style).pow(2)
        # In pure noise no style can be seen, and at the end it is settled: between them it counts.
        kept = self._scheduler.alphas_cumprod[timesteps]
        error = error * 2 * (kept * (1 - kept)).sqrt()[:, None, None, None]
        # The decoder goes by the colors of the cells far more than by the style channel.
        return error.mean() + self._color_weight * error[:, :COLOR_CHANNELS].mean()


def _pace(settings: Settings) -> DiffusionSettings:
    options = settings.lora
    return replace(
        settings.diffusion,
        seed=options.seed,
        batch_size=options.batch_size,
        warmup_steps=options.warmup_steps,
        decay_from=options.decay_from,
        single_object_until=0.0,
        high_noise_until=0.0,
    )


def train_lora(settings: Settings, work: Path) -> None:
    """Trains on the latest snapshot of the base; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run, with the base's snapshots.
    """
    options, snapshot = settings.lora, base_snapshot(work)
    final = lora_path(work, snapshot, "final")
    if final.exists():
        return
    base, text, _ = load_snapshot(settings, snapshot)
    unet = copy.deepcopy(base)
    torch.manual_seed(options.seed)
    modules: dict[str, nn.Module] = {"lora": add_lora(unet, options)}
    groups = decoupled_groups(modules, {"lora": options.learning_rate}, 0.0)
    optimizer, average = torch.optim.AdamW(groups, betas=(0.9, 0.99)), Average(modules, options.ema_decay)
    state = TrainingState(lora_path(work, snapshot, "state"), modules, optimizer, average)
    pace, lesson = _pace(settings), Lesson(settings, paired_latents(options, work), base, text)
    log = log_to(work / "logs" / "lora.jsonl")
    log(step=state.step, base=snapshot.stem)
    losses: list[float] = []
    while True:
        progress = max(state.cpu_seconds / 60 / options.cpu_minutes, state.step / options.max_steps)
        if progress >= 1:
            break
        set_rate(optimizer, learning_rate_share(pace, state.step, progress))
        loss = lesson.loss(unet, state.step, progress)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(modules["lora"].parameters(), 1.0)
        optimizer.step()
        state.step += 1
        average.update(state.step)
        losses.append(loss.item())
        if state.step % options.log_every == 0:
            minutes = state.cpu_seconds / 60
            log(step=state.step, cpu_minutes=minutes, loss=sum(losses) / len(losses))
            losses.clear()
        state.save_if_due(options.checkpoint_seconds)
    state.save()
    facts = {"step": state.step, "cpu_minutes": round(state.cpu_seconds / 60, 2)}
    write_tensors(final, average.tensors, facts)
