"""Loaded DINOv3 networks: pictures in; looks, layers and pooled features out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metrics.dinov3_weights import DinoModel

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Patch tokens of four blocks are large; looks and pooled features come in the caller's batches.
_IMAGES_AT_ONCE = 8
# A side has at most so many times the patches of a square's, and at least the inverse share.
_MOST_OBLONG = 4


@dataclass(frozen=True)
class Look:
    """What a transformer says of a picture as a whole.

    Attributes:
        token: The global token after the last norm; shape (features,), fp32.
        attention: How the global token of the last block attends to the patches: registers and
            itself left out, heads averaged, sum 1; shape (rows, columns), fp32.
    """

    token: "torch.Tensor"
    attention: "torch.Tensor"


class _Eye:
    """What the three have in common: pictures in, pixels normalised, batches of one shape."""

    def __init__(self, module: Any, model: DinoModel, view: str, device: str) -> None:
        """Wrap a network.

        Args:
            module: A DINOv3 network of transformers, on the device and in evaluation mode.
            model: Which one it is.
            view: Names what `prepare` makes.
            device: Where it is.
        """
        self.module = module
        self.view = view
        self.side = model.side
        """Side in pixels of a square picture as it sees one."""
        self._model = model
        self._device = device

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as a square of shape (3, side, side), uint8."""
        return _pixels(image, (self._model.side, self._model.side))

    def _batches(
        self, prepared: Sequence["torch.Tensor"], run: "Callable[[torch.Tensor], list[Any]]"
    ) -> list[Any]:
        """What `run` makes of the pictures, those of one shape together; in the order given."""
        import torch

        mean, std = (torch.tensor(row, device=self._device).view(3, 1, 1) for row in (MEAN, STD))
        shapes: dict[tuple[int, ...], list[int]] = {}
        for place, picture in enumerate(prepared):
            shapes.setdefault(tuple(picture.shape), []).append(place)
        found: dict[int, Any] = {}
        with torch.inference_mode():
            for places in shapes.values():
                for start in range(0, len(places), _IMAGES_AT_ONCE):
                    some = places[start : start + _IMAGES_AT_ONCE]
                    pixels = torch.stack([prepared[place] for place in some]).to(self._device)
                    found |= zip(some, run((pixels.float() / 255 - mean) / std), strict=True)
        return [found[place] for place in range(len(prepared))]


class DinoLooks(_Eye):
    """A loaded transformer that gives looks."""

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image in its own shape, as large as a square: (3, rows x patch, columns x patch), uint8."""
        rows, columns = fitted(image.size, self._model.side // self._model.patch)
        return _pixels(image, (columns * self._model.patch, rows * self._model.patch))

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence[Look]:
        """A look for each image, on the CPU. No more than a few images' attention is held at once."""
        return self._batches(prepared, self._look)

    def _look(self, pixels: "torch.Tensor") -> list[Look]:
        hidden, positions = _entrance(self.module, pixels)
        *blocks, last = self.module.model.layer
        for block in blocks:
            hidden = block(hidden, position_embeddings=positions)
        attention = global_attention(last, hidden, positions)
        hidden = last(hidden, position_embeddings=positions)
        tokens = self.module.norm(hidden[:, 0]).float().cpu()
        patches = attention[:, 1 + self.module.config.num_register_tokens :]
        patches = (patches / patches.sum(dim=1, keepdim=True)).float().cpu()
        rows = pixels.shape[-2] // self._model.patch
        # Clones, because a view would keep the whole batch as long as one image is needed.
        return [
            Look(token.clone(), row.reshape(rows, -1).clone())
            for token, row in zip(tokens, patches, strict=True)
        ]


