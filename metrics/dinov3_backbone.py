"""The DINOv3 networks as sources of features: looks, layers and pooled features.

A *look* is what a transformer says of a picture as a whole: its global token and where that
token looks. One pass gives it, and semantic match, object integrity and Vendi scores all read it.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, FeatureForm, Network
from metrics.dinov3_networks import DinoLayers, DinoLooks, DinoPooled, Look
from metrics.dinov3_weights import DinoModel, load_network
from metrics.downloads import WeightsFile
from metrics.errors import MissingWeights

_FILE = "model.safetensors"
_READ = 1 << 20


@dataclass(frozen=True)
class DinoSource(BackboneSource):
    """Where a DINOv3 network comes from, and which of its features are read.

    Attributes:
        model: Which network.
        assets: Folder of the bundled networks.
    """

    model: DinoModel
    assets: Path = field(default=Path(), compare=False)
    view: ClassVar[str] = "square"

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return self.model.card

    @property
    def bundled(self) -> bool:
        """Whether it knows the bundled drawn world only."""
        return self.model.weights is None

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The published weights."""
        return (self.model.weights,) if self.model.weights else ()

    @cached_property
    def revision(self) -> str:
        """The commit, or the SHA-256 of the weights in a folder.

        Raises:
            MissingWeights: The bundled weights are not there.
        """
        known = self.model.weights.revision if self.model.weights else None
        return known or _digest(self._place() / _FILE)

    @property
    def preprocessing(self) -> str:
        """The version of the way from pixels to the network: shape, size, and ImageNet's mean and spread."""
        return f"{self.view_name}:imagenet-1"

    @property
    def view_name(self) -> str:
        """Names what `prepare` makes of a picture."""
        if self.view == "square":
            # At 256 px this is `images.SQUARE_VIEW`: a picture is resized once for all who read it.
            return f"square-{self.model.side}-bicubic-1"
        return f"{self.view}-{self.model.side}-{self.model.patch}-bicubic-1"

    def load(self, device: str) -> Network:
        """Load the network in fp32.

        Raises:
            MissingWeights: The weights are not on this computer, or do not load.
        """
        place = self._place()
        try:
            model = load_network(place)
        except Exception as error:
            # transformers, safetensors, json and torch raise many kinds on wrong files.
            cure = f"restore the folder assets/{self.model.folder}" if self.bundled else f"delete {place}"
            raise MissingWeights(
                f"The weights of {self.card.id} do not load ({describe(error)}); {cure} and try again."
            ) from error
        return self._network(model.to(device).requires_grad_(False), device)

    def _network(self, model: Any, device: str) -> Network:
        raise NotImplementedError

    def _place(self) -> Path:
        if self.model.weights is None:
            folder = self.assets / self.model.folder
            if not (folder / _FILE).is_file() or not (folder / "config.json").is_file():
                raise MissingWeights(
                    f"The bundled DINOv3 lacks files; restore the folder assets/{self.model.folder} "
                    "or choose the light or standard tier."
                )
            return folder
        place = self.model.weights.path()
        if place is None:
            weights = self.model.weights
            raise MissingWeights(f"{self.card.id} is not here; run `{weights.command}`, {weights.elsewhere}.")
        return place


@dataclass(frozen=True)
class LookForm(FeatureForm):
    """A look as bytes: rows, columns, attention, token."""

    def pack(self, feature: Look) -> bytes:
        """A look as bytes."""
        import torch

        rows, columns = feature.attention.shape
        parts = (torch.tensor([rows, columns]), feature.attention.flatten(), feature.token)
        return super().pack(torch.cat([part.float() for part in parts]))

    def unpack(self, content: bytes) -> Look:
        """The look again, equal bit for bit.

        Raises:
            ValueError, RuntimeError: These bytes are no look.
        """
        flat = super().unpack(content)
        rows, columns = (int(number) for number in flat[:2])
        end = 2 + rows * columns
        return Look(flat[end:].clone(), flat[2:end].reshape(rows, columns).clone())


@dataclass(frozen=True)
class LookSource(DinoSource):
    """A transformer that is read for looks; the shape of a picture is kept."""

    view: ClassVar[str] = "fit"

    @property
    def form(self) -> FeatureForm:
        """Looks, exact: 5 kB an image of ViT-L."""
        return LookForm("look-fp32", "float32")

    def _network(self, model: Any, device: str) -> DinoLooks:
        return DinoLooks(model, self.model, self.view_name, device)


@dataclass(frozen=True)
class LayersSource(DinoSource):
    """A transformer that is read for the patch tokens of four blocks."""

    @property
    def form(self) -> FeatureForm:
        """Unit tokens in half precision, each image in one vector: 1.6 MB an image of ViT-B.

        They are rounded before any use, so known and new ones give the same value.
        """
        return FeatureForm("quarter-blocks-fp16", "float16")

    def _network(self, model: Any, device: str) -> DinoLayers:
        return DinoLayers(model, self.model, self.view_name, device)


@dataclass(frozen=True)
class PooledSource(DinoSource):
    """A ConvNeXt that is read for its pooled features."""

    @property
    def form(self) -> FeatureForm:
        """Pooled features, exact: 4 kB an image."""
        return FeatureForm("pooled-fp32", "float32")

    def _network(self, model: Any, device: str) -> DinoPooled:
        return DinoPooled(model, self.model, self.view_name, device)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as content:
            while block := content.read(_READ):
                digest.update(block)
    except OSError as error:
        raise MissingWeights(
            f"{file.name} cannot be read ({describe(error)}); look at its folder."
        ) from error
    return digest.hexdigest()
