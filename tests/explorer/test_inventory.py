"""Counts before a comparison: every trap is told, and a fair choice tells nothing."""

from dataclasses import replace
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

from explorer.inventory import take_inventory
from explorer.types import Image
from tests.explorer.test_recipes import make_recipe


def picture(folder: Path, model: str, prompt: str, seed: int, color: str = "", **changes: object) -> Image:
    path = folder / f"{model}-{prompt}-{seed}.png"
    drawn = Pillow.new("RGB", (64, 64), color or "white")
    if not color:
        ImageDraw.Draw(drawn).ellipse((5 + seed, 8, 40 + seed, 50), fill="red")
    drawn.save(path)
    recipe = make_recipe(model=model, prompt=prompt, seed=seed, width=64, height=64)
    return Image(path.name, path, replace(recipe, model_hash=model, **changes), "")  # type: ignore[arg-type]


def fair(folder: Path) -> list[Image]:
    return [picture(folder, model, prompt, seed) for model in "ab" for prompt in "pq" for seed in (0, 1)]


def test_a_fair_choice_has_nothing_to_warn_of(tmp_path: Path) -> None:
    found = take_inventory(fair(tmp_path))
    assert (found.pictures, found.models, found.prompts, found.seeds) == (8, {"a": 4, "b": 4}, 2, (2, 2))
    assert (found.blank, found.missing, found.equal) == (0, 0, True)
    assert found.warnings() == []


def test_unequal_numbers_prompts_and_seeds_are_told(tmp_path: Path) -> None:
    told = " ".join(take_inventory(fair(tmp_path)[:-3]).warnings())
    assert "Unequal numbers: b has 1 pictures, a has 4." in told
    assert "Only 1 of 2 prompts were drawn by every model." in told
    assert "Between 1 and 2 pictures a prompt." in told
    single = [image for image in fair(tmp_path) if image.recipe.seed == 0]
    assert "variety needs two seeds" in " ".join(take_inventory(single).warnings())


def test_blank_gone_and_unknown_pictures_are_counted(tmp_path: Path) -> None:
    images = fair(tmp_path)
    images[0] = picture(tmp_path, "a", "p", 0, "black")
    images[1] = picture(tmp_path, "a", "p", 1, "gray")
    images[2].path.unlink()
    images[3].path.write_bytes(images[3].path.read_bytes()[:60])
    images[4] = picture(tmp_path, "b", "", 0)
    found = take_inventory(images)
    assert (found.blank, found.missing, found.without_prompt) == (2, 1, 1)
    told = " ".join(found.warnings())
    assert "2 pictures black or of one colour." in told
    assert "1 file not there any more" in told
    assert "1 picture without a known prompt" in told


def test_one_name_for_two_things_is_told(tmp_path: Path) -> None:
    images = fair(tmp_path)
    images[0] = picture(tmp_path, "a", "p", 0, steps=50)
    images[7] = replace(images[7], recipe=replace(images[7].recipe, model_hash="other", width=96))
    told = " ".join(take_inventory(images).warnings())
    assert "a was drawn with several settings" in told
    assert "b names 2 different models" in told
    assert "Pictures of 2 sizes (64 x 64, 96 x 64)" in told


def test_nothing_chosen() -> None:
    assert take_inventory([]).warnings() == []
