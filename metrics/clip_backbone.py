"""CLIP networks through open_clip: the bundled one and those of the Hub.

What is known without loading (revision, preprocessing) is separate from the loaded network,
so that an analysis whose scores are all known never imports torch.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, FeatureForm, Tier
from metrics.downloads import HubFile, WeightsFile
from metrics.errors import MissingWeights
from metrics.vocabulary import VOCABULARY_FILE

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
BUNDLED_FILES = (CONFIG_FILE, WEIGHTS_FILE, "tokenizer.json", "tokenizer_config.json", VOCABULARY_FILE)
# Changes when pixels or text reach the network in another way.
PREPROCESSING = "open_clip-eval-fp32-1"
TEXT_BATCH = 64
# Beyond this shape the centre square is cut out before resizing: resizing the shorter side
# of a strip first would make a picture of gigabytes, all of it outside the square.
_MOST_OBLONG = 8


@dataclass(frozen=True)
class ClipModel:
    """A CLIP that can be had.

    Attributes:
        card: Its card.
        architecture: Its name in open_clip; "" for the bundled one, which describes itself.
        file: Its weights; None for the bundled one.
    """

    card: BackboneCard
    architecture: str = ""
    file: WeightsFile | None = None


def _hub(card: BackboneCard, architecture: str, repository: str) -> ClipModel:
    return ClipModel(card, architecture, HubFile(repository, WEIGHTS_FILE, card.revision))


BUNDLED = ClipModel(
    BackboneCard("bundled-clip", "sha256 of the weights file", 3_711_349, 0, "as this project")
)
VIT_B_32 = _hub(
    BackboneCard(
        "ViT-B-32/laion2b_s34b_b79k", "1a25a446712ba5ee05982a381eed697ef9b435cf", 151_277_313, 605, "MIT"
    ),
    "ViT-B-32",
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
)
# OpenAI trained with another activation than open_clip's default for this shape.
VIT_L_14 = _hub(
    BackboneCard("ViT-L-14/openai", "18d0535469bb561bf468d76c1d73aa35156c922b", 427_616_513, 1_710, "MIT"),
    "ViT-L-14-quickgelu",
    "timm/vit_large_patch14_clip_224.openai",
)
MODELS: Mapping[Tier, ClipModel] = MappingProxyType(
    {"bundled": BUNDLED, "light": VIT_B_32, "standard": VIT_B_32, "large": VIT_L_14}
)
CARDS: Mapping[Tier, BackboneCard] = MappingProxyType({tier: model.card for tier, model in MODELS.items()})


@dataclass(frozen=True)
class ClipSource(BackboneSource):
    """Where a CLIP network comes from. Two metrics with equal sources share one network.

    Attributes:
        model: Which network.
        assets: Folder of the bundled networks; the bundled CLIP is its subfolder `clip`.
    """

    model: ClipModel
    assets: Path

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return self.model.card

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The weights on the Hub."""
        return (self.model.file,) if self.model.file else ()

    @property
    def form(self) -> FeatureForm:
        """Image embeddings, exact."""
        return FeatureForm("embedding-fp32", "float32")

    @property
    def folder(self) -> Path:
        """Folder of the bundled network."""
        return self.assets / "clip"

    @cached_property
    def revision(self) -> str:
        """The pinned commit, or the SHA-256 of the bundled weights.

        Raises:
            MissingWeights: The bundled files are not there.
        """
        if self.model.file:
            return self.card.revision
        self._require_files()
        return _digest(self.folder / WEIGHTS_FILE)

    @cached_property
    def preprocessing(self) -> str:
        """The version of the preprocessing; bundled: with the hash of its own settings.

        Raises:
            MissingWeights: The bundled files are not there.
        """
        if self.model.file:
            return PREPROCESSING
        self._require_files()
        return f"{PREPROCESSING}:{_digest(self.folder / CONFIG_FILE, self.folder / 'tokenizer.json')[:12]}"

    def load(self, device: str) -> "ClipNetwork":
        """Load the network, its image transform and its tokenizer, in fp32.

        Raises:
            MissingWeights: The weights are not on this computer, or do not load.
        """
        import open_clip

        path = self.model.file.path() if self.model.file else None
        if self.model.file is None:
            self._require_files()
        elif path is None:
            raise MissingWeights(f"{self.card.id} is not here; run `{self.model.file.command}`.")
        name = self.model.architecture or f"local-dir:{self.folder}"
        weights = str(path) if path else None
        try:
            model, _, transform = open_clip.create_model_and_transforms(
                name, pretrained=weights, require_pretrained=True, precision="fp32", device=device
            )
            tokenizer = open_clip.get_tokenizer(name)
        except Exception as error:
            # open_clip passes on the errors of torch, safetensors, json and transformers.
            cure = f"delete {weights} and try again" if weights else "restore the folder assets/clip"
            raise MissingWeights(
                f"The weights of {self.card.id} do not load ({describe(error)}); {cure}."
            ) from error
        self._check_tokenizer(tokenizer, model)
        return ClipNetwork(model.eval(), transform, tokenizer, device)

    def _require_files(self) -> None:
        absent = [name for name in BUNDLED_FILES if not (self.folder / name).is_file()]
        if absent:
            raise MissingWeights(
                f"The bundled CLIP lacks {', '.join(absent)}; restore the folder assets/clip "
                "or choose the standard tier."
            )

    def _check_tokenizer(self, tokenizer: Any, model: Any) -> None:
        """Refuse a tokenizer of another network: transformers makes up an empty one in silence."""
        size, wanted = _vocabulary_size(tokenizer), int(model.vocab_size)
        if size != wanted:
            raise MissingWeights(
                f"The tokenizer of {self.card.id} has {size} tokens, its network {wanted}; "
                "restore the folder assets/clip or choose the standard tier."
            )


