"""A person who votes: real browser, real pictures on disk."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.explorer.voted import run_of
from tests.ui.conftest import Served

pytestmark = pytest.mark.page
Visit = Callable[..., Page]
MODELS = ("painter-one", "painter-two", "painter <b>three")


@pytest.fixture(scope="module")
def pictures(served: Served) -> set[str]:
    """A run to vote on; returns everything that would tell whose a picture is."""
    images = run_of(served.explorer.storage, MODELS, prompts=12, seeds=2)
    return {part for i in images for part in (i.id, i.recipe.cell, i.recipe.model_hash, i.path.name)}


def enter(page: Page) -> None:
    page.wait_for_timeout(300)
    tab = page.get_by_role("tab", name="Arena")
    if not tab.is_visible():
        page.locator("#tabs .overflow-menu button").first.click()
        tab = page.locator(".overflow-dropdown button", has_text="Arena")
    tab.click()


def state(page: Page, wanted: str) -> None:
    expect(page.locator(f".x-arena[data-state={wanted}]")).to_be_visible(timeout=30_000)


def stay(page: Page) -> None:
    """The next pair comes when it is asked for."""
    page.uncheck("#arena-auto")


def test_without_pictures_it_says_what_to_do(visit: Visit) -> None:
    page = visit()
    enter(page)
    expect(page.locator("#arena-stage")).to_contain_text("Draw a run with two models in Generate")


def test_a_whole_round_by_keyboard_alone(visit: Visit, served: Served, pictures: set[str]) -> None:
    page = visit()
    page.get_by_role("tab", name="Arena").focus()
    page.keyboard.press("Enter")
    state(page, "vote")
    stay(page)
    source = page.locator("#arena-stage").inner_html()
    assert not [secret for secret in (*pictures, *MODELS, "painter") if secret in source]
    before = len(served.explorer.arena.votes())
    page.locator("button[data-choice=left]").focus()
    page.keyboard.press("Enter")
    state(page, "reveal")
    expect(page.locator("#arena-said")).to_contain_text("You chose painter")
    expect(page.locator("#arena-said [aria-live=polite]")).to_contain_text("You chose painter")
    expect(page.locator("button[data-choice=next]")).to_be_focused()
    page.keyboard.press("Enter")
    state(page, "vote")
    expect(page.locator("button[data-choice=left]")).to_be_focused()
    for key, outcome in (("ArrowRight", "second"), ("3", "tie"), ("4", "bad")):
        page.keyboard.press(key)
        state(page, "reveal")
        assert served.explorer.arena.votes()[-1].outcome == outcome
        page.keyboard.press("ArrowRight")
        state(page, "vote")
    shown = page.locator(".x-stage-pictures img").first.get_attribute("src")
    page.keyboard.press("s")
    expect(page.locator(".x-stage-pictures img").first).not_to_have_attribute("src", shown or "")
    expect(page.locator("#arena-said")).to_contain_text("Skipped")
    assert len(served.explorer.arena.votes()) == before + 5
    expect(page.locator("#arena-ratings tbody tr")).to_have_count(3)
    expect(page.locator("#arena-ratings")).to_contain_text("painter <b>three")


def test_the_last_vote_can_be_taken_back(visit: Visit, served: Served, pictures: set[str]) -> None:
    page = visit()
    enter(page)
    state(page, "vote")
    stay(page)
    expect(page.locator("button[data-choice=undo]")).to_be_disabled()
    page.keyboard.press("1")
    state(page, "reveal")
    before = len(served.explorer.arena.votes())
    page.keyboard.press("u")
    state(page, "vote")
    expect(page.locator("#arena-said")).to_contain_text("Taken back")
    assert len(served.explorer.arena.votes()) == before - 1


def test_a_double_click_counts_once_and_the_next_pair_comes_by_itself(
    visit: Visit, served: Served, pictures: set[str]
) -> None:
    page = visit()
    enter(page)
    state(page, "vote")
    before = len(served.explorer.arena.votes())
    first = page.locator(".x-stage-pictures img").first.get_attribute("src")
    page.locator("button[data-choice=left]").dblclick()
    expect(page.locator("#arena-said")).to_contain_text("You chose")
    expect(page.locator(".x-stage-pictures img").first).not_to_have_attribute("src", first or "")
    state(page, "vote")
    assert len(served.explorer.arena.votes()) == before + 1


def test_who_writes_a_name_does_not_vote_and_is_remembered(
    visit: Visit, served: Served, pictures: set[str]
) -> None:
    page = visit()
    enter(page)
    state(page, "vote")
    stay(page)
    page.get_by_text("What to vote on, and who votes").click()
    name = page.locator("#arena-voter input, #arena-voter textarea")
    expect(name).not_to_have_value("")
    before = len(served.explorer.arena.votes())
    name.fill("Zoë 1 2")
    name.press("1")
    name.press("Enter")
    page.wait_for_timeout(500)
    assert len(served.explorer.arena.votes()) == before
    page.locator("button[data-choice=tie]").click()
    state(page, "reveal")
    assert served.explorer.arena.votes()[-1].voter == "Zoë 1 21"
    page.reload()
    page.wait_for_selector("#generate-button")
    enter(page)
    state(page, "vote")
    page.get_by_text("What to vote on, and who votes").click()
    expect(page.locator("#arena-voter input, #arena-voter textarea")).to_have_value("Zoë 1 21")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_both_pictures_and_all_answers_are_in_sight(
    visit: Visit, pictures: set[str], width: int, height: int
) -> None:
    page = visit(width, height, dark=width == 390)
    enter(page)
    state(page, "vote")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in page.locator(".x-stage-pictures img, .x-arena .x-choice").all():
        box = part.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    left, right = (each.bounding_box() for each in page.locator(".x-stage-pictures img").all())
    assert left
    assert right
    assert (left["width"], left["height"]) == (right["width"], right["height"])


def test_the_best_of_several_and_stars(visit: Visit, served: Served, pictures: set[str]) -> None:
    page = visit()
    enter(page)
    state(page, "vote")
    stay(page)
    page.get_by_label("Best of several").click()
    expect(page.locator(".x-stage-pictures img")).to_have_count(3)
    page.keyboard.press("2")
    state(page, "reveal")
    expect(page.locator("#arena-said")).to_contain_text("You chose painter")
    best = [vote for vote in served.explorer.arena.votes() if vote.kind == "best"]
    assert len({vote.ballot for vote in best}) == 1
    assert len(best) == 2
    page.get_by_label("One picture, 1 to 5").click()
    expect(page.locator(".x-stage-pictures img")).to_have_count(1)
    state(page, "vote")
    page.keyboard.press("4")
    expect(page.locator("#arena-said")).to_contain_text("Rated")
    expect(page.locator("#arena-ratings")).to_contain_text("Stars")


def test_votes_are_saved_and_taken_in(visit: Visit, served: Served, pictures: set[str]) -> None:
    page = visit()
    enter(page)
    state(page, "vote")
    with page.expect_download() as download:
        page.click("#arena-save")
    path = download.value.path()
    assert len(path.read_bytes().splitlines()) == len(served.explorer.storage.votes.votes(undone=True))
    page.locator("#arena-take input[type=file], input[type=file][accept='.jsonl']").first.set_input_files(
        {"name": "votes.jsonl", "mimeType": "application/json", "buffer": path.read_bytes()}
    )
    expect(page.locator(".toast-body")).to_contain_text("all here already")
