"""CLIP networks through open_clip: the bundled one and two from the Hub.

What is known without loading (revision, preprocessing, vocabulary) is separate from the
loaded network, so that an analysis whose scores are all known never imports torch.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metrics.backbones import describe
from metrics.base import BackboneCard, Tier
from metrics.errors import MissingWeights

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
VOCABULARY_FILE = "vocabulary.txt"
BUNDLED_FILES = (CONFIG_FILE, WEIGHTS_FILE, "tokenizer.json", "tokenizer_config.json", VOCABULARY_FILE)
# Changes when pixels or text reach the network in another way.
PREPROCESSING = "open_clip-eval-fp32-1"
TEXT_BATCH = 64

CARDS: Mapping[Tier, BackboneCard] = MappingProxyType(
    {
        "bundled": BackboneCard(
            "bundled-clip", "sha256 of the weights file", 3_711_349, 0, "as this project"
        ),
        "standard": BackboneCard(
            "ViT-B-32/laion2b_s34b_b79k", "1a25a446712ba5ee05982a381eed697ef9b435cf", 151_277_313, 605, "MIT"
        ),
        "large": BackboneCard(
            "ViT-H-14/laion2b_s32b_b79k", "1c2b8495b28150b8a4922ee1c8edee224c284c0c", 986_109_441, 3945, "MIT"
        ),
    }
)
_REPOSITORIES: Mapping[Tier, str] = MappingProxyType(
    {
        "standard": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "large": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    }
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class ClipSource:
    """Where a CLIP network comes from. Two metrics with equal sources share one network.

    Attributes:
        tier: Which network.
        assets: Folder of the bundled networks; the bundled CLIP is its subfolder `clip`.
    """

    tier: Tier
    assets: Path

    @property
    def card(self) -> BackboneCard:
        """The network's card."""
        return CARDS[self.tier]

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
        if self.tier != "bundled":
            return self.card.revision
        self._require_files()
        return _digest(self.folder / WEIGHTS_FILE)

    @cached_property
    def preprocessing(self) -> str:
        """The version of the preprocessing; bundled: with the hash of its own settings.

        Raises:
            MissingWeights: The bundled files are not there.
        """
        if self.tier != "bundled":
            return PREPROCESSING
        self._require_files()
        return f"{PREPROCESSING}:{_digest(self.folder / CONFIG_FILE, self.folder / 'tokenizer.json')[:12]}"

    @cached_property
    def vocabulary(self) -> frozenset[str] | None:
        """The words the network was taught, in lower case; None: no limit.

        Raises:
            MissingWeights: The bundled files are not there.
        """
        if self.tier != "bundled":
            return None
        self._require_files()
        return frozenset((self.folder / VOCABULARY_FILE).read_text("utf-8").lower().split())

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that the network was never taught, each once, in order."""
        if self.vocabulary is None:
            return []
        words = dict.fromkeys(_WORD.findall(text.lower()))
        return [word for word in words if word not in self.vocabulary]

    def load(self, device: str) -> "ClipNetwork":
        """Load the network, its image transform and its tokenizer, in fp32.

        Raises:
            MissingWeights: The weights are not on this computer, or do not load.
        """
        import open_clip

        if self.tier == "bundled":
            self._require_files()
            name, weights = f"local-dir:{self.folder}", None
        else:
            name, weights = self.card.id.partition("/")[0], str(self._download())
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

    def _download(self) -> Path:
        """The weights file, from the Hub's cache or the Hub."""
        from huggingface_hub import hf_hub_download

        repository = _REPOSITORIES[self.tier]
        try:
            return Path(hf_hub_download(repository, WEIGHTS_FILE, revision=self.card.revision))
        except Exception as error:
            # The Hub client's errors share no base class: offline, HTTP, disk, permission.
            raise MissingWeights(
                f"The weights of {self.card.id} are not on this computer ({self.card.download_mb} MB, "
                f"licence {self.card.licence}) and could not be downloaded ({type(error).__name__}); "
                f"connect to the internet and run `hf download {repository} {WEIGHTS_FILE} "
                f"--revision {self.card.revision}`, or choose the bundled tier."
            ) from error

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
        """Wrap what open_clip made; the model is on the device and in evaluation mode."""
        self._model = model
        self._transform = transform
        self._tokenizer = tokenizer
        self._device = device
        self._texts: dict[str, TextFeature] = {}

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as the network's input: shape (3, side, side), fp32, normalised."""
        return self._transform(image)

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
