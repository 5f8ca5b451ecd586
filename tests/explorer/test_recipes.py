from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.recipes import parameters_text, png_info, read_recipe
from explorer.types import Recipe


def make_recipe(**changes: object) -> Recipe:
    values: dict[str, object] = {
        "model": "base+style:0.8",
        "model_hash": "m" * 64,
        "checkpoint_hash": "c" * 64,
        "loras": (("style", "d" * 64, 0.8),),
        "prompt": "a fox, größer 狐",
        "negative": "blurry",
        "seed": 7,
        "sampler": "DPM++ 2M Karras",
        "steps": 20,
        "guidance": 5.5,
        "width": 64,
        "height": 96,
        "prompt_id": "fox-01",
        "suite": "animals",
        "category": "animals",
        "difficulty": "easy",
        "cell": "e" * 64,
        "versions": {"torch": "2"},
    }
    return Recipe(**(values | changes))  # type: ignore[arg-type]


def save(path: Path, recipe: Recipe) -> Path:
    Pillow.new("RGB", (64, 96), "red").save(path, pnginfo=png_info(recipe))
    return path


def test_a_recipe_survives_the_file(tmp_path: Path) -> None:
    recipe = make_recipe()
    assert read_recipe(save(tmp_path / "a.png", recipe)) == recipe


def test_other_tools_find_their_parameters_text(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", make_recipe())
    with Pillow.open(path) as picture:
        text = picture.info["parameters"]
    assert text.splitlines() == [
        "a fox, größer 狐 <lora:style:0.8>",
        "Negative prompt: blurry",
        "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 7, Size: 64x96, "
        'Model hash: cccccccccc, Model: base, Lora hashes: "style: dddddddddddd"',
    ]


def test_without_loras_and_negative_the_text_is_shorter() -> None:
    text = parameters_text(make_recipe(loras=(), negative="", model="base"))
    assert text.startswith("a fox, größer 狐\nSteps: 20")
    assert "Lora" not in text


def test_a_picture_without_recipe_gives_none(tmp_path: Path) -> None:
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert read_recipe(tmp_path / "a.png") is None


@pytest.mark.parametrize("text", ["[]", "{}", "not json", '{"model": 1}', '{"loras": [1]}'])
def test_a_foreign_text_under_our_key_gives_none(tmp_path: Path, text: str) -> None:
    info = png_info(make_recipe())
    info.chunks.clear()
    info.add_text("explorer", text)
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert read_recipe(tmp_path / "a.png") is None


@pytest.mark.parametrize("keep", [0, 20, 60, 200])
def test_a_cut_file_is_an_os_error(tmp_path: Path, keep: int) -> None:
    whole = save(tmp_path / "a.png", make_recipe()).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[:keep])
    with pytest.raises(OSError, match=r"(?i)b\.png|cannot identify|truncated"):
        read_recipe(tmp_path / "b.png")


def test_weights_per_block_survive_and_pictures_from_before_them_are_read(tmp_path: Path) -> None:
    blocks = ((), (("down", 0.5), ("text", 0.0)))
    recipe = make_recipe(loras=(("style", "d" * 64, 0.8), ("b", "e" * 64, 1.0)), lora_blocks=blocks)
    assert read_recipe(save(tmp_path / "a.png", recipe)) == recipe
    assert parameters_text(recipe).endswith(', Lora blocks: "b: down=0.5 text=0"')
    before = make_recipe().to_dict()
    del before["lora_blocks"]
    assert Recipe.from_dict(before) == make_recipe()


def test_fields_of_a_newer_program_are_ignored() -> None:
    recipe = make_recipe()
    assert Recipe.from_dict(recipe.to_dict() | {"hologram": True}) == recipe
