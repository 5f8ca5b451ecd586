"""Metrics on CLIP features. Numbers from here are comparable within one tier only.

CLIP score as torchmetrics and the diffusion papers print it: 100 x max(cos, 0), no prefix.
(The original paper has 2.5 x max(cos, 0) and "A photo depicts"; its numbers are not these.)
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.clip_backbone import CARDS, MODELS, ClipNetwork, ClipSource, TextFeature
from metrics.vocabulary import refuse_foreign


class PromptMatch(Metric):
    """Compares an image with its prompt in the space of a CLIP-like network."""

    def text(self, samples: Sequence[Sample]) -> str:
        """The value depends on the prompt."""
        return samples[0].prompt

    def refusal(self, samples: Sequence[Sample], source: Any) -> str | None:
        """No prompt."""
        if samples[0].prompt.strip():
            return None
        return f"The prompt of this image is not known; give it one to get a {self.card.name}."

    def judge(self, units: Sequence[Unit], network: ClipNetwork) -> list[Score]:
        """One score for each unit, with the raw cosine and the token count in detail."""
        texts = network.texts([unit.samples[0].prompt for unit in units])
        cosines = network.cosines([unit.features[0] for unit in units], texts)
        return [self._score(cosine, text, network) for cosine, text in zip(cosines, texts, strict=True)]

    def _score(self, cosine: float, text: TextFeature, network: ClipNetwork) -> Score:
        if not math.isfinite(cosine):
            return Score.unscored(
                f"{self.card.name} gave no finite number for this image; try the device 'cpu'."
            )
        return Score.of(
            self.value(cosine, network.scale),
            cosine=cosine,
            tokens=text.tokens,
            context=text.context,
            truncated=text.tokens > text.context,
        )

    @staticmethod
    @abstractmethod
    def value(cosine: float, scale: float) -> float:
        """The value of a cosine.

        Args:
            cosine: Between image and text, -1 to 1.
            scale: What cosines were multiplied by when the network was trained.
        """


class ClipScore(PromptMatch):
    """How well an image matches its prompt: 100 x max(cosine, 0).

    Reference: Hessel et al. 2021, CLIPScore, arXiv:2104.08718, without prefix and rescaling.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="clip_score",
        name="CLIP score",
        question="Does the image show what the prompt says?",
        level="image",
        direction="higher",
        range=(0.0, 100.0),
        formula="100 x max(cosine(image features, prompt features), 0), no prefix",
        needs=("image", "prompt"),
        backbones=CARDS,
        citation="Hessel et al. 2021, CLIPScore, arXiv:2104.08718; scale as in torchmetrics",
        weaknesses=(
            "Reads a prompt nearly as a bag of words: weak on counts, relations and who has which color.",
            "Looks at a center square of pictures that are not square (standard and large).",
            "Cuts prompts at 77 tokens (bundled: 24); a cut prompt says so in its detail.",
            "The bundled network knows only the words of the bundled scenes.",
        ),
        status="established",
        version="1",
    )

    def source(self, tier: Tier, assets: Path) -> ClipSource:
        """The CLIP network of a tier."""
        return ClipSource(MODELS[tier], assets)

    def refusal(self, samples: Sequence[Sample], source: ClipSource) -> str | None:
        """No prompt, or (bundled) a prompt with words the network was never taught."""
        absent = super().refusal(samples, source)
        return absent or (None if source.model.file else refuse_foreign(samples, source.assets, "CLIP"))

    @staticmethod
    def value(cosine: float, scale: float) -> float:
        """The score of one cosine."""
        return 100.0 * max(cosine, 0.0)


METRICS = (ClipScore,)
