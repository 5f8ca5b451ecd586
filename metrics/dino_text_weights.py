"""The weights of dino.txt: a file of the person's own, for Meta sends it on request only.

Nothing here fetches it. It is read as safetensors, or as the published pickle without running code.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.backbones import describe
from metrics.dinov3_weights import HOME
from metrics.downloads import Report
from metrics.errors import MissingWeights

HEAD = "dinov3_vitl16_dinotxt_vision_head_and_text_encoder-a442d8f5"
"""The published file without its ending."""
PAGE = "https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/"


@dataclass(frozen=True)
class HeadFile:
    """The person's head file: `HEAD` in `DINOV3_HOME`, as safetensors or as the published pickle."""

    name: str = f"{HEAD}.pth"

    @property
    def command(self) -> str:
        """What to do to have it; there is no command."""
        return (
            f"ask Meta for DINOv3 at {PAGE} (a form, answered by mail), fetch {self.name}, "
            f"put it into a folder and set {HOME} to that folder"
        )

    def path(self) -> Path | None:
        """Where it is; None: not on this computer."""
        home = os.environ.get(HOME)
        places = (
            [Path(home).expanduser() / f"{HEAD}{end}" for end in (".safetensors", ".pth")] if home else []
        )
        return next((place for place in places if place.is_file()), None)

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """It cannot be fetched.

        Raises:
            OSError: Says what to do.
        """
        raise OSError(f"dino.txt cannot be fetched: {self.command}")

    def require(self) -> Path:
        """Where it is.

        Raises:
            MissingWeights: It is not there; says where it is to be had and where to put it.
        """
        file = self.path()
        if file is None:
            raise MissingWeights(f"dino.txt is not here: {self.command}.")
        return file


@dataclass(frozen=True)
class TextShape:
    """The sizes of a dino.txt network; as published unless told.

    Attributes:
        width: Features of a token of the backbone; the joint space has twice as many.
        heads: Attention heads of the picture head, as of the backbone.
        blocks: Blocks of the picture head.
        text_width: Features of a token of the text tower.
        text_heads: Its attention heads.
        text_blocks: Its blocks.
        vocabulary: How many tokens there are.
        context: How many of them it reads.
    """

    width: int = 1024
    heads: int = 16
    blocks: int = 2
    text_width: int = 1280
    text_heads: int = 20
    text_blocks: int = 24
    vocabulary: int = 49_408
    context: int = 77


PUBLISHED = TextShape()


def read_tensors(file: Path) -> Mapping[str, Any]:
    """The tensors of a file by their names, on the CPU.

    Raises:
        Exception: What safetensors, torch and pickle raise on wrong files, and on those that hold code.
    """
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        found: dict[str, Any] = load_file(file)
        return found
    import torch

    # Tensors and plain containers only: a pickle may hold code, and this refuses to run any.
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(tensors, Mapping):
        raise ValueError("it holds no tensors by name")
    return tensors


def digest(file: Path) -> str:
    """The SHA-256 of a file in hex.

    Raises:
        MissingWeights: It cannot be read.
    """
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise MissingWeights(
            f"{file.name} in {HOME} cannot be read ({describe(error)}); look at its folder."
        ) from error
