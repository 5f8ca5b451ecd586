"""Stable Diffusion 3 and 3.5: a flow transformer, two CLIP encoders and, if it is there, T5."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import FamilyAdapter, Recommended
from explorer.types import Recipe


@dataclass(frozen=True, kw_only=True)
class StableDiffusion3(FamilyAdapter):
    """Guidance and negative prompt as in the older family."""

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """The scale, and how much T5 reads."""
        return {"guidance_scale": recipe.guidance, "max_sequence_length": self.token_limit}

    def limit_of(self, pipe: Any) -> int:
        """Without T5 only the CLIP encoders read."""
        return self.token_limit if getattr(pipe, self.reader, None) else 77

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Scaled and shifted."""
        return latents / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor


SD3 = StableDiffusion3(
    family="sd3",
    pipelines=("StableDiffusion3Pipeline",),
    recommended=Recommended("Euler", 28, 5.0),
    variants=(("turbo", Recommended("Euler", 4, 1.0)),),
    main_class="SD3Transformer2DModel",
    reader="tokenizer_3",
    token_limit=256,
    published=(
        "stabilityai/stable-diffusion-3.5-medium",
        "stabilityai/stable-diffusion-3.5-large",
        "stabilityai/stable-diffusion-3-medium-diffusers",
    ),
)
