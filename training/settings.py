"""Every setting of the bundled models, in one place.

The numbers were found by experiment on two CPU cores; `training/README.md` tells what
was tried. `FULL` made the shipped weights, `SHORT` runs every part in seconds so that a
test can go through the whole command from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE_SIZE = 128
LATENT_SIZE = 16
LATENT_CHANNELS = 10
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
    block_out_channels: tuple[int, ...] = (48, 72, 104)
    attention_heads: int = 4
    norm_num_groups: int = 8
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    text_learning_rate: float = 2e-4
    warmup_steps: int = 200
    decay_from: float = 0.45
    weight_decay: float = 0.01
    caption_dropout: float = 0.2
    ema_decay: float = 0.998
    scaling_factor: float = 0.5
    high_noise_share: float = 0.5
    high_noise_from: int = 550
    high_noise_until: float = 0.5
    single_object_until: float = 0.1
    cpu_minutes: float = 80.0
    max_steps: int = 1_000_000
    snapshot_minutes: tuple[float, ...] = (4, 8, 14, 20, 25, 31, 40, 50, 60, 70)
    early_minutes: float = 8.0
    mid_minutes: float = 20.0
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
    batch_size: int = 48
    reading_batch_size: int = 48
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_from: float = 0.6
    weight_decay: float = 0.02
    teacher_weights: tuple[tuple[str, float], ...] = (
        ("code", 10.0),
        ("trunk", 0.5),
        ("seeing", 0.5),
        ("reading", 3.0),
        ("wording", 5.0),
        ("parting", 0.5),
    )
    steps: int = 3450
    eval_every: int = 400
    log_every: int = 50
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class DetectorSettings:
    """Object detector with the pairs of color and shape as classes."""

    seed: int = 16
    backbone_widths: tuple[int, ...] = (24, 48, 96, 128)
    backbone_depths: tuple[int, ...] = (1, 1, 1, 1)
    width: int = 64
    attention_heads: int = 4
    decoder_layers: int = 2
    queries: int = 16
    denoising: int = 16
    steps: int = 2000
    refine_steps: int = 600
    refine_score_weight: float = 4.0
    batch_size: int = 16
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_limit: float = 5.0
    open_weight: float = 2.0
    open_until: float = 0.4
    mixed_share: float = 0.4
    extra_share: float = 0.15
    shifted_share: float = 0.1
    empty_share: float = 0.02
    styled_share: float = 0.15
    log_every: int = 50
    eval_every: int = 250
    eval_scenes: int = 96
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Stage:
    """A part of a training at one picture size; small pictures are close-ups, not thumbnails.

    The weights are those of what is read off the maps: the code of each cell, and the name of the
    shape there with its silhouette. High at first, they have shapes seen before they are asked for.
    """

    side: int
    batch_size: int
    steps: int
    place_weight: float = 3.0
    outline_weight: float = 1.0


@dataclass(frozen=True)
class LpipsSettings:
    """AlexNet trunk and linear heads of the perceptual distance."""

    seed: int = 18
    stages: tuple[Stage, ...] = (
        Stage(64, 32, 650, outline_weight=3),
        Stage(64, 32, 200),
        Stage(128, 24, 250),
    )
    learning_rate: float = 6e-4
    warmup_steps: int = 100
    decay_share: float = 0.3
    weight_decay: float = 0.02
    styled_share: float = 0.15
    temperature: float = 0.1
    attribute_weight: float = 0.5
    triplets: int = 2500
    head_steps: int = 1500
    head_batch: int = 256
    head_rate: float = 0.02
    unlike_distance: float = 0.5
    log_every: int = 20
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class DinoSettings:
    """The small DINOv3 vision transformer and ConvNeXt."""

    seed: int = 17
    patch_size: int = 8
    hidden_size: int = 96
    intermediate_size: int = 288
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_register_tokens: int = 4
    initializer_range: float = 0.06
    locality: float = 1.0
    vit_stages: tuple[Stage, ...] = (
        Stage(64, 32, 900, outline_weight=3),
        Stage(64, 32, 220),
        Stage(128, 16, 200),
    )
    convnext_sizes: tuple[int, ...] = (24, 48, 96, 160)
    convnext_depths: tuple[int, ...] = (1, 1, 2, 1)
    convnext_layer_scale: float = 0.5
    convnext_stages: tuple[Stage, ...] = (
        Stage(64, 32, 900, outline_weight=3),
        Stage(64, 32, 400),
        Stage(128, 24, 500),
    )
    learning_rate: float = 1e-3
    convnext_learning_rate: float = 2e-3
    warmup_steps: int = 60
    decay_share: float = 0.3
    weight_decay: float = 0.02
    styled_share: float = 0.15
    spoiled_share: float = 0.5
    temperature: float = 0.1
    attribute_weight: float = 0.5
    eval_scenes: int = 50
    eval_every: int = 150
    log_every: int = 20
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class XlSettings:
    """The same world in the layout of SDXL: two text encoders, a thinner denoiser taught by the base."""

    seed: int = 18
    text_widths: tuple[int, int] = (96, 32)
    text_layers: tuple[int, int] = (3, 10)
    text_steps: int = 350
    text_batch_size: int = 64
    text_learning_rate: float = 2e-3
    block_out_channels: tuple[int, ...] = (40, 48, 64)
    attention_heads: int = 4
    norm_num_groups: int = 8
    addition_time_embed_dim: int = 8
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_from: float = 0.3
    weight_decay: float = 0.01
    ema_decay: float = 0.995
    high_noise_until: float = 0.5
    true_share: float = 0.2
    hint_weight: float = 0.1
    cpu_minutes: float = 12.0
    max_steps: int = 1_000_000
    log_every: int = 50
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class LoraSettings:
    """The LoRA that has the base draw outlines only."""

    seed: int = 19
    rank: int = 24
    alpha: int = 48
    scenes: int = 4096
    batch_size: int = 32
    color_weight: float = 1.0
    learning_rate: float = 3e-3
    warmup_steps: int = 30
    decay_from: float = 0.4
    ema_decay: float = 0.99
    cpu_minutes: float = 6.0
    max_steps: int = 1_000_000
    log_every: int = 25
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class AnswererSettings:
    """Question answerer: sight first, by windows and whole, then questions, then all together."""

    seed: int = 15
    hidden_size: int = 112
    attention_heads: int = 4
    vision_layers: int = 4
    vision_intermediate_size: int = 320
    text_layers: int = 3
    text_intermediate_size: int = 128
    window_steps: int = 1300
    window_side: int = 5
    window_batch_size: int = 32
    sight_steps: int = 250
    sight_batch_size: int = 24
    sight_learning_rate: float = 2e-3
    question_steps: int = 900
    joint_steps: int = 1600
    pictures: int = 12
    questions: int = 8
    skill_weights: tuple[float, ...] = (1.5, 4, 1, 1.5, 1, 4, 5, 14, 5)
    learning_rate: float = 1.5e-3
    vision_share: float = 0.5
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_limit: float = 2.0
    reading_weight: float = 0.5
    sight_weight: float = 0.3
    joint_center_weight: float = 2.0
    ema_decay: float = 0.995
    log_every: int = 25
    eval_every: int = 250
    eval_pictures: int = 40
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Settings:
    """All parts together."""

    text: TextSettings = field(default_factory=TextSettings)
    vae: VaeSettings = field(default_factory=VaeSettings)
    latents: LatentSettings = field(default_factory=LatentSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    clip: ClipSettings = field(default_factory=ClipSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    dino: DinoSettings = field(default_factory=DinoSettings)
    lpips: LpipsSettings = field(default_factory=LpipsSettings)
    xl: XlSettings = field(default_factory=XlSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    answerer: AnswererSettings = field(default_factory=AnswererSettings)


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
        mid_minutes=0.001,
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
        reading_batch_size=4,
        steps=3,
        eval_every=2,
        log_every=1,
    ),
    detector=DetectorSettings(
        backbone_widths=(8, 8, 16, 16),
        width=16,
        attention_heads=2,
        queries=6,
        denoising=4,
        steps=4,
        refine_steps=2,
        batch_size=4,
        log_every=1,
        eval_every=2,
        eval_scenes=4,
    ),
    xl=XlSettings(
        text_widths=(24, 8),
        text_layers=(2, 2),
        text_steps=4,
        text_batch_size=4,
        block_out_channels=(8, 8, 16),
        batch_size=4,
        max_steps=4,
        log_every=1,
    ),
    answerer=AnswererSettings(
        hidden_size=112,
        vision_layers=1,
        vision_intermediate_size=64,
        text_layers=1,
        text_intermediate_size=16,
        window_steps=2,
        window_batch_size=2,
        sight_steps=1,
        sight_batch_size=2,
        question_steps=2,
        joint_steps=1,
        pictures=2,
        questions=3,
        log_every=1,
        eval_every=3,
        eval_pictures=4,
    ),
    lora=LoraSettings(rank=2, alpha=4, scenes=8, batch_size=2, max_steps=4, log_every=1),
    lpips=LpipsSettings(
        stages=(Stage(64, 4, 2), Stage(128, 2, 2)),
        warmup_steps=2,
        triplets=20,
        head_steps=4,
        head_batch=8,
        log_every=1,
    ),
    dino=DinoSettings(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        vit_stages=(Stage(64, 4, 2), Stage(128, 2, 2)),
        convnext_sizes=(8, 8, 16, 16),
        convnext_depths=(1, 1, 1, 1),
        convnext_stages=(Stage(64, 4, 2), Stage(128, 2, 2)),
        warmup_steps=2,
        eval_scenes=4,
        eval_every=3,
        log_every=1,
    ),
)
