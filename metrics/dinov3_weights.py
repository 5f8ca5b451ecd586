"""DINOv3 weights: which there are, where they are found, and how they become transformers networks.

Meta's own repositories are gated and requests are often refused, so the copies that timm hosts
with Meta's leave come first: the same numbers under other names, without a gate.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.backbones import describe
from metrics.base import BackboneCard
from metrics.downloads import HubFile, HubSnapshot, Report
from metrics.errors import Interrupted

if TYPE_CHECKING:
    import torch

HOME = "DINOV3_HOME"
"""The environment variable that names a folder of a person's own copies."""
_FILE = "model.safetensors"
_LICENCE = "DINOv3 License"
# Every published DINOv3 transformer has heads of this width; the files do not say.
_HEAD_WIDTH = 64
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class DinoWeights:
    """One published network: timm's copy, a person's own, or Meta's gated original.

    Attributes:
        name: Its short name, and the name of its folder below `DINOV3_HOME`.
        open: timm's copy, which needs no leave.
        gated: Meta's repository; used where the person has fetched it.
    """

    name: str
    open: HubFile
    gated: HubSnapshot

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""
        return self.open.command

    def path(self) -> Path | None:
        """The file of timm's copy, or the folder of another one; None: not on this computer."""
        return self.open.path() or self._own() or self.gated.path()

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """Fetch timm's copy.

        Raises:
            OSError: It cannot be had; says what else can be done.
        """
        try:
            return self.open.fetch(report, endpoint)
        except Interrupted:
            raise
        except Exception as error:
            # Hub, network and disk errors share no base class.
            raise OSError(f"{describe(error)[:90]}; {self.elsewhere}") from error

    @property
    def revision(self) -> str | None:
        """The commit of the copy that is used; None for a folder, whose content tells.

        Timm's commit, or its branch where the commit is not pinned, while nothing is here.
        """
        place = self.open.path()
        if place is not None or self.path() is None:
            named = place.parent.name if place and not _COMMIT.fullmatch(self.open.revision) else ""
            return named or self.open.revision
        return self.gated.commit if self._own() is None else None

    @property
    def elsewhere(self) -> str:
        """Where else the weights are to be had, for people."""
        return (
            f"or put them into {HOME}/{self.name}, or ask for {self.gated.repository} "
            "(gated: accept on its page, `hf auth login`, `hf download`)"
        )

    def _own(self) -> Path | None:
        home = os.environ.get(HOME)
        folder = Path(home).expanduser() / self.name if home else None
        return folder if folder and (folder / _FILE).is_file() else None


def _published(name: str, timm: str, commit: str, meta: str) -> DinoWeights:
    return DinoWeights(name, HubFile(f"timm/{timm}", _FILE, commit), HubSnapshot(f"facebook/{meta}", "main"))


@dataclass(frozen=True)
class DinoModel:
    """A DINOv3 network that can be had.

    Attributes:
        card: Its card.
        weights: Where it is published; None: bundled.
        folder: Folder of the bundled network below the assets.
        side: Side in pixels of a square picture as it sees one.
        patch: Side of a patch, or of what one place of the last map covers.
    """

    card: BackboneCard
    weights: DinoWeights | None = None
    folder: str = ""
    side: int = 256
    patch: int = 16


def _vit(size: str, commit: str, parameters: int, megabytes: int) -> DinoModel:
    name = f"dinov3-vit{size[0]}16"
    weights = _published(name, f"vit_{size}_patch16_dinov3.lvd1689m", commit, f"{name}-pretrain-lvd1689m")
    return DinoModel(BackboneCard(name, commit, parameters, megabytes, _LICENCE), weights)


def _convnext(size: str, commit: str, parameters: int, megabytes: int) -> DinoModel:
    name = f"dinov3-convnext-{size}"
    weights = _published(name, f"convnext_{size}.dinov3_lvd1689m", commit, f"{name}-pretrain-lvd1689m")
    return DinoModel(BackboneCard(name, commit, parameters, megabytes, _LICENCE), weights, patch=32)


def _bundled(kind: str, parameters: int, patch: int) -> DinoModel:
    card = BackboneCard(
        f"bundled-dinov3-{kind}", "sha256 of the weights file", parameters, 0, "as this project"
    )
    return DinoModel(card, folder=f"dinov3-{kind}", side=128, patch=patch)


BUNDLED_VIT = _bundled("vit", 393_312, 8)
BUNDLED_CONVNEXT = _bundled("convnext", 486_552, 32)
VIT_S = _vit("small", "3bf4720a82ec2066db88137180ff1f83a675cef0", 21_586_944, 86)
VIT_B = _vit("base", "c6a5fb7d12bbd3cf3b0079253141c3332aaed7da", 85_641_216, 343)
VIT_L = _vit("large", "30c1109559f65dea34316b0d4842d35c5771fe11", 303_079_424, 1_212)
CONVNEXT_TINY = _convnext("tiny", "39c7bb32f83c11bbb13cb23058f8852a4dac88ed", 27_820_128, 111)
CONVNEXT_BASE = _convnext("base", "main", 87_566_464, 350)


def load_network(place: Path) -> Any:
    """A DINOv3 network of transformers, in fp32 and evaluation mode.

    Args:
        place: A folder as transformers writes it, or a folder or file with timm's tensors.

    Raises:
        Exception: What transformers, safetensors and torch raise on wrong files.
    """
    folder = place if place.is_dir() else place.parent
    if _is_transformers(folder):
        return _from_transformers(folder)
    from safetensors.torch import load_file

    return from_timm(load_file(place / _FILE if place.is_dir() else place))


