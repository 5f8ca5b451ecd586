"""The latent code of a scene: what the encoder is taught to produce.

A plain autoencoder of this size hides the shape of an object in faint corrections to a
thumbnail, and a small denoiser never learns them. Here the latent space is supervised
instead: three channels are a colour thumbnail, and the others say openly what stands at
a place. The denoiser then learns shapes as readily as colours, and the decoder, which is
taught under noise, turns thumbnail and code into clean outlines.

| channel | meaning |
|---|---|
| 0 | brightness of the 8 x 8 cell |
| 1, 2 | red against green, yellow against blue |
| 3, 4, 5 | shape of the object there: the six shapes are the six corners of an octahedron |
| 6 | style: outlined is positive, striped negative, plain zero |
| 7 | a bump at the centre of each object, which helps to count |
| 8, 9 | place within the object: offset from its centre to the right and down, in radii |

The last two are straight ramps, which a blurred or noisy copy keeps: from them and the shape
every pixel can tell whether it lies inside the outline, however large the object is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.settings import IMAGE_SIZE, LATENT_CHANNELS, LATENT_SIZE
from training.world import SHAPES, STYLES, Scene

CELL = IMAGE_SIZE // LATENT_SIZE
COLOR_CHANNELS = 3
# Rows turn RGB in [-1, 1] into brightness and two opponent colours. Colour differences are
# weighed up: most of the variance of the pictures is the brightness of the background.
COLOR_MATRIX = torch.tensor(
    [
        [0.8 / 3**0.5] * 3,
        [2 / 2**0.5, -2 / 2**0.5, 0.0],
        [2 / 6**0.5, 2 / 6**0.5, -4 / 6**0.5],
    ]
)
_SHAPE_GAIN, _STYLE_GAIN, _CENTRE_GAIN, _OFFSET_GAIN = 2.5, 2.0, 2.5, 1.6
_CENTRE_WIDTH = 6.0
# The code reaches past the outline (tips of stars lie at 1.12 radii), so that the outline
# itself never falls where the code fades.
_REACH, _MARGIN = 1.15, 3.0


def scene_code(scene: Scene) -> NDArray[np.float32]:
    """Returns the supervised channels of one scene, shape (7, 16, 16)."""
    code = np.zeros((LATENT_CHANNELS - COLOR_CHANNELS, LATENT_SIZE, LATENT_SIZE), np.float32)
    centres = (np.arange(LATENT_SIZE, dtype=np.float32) + 0.5) * CELL
    for item in scene.items:
        right, down = np.broadcast_arrays(centres[None, :] - item.x, centres[:, None] - item.y)
        distance = np.hypot(right, down)
        cover = np.clip((_REACH * item.radius + _MARGIN - distance) / CELL + 0.5, 0, 1)
        axis, side = divmod(SHAPES.index(item.shape), 2)
        code[axis] += (-1 if side else 1) * _SHAPE_GAIN * cover
        if scene.style:
            code[3] += (-1 if STYLES.index(scene.style) else 1) * _STYLE_GAIN * cover
        code[4] += _CENTRE_GAIN * np.exp(-(distance**2) / (2 * _CENTRE_WIDTH**2))
        code[5] += _OFFSET_GAIN * cover * right / item.radius
        code[6] += _OFFSET_GAIN * cover * down / item.radius
    return code


def target_latents(images: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Returns the latents that the encoder should give.

    Args:
        images: Pictures of the scenes in [-1, 1], shape (rows, 3, 128, 128).
        scenes: The scenes themselves.

    Returns:
        Tensor of shape (rows, 10, 16, 16).
    """
    thumbnails = torch.nn.functional.avg_pool2d(images, CELL)
    colors = torch.einsum("lc,nchw->nlhw", COLOR_MATRIX, thumbnails)
    codes = torch.from_numpy(np.stack([scene_code(scene) for scene in scenes]))
    return torch.cat([colors, codes], dim=1)


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Turns images (rows, height, width, 3) into a tensor (rows, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
