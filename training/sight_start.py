"""Where the answerer's vision tower starts from: an eye for colored areas and for neighbors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import BlipVisionModel

from training.sight import GRID, PATCH

_SHARPNESS = 1.3


@torch.no_grad()
def start_vision(vision: BlipVisionModel) -> None:
    """Starts the tower with an eye for colored areas and for neighbors.

    From the usual start a tower this small needs most of its training to find out which
    patches are neighbors, and that a red star on black has the outline of a blue one on
    white. Here a patch is first seen as 4 x 4 blocks of red against green and of yellow against
    blue, of which the first layer takes the strength: where something colored is. The last
    channels hold the position as waves, and the heads of all layers but the last look
    one patch to a side: a shift of waves is a rotation, so it can be written into the weights.

    Args:
        vision: The untrained tower.
    """
    width, heads = vision.config.hidden_size, vision.config.num_attention_heads
    places = width // heads // 4 * 4
    layer, positions = vision.embeddings.patch_embedding, vision.embeddings.position_embedding
    layer.weight *= 0.3
    layer.bias.zero_()
    layer.weight[-places:] = 0
    _see_colors(layer.weight, vision.encoder.layers[0].mlp)
    steps = torch.arange(GRID) + 0.5
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    positions.zero_()
    positions[0, 1:, -places:] = torch.cat(
        [_waves(right.flatten(), places), _waves(down.flatten(), places)], 1
    )
    for number, block in enumerate(vision.encoder.layers):
        # What the layers add must not blur the positions.
        block.self_attn.projection.weight[-places:] = 0
        block.mlp.fc2.weight[-places:] = 0
        if number + 1 == len(vision.encoder.layers):
            break
        for head in range(heads):
            # Straight neighbors in even layers, diagonal ones in odd layers.
            turn = torch.tensor(torch.pi / 2 * (head + 0.5 * (number % 2)))
            shift = torch.stack([turn.cos(), turn.sin()]) * (2**0.5 if number % 2 else 1)
            _look_aside(block.self_attn.qkv.weight, head * (width // heads), shift.round(), places)


def _see_colors(weight: Tensor, mlp: nn.Module) -> None:
    """Writes blocks of colors into the first channels and their strength into the next ones."""
    block = PATCH // 4
    opponents = torch.tensor([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    weight[:52] = 0
    for number in range(16):
        rows, columns = (slice(place * block, (place + 1) * block) for place in divmod(number, 4))
        for color, opponent in enumerate(opponents):
            weight[2 * number + color, :, rows, columns] = 0.7 * opponent[:, None, None] / block**2
            for sign in (1, -1):
                unit = 4 * number + 2 * color + (sign > 0)
                mlp.fc1.weight[unit] = 0
                mlp.fc1.weight[unit, 2 * number + color] = 2.0 * sign
                mlp.fc2.weight[:, unit] = 0
                mlp.fc2.weight[36 + number, unit] = 0.3
    half = PATCH // 2
    for number in range(4):
        rows, columns = (slice(place * half, (place + 1) * half) for place in divmod(number, 2))
        weight[32 + number, :, rows, columns] = 0.5 / (3 * half**2)


def _waves(steps: Tensor, places: int) -> Tensor:
    """Returns sines and cosines of positions along one axis, shape (positions, places / 2)."""
    angles = steps[:, None] * (torch.arange(places // 4) + 1) * torch.pi / GRID
    return torch.cat([angles.sin(), angles.cos()], -1)


def _look_aside(weight: Tensor, start: int, shift: Tensor, places: int) -> None:
    """Lets a head attend to the patch that lies a shift (right, down) away from its own."""
    width, quarter = weight.shape[1], places // 4
    query, key = weight[start : start + places], weight[width + start : width + start + places]
    query.zero_()
    key.zero_()
    key[:, -places:] = _SHARPNESS * torch.eye(places)
    for axis, distance in enumerate(shift):
        angles = distance * (torch.arange(quarter) + 1) * torch.pi / GRID
        turn = torch.cat(
            [
                torch.cat([angles.cos().diag(), angles.sin().diag()], 1),
                torch.cat([-angles.sin().diag(), angles.cos().diag()], 1),
            ]
        )
        rows = slice(axis * 2 * quarter, (axis + 1) * 2 * quarter)
        columns = slice(width - places + rows.start, width - places + rows.stop)
        query[rows, columns] = _SHARPNESS * turn
