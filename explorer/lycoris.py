"""Adapters that peft does not read for these models: LoHa, LoKr, Tucker LoCon, DoRA, full weights.

Their change of each weight is computed exactly and added to it; a copy of the weight is kept
and put back, so that the base comes back bit for bit. Formulas: LyCORIS (arXiv:2309.14859)
and DoRA (arXiv:2402.09353).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import ModelError
from explorer.lora_blocks import block_weight
from explorer.module_names import named_layers
from explorer.types import BlockWeights

if TYPE_CHECKING:
    from torch import Tensor

_MARKS = (".hada_w1_a", ".lokr_w", ".lora_mid.", ".dora_scale", ".diff", ".diff_b")
_UNKNOWN = {"oft_blocks", "oft_diag", "on_input", "a1", "b1", "w_norm", "b_norm"}


def needs_merging(names: list[str]) -> bool:
    """Whether a LoRA file has parts that peft would refuse or, worse, leave out."""
    return any(mark in name for name in names for mark in _MARKS)


class MergedAdapters:
    """Adapters added to the weights of one pipeline, and the way back."""

    def __init__(self, pipe: Any) -> None:
        """Remember the pipeline; changes nothing."""
        self._pipe = pipe
        self._originals: dict[tuple[str, str], tuple[Any, Tensor]] = {}

    def merge(self, path: Path, weight: float, blocks: BlockWeights = ()) -> tuple[int, int]:
        """Add one adapter on top of what is merged already.

        Args:
            path: A .safetensors file with kohya-style names.
            weight: How strongly; 0 changes nothing.
            blocks: By what that is multiplied in some blocks.

        Returns:
            How many of the file's layers were found in the pipeline, and how many it has.

        Raises:
            ModelError: It holds a kind of adapter whose formula is not known here.
        """
        import torch
        from safetensors.torch import load_file

        layers = group_by_layer(load_file(path))
        unknown = {part for parts in layers.values() for part in parts} & _UNKNOWN
        if unknown:
            raise ModelError(
                f"The LoRA {path.stem} is of a kind this program cannot apply ({', '.join(sorted(unknown))})."
            )
        known = named_layers(self._pipe)
        matched = {name: parts for name, parts in layers.items() if name in known}
        with torch.no_grad():
            for name, parts in matched.items():
                module, strength = known[name].module, weight * block_weight(blocks, known[name].block)
                if strength == 0:
                    continue
                if set(parts) - {"diff_b"}:
                    weights = self._original_kept(name, module, "weight")
                    label = f"{path.stem}: {name}"
                    weights.copy_(adapted(weights.float(), parts, strength, label).to(weights.dtype))
                if "diff_b" in parts:
                    bias = self._original_kept(name, module, "bias")
                    bias.copy_((bias.float() + strength * parts["diff_b"].to(bias.device)).to(bias.dtype))
        return len(matched), len(layers)

    def restore(self) -> None:
        """Put every weight back as it was."""
        import torch

        with torch.no_grad():
            for (_, kind), (module, original) in self._originals.items():
                getattr(module, kind).copy_(original)
        self._originals.clear()

    def _original_kept(self, name: str, module: Any, kind: str) -> "Tensor":
        """A weight that may now be changed in place."""
        target: Tensor = getattr(module, kind).detach()
        self._originals.setdefault((name, kind), (module, target.clone()))
        return target


def group_by_layer(tensors: Mapping[str, "Tensor"]) -> dict[str, dict[str, "Tensor"]]:
    """Tensors of a file by layer and part: `layer.hada_w1_a` -> layers["layer"]["hada_w1_a"]."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, _, part = name.partition(".")
        layers.setdefault(layer, {})[part.removesuffix(".weight")] = tensor.float()
    return layers


