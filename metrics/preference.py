"""What people would choose among pictures of one prompt; compare such pictures only."""

import math
from pathlib import Path
from typing import ClassVar

from metrics.base import MetricCard, Tier
from metrics.clip import PromptMatch
from metrics.preference_backbone import HPS_CARD, PICKSCORE_CARD, HpsSource, PickScoreSource

_SAME_PROMPT = "Only pictures of the same prompt can be compared; the mean over prompts follows the suite."
_NO_BUNDLED = "There is no bundled tier: nobody has chosen among pictures of the drawn world."


class PickScore(PromptMatch):
    """PickScore: the trained scale times the cosine, around 20.

    Reference: Kirstain et al. 2023, Pick-a-Pic, arXiv:2305.01569.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="pickscore",
        name="PickScore",
        question="Which picture of a prompt would people pick?",
        level="image",
        direction="higher",
        range=(-100.0, 100.0),
        formula="exp(logit scale) x cosine(image, prompt) of a CLIP ViT-H/14 tuned on 500,000 choices",
        needs=("image", "prompt"),
        backbones={"standard": PICKSCORE_CARD, "large": PICKSCORE_CARD},
        citation="Kirstain et al. 2023, Pick-a-Pic, arXiv:2305.01569",
        weaknesses=(
            _SAME_PROMPT,
            "Right in about 70 of 100 choices; single people agree hardly more often.",
            "Looks at a center square; cuts prompts at 77 tokens.",
            _NO_BUNDLED,
        ),
        status="established",
        version="1",
        group="quality",
    )

    def source(self, tier: Tier, assets: Path) -> PickScoreSource:
        """The one network there is."""
        return PickScoreSource()

    @staticmethod
    def value(cosine: float, scale: float) -> float:
        """The logit of a cosine."""
        return scale * cosine


class Hps(PromptMatch):
    """Human Preference Score v2.1: 100 x cosine, as in its published tables.

    Reference: Wu et al. 2023, arXiv:2306.09341, and the weights of version 2.1.
    """

    card: ClassVar[MetricCard] = MetricCard(
        id="hpsv2",
        name="HPS v2.1",
        question="How much would people like it for its prompt?",
        level="image",
        direction="higher",
        range=(-100.0, 100.0),
        formula="100 x cosine(image, prompt) of a CLIP ViT-H/14 tuned on 800,000 choices",
        needs=("image", "prompt"),
        backbones={"standard": HPS_CARD, "large": HPS_CARD},
        citation="Wu et al. 2023, Human Preference Score v2, arXiv:2306.09341; weights v2.1",
        weaknesses=(
            _SAME_PROMPT,
            "Its numbers are not those of HPS v2.0.",
            "Right in about 67 to 84 of 100 choices, depending on whose; cuts prompts at 77 tokens.",
            _NO_BUNDLED,
        ),
        status="established",
        version="1",
        group="quality",
    )

    def source(self, tier: Tier, assets: Path) -> HpsSource:
        """The one network there is."""
        return HpsSource()

    @staticmethod
    def value(cosine: float, scale: float) -> float:
        """The published scale."""
        return 100.0 * cosine


def preference(first: float, second: float) -> float:
    """The probability that people pick the first of two pictures of one prompt, 0 to 1.

    Args:
        first: PickScore of the one.
        second: PickScore of the other.
    """
    # In this form neither exponential can overflow.
    return 0.5 * (1.0 + math.tanh((first - second) / 2.0))


METRICS = (PickScore, Hps)
