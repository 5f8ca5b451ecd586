"""Z-Image: a flow transformer that reads prompts through a Qwen language model."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import FamilyAdapter, Recommended
from explorer.types import Recipe


@dataclass(frozen=True, kw_only=True)
class ZImage(FamilyAdapter):
    """Its scale counts from 0: the published 0 means no guidance, and up to 1 does nothing."""

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """Fresh lists each time: the pipeline writes its chat template into the caller's list."""
        return {"prompt": [recipe.full_prompt], "negative_prompt": [recipe.negative]}

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Scaled and shifted."""
        return latents / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor


ZIMAGE = ZImage(
    family="zimage",
    pipelines=("ZImagePipeline",),
    recommended=Recommended("Euler", 50, 4.0),
    variants=(("turbo", Recommended("Euler", 9, 0.0)),),
    main_class="ZImageTransformer2DModel",
    published=("Tongyi-MAI/Z-Image-Turbo", "Tongyi-MAI/Z-Image"),
)
