"""Metrics on CLIP features. Numbers from here are comparable within one tier only.

CLIP score as torchmetrics and the diffusion papers print it: 100 x max(cos, 0), no prefix.
(The original paper has 2.5 x max(cos, 0) and "A photo depicts"; its numbers are not these.)
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.clip_backbone import CARDS, ClipNetwork, ClipSource, TextFeature

NAMED_WORDS = 3


class ClipScore(Metric):
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
            "Reads a prompt nearly as a bag of words: weak on counts, relations and who has which colour.",
            "Looks at a centre square of pictures that are not square (standard and large).",
            "Cuts prompts at 77 tokens (bundled: 24); a cut prompt says so in its detail.",
            "The bundled network knows only the words of the bundled scenes.",
        ),
        status="established",
        version="1",
    )

    def source(self, tier: Tier, assets: Path) -> ClipSource:
        """The CLIP network of a tier."""
        return ClipSource(tier, assets)

    def text(self, samples: Sequence[Sample]) -> str:
        """The value depends on the prompt."""
        return samples[0].prompt

    def refusal(self, samples: Sequence[Sample], source: ClipSource) -> str | None:
        """No prompt, or (bundled) a prompt with words the network was never taught."""
        prompt = samples[0].prompt
        if not prompt.strip():
            return "The prompt of this image is not known; give it one to get a CLIP score."
        unknown = source.unknown_words(prompt)
        if not unknown:
            return None
        named = ", ".join(repr(word) for word in unknown[:NAMED_WORDS])
        more = f" and {len(unknown) - NAMED_WORDS} more" if len(unknown) > NAMED_WORDS else ""
        return f"The bundled CLIP was never taught {named}{more}; choose the standard tier."

    def judge(self, units: Sequence[Unit], network: ClipNetwork) -> list[Score]:
        """One score for each unit, with the raw cosine and the token count in detail."""
        texts = network.texts([unit.samples[0].prompt for unit in units])
        cosines = network.cosines([unit.features[0] for unit in units], texts)
        return [clip_score(cosine, text) for cosine, text in zip(cosines, texts, strict=True)]


def clip_score(cosine: float, text: TextFeature) -> Score:
    """The score of one cosine.

    Args:
        cosine: Between image and text, -1 to 1.
        text: The prompt's feature; tells whether the prompt was cut.
    """
    if not math.isfinite(cosine):
        return Score.unscored("CLIP gave no finite number for this image; try the device 'cpu'.")
    return Score.of(
        100.0 * max(cosine, 0.0),
        cosine=cosine,
        tokens=text.tokens,
        context=text.context,
        truncated=text.tokens > text.context,
    )


METRICS = (ClipScore,)