def adapted(base: "Tensor", parts: Mapping[str, "Tensor"], weight: float, label: str) -> "Tensor":
    """A weight with an adapter applied.

    Args:
        base: The weight, float32.
        parts: The adapter's tensors for this layer, float32.
        weight: How strongly.
        label: What is changed, for messages.

    Raises:
        ModelError: The kind is not known, the shapes do not fit, or numbers are not finite.
    """
    import torch

    try:
        delta = change(parts).to(base.device).reshape(base.shape)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{label} does not fit this model. Choose a LoRA made for its family.") from error
    if not torch.isfinite(delta).all():
        raise ModelError(f"{label} holds numbers that are not finite: the file is damaged.")
    if "dora_scale" not in parts:
        return base + weight * delta
    magnitude = parts["dora_scale"].to(base.device)
    whole = base + delta
    # One length for each output where the scale has them along the first axis, else for each input.
    by_output = magnitude.shape[0] == base.shape[0] and magnitude[0].numel() == 1
    rows = whole.flatten(1) if by_output else whole.transpose(0, 1).flatten(1)
    length = rows.norm(dim=1).clamp(min=torch.finfo(torch.float32).eps)
    shape = [-1, *[1] * (base.dim() - 1)] if by_output else [1, -1, *[1] * (base.dim() - 2)]
    changed: Tensor = base + weight * (whole * (magnitude.flatten() / length).reshape(shape) - base)
    return changed


def change(parts: Mapping[str, "Tensor"]) -> "Tensor":
    """The change an adapter makes to a layer's weight at strength 1.

    Raises:
        KeyError: It is of a kind not known here.
    """
    if "diff" in parts:
        return parts["diff"]
    if "hada_w1_a" in parts:
        rank = parts["hada_w1_b"].shape[0]
        return _loha(parts) * _scale(parts, rank)
    if any(name.startswith("lokr_") for name in parts):
        return _lokr(parts)
    up, down = parts["lora_up"], parts["lora_down"]
    scale = _scale(parts, down.shape[0])
    if "lora_mid" in parts:
        return _tucker(parts["lora_mid"], down.flatten(1), up.flatten(1).T) * scale
    return (up.flatten(1) @ down.flatten(1)) * scale


def _scale(parts: Mapping[str, "Tensor"], rank: int) -> float:
    return float(parts["alpha"]) / rank if "alpha" in parts else 1.0


def _tucker(core: "Tensor", down: "Tensor", up: "Tensor") -> "Tensor":
    """Rebuilds a convolution: core (r, s, k, l), down (s, in), up (r, out) -> (out, in, k, l)."""
    import torch

    rebuilt: Tensor = torch.einsum("rskl,si,ro->oikl", core, down, up)
    return rebuilt


def _loha(parts: Mapping[str, "Tensor"]) -> "Tensor":
    if "hada_t1" in parts:
        first = _tucker(parts["hada_t1"], parts["hada_w1_b"], parts["hada_w1_a"])
        return first * _tucker(parts["hada_t2"], parts["hada_w2_b"], parts["hada_w2_a"])
    return (parts["hada_w1_a"] @ parts["hada_w1_b"]) * (parts["hada_w2_a"] @ parts["hada_w2_b"])


def _lokr(parts: Mapping[str, "Tensor"]) -> "Tensor":
    import torch

    rank = None
    if "lokr_w1" in parts:
        first = parts["lokr_w1"]
    else:
        first, rank = parts["lokr_w1_a"] @ parts["lokr_w1_b"], parts["lokr_w1_b"].shape[0]
    if "lokr_w2" in parts:
        second = parts["lokr_w2"]
    elif "lokr_t2" in parts:
        second = _tucker(parts["lokr_t2"], parts["lokr_w2_b"], parts["lokr_w2_a"])
        rank = parts["lokr_w2_b"].shape[0]
    else:
        low = parts["lokr_w2_b"]
        second, rank = (parts["lokr_w2_a"] @ low.flatten(1)).reshape(-1, *low.shape[1:]), low.shape[0]
    first = first.reshape(*first.shape, *[1] * (second.dim() - 2))
    # Where both halves are whole there is no rank, and alpha means nothing.
    return torch.kron(first, second) * (_scale(parts, rank) if rank else 1.0)
