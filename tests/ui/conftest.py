"""The real page on the real bundled models, and a real browser to look at it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from explorer import AnalyzeRequest, Explorer, GenerateRequest, Job, Run, Sampling, Settings

CHROMIUM = os.environ.get("EXPLORER_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
# Aborted requests of a page that is closed while it follows a job.
NOISE = (
    "AbortError",
    "net::ERR_ABORTED",
    "ERR_INCOMPLETE_CHUNKED",
    "Failed to fetch",
    "BodyStreamBuffer",
    "Connection errored",
)
MODELS = ("shapes-base", "shapes-early")
PROMPTS = (
    "a red circle on a white background",
    "a blue square on a beige background",
    "a green triangle on a black background",
    "a yellow star on a navy background",
    "two pink circles on a gray background",
    "a cyan diamond on a white background",
)


class Served(NamedTuple):
    """A page that is being served."""

    explorer: Explorer
    url: str


def wait_until(done: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app on an empty workspace, with its worker; shared by the tests of a file."""
    from explorer.ui.app import launch

    root = tmp_path_factory.mktemp("workspace")
    explorer = Explorer(Settings(root=root, device="cpu", offline=True, port=0))
    page, url = launch(explorer)
    explorer.start()
    yield Served(explorer, url)
    page.close(verbose=False)
    explorer.close()


@pytest.fixture(scope="module")
def finished(served: Served) -> Run:
    """A small run of both models, drawn in a few steps and scored."""
    explorer = served.explorer
    request = GenerateRequest(MODELS, prompts=PROMPTS, seeds=1, sampling=Sampling(steps=3))
    draw = explorer.queue.submit(request)
    score = explorer.queue.submit(AnalyzeRequest(), after=draw.id)
    wait_until(lambda: not explorer.queue.get(score.id).active, "small run scored")
    ended = [explorer.queue.get(job.id) for job in (draw, score)]
    assert ended[1].state == "done", [job.error for job in ended]
    return explorer.runs()[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    if shutil.which(CHROMIUM) is None and not Path(CHROMIUM).exists():
        missing = f"no Chromium at {CHROMIUM}; install it or set EXPLORER_CHROMIUM"
        if os.environ.get("EXPLORER_REQUIRE_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Open the page as a new visitor; afterwards nothing was wrong and nothing left this machine."""
    with visiting(browser, served) as open_page:
        yield open_page


@contextmanager
def visiting(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """As `visit`, for fixtures that keep a page longer than one test."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(noise in message.text for noise in NOISE):
            problems.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((served.url, "data:", "blob:")):
            problems.append(f"left this machine: {request.url}")

    def on_error(error: object) -> None:
        if not any(noise in str(error) for noise in NOISE):
            problems.append(f"script: {error}")

    def open_page(width: int = 1440, height: int = 900, *, dark: bool = False, query: str = "") -> Page:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", on_error)
        page.on("request", on_request)
        page.goto(served.url + query)
        page.wait_for_selector("#generate-button")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def active_jobs(explorer: Explorer) -> list[Job]:
    return [job for job in explorer.queue.newest() if job.active]
