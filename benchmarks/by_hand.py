"""The loop a person would write with diffusers alone: what our drawing is compared with."""

from dataclasses import dataclass
from typing import Any

SEEDS, STEPS = 4, 20


@dataclass(frozen=True, slots=True)
class ByHand:
    """shapes-base in float32 with DDIM, and its guidance scale."""

    pipe: Any
    guidance: float

    def draw(self, text: str) -> list[Any]:
        """The pictures of a prompt, one a seed, as one batch."""
        import torch

        return list(
            self.pipe(
                text,
                negative_prompt="",
                num_images_per_prompt=SEEDS,
                generator=[torch.Generator().manual_seed(seed) for seed in range(SEEDS)],
                num_inference_steps=STEPS,
                guidance_scale=self.guidance,
                height=128,
                width=128,
            ).images
        )


def load_base(guidance: float) -> ByHand:
    """Load the checkpoint as its authors' example would."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from explorer import Settings

    path = Settings().assets / "models" / "shapes-base"
    pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return ByHand(pipe, guidance)
