"""Answerers on this computer: where they are, and which class of transformers reads them."""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from metrics.answerers.base import AnswererSource
from metrics.backbones import describe
from metrics.base import BackboneCard
from metrics.downloads import HubSnapshot, WeightsFile
from metrics.errors import MissingWeights

if TYPE_CHECKING:
    from metrics.answerers.asking import LocalAnswerer

# Changes when pixels, questions or choices reach the networks in another way.
PREPROCESSING = "answerer-1"
# Weights files from this size on (bytes) are computed with in bfloat16, smaller ones in fp32.
HALF_FROM = 4_000_000_000
_READ = 1 << 20

Bits = Literal[4, 8]


@dataclass(frozen=True)
class Folder:
    """A folder with a model of transformers: settings, tokenizer and safetensors."""

    path: Path


@dataclass(frozen=True)
class LocalSource(AnswererSource):
    """Where a local answerer comes from.

    Attributes:
        model: The card of its model.
        place: A folder of this computer, or a repository of the Hub at a commit.
        drawn: Whether it knows the bundled drawn world only.
        bits: To how many bits its weights are rounded by bitsandbytes; None: they are not.
    """

    model: BackboneCard
    place: Folder | HubSnapshot
    drawn: bool = False
    bits: Bits | None = None

    @property
    def card(self) -> BackboneCard:
        """The model's card; rounded weights are another model."""
        return replace(self.model, id=f"{self.model.id}-{self.bits}bit") if self.bits else self.model

    @property
    def drawn_world(self) -> bool:
        """Whether it knows the bundled drawn world only."""
        return self.drawn

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The repository, where it is one."""
        return (self.place,) if isinstance(self.place, HubSnapshot) else ()

    @cached_property
    def revision(self) -> str:
        """The commit, or the SHA-256 of a folder's weights; with the rounding, where there is one.

        Raises:
            MissingWeights: They are not there to identify.
        """
        return f"{self._weights}-int{self.bits}" if self.bits else self._weights

    @property
    def _weights(self) -> str:
        if isinstance(self.place, HubSnapshot):
            return self.place.revision
        return _digest(*_weights_files(self._folder()))

    @cached_property
    def preprocessing(self) -> str:
        """The version of the preprocessing; of a folder with the hash of its own settings."""
        if isinstance(self.place, HubSnapshot):
            return PREPROCESSING
        settings = (path for path in sorted(self._folder().iterdir()) if path.suffix in (".json", ".jinja"))
        return f"{PREPROCESSING}:{_digest(*settings)[:12]}"

    def load(self, device: str) -> "LocalAnswerer":
        """Load the network and its processor.

        Raises:
            MissingWeights: They are not on this computer, do not load, or are of a kind that is not known.
        """
        folder = self._folder()
        kind = _kind(folder)
        try:
            return _builder(kind)(self._loading(folder, device))
        except MissingWeights:
            raise
        except Exception as error:
            # transformers, safetensors, json and torch raise many kinds on wrong files.
            raise MissingWeights(
                f"{self.card.id} does not load ({describe(error)}); {self._cure()}."
            ) from error

    def _loading(self, folder: Path, device: str) -> "Loading":
        import torch

        rounding: dict[str, Any] = {}
        if self.bits is not None:
            if importlib.util.find_spec("bitsandbytes") is None:
                raise MissingWeights(
                    f"{self.bits}-bit weights need the package bitsandbytes, which is not installed; "
                    f"install it, or choose {self.model.id} without rounding."
                )
            from transformers import BitsAndBytesConfig

            asked = {f"load_in_{self.bits}bit": True}
            rounding = {"quantization_config": BitsAndBytesConfig(**asked), "device_map": {"": device}}
        large = self.bits is not None or _size(folder) >= HALF_FROM
        return Loading(folder, device, torch.bfloat16 if large else torch.float32, MappingProxyType(rounding))

    def _folder(self) -> Path:
        path = self.place.path() if isinstance(self.place, HubSnapshot) else self.place.path
        if path is None or not (path / "config.json").is_file():
            raise MissingWeights(f"{self.card.id} is not here; {self._cure()}.")
        _weights_files(path)
        return path

    def _cure(self) -> str:
        if isinstance(self.place, HubSnapshot):
            return f"run `{self.place.command}`"
        restore = "restore the folder assets/vqa or choose the standard tier"
        return restore if self.drawn else f"look at the folder {self.place.path.name}"


@dataclass(frozen=True)
class Loading:
    """How a network is loaded.

    Attributes:
        folder: Where its files are.
        device: Where it goes.
        dtype: Type of torch it computes with.
        rounding: Further arguments of `from_pretrained` for rounded weights.
    """

    folder: Path
    device: str
    dtype: Any
    rounding: Mapping[str, Any]

    def model(self, cls: Any) -> Any:
        """The network, in evaluation mode, or an error where the files lack a part of it."""
        options = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        model, found = cls.from_pretrained(self.folder, dtype=self.dtype, **options, **self.rounding)
        if found["missing_keys"] or found["mismatched_keys"]:  # transformers would make them up
            raise ValueError(f"it lacks {sorted(found['missing_keys'])[:2]}")
        return (model if self.rounding else model.to(self.device)).eval()

    def processor(self, model: Any) -> Any:
        """Its processor; refuses a tokenizer of nothing, which transformers makes up in silence."""
        from transformers import AutoImageProcessor, AutoProcessor

        processor = AutoProcessor.from_pretrained(self.folder, local_files_only=True)
        # Resizing as these models were trained with, and the same with and without torchvision.
        processor.image_processor = AutoImageProcessor.from_pretrained(
            self.folder, local_files_only=True, backend="pil"
        )
        words, room = len(processor.tokenizer), model.get_input_embeddings().num_embeddings
        if not 0.8 * room <= words <= room:
            raise ValueError(f"its tokenizer has {words} tokens, its network {room}")
        return processor


def _builder(kind: str) -> "Callable[[Loading], LocalAnswerer]":
    if kind == "blip":
        from metrics.answerers.blip import load_blip

        return load_blip
    if kind in ("blip-2", "instructblip"):
        from metrics.answerers.blip2 import load_blip2

        return load_blip2
    from metrics.answerers.chat import load_chat

    return load_chat


def _kind(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text("utf-8")).get("model_type", ""))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _weights_files(folder))


def _weights_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise MissingWeights(
            f"There are no safetensors in {folder.name}, and other kinds of weights are not read; "
            "choose another model or another revision of it."
        )
    return files


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            while block := content.read(_READ):
                digest.update(block)
    return digest.hexdigest()
