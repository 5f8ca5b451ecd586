"""Trains the denoiser and the text encoder together on pre-computed latents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.checkpoint import (
    Average,
    TrainingState,
    decoupled_groups,
    load_modules,
    log_to,
    read_tensors,
    set_rate,
    write_tensors,
)
from training.evaluation import check_pipeline, evaluation_scenes
from training.latents import LatentSet, read_latents
from training.settings import LATENT_CHANNELS, LATENT_SIZE, DiffusionSettings, Settings
from training.text import build_text_encoder, warm_up
from training.tokenizer import build_tokenizer, encode

_TIMESTEPS = 1000


def build_scheduler() -> DDIMScheduler:
    """Builds the noise schedule; every setting that other samplers read is explicit."""
    return DDIMScheduler(
        num_train_timesteps=_TIMESTEPS,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def build_unet(settings: DiffusionSettings, text_width: int) -> UNet2DConditionModel:
    """Builds the untrained denoiser."""
    levels = len(settings.block_out_channels)
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (levels - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (levels - 1), "UpBlock2D"),
        block_out_channels=settings.block_out_channels,
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=settings.attention_heads,
        norm_num_groups=settings.norm_num_groups,
    ).to(memory_format=torch.channels_last)


class BatchDrawer:
    """Draws training batches; every draw is a function of the seed and the step alone."""

    def __init__(self, settings: DiffusionSettings, data: LatentSet, ids: Tensor, empty: Tensor) -> None:
        """Keeps the data.

        Args:
            settings: The settings.
            data: Latents with their kinds.
            ids: Token ids of the captions.
            empty: Token ids of the empty caption.
        """
        self._settings, self._data, self._ids, self._empty = settings, data, ids, empty
        single = [row for row, kind in enumerate(data.kinds) if kind in ("single", "place")]
        self._single = torch.tensor(single or [0])

    def draw(self, step: int, progress: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns clean latents, noise, timesteps and token ids.

        Args:
            step: Number of the step.
            progress: Share of the whole training that is done.
        """
        settings = self._settings
        chance = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        size = settings.batch_size
        if progress < settings.single_object_until:
            rows = self._single[torch.randint(len(self._single), (size,), generator=chance)]
        else:
            rows = torch.randint(len(self._ids), (size,), generator=chance)
        latents = self._data.latents[rows].float() * settings.scaling_factor
        noise = torch.randn(latents.shape, generator=chance)
        timesteps = torch.randint(_TIMESTEPS, (size,), generator=chance)
        if progress < settings.high_noise_until:
            high = torch.randint(settings.high_noise_from, _TIMESTEPS, (size,), generator=chance)
            chosen = torch.rand(size, generator=chance) < settings.high_noise_share
            timesteps = torch.where(chosen, high, timesteps)
        dropped = torch.rand(size, 1, generator=chance) < settings.caption_dropout
        ids = torch.where(dropped, self._empty, self._ids[rows])
        return latents.contiguous(memory_format=torch.channels_last), noise, timesteps, ids


def build_pipeline(
    unet: UNet2DConditionModel, text: CLIPTextModel, vae: AutoencoderKL, scaling_factor: float
) -> StableDiffusionPipeline:
    """Puts the parts together as a Stable Diffusion pipeline."""
    vae.register_to_config(scaling_factor=scaling_factor)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=build_tokenizer(),
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def snapshot_path(work: Path, minutes: float) -> Path:
    """Returns the file of the averaged weights after some minutes of process time."""
    return work / "snapshots" / f"minute_{minutes:05.1f}.safetensors"


def latest_snapshot(work: Path) -> Path | None:
    """Returns the final snapshot, or the last one so far, or None."""
    final = work / "snapshots" / "final.safetensors"
    if final.exists():
        return final
    return max((work / "snapshots").glob("minute_*.safetensors"), default=None)


def load_snapshot(settings: Settings, path: Path) -> tuple[UNet2DConditionModel, CLIPTextModel, dict]:
    """Builds denoiser and text encoder with the averaged weights of a snapshot."""
    text = build_text_encoder(settings.text, build_tokenizer())
    unet = build_unet(settings.diffusion, settings.text.hidden_size)
    tensors, facts = read_tensors(path)
    load_modules({"unet": unet, "text": text}, tensors)
    return unet.eval(), text.eval(), facts


