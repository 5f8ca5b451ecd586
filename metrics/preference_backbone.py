"""CLIP networks tuned on human choices between pictures of one prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, FeatureForm
from metrics.clip_backbone import PREPROCESSING, ClipNetwork
from metrics.downloads import HubFile, WeightsFile
from metrics.errors import MissingWeights

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_PICKSCORE = "yuvalkirstain/PickScore_v1"
_PICKSCORE_COMMIT = "a4e4367c6dfa7288a00c550414478f865b875800"
PICKSCORE_CARD = BackboneCard("PickScore_v1", _PICKSCORE_COMMIT, 986_109_441, 3_945, "MIT")
PICKSCORE_FILES = tuple(
    HubFile(_PICKSCORE, name, _PICKSCORE_COMMIT) for name in ("config.json", "model.safetensors")
)
HPS_FILE = HubFile("xswu/HPSv2", "HPS_v2.1_compressed.pt", "697403c78157020a1ae59d23f111aa58ced35b0a")
HPS_CARD = BackboneCard("HPS_v2.1", HPS_FILE.revision, 986_109_441, 1_972, "Apache-2.0")
# PickScore's text tower reads what open_clip's tokenizer of this shape writes: the same
# vocabulary, and what follows the end mark is not looked at.
_TOKENIZER = "ViT-H-14"


class _PairSource(BackboneSource):
    """What the two have in common."""

    @property
    def preprocessing(self) -> str:
        """The version of the preprocessing."""
        return PREPROCESSING

    @property
    def revision(self) -> str:
        """The pinned commit."""
        return self.card.revision

    @property
    def form(self) -> FeatureForm:
        """Image embeddings, exact."""
        return FeatureForm("embedding-fp32", "float32")

    def _loaded(self, load: Callable[[], ClipNetwork]) -> ClipNetwork:
        absent = next((file for file in self.files if file.path() is None), None)
        if absent is not None:
            raise MissingWeights(f"{self.card.id} is not here; run `{absent.command}`.")
        try:
            return load()
        except Exception as error:
            # open_clip, transformers, safetensors and torch raise many kinds on wrong files.
            raise MissingWeights(
                f"The weights of {self.card.id} do not load ({describe(error)}); "
                f"delete {self.files[-1].path()} and try again."
            ) from error


@dataclass(frozen=True)
class PickScoreSource(_PairSource):
    """PickScore: a `CLIPModel` of transformers.

    Attributes:
        files_: Its configuration and its weights, which the Hub's cache keeps in one folder.
    """

    files_: tuple[WeightsFile, WeightsFile] = (PICKSCORE_FILES[0], PICKSCORE_FILES[1])

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return PICKSCORE_CARD

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """Configuration and weights."""
        return self.files_

    @property
    def preprocessing(self) -> str:
        """The version of the preprocessing: transformers' CLIP processor."""
        return "clip-processor-pil-fp32-1"

    def load(self, device: str) -> ClipNetwork:
        """Load it in fp32, with CLIP's own preprocessing.

        Raises:
            MissingWeights: The files are not here, or do not load.
        """
        return self._loaded(lambda: _pickscore((self.files_[0].path() or Path()).parent, device))


@dataclass(frozen=True)
class HpsSource(_PairSource):
    """HPS v2.1: the weights of an open_clip ViT-H/14.

    Attributes:
        file: Its weights.
        architecture: Its name in open_clip.
    """

    file: WeightsFile = HPS_FILE
    architecture: str = "ViT-H-14"

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return HPS_CARD

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The weights."""
        return (self.file,)

    @property
    def preprocessing(self) -> str:
        """As its authors do: the whole picture, padded with black to a square."""
        return f"{PREPROCESSING}:longest"

    def load(self, device: str) -> ClipNetwork:
        """Load it in fp32.

        Raises:
            MissingWeights: The file is not here, or does not load.
        """
        return self._loaded(lambda: _hps(self.architecture, self.file.path() or Path(), device))


def _pickscore(folder: Path, device: str) -> ClipNetwork:
    import open_clip
    import torch
    from transformers import CLIPImageProcessorPil, CLIPModel

    model, found = CLIPModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    if found["missing_keys"] or found["mismatched_keys"]:  # transformers would make them up
        raise ValueError(f"it lacks {sorted(found['missing_keys'])[:2]}")
    side = model.config.vision_config.image_size
    # Its authors' own processor: of an oblong picture it cuts the center a pixel beside open_clip's.
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, resample=3
    )

    def transform(image: "Image") -> "torch.Tensor":
        pixels: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"]
        return pixels[0]

    adapted = _as_open_clip(model.to(device).eval())
    return ClipNetwork(adapted, transform, open_clip.get_tokenizer(_TOKENIZER), device)


def _hps(architecture: str, path: Path, device: str) -> ClipNetwork:
    import open_clip

    model, _, transform = open_clip.create_model_and_transforms(
        architecture,
        pretrained=str(path),
        require_pretrained=True,
        precision="fp32",
        device=device,
        image_resize_mode="longest",
    )
    return ClipNetwork(model.eval(), transform, open_clip.get_tokenizer(architecture), device)


def _as_open_clip(model: Any) -> Any:
    """A transformers CLIP with the methods of open_clip's."""
    import torch
    from torch.nn.functional import normalize as unit

    class Adapted(torch.nn.Module):
        """Two towers behind open_clip's names."""

        def __init__(self) -> None:
            super().__init__()
            self.clip = model
            self.logit_scale = model.logit_scale

        def encode_image(self, images: "torch.Tensor", normalize: bool = False) -> "torch.Tensor":
            found = self.clip.get_image_features(pixel_values=images).pooler_output
            return unit(found, dim=-1) if normalize else found

        def encode_text(self, tokens: "torch.Tensor", normalize: bool = False) -> "torch.Tensor":
            found = self.clip.get_text_features(input_ids=tokens).pooler_output
            return unit(found, dim=-1) if normalize else found

    return Adapted()
