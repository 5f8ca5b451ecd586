"""The dino.txt network: a head on DINOv3's tokens and a text tower, in one space.

Written from the description of the published network; importing this file imports torch.
The attributes are named in our way, and `published_name` tells the names in the published file.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from metrics.dino_text_weights import TextShape

_GATED_STEP = 64
"""The gated feed-forward is as wide as the next multiple of it above 8/3 of the block."""
_PLACES = (
    ("picture.", "visual_model.head."),
    ("text.", "text_model.backbone."),
    ("projection.", "text_model.head.linear_projection."),
)
_TEXT_PARTS = (
    (".norm1.", ".attention_norm."),
    (".attn.", ".attention."),
    (".norm2.", ".ffn_norm."),
    (".mlp.", ".feed_forward."),
)


class _Attention(nn.Module):
    """Self-attention whose queries, keys and values have no bias, and no places."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self._heads, self._causal = heads, causal

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(tokens).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind()
        found = functional.scaled_dot_product_attention(queries, keys, values, is_causal=self._causal)
        mixed: torch.Tensor = self.proj(found.transpose(1, 2).flatten(2))
        return mixed


class _Gated(nn.Module):
    """The feed-forward of the picture head: w3(silu(w1 x) * w2 x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        least = int(4 * width * 2 / 3)
        hidden = least + -least % _GATED_STEP
        self.w1 = nn.Linear(width, hidden)
        self.w2 = nn.Linear(width, hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.w3(functional.silu(self.w1(tokens)) * self.w2(tokens))
        return found


class _Plain(nn.Module):
    """The feed-forward of the text tower: fc2(gelu(fc1 x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return found


class _Block(nn.Module):
    """A transformer block that normalises first; in the picture head each branch is scaled."""

    def __init__(self, width: int, heads: int, text: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads, causal=text)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _Plain(width) if text else _Gated(width)
        self.scale1 = None if text else nn.Parameter(torch.empty(width))
        self.scale2 = None if text else nn.Parameter(torch.empty(width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        seen = self.attn(self.norm1(tokens))
        tokens = tokens + (seen if self.scale1 is None else seen * self.scale1)
        thought = self.mlp(self.norm2(tokens))
        found: torch.Tensor = tokens + (thought if self.scale2 is None else thought * self.scale2)
        return found


class _Blocks(nn.Module):
    """Blocks and the last norm."""

    def __init__(self, width: int, heads: int, count: int, text: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, heads, text) for _ in range(count))
        self.ln_final = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        found: torch.Tensor = self.ln_final(tokens)
        return found


class _Text(_Blocks):
    """The text tower: tokens and their places through causal blocks."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__(shape.text_width, shape.text_heads, shape.text_blocks, text=True)
        self.token_embedding = nn.Embedding(shape.vocabulary, shape.text_width)
        self.positional_embedding = nn.Parameter(torch.empty(shape.context, shape.text_width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = self.positional_embedding[: tokens.shape[1]]
        return super().forward(self.token_embedding(tokens) + places)


class DinoTextHead(nn.Module):
    """What the published file holds: everything but the backbone."""

    def __init__(self, shape: TextShape) -> None:
        """Build it with the numbers that torch happens to put there; `load_published` fills it."""
        super().__init__()
        self.picture = _Blocks(shape.width, shape.heads, shape.blocks, text=False)
        self.text = _Text(shape)
        self.projection = nn.Linear(shape.text_width, 2 * shape.width, bias=False)
        self.logit_scale = nn.Parameter(torch.empty(1))


class DinoText(nn.Module):
    """A DINOv3 backbone with the dino.txt head; called as open_clip's networks are."""

    def __init__(self, backbone: Any, head: DinoTextHead) -> None:
        """Join them.

        Args:
            backbone: A `DINOv3ViTModel`.
            head: The head for its width.
        """
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.logit_scale = head.logit_scale
        self._registers = int(backbone.config.num_register_tokens)

    def encode_image(self, pixels: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        """The class token and the mean of the patch tokens, after the head; shape (images, 2 x width).

        Args:
            pixels: Shape (images, 3, height, width), normalised.
            normalize: Whether to give unit vectors.
        """
        # Registers go through the head with the others, and only then are left out.
        tokens = self.head.picture(self.backbone(pixels).last_hidden_state)
        patches = tokens[:, 1 + self._registers :].mean(dim=1)
        found = torch.cat([tokens[:, 0], patches], dim=-1)
        return functional.normalize(found, dim=-1) if normalize else found

    def encode_text(self, tokens: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        """The text tower at the end mark, projected; shape (texts, 2 x width).

        Args:
            tokens: Numbers of CLIP's tokens, shape (texts, up to the context); the end mark has the
                largest number there is.
            normalize: Whether to give unit vectors.
        """
        hidden = self.head.text(tokens)
        ends = hidden[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=-1)]
        found: torch.Tensor = self.head.projection(ends)
        return functional.normalize(found, dim=-1) if normalize else found


def published_name(name: str) -> str:
    """The name in the published file of a tensor of `DinoTextHead`."""
    if name.startswith("text."):
        for ours, theirs in _TEXT_PARTS:
            name = name.replace(ours, theirs)
    for ours, theirs in _PLACES:
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
    return name.replace(".scale1", ".ls1.gamma").replace(".scale2", ".ls2.gamma")


def load_published(shape: TextShape, tensors: Mapping[str, Any]) -> DinoTextHead:
    """The head with the tensors of the published file, in fp32 and evaluation mode.

    Args:
        shape: Its sizes.
        tensors: By their published names.

    Raises:
        ValueError: Tensors are missing, too many, or of another shape; names the first ones.
    """
    with torch.device("meta"):
        head = DinoTextHead(shape)
    wanted = {published_name(name): name for name in head.state_dict()}
    lacking, foreign = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if lacking or foreign:
        told = (("lacks", lacking), ("has no place for", foreign))
        raise ValueError(
            "; ".join(f"it {what} {names[0]} ({len(names)} in all)" for what, names in told if names)
        )
    shapes = {name: tuple(head.state_dict()[ours].shape) for name, ours in wanted.items()}
    odd = [name for name, size in shapes.items() if tuple(getattr(tensors[name], "shape", ())) != size]
    if odd:
        raise ValueError(f"its {odd[0]} is not of shape {shapes[odd[0]]} ({len(odd)} in all)")
    head.load_state_dict({ours: tensors[name].float() for name, ours in wanted.items()}, assign=True)
    return head.eval()
