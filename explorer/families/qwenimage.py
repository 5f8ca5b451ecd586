"""Qwen-Image: a flow transformer over packed latents of a video autoencoder."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import FamilyAdapter, Recommended
from explorer.types import Recipe


@dataclass(frozen=True, kw_only=True)
class QwenImage(FamilyAdapter):
    """Guidance is called `true_cfg_scale`, and only a negative prompt switches it on."""

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """An empty negative prompt is a space: the template leaves no token for nothing."""
        if recipe.guidance <= 1:
            return {"prompt": recipe.full_prompt}
        return {"prompt": recipe.full_prompt, "negative_prompt": recipe.negative or " "}

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """True guidance; the other scale is for distilled networks."""
        distilled = pipe.transformer.config.guidance_embeds
        scale = {"guidance_scale": recipe.guidance} if distilled else {}
        return {"true_cfg_scale": recipe.guidance} | scale

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Unpacked, then each channel brought back to the autoencoder's mean and spread."""
        import torch

        config = pipe.vae.config
        latents = pipe._unpack_latents(latents, recipe.height, recipe.width, pipe.vae_scale_factor)
        mean, std = (
            torch.tensor(config[name]).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
            for name in ("latents_mean", "latents_std")
        )
        # Divided by one over the spread, as the pipeline does: the last bits are the same.
        return latents / (1.0 / std) + mean


QWENIMAGE = QwenImage(
    family="qwenimage",
    pipelines=("QwenImagePipeline",),
    recommended=Recommended("Euler", 50, 4.0),
    variants=(("lightning", Recommended("Euler", 8, 1.0)),),
    main_class="QwenImageTransformer2DModel",
    published=("Qwen/Qwen-Image", "Qwen/Qwen-Image-2512"),
)
