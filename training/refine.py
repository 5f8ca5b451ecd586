"""Tunes the decoder to the denoiser's own mistakes, so that outlines come out crisp.

The latents that a short-trained denoiser ends with are a little smooth, which no noise on
exact codes imitates. Here scenes are noised, denoised in one step, decoded, and compared
with the picture. The noise is low enough for the scene to survive it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training.codes import target_latents, to_tensor
from training.diffusion import build_scheduler, load_snapshot
from training.render import render_batch
from training.settings import Settings
from training.tokenizer import build_tokenizer, encode
from training.vae import picture_loss, train_half, windows
from training.world import Scene, draw_training_scene


class Denoised:
    """Gives pictures and what the denoiser makes of their noised latents."""

    def __init__(self, settings: Settings, snapshot: Path) -> None:
        """Loads the denoiser.

        Args:
            settings: The settings.
            snapshot: Its averaged weights.
        """
        self._unet, self._text, _ = load_snapshot(settings, snapshot)
        self._tokenizer, self._scheduler = build_tokenizer(), build_scheduler()
        self._scale = settings.diffusion.scaling_factor
        self._range = settings.vae.refine_timesteps

    @torch.no_grad()
    def __call__(self, scenes: Sequence[Scene], chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns pictures and one-step denoised latents of the scenes."""
        images = to_tensor(render_batch(scenes))
        latents = target_latents(images, scenes) * self._scale
        noise = torch.randn(latents.shape, generator=chance)
        timesteps = torch.randint(*self._range, (len(scenes),), generator=chance)
        noisy = self._scheduler.add_noise(latents, noise, timesteps)
        ids = encode(self._tokenizer, [scene.caption for scene in scenes])
        velocity = self._unet(noisy, timesteps, self._text(ids)[0]).sample
        kept = self._scheduler.alphas_cumprod[timesteps][:, None, None, None]
        return images, (kept.sqrt() * noisy - (1 - kept).sqrt() * velocity) / self._scale


def refine_decoder(settings: Settings, work: Path) -> None:
    """Tunes the decoder and writes `vae_refined/`; resumes where it stopped.

    A third of the batches stay as in the decoder's first training, styles included.

    Args:
        settings: The settings.
        work: Folder of the run, which holds `vae` and the final snapshot.
    """
    target = work / "vae_refined"
    if (target / "config.json").exists():
        return
    options = settings.vae
    vae = AutoencoderKL.from_pretrained(work / "vae").to(memory_format=torch.channels_last)
    denoised = Denoised(settings, work / "snapshots" / "final.safetensors")

    def loss_of(scenes: Sequence[Scene], chance: torch.Generator, window: int | None) -> Tensor:
        rng = random.Random(chance.initial_seed())
        if rng.random() < 1 / 3:
            images = to_tensor(render_batch(scenes))
            latents = target_latents(images, scenes)
            latents = latents + 0.2 * torch.randn(latents.shape, generator=chance)
        else:
            scenes = [draw_training_scene(rng) for _ in scenes]
            images, latents = denoised(scenes, chance)
        if window:
            images, latents = windows(scenes, images, latents, window, rng)
        return picture_loss(vae, scenes, images, latents)

    train_half(vae, "refined", options.refine_steps, options, work, loss_of)
    temporary = work / "vae_refined.tmp"
    vae.save_pretrained(temporary)
    temporary.rename(target)
