"""The Gallery in a real browser: by keyboard alone, the selection, the trash, Compare."""

import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from explorer import Explorer, ImageQuery, Settings
from explorer.plans import digest
from explorer.reference_pictures import ReferencePictures
from tests.explorer.test_recipes import make_recipe
from tests.ui.conftest import Served, wait_until
from tests.ui.painted import Painted, paint

pytestmark = pytest.mark.page
Visit = Callable[..., Page]
SLOW = 60_000


@pytest.fixture(scope="module")
def painted(served: Served) -> str:
    """A scored run of three models; one of them draws pictures of another size."""
    run = paint(served.explorer, Painted({"good": 0.1, "poor": 0.8}, prompts=4, seeds=2))
    explorer = served.explorer
    image = explorer.images(ImageQuery(run=run)).images[0]
    wide = replace(image.recipe, model="wide", width=192, height=96, cell=digest("wide"))
    explorer.storage.save_image(Pillow.new("RGB", (192, 96), "teal"), wide)
    content = image.path.read_bytes()
    ReferencePictures(explorer.settings.references).add("", image.recipe.prompt_id, content, ".png")
    return run


@pytest.fixture
def gallery(visit: Visit, painted: str) -> Page:
    page = visit()
    page.get_by_role("tab", name="Gallery").click()
    expect(tiles(page).first).to_be_visible(timeout=SLOW)
    return page


def tiles(page: Page) -> Any:
    return page.locator("#gallery-grid .thumbnail-item")


def bar(page: Page) -> Any:
    return page.locator("#gallery-grid .x-selection")


def test_a_walk_with_the_keyboard_alone(gallery: Page, served: Served) -> None:
    page, press = gallery, gallery.keyboard.press
    tiles(page).first.focus()
    press("ArrowRight")
    press("Space")
    expect(bar(page).locator("b")).to_have_text("1 selected")
    press("Shift+ArrowRight")
    press("Shift+ArrowRight")
    expect(bar(page).locator("b")).to_have_text("3 selected")
    press("Control+a")
    expect(bar(page).locator("b")).to_have_text("16 selected")
    press("Escape")
    expect(bar(page)).to_be_hidden()
    press("Enter")
    place = page.locator("#picture-place")
    expect(place).to_have_text("4 of 16")
    press("ArrowLeft")
    expect(place).to_have_text("3 of 16")
    press("f")
    expect(page.locator("#picture-marks [data-act=favourite]")).to_have_attribute("aria-pressed", "true")
    press("4")
    pressed = page.locator("#picture-marks [data-act=stars][aria-pressed=true]")
    expect(pressed).to_have_count(4)
    press("4")
    expect(pressed).to_have_count(0)
    press("4")
    expect(pressed).to_have_count(4)
    press("+")
    expect(page.locator("#picture .x-zoom")).to_have_class(re.compile("x-zoomed"))
    press("ArrowRight")
    expect(place).to_have_text("4 of 16")
    expect(page.locator("#picture .x-zoom")).not_to_have_class(re.compile("x-zoomed"))
    press("Escape")
    expect(page.locator("#gallery-grid .x-marked")).to_have_text("♥★★★★")
    marked = served.explorer.images(ImageQuery(favourite=True, stars=4)).images
    assert [image.id for image in marked] == [page.locator(".x-tile:has(.x-marked)").get_attribute("data-id")]
    served.explorer.gallery.mark(marked[0].id, favourite=False, stars=0)


def test_filters_groups_and_headings(gallery: Page, served: Served, painted: str) -> None:
    page = gallery
    page.get_by_text("More filters").click()

    page.wait_for_timeout(1000)  # an accordion puts its fields in place a moment after it opened

    def write(field: str, text: str) -> None:
        box = page.locator(f"#gallery-{field} input, #gallery-{field} textarea")
        box.fill(text)
        box.press("Enter")

    high = served.explorer.images(ImageQuery(run=painted, lowest=60.0)).total
    assert 0 < high < 16
    write("lowest", "60")
    expect(tiles(page)).to_have_count(high)
    write("lowest", "")
    expect(tiles(page)).to_have_count(16)
    write("seed", "one")
    expect(page.locator(".toast-body").first).to_contain_text("seed must be a number")
    write("seed", "1")
    expect(tiles(page)).to_have_count(8)
    page.click("#gallery-group input")
    page.get_by_role("option", name="Model").click()
    expect(page.locator("#gallery-grid .x-group")).to_have_text(["good", "poor"])


def test_selected_pictures_go_to_the_trash_and_back(gallery: Page, served: Served, painted: str) -> None:
    page, explorer = gallery, served.explorer
    first = page.locator(".x-tile").first.get_attribute("data-id")
    tiles(page).nth(0).click(modifiers=["Control"])
    tiles(page).nth(2).click(modifiers=["Shift"])
    expect(bar(page).locator("b")).to_have_text("3 selected")
    with page.expect_download() as download:
        bar(page).get_by_text("Download as zip").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert len(bundle.namelist()) == 3
    bar(page).get_by_text("Delete").click()
    expect(tiles(page)).to_have_count(13)
    expect(page.locator("#gallery-count")).to_contain_text("of 13")
    page.click("#gallery-undo")
    expect(tiles(page)).to_have_count(16)
    expect(page.locator("#gallery-trash")).to_be_hidden()

    tiles(page).first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(15)
    page.click("#gallery-trash")
    lying = page.locator("#trash-grid .x-tile")
    expect(lying).to_have_count(1)
    assert lying.get_attribute("data-id") == first
    page.click("#trash-empty")
    expect(page.locator("#trash-yes")).to_have_text("Delete 1 picture for good, with their scores")
    page.click("#trash-no")
    expect(page.locator("#trash-yes")).to_be_hidden()
    lying.locator(".thumbnail-item").click()
    page.locator("#trash-grid .x-selection").get_by_text("Put back").click()
    expect(page.locator("#trash-count")).to_have_text("The trash is empty.")
    page.keyboard.press("Escape")
    expect(tiles(page)).to_have_count(16)

    tiles(page).first.click(modifiers=["Control"])
    bar(page).get_by_text("Delete").click()
    expect(tiles(page)).to_have_count(15)
    page.click("#gallery-trash")
    page.click("#trash-empty")
    page.click("#trash-yes")
    expect(page.locator("#trash-count")).to_have_text("The trash is empty.")
    wait_until(lambda: explorer.gallery.trash_count() == 0, "emptied")
    assert explorer.gallery.found([str(first)]) == []
    page.click("#trash-close")
    expect(page.locator("#gallery-count")).to_contain_text("of 15")


