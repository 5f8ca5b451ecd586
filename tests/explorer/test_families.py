"""Every family through its real classes, with the network blocked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer.checkpoints import read_checkpoint
from explorer.drawing import LoadedModel
from explorer.errors import Cancelled, ModelError
from explorer.families import ADAPTERS, adapter, family_of_pipeline
from explorer.types import Family
from tests.tiny_families import Folders, draw, manager, model, recipes

pytestmark = pytest.mark.usefixtures("no_network")
FAMILIES = [each.family for each in ADAPTERS]
NEGATIVE = [family for family in FAMILIES if family != "flux"]


class CountedForwards:
    """Counts the main network's forwards, and stops inside the second one."""

    def __init__(self, loaded: LoadedModel) -> None:
        main = getattr(loaded.pipe, loaded.adapter.main)
        self.begun = self.ended = self.asked_inside = 0
        self.hooks = [
            main.register_forward_pre_hook(lambda *_: self._begin()),
            main.register_forward_hook(lambda *_: self._end()),
        ]

    def _begin(self) -> None:
        self.begun += 1

    def _end(self) -> None:
        self.ended += 1

    def check(self) -> None:
        if self.begun == 2:
            self.asked_inside += 1
            if self.asked_inside == 3:
                raise Cancelled("stopped")

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_draws_repeats_stops_inside_a_step_and_goes(tiny: Folders, family: Family) -> None:
    lender = manager()
    with lender.borrow(model(tiny(family), family)) as loaded:
        first = draw(loaded, recipes(family, [1, 2]))
        assert first.shape == (2, 96, 64, 3)
        assert np.abs(first[0] - first[1]).max() > 5, "two seeds, one picture"
        assert np.array_equal(draw(loaded, recipes(family, [1, 2])), first)

        told: list[tuple[int, int]] = []
        loaded.draw(
            recipes(family, [1], steps=3), recipes(family, [1])[0].sampler, lambda s, n: told.append((s, n))
        )
        assert told == [(1, 3), (2, 3), (3, 3)]

        if family in NEGATIVE:
            avoiding = draw(loaded, recipes(family, [1, 2], negative="a large blue star"))
            assert not np.array_equal(avoiding, first), "the negative prompt does nothing"

        forwards = CountedForwards(loaded)
        loaded.check = forwards.check
        with pytest.raises(Cancelled):
            draw(loaded, recipes(family, [1, 2], steps=6))
        assert (forwards.begun, forwards.ended) == (2, 1), "it did not stop inside the second forward"
        forwards.remove()
        loaded.check = lambda: None
        assert np.array_equal(draw(loaded, recipes(family, [1, 2])), first)
    lender.release()
    assert lender._loaded is None


# Stable Diffusion 2 is told by the real width of its text encoder, which no tiny one has.
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "sd2"])
def test_a_folder_is_recognised(tiny: Folders, family: Family) -> None:
    assert read_checkpoint(tiny(family)).family == family


@pytest.mark.parametrize("family", ["sd15", "flux", "sana"])
def test_a_size_that_is_not_the_familys_is_refused_before_drawing(tiny: Folders, family: Family) -> None:
    with manager().borrow(model(tiny(family), family)) as loaded:
        with pytest.raises(ModelError, match=r"multiples of (8|16|32) only, not 68 x 96"):
            draw(loaded, recipes(family, [1], width=68))
        assert loaded.adapter.wrong_size(96, 128) is None


def test_what_a_model_does_not_read_is_told(tiny: Folders, tmp_path: Path) -> None:
    asked = recipes("flux", [1], negative="a star")
    with manager().borrow(model(tiny("flux"), "flux")) as loaded:
        assert loaded.notices(asked) == ["tiny-flux does not read the negative prompt with these settings."]
        assert loaded.cut_prompt("a " * 200) == 0  # T5 reads 512, CLIP's 77 do not count
    folder = Path(shutil.copytree(tiny("flux2"), tmp_path / "distilled"))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"is_distilled": True}))
    with manager().borrow(model(folder, "flux2")) as loaded:
        assert [text.split("does not read the ")[1] for text in loaded.notices(asked)] == [
            "negative prompt with these settings.",
            "guidance scale.",
        ]
    with manager().borrow(model(tiny("sd15"), "sd15")) as loaded:
        off = recipes("sd15", [1], negative="a star", guidance=1.0, prompt="a " * 100)
        assert len(loaded.notices(off)) == 2
        assert loaded.notices(recipes("sd15", [1], negative="a star")) == []


