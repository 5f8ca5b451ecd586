"""PixArt and Sana: small transformers whose pipelines change size and prompt unless told not to."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import AfterStep, FamilyAdapter, Recommended
from explorer.types import Recipe

_AS_ASKED = {"use_resolution_binning": False, "clean_caption": False}
"""Draw the size that was asked for, and the prompt as it was written."""


@dataclass(frozen=True, kw_only=True)
class PixArt(FamilyAdapter):
    """PixArt alpha and sigma; their pipelines know the old callback only."""

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """The scale, and no changes behind the person's back."""
        return {
            "guidance_scale": recipe.guidance,
            "max_sequence_length": self.limit_of(pipe),
            **_AS_ASKED,
        }

    def limit_of(self, pipe: Any) -> int:
        """Alpha was trained with shorter prompts."""
        return 120 if type(pipe).__name__ == "PixArtAlphaPipeline" else self.token_limit

    def watch(self, pipe: Any, after_step: AfterStep) -> dict[str, Any]:
        """The old callback, which has neither a return value nor a count of steps."""

        def told(step: int, _time: Any, latents: Any) -> None:
            after_step(step + 1, len(pipe.scheduler.timesteps), latents)

        return {"callback": told, "callback_steps": 1}


@dataclass(frozen=True, kw_only=True)
class Sana(FamilyAdapter):
    """Sana; its pipeline puts a long instruction before the prompt unless told not to."""

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """The scale, and no changes behind the person's back."""
        return {"guidance_scale": recipe.guidance, "complex_human_instruction": None, **_AS_ASKED}


PIXART = PixArt(
    family="pixart",
    pipelines=("PixArtSigmaPipeline", "PixArtAlphaPipeline"),
    recommended=Recommended("DPM++ 2M", 20, 4.5),
    main_class="PixArtTransformer2DModel",
    half="float16",
    token_limit=300,
    published=("PixArt-alpha/PixArt-Sigma-XL-2-1024-MS", "PixArt-alpha/PixArt-XL-2-1024-MS"),
)
SANA = Sana(
    family="sana",
    pipelines=("SanaPipeline",),
    recommended=Recommended("Euler", 20, 4.5),
    main_class="SanaTransformer2DModel",
    size_multiple=32,
    token_limit=300,
    published=(
        "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",
        "Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers",
    ),
)