class Snapshots:
    """Writes the averaged weights at set times and measures them if a decoder is there."""

    def __init__(self, settings: DiffusionSettings, work: Path, state: TrainingState) -> None:
        """Plans the snapshots that are still to come.

        Args:
            settings: The settings.
            work: Folder of the run.
            state: State of the loop.
        """
        self._settings, self._work, self._state = settings, work, state
        self._log = log_to(work / "logs" / "diffusion_quality.jsonl")
        self._due = [minutes for minutes in settings.snapshot_minutes if minutes * 60 > state.cpu_seconds]

    def take_if_due(self) -> None:
        """Takes a snapshot when the next time has come."""
        if self._due and self._state.cpu_seconds / 60 >= self._due[0]:
            self.take(snapshot_path(self._work, self._due.pop(0)))

    def take(self, path: Path) -> None:
        """Writes the averaged weights and measures them."""
        state = self._state
        average = state.average
        if average is None:
            raise RuntimeError("snapshots need averaged weights")
        facts = {"step": state.step, "cpu_minutes": round(state.cpu_seconds / 60, 2)}
        halves = {name: value.half() for name, value in average.tensors.items()}
        write_tensors(path, halves, facts)
        decoder = self._work / "vae"
        if (decoder / "config.json").exists():
            average.swap()
            self._log(**facts, **self._measure(state.modules, decoder, path))
            average.swap()

    def _measure(self, modules: Mapping[str, nn.Module], decoder: Path, path: Path) -> dict[str, float]:
        settings = self._settings
        vae = AutoencoderKL.from_pretrained(decoder)
        pipeline = build_pipeline(modules["unet"], modules["text"], vae, settings.scaling_factor)
        scenes = evaluation_scenes(settings.eval_prompts)
        report, grid = check_pipeline(pipeline, scenes, settings.eval_steps, settings.guidance_scale)
        grid.save(path.with_suffix(".png"))
        for module in modules.values():
            module.train()
        return report


def learning_rate_share(settings: DiffusionSettings, step: int, progress: float) -> float:
    """Returns the learning rate as a share of its height: a ramp, a plain, then a cosine down."""
    ramp = min(1.0, (step + 1) / settings.warmup_steps)
    if progress < settings.decay_from:
        return ramp
    late = (progress - settings.decay_from) / (1 - settings.decay_from)
    return ramp * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(late, 1.0))))


def _start(settings: Settings, work: Path) -> tuple[TrainingState, BatchDrawer]:
    options = settings.diffusion
    warm_up(settings.text, work)
    tokenizer = build_tokenizer()
    torch.manual_seed(options.seed)
    text = build_text_encoder(settings.text, tokenizer)
    unet = build_unet(options, settings.text.hidden_size)
    load_modules({"text": text}, read_tensors(work / "text.safetensors")[0])
    modules: dict[str, nn.Module] = {"unet": unet.train(), "text": text.train()}
    rates = {"unet": options.learning_rate, "text": options.text_learning_rate}
    groups = decoupled_groups(modules, rates, options.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    average = Average(modules, options.ema_decay)
    state = TrainingState(work / "diffusion.safetensors", modules, optimizer, average)
    data = read_latents(work)
    drawer = BatchDrawer(options, data, encode(tokenizer, data.captions), encode(tokenizer, [""]))
    return state, drawer


def train_diffusion(settings: Settings, work: Path) -> None:
    """Trains until the minutes or the steps are used up; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    options = settings.diffusion
    state, drawer = _start(settings, work)
    unet, text, optimizer = state.modules["unet"], state.modules["text"], state.optimizer
    parameters = [*unet.parameters(), *text.parameters()]
    snapshots = Snapshots(options, work, state)
    scheduler = build_scheduler()
    log = log_to(work / "logs" / "diffusion.jsonl")
    losses: list[float] = []
    final = work / "snapshots" / "final.safetensors"
    while not final.exists():
        progress = max(state.cpu_seconds / 60 / options.cpu_minutes, state.step / options.max_steps)
        if progress >= 1:
            state.save()
            snapshots.take(final)
            return
        set_rate(optimizer, learning_rate_share(options, state.step, progress))
        latents, noise, timesteps, ids = drawer.draw(state.step, progress)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        velocity = scheduler.get_velocity(latents, noise, timesteps)
        loss = (unet(noisy, timesteps, text(ids)[0]).sample - velocity).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        state.step += 1
        state.average.update(state.step)
        losses.append(loss.item())
        if state.step % options.log_every == 0:
            minutes = state.cpu_seconds / 60
            log(step=state.step, cpu_minutes=minutes, loss=sum(losses) / len(losses))
            losses.clear()
        state.save_if_due(options.checkpoint_seconds)
        snapshots.take_if_due()
