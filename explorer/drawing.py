"""Draws with a model that is loaded: recipes in, pictures out.

Every family is drawn with in the same way: denoise, stoppable inside each step; look at the
numbers; decode. What differs between families is asked of the adapter.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explorer.conditioning import CLIP_FAMILIES, PromptEncoder, TextOptions, Texts
from explorer.errors import ExplorerError, ModelError
from explorer.families import FamilyAdapter
from explorer.loading import one_line
from explorer.loras import LoraSet
from explorer.placement import (
    Placement,
    decode_in_tiles,
    give_back_memory,
    is_out_of_memory,
    step_down,
)
from explorer.samplers import make_scheduler
from explorer.types import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

OnStep = Callable[[int, int], None]
"""Told after each denoising step: (steps done, steps in all). May raise to stop."""
Check = Callable[[], None]
"""Asked all the time, also inside a step and while loading. Raises to stop."""


_PROBE_SIDE = 64
"""Pixels of a picture that only tells whether LoRAs do anything."""


class OutOfMemory(ModelError):
    """A batch did not fit; a smaller one may."""


def go_on() -> None:
    """The check of someone who never stops."""


@dataclass(slots=True)
class LoadedModel:
    """A pipeline in memory. Only valid inside the `with` block that gave it."""

    pipe: Any
    adapter: FamilyAdapter
    placement: Placement
    trained_scheduler: Any
    """Config of the noise schedule the checkpoint was trained with."""
    loras: LoraSet
    encoder: PromptEncoder
    check: Check = go_on

    def draw(self, recipes: Sequence[Recipe], sampler: str, on_step: OnStep) -> list["Picture"]:
        """Draw recipes that differ in their seed only, as one batch.

        A single picture that does not fit is tried again further down the memory ladder.

        Raises:
            OutOfMemory: A batch does not fit, or one picture not even on the last rung.
            ModelError: The size is not the family's, or the model gave no picture.
        """
        first = recipes[0]
        wrong = self.adapter.wrong_size(first.width, first.height)
        if wrong:
            raise ModelError(f"{wrong}. Choose another size for {first.model}.")
        try:
            with self._stoppable():
                return self._draw(recipes, sampler, on_step)
        finally:
            self.pipe.maybe_free_model_hooks()  # where one network at a time is on the device

    def notices(self, recipes: Sequence[Recipe]) -> list[str]:
        """What the person should know before these are drawn."""
        name, told = recipes[0].model, []
        texts = dict.fromkeys(recipe.full_prompt for recipe in recipes)
        cut = [text for text in texts if self.cut_prompt(text)]
        if cut and not recipes[0].long_prompts:
            prompts = "1 long prompt" if len(cut) == 1 else f"{len(cut)} long prompts"
            told.append(f"{name} reads only the beginning of {prompts}: “{cut[0][:60]}…”")
        if any(recipe.negative and not self.adapter.reads_negative(self.pipe, recipe) for recipe in recipes):
            told.append(f"{name} does not read the negative prompt with these settings.")
        if not self.adapter.reads_guidance(self.pipe):
            told.append(f"{name} does not read the guidance scale.")
        return [*told, *self._lora_notices(recipes[0])]

    def _lora_notices(self, recipe: Recipe) -> list[str]:
        """LoRAs that fit in part, or change nothing at all."""
        told = [
            f"{recipe.model} has a place for only {fit.matched} of {fit.layers} layers of {fit.name}."
            for fit in self.loras.fits
            if not fit.whole
        ]
        active = self.loras.fits and any(weight for _, _, weight in recipe.loras)
        if active and not self._loras_change(recipe):
            told.append(f"The LoRAs of {recipe.model} change nothing: its pictures are those of the base.")
        return told

    def _loras_change(self, recipe: Recipe) -> bool:
        """Whether two steps at a small size come out differently with the LoRAs than without."""
        import torch

        side = max(_PROBE_SIDE, 2 * self.adapter.size_multiple)
        probe = replace(recipe, steps=2, width=side, height=side)

        def denoised(recipe: Recipe) -> Any:
            return self._denoise([recipe], recipe.sampler, lambda *_: None)

        try:
            drawn = denoised(probe)
            with self.loras.paused():
                return not torch.equal(drawn, denoised(replace(probe, loras=())))
        except Exception:  # whatever is wrong will be said by the drawing itself
            return True

    def cut_prompt(self, text: str) -> int:
        """How many tokens of a prompt the model does not read; 0 when all fit."""
        return self.adapter.cut_prompt(self.pipe, text)

    def _draw(self, recipes: Sequence[Recipe], sampler: str, on_step: OnStep) -> list["Picture"]:
        first, latents = recipes[0], None
        while latents is None:
            latents = self._attempt(first, lambda: self._denoise(recipes, sampler, on_step))
            if latents is None:
                self._take_less_memory(first, alone=len(recipes) == 1)
        return [self._decode(latents[place : place + 1], first) for place in range(len(recipes))]

    def _denoise(self, recipes: Sequence[Recipe], sampler: str, on_step: OnStep) -> Any:
        import torch

        first = recipes[0]

        def after_step(step: int, steps: int, latents: Any) -> None:
            if not torch.isfinite(latents).all():
                raise ModelError(_no_picture(first.model))
            on_step(step, steps)

        self.pipe.scheduler = make_scheduler(sampler, self.trained_scheduler, self.adapter.family)
        # Noise from the CPU is the same on every device, and each picture has its own
        # generator, so it does not depend on what else is in the batch.
        generators = [torch.Generator("cpu").manual_seed(recipe.seed) for recipe in recipes]
        return self.pipe(
            **self._arguments(first, len(recipes)),
            **self.adapter.watch(self.pipe, after_step),
            generator=generators,
            output_type="latent",
        ).images

    def _arguments(self, recipe: Recipe, count: int) -> dict[str, Any]:
        arguments = self.adapter.arguments(self.pipe, recipe, count)
        options = TextOptions(recipe.clip_skip, recipe.long_prompts, recipe.weighting)
        # CLIP reads a prompt the same for all seeds; what others read is read with each batch.
        if not options.plain or self.adapter.family in CLIP_FAMILIES:
            texts = Texts(recipe.full_prompt, recipe.negative, options)
            read = self.encoder.arguments(texts, (recipe.loras, recipe.lora_blocks))
            arguments = {k: v for k, v in arguments.items() if k not in ("prompt", "negative_prompt")} | read
        return arguments

    def _decode(self, latents: Any, recipe: Recipe) -> "Picture":
        """One picture at a time: memory and bits do not depend on the batch."""
        import torch

        def decode() -> Any:
            ready = self.adapter.to_decode(self.pipe, latents, recipe).to(self.pipe.vae.dtype)
            with torch.no_grad():
                return self.pipe.vae.decode(ready, return_dict=False)[0]

        while (pixels := self._attempt(recipe, decode)) is None:
            tiled = decode_in_tiles(self.pipe, self.placement)
            if tiled is None:
                self._take_less_memory(recipe, alone=True)
            else:
                self.placement = tiled
        if not torch.isfinite(pixels).all():
            if self.pipe.vae.dtype != torch.float16:
                raise ModelError(_no_picture(recipe.model))
            upcast_vae(self)
            return self._decode(latents, recipe)
        if pixels.ndim == 5:  # autoencoders of videos: the only frame
            pixels = pixels[:, :, 0]
        picture: Picture = self.pipe.image_processor.postprocess(pixels, output_type="pil")[0]
        return picture

    def _attempt(self, recipe: Recipe, work: Callable[[], Any]) -> Any | None:
        """What the work gives; None when memory ran out."""
        try:
            return work()
        except ExplorerError:
            raise  # stopped by the person, or said plainly already
        except Exception as error:
            if not is_out_of_memory(error):
                raise ModelError(f"{recipe.model} could not draw: {one_line(error)}") from error
        # Outside the handler: the error holds on to all that did not fit.
        self.pipe.maybe_free_model_hooks()
        give_back_memory()
        return None

    def _take_less_memory(self, recipe: Recipe, *, alone: bool) -> None:
        lower = step_down(self.pipe, self.placement) if alone else None
        if lower is None:
            raise OutOfMemory(
                f"{recipe.model} ran out of memory at {recipe.width} x {recipe.height} pixels. "
                "Use a smaller size, or close other programs."
            )
        self.placement = lower

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ask `check` before every block of every network, so also inside a step."""
        import torch

        networks = [part for part in self.pipe.components.values() if isinstance(part, torch.nn.Module)]
        asking = [getattr(self.pipe, self.adapter.main)]
        if "compiled" not in self.placement.details:  # a hook would break compiled blocks apart
            lists = (m for n in networks for m in n.modules() if isinstance(m, torch.nn.ModuleList))
            # An autoencoder without attention keeps empty places where it would be.
            asking += [block for blocks in lists for block in blocks if block is not None]
        hooks = [module.register_forward_pre_hook(lambda *_: self.check()) for module in asking]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def upcast_vae(loaded: LoadedModel) -> None:
    """Decode in float32 from now on: in float16 this autoencoder gives no numbers."""
    import torch

    loaded.pipe.vae.to(torch.float32)
    details = (*loaded.placement.details, "VAE in float32")
    loaded.placement = replace(loaded.placement, details=details)


def _no_picture(model: str) -> str:
    return (
        f"{model} gave numbers that are no picture (NaN or infinite). "
        "The file may be damaged, or the precision too low: try EXPLORER_PRECISION=float32."
    )
