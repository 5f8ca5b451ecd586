"""Devices, precision and the memory ladder, walked down on a processor that plays a small GPU."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from explorer import Explorer, GenerateRequest, ImageDone, Sampling
from explorer.drawing import LoadedModel, OutOfMemory
from explorer.errors import ModelError
from explorer.families import adapter
from explorer.loading import Sources
from explorer.pipelines import PipelineManager
from explorer.placement import (
    Placement,
    Wishes,
    choose,
    first_rung,
    is_out_of_memory,
    ladder,
    place,
)
from explorer.recipes import read_recipe
from explorer.types import Family
from tests.tiny_families import CONFIGS, Folders, draw, manager, model, recipes

RUNGS = ("full", "model offload", "group offload")


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor gets the ladder of a graphics card."""
    monkeypatch.setattr("explorer.placement.ladder", lambda _device: RUNGS)


class Full:
    """Memory runs out at the given calls of a network."""

    def __init__(self, *calls: int) -> None:
        self.calls, self.seen = calls, 0

    def __call__(self, *_: object) -> None:
        import torch

        self.seen += 1
        if self.seen in self.calls:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("family", "fails", "rung"),
    [
        ("sd15", (2,), "model offload"),
        ("sd15", (1, 3), "group offload"),
        ("zimage", (2,), "model offload"),
        ("flux", (1, 3), "group offload"),
        ("sana", (1, 3), "group offload"),
    ],
)
def test_the_ladder_is_walked_down_and_the_picture_is_drawn(
    tiny: Folders, small_gpu: None, family: Any, fails: tuple[int, ...], rung: str
) -> None:
    with manager().borrow(model(tiny(family), family)) as loaded:
        expected = draw(loaded, recipes(family, [1]))
        assert str(loaded.placement) == "full"
        full = Full(*fails)
        getattr(loaded.pipe, loaded.adapter.main).register_forward_pre_hook(full)
        given = draw(loaded, recipes(family, [1]))
        assert str(loaded.placement) == rung
        assert np.abs(given - expected).max() <= 1
        assert np.array_equal(draw(loaded, recipes(family, [1])), given)


def test_on_the_last_rung_it_is_said(tiny: Folders, small_gpu: None) -> None:
    with manager().borrow(model(tiny("sd15"), "sd15")) as loaded:
        loaded.pipe.unet.register_forward_pre_hook(Full(*range(1, 50)))
        with pytest.raises(OutOfMemory, match="tiny-sd15 ran out of memory at 64 x 96 pixels") as caught:
            draw(loaded, recipes("sd15", [1]))
        assert caught.value.__context__ is None, "the error holds on to what did not fit"
        assert loaded.placement.memory == "group offload"


def test_a_batch_is_made_smaller_before_the_ladder_is_walked(tiny: Folders, small_gpu: None) -> None:
    with manager().borrow(model(tiny("sd15"), "sd15")) as loaded:
        loaded.pipe.unet.register_forward_pre_hook(Full(1))
        with pytest.raises(OutOfMemory):
            draw(loaded, recipes("sd15", [1, 2]))
        assert str(loaded.placement) == "full"


@pytest.mark.parametrize("family", ["sd15", "qwenimage", "sana"])
def test_decoding_that_does_not_fit_is_done_in_tiles_without_drawing_again(
    tiny: Folders, family: Any
) -> None:
    with manager().borrow(model(tiny(family), family)) as loaded:
        whole = draw(loaded, recipes(family, [1]))
        loaded.pipe.vae.decoder.register_forward_pre_hook(Full(1))
        forwards = Full()
        getattr(loaded.pipe, loaded.adapter.main).register_forward_pre_hook(forwards)
        tiled = draw(loaded, recipes(family, [1]))
        assert str(loaded.placement) == "full, decoded in tiles"
        assert tiled.shape == whole.shape
        before = forwards.seen
        draw(loaded, recipes(family, [1]))
        assert forwards.seen == 2 * before, "the picture was denoised again"


