from pathlib import Path

from explorer.compare import by_seed
from explorer.image_store import Mark
from explorer.types import Image
from explorer.ui import compare_markup
from explorer.ui.gallery_markup import Tiles, address, grid, marks_bar, references
from tests.explorer.test_recipes import make_recipe

EVIL = "<img src=x onerror=alert(1)>\"'&"


def picture(model: str, prompt: str, seed: int = 0) -> Image:
    recipe = make_recipe(model=model, prompt=prompt, prompt_id=prompt, seed=seed)
    return Image(f"{model}-{prompt}-{seed}", Path(f"/w/{model}.png"), recipe, "2026-01-01")


def test_texts_of_others_are_escaped_everywhere() -> None:
    images = [picture(EVIL, EVIL), picture("b", EVIL)]
    tiles = Tiles({}, {images[0].id: 3.0}, {images[0].id: Mark(True, 2)}, "prompt")
    shown = [
        grid(images, tiles),
        compare_markup.stage(images),
        compare_markup.table(by_seed(images, EVIL), {}, {}),
        references([EVIL]),
    ]
    for html in shown:
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_headings_stand_before_each_group() -> None:
    images = [picture("a", "p"), picture("b", "p"), picture("a", "q")]
    by_prompt = grid(images, Tiles({}, group="prompt"))
    assert [by_prompt.count(f'x-group">{name}<') for name in "pq"] == [1, 1]
    assert "x-group" not in grid(images, Tiles({}))
    assert grid([], Tiles({})) == ""


def test_tiles_show_score_marks_and_a_file_that_is_gone() -> None:
    image, other = picture("a", "p"), picture("b", "p")
    html = grid(
        [image, other], Tiles({image.id: Path("/w/a b.webp")}, {image.id: 31.2}, {image.id: Mark(True, 3)})
    )
    assert 'src="gradio_api/file=/w/a%20b.webp"' in html
    assert ">31.20<" in html
    assert ">♥★★★<" in html
    assert html.count("gone") == html.count('class="x-gone">gone<') * 2 == 2


def test_a_second_press_takes_a_mark_away() -> None:
    html = marks_bar(Mark(True, 3))
    assert 'data-act="favourite" data-value="" aria-pressed="true"' in html
    assert 'data-act="stars" data-value="0" aria-pressed="true" aria-label="3 stars"' in html
    assert 'data-act="stars" data-value="5" aria-pressed="false" aria-label="5 stars"' in html


def test_one_picture_cannot_be_compared() -> None:
    assert "Select two pictures" in compare_markup.stage([picture("a", "p")])
    assert address(None) == ""
