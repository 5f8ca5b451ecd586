"""Networks are loaded once, freed, and fail in words."""

import gc
import weakref

import pytest

from metrics import DeviceUnavailable, MissingWeights
from metrics.backbones import Backbones, choose_device, is_out_of_memory
from tests.metrics.brightness import GreyNetwork, GreySource


class BrokenSource(GreySource):
    def load(self, device: str) -> GreyNetwork:
        raise KeyError("a tensor\nand a long story")


def test_equal_sources_share_one_network_which_is_freed() -> None:
    source = GreySource()
    with Backbones("cpu") as backbones:
        network = weakref.ref(backbones.load(source))
        assert backbones.load(GreySource()) is network()
        assert len(source.loaded) == 1
        source.loaded.clear()
    gc.collect()
    assert network() is None


def test_any_loading_error_is_missing_weights_in_one_line() -> None:
    with (
        Backbones("cpu") as backbones,
        pytest.raises(MissingWeights, match="grey could not be loaded") as caught,
    ):
        backbones.load(BrokenSource())
    assert "\n" not in str(caught.value)


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(DeviceUnavailable, match="choose one of: auto, cpu"):
        choose_device("abacus")


def test_out_of_memory_is_recognised() -> None:
    class OutOfMemoryError(Exception):
        pass

    assert is_out_of_memory(OutOfMemoryError())
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
