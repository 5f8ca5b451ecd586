"""The Models panel in a real browser: hundreds of models, details, a comparison, and deleting."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

from explorer import library as library_module
from tests.model_files import SD15, write_model
from tests.ui.conftest import Served, wait_until

pytestmark = pytest.mark.page
Visit = Callable[..., Page]
LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def write_loras(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{LAYER}.lora_down.weight": torch.zeros(4, 768),
        f"{LAYER}.lora_up.weight": torch.zeros(640, 4),
    }
    for number in range(count):
        metadata = {"ss_base_model_version": "sd_v1", "ss_output_name": f"style {number}"}
        save_file(tensors, folder / f"style-{number:03d}.safetensors", metadata=metadata)
    (folder / "<b>page.safetensors").write_bytes(b"<html>sign in</html>")


@pytest.fixture(scope="module")
def many(served: Served) -> Served:
    write_loras(served.explorer.settings.loras, 200)
    return served


def open_panel(page: Page) -> None:
    page.locator("#models .toggle-button").click()
    expect(page.locator(".x-model").first).to_be_visible(timeout=30_000)


def test_models_are_listed_by_page_searched_and_shown(visit: Visit, many: Served) -> None:
    page = visit()
    open_panel(page)
    expect(page.locator(".x-model")).to_have_count(60)
    expect(page.locator("#models-count")).to_contain_text("1 to 60 of 2")
    page.click("#models-forward")
    expect(page.locator("#models-count")).to_contain_text("61 to 120")
    page.fill("#models-search input, #models-search textarea", "style-00")
    expect(page.locator(".x-model")).to_have_count(10)
    page.locator(".x-model").nth(3).click()
    details = page.locator("#models-details")
    expect(details).to_contain_text("style-003")
    expect(details).to_contain_text("SD 1.5")
    page.fill("#models-search input, #models-search textarea", "page")
    expect(page.locator(".x-model")).to_contain_text(["<b>page"])
    page.locator(".x-model").first.click()
    expect(details.locator(".x-problems").first).to_be_visible()
    expect(page.locator("#models-use")).to_have_count(0)


def test_a_lora_joins_the_chosen_checkpoints(visit: Visit, many: Served) -> None:
    page = visit()
    open_panel(page)
    page.fill("#models-search input, #models-search textarea", "style-007")
    expect(page.locator(".x-model")).to_have_count(1)
    page.locator(".x-model").click()
    page.click("#models-use")
    expect(page.locator("#form-models")).to_contain_text("shapes-base+style-007:1")


def test_deleting_asks_first_and_bundled_models_stay(visit: Visit, many: Served) -> None:
    page = visit()
    open_panel(page)
    file = many.explorer.settings.loras / "style-199.safetensors"
    page.fill("#models-search input, #models-search textarea", "style-199")
    expect(page.locator(".x-model")).to_have_count(1)
    page.locator(".x-model").click()
    page.click("#models-ask")
    expect(page.locator("#models-confirm")).to_contain_text("Delete style-199")
    page.click("#models-keep")
    assert file.exists()
    page.click("#models-ask")
    page.click("#models-delete")
    wait_until(lambda: not file.exists(), "the file is gone")
    page.fill("#models-search input, #models-search textarea", "shapes-base")
    page.locator(".x-model").first.click()
    expect(page.locator("#models-use")).to_be_visible()
    expect(page.locator("#models-ask")).to_have_count(0)


def test_offline_nothing_is_looked_up(visit: Visit, many: Served) -> None:
    page = visit()
    open_panel(page)
    page.fill("#models-search input, #models-search textarea", "style-008")
    expect(page.locator(".x-model")).to_have_count(1)
    page.locator(".x-model").click()
    expect(page.locator("#models-details")).to_contain_text("style-008")
    expect(page.locator("#identify-one")).to_have_count(0)
    expect(page.locator("#identify-all")).to_have_count(0)


def test_the_page_answers_while_files_are_being_read(
    visit: Visit, many: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files are held back; what is known is listed, and they join when they were read."""
    reached, opened = threading.Event(), threading.Event()
    read = library_module.read_model

    def held(*arguments: Any) -> Any:
        reached.set()
        assert opened.wait(120)
        return read(*arguments)

    monkeypatch.setattr(library_module, "read_model", held)
    new = many.explorer.settings.checkpoints / "new"
    for number in range(30):
        write_model(new / f"photo-{number:02d}.safetensors", SD15)
    scan = threading.Thread(target=many.explorer.library.files)
    scan.start()
    assert reached.wait(60)
    try:
        page = visit()
        open_panel(page)
        expect(page.locator("#models-reading")).to_contain_text("Reading")
        page.fill("#models-search input, #models-search textarea", "photo-")
        expect(page.locator("#models-list")).to_contain_text("No model is like that")
        expect(page.locator("#form-models")).to_contain_text("shapes-base")
    finally:
        opened.set()
        scan.join()
    expect(page.locator(".x-model")).to_have_count(30, timeout=30_000)
    expect(page.locator("#models-reading")).to_have_count(0)
    page.locator("#models .toggle-button").click()
    expect(page.locator("#form-models")).to_contain_text("shapes-base")
    page.locator("#form-models input").click()
    expect(page.get_by_role("option", name="photo-07")).to_be_visible()
