"""Every setting of the bundled models, in one place.

The numbers were found by experiment on two CPU cores; `training/README.md` tells what
was tried. `FULL` made the shipped weights, `SHORT` runs every part in seconds so that a
test can go through the whole command from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE_SIZE = 128
LATENT_SIZE = 16
LATENT_CHANNELS = 8
CONTEXT_LENGTH = 24


@dataclass(frozen=True)
class TextSettings:
    """Text encoder of the pipeline and its warm-up on captions alone."""

    seed: int = 11
    hidden_size: int = 128
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    steps: int = 400
    batch_size: int = 128
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class VaeSettings:
    """Autoencoder: the encoder and the decoder are taught one after the other."""

    seed: int = 12
    block_out_channels: tuple[int, ...] = (16, 24, 48, 64)
    encoder_steps: int = 1200
    decoder_steps: int = 3000
    windows_from: int = 1050
    window_cells: int = 9
    batch_size: int = 8
    learning_rate: float = 2e-3
    styled_share: float = 0.2
    latent_noise: float = 0.4
    refine_steps: int = 900
    refine_learning_rate: float = 1e-3
    refine_timesteps: tuple[int, int] = (50, 550)
    log_every: int = 50
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class LatentSettings:
    """Pre-computed training set of the denoiser."""

    seed: int = 1000
    shards: int = 20
    scenes_per_shard: int = 2048


@dataclass(frozen=True)
class DiffusionSettings:
    """Denoising UNet, trained together with the warmed-up text encoder."""

    seed: int = 13
    block_out_channels: tuple[int, ...] = (48, 80, 112)
    attention_heads: int = 4
    norm_num_groups: int = 16
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    text_learning_rate: float = 2e-4
    warmup_steps: int = 200
    decay_from: float = 0.5
    weight_decay: float = 0.01
    caption_dropout: float = 0.2
    ema_decay: float = 0.998
    scaling_factor: float = 0.5
    high_noise_share: float = 0.5
    high_noise_from: int = 550
    high_noise_until: float = 0.606
    single_object_until: float = 0.126
    cpu_minutes: float = 31.0
    max_steps: int = 1_000_000
    snapshot_minutes: tuple[float, ...] = (2, 4, 6, 8, 11, 14, 20, 25)
    early_minutes: float = 4.0
    log_every: int = 50
    checkpoint_seconds: float = 60.0
    eval_prompts: int = 48
    eval_steps: int = 20
    guidance_scale: float = 1.5


@dataclass(frozen=True)
class ClipSettings:
    """Image and text towers of the scoring CLIP."""

    seed: int = 14
    image_size: int = 96
    embed_dim: int = 128
    vision_layers: tuple[int, ...] = (1, 1, 1, 1)
    vision_width: int = 24
    vision_head_width: int = 64
    text_width: int = 128
    text_heads: int = 4
    text_layers: int = 3
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup_steps: int = 60
    weight_decay: float = 0.02
    attribute_weight: float = 0.5
    cpu_minutes: float = 9.5
    max_steps: int = 1_000_000
    eval_every: int = 150
    log_every: int = 20
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Settings:
    """All parts together."""

    text: TextSettings = field(default_factory=TextSettings)
    vae: VaeSettings = field(default_factory=VaeSettings)
    latents: LatentSettings = field(default_factory=LatentSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    clip: ClipSettings = field(default_factory=ClipSettings)


FULL = Settings()

SHORT = Settings(
    text=TextSettings(hidden_size=32, num_hidden_layers=1, steps=4, batch_size=8),
    vae=VaeSettings(
        block_out_channels=(8, 8, 8, 16),
        encoder_steps=3,
        decoder_steps=4,
        windows_from=2,
        refine_steps=3,
        batch_size=2,
        log_every=1,
    ),
    latents=LatentSettings(shards=1, scenes_per_shard=16),
    diffusion=DiffusionSettings(
        block_out_channels=(16, 16, 32),
        norm_num_groups=8,
        batch_size=4,
        max_steps=6,
        snapshot_minutes=(0.001,),
        early_minutes=0.001,
        log_every=2,
        eval_prompts=2,
        eval_steps=2,
    ),
    clip=ClipSettings(
        image_size=32,
        embed_dim=16,
        vision_width=8,
        vision_head_width=8,
        text_width=16,
        text_heads=2,
        text_layers=1,
        batch_size=8,
        max_steps=3,
        eval_every=2,
        log_every=1,
    ),
)
