import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from explorer import Explorer, GenerateRequest, ImageQuery, InvalidRequest, Sampling, Settings
from explorer.families import ADAPTERS, FamilyAdapter
from explorer.model_settings import in_words, settings_of
from explorer.samplers import known_sampler, sampler_names
from explorer.types import Recipe
from tests.conftest import PROMPTS
from tests.explorer.test_recipes import make_recipe
from tests.fakes import build_tiny_lora
from tests.model_files import FLUX, SD15, SDXL, SDXL_LORA, write_model

OWN = GenerateRequest(models=("tiny-a",), suite="tiny", seeds=1, settings="own")


def own(explorer: Explorer, name: str, **sampling: Any) -> tuple[str, int, float]:
    request = replace(OWN, sampling=Sampling(**sampling))
    found = settings_of(request, explorer.library.resolve(name))
    return found.sampler, found.steps, found.guidance


def add(settings: Settings, name: str, shapes: Any = SDXL, beside: dict[str, Any] | None = None) -> None:
    path = write_model(settings.checkpoints / f"{name}.safetensors", shapes)
    if beside is not None:
        path.with_suffix(".json").write_text(json.dumps(beside))


# Each model's own settings


def test_a_model_without_a_word_of_its_own_gets_what_its_family_recommends(
    explorer: Explorer, settings: Settings
) -> None:
    add(settings, "plain")
    add(settings, "plain-Lightning_v2")
    add(settings, "hyperrealism")
    add(settings, "some-Hyper-8step")
    add(settings, "fast", beside={"base model": "x", "baseModel": "SDXL Turbo"})
    assert own(explorer, "plain") == ("DPM++ 2M Karras", 30, 6.0)
    assert own(explorer, "plain-Lightning_v2") == own(explorer, "some-Hyper-8step") == ("Euler", 8, 1.0)
    assert own(explorer, "hyperrealism") == own(explorer, "plain")
    assert own(explorer, "fast") == ("Euler a", 4, 1.0)
    assert own(explorer, "tiny-a") == ("DPM++ 2M Karras", 25, 7.0)


def test_what_the_maker_wrote_down_comes_first(explorer: Explorer, settings: Settings) -> None:
    add(settings, "whole", beside={"steps": 12, "cfg_scale": 2.5, "sampler": "dpmpp_2m_k"})
    add(settings, "half", beside={"cfg_scale": 0})
    add(settings, "strange", beside={"steps": 33, "sampler": "DPM++ SDE of tomorrow"})
    add(settings, "flow", FLUX, beside={"steps": 9, "cfg_scale": 1})
    assert own(explorer, "whole") == ("DPM++ 2M Karras", 12, 2.5)
    assert own(explorer, "half") == ("DPM++ 2M Karras", 30, 0.0)
    assert own(explorer, "strange") == ("DPM++ 2M Karras", 33, 6.0)
    # The CFG of Flux in other tools is not the scale that it was distilled with.
    assert own(explorer, "flow")[2] == settings_of(OWN, explorer.library.resolve("flow")).guidance != 1


def test_the_bundled_models_bring_what_their_card_says(explorer: Explorer, settings: Settings) -> None:
    for name in ("shapes-base", "shapes-mid", "shapes-early", "shapes-xl"):
        found = settings_of(OWN, explorer.library.resolve(name))
        assert in_words(found) == "DPM++ 2M, 20 steps, CFG 2, 128 x 128"
        by_path = settings_of(OWN, explorer.library.resolve(str(settings.assets / "models" / name)))
        assert by_path == found


@pytest.mark.parametrize("family", ADAPTERS, ids=lambda each: each.family)
def test_every_sampler_that_is_known_by_another_spelling_is_right(family: FamilyAdapter) -> None:
    names = sampler_names(family.family)[1:]
    assert [known_sampler(name, family.family) for name in names] == names
    assert [known_sampler(f" {name.lower()}", family.family) for name in names] == names
    assert known_sampler("", family.family) == known_sampler("Eular", family.family) == ""
    for settings in (family.recommended, *(settings for _, settings in family.variants)):
        assert settings.sampler in names


def test_samplers_as_comfyui_and_invokeai_spell_them() -> None:
    spelled = ("euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde_k", "uni_pc", "ddim", "lcm")
    found = [known_sampler(name, "sdxl") for name in spelled]
    assert found == ["Euler a", "DPM++ 2M", "DPM++ 2M SDE Karras", "UniPC", "DDIM", "LCM"]
    assert known_sampler("euler_ancestral", "flux") == ""


def test_the_requests_own_settings_are_no_part_of_it(explorer: Explorer) -> None:
    (first, second) = explorer.plan(OWN).cells
    assert (first.recipe.sampler, first.recipe.steps, first.recipe.guidance) == ("DPM++ 2M Karras", 25, 7)
    for sampling in (Sampling("LMS", 3, 1), Sampling("nonsense", 0, -1)):
        again = explorer.plan(replace(OWN, sampling=sampling)).cells
        assert [cell.key for cell in again] == [first.key, second.key]
    wider = explorer.plan(replace(OWN, sampling=Sampling(width=72))).cells[0].recipe
    assert (wider.width, wider.height, wider.steps) == (72, 64, 25)
    alike = replace(OWN, settings="same", sampling=Sampling("DPM++ 2M Karras", 25, 7))
    assert explorer.plan(alike).run == explorer.plan(OWN).run