def test_the_recipe_says_how_and_no_cell_is_lost(
    explorer: Explorer, small_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Full(2, 3, 4)
    denoise = LoadedModel._denoise

    def sometimes(self: LoadedModel, asked: list, sampler: str, on_step: Callable) -> Any:  # type: ignore[type-arg]
        full()
        return denoise(self, asked, sampler, on_step)

    monkeypatch.setattr(LoadedModel, "_denoise", sometimes)
    request = GenerateRequest(
        models=("tiny-a",), suite="tiny", seeds=4, sampling=Sampling(sampler="DDIM", steps=1)
    )
    images = [e.image for e in explorer.generate(replace(request, batch_size=2)) if isinstance(e, ImageDone)]
    recipes_inside = [read_recipe(image.path) for image in images]
    told = [(recipe.batch_size, recipe.placement) for recipe in recipes_inside if recipe]
    # Call 1 draws two; 2 fails and the batch is halved; 3 and 4 fail alone, down to the last rung.
    assert told == [(2, "full")] * 2 + [(1, "group offload")] * 6
    assert {recipe.device for recipe in recipes_inside if recipe} == {"cpu"}


# Choosing


def test_precision_suits_family_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    flux, xl = adapter("flux"), adapter("sdxl")
    with pytest.raises(ModelError, match=r"no mps device here\. Set EXPLORER_DEVICE to auto or cpu"):
        choose(Wishes("mps"), xl)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr("explorer.placement.free_memory", lambda _device: 10**9)
    assert choose(Wishes("cpu"), flux).precision == "float32"
    assert choose(Wishes("cuda"), flux).precision == "bfloat16"
    assert choose(Wishes("mps"), xl).precision == "float16"
    assert choose(Wishes("cuda", "float32"), xl).precision == "float32"
    monkeypatch.setattr("explorer.placement.free_memory", lambda _device: 30 * 10**9)
    assert choose(Wishes("cpu"), xl, 3_500_000_000).precision == "float32"
    assert choose(Wishes("cpu"), flux, 12_000_000_000).precision == "bfloat16"
    with pytest.raises(ModelError, match=r"needs 40\.0 GB of memory and 30\.0 GB are free"):
        choose(Wishes("cuda"), flux, 20_000_000_000)


def test_the_first_rung_is_chosen_from_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    networks = {
        "unet": torch.nn.Linear(1024, 1024, bias=False),
        "text_encoder": torch.nn.Linear(1024, 512, bias=False),
    }
    pipe = SimpleNamespace(components={**networks, "tokenizer": object()})
    room = 2 * 1024**3
    for free, rung in ((6 * 2**20, "full"), (4 * 2**20, "model offload"), (2**20, "group offload")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (room + free, 0))
        assert first_rung(pipe, "cuda") == rung
    assert first_rung(pipe, "cpu") == "full"
    assert ladder("cuda") == RUNGS
    assert ladder("mps") == ladder("cpu") == ("full",)


def test_a_model_that_does_not_fit_when_placed_goes_one_rung_down(
    tiny: Folders, small_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(tiny("sd15"), safety_checker=None)
    monkeypatch.setattr(pipe, "to", Full(1))
    monkeypatch.setattr(pipe, "enable_model_cpu_offload", lambda device: None)
    assert place(pipe, Placement("cpu", "float32")).memory == "model offload"
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert not is_out_of_memory(RuntimeError("size mismatch"))


def test_an_autoencoder_that_overflows_in_half_precision_decodes_in_float32(tiny: Folders) -> None:
    import torch

    lender = PipelineManager(Wishes("cpu", "float16"), Sources(CONFIGS))
    with lender.borrow(model(tiny("sdxl"), "sdxl")) as loaded:
        assert (loaded.pipe.unet.dtype, loaded.pipe.vae.dtype) == (torch.float16, torch.float32)
        assert draw(loaded, recipes("sdxl", [1])).std() > 1
        assert str(loaded.placement) == "full, VAE in float32"
    with lender.borrow(model(tiny("sd15"), "sd15")) as loaded:
        assert loaded.pipe.vae.dtype == torch.float16
        # Larger than float16 holds: 65,504.
        loaded.pipe.vae.decoder.conv_in.register_forward_hook(
            lambda _m, _i, out: out * 1e6 if out.dtype == torch.float16 else out
        )
        assert draw(loaded, recipes("sd15", [1])).std() > 1
        assert str(loaded.placement) == "full, VAE in float32"


def test_attention_backends_and_compiling_are_choices(tiny: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import FluxTransformer2DModel

    sources = Sources(CONFIGS)
    with PipelineManager(Wishes("cpu", attention="_native_math"), sources).borrow(
        model(tiny("flux"), "flux")
    ) as loaded:
        assert str(loaded.placement) == "full, attention _native_math"
        assert draw(loaded, recipes("flux", [1])).std() > 1
    with (
        pytest.raises(ModelError, match=r"attention backend 'sage' cannot be used with Flux\.1 here"),
        PipelineManager(Wishes("cpu", attention="sage"), sources).borrow(model(tiny("flux"), "flux")),
    ):
        pass
    compiled: list[bool] = []
    monkeypatch.setattr(
        FluxTransformer2DModel, "compile_repeated_blocks", lambda *_, **__: compiled.append(True)
    )
    with PipelineManager(Wishes("cpu", compile=True), sources).borrow(model(tiny("flux"), "flux")) as loaded:
        assert compiled == [True]
        assert str(loaded.placement) == "full, compiled"


# Memory comes back


def test_memory_returns_after_twenty_rounds_over_three_models(tiny: Folders) -> None:
    import psutil

    process, lender = psutil.Process(), manager()
    families: list[Family] = ["sd15", "sd3", "pixart"]

    def lend(family: Family) -> None:
        with lender.borrow(model(tiny(family), family)):
            pass
        lender.release()

    for family in families:  # libraries that load on first use are not a leak
        lend(family)
    start = process.memory_info().rss
    for number in range(20):
        lend(families[number % 3])
    assert process.memory_info().rss <= 1.05 * start


def test_a_release_frees_what_was_loaded(tiny: Folders, tmp_path: Path) -> None:
    import weakref

    lender = manager()
    with lender.borrow(model(tiny("sd15"), "sd15")) as loaded:
        draw(loaded, recipes("sd15", [1]))
        unet = weakref.ref(loaded.pipe.unet)
    del loaded
    lender.release()
    assert unet() is None
