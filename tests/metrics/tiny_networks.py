"""Tiny networks of the real classes, saved as the published ones are."""

import io
import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save
from torch import nn

from metrics.base import BackboneCard
from metrics.clip_backbone import ClipModel
from metrics.downloads import HubFile

COMMIT = "c0ffee" * 6 + "c0de"
_TOWERS = {
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def open_clip_network(folder: Path, name: str, width: int) -> Any:
    """A network of open_clip with embeddings of this width; its shape gets the name."""
    (folder / f"{name}.json").write_text(json.dumps({"embed_dim": width, **_TOWERS}))
    open_clip.add_model_config(folder / f"{name}.json")
    torch.manual_seed(0)
    return open_clip.create_model(name, load_weights=False).eval()


def tiny_clip(folder: Path, name: str = "tiny-clip", width: int = 768) -> tuple[ClipModel, bytes]:
    """A CLIP of the Hub, and its weights file."""
    network = open_clip_network(folder, name, width)
    card = BackboneCard(name, COMMIT, 1_000, 1, "MIT")
    content = save({key: tensor.contiguous() for key, tensor in network.state_dict().items()})
    return ClipModel(card, name, HubFile(f"someone/{name}", "open_clip_model.safetensors", COMMIT)), content


def predictor() -> nn.Module:
    """The published predictor of beauty, as its repository has it, with weights of its own."""

    class MLP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(768, 1024),
                nn.Dropout(0.2),
                nn.Linear(1024, 128),
                nn.Dropout(0.2),
                nn.Linear(128, 64),
                nn.Dropout(0.1),
                nn.Linear(64, 16),
                nn.Linear(16, 1),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)  # type: ignore[no-any-return]

    torch.manual_seed(1)
    return MLP().eval()


def saved(content: Any) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
