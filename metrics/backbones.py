"""Loads networks: each once an analysis, as many at a time as memory bears, and frees them."""

import ctypes
import gc
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from metrics.base import BackboneSource, Network
from metrics.errors import DeviceUnavailable, Interrupted, MetricsError, MissingWeights

logger = logging.getLogger(__name__)

# Six gigabytes in fp32. More would not fit beside the batch on a usual graphics card.
WAVE_PARAMETERS = 1_500_000_000


def chain(source: BackboneSource) -> list[BackboneSource]:
    """A source and those it reads from, the one that reads images first."""
    return [*chain(source.base), source] if source.base is not None else [source]


def waves(sources: Iterable[BackboneSource], most: int = WAVE_PARAMETERS) -> list[list[BackboneSource]]:
    """Which networks are in memory together: the images pass once for each of these lists.

    A network and the ones that read its features stay together, each comes after its base.
    """
    families: dict[BackboneSource, dict[BackboneSource, None]] = {}
    for source in sources:
        members = chain(source)
        families.setdefault(members[0], {}).update(dict.fromkeys(members))
    found: list[list[BackboneSource]] = []
    room = 0
    for family in families.values():
        size = sum(source.card.parameters for source in family)
        if not found or size > room:
            found.append([])
            room = most
        found[-1] += family
        room -= size
    return found


@contextmanager
def interruptible(network: Network | None, stop: Callable[[], bool]) -> Iterator[None]:
    """Within it, a forward pass of the network ends between two layers when told to stop.

    Raises:
        Interrupted: It was stopped.
    """
    module: Any = getattr(network, "module", None)

    def check(*_: Any) -> None:
        if stop():
            raise Interrupted

    handles = [part.register_forward_pre_hook(check) for part in module.modules()] if module else []
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Backbones:
    """The networks of one analysis; a context manager that frees them at its end.

    Use it as `with Backbones("auto") as backbones: network = backbones.load(source)`.
    """

    def __init__(self, device: str = "auto") -> None:
        """Choose the device; nothing is loaded yet.

        Args:
            device: "cpu", "cuda", "mps", or "auto" for the fastest there is.
        """
        self._device = device
        self._networks: dict[BackboneSource, Network] = {}

    def __enter__(self) -> Self:
        """Begin an analysis."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of every network."""
        self._networks.clear()
        release_memory()

    def load(self, source: BackboneSource) -> Network:
        """The network of a source, loaded on the first call.

        Raises:
            MissingWeights: The weights are not on this computer, or do not load.
            DeviceUnavailable: The chosen device does not exist here.
        """
        if source not in self._networks:
            self._networks[source] = self._load(source)
        return self._networks[source]

    def _load(self, source: BackboneSource) -> Network:
        device = choose_device(self._device)
        try:
            return source.load(device)
        except MetricsError:
            raise
        except Exception as error:
            # Whatever a loader trips over must not end the metrics on other networks.
            logger.exception("Loading %s failed", source.card.id)
            raise MissingWeights(
                f"{source.card.id} could not be loaded ({describe(error)}); "
                "see the log, or choose another tier."
            ) from error


def choose_device(wanted: str) -> str:
    """The device to compute on: "cpu", "cuda" (also "cuda:1") or "mps".

    Args:
        wanted: One of these, or "auto" for the fastest there is.

    Raises:
        DeviceUnavailable: There is no such device on this computer.
    """
    if wanted == "cpu":
        return wanted
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, there in present.items() if there), "cpu")
    kind = wanted.partition(":")[0]
    if not present.get(kind, False):
        offer = ", ".join(["auto", "cpu", *(name for name, there in present.items() if there)])
        raise DeviceUnavailable(f"There is no device {wanted!r} on this computer; choose one of: {offer}.")
    return wanted


def trim_memory() -> None:
    """Give freed memory back to the system.

    The C library of Linux keeps it in pieces between what lasts, and would come to hold
    several times of what is in use.
    """
    with suppress(OSError, AttributeError):  # other systems have no such function
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def release_memory() -> None:
    """Give memory that nothing uses back to the device and to the system."""
    gc.collect()
    trim_memory()
    torch = sys.modules.get("torch")  # not imported: then there is nothing to give back
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out; each kind of device says it in its own way."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    said = isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error).lower()
    return named or said or cpu


def describe(error: Exception) -> str:
    """An error of another library in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
