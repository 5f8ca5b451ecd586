"""Loads models and draws with them. `PipelineManager.borrow(model)` is the only way in.

One checkpoint is kept loaded at a time; asking for another one, or for other LoRAs, changes
it. A model is never used outside its `with` block, so nothing holds memory by accident.
"""

import gc
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError, ModelError
from explorer.requests import SamplerName
from explorer.samplers import make_scheduler
from explorer.types import Checkpoint, Model, Recipe, WeightedLora

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

OnStep = Callable[[int, int], None]
"""Told after each denoising step: (steps done, steps in all). May raise to stop."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model computes and in which precision."""

    device: str
    precision: str


@dataclass(slots=True)
class LoadedModel:
    """A pipeline in memory. Only valid inside the `with` block that gave it."""

    pipe: Any
    placement: Placement
    trained_scheduler: Any
    """Config of the scheduler the checkpoint came with."""

    def draw(self, recipes: Sequence[Recipe], sampler: SamplerName, on_step: OnStep) -> list["Picture"]:
        """Draw recipes that differ in their seed only, as one batch.

        Raises:
            ModelError: The model gave numbers that are no picture, or ran out of memory.
        """
        import torch

        first = recipes[0]
        self.pipe.scheduler = make_scheduler(sampler, self.trained_scheduler)
        finite = True

        def after_step(_pipe: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal finite
            finite = finite and bool(torch.isfinite(tensors["latents"]).all())
            on_step(step + 1, self.pipe.num_timesteps)
            return tensors

        # Noise from the CPU is the same on every device, and each picture has its own
        # generator, so it does not depend on what else is in the batch.
        generators = [torch.Generator("cpu").manual_seed(recipe.seed) for recipe in recipes]
        try:
            output = self.pipe(
                prompt=first.prompt,
                negative_prompt=first.negative,
                num_images_per_prompt=len(recipes),
                generator=generators,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance,
                width=first.width,
                height=first.height,
                callback_on_step_end=after_step,
            )
        except ExplorerError:
            raise  # from `on_step`: the person stopped it
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise OutOfMemory(
                    f"{first.model} ran out of memory at {first.width} x {first.height} pixels. "
                    "Use a smaller size, or close other programs."
                ) from error
            raise ModelError(f"{first.model} could not draw: {one_line(error)}") from error
        if not finite:
            raise ModelError(
                f"{first.model} gave numbers that are no picture (NaN or infinite). "
                "The file may be damaged, or the precision too low: try EXPLORER_PRECISION=float32."
            )
        return list(output.images)

    def cut_prompt(self, text: str) -> int:
        """How many tokens of a prompt the model does not read; 0 when all fit."""
        tokenizer = self.pipe.tokenizer
        tokens = len(tokenizer(text, truncation=False).input_ids)
        return max(0, tokens - int(tokenizer.model_max_length))


class OutOfMemory(ModelError):
    """A batch did not fit; a smaller one may."""


class PipelineManager:
    """Keeps at most one checkpoint in memory and lends it to one caller at a time."""

    def __init__(self, device: str = "auto", precision: str = "auto", offline: bool = False) -> None:
        """Remember where to place models; loads nothing yet."""
        self._device, self._precision, self._offline = device, precision, offline
        self._lock = threading.Lock()
        self._checkpoint: Checkpoint | None = None
        self._loras: tuple[WeightedLora, ...] = ()
        self._loaded: LoadedModel | None = None

    @contextmanager
    def borrow(self, model: Model) -> Iterator[LoadedModel]:
        """The model, loaded and with its LoRAs attached, for the length of the block.

        Raises:
            ModelError: It cannot be loaded; says why and what to do.
        """
        with self._lock:
            try:
                loaded = self._load(model.checkpoint)
                self._attach(loaded, model.loras)
            except ModelError:
                self._drop()
                raise
            except Exception as error:
                self._drop()
                raise ModelError(f"{model.name} cannot be loaded: {one_line(error)}") from error
            yield loaded

    def release(self) -> None:
        """Free the memory of the loaded model."""
        with self._lock:
            self._drop()

    def placement(self) -> Placement:
        """Device and precision that the next model gets."""
        import torch

        device = self._device
        if device == "auto":
            has_mps = torch.backends.mps.is_available()
            device = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
        precision = self._precision
        if precision == "auto":
            # Half precision is slower than float32 on most CPUs, and no smaller picture.
            precision = "float32" if device == "cpu" else "float16"
        return Placement(device, precision)

    def batch_size(self, width: int, height: int) -> int:
        """Pictures to draw together when the person does not say.

        A bounded number of pixels a batch keeps activations small beside the weights.
        """
        side = 512 if self.placement().device == "cpu" else 1024
        return max(1, min(8, 4 * side * side // (width * height)))

    def _load(self, checkpoint: Checkpoint) -> LoadedModel:
        if self._loaded is not None and self._checkpoint == checkpoint:
            return self._loaded
        self._drop()  # two checkpoints at once may not fit
        placement = self.placement()
        pipe = load_pipeline(checkpoint, placement.precision, offline=self._offline)
        check_pipeline(pipe, checkpoint.name)
        pipe.set_progress_bar_config(disable=True)
        pipe.to(placement.device)
        self._loaded = LoadedModel(pipe, placement, pipe.scheduler.config)
        self._checkpoint = checkpoint
        return self._loaded

    def _attach(self, loaded: LoadedModel, loras: tuple[WeightedLora, ...]) -> None:
        if loras == self._loras:
            return
        pipe = loaded.pipe
        if self._loras:
            pipe.unload_lora_weights()  # never fused, so this restores the base exactly
            self._loras = ()
        names = []
        for index, weighted in enumerate(loras):
            # Names of our own: a dot in a file's name is an error inside peft.
            name = f"lora{index}"
            pipe.load_lora_weights(str(weighted.lora.path), adapter_name=name)
            attached = {a for adapters in pipe.get_list_adapters().values() for a in adapters}
            if name not in attached:
                raise ModelError(
                    f"The LoRA {weighted.lora.name} fits no layer of {self._name()}: it was made for "
                    "another model family. Choose a LoRA for this family."
                )
            names.append(name)
        if names:
            pipe.set_adapters(names, [weighted.weight for weighted in loras])
        self._loras = loras

    def _name(self) -> str:
        return self._checkpoint.name if self._checkpoint else "the model"

    def _drop(self) -> None:
        if self._loaded is None:
            return
        self._loaded, self._checkpoint, self._loras = None, None, ()
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def load_pipeline(checkpoint: Checkpoint, precision: str, *, offline: bool) -> Any:
    """Load a checkpoint with the diffusers class of its family, on the CPU.

    Raises:
        ModelError: The family is not supported yet.
        OSError: Files are missing or damaged.
    """
    import diffusers
    import torch
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    classes = {"sd15": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
    if checkpoint.family not in classes:
        raise ModelError(f"{checkpoint.name} is of a model family this program cannot draw with yet.")
    pipeline_class = getattr(diffusers, classes[checkpoint.family])
    options: dict[str, Any] = {"dtype": getattr(torch, precision)}
    if checkpoint.family == "sd15":
        options |= {"safety_checker": None, "requires_safety_checker": False}
    if checkpoint.layout == "diffusers":
        # Without use_safetensors a lone pickle (.bin) would be loaded instead.
        return pipeline_class.from_pretrained(
            checkpoint.path, local_files_only=True, use_safetensors=True, **options
        )
    options.pop("requires_safety_checker", None)
    try:
        return pipeline_class.from_single_file(str(checkpoint.path), local_files_only=offline, **options)
    except OSError as error:
        raise ModelError(
            f"{checkpoint.name} needs the configuration files of its family once from the Hugging Face "
            "Hub. Go online for the first use, or use the model as a diffusers folder."
        ) from error


def check_pipeline(pipe: Any, name: str) -> None:
    """Refuse a pipeline that loaded without an error but is not whole.

    A folder without tokenizer files gives an empty tokenizer, and a missing tensor stays on
    the meta device or random: both would draw nonsense in silence.

    Raises:
        ModelError: Names the part that is missing.
    """
    import torch

    for part in ("tokenizer", "tokenizer_2"):
        tokenizer = getattr(pipe, part, None)
        if tokenizer is not None and len(tokenizer) < 100:
            raise ModelError(f"{name} has no usable {part}: its tokenizer files are missing.")
    for part, module in pipe.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        for key, tensor in module.state_dict().items():
            if tensor.is_meta:
                raise ModelError(f"{name} is incomplete: the tensor {part}.{key} is missing.")
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise ModelError(f"{name} is damaged: the tensor {part}.{key} holds no finite numbers.")


def one_line(error: Exception) -> str:
    """What a library said, short enough to show."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def library_versions() -> dict[str, str]:
    """Versions that a picture may depend on, for its recipe."""
    from importlib.metadata import version

    names = ("torch", "diffusers", "transformers", "peft", "accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