def test_pictures_of_unequal_size_share_one_frame(visit: Visit, served: Served, painted: str) -> None:
    page = visit()
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#gallery-run input").click()
    page.get_by_role("option", name="Every run").click()
    wide = served.explorer.images(ImageQuery(model="wide")).images[0]
    tile = page.locator(f'.x-tile[data-id="{wide.id}"] .thumbnail-item')
    tile.click()
    expect(page.locator("#picture-references img")).to_have_count(1)
    page.click("#picture-others")
    stage = page.locator(".x-stage")
    expect(page.locator(".x-sizes")).to_contain_text("fitted whole into one frame")
    images = stage.locator("img")
    wait_until(
        lambda: all(images.nth(i).evaluate("e => e.naturalWidth > 0") for i in (0, 1)), "both are there"
    )
    assert images.nth(0).bounding_box() == images.nth(1).bounding_box()
    page.keyboard.press("+")
    expect(stage).to_have_class(re.compile("x-zoomed"))
    assert images.nth(0).bounding_box() == images.nth(1).bounding_box()
    assert images.nth(0).bounding_box()["width"] > stage.bounding_box()["width"]  # type: ignore[index]
    page.keyboard.press("0")
    root = page.locator(".x-compare")
    page.keyboard.press("b")
    expect(root).to_have_attribute("data-mode", "flip")
    side = root.get_attribute("data-side")
    page.keyboard.press("b")
    expect(root).not_to_have_attribute("data-side", side or "")
    page.get_by_role("button", name="Difference").click()
    assert stage.locator(".x-b").evaluate("e => getComputedStyle(e).mixBlendMode") == "difference"
    page.keyboard.press("Escape")
    expect(page.locator("#gallery-grid")).to_be_visible()


def test_a_grid_is_shown_and_saved_as_one_picture(gallery: Page) -> None:
    page = gallery
    page.click("#gallery-compare")
    expect(page.locator("#compare-stage")).to_contain_text("Select two pictures")
    page.click("#compare-draw")
    expect(page.locator(".x-matrix tbody th")).to_have_text(["good", "poor"])
    expect(page.locator(".x-matrix thead th")).to_have_text(["seed 0", "seed 1"])
    assert page.locator(".x-matrix thead th").first.evaluate("e => getComputedStyle(e).position") == "sticky"
    with page.expect_download() as download:
        page.click("#compare-save")
    assert Pillow.open(download.value.path()).width == 220 + 2 * 264 + 16
    page.locator(".x-matrix button").first.click()
    expect(page.locator(".x-compare select").first).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_needs_no_sideways_scrolling(visit: Visit, painted: str, dark: bool) -> None:
    page = visit(390, 844, dark=dark)
    page.get_by_role("tab", name="Gallery").click()

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

    tiles(page).first.click(modifiers=["Control"])
    tiles(page).nth(1).click(modifiers=["Control"])
    expect(bar(page)).to_be_visible()
    assert fits()
    bar(page).get_by_text("Compare").click()
    expect(page.locator(".x-stage")).to_be_visible()
    for mode in ("Side by side", "Difference"):
        page.get_by_role("button", name=mode).click()
        assert fits()
    page.click("#compare-draw")
    expect(page.locator(".x-matrix")).to_be_visible()
    assert fits()


def test_on_a_page_for_others_nobody_deletes(tmp_path: Any) -> None:
    """The handlers ask, not the buttons: an event can be sent without any."""
    from explorer.ui.gallery_tab import build_gallery_tab
    from explorer.ui.gallery_trash import ask_first, put_back
    from explorer.ui.gallery_view import Shown

    explorer = Explorer(Settings(root=tmp_path, device="cpu", offline=True, host="0.0.0.0"))
    image = explorer.storage.save_image(Pillow.new("RGB", (8, 8)), make_recipe())
    with gr.Blocks(), gr.Tab() as tab:
        built = build_gallery_tab(explorer, tab)
    for refused in (
        lambda: built.act(Shown(), "delete", [image.id]),
        lambda: put_back(explorer, [image.id]),
        lambda: ask_first(explorer, built.trash),
    ):
        with pytest.raises(Exception, match="this computer alone"):
            refused()
    assert explorer.gallery.found([image.id]) == [image]
    explorer.close()


@pytest.mark.parametrize("ids", [None, "text", [1, None, {"a": 1}], ["../../etc/passwd"]])
def test_what_the_page_asks_for_may_be_anything(served: Served, painted: str, ids: Any) -> None:
    from explorer.ui.gallery_tab import told

    event: Any = SimpleNamespace(action="delete", ids=ids)
    action, asked = told(event)
    assert action == "delete"
    assert served.explorer.gallery.delete(asked) == ()