@dataclass(frozen=True)
class TextFeature:
    """A prompt as the network sees it.

    Attributes:
        vector: Shape (features,), fp32, unit length.
        tokens: Number of tokens with the start and end marks, before any cut.
        context: How many tokens the network reads.
    """

    vector: "torch.Tensor"
    tokens: int
    context: int


class ClipNetwork:
    """A loaded CLIP: images and prompts to unit vectors. Each distinct prompt is read once."""

    def __init__(
        self,
        model: Any,
        transform: "Callable[[Image], torch.Tensor]",
        tokenizer: Any,
        device: str,
    ) -> None:
        """Wrap a model with open_clip's methods, on the device and in evaluation mode."""
        self.module = model
        self.view = f"clip {transform!r}"
        self.scale = float(model.logit_scale.detach().float().exp())
        """What cosines were multiplied by in training."""
        self._model = model
        self._transform = transform
        self._tokenizer = tokenizer
        self._device = device
        self._texts: dict[str, TextFeature] = {}

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as the network's input: shape (3, side, side), fp32, normalised."""
        return self._transform(_not_too_oblong(image))

    def encode(self, prepared: Sequence["torch.Tensor"]) -> Sequence["torch.Tensor"]:
        """Image features: for each input a unit vector of shape (features,), fp32, on the CPU."""
        import torch

        with torch.inference_mode():
            batch = torch.stack(list(prepared)).to(self._device)
            features = self._model.encode_image(batch, normalize=True)
        return list(features.float().cpu().unbind())

    def texts(self, prompts: Sequence[str]) -> list[TextFeature]:
        """Text features in the order of the prompts; prompts seen before cost nothing."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._texts]
        for start in range(0, len(new), TEXT_BATCH):
            self._read_texts(new[start : start + TEXT_BATCH])
        return [self._texts[prompt] for prompt in prompts]

    def cosines(self, images: Sequence["torch.Tensor"], texts: Sequence[TextFeature]) -> list[float]:
        """The cosine of each image with the text at the same place, -1 to 1."""
        import torch

        pairs = torch.stack(list(images)) * torch.stack([text.vector for text in texts])
        return [float(cosine) for cosine in pairs.sum(dim=1)]

    def _read_texts(self, prompts: Sequence[str]) -> None:
        import torch

        with torch.inference_mode():
            tokens = self._tokenizer(list(prompts)).to(self._device)
            vectors = self._model.encode_text(tokens, normalize=True).float().cpu()
        for prompt, vector in zip(prompts, vectors, strict=True):
            length = _token_count(self._tokenizer, prompt)
            self._texts[prompt] = TextFeature(vector, length, int(tokens.shape[1]))


def _not_too_oblong(image: "Image") -> "Image":
    """The image, or the middle of a strip."""
    short = min(image.size)
    width, height = (min(side, _MOST_OBLONG * short) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image if (width, height) == image.size else image.crop((left, top, left + width, top + height))


def _token_count(tokenizer: Any, text: str) -> int:
    """Tokens of a text with the start and end marks; open_clip has two kinds of tokenizer."""
    if hasattr(tokenizer, "tokenizer"):
        return len(tokenizer.tokenizer.tokenize(tokenizer.clean_fn(text))) + 2
    return len(tokenizer.encode(text)) + 2


def _vocabulary_size(tokenizer: Any) -> int:
    if hasattr(tokenizer, "tokenizer"):
        return len(tokenizer.tokenizer)
    return int(tokenizer.vocab_size)


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
