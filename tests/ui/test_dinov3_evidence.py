"""What DINOv3's scores rest on is drawn; a foreign detail is left alone."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from explorer import Explorer
from explorer.reference_pictures import ReferencePictures
from explorer.types import ScoreRow
from explorer.ui.dinov3_evidence import Sight, attention
from tests.explorer.test_recipes import make_recipe

HEAT = [[0, 0, 0, 0], [0, 255, 255, 0], [0, 255, 30, 0]]


def row(detail: dict[str, Any]) -> ScoreRow:
    return ScoreRow("a", "m", "bundled", 0.5, None, detail, "1", "net", "rev", "pre", (), "image")


@pytest.fixture
def sight(explorer: Explorer) -> Sight:
    """A picture of a workspace."""
    recipe = make_recipe(suite="s", prompt_id="p")
    return Sight(explorer, explorer.storage.save_image(Image.new("RGB", (64, 48), "red"), recipe))


def test_the_map_lies_over_the_picture_with_its_lines() -> None:
    html, told = attention({"heat": HEAT, "concentration": 0.5, "halo": 0.25, "blobs": 1}, "file=x.webp")
    assert told == {"heat", "concentration", "halo", "blobs"}
    assert 'viewBox="0 0 4 3"' in html
    assert "Concentration 0.50, halo 0.25, 1 body" in html
    data = html.split("data:image/png;base64,")[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (4, 3)
        assert [image.getpixel((column, 1))[3] for column in range(4)] == [0, 205, 205, 0]  # type: ignore[index]
    # 60 % are on two of the three strong patches; first comes first.
    body = html.split('class="x-body" d="')[1].split('"')[0]
    assert sorted(body.split("M")) == ["", "1 1h1", "1 1v1", "1 2h1", "2 1h1", "2 2h1", "3 1v1"]


@pytest.mark.parametrize(
    "heat",
    [None, "x", [], [[]], [[0, 0]], [[1], [1, 2]], [[-1, 3]], [[300, 1]], [["<b>", 1]], [[1] * 200], [1, 2]],
)
def test_a_map_of_another_form_is_left_alone(heat: object) -> None:
    assert attention({"heat": heat}, "file=x.webp") == ("", set())


def test_the_best_reference_stands_beside_the_picture(sight: Sight, explorer: Explorer) -> None:
    references = ReferencePictures(explorer.settings.references)
    for colour in ("green", "yellow"):
        buffer = io.BytesIO()
        Image.new("RGB", (600, 400), colour).save(buffer, "PNG")
        references.add("s", "p", buffer.getvalue(), ".png")
    best = [Image.open(path).getpixel((0, 0)) for path in references.of("s", "p")].index((255, 255, 0))
    html, told = sight.evidence(row({"cosines": [0.25, 0.25], "best": best}))
    assert told == {"best"}
    assert "Best of 2 references: cosine 0.250" in html
    data = html.split("data:image/webp;base64,")[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert max(image.size) == 240
        assert image.convert("RGB").getpixel((5, 5))[2] < 60  # type: ignore[index]
    # A reference came since: its place says nothing any more.
    assert sight.evidence(row({"cosines": [0.5], "best": 0})) == ("", set())
    assert sight.evidence(row({"cosines": [0.5, 0.5], "best": 7})) == ("", set())


def test_pairs_and_extremes_show_thumbnails(sight: Sight) -> None:
    mine = sight.image.id
    html, told = sight.evidence(
        row({"nearest": [mine, "gone"], "farthest": [mine, mine], "least": 0.1, "most": 0.9})
    )
    assert told == {"nearest", "farthest"}
    assert "Most alike: distance 0.100" in html
    assert html.count("gradio_api/file=") == 3
    assert html.count("x-gone") == 1
    listed = {"most_natural": [[mine, 1.25]], "least_natural": [["<i>", 9.0], ["bad"], [mine, "x"]]}
    html, told = sight.evidence(row(listed))
    assert told == {"most_natural", "least_natural"}
    assert html.count("<figure>") == 2
    assert "<i>" not in html


@pytest.mark.parametrize(
    "detail", [{}, {"nearest": [1], "farthest": "x"}, {"cosines": 3, "best": "a"}, {"heat": "x"}]
)
def test_other_details_are_left_to_the_list_of_facts(sight: Sight, detail: dict[str, Any]) -> None:
    assert sight.evidence(row(detail)) == ("", set())


def test_a_picture_that_is_gone_is_no_error(sight: Sight) -> None:
    missing = Sight(sight.explorer, replace(sight.image, id="nowhere", path=Path("nowhere.png")))
    assert missing.evidence(row({"heat": HEAT})) == ("", set())
