"""The networks of `shapes-xl`: two text encoders and a thin denoiser, started from the base's.

The base's text features are 128 wide. Here the first encoder gives the first columns of them
and the second encoder the rest, so that the base's cross-attention fits what both say
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from training.diffusion import build_scheduler
from training.settings import CONTEXT_LENGTH, IMAGE_SIZE, LATENT_CHANNELS, LATENT_SIZE, XlSettings
from training.tokenizer import build_tokenizer

_TIME_IDS = 6  # original height and width, crop from top and left, target height and width
Widths = Sequence[tuple[int, int]]


def _text_config(tokenizer: CLIPTokenizer, width: int, layers: int, projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 3,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_LENGTH,
        projection_dim=projection,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


class XlTexts(nn.Module):
    """Both text encoders; gives what the SDXL pipeline hands to the denoiser."""

    def __init__(self, settings: XlSettings, tokenizer: CLIPTokenizer) -> None:
        """Builds both untrained.

        Args:
            settings: The settings.
            tokenizer: The tokenizer that both share.
        """
        super().__init__()
        pooled = sum(settings.text_widths)
        first, second = zip(settings.text_widths, settings.text_layers, strict=True)
        self.first = CLIPTextModel(_text_config(tokenizer, *first, pooled))
        self.second = CLIPTextModelWithProjection(_text_config(tokenizer, *second, pooled))

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Returns features of each token and of the whole text.

        Args:
            ids: Token ids of shape (rows, context length).

        Returns:
            The output of each encoder's last layer but one, side by side, as SDXL reads it;
            and the projected vector of the second.
        """
        first = self.first(ids, output_hidden_states=True)
        second = self.second(ids, output_hidden_states=True)
        features = [output.hidden_states[-2] for output in (first, second)]
        return torch.cat(features, dim=-1), second.text_embeds


def build_xl_unet(settings: XlSettings) -> UNet2DConditionModel:
    """Builds the untrained denoiser."""
    width = sum(settings.text_widths)
    return UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=settings.block_out_channels,
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=settings.attention_heads,
        norm_num_groups=settings.norm_num_groups,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=settings.addition_time_embed_dim,
        projection_class_embeddings_input_dim=_TIME_IDS * settings.addition_time_embed_dim + width,
    ).to(memory_format=torch.channels_last)


def kept_channels(wide: int, thin: int, widths: Widths) -> Tensor:
    """Returns which channels of a wide layer a thin one takes over, evenly spread.

    Where a layer reads two blocks side by side, each block's channels are chosen as in that
    block itself.

    Args:
        wide: Channels of the wide layer.
        thin: Channels of the thin layer.
        widths: Wide and thin width of every block.
    """

    def spread(wide: int, thin: int) -> Tensor:
        return torch.arange(thin) * wide // thin

    for (first, thin_first), (second, thin_second) in product(reversed(widths), repeat=2):
        if (first + second, thin_first + thin_second) == (wide, thin):
            return torch.cat([spread(first, thin_first), first + spread(second, thin_second)])
    return spread(wide, thin)


@torch.no_grad()
def start_from_base(unet: UNet2DConditionModel, base: UNet2DConditionModel) -> None:
    """Starts a thin denoiser with evenly spread channels of the base's.

    What the base has no counterpart of adds nothing at first.

    Args:
        unet: The thin denoiser.
        base: The trained one.
    """
    widths = list(zip(base.config.block_out_channels, unet.config.block_out_channels, strict=True))
    known = dict(base.named_parameters())
    for name, parameter in unet.named_parameters():
        if name not in known:
            if name.startswith("add_embedding.linear_2"):
                parameter.zero_()
            continue
        value = known[name]
        if parameter.ndim == 2:
            value = value.flatten(1)  # SDXL projects by matrices where the base has 1 x 1 convolutions
        for dimension, thin in enumerate(parameter.shape):
            kept = kept_channels(value.shape[dimension], thin, widths)
            value = value.index_select(dimension, kept)
        parameter.copy_(value)


def time_ids(rows: int) -> Tensor:
    """Returns the sizes and the crop that the pipeline states for whole pictures of 128 px."""
    return torch.tensor([[IMAGE_SIZE, IMAGE_SIZE, 0, 0, IMAGE_SIZE, IMAGE_SIZE]]).float().expand(rows, -1)


class BlockOutputs:
    """Keeps what each block of a denoiser gives, to compare a thin one with the base."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        """Listens to the blocks.

        Args:
            unet: The denoiser.
        """
        self._found: list[Tensor] = []
        for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
            block.register_forward_hook(self._keep)

    def _keep(self, _block: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        self._found.append(output[0] if isinstance(output, tuple) else output)

    def take(self) -> list[Tensor]:
        """Returns what was kept since the last call."""
        found, self._found = self._found, []
        return found


def build_xl_pipeline(
    unet: UNet2DConditionModel, texts: XlTexts, vae: AutoencoderKL, scaling_factor: float
) -> StableDiffusionXLPipeline:
    """Puts the parts together as an SDXL pipeline."""
    vae.register_to_config(scaling_factor=scaling_factor, force_upcast=False)
    tokenizer = build_tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=texts.first,
        text_encoder_2=texts.second,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=build_scheduler(),
        # Without guidance towards a text the denoiser reads the empty caption, not zeros.
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
