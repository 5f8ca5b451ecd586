"""Trains the autoencoder: first the encoder onto the latent code, then the decoder from it.

The two halves meet only in the code, so neither has to wait for the other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from training.checkpoint import Average, TrainingState, decoupled_groups, log_to, set_rate
from training.codes import CELL, target_latents, to_tensor
from training.render import render_batch
from training.settings import LATENT_SIZE, VaeSettings
from training.vae_start import build_vae, calibrate
from training.world import BACKGROUNDS, STYLES, Scene, draw_scene, draw_training_scene


def styled_scenes(rng: random.Random, count: int, styled_share: float) -> list[Scene]:
    """Draws training scenes, some of them outlined or striped."""
    scenes = [draw_training_scene(rng) for _ in range(count)]
    return [
        replace(scene, style=rng.choice(STYLES)) if rng.random() < styled_share else scene for scene in scenes
    ]


def _tensors(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    images = to_tensor(render_batch(scenes))
    latents = target_latents(images, scenes)
    return images.contiguous(memory_format=torch.channels_last), latents


def _edges(images: Tensor) -> tuple[Tensor, Tensor]:
    return images[..., 1:, :] - images[..., :-1, :], images[..., :, 1:] - images[..., :, :-1]


def encoder_loss(vae: AutoencoderKL, scenes: Sequence[Scene], chance: torch.Generator) -> Tensor:
    """Returns the squared error of the encoder's mean against the code."""
    images, latents = _tensors(scenes)
    # Decoded pictures are never quite clean, and neither are users' photographs of them.
    images = images + 0.04 * torch.randn(images.shape, generator=chance)
    return (vae.encode(images).latent_dist.mean - latents).pow(2).mean()


def windows(
    scenes: Sequence[Scene], images: Tensor, latents: Tensor, cells: int, rng: random.Random
) -> tuple[Tensor, Tensor]:
    """Cuts a square window around one object out of each picture and of its code."""
    corners = []
    for scene in scenes:
        item = rng.choice(scene.items)
        starts = (round(value / CELL - cells * rng.uniform(0.3, 0.7)) for value in (item.y, item.x))
        corners.append([min(max(start, 0), LATENT_SIZE - cells) for start in starts])
    windows = [
        (
            image[:, CELL * top :, CELL * left :][:, : CELL * cells, : CELL * cells],
            latent[:, top : top + cells, left : left + cells],
        )
        for image, latent, (top, left) in zip(images, latents, corners, strict=True)
    ]
    return torch.stack([window[0] for window in windows]), torch.stack([window[1] for window in windows])


def decoder_loss(
    vae: AutoencoderKL, scenes: Sequence[Scene], chance: torch.Generator, noise: float, window: int | None
) -> Tensor:
    """Returns the picture error of decoding noisy codes; objects and edges count more.

    Args:
        vae: The autoencoder.
        scenes: The scenes of the batch.
        chance: Source of noise.
        noise: Largest standard deviation of the noise on the codes.
        window: Side in cells of the windows around objects; None for whole pictures.
    """
    images, latents = _tensors(scenes)
    if window:
        rng = random.Random(chance.initial_seed())
        images, latents = windows(scenes, images, latents, window, rng)
    strength = noise * torch.rand(len(scenes), 1, 1, 1, generator=chance)
    noisy = latents + strength * torch.randn(latents.shape, generator=chance)
    return picture_loss(vae, scenes, images, noisy)


def picture_loss(vae: AutoencoderKL, scenes: Sequence[Scene], images: Tensor, latents: Tensor) -> Tensor:
    """Returns the error of decoding latents; objects and edges count more."""
    decoded = vae.decode(latents.contiguous(memory_format=torch.channels_last)).sample
    ground = torch.tensor([BACKGROUNDS[scene.background] for scene in scenes]) / 127.5 - 1
    objects = (images - ground[:, :, None, None]).abs().sum(1, keepdim=True) > 0.1
    weights = 1 + 5 * objects.float()
    error = decoded - images
    edges = zip(_edges(decoded), _edges(images), strict=True)
    edge_error = torch.stack([(given - wanted).abs().mean() for given, wanted in edges]).sum()
    return ((error.abs() + 2 * error.pow(2)) * weights).mean() / weights.mean() + 0.5 * edge_error


