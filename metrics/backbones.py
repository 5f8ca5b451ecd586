"""Loads networks: each once an analysis, and frees them afterwards."""

import gc
import logging
import sys
from types import TracebackType
from typing import Self

from metrics.base import BackboneSource, Network
from metrics.errors import DeviceUnavailable, MetricsError, MissingWeights

logger = logging.getLogger(__name__)


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


def release_memory() -> None:
    """Give memory that nothing uses back to the device."""
    gc.collect()
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
