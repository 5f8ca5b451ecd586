from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from explorer.compare import BASE, MOST_COLUMNS, Grid, Sheet, by_prompt, by_seed, by_weight
from explorer.lettering import Lettering
from explorer.types import Image
from tests.explorer.test_recipes import make_recipe

LONG = "a very long model name " * 12
NAMES = (LONG, "x" * 300, "emoji 🦊 and 👩‍🚀", 'quo"te', "日本語のモデル", "")


def picture(model: str, prompt: str = "p0", seed: int = 0, path: Path = Path(), **changes: object) -> Image:
    recipe = make_recipe(model=model, prompt=f"text of {prompt}", prompt_id=prompt, seed=seed, **changes)
    return Image(f"{model}/{prompt}/{seed}", path, recipe, "2026-01-01")


def ids(grid: Grid) -> list[list[str | None]]:
    return [[image.id if image else None for image in row] for row in grid.cells]


def test_models_by_seeds_and_by_prompts() -> None:
    images = [
        picture(model, prompt, seed) for model in "ba" for prompt in ("p0", "p1") for seed in (0, 1, 10, 2)
    ]
    del images[0]  # b has no picture of p0 with seed 0
    seeds = by_seed(images, "p0")
    assert (seeds.title, seeds.rows) == ("text of p0", ("a", "b"))
    assert seeds.columns == ("seed 0", "seed 1", "seed 2", "seed 10")
    assert ids(seeds)[1] == [None, "b/p0/1", "b/p0/2", "b/p0/10"]
    prompts = by_prompt(images, 10)
    assert prompts.columns == ("text of p0", "text of p1")
    assert ids(prompts) == [["a/p0/10", "a/p1/10"], ["b/p0/10", "b/p1/10"]]


def test_lora_weights_stand_in_a_row_behind_their_own_base() -> None:
    def drawn(model: str, checkpoint: str, *weights: float) -> list[Image]:
        made = [picture(model, checkpoint_hash=checkpoint, loras=())]
        return made + [
            picture(f"{model}+ink:{weight}", checkpoint_hash=checkpoint, loras=(("ink", "h", weight),))
            for weight in weights
        ]

    images = [*drawn("base", "1", 0.8, -0.5, 0.25), *drawn("other", "2", 0.8)]
    images.append(picture("lonely+ink:0.8", checkpoint_hash="3", loras=(("ink", "h", 0.8),)))
    images.append(picture("base+ink:1+oil:1", checkpoint_hash="1", loras=(("ink", "h", 1), ("oil", "h", 1))))
    grid = by_weight(images, "p0", 0)
    assert grid.columns == (BASE, "weight -0.5", "weight 0.25", "weight 0.8")
    assert grid.rows == ("base + ink", "lonely + ink", "other + ink")
    assert ids(grid) == [
        ["base/p0/0", "base+ink:-0.5/p0/0", "base+ink:0.25/p0/0", "base+ink:0.8/p0/0"],
        [None, None, None, "lonely+ink:0.8/p0/0"],
        ["other/p0/0", None, None, "other+ink:0.8/p0/0"],
    ]


def test_what_does_not_fit_is_said() -> None:
    grid = by_seed([picture("a", seed=seed) for seed in range(30)], "p0")
    assert len(grid.columns) == MOST_COLUMNS
    assert grid.left_out == "6 of 30 columns"


@pytest.mark.parametrize("name", NAMES)
def test_wrapped_text_is_whole_and_within_its_width(name: str) -> None:
    letters = Lettering.of_size(14)
    lines = letters.wrap(name, 200)
    assert "".join("".join(lines).split()) == "".join(letters.readable(name).split())
    assert max(map(letters.width, lines)) <= 200


def test_a_character_without_a_glyph_is_named() -> None:
    from PIL import ImageFont

    latin = Lettering((ImageFont.load_default(14),), 19)
    assert latin.readable("fox 🦊") == "fox [fox face]"
    assert latin.readable("e\u0301 Ж") == "e [cyrillic capital letter zhe]"
    assert latin.readable("a\tb\x00") == "a b "


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_a_sheet_are_never_cut(tmp_path: Path, name: str) -> None:
    """Nothing is drawn at the edge of the sheet, and every line of each label is on it, whole."""
    path = tmp_path / "a.png"
    Pillow.new("RGB", (60, 30), (200, 0, 0)).save(path)
    image = picture(name, path=path)
    grid = Grid(name, (name, "b"), (name,), ((image,), (None,)))
    sheet = Sheet(grid, {image.id: "CLIP score 31.20"}).draw(cell=120)
    pixels = np.asarray(sheet).astype(int)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    small = Lettering.of_size(14)
    for label, width in ((name, 120), (name, 212)):
        for line in filter(None, small.wrap(label, width)):
            assert found(pixels, small, line), line


def found(pixels: np.ndarray, letters: Lettering, line: str) -> bool:
    """Whether a line of text is somewhere on the sheet, pixel by pixel."""
    from numpy.lib.stride_tricks import sliding_window_view

    paper = Pillow.new("RGB", (round(letters.width(line)) + 2, letters.line), "white")
    letters.draw(ImageDraw.Draw(paper), 0, 0, line, (28, 32, 44))
    wanted = np.asarray(paper.convert("L")).astype(int)
    rows, columns = np.nonzero(wanted < 250)
    wanted = wanted[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    gray = np.asarray(Pillow.fromarray(pixels.astype(np.uint8)).convert("L")).astype(int)
    # The first and the last column of the text find its place cheaply.
    tall, wide = wanted.shape
    first = np.abs(sliding_window_view(gray, tall, axis=0)[:, : gray.shape[1] - wide + 1] - wanted[:, 0])
    for top, left in np.argwhere(first.max(axis=2) <= 2):
        if np.abs(gray[top : top + tall, left : left + wide] - wanted).max() <= 2:
            return True
    return False


def test_pictures_of_a_sheet_keep_their_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Pillow.new("RGB", (60, 30), (200, 0, 0)).save(path)
    sheet = Sheet(Grid("t", ("a",), ("s",), ((picture("a", path=path),),))).draw(cell=120)
    red = (np.asarray(sheet) == (200, 0, 0)).all(axis=2)
    rows, columns = np.nonzero(red)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (60, 120)


def test_a_picture_that_is_gone_does_not_cost_the_sheet(tmp_path: Path) -> None:
    grid = Grid("t", ("a",), ("s",), ((picture("a", path=tmp_path / "gone.png"),),))
    Sheet(grid).write(tmp_path / "sheet.png")
    assert Pillow.open(tmp_path / "sheet.png").format == "PNG"
