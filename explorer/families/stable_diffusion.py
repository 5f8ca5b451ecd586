"""Stable Diffusion 1.x, 2.x and XL: a UNet, CLIP text encoders, classifier-free guidance."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import HYPER, FamilyAdapter, Recommended
from explorer.types import Recipe

_LIGHTNING = Recommended("Euler", 8, 1.0)
_LCM = Recommended("LCM", 6, 1.5)


@dataclass(frozen=True, kw_only=True)
class StableDiffusion(FamilyAdapter):
    """The oldest family; the defaults of `FamilyAdapter` were taken from it."""

    main: str = "unet"
    main_class: str = "UNet2DConditionModel"
    size_multiple: int = 8
    token_limit: int = 77

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Scaled, or for some derivatives of SDXL shifted by channel too."""
        import torch

        config = pipe.vae.config
        if not config.get("latents_mean") or not config.get("latents_std"):
            return latents / config.scaling_factor
        mean, std = (
            torch.tensor(config[name]).view(1, -1, 1, 1).to(latents.device, latents.dtype)
            for name in ("latents_mean", "latents_std")
        )
        return latents * std / config.scaling_factor + mean


SD15 = StableDiffusion(
    family="sd15",
    pipelines=("StableDiffusionPipeline",),
    recommended=Recommended("DPM++ 2M Karras", 25, 7.0),
    variants=(("lcm", _LCM), (HYPER, _LIGHTNING), ("turbo", _LIGHTNING), ("lightning", _LIGHTNING)),
    native_side=512,
    half="float16",
    published=("stable-diffusion-v1-5/stable-diffusion-v1-5",),
)
SD2 = StableDiffusion(
    family="sd2",
    pipelines=("StableDiffusionPipeline",),
    recommended=Recommended("DPM++ 2M Karras", 25, 7.0),
    variants=(("turbo", Recommended("Euler a", 2, 1.0)),),
    native_side=768,
    half="float16",
    published=("stabilityai/stable-diffusion-2-1", "stabilityai/stable-diffusion-2-1-base"),
)
SDXL = StableDiffusion(
    family="sdxl",
    pipelines=("StableDiffusionXLPipeline",),
    recommended=Recommended("DPM++ 2M Karras", 30, 6.0),
    variants=(
        ("lightning", _LIGHTNING),
        (HYPER, _LIGHTNING),
        ("lcm", _LCM),
        ("turbo", Recommended("Euler a", 4, 1.0)),
    ),
    half="float16",
    vae_overflows=True,
    published=("stabilityai/stable-diffusion-xl-base-1.0",),
)
