"""Naming local files in a real browser, by a Civitai on this machine."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from explorer import Explorer, Settings
from tests.fake_hub import Answer, FakeServer, Seen, reply, serving
from tests.ui.conftest import Served
from tests.ui.test_models_panel import open_panel, write_loras

pytestmark = pytest.mark.page
Visit = Callable[..., Page]
PATH = "/api/v1/model-versions/by-hash"
SEARCH = "#models-search input, #models-search textarea"


@pytest.fixture(scope="module")
def civitai() -> Iterator[FakeServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def served(civitai: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page that may ask the network, on a workspace with LoRAs that say too little."""
    from explorer.ui.app import launch

    root = tmp_path_factory.mktemp("workspace")
    write_loras(root / "models" / "loras", 5)
    explorer = Explorer(Settings(root=root, device="cpu", port=0, civitai_endpoint=civitai.url))
    page, url = launch(explorer)
    yield Served(explorer, url)
    page.close(verbose=False)
    explorer.close()


def known(seen: Seen) -> Answer:
    """Civitai knows every second hash, under a name with markup in it."""
    versions = [
        {
            "id": 22,
            "modelId": 11,
            "name": "v2",
            "baseModel": "SD 1.5",
            "trainedWords": ["ink wash"],
            "model": {"name": "<img src=x onerror=alert(1)>Ink", "type": "LORA"},
            "files": [{"hashes": {"SHA256": digest}}],
        }
        for digest in json.loads(seen.body)[::2]
    ]
    return reply(versions)


def choose(page: Page, name: str) -> None:
    page.fill(SEARCH, name)
    expect(page.locator(".x-model")).to_have_count(1)
    page.locator(".x-model").click()
    expect(page.locator("#models-details h3")).to_have_text(name)


def test_one_file_is_looked_up(visit: Visit, served: Served, civitai: FakeServer) -> None:
    page = visit()
    open_panel(page)
    choose(page, "style-001")
    details, status = page.locator("#models-details"), page.locator("#identify-status")
    expect(details).to_contain_text("Sends only the file's hash")
    civitai.answers[PATH] = reply([])
    page.click("#identify-one")
    expect(status).to_contain_text("style-001: Civitai does not know this file.")
    civitai.answers[PATH] = known
    page.click("#identify-one")
    expect(details).to_contain_text("<img src=x onerror=alert(1)>Ink v2")
    expect(details).to_contain_text("ink wash")
    expect(details).to_contain_text(f"{civitai.url}/models/11?modelVersionId=22")
    expect(status).to_contain_text("<img src=x onerror=alert(1)>Ink v2")
    assert page.locator("#models img, #models-details a").count() == 0
    assert (served.explorer.settings.loras / "style-001.civitai.info").exists()


def test_trouble_is_told_and_the_button_comes_back(visit: Visit, civitai: FakeServer) -> None:
    civitai.answers[PATH] = reply({}, 429, Retry_After="3600")
    page = visit()
    open_panel(page)
    choose(page, "style-002")
    page.click("#identify-one")
    expect(page.locator("#identify-status")).to_contain_text("Civitai asks to slow down")
    expect(page.locator("#identify-one")).to_be_enabled()
    expect(page.locator("#identify-stop")).to_have_count(0)


def test_all_unknown_files_are_looked_up_and_it_can_be_stopped(
    visit: Visit, served: Served, civitai: FakeServer
) -> None:
    asked, go = threading.Event(), threading.Event()

    def slow(seen: Seen) -> Answer:
        asked.set()
        go.wait(60)
        return reply([])  # whether or not somebody still listens, nothing is found

    civitai.answers[PATH] = slow
    page = visit()
    open_panel(page)
    status, every = page.locator("#identify-status"), page.locator("#identify-all")
    expect(every).to_have_text("Look up 4 files on Civitai")
    every.click()
    assert asked.wait(60)
    expect(status).to_contain_text("Asking Civitai (4 of 4)")
    page.click("#identify-stop")
    expect(status).to_contain_text("Stopped")
    go.set()
    civitai.answers[PATH] = known
    expect(every).to_be_enabled()
    every.click()
    expect(status).to_contain_text("Civitai knows 2 of 4 files.")
    expect(every).to_have_text("Look up 2 files on Civitai")
