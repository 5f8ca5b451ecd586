"""A person in front of the page: real browser, real models, real worker.

The tests of this file share one workspace and run in order: the first one needs it empty.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from explorer import Explorer, Run
from tests.model_files import SD15_LORA, write_model
from tests.ui.conftest import PROMPTS, Served, active_jobs, wait_until

pytestmark = pytest.mark.page
Visit = Callable[..., Page]
SLOW = 60_000


def headline(page: Page) -> Any:
    return page.locator("#generate-status h2")


def drawn(page: Page) -> int:
    found = re.search(r"(\d+) of \d+", headline(page).inner_text())
    return int(found[1]) if found else 0


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def fill(page: Page, field: str, value: str, shown: str) -> None:
    """Fill a field of the form until the plan shows it.

    An accordion puts its fields in place a moment after it opened: what is typed faster than
    a person can type is lost.
    """
    plan = page.locator("#form-plan")

    def told() -> bool:
        page.fill(f"{field} input, {field} textarea", value)
        page.wait_for_timeout(500)
        return shown in plan.inner_text()

    wait_until(told, f"{field} {value!r} shows in the plan")


def stop_everything(explorer: Explorer) -> None:
    for job in active_jobs(explorer):
        explorer.queue.cancel(job.id)
    wait_until(lambda: not active_jobs(explorer), "work stopped")


def test_first_visit_offers_the_demo_and_states_plans(visit: Visit) -> None:
    page = visit()
    expect(page.locator("#demo-button")).to_be_visible()
    expect(page.locator("#generate-job")).to_have_count(0)
    expect(page.locator("#form-plan")).to_contain_text(re.compile(r"2 models × \d+ prompts × 2 seeds = \d+"))
    page.fill("#form-seeds input", "5")
    expect(page.locator("#form-plan")).to_contain_text("× 5 seeds")
    page.get_by_label("My own prompts").click()
    expect(page.locator("#form-plan")).to_contain_text("at least one prompt")
    page.fill("#form-prompts textarea", "a red circle\na blue square")
    expect(page.locator("#form-plan")).to_contain_text("2 models × 2 prompts × 5 seeds = 20 pictures")


def test_demo_runs_stops_continues_and_outlives_the_page(visit: Visit, served: Served) -> None:
    page = visit()
    page.focus("#demo-button")
    page.keyboard.press("Enter")
    thumbnails = page.locator("#generate-pictures img")
    expect(thumbnails.first).to_be_visible(timeout=SLOW)
    before = thumbnails.count()
    wait_until(lambda: thumbnails.count() > before, "pictures arrive one after another")

    page.click("#generate-cancel")
    expect(headline(page)).to_contain_text("Stopped at", timeout=SLOW)
    stopped_at = drawn(page)
    assert 0 < stopped_at < 40

    page.click("#demo-button")
    expect(headline(page)).to_contain_text("Drawing", timeout=SLOW)
    wait_until(lambda: drawn(page) > stopped_at, "it goes on")
    page.context.close()

    other_browser = visit()
    expect(headline(other_browser)).to_contain_text("Drawing pictures")
    seen = drawn(other_browser)
    wait_until(lambda: drawn(other_browser) > seen, "still at work, seen from another browser")
    assert len(served.explorer.runs()) == 1
    third_browser = visit(390, 844)
    expect(headline(third_browser)).to_contain_text("Drawing pictures")
    other_browser.reload()
    expect(headline(other_browser)).to_contain_text("Drawing pictures")
    other_browser.click("#generate-cancel")
    expect(headline(other_browser)).to_contain_text("Stopped at", timeout=SLOW)
    expect(headline(third_browser)).to_contain_text("Stopped at", timeout=SLOW)
    stop_everything(served.explorer)


def test_own_prompts_end_on_a_leaderboard_and_pictures(visit: Visit) -> None:
    page = visit()
    page.get_by_label("My own prompts").click()
    prompts = ["<img src=x onerror=alert(1)> a red circle", *PROMPTS[1:]]
    page.fill("#form-prompts textarea", "\n".join(prompts))
    page.fill("#form-seeds input", "1")
    page.get_by_text("How the pictures are drawn").click()
    fill(page, "#form-steps", "2", "2 models × 6 prompts × 1 seed = 12 pictures of 2 steps")
    page.click("#generate-button")
    expect(headline(page)).to_contain_text("Done: 12 pictures drawn and scored", timeout=SLOW)
    expect(page.locator("#generate-leaderboard tbody tr")).to_have_count(2)
    expect(page.locator("#generate-verdicts")).to_contain_text("shapes-base")
    expect(page.locator("#generate-leaderboard .x-interval")).to_have_count(2)

    page.click("#generate-open-gallery")
    grid = page.locator("#gallery-grid .thumbnail-item")
    expect(grid).to_have_count(12)
    expect(page.locator("#gallery-count")).to_contain_text("1 to 12 of 12")
    grid.nth(1).click()
    place = page.locator("#picture-place")
    expect(place).to_have_text("2 of 12")
    expect(page.locator("#picture-scores")).to_contain_text("CLIP score")
    expect(page.locator("#picture-text textarea")).to_have_value(re.compile(r"Steps: 2, Sampler: DPM\+\+ 2M"))
    image = page.locator("#picture-image img")
    wait_until(lambda: image.evaluate("img => img.naturalWidth") == 128, "the full picture is shown")

    page.keyboard.press("ArrowRight")
    expect(place).to_have_text("3 of 12")
    page.keyboard.press("ArrowLeft")
    expect(place).to_have_text("2 of 12")
    page.click("#picture-next")
    expect(place).to_have_text("3 of 12")
    page.keyboard.press("Escape")
    expect(grid.first).to_be_visible()
    expect(page.locator("#picture")).not_to_be_visible()


def test_analyze_shows_scores_and_downloads(visit: Visit, finished: Run) -> None:
    page = visit()
    open_tab(page, "Analyze")
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(2, timeout=SLOW)
    downloads = {
        "#analyze-leaderboard-csv": "leaderboard-",
        "#analyze-json": "results-",
        "#analyze-html": "results-",
        "#analyze-parquet": "scores-",
        "#analyze-bundle": "results-",
    }
    for button, name in downloads.items():
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename.startswith(name + finished.id)
    page.click("#analyze-button")
    expect(page.locator("#analyze-status h2")).to_contain_text("Done: scored", timeout=SLOW)
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(2)


def test_gallery_filters_and_sorts(visit: Visit, finished: Run) -> None:
    page = visit()
    open_tab(page, "Gallery")
    captions = page.locator("#gallery-grid .caption-label")
    expect(captions).to_have_count(finished.images)
    page.click("#gallery-model input")
    page.get_by_role("option", name="shapes-early").click()
    expect(captions).to_have_count(finished.images // 2)
    assert all(text.startswith("shapes-early") for text in captions.all_inner_texts())
    page.click("#gallery-sort input")
    page.get_by_role("option", name="Best score first").click()
    expect(page.locator("#gallery-metric")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_needs_no_sideways_scrolling(visit: Visit, finished: Run, dark: bool) -> None:
    page = visit(390, 844, dark=dark)
    expect(headline(page)).to_be_visible()

    def too_wide() -> int:
        return page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert too_wide() <= 0
    page.get_by_text("How the pictures are drawn").click()
    assert too_wide() <= 0
    open_tab(page, "Analyze")
    expect(page.locator("#analyze-leaderboard table")).to_be_visible()
    assert too_wide() <= 0
    open_tab(page, "Gallery")
    page.locator("#gallery-grid .thumbnail-item").first.click()
    expect(page.locator("#picture-place")).to_be_visible()
    assert too_wide() <= 0


def test_a_link_shows_its_job(visit: Visit, served: Served, finished: Run) -> None:
    oldest = served.explorer.queue.newest()[-1]
    page = visit(query=f"?job={oldest.id}")
    expect(page.locator("#generate-status")).to_contain_text(
        re.compile("shapes-base vs shapes-early on Shapes")
    )


def test_mistakes_are_said_on_the_page(visit: Visit, finished: Run) -> None:
    page = visit()
    page.get_by_text("How the pictures are drawn").click()
    fill(page, "#form-width", "100", "The width must be a multiple of 8")
    page.click("#generate-button")
    expect(page.locator(".toast-body")).to_contain_text("The width must be a multiple of 8")
    expect(headline(page)).to_contain_text("Done")


def test_each_models_own_settings_and_trigger_words(visit: Visit, served: Served) -> None:
    write_model(
        served.explorer.settings.root / "models" / "loras" / "ink.safetensors",
        SD15_LORA,
        metadata={"modelspec.trigger_phrase": "inky, <b>wet</b>"},
    )
    page = visit()
    page.get_by_text("How the pictures are drawn").click()
    expect(page.locator("#form-steps")).to_be_visible()
    page.get_by_label("Each model's own").click()
    own = page.locator("#form-own")
    expect(own.locator("dt")).to_have_text(["shapes-base", "shapes-early"])
    expect(own).to_contain_text("DPM++ 2M, 20 steps, CFG 2, 128 x 128")
    for hidden in ("#form-sampler", "#form-steps", "#form-guidance"):
        expect(page.locator(hidden)).not_to_be_visible()
    expect(page.locator("#form-width")).to_be_visible()

    page.fill("#form-models input", "shapes-base+ink:0.5")
    page.keyboard.press("Enter")
    expect(own.locator("dt")).to_have_text(["shapes-base", "shapes-early", "shapes-base+ink:0.5"])
    expect(page.locator("#form-trigger-words")).to_be_visible()
    expect(page.locator("#form-words")).to_contain_text("shapes-base+ink:0.5: inky, <b>wet</b>")
    page.get_by_label("My own prompts").click()
    expect(page.locator("#form-trigger-words")).not_to_be_visible()
    page.fill("#form-prompts textarea", "a red circle\nan inky fox")
    for word in ("inky", "<b>wet</b>"):
        page.get_by_role("button", name=word).click()
        expect(page.locator("#form-prompts textarea")).to_have_value(re.compile(re.escape(word)))
    expect(page.locator("#form-prompts textarea")).to_have_value(
        "a red circle, inky, <b>wet</b>\nan inky fox, <b>wet</b>"
    )
    page.get_by_label("The same for all").click()
    expect(page.locator("#form-steps")).to_be_visible()
    expect(own).not_to_be_visible()