def _is_transformers(folder: Path) -> bool:
    settings = folder / "config.json"
    return settings.is_file() and "model_type" in json.loads(settings.read_text("utf-8"))


def _from_transformers(folder: Path) -> Any:
    import torch
    from transformers import DINOv3ConvNextModel, DINOv3ViTModel

    kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    classes: dict[str, Any] = {"dinov3_vit": DINOv3ViTModel, "dinov3_convnext": DINOv3ConvNextModel}
    if kind not in classes:
        raise ValueError(f"it is a {kind}, no DINOv3")
    model, found = classes[kind].from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    # transformers would make them up; the mask token is for training only.
    absent = [name for name in found["missing_keys"] if not name.endswith("mask_token")]
    if absent or found["mismatched_keys"]:
        raise ValueError(f"it lacks {sorted(absent)[:2]}")
    return model.eval()


def from_timm(tensors: "Mapping[str, torch.Tensor]", heads: int | None = None) -> Any:
    """The network of transformers with timm's tensors; it gives the same features.

    Args:
        tensors: The state dict of timm's `vit_*_patch16_dinov3` or `convnext_*` networks.
        heads: Attention heads of a transformer; None: one for each 64 channels.

    Raises:
        RuntimeError: Tensors are missing, too many, or of another shape.
        KeyError: It is no DINOv3 network.
    """
    import torch

    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    build = _vit_of if "cls_token" in tensors else _convnext_of
    # Not accelerate's way of doing without random weights: it changes torch for all threads.
    with torch.device("meta"):
        model, renamed = build(tensors, heads)
    model.load_state_dict(renamed, assign=True)
    if hasattr(model, "rope_embeddings"):
        # It is in no file, and so still without numbers.
        rope = model.rope_embeddings
        rope.inv_freq = 1 / rope.base ** torch.arange(0, 1, 4 / rope.head_dim, dtype=torch.float32)
    return model.eval()


def _vit_of(tensors: "dict[str, torch.Tensor]", heads: int | None) -> "tuple[Any, dict[str, torch.Tensor]]":
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    cls_token = tensors["cls_token"]
    width = cls_token.shape[-1]
    # For training only, so timm left it out.
    renamed = {"embeddings.mask_token": cls_token.new_zeros(1, 1, width)}
    for name, tensor in tensors.items():
        renamed |= _vit_names(name, tensor)
    layers = {name.split(".")[2] for name in renamed if name.startswith("model.layer.")}
    config = DINOv3ViTConfig(
        hidden_size=width,
        intermediate_size=tensors["blocks.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=heads or width // _HEAD_WIDTH,
        patch_size=tensors["patch_embed.proj.weight"].shape[-1],
        num_register_tokens=tensors["reg_token"].shape[1],
        **{f"{of}_bias": f"model.layer.0.attention.{of[0]}_proj.bias" in renamed for of in _QKV},
    )
    return DINOv3ViTModel(config), renamed


_QKV = ("query", "key", "value")
_BLOCK_NAMES = {
    "gamma_1": "layer_scale1.lambda1",
    "gamma_2": "layer_scale2.lambda1",
    "attn.proj.": "attention.o_proj.",
    "attn.q_bias": "attention.q_proj.bias",
    "attn.v_bias": "attention.v_proj.bias",
    "mlp.fc1.": "mlp.up_proj.",
    "mlp.fc2.": "mlp.down_proj.",
}
_VIT_NAMES = {
    "cls_token": "embeddings.cls_token",
    "reg_token": "embeddings.register_tokens",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.bias",
}


def _vit_names(name: str, tensor: "torch.Tensor") -> "dict[str, torch.Tensor]":
    """One of timm's tensors under transformers' names; the joint one of attention gives three."""
    if not name.startswith("blocks."):
        return {_VIT_NAMES.get(name, name): tensor}
    _, block, part = name.split(".", 2)
    if part.startswith("attn.qkv."):
        kind = part.rpartition(".")[2]
        thirds = zip(_QKV, tensor.chunk(3), strict=True)
        return {f"model.layer.{block}.attention.{of[0]}_proj.{kind}": third for of, third in thirds}
    for theirs, ours in _BLOCK_NAMES.items():
        part = part.replace(theirs, ours)
    return {f"model.layer.{block}.{part}": tensor}


_CONVNEXT_NAMES = (
    (r"^stem\.", "model.stages.0.downsample_layers."),
    (r"^stages\.(\d+)\.downsample\.", r"model.stages.\1.downsample_layers."),
    (r"^stages\.(\d+)\.blocks\.", r"model.stages.\1.layers."),
    (r"\.conv_dw\.", ".depthwise_conv."),
    (r"(layers\.\d+)\.norm\.", r"\1.layer_norm."),
    (r"\.mlp\.fc([12])\.", r".pointwise_conv\1."),
    (r"^head\.norm\.", "layer_norm."),
)


def _convnext_of(tensors: "dict[str, torch.Tensor]", _: int | None) -> "tuple[Any, dict[str, torch.Tensor]]":
    from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        for theirs, ours in _CONVNEXT_NAMES:
            name = re.sub(theirs, ours, name)
        renamed[name] = tensor
    blocks = {tuple(name.split(".")[2:5:2]) for name in renamed if ".layers." in name}
    stages = sorted({int(stage) for stage, _ in blocks})
    config = DINOv3ConvNextConfig(
        depths=[sum(int(stage) == wanted for stage, _ in blocks) for wanted in stages],
        hidden_sizes=[
            renamed[f"model.stages.{stage}.layers.0.layer_norm.weight"].shape[0] for stage in stages
        ],
    )
    return DINOv3ConvNextModel(config), renamed
