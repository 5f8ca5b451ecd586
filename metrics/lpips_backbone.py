"""The network of LPIPS: layer maps in a form whose squared distance is LPIPS.

LPIPS sums over layers the spatial mean of the weighed squared difference of features of
unit length (Zhang et al. 2018). With the root of the weights and of the number of places
folded into the features, that is the squared distance of two long vectors, so all pairs of
n images need n passes and one Gram matrix.
"""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, FeatureForm
from metrics.downloads import UrlFile, WeightsFile
from metrics.errors import MissingWeights
from metrics.images import SQUARE_VIEW
from metrics.pairs import squared_distances
from metrics.structural_backbone import as_tensor

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

ALEXNET_FILE = UrlFile(
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    name="alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
)
BUNDLED_CARD = BackboneCard("bundled-lpips", "sha256 of the weights file", 2_470_848, 0, "as this project")
ALEX_CARD = BackboneCard("LPIPS v0.1 AlexNet", "7be5be79, lpips 0.1.4", 2_470_848, 244, "BSD-3, BSD-2")
PREPROCESSING = f"{SQUARE_VIEW}:lpips-fp16-1"
# The features are near 1 / places without it, where half precision is coarse.
_SCALE = 64.0
# The maps of one image take 5 MB while they are made.
_IMAGES_AT_ONCE = 8


@dataclass(frozen=True)
class LpipsSource(BackboneSource):
    """Where LPIPS comes from.

    Attributes:
        folder: The bundled network; None: the published one, AlexNet from torchvision with
            the heads of the `lpips` package.
        trunk: Weights of the published AlexNet.
    """

    folder: Path | None
    trunk: UrlFile = ALEXNET_FILE

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return BUNDLED_CARD if self.folder else ALEX_CARD

    @cached_property
    def revision(self) -> str:
        """The checksum of the trunk, or of the bundled file.

        Raises:
            MissingWeights: The bundled file is not there.
        """
        if self.folder is None:
            return f"{self.trunk.sha256}+lpips-0.1"
        return hashlib.sha256(self._bundled_file().read_bytes()).hexdigest()

    @property
    def preprocessing(self) -> str:
        """The version of the preprocessing; it names the fixed size."""
        return PREPROCESSING

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The trunk of the published network."""
        return () if self.folder else (self.trunk,)

    @property
    def form(self) -> FeatureForm:
        """The long vectors in half precision: 1.3 MB an image.

        Kept whole, for no shorter form gives the published distance. Features are rounded
        before any use, so known and new ones give the same value; the rounding moves a
        distance by less than 1e-7, a visible one by less than a ten-thousandth of itself.
        """
        return FeatureForm("lpips-layers-fp16", "float16")

    def load(self, device: str) -> "LpipsNetwork":
        """Load trunk and heads.

        Raises:
            MissingWeights: A file is not here, or does not load.
        """
        path = self._bundled_file() if self.folder else self.trunk.path()
        if path is None:
            raise MissingWeights(f"{self.card.id} is not here; run `{self.trunk.command}`.")
        try:
            model = _bundled(path) if self.folder else _published(path)
        except Exception as error:
            # torch, safetensors and pickle raise many kinds on a file of another sort.
            cure = "restore the folder assets/lpips" if self.folder else f"delete {path} and try again"
            raise MissingWeights(
                f"The weights of {self.card.id} do not load ({describe(error)}); {cure}."
            ) from error
        return LpipsNetwork(model.to(device).eval().requires_grad_(False), device)

    def _bundled_file(self) -> Path:
        path = (self.folder or Path()) / "alexnet.safetensors"
        if not path.is_file():
            raise MissingWeights(
                f"The bundled LPIPS lacks {path.name}; restore the folder assets/lpips "
                "or choose the standard tier."
            )
        return path


class LpipsNetwork:
    """A loaded LPIPS."""

    def __init__(self, model: Any, device: str) -> None:
        """Wrap the `lpips` package's network, on the device and in evaluation mode.

        Raises:
            MissingWeights: A head has a negative weight, which has no root.
        """
        self.module = model
        self.view = SQUARE_VIEW
        self._device = device
        self._heads = [head.model[-1].weight for head in model.lins]
        if any(bool((weight < 0).any()) for weight in self._heads):
            raise MissingWeights("This LPIPS has negative weights, which the published ones never have.")

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as shape (3, 256, 256), uint8."""
        return as_tensor(image)

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence["torch.Tensor"]:
        """For each image its layers in one vector of shape (features,), half precision, on the CPU."""
        import lpips
        import torch

        found: list[torch.Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(prepared), _IMAGES_AT_ONCE):
                some = torch.stack(list(prepared[start : start + _IMAGES_AT_ONCE]))
                pixels = some.to(self._device).float() / 127.5 - 1
                layers = self.module.net(self.module.scaling_layer(pixels))
                parts: list[torch.Tensor] = []
                for maps, head in zip(layers, self._heads, strict=True):
                    places = maps.shape[-2] * maps.shape[-1]
                    weighed = lpips.normalize_tensor(maps) * (head.sqrt() * (_SCALE / places**0.5))
                    parts.append(weighed.flatten(1).half())
                # Clones, because a view would keep all of them as long as one image is needed.
                found += [row.clone() for row in torch.cat(parts, dim=1).cpu()]
        return found


def distances(vectors: Sequence["torch.Tensor"]) -> "torch.Tensor":
    """LPIPS of all pairs.

    Args:
        vectors: What `LpipsNetwork.encode` gave, n of them.

    Returns:
        Shape (n, n), float64; exactly 0 for equal images.
    """
    return squared_distances(vectors) / _SCALE**2


def _bundled(path: Path) -> Any:
    from safetensors.torch import load_file

    return _filled(load_file(path))


def _published(path: Path) -> Any:
    import lpips
    import torch

    trunk = torch.load(path, map_location="cpu", weights_only=True)
    heads = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    tensors = dict(torch.load(heads, map_location="cpu", weights_only=True))
    # The package also lists its heads, and cuts torchvision's `features` into numbered slices.
    tensors |= {name.replace("lin", "lins.", 1): tensor for name, tensor in tensors.items()}
    for name in _empty().net.state_dict():
        tensors[f"net.{name}"] = trunk[f"features.{name.split('.', 1)[1]}"]
    return _filled(tensors)


def _filled(tensors: "dict[str, torch.Tensor]") -> Any:
    """The package's network with these weights, all of them, in fp32."""
    model = _empty()
    wanted = {f"scaling_layer.{name}": value for name, value in model.scaling_layer.state_dict().items()}
    wanted |= {name: tensor.float() for name, tensor in tensors.items()}
    model.load_state_dict(wanted, assign=True)
    return model


def _empty() -> Any:
    """The package's network without weights: drawing 61 million at random would take a second."""
    import lpips
    import torch

    # Not accelerate's way of doing this: it changes torch for all threads.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # on how torchvision's arguments are named nowadays
        return lpips.LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False)
