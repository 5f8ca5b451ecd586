"""Text match by dino.txt: words and pictures in one space, on DINOv3's ViT-L.

The weights are Meta's and are sent on request only, so nothing here fetches them: a person puts
the file into `DINOV3_HOME`. The backbone is the one of semantic match, in its own pass: dino.txt
reads every token of a 224 px centre square, semantic match the global token of the whole picture.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from metrics.backbones import describe
from metrics.base import BackboneCard, FeatureForm, MetricCard, Tier
from metrics.clip import PromptMatch
from metrics.clip_backbone import ClipNetwork
from metrics.dino_text_weights import PAGE, PUBLISHED, HeadFile, TextShape, digest, read_tensors
from metrics.dinov3_backbone import DinoSource
from metrics.dinov3_networks import MEAN, STD
from metrics.dinov3_weights import HOME, VIT_L
from metrics.downloads import WeightsFile
from metrics.errors import MissingWeights

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

CARD = BackboneCard(
    f"{VIT_L.card.id} + dino.txt",
    f"{VIT_L.card.revision}, sha256 of your file",
    VIT_L.card.parameters + 563_457_537,
    VIT_L.card.download_mb,
    f"{VIT_L.card.licence}; the dino.txt file on request from Meta only",
)


@dataclass(frozen=True)
class CentreSquare:
    """The way from a picture to pixels that the published evaluation takes.

    The shorter side becomes `resize` px (bicubic, antialiased), and the middle `side` x `side` px
    are cut out; in one step, so that a long strip never becomes a huge picture.
    """

    resize: int = 256
    side: int = 224

    def __call__(self, image: "Image") -> "torch.Tensor":
        """An RGB image as shape (3, side, side), fp32, normalised."""
        import numpy as np
        import torch
        from PIL.Image import Resampling

        cut = min(image.size) * self.side / self.resize
        left, top = (image.width - cut) / 2, (image.height - cut) / 2
        box = (left, top, left + cut, top + cut)
        small = image.resize((self.side, self.side), Resampling.BICUBIC, box=box)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(row).view(3, 1, 1) for row in (MEAN, STD))
        return (pixels - mean) / std


@dataclass(frozen=True)
class DinoTextSource(DinoSource):
    """Where dino.txt comes from: a backbone that can be fetched, and a person's own head file.

    Attributes:
        shape: The sizes of the head.
    """

    shape: TextShape = PUBLISHED

    @property
    def card(self) -> BackboneCard:
        """The card of backbone and head together."""
        return CARD

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The backbone, and the head that cannot be fetched: without it all is refused beforehand."""
        return (*super().files, HeadFile())

    @cached_property
    def revision(self) -> str:
        """The backbone's commit, and how the SHA-256 of the head file begins.

        Raises:
            MissingWeights: The head file is not on this computer.
        """
        # The head first: what is known of the backbone alone would be remembered as the answer.
        head = digest(HeadFile().require())
        return f"{super().revision}+{head[:12]}"

    @property
    def preprocessing(self) -> str:
        """The version of the way from pixels and text to the network."""
        square = CentreSquare()
        return f"dinotxt-{square.resize}-{square.side}-bicubic-1:imagenet-1"

    @property
    def form(self) -> FeatureForm:
        """Unit vectors, exact: 8 kB an image."""
        return FeatureForm("dinotxt-fp32", "float32")

    def _network(self, model: Any, device: str) -> ClipNetwork:
        from open_clip.tokenizer import SimpleTokenizer

        from metrics.dino_text_networks import DinoText, load_published

        file = HeadFile().require()
        try:
            head = load_published(self.shape, read_tensors(file))
        except Exception as error:
            # torch, pickle and safetensors raise many kinds on a file of another sort.
            raise MissingWeights(
                f"{file.name} in {HOME} is not the published dino.txt file ({describe(error)}); "
                f"fetch it again from {PAGE}."
            ) from error
        network = DinoText(model, head).to(device).eval().requires_grad_(False)
        return ClipNetwork(
            network, CentreSquare(), SimpleTokenizer(context_length=self.shape.context), device
        )


class SemanticText(PromptMatch):
    """How well a picture matches its prompt in the space of dino.txt.

    Reference: Jose et al. 2024, DINOv2 Meets Text (dino.txt), arXiv:2412.16334; on DINOv3.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="semantic_text",
        name="Semantic text match (dino.txt)",
        question="Does DINOv3 see in it what the prompt says?",
        level="image",
        direction="higher",
        range=(-1.0, 1.0),
        formula=(
            "cosine of dino.txt's picture features (class token and mean patch token after two more "
            "blocks on DINOv3) and text features, no prefix"
        ),
        needs=("image", "prompt", "dino.txt weights of your own"),
        backbones=MappingProxyType({"standard": CARD, "large": CARD}),
        citation=(
            "Jose et al. 2024, DINOv2 Meets Text, arXiv:2412.16334; Siméoni et al. 2025, arXiv:2508.10104"
        ),
        weaknesses=(
            "Needs a file that Meta sends on request; without it every picture is unscored.",
            "Looks at the centre square of pictures that are not square, and leaves out a narrow border.",
            "Cuts prompts at 77 tokens; a cut prompt says so in its detail.",
            "Has no scale of its own: compare models on the same prompts only.",
            "Our own build of the published network: checked with tiny weights, not yet with Meta's.",
        ),
        status="experimental",
        version="1",
        group="adherence",
    )

    def source(self, tier: Tier, assets: Path) -> DinoTextSource:
        """ViT-L with the person's head."""
        return DinoTextSource(VIT_L, assets)

    @staticmethod
    def value(cosine: float, scale: float) -> float:
        """The cosine itself; rounding never takes it out of its range."""
        return max(-1.0, min(1.0, cosine))


METRICS = (SemanticText,)