def test_settings_that_suit_a_checkpoint_are_told_by_its_name() -> None:
    xl, flux = adapter("sdxl"), adapter("flux")
    assert xl is not None
    assert flux is not None
    assert xl.recommend("Juggernaut XL v9").steps == 30
    assert xl.recommend("dreamshaperXL_Lightning") == xl.variants[0][1]
    assert (flux.recommend("FLUX.1-schnell").steps, flux.recommend("flux1-dev").guidance) == (4, 3.5)
    assert adapter("unknown") is None
    assert family_of_pipeline("StableDiffusionXLPipeline") == "sdxl"
    assert family_of_pipeline("KolorsPipeline") == "unknown"


def test_every_recommended_sampler_is_right_for_its_family() -> None:
    from explorer.samplers import sampler_names

    for each in ADAPTERS:
        for settings in (each.recommended, *(settings for _, settings in each.variants)):
            assert settings.sampler in sampler_names(each.family), each.family


# What must be refused, and how


def broken(folder: Path, target: Path, how: str) -> Path:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(folder, target))
    encoder = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(encoder)
    name = min(n for n in tensors if n.endswith("weight") and "layers.1" in n)
    if how == "tensor":
        tensors.pop(name)
    elif how == "nan":
        tensors[name].fill_(float("inf"))
    if how in ("tensor", "nan"):
        save_file(tensors, encoder, metadata={"format": "pt"})
    elif how == "encoder":
        shutil.rmtree(copy / "text_encoder")
    elif how == "pickle":
        encoder.rename(encoder.with_name("pytorch_model.bin"))
    elif how == "tokenizer":
        shutil.rmtree(copy / "tokenizer")
        (copy / "tokenizer").mkdir()
    elif how == "inpaint":
        index = json.loads((copy / "model_index.json").read_text())
        index["_class_name"] = "StableDiffusionInpaintPipeline"
        (copy / "model_index.json").write_text(json.dumps(index))
    return copy


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("tensor", r"mine is incomplete: the tensor text_encoder\..+ is missing"),
        ("nan", r"mine is damaged: the tensor text_encoder\..+ holds no finite numbers"),
        ("encoder", "mine cannot be loaded: It has no folder text_encoder"),
        ("pickle", r"text_encoder has only pickled weights .*\.safetensors are needed"),
        ("tokenizer", "mine (has no usable tokenizer|cannot be loaded)"),
        ("inpaint", "mine fills holes in a picture .* cannot draw from a prompt alone"),
    ],
)
@pytest.mark.parametrize("family", ["sd15", "zimage"])
def test_a_folder_that_is_not_whole_is_refused_with_the_part(
    tiny: Folders, tmp_path: Path, family: Family, how: str, message: str
) -> None:
    folder = broken(tiny(family), tmp_path / "mine", how)
    with pytest.raises(ModelError, match=message), manager().borrow(model(folder, family)):
        pass


def test_half_precision_files_of_a_folder_are_found(tiny: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("sd15"), tmp_path / "half"))
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_name(file.stem + ".fp16.safetensors"))
    with manager().borrow(model(folder, "sd15")) as loaded:
        assert draw(loaded, recipes("sd15", [1])).shape == (1, 96, 64, 3)


def test_a_wrong_family_is_refused_in_plain_words(tiny: Folders) -> None:
    with (
        pytest.raises(ModelError, match="tiny-sd3 is made for StableDiffusion3Pipeline"),
        manager().borrow(model(tiny("sd3"), "sdxl")),
    ):
        pass
    with (
        pytest.raises(ModelError, match="a model family this program cannot draw with yet"),
        manager().borrow(model(tiny("sd3"), "unknown")),
    ):
        pass


def test_loading_can_be_stopped(tiny: Folders) -> None:
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Cancelled("stopped")

    lender = manager()
    with pytest.raises(Cancelled), lender.borrow(model(tiny("sdxl"), "sdxl"), check):
        pass
    assert lender._loaded is None