def _window(settings: VaeSettings, name: str, step: int) -> int | None:
    """Tells whether a step takes windows: the decoder begins and ends with whole pictures."""
    last_fifth = step >= 0.8 * settings.decoder_steps
    whole = step < settings.windows_from or step % (2 if last_fifth else 6) == 0
    if name == "refined":
        whole = step % 4 == 0
    return None if whole or name == "encoder" else settings.window_cells


def validation_scenes(count: int = 40) -> list[Scene]:
    """Draws scenes in all styles for the reconstruction error."""
    rng = random.Random(99)
    styles = (None, None, None, *STYLES)
    return [replace(draw_scene(rng), style=styles[number % 5]) for number in range(count)]


@torch.no_grad()
def reconstruction_psnr(vae: AutoencoderKL, scenes: Sequence[Scene], encoded: bool) -> float:
    """Returns the mean signal-to-noise ratio in dB of decoding the encoder's or the exact code."""
    images, latents = _tensors(scenes)
    if encoded:
        latents = vae.encode(images).latent_dist.mean
    decoded = vae.decode(latents).sample.clamp(-1, 1)
    error = ((decoded - images) / 2).pow(2).mean((1, 2, 3))
    return (-10 * error.log10()).mean().item()


def train_half(
    vae: AutoencoderKL,
    name: str,
    steps: int,
    settings: VaeSettings,
    work: Path,
    loss_of: Callable[[Sequence[Scene], torch.Generator, int | None], Tensor],
) -> None:
    """Trains encoder or decoder for so many steps; ends with the averaged weights in place.

    Args:
        vae: The autoencoder.
        name: "encoder", "decoder", or "refined" for the decoder's second training.
        steps: How many steps.
        settings: The settings.
        work: Folder of the run.
        loss_of: Gives the loss from scenes, a source of chance and the side of the windows.
    """
    half, convolution = vae.decoder, vae.post_quant_conv
    if name == "encoder":
        half, convolution = vae.encoder, vae.quant_conv
    modules: dict[str, nn.Module] = {"half": half, "convolution": convolution}
    rate = settings.refine_learning_rate if name == "refined" else settings.learning_rate
    groups = decoupled_groups(modules, dict.fromkeys(modules, rate), 0.0)
    average = Average(modules, 0.995)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    state = TrainingState(work / f"vae_{name}.safetensors", modules, optimizer, average)
    log = log_to(work / "logs" / "vae.jsonl")
    while state.step < steps:
        progress = state.step / steps
        share = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * progress))
        set_rate(optimizer, min(1.0, (state.step + 1) / 50) * share)
        mark = settings.seed * 1_000_003 + state.step
        window = _window(settings, name, state.step)
        count = settings.batch_size * (2 if window else 1)
        scenes = styled_scenes(random.Random(mark), count, settings.styled_share)
        loss = loss_of(scenes, torch.Generator().manual_seed(mark), window)
        optimizer.zero_grad()
        loss.backward()
        for module in modules.values():
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        average.update(state.step)
        if state.step % settings.log_every == 0:
            log(part=name, step=state.step, cpu_minutes=state.cpu_seconds / 60, loss=loss.item())
        state.save_if_due(settings.checkpoint_seconds)
    state.save()
    average.swap()


def train_vae(settings: VaeSettings, work: Path) -> None:
    """Trains the autoencoder and writes it to `vae/`; resumes where it stopped.

    Args:
        settings: The settings.
        work: Folder of the run.
    """
    if (work / "vae" / "config.json").exists():
        return
    torch.manual_seed(settings.seed)
    vae = build_vae(settings)
    scenes = validation_scenes()
    calibrate(vae, *_tensors(scenes))
    log = log_to(work / "logs" / "vae.jsonl")
    log(part="start", psnr_of_code=reconstruction_psnr(vae, scenes, encoded=False))
    train_half(
        vae,
        "decoder",
        settings.decoder_steps,
        settings,
        work,
        lambda drawn, chance, window: decoder_loss(vae, drawn, chance, settings.latent_noise, window),
    )
    train_half(
        vae,
        "encoder",
        settings.encoder_steps,
        settings,
        work,
        lambda drawn, chance, _: encoder_loss(vae, drawn, chance),
    )
    log(
        part="end",
        psnr_of_code=reconstruction_psnr(vae, scenes, encoded=False),
        psnr_of_encoder=reconstruction_psnr(vae, scenes, encoded=True),
    )
    temporary = work / "vae.tmp"
    vae.save_pretrained(temporary)
    temporary.rename(work / "vae")
