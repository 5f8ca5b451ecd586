"""Lends loaded models and draws with them. `PipelineManager.borrow(model)` is the only way in.

One checkpoint is kept loaded at a time; asking for another one, or for other LoRAs, changes
it. A model is never used outside its `with` block, so nothing holds memory by accident.
"""

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from explorer.conditioning import PromptEncoder
from explorer.drawing import Check, LoadedModel, go_on, upcast_vae
from explorer.errors import ExplorerError, ModelError
from explorer.families import FamilyAdapter, adapter
from explorer.loading import (
    Loaded,
    LoadOptions,
    Sources,
    check_pipeline,
    count_parameters,
    load_folder,
    plain_reason,
)
from explorer.loras import LoraSet
from explorer.placement import (
    Placement,
    Wishes,
    choose,
    first_rung,
    give_back_memory,
    place,
    speed_up,
)
from explorer.single_files import load_single_file
from explorer.types import Checkpoint, Model, WeightedLora


class PipelineManager:
    """Keeps at most one checkpoint in memory and lends it to one caller at a time."""

    def __init__(self, wishes: Wishes, sources: Sources) -> None:
        """Remember where to place models and where parts are; loads nothing yet."""
        self._wishes, self._sources = wishes, sources
        self._lock = threading.Lock()
        self._checkpoint: Checkpoint | None = None
        self._loaded: LoadedModel | None = None

    @contextmanager
    def borrow(self, model: Model, check: Check = go_on) -> Iterator[LoadedModel]:
        """The model, loaded and with its LoRAs attached, for the length of the block.

        Args:
            model: What to load.
            check: Asked while loading and drawing, also inside a step; raises to stop.

        Raises:
            ModelError: It cannot be loaded; says why and what to do.
        """
        with self._lock:
            loaded = self._prepared(model, check)
            loaded.check = check
            try:
                yield loaded
            finally:
                loaded.check = go_on

    def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is in memory already."""
        return self._loaded is not None and self._checkpoint == checkpoint

    def release(self) -> None:
        """Free the memory of the loaded model."""
        with self._lock:
            self._drop()

    def placement(self) -> Placement:
        """Device and precision that a model of an unknown family gets."""
        return choose(self._wishes, None)

    def batch_size(self, width: int, height: int) -> int:
        """Pictures to draw together when the person does not say.

        A bounded number of pixels a batch keeps activations small beside the weights.
        """
        side = 512 if self.placement().device == "cpu" else 1024
        return max(1, min(8, 4 * side * side // (width * height)))

    def _prepared(self, model: Model, check: Check) -> LoadedModel:
        if model.problem:
            raise ModelError(model.problem)
        try:
            loaded = self._load(model.checkpoint, check)
        except ExplorerError:
            self._drop()
            raise
        except Exception as error:
            self._drop()
            raise ModelError(f"{model.name} cannot be loaded: {plain_reason(error)}") from error
        self._attach(loaded, model.loras)
        return loaded

    def _load(self, checkpoint: Checkpoint, check: Check) -> LoadedModel:
        if self._loaded is not None and self._checkpoint == checkpoint:
            return self._loaded
        self._drop()  # two checkpoints at once may not fit
        family = adapter(checkpoint.family)
        if family is None:
            raise ModelError(f"{checkpoint.name} is of a model family this program cannot draw with yet.")
        placement = choose(self._wishes, family, checkpoint.facts.parameters or count_parameters(checkpoint))
        options = LoadOptions(placement.precision, check)
        parts = load_pipeline(checkpoint, family, self._sources, options)
        check_pipeline(parts.pipe, checkpoint.name, check)
        self._loaded = _placed(parts, checkpoint, family, self._wishes, placement)
        self._checkpoint = checkpoint
        return self._loaded

    def _attach(self, loaded: LoadedModel, loras: tuple[WeightedLora, ...]) -> None:
        try:
            loaded.loras.attach(loras)
        except ModelError:
            loaded.loras.detach()
            raise
        except Exception as error:
            self._drop()  # who knows what is attached now
            names = ", ".join(weighted.lora.name for weighted in loras)
            raise ModelError(f"The LoRA {names} cannot be used: {plain_reason(error)}") from error

    def _drop(self) -> None:
        if self._loaded is None:
            return
        self._loaded, self._checkpoint = None, None
        give_back_memory()


def load_pipeline(
    checkpoint: Checkpoint, family: FamilyAdapter, sources: Sources, options: LoadOptions
) -> Loaded:
    """Load a checkpoint of any layout onto the CPU, from this machine alone.

    Raises:
        ModelError: It cannot be drawn with, or parts are missing; names them.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    # What they would warn of is checked afterwards, and said in plain words.
    levels = [(library, library.get_verbosity()) for library in (diffusers_logging, transformers_logging)]
    for library, _ in levels:
        library.set_verbosity_error()
    try:
        if checkpoint.layout == "diffusers":
            return load_folder(checkpoint, family, options)
        return load_single_file(checkpoint, family, sources, options)
    finally:
        for library, level in levels:
            library.set_verbosity(level)


def library_versions() -> dict[str, str]:
    """Versions that a picture may depend on, for its recipe."""
    from importlib.metadata import version

    names = ("torch", "diffusers", "transformers", "peft", "accelerate")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _placed(
    parts: Loaded, checkpoint: Checkpoint, family: FamilyAdapter, wishes: Wishes, placement: Placement
) -> LoadedModel:
    import torch

    pipe = parts.pipe
    pipe.set_progress_bar_config(disable=True)
    details = (parts.borrowed,) if parts.borrowed else ()
    placement = replace(placement, memory=first_rung(pipe, placement.device), details=details)
    loaded = LoadedModel(
        pipe,
        family,
        placement,
        {**pipe.scheduler.config, **parts.scheduler},
        LoraSet(pipe, checkpoint.name),
        PromptEncoder(pipe, family.family),
    )
    if family.vae_overflows and pipe.vae.dtype == torch.float16 and pipe.vae.config.force_upcast:
        upcast_vae(loaded)
    loaded.placement = place(pipe, loaded.placement)
    done = speed_up(pipe, family, wishes)
    loaded.placement = replace(loaded.placement, details=(*loaded.placement.details, *done))
    return loaded
