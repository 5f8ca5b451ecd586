"""The LoRAs on a loaded pipeline. Never fused: the base is always there, bit for bit.

Adapters stay loaded and are switched, as loading costs far more than switching. What peft
would refuse or apply in part is merged into the weights and taken out again (`lycoris.py`).
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.errors import ModelError
from explorer.lora_blocks import block_of, block_weight, loaded_blocks, missing_block
from explorer.lycoris import MergedAdapters, needs_merging
from explorer.types import WeightedLora

_KEPT = 8
"""Adapters that stay loaded; each costs memory and a little time in every layer."""
_ENDINGS = (".lora_down.", ".lora_A.", ".lora.down.", "_lora.down.", ".lora_linear_layer.down.")
_File = tuple[Path, int, int]


@dataclass(frozen=True, slots=True)
class LoraFit:
    """How a LoRA file fits the model it is on."""

    name: str
    matched: int
    """Layers of the model that it changes."""
    layers: int
    """Layers that the file has something for; a few formats hold several in one."""

    @property
    def whole(self) -> bool:
        """Whether every layer of the file found its place."""
        return self.matched >= self.layers


class LoraSet:
    """Which LoRAs a pipeline carries; attaches and detaches them."""

    def __init__(self, pipe: Any, model: str) -> None:
        """Start with the bare pipeline.

        Args:
            pipe: The loaded pipeline.
            model: The checkpoint's name, for messages.
        """
        self._pipe, self._model = pipe, model
        self._attached: tuple[WeightedLora, ...] = ()
        self._adapters: OrderedDict[_File, tuple[str, LoraFit]] = OrderedDict()
        self._loads = 0
        self._merged = MergedAdapters(pipe)
        self._merged_now: tuple[WeightedLora, ...] = ()
        self._merged_fits: list[LoraFit] = []
        self.fits: tuple[LoraFit, ...] = ()
        """How each attached LoRA fits."""

    def attach(self, loras: tuple[WeightedLora, ...]) -> None:
        """Carry exactly these LoRAs with these weights.

        Raises:
            ModelError: A LoRA fits no layer of this model, is damaged, or has a weight for a
                block that is not there.
        """
        if loras == self._attached:
            return
        self._check_blocks(loras)
        self._attached = loras  # from here on there is something to detach
        switched: list[tuple[WeightedLora, str, LoraFit]] = []
        merged: list[WeightedLora] = []
        for weighted in loras:
            if needs_merging(tensor_names(weighted.lora.path)):
                merged.append(weighted)
            else:
                switched.append((weighted, *self._loaded(weighted)))
        self._switch([(name, weighted) for weighted, name, _ in switched])
        by_merging = self._merge(tuple(merged))
        self.fits = (*(fit for _, _, fit in switched), *by_merging)
        self._forget_oldest({name for _, name, _ in switched})

    def detach(self) -> None:
        """Carry none; the base is exactly as it was. Adapters stay loaded."""
        self._attached, self.fits = (), ()
        self._merge(())
        self._switch([])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The bare base for the length of the block."""
        loras = self._attached
        self.detach()
        try:
            yield
        finally:
            self.attach(loras)

    def _check_blocks(self, loras: tuple[WeightedLora, ...]) -> None:
        blocks = loaded_blocks(self._pipe)
        for weighted in loras:
            if missing := missing_block(weighted.blocks, blocks, self._model):
                raise ModelError(f"The LoRA {weighted.lora.name} cannot be used so: {missing}")

    def _switch(self, adapters: list[tuple[str, WeightedLora]]) -> None:
        if not self._adapters:
            return
        if not adapters:
            self._pipe.disable_lora()
            return
        # One file written twice is one adapter, and has one weight.
        together: dict[str, list[WeightedLora]] = {}
        for name, weighted in adapters:
            together.setdefault(name, []).append(weighted)
        self._pipe.enable_lora()
        weights = [sum(each.weight for each in group) for group in together.values()]
        self._pipe.set_adapters(list(together), weights)
        for name, group in together.items():
            # Not by the blocks of `set_adapters`: it knows the attention of UNets only.
            for block, layer in self._layers(name) if any(each.blocks for each in group) else ():
                layer.set_scale(name, sum(each.weight * block_weight(each.blocks, block) for each in group))

    def _merge(self, loras: tuple[WeightedLora, ...]) -> list[LoraFit]:
        if loras == self._merged_now:
            return self._merged_fits
        self._merged.restore()
        self._merged_now, self._merged_fits = loras, []
        for weighted in loras:
            matched, layers = self._merged.merge(weighted.lora.path, weighted.weight, weighted.blocks)
            if not matched:
                raise self._misfit(weighted.lora.name)
            self._merged_fits.append(LoraFit(weighted.lora.name, matched, layers))
        return self._merged_fits

    def _loaded(self, weighted: WeightedLora) -> tuple[str, LoraFit]:
        """The adapter of a file, loaded if it is not there yet."""
        path = weighted.lora.path
        state = path.stat()
        file = (path, state.st_size, state.st_mtime_ns)
        if file not in self._adapters:
            # Names of our own: a dot in a file's name is an error inside peft.
            name = f"lora{self._loads}"
            self._loads += 1
            with quiet():
                self._pipe.load_lora_weights(str(path), adapter_name=name)
            try:
                fit = self._fit(name, weighted)
            except ModelError:
                self._delete(name)
                raise
            self._adapters[file] = (name, fit)
        self._adapters.move_to_end(file)
        return self._adapters[file]

    def _fit(self, adapter: str, weighted: WeightedLora) -> LoraFit:
        import torch

        wrapped = [layer for _, layer in self._layers(adapter)]
        if not wrapped:
            raise self._misfit(weighted.lora.name)
        weights = (
            getattr(module, half)[adapter].weight for module in wrapped for half in ("lora_A", "lora_B")
        )
        if not all(bool(torch.isfinite(weight).all()) for weight in weights):
            raise ModelError(
                f"The LoRA {weighted.lora.name} holds numbers that are not finite: the file is damaged. "
                "Fetch it again."
            )
        return LoraFit(weighted.lora.name, len(wrapped), count_layers(tensor_names(weighted.lora.path)))

    def _misfit(self, name: str) -> ModelError:
        return ModelError(
            f"The LoRA {name} fits no layer of {self._model}: it was made for "
            "another model family. Choose a LoRA for this family."
        )

    def _layers(self, adapter: str) -> Iterator[tuple[str, Any]]:
        """The layers that an adapter changes, each with the block it lies in."""
        blocks = loaded_blocks(self._pipe)
        for part in self._pipe._lora_loadable_modules:
            network = getattr(self._pipe, part, None)
            for name, layer in () if network is None else network.named_modules():
                if adapter in getattr(layer, "lora_A", {}):
                    yield block_of(part, name, blocks), layer

    def _forget_oldest(self, in_use: set[str]) -> None:
        for file in list(self._adapters)[: max(0, len(self._adapters) - _KEPT)]:
            name, _ = self._adapters[file]
            if name not in in_use:
                del self._adapters[file]
                self._delete(name)

    def _delete(self, name: str) -> None:
        there = {adapter for adapters in self._pipe.get_list_adapters().values() for adapter in adapters}
        if name in there:
            self._pipe.delete_adapters(name)


def tensor_names(path: Path) -> list[str]:
    """The names in a safetensors file; reads the header only."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return list(file.keys())


def count_layers(names: list[str]) -> int:
    """For how many layers a LoRA file has something."""
    return len({name.split(ending)[0] for name in names for ending in _ENDINGS if ending in name})


@contextmanager
def quiet() -> Iterator[None]:
    """Silence a library that names the keys of other adapters as missing."""
    from diffusers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
