"""The boxes of a GenEval-style score lie over the picture, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from explorer import AnalyzeRequest, GenerateRequest, Sampling
from tests.ui.conftest import Served, wait_until

pytestmark = pytest.mark.page
PLACES = """() => ["#picture-image img", "#picture .x-boxes"].map(name => {
    const { x, y, width, height } = document.querySelector(name).getBoundingClientRect();
    return [x, y, width, height];
})"""


@pytest.fixture(scope="module")
def judged(served: Served) -> None:
    """Two pictures with boxes."""
    queue = served.explorer.queue
    prompts = ("a red circle on a white background", "two blue squares on a white background")
    sampling = Sampling(steps=8, guidance=1.5)
    draw = queue.submit(GenerateRequest(("shapes-base",), prompts=prompts, seeds=1, sampling=sampling))
    job = queue.submit(AnalyzeRequest(metrics=("geneval",)), after=draw.id)
    wait_until(lambda: not queue.get(job.id).active, "two pictures scored")
    assert queue.get(job.id).state == "done"


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_boxes_lie_on_the_picture_when_asked_for(visit: Callable[..., Page], width: int, dark: bool) -> None:
    page = visit(width, dark=dark)
    tab = page.get_by_role("tab", name="Gallery")
    if tab.is_visible():
        tab.click()
    else:
        page.locator(".overflow-menu button").first.click()
        page.locator(".overflow-dropdown button", has_text="Gallery").click()
    page.locator("#gallery-grid .thumbnail-item").first.click()
    expect(page.locator("#picture-scores")).to_contain_text("Asked for: ")
    drawing, toggle = page.locator("#picture .x-boxes"), page.get_by_label("Boxes", exact=True)
    expect(drawing).to_be_hidden()
    toggle.check()
    expect(drawing).to_be_visible()

    def aligned() -> bool:
        picture, over = page.evaluate(PLACES)
        return picture[2] > 100 and all(abs(a - b) < 1 for a, b in zip(picture, over, strict=True))

    wait_until(aligned, "the boxes have the place of the picture", 20)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#picture-next")
    expect(page.locator("#picture-place")).to_have_text("2 of 2")
    expect(drawing).to_be_visible()
