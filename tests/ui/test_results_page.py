"""A person in front of scored results: painted pictures, real scores, a real browser."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from explorer.types import Image, ScoreRow
from tests.ui.conftest import Served, visiting, wait_until
from tests.ui.painted import Painted, paint

pytestmark = pytest.mark.page
SLOW = 60_000
MODELS = {"good": 0.0, "<b>fair</b>": 0.3, "poor": 0.6}
METRICS = ("clip_score", "tifa", "lpips_diversity", "aesthetic")
VIEWS = (
    *("Means", "Strong at what?", "Spread", "Two metrics"),
    *("Do metrics agree?", "Steps and guidance", "Why? See pictures", "Worst questions"),
)


@pytest.fixture(scope="module")
def painted(served: Served) -> str:
    """A run of three models, two pictures of one of them blank."""
    blank = frozenset({("poor", 1)})
    wanted = Painted(MODELS, prompts=8, seeds=2, steps=(10, 20), blank=blank)
    return paint(served.explorer, wanted, METRICS)


@pytest.fixture(scope="module")
def visitor(browser: Browser, served: Served, painted: str) -> Iterator[Page]:
    """One visitor for all tests here: what one of them leaves open, the next one may find."""
    with visiting(browser, served) as open_page:
        page = open_page()
        page.get_by_role("tab", name="Analyze").click()
        expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(3, timeout=SLOW)
        yield page


@pytest.fixture
def page(visitor: Page) -> Page:
    """The page at its usual size, with the means of the first metric."""
    visitor.set_viewport_size({"width": 1440, "height": 900})
    look(visitor, "Means")
    expect(visitor.locator("#analyze-plot .js-plotly-plot .errorbar")).to_have_count(3, timeout=SLOW)
    return visitor


def look(page: Page, view: str) -> None:
    page.locator("#analyze-view label", has_text=view).click()


def column(page: Page, index: int) -> list[str]:
    rows = page.locator("#analyze-leaderboard tbody tr").all()
    return [row.locator("th, td").nth(index).get_attribute("data-value") or "" for row in rows]


def heading(page: Page, index: int) -> Locator:
    return page.locator("#analyze-leaderboard thead th").nth(index)


def test_headings_sort_and_reasons_show_by_mouse_and_keyboard(page: Page) -> None:
    assert column(page, 0) == ["good", "<b>fair</b>", "poor"]
    expect(heading(page, 1)).to_have_attribute("aria-sort", "descending")
    heading(page, 1).get_by_role("button").click()
    expect(heading(page, 1)).to_have_attribute("aria-sort", "ascending")
    assert column(page, 0) == ["poor", "<b>fair</b>", "good"]
    heading(page, 2).get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(heading(page, 2)).to_have_attribute("aria-sort", "descending")
    expect(heading(page, 1)).to_have_attribute("aria-sort", "none")
    values = [float(value) for value in column(page, 2)]
    assert values == sorted(values, reverse=True)
    heading(page, 0).get_by_role("button").click()
    assert sorted(column(page, 0)) == sorted(MODELS)
    expect(heading(page, 0)).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("#analyze-leaderboard .x-interval")).to_have_count(9)
    expect(page.locator("#analyze-leaderboard .x-mark").first).to_have_attribute(
        "aria-label", re.compile("best")
    )

    bubble = page.get_by_role("tooltip")
    absent = page.locator("#analyze-leaderboard .x-none button").first
    absent.hover()
    expect(bubble).to_contain_text("no bundled tier")
    page.mouse.move(5, 5)
    expect(bubble).to_have_count(0)
    absent.focus()
    expect(bubble).to_contain_text("no bundled tier")
    page.keyboard.press("Escape")
    expect(bubble).to_have_count(0)
    expect(absent).to_have_accessible_name(re.compile("no score: .*no bundled tier"))
    page.get_by_role("button", name="2 blank").focus()
    expect(bubble).to_contain_text("Nothing is to be seen")
    measured = page.locator("#analyze-measured")
    expect(measured).to_contain_text("Each of 3 models has 8 prompts and 16 pictures")
    page.get_by_text("How the pictures were measured").click()
    expect(measured).to_contain_text("resized to 256 x 256 px")


def test_dots_and_buttons_open_pictures_in_place(page: Page) -> None:
    look(page, "Two metrics")
    dot = page.locator("#analyze-plot .scatterlayer .point")
    expect(dot).to_have_count(48)
    dot.first.scroll_into_view_if_needed()
    box = dot.first.bounding_box()
    assert box is not None
    # Plotly's own layer lies above the dots, so it is the mouse that must be there.
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#analyze-plot .hovertext").first).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    picture, place = page.locator("#analyze-picture"), page.locator("#analyze-picture-place")
    expect(place).to_contain_text("of 3 with this prompt and seed")
    expect(page.locator("#analyze-picture-close")).to_be_focused()
    expect(page.locator("#analyze-picture-scores")).to_contain_text("CLIP score")
    image = page.locator("#analyze-picture-image img")
    wait_until(lambda: image.evaluate("img => img.naturalWidth") == 128, "the picture is shown")
    page.keyboard.press("Escape")
    expect(picture).not_to_be_visible()

    button = page.locator("#analyze-words .x-open").first
    button.focus()
    page.keyboard.press("Enter")
    expect(place).to_contain_text(re.compile(r"\d of 3 with this prompt and seed"))
    expect(page.locator("#analyze-picture-close")).to_be_focused()
    number = int(place.inner_text().split(": ")[1][0])
    step, key = (1, "ArrowRight") if number < 3 else (-1, "ArrowLeft")
    page.keyboard.press(key)
    expect(place).to_contain_text(f"{number + step} of 3")
    page.keyboard.press("Escape")
    expect(picture).not_to_be_visible()
    expect(button).to_be_focused()


def test_the_prompts_that_differ_most_show_both_pictures(page: Page) -> None:
    look(page, "Why? See pictures")
    items = page.locator("#analyze-words .x-contrasts li")
    expect(items).to_have_count(8)
    shown = items.first.locator("img")
    expect(shown).to_have_count(4)
    wait_until(lambda: shown.first.evaluate("img => img.naturalWidth") == 128, "thumbnails come")
    told = page.locator(".x-difference").all_inner_texts()
    differences = [float(text.split(" is ")[1].split()[0]) for text in told]
    assert differences == sorted(differences, reverse=True)

    choose(page, "second", "poor")
    expect(page.locator("#analyze-words .x-said")).to_contain_text("poor")
    items.first.locator(".x-open").first.click()
    expect(page.locator("#analyze-picture-place")).to_contain_text("good: 1 of 3")


def test_every_view_is_drawn_and_no_wider_than_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    words = page.locator("#analyze-words")
    before = ""
    for view in VIEWS[1:]:
        look(page, view)
        expect(words).not_to_have_text(before)
        before = words.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
    look(page, "Steps and guidance")
    expect(page.locator("#analyze-plot .scatterlayer .trace")).to_have_count(3)
    expect(page.locator("#analyze-setting")).to_contain_text("Steps")
    look(page, "Strong at what?")
    expect(page.locator("#analyze-plot .barlayer .point").first).to_be_visible()
    page.get_by_label("Radar").click()
    expect(page.locator("#analyze-plot .polarlayer")).to_be_visible()


def choose(page: Page, picker: str, option: str) -> None:
    page.click(f"#analyze-{picker} input")
    page.get_by_role("option", name=option).click()


def own_scores(served: Served, run: str, model: str) -> list[tuple[Image, ScoreRow]]:
    """Pictures of a model with their TIFA scores."""
    found = served.explorer.results(run)
    images = {image.id: image for image in found.images if image.recipe.model == model}
    return [(images[s.image_id], s) for s in found.scores if s.metric == "tifa" and s.image_id in images]


def test_skills_are_shown_with_the_means_of_their_questions(page: Page, served: Served, painted: str) -> None:
    look(page, "Strong at what?")
    choose(page, "metric", "TIFA")
    page.locator("#analyze-group label", has_text="Skill").click()
    page.locator("#analyze-shape label", has_text="Bars").click()
    names = page.locator("#analyze-plot .yaxislayer-above text")
    expect(names.filter(has_text="colour")).to_have_count(1)
    # Colour of one model, slowly: share right of a picture, mean over seeds, mean over prompts.
    shares: dict[str, list[float]] = {}
    for image, score in own_scores(served, painted, "poor"):
        rights = [q["right"] for q in score.detail["questions"] if q["skill"] == "colour"]
        if rights:
            shares.setdefault(image.recipe.prompt, []).append(sum(rights) / len(rights))
    expected = sum(sum(own) / len(own) for own in shares.values()) / len(shares)
    drawn = page.locator("#analyze-plot .js-plotly-plot").evaluate(
        """plot => { const trace = plot.data.find(each => each.name === "poor");
        return trace.x[trace.y.indexOf("colour")]; }"""
    )
    assert drawn == pytest.approx(expected)
    choose(page, "metric", "CLIP score")
    expect(page.locator("#analyze-group label")).to_have_count(2)
    expect(names.filter(has_text="colour")).to_have_count(0)


def test_the_worst_questions_open_the_pictures_that_failed_them(
    page: Page, served: Served, painted: str
) -> None:
    look(page, "Worst questions")
    choose(page, "first", "poor")
    words = page.locator("#analyze-words")
    expect(words.locator("h3").first).to_have_text("TIFA (bundled): poor")
    failed: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for _, score in own_scores(served, painted, "poor"):
        for question in score.detail["questions"]:
            kind = "control" if question["control"] else "asked"
            answered[f"{question['text']} {kind}"] += 1
            failed[f"{question['text']} {kind}"] += not question["right"]
    for title, kind in (("Asked for, and not seen", "asked"), ("Not asked for, and still seen", "control")):
        listed = words.locator("h3", has_text=title).locator("xpath=following-sibling::*[1]").locator("li")
        assert listed.count() == min(9, sum(1 for key, wrong in failed.items() if wrong and kind in key))
        for item in listed.all():
            key = f"{item.locator('p').first.inner_text().rsplit(' ', 1)[0]} {kind}"
            expect(item).to_contain_text(f"Failed {failed[key]} of {answered[key]} picture")
            assert item.locator("[data-picture]").count() == min(4, failed[key])
    first = words.locator(".x-contrasts li").first
    text = first.locator("p").first.inner_text().rsplit(" ", 1)[0]
    first.locator(".x-open").first.click()
    expect(page.locator("#analyze-picture-place")).to_contain_text("poor: ")
    expect(page.locator("#analyze-picture-scores .x-is-wrong", has_text=text).first).to_be_visible()


def test_plots_follow_their_place_when_a_panel_opens(page: Page) -> None:
    place = page.locator("#analyze-plot")

    def width() -> int:
        return int(place.evaluate("place => place.clientWidth"))

    def fits() -> bool:
        drawn = place.locator(".main-svg").first.evaluate("svg => svg.getBoundingClientRect().width")
        return abs(float(drawn) - width()) < 2

    wide = width()
    page.click("#models .toggle-button")
    wait_until(lambda: width() < wide, "the panel takes room")
    wait_until(fits, "the plot is as wide as its place")
    page.click("#models .toggle-button")
    wait_until(lambda: width() == wide, "the panel gives it back")
    wait_until(fits, "the plot grows again")
