"""The autoencoder with its analytic start: an exact colour thumbnail and its enlargement.

A tiny autoencoder from random weights spends most of its training on learning to copy
colours. This start saves that time; everything else is learned in `training/vae.py`.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from training.codes import COLOR_CHANNELS, COLOR_MATRIX
from training.settings import IMAGE_SIZE, LATENT_CHANNELS, VaeSettings

# Channels +x and -x for each colour make SiLU linear (silu(x) - silu(-x) = x); two constant
# channels of opposite sign keep GroupNorm's statistics steady.
_PAIRED = 2 * COLOR_CHANNELS + 2
_CONSTANT = 2.0
_LOG_VARIANCE = -6.0


def build_vae(settings: VaeSettings) -> AutoencoderKL:
    """Builds the autoencoder with its analytic start."""
    levels = len(settings.block_out_channels)
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.block_out_channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=1,
        mid_block_add_attention=False,
        sample_size=IMAGE_SIZE,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        _start_blocks(vae)
        _start_ends(vae)
    return vae.to(memory_format=torch.channels_last)


def _start_blocks(vae: AutoencoderKL) -> None:
    """Makes residual branches zero, and re-sampling plain averaging and smoothing."""
    smooth = torch.tensor([1.0, 2.0, 1.0])
    smooth = smooth[:, None] * smooth[None] / 16
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.zero_()
            module.conv2.bias.zero_()
            if module.conv_shortcut is not None:
                _identity(module.conv_shortcut, torch.ones(1, 1))
        elif isinstance(module, Downsample2D):
            corner = torch.zeros(3, 3)
            corner[:2, :2] = 0.25
            _identity(module.conv, corner)
        elif isinstance(module, Upsample2D):
            _identity(module.conv, smooth)


def _identity(conv: nn.Conv2d, kernel: Tensor) -> None:
    """Passes the paired channels on through one kernel; the rest stays random but weaker."""
    conv.weight.mul_(0.5)
    conv.weight[:_PAIRED] = 0
    conv.bias.zero_()
    for channel in range(_PAIRED):
        conv.weight[channel, channel] = kernel


def _split_in(conv: nn.Conv2d, mixing: Tensor) -> None:
    """Makes a first convolution give +x and -x of three mixed inputs and the constants."""
    conv.weight.mul_(0.5)
    conv.weight[:_PAIRED] = 0
    conv.bias[:_PAIRED] = 0
    inputs = mixing.shape[1]
    conv.weight[:COLOR_CHANNELS, :inputs, 1, 1] = mixing
    conv.weight[COLOR_CHANNELS : 2 * COLOR_CHANNELS, :inputs, 1, 1] = -mixing
    conv.bias[_PAIRED - 2], conv.bias[_PAIRED - 1] = _CONSTANT, -_CONSTANT


def _join_out(conv: nn.Conv2d, mixing: Tensor) -> None:
    """Makes a last convolution give x from its +x and -x, mixed."""
    conv.weight[:COLOR_CHANNELS] = 0
    conv.bias.zero_()
    conv.weight[:COLOR_CHANNELS, :COLOR_CHANNELS, 1, 1] = mixing
    conv.weight[:COLOR_CHANNELS, COLOR_CHANNELS : 2 * COLOR_CHANNELS, 1, 1] = -mixing


def _start_ends(vae: AutoencoderKL) -> None:
    """Sets the first and last convolutions and the two 1 x 1 ones around the latents."""
    eye = torch.eye(COLOR_CHANNELS)
    _split_in(vae.encoder.conv_in, eye)
    vae.encoder.conv_out.weight.mul_(0.2)
    _join_out(vae.encoder.conv_out, COLOR_MATRIX)
    vae.encoder.conv_out.weight[LATENT_CHANNELS:] = 0
    vae.encoder.conv_out.bias[LATENT_CHANNELS:] = _LOG_VARIANCE
    _split_in(vae.decoder.conv_in, torch.linalg.inv(COLOR_MATRIX))
    vae.decoder.conv_out.weight.mul_(0.02)
    _join_out(vae.decoder.conv_out, eye)
    for conv in (vae.quant_conv, vae.post_quant_conv):
        conv.weight.copy_(torch.eye(conv.weight.shape[0])[:, :, None, None])
        conv.bias.zero_()


@torch.no_grad()
def calibrate(vae: AutoencoderKL, images: Tensor, latents: Tensor) -> None:
    """Fits scale and offset of the last convolutions, which GroupNorm has shifted."""
    moments = vae.encoder(images)[:, :COLOR_CHANNELS]
    _fit(vae.encoder.conv_out, moments, latents[:, :COLOR_CHANNELS])
    _fit(vae.decoder.conv_out, vae.decode(latents).sample, images)


def _fit(conv: nn.Conv2d, given: Tensor, wanted: Tensor) -> None:
    for channel in range(given.shape[1]):
        x, y = given[:, channel].flatten(), wanted[:, channel].flatten()
        scale = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).pow(2).sum()
        conv.weight[channel] *= scale
        conv.bias[channel] = conv.bias[channel] * scale + y.mean() - scale * x.mean()