class DinoLayers(_Eye):
    """A loaded transformer that gives the patch tokens of the blocks at each quarter of its depth."""

    scale = 64.0
    """What the vectors are multiplied by: near 1 / places half precision would be coarse."""

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence["torch.Tensor"]:
        """For each image one vector whose squared distance to another's, by `scale`, is the dino-LPIPS."""
        return self._batches(prepared, self._layers)

    def _layers(self, pixels: "torch.Tensor") -> "list[torch.Tensor]":
        import torch

        hidden, positions = _entrance(self.module, pixels)
        depth = len(self.module.model.layer)
        wanted = quarters(depth)
        parts: list[torch.Tensor] = []
        for number, block in enumerate(self.module.model.layer, start=1):
            hidden = block(hidden, position_embeddings=positions)
            if number in wanted:
                # As DINOv3's own `get_intermediate_layers`: without the last norm a few channels of
                # the large networks are so strong that all tokens point the same way.
                tokens = self.module.norm(hidden[:, 1 + self.module.config.num_register_tokens :])
                unit = torch.nn.functional.normalize(tokens.float(), dim=-1)
                weight = self.scale / (unit.shape[1] * len(wanted)) ** 0.5
                parts.append((unit * weight).flatten(1).half().cpu())
        return [row.clone() for row in torch.cat(parts, dim=1)]


class DinoPooled(_Eye):
    """A loaded ConvNeXt that gives pooled features."""

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence["torch.Tensor"]:
        """The pooled features of each image after the last norm, shape (features,), fp32, on the CPU."""
        return self._batches(
            prepared, lambda pixels: list(self.module(pixels).pooler_output.float().cpu().clone().unbind())
        )


def quarters(depth: int) -> tuple[int, ...]:
    """The blocks at each quarter of a depth, counted from 1: 3, 6, 9, 12 of 12."""
    return tuple(max(1, round(depth * quarter / 4)) for quarter in range(1, 5))


def fitted(size: tuple[int, int], patches: int) -> tuple[int, int]:
    """Rows and columns of patches for a picture in its own shape, about as many as of a square.

    Args:
        size: Width and height of the picture.
        patches: Patches along a side of a square.

    Returns:
        Rows and columns; a strip is squeezed to 16 to 1.
    """
    stretch = (size[0] / size[1]) ** 0.5
    least, most = max(1, patches // _MOST_OBLONG), patches * _MOST_OBLONG
    columns, rows = (min(most, max(least, round(patches * by))) for by in (stretch, 1 / stretch))
    return rows, columns


def global_attention(block: Any, hidden: "torch.Tensor", positions: Any) -> "torch.Tensor":
    """The attention of the global token in a block, averaged over its heads.

    Only this row is computed, as eager attention would: the rest of the block and all other
    blocks use the fast kernels, which show no attention.

    Args:
        block: A `DINOv3ViTLayer`.
        hidden: What goes into it, shape (images, tokens, features).
        positions: The rotary positions of its patches.

    Returns:
        Shape (images, tokens), each row with sum 1.
    """
    from transformers.models.dinov3_vit.modeling_dinov3_vit import apply_rotary_pos_emb

    attention, tokens = block.attention, block.norm1(hidden)
    heads = (len(tokens), -1, attention.num_heads, attention.head_dim)
    queries = attention.q_proj(tokens[:, :1]).view(heads).transpose(1, 2)
    keys = attention.k_proj(tokens).view(heads).transpose(1, 2)
    # The global token has no place, so its query is not turned; the function wants two things to turn.
    _, keys = apply_rotary_pos_emb(keys, keys, *positions)
    found: torch.Tensor = (queries @ keys.transpose(2, 3) * attention.scaling).softmax(dim=-1)
    return found.mean(dim=1)[:, 0]


def _entrance(model: Any, pixels: "torch.Tensor") -> tuple[Any, Any]:
    """Tokens before the first block, and the positions of the patches."""
    return model.embeddings(pixels), model.rope_embeddings(pixels)


def _pixels(image: "Image", size: tuple[int, int]) -> "torch.Tensor":
    import numpy as np
    import torch
    from PIL.Image import Resampling

    small = image.resize(size, Resampling.BICUBIC)  # Pillow's is antialiased
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()
