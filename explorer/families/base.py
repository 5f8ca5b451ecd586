"""What differs between model families, said once in each family's adapter.

The rest of the program asks an adapter and never looks at a family's name. An adapter turns
a recipe into the arguments of its pipeline, turns the pipeline's latents into what the
decoder takes, and knows the sizes, the token limit and the settings its authors recommend.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from explorer.facts import FAMILY_NAMES
from explorer.samplers import known_sampler
from explorer.types import Checkpoint, Family, Recipe

HYPER = "hyper(?![ _-]*real)"
"""The few-step variant of that name, and not the hyperrealism that many checkpoints promise."""
Half = Literal["float16", "bfloat16"]
AfterStep = Callable[[int, int, Any], None]
"""Told after each denoising step: (steps done, steps in all, latents). May raise to stop."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """Settings a family's authors publish their pictures with."""

    sampler: str
    steps: int
    guidance: float


@dataclass(frozen=True, kw_only=True)
class FamilyAdapter:
    """One family. What is not overridden is as Stable Diffusion has it."""

    family: Family
    pipelines: tuple[str, ...]
    """Classes of `diffusers` that draw from text; the first is for files without a folder."""
    recommended: Recommended
    variants: tuple[tuple[str, Recommended], ...] = ()
    """Other settings for checkpoints whose name this pattern is found in; the first that fits."""
    main: str = "transformer"
    """The network that is run in every step."""
    main_class: str = ""
    native_side: int = 1024
    size_multiple: int = 16
    half: Half = "bfloat16"
    """The half precision the family is stable in."""
    vae_overflows: bool = False
    """Whether the autoencoder gives no numbers in float16 unless its config says otherwise."""
    reader: str = "tokenizer"
    """The tokenizer that reads most of a prompt."""
    token_limit: int = 512
    guided_by_cfg: bool = True
    """Whether what other tools write down as CFG is the scale that a recipe calls guidance."""
    published: tuple[str, ...] = ()
    """Repositories of the Hub that hold every part; looked for in its cache on the disk."""

    @property
    def title(self) -> str:
        """As people write it."""
        return FAMILY_NAMES[self.family]

    def recommend(self, checkpoint_name: str) -> Recommended:
        """Sampler, steps and guidance for a checkpoint; few-step variants are told by name."""
        name = checkpoint_name.casefold()
        return next((settings for word, settings in self.variants if re.search(word, name)), self.recommended)

    def settings_for(self, checkpoint: Checkpoint) -> Recommended:
        """What a checkpoint's maker wrote down beside it; what is not said there, as `recommend`."""
        usual = self.recommend(f"{checkpoint.name} {checkpoint.facts.variant}")
        said = checkpoint.facts.recommended
        guidance = said.guidance if self.guided_by_cfg else None
        return Recommended(
            sampler=known_sampler(said.sampler, self.family) or usual.sampler,
            steps=said.steps or usual.steps,
            guidance=usual.guidance if guidance is None else guidance,
        )

    def wrong_size(self, width: int, height: int) -> str | None:
        """Why a size in pixels cannot be drawn, or None."""
        if width % self.size_multiple == 0 and height % self.size_multiple == 0:
            return None
        return (
            f"{self.title} draws widths and heights that are multiples of {self.size_multiple} only, "
            f"not {width} x {height}"
        )

    def arguments(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """What the pipeline is called with, besides generators and callbacks.

        Args:
            pipe: The loaded pipeline.
            recipe: What to draw; the seed is not looked at.
            count: How many pictures of it.
        """
        return {
            **self.text(pipe, recipe, count),
            **self.guidance(pipe, recipe),
            "num_images_per_prompt": count,
            "num_inference_steps": recipe.steps,
            "width": recipe.width,
            "height": recipe.height,
        }

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """Prompt and negative prompt, in the form the pipeline takes them."""
        return {"prompt": recipe.full_prompt, "negative_prompt": recipe.negative}

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """The guidance scale, and the switches of the family."""
        return {"guidance_scale": recipe.guidance}

    def reads_negative(self, pipe: Any, recipe: Recipe) -> bool:
        """Whether the negative prompt has a part in the picture."""
        return recipe.guidance > 1

    def reads_guidance(self, pipe: Any) -> bool:
        """Whether the guidance scale has a part in the picture."""
        return True

    def watch(self, pipe: Any, after_step: AfterStep) -> dict[str, Any]:
        """The callback arguments with which the pipeline tells each step."""

        def told(_pipe: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            after_step(step + 1, pipe.num_timesteps, tensors["latents"])
            return tensors  # without them the pipeline fails

        return {"callback_on_step_end": told}

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Latents as the pipeline returns them -> latents as its autoencoder decodes them."""
        return latents / pipe.vae.config.scaling_factor

    def cut_prompt(self, pipe: Any, text: str) -> int:
        """How many tokens of a prompt no text encoder reads; 0 when all fit."""
        tokenizer = getattr(pipe, self.reader, None) or pipe.tokenizer
        # A tokenizer without a limit of its own names an absurdly large one.
        limit = min(self.limit_of(pipe), int(tokenizer.model_max_length))
        return max(0, len(tokenizer(text, truncation=False).input_ids) - limit)

    def limit_of(self, pipe: Any) -> int:
        """How many tokens the reader takes."""
        return self.token_limit
