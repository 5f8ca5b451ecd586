"""Flux.1, Flux.2 and Chroma: flow transformers over packed patches of latents."""

from dataclasses import dataclass
from typing import Any

from explorer.families.base import HYPER, FamilyAdapter, Recommended
from explorer.types import Recipe


@dataclass(frozen=True, kw_only=True)
class Flux(FamilyAdapter):
    """Flux.1: the guidance scale is an input of the network, and there is no negative prompt."""

    # Other tools write CFG 1 for it and name the distilled scale elsewhere.
    guided_by_cfg: bool = False

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """The prompt alone."""
        return {"prompt": recipe.full_prompt}

    def guidance(self, pipe: Any, recipe: Recipe) -> dict[str, Any]:
        """The distilled scale, and how much T5 reads."""
        return {"guidance_scale": recipe.guidance, "max_sequence_length": self.limit_of(pipe)}

    def reads_negative(self, pipe: Any, recipe: Recipe) -> bool:
        """Never: its guidance was distilled into the network."""
        return False

    def reads_guidance(self, pipe: Any) -> bool:
        """The schnell variant has no input for it."""
        return bool(pipe.transformer.config.guidance_embeds)

    def limit_of(self, pipe: Any) -> int:
        """The schnell variant was trained with shorter prompts."""
        return self.token_limit if self.reads_guidance(pipe) else 256

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """Unpacked, scaled and shifted."""
        latents = pipe._unpack_latents(latents, recipe.height, recipe.width, pipe.vae_scale_factor)
        return latents / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor


@dataclass(frozen=True, kw_only=True)
class Chroma(Flux):
    """Chroma: Flux without the distillation, so with guidance and a negative prompt."""

    guided_by_cfg: bool = True

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """Prompt and negative prompt."""
        return {"prompt": recipe.full_prompt, "negative_prompt": recipe.negative}

    def reads_negative(self, pipe: Any, recipe: Recipe) -> bool:
        """When guidance is on."""
        return recipe.guidance > 1

    def reads_guidance(self, pipe: Any) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, kw_only=True)
class Flux2(FamilyAdapter):
    """Flux.2 Klein; the distilled variant reads neither guidance nor a negative prompt."""

    def text(self, pipe: Any, recipe: Recipe, count: int) -> dict[str, Any]:
        """The pipeline takes no negative text, only its embeddings; so they are made here."""
        import torch

        # The first parameter of this pipeline is an image: always name the prompt.
        arguments: dict[str, Any] = {"prompt": recipe.full_prompt}
        if recipe.negative and self.reads_negative(pipe, recipe):
            with torch.no_grad():
                embeddings, _ = pipe.encode_prompt(
                    recipe.negative, device=pipe._execution_device, max_sequence_length=self.token_limit
                )
            arguments["negative_prompt_embeds"] = embeddings
        return arguments

    def reads_negative(self, pipe: Any, recipe: Recipe) -> bool:
        """When guidance is on, and the network was not distilled."""
        return recipe.guidance > 1 and self.reads_guidance(pipe)

    def reads_guidance(self, pipe: Any) -> bool:
        """Unless the network was distilled."""
        return not pipe.config.is_distilled

    def to_decode(self, pipe: Any, latents: Any, recipe: Recipe) -> Any:
        """This pipeline returns them ready to decode."""
        return latents


FLUX = Flux(
    family="flux",
    pipelines=("FluxPipeline",),
    recommended=Recommended("Euler", 28, 3.5),
    variants=(
        ("schnell", Recommended("Euler", 4, 0.0)),
        (HYPER, Recommended("Euler", 8, 3.5)),
        ("turbo", Recommended("Euler", 8, 3.5)),
    ),
    main_class="FluxTransformer2DModel",
    reader="tokenizer_2",
    published=("black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-schnell"),
)
CHROMA = Chroma(
    family="chroma",
    pipelines=("ChromaPipeline",),
    recommended=Recommended("Euler", 40, 3.0),
    variants=(("flash", Recommended("Euler", 8, 1.0)),),
    main_class="ChromaTransformer2DModel",
    published=("lodestones/Chroma1-HD", "lodestones/Chroma1-Base"),
)
FLUX2 = Flux2(
    family="flux2",
    pipelines=("Flux2KleinPipeline",),
    recommended=Recommended("Euler", 4, 1.0),
    variants=(("base", Recommended("Euler", 50, 4.0)),),
    main_class="Flux2Transformer2DModel",
    published=("black-forest-labs/FLUX.2-klein-4B", "black-forest-labs/FLUX.2-klein-base-4B"),
)
