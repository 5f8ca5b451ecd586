"""Where a model computes, in which precision, and how it gets along with little memory.

There is a ladder: the whole model on the device; one network at a time (model offload); one
layer at a time (group offload). Decoding has a rung of its own: in tiles. The first rung is
chosen from what is free; when memory runs out, the next one is taken and the picture drawn
again. Where a model stands is written into each picture's recipe.
"""

import ctypes
import gc
import sys
from dataclasses import dataclass, replace
from typing import Any, Literal

from explorer.errors import ModelError
from explorer.families import FamilyAdapter

Memory = Literal["full", "model offload", "group offload"]
_ROOM_FOR_WORK = 2 * 1024**3
"""Bytes kept free beside the weights for what is computed from them."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person decided about how to compute; `auto` leaves it to the program."""

    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    """Compile the repeated blocks of the network: slow at first, faster afterwards."""
    attention: str = ""
    """Attention backend by its name in diffusers; empty takes the usual one."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model computes, and how."""

    device: str
    precision: str
    memory: Memory = "full"
    tiled: bool = False
    """Decode in tiles. It changes the picture a little."""
    details: tuple[str, ...] = ()
    """What else has a part in the picture: compiled, attention backend, borrowed parts."""

    def __str__(self) -> str:
        """As the recipe states it."""
        tiles = ("decoded in tiles",) if self.tiled else ()
        return ", ".join((self.memory, *tiles, *self.details))


def ladder(device: str) -> tuple[Memory, ...]:
    """The rungs of a kind of device. Only CUDA has memory of its own to save."""
    return ("full", "model offload", "group offload") if device == "cuda" else ("full",)


def choose(wishes: Wishes, adapter: FamilyAdapter | None, parameters: int = 0) -> Placement:
    """Device and precision for a model.

    Args:
        wishes: What the person decided.
        adapter: The model's family, for the half precision it is stable in.
        parameters: How many numbers the model has; 0 when not known.

    Raises:
        ModelError: The device is not there, or the model is larger than what is free.
    """
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = wishes.device
    if device == "auto":
        device = next((name for name, there in here.items() if there), "cpu")
    if not here.get(device, True):
        raise ModelError(f"There is no {device} device here. Set EXPLORER_DEVICE to auto or cpu.")
    free = free_memory(device)
    precision = wishes.precision
    if precision == "auto":
        # On most CPUs half precision is slower than float32; it is a way out only.
        precision = adapter.half if adapter and device != "cpu" else "float32"
        if device == "cpu" and parameters * 4 > free:
            precision = "bfloat16"
    needed = parameters * (4 if precision == "float32" else 2)
    if needed > free:
        raise ModelError(
            f"The model needs {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free. "
            "Close other programs, or choose a smaller model."
        )
    return Placement(device, precision)


def free_memory(device: str) -> int:
    """Bytes that a model may take, on the device and beside it."""
    import psutil
    import torch

    beside = int(psutil.virtual_memory().available)
    return beside + torch.cuda.mem_get_info()[0] if device == "cuda" else beside


def first_rung(pipe: Any, device: str) -> Memory:
    """The highest rung whose weights fit what is free on the device."""
    import torch

    if device != "cuda":
        return "full"
    free, _ = torch.cuda.mem_get_info()
    networks = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    sizes = [sum(t.numel() * t.element_size() for t in part.state_dict().values()) for part in networks]
    room = free - _ROOM_FOR_WORK
    if sum(sizes) <= room:
        return "full"
    return "model offload" if max(sizes) <= room else "group offload"


def place(pipe: Any, placement: Placement) -> Placement:
    """Put a pipeline onto its rung, or the highest one below that holds it.

    Raises:
        MemoryError: It fits on no rung.
    """
    while True:
        try:
            _put(pipe, placement)
            return placement
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: the error holds on to what did not fit.
        lower = _next_rung(placement)
        if lower is None:
            raise MemoryError("not enough memory")
        placement = lower
        give_back_memory()


def step_down(pipe: Any, placement: Placement) -> Placement | None:
    """Move a pipeline to the next rung that holds it; None when there is none."""
    lower = _next_rung(placement)
    try:
        return None if lower is None else place(pipe, lower)
    except MemoryError:
        return None


def decode_in_tiles(pipe: Any, placement: Placement) -> Placement | None:
    """Decode in tiles from now on; None when it does, or the autoencoder cannot."""
    if placement.tiled or not hasattr(pipe.vae, "enable_tiling"):
        return None
    pipe.vae.enable_tiling()
    return replace(placement, tiled=True)


def speed_up(pipe: Any, adapter: FamilyAdapter, wishes: Wishes) -> tuple[str, ...]:
    """Set the attention backend and compile, where the person asked for it.

    Returns:
        What was done, for the recipe.

    Raises:
        ModelError: The backend or the compiler is not there.
    """
    main = getattr(pipe, adapter.main)
    done = []
    if wishes.attention:
        try:
            main.set_attention_backend(wishes.attention)
        except Exception as error:
            raise ModelError(
                f"The attention backend {wishes.attention!r} cannot be used with {adapter.title} here. "
                "Install its package, or leave EXPLORER_ATTENTION empty."
            ) from error
        done.append(f"attention {wishes.attention}")
    if wishes.compile:
        if getattr(main, "_repeated_blocks", None):
            main.compile_repeated_blocks(fullgraph=False)
        else:
            main.compile()
        done.append("compiled")
    return tuple(done)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any device means that memory ran out."""
    import torch

    texts = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
    )


def give_back_memory() -> None:
    """Return what nothing refers to any more to the device and the system."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        # glibc keeps freed pages for itself; gigabytes after a few models.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _next_rung(placement: Placement) -> Placement | None:
    rungs = ladder(placement.device)
    below = rungs[rungs.index(placement.memory) + 1 :]
    return replace(placement, memory=below[0]) if below else None


def _put(pipe: Any, placement: Placement) -> None:
    import torch

    device = torch.device(placement.device)
    if placement.memory == "full":
        pipe.to(device)
    elif placement.memory == "model offload":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.remove_all_hooks()
        pipe.to("cpu")
        pipe.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            # Without streams: they remember the order of layers, which a stop in the middle breaks.
            offload_type="leaf_level",
        )
