"""Beauty as people rated it, predicted from CLIP embeddings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, Metric, MetricCard, Score, Tier, Unit
from metrics.clip_backbone import VIT_L_14, ClipSource
from metrics.downloads import UrlFile, WeightsFile
from metrics.errors import MissingWeights

if TYPE_CHECKING:
    import torch

# The author's own repository at a fixed commit; the checksum pins the content.
HEAD_FILE = UrlFile(
    url="https://raw.githubusercontent.com/christophschuhmann/improved-aesthetic-predictor/"
    "6934dd81792f086e613a121dbce43082cb8be85e/sac%2Blogos%2Bava1-l14-linearMSE.pth",
    name="sac+logos+ava1-l14-linearMSE.pth",
    sha256="21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
)
HEAD_CARD = BackboneCard("sac+logos+ava1-l14-linearMSE", HEAD_FILE.sha256[:12], 927_505, 4, "Apache-2.0")
_WIDTHS = (768, 1024, 128, 64, 16, 1)
# Between the layers the published network has dropouts and nothing else; they leave gaps in the names.
_LAYERS = (0, 2, 4, 6, 7)

CARD = BackboneCard(
    f"{VIT_L_14.card.id} + {HEAD_CARD.id}",
    f"{VIT_L_14.card.revision}, {HEAD_CARD.revision}",
    VIT_L_14.card.parameters + HEAD_CARD.parameters,
    VIT_L_14.card.download_mb + HEAD_CARD.download_mb,
    "MIT, Apache-2.0",
)


@dataclass(frozen=True)
class AestheticSource(BackboneSource):
    """The predictor on the embeddings of a CLIP.

    Attributes:
        clip: The CLIP whose embeddings it reads; other metrics on it share its work.
        file: The predictor's weights.
    """

    clip: ClipSource
    file: UrlFile = HEAD_FILE

    @property
    def card(self) -> BackboneCard:
        """The predictor's card, without CLIP."""
        return HEAD_CARD

    @property
    def base(self) -> ClipSource:
        """The CLIP."""
        return self.clip

    @property
    def revision(self) -> str:
        """CLIP's commit and the predictor's checksum."""
        return f"{self.clip.revision}+{self.file.sha256[:12]}"

    @property
    def preprocessing(self) -> str:
        """CLIP's."""
        return self.clip.preprocessing

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The predictor's weights."""
        return (self.file,)

    def load(self, device: str) -> "AestheticHead":
        """Load the five layers; on the CPU, where embeddings are.

        Raises:
            MissingWeights: The file is not here, or is not the predictor.
        """
        import torch

        path = self.file.path()
        if path is None:
            raise MissingWeights(f"{self.card.id} is not here; run `{self.file.command}`.")
        try:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
            return AestheticHead(*_collapsed(tensors))
        except Exception as error:
            # torch and pickle raise many kinds on a file of another sort.
            raise MissingWeights(
                f"The weights of {self.card.id} do not load ({describe(error)}); delete {path} and try again."
            ) from error


class AestheticHead:
    """The predictor: without activations its layers are one affine map, kept in float64."""

    def __init__(self, weight: "torch.Tensor", bias: "torch.Tensor") -> None:
        """Take a weight of shape (768,) and a bias of shape ()."""
        self._weight = weight
        self._bias = bias

    def encode(self, prepared: Sequence["torch.Tensor"]) -> list[float]:
        """The rating for each CLIP embedding of unit length, about 1 to 10."""
        import torch

        embeddings = torch.stack(list(prepared)).double()
        return [float(value) for value in embeddings @ self._weight + self._bias]


class Aesthetic(Metric):
    """How beautiful people would find it, on a scale of about 1 to 10.

    Reference: Schuhmann 2022, improved aesthetic predictor (LAION-Aesthetics v2).
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="aesthetic",
        name="Aesthetic score",
        question="Would people find it beautiful?",
        level="image",
        direction="higher",
        range=(None, None),
        formula="affine predictor of human ratings on the unit-length CLIP ViT-L/14 embedding; about 1 to 10",
        needs=("image",),
        backbones={"standard": CARD, "large": CARD},
        citation="Schuhmann 2022, improved-aesthetic-predictor (LAION-Aesthetics v2)",
        weaknesses=(
            "Likes saturated, centered pictures with a shallow focus; does not read the prompt.",
            "Overlooks broken hands and bodies.",
            "Agrees with single human choices in about 57 of 100 pairs.",
            "There is no bundled tier: the drawn world was never rated by people.",
        ),
        status="established",
        version="1",
        group="quality",
    )

    def source(self, tier: Tier, assets: Path) -> AestheticSource:
        """The predictor on ViT-L/14, which the large tier of the CLIP score shares."""
        return AestheticSource(ClipSource(VIT_L_14, assets))

    def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
        """The rating of each image."""
        return [_score(unit.features[0]) for unit in units]


def _score(value: float) -> Score:
    if not math.isfinite(value):
        return Score.unscored("The predictor gave no finite number for this image; try the device 'cpu'.")
    return Score.of(value)


def _collapsed(tensors: dict[str, "torch.Tensor"]) -> "tuple[torch.Tensor, torch.Tensor]":
    """The layers as one weight and one bias.

    Raises:
        ValueError: Layers or shapes of another network.
    """
    import torch

    weight, bias = torch.eye(_WIDTHS[0], dtype=torch.float64), torch.zeros(_WIDTHS[0], dtype=torch.float64)
    for layer, shape in zip(_LAYERS, zip(_WIDTHS[1:], _WIDTHS[:-1], strict=True), strict=True):
        matrix = tensors[f"layers.{layer}.weight"].double()
        if tuple(matrix.shape) != shape:
            raise ValueError(f"layer {layer} has the shape {tuple(matrix.shape)}, not {shape}")
        weight = matrix @ weight
        bias = matrix @ bias + tensors[f"layers.{layer}.bias"].double()
    return weight[0], bias[0]


METRICS = (Aesthetic,)