def test_keys_are_made_of_the_same_parts_as_ever(explorer: Explorer) -> None:
    recipe = explorer.plan(replace(OWN, settings="same")).cells[0].recipe
    parts = {"model_hash": recipe.model_hash, "sampler": "DPM++ 2M", "steps": 20, "guidance": 5.0}
    parts |= {"width": 64, "height": 64, "p": PROMPTS[0], "n": "", "s": 0}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    assert recipe.cell == hashlib.sha256(text.encode()).hexdigest()


# What cannot work is refused when it is asked for


def test_models_that_cannot_be_used_are_named(explorer: Explorer, settings: Settings) -> None:
    (settings.checkpoints / "cut.safetensors").parent.mkdir(parents=True)
    (settings.checkpoints / "cut.safetensors").write_bytes(b"x")
    write_model(settings.root / "models" / "loras" / "style.safetensors", SDXL_LORA)
    explorer.library.files()
    for models in (("tiny-a+style",), ("tiny-b", "tiny-a+style")):
        with pytest.raises(InvalidRequest, match=r"The LoRA style was made for SDXL and tiny-a is SD 1.5"):
            explorer.plan_size(replace(OWN, models=models))
    with pytest.raises(InvalidRequest, match=r"tiny-a is SD 1.5") as told:
        explorer.plan(replace(OWN, models=("tiny-a+style", "tiny-b+style")))
    assert "tiny-b is SD 1.5" in str(told.value)
    weights = [f"tiny-a+style:{weight}" for weight in (1, 2, 3, 4, 5)]
    with pytest.raises(InvalidRequest, match="2 more of these models cannot be used"):
        explorer.plan_size(replace(OWN, models=tuple(weights)))


def test_a_size_that_a_family_has_not_is_refused(explorer: Explorer, settings: Settings) -> None:
    add(settings, "flow", FLUX)
    add(settings, "photo", SD15)
    wrong = replace(OWN, models=("photo", "flow"), settings="same", sampling=Sampling(width=72))
    with pytest.raises(InvalidRequest, match=r"multiples of 16 only, not 72 x .* another size for flow"):
        explorer.plan_size(wrong)
    assert explorer.plan_size(replace(wrong, models=("photo",))) == 2
    with pytest.raises(InvalidRequest, match="sampler LMS is not right for flow"):
        explorer.plan_size(replace(wrong, sampling=Sampling("LMS")))


def test_unknown_settings_are_refused(explorer: Explorer) -> None:
    with pytest.raises(InvalidRequest, match="Unknown settings 'mine'"):
        explorer.plan(replace(OWN, settings="mine"))  # type: ignore[arg-type]


# Trigger words


@pytest.fixture
def ink(settings: Settings, tiny_models: Path) -> str:
    """A model with a LoRA that says more trigger words than are put before a prompt."""
    file = settings.root / "models" / "loras" / "ink.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    build_tiny_lora(tiny_models / "tiny-a", file)
    file.with_suffix(".json").write_text('{"activation text": "inky, in ink style, wet, dry"}')
    return "tiny-a+ink:1"


def test_trigger_words_reach_the_model_and_leave_the_prompt_alone(explorer: Explorer, ink: str) -> None:
    asked = GenerateRequest(
        models=("tiny-a", "tiny-a+ink:0", ink),
        prompts=("a red circle",),
        seeds=1,
        sampling=Sampling(steps=1),
        trigger_words=True,
    )
    recipes = [cell.recipe for cell in explorer.plan(asked).cells]
    assert [recipe.full_prompt for recipe in recipes] == [
        "a red circle",
        "a red circle",
        "inky, in ink style, wet, a red circle",
    ]
    assert {(recipe.prompt, recipe.prompt_id) for recipe in recipes} == {
        ("a red circle", recipes[0].prompt_id)
    }
    plain = [cell.key for cell in explorer.plan(replace(asked, trigger_words=False)).cells]
    assert [key == recipe.cell for key, recipe in zip(plain, recipes, strict=True)] == [True, True, False]

    # The same picture as with the words written into the prompt.
    written = replace(asked, models=(ink,), prompts=(recipes[2].full_prompt,), trigger_words=False)
    for request in (replace(asked, models=(ink,)), written):
        assert list(explorer.generate(request))
    page = explorer.images(ImageQuery(model=ink))
    by_words = {image.recipe.trigger_words: np.asarray(Pillow.open(image.path)) for image in page.images}
    assert set(by_words) == {"", "inky, in ink style, wet"}
    assert np.array_equal(*by_words.values())


@pytest.mark.parametrize("family", ADAPTERS, ids=lambda each: each.family)
def test_every_family_reads_trigger_words(family: FamilyAdapter) -> None:
    recipe: Recipe = make_recipe(prompt="a fox", negative="", trigger_words="inky, wet")
    text = family.text(None, recipe, 1)["prompt"]
    assert (text if isinstance(text, str) else text[0]) == "inky, wet, a fox"
