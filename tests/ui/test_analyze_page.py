"""Choosing what to analyze and with what, by a person in front of the page."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL import ImageDraw
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Locator, Page, expect

from explorer import AnalyzeRequest, Explorer, Run, Settings
from explorer.requests import ImportRequest
from explorer.ui.app import launch
from tests.metrics.answerers.judges import KEY, Judge, judging
from tests.ui.conftest import Served, active_jobs, visiting, wait_until

pytestmark = pytest.mark.page
SLOW = 60_000
A1111 = "{}\nSteps: {}, Sampler: Euler a, CFG scale: 5, Seed: {}, Size: 96x96"
PROMPTS = {"red": "a red circle on a white background", "blue": "a blue circle on a white background"}


def draw(path: Path, color: str, seed: int, steps: int = 4) -> None:
    """A picture with the recipe that A1111 would write; without one for 0 steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Pillow.new("RGB", (96, 96), "white")
    ImageDraw.Draw(picture).ellipse((8 + 12 * seed, 20, 48 + 12 * seed, 60), fill=color)
    info = PngInfo()
    if steps:
        info.add_text("parameters", A1111.format(PROMPTS[color], steps, seed))
    picture.save(path, pnginfo=info)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A service that answers questions about pictures."""
    with judging() as judge:
        yield judge


@pytest.fixture(scope="module")
def served(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app on an empty workspace, with services on this machine."""
    root = tmp_path_factory.mktemp("workspace")
    addresses = {"gemini_url": judge.url, "openai_url": judge.url, "answers_per_minute": 60_000.0}
    explorer = Explorer(Settings(root=root, device="cpu", offline=True, port=0, google_key=None, **addresses))
    app, url = launch(explorer)
    explorer.start()
    yield Served(explorer, url)
    app.close(verbose=False)
    explorer.close()


@pytest.fixture(scope="module")
def opened(browser: Browser, served: Served) -> Iterator[Page]:
    """One page for all tests; in the end nothing was wrong with it."""
    with visiting(browser, served) as open_page:
        yield open_page()


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """The Analyze tab, entered anew, with its first choice of metrics."""
    open_analyze(opened)
    opened.click("#analyze-quick")
    expect(opened.locator("#analyze-estimate")).to_contain_text("2 metrics")
    yield opened
    opened.set_viewport_size({"width": 1440, "height": 900})


def open_analyze(page: Page) -> None:
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#generate-button")).to_be_visible()
    page.get_by_role("tab", name="Analyze").click()
    expect(page.locator("#analyze-metrics .x-pick").first).to_be_visible()


def toast(page: Page, text: str) -> Locator:
    return page.locator(".toast-body", has_text=text).last


def choose(page: Page, name: str, option: str) -> None:
    page.click(f"#{name} input")
    page.get_by_role("option", name=re.compile(option)).click()


def ticked(page: Page) -> list[str]:
    boxes = page.locator("#analyze-metrics input:checked")
    return [box.get_attribute("value") or "" for box in boxes.all()]


def counts(page: Page) -> str:
    return " ".join(page.locator("#analyze-inventory .x-counts").inner_text().split())


@pytest.fixture(scope="module")
def scored(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two models, imported and scored."""
    folder = tmp_path_factory.mktemp("made") / "first"
    for model in ("gamma", "delta"):
        for color in PROMPTS:
            for seed in range(2):
                draw(folder / model / f"{color}-{seed}.png", color, seed)
    explorer = served.explorer
    list(explorer.import_pictures(ImportRequest(str(folder), layout="folders", title="First")))
    run = explorer.runs()[0]
    list(explorer.analyze(AnalyzeRequest(("clip_score", "lpips_diversity"), run=run.id)))
    return run


@pytest.fixture
def shoot(served: Served) -> str:
    """A folder of the workspace: two models, pictures with and without recipes, one broken file."""
    folder = served.explorer.settings.pictures / "shoot"
    for model in ("alpha", "beta"):
        for color in PROMPTS:
            for seed in range(2):
                draw(folder / model / f"{color}-{seed}.png", color, seed)
    draw(folder / "beta" / "unknown.png", "red", 3, steps=0)
    whole = (folder / "alpha" / "red-0.png").read_bytes()
    (folder / "alpha" / "broken.png").write_bytes(whole[: len(whole) // 2])
    return "pictures/shoot"


def test_an_empty_workspace_says_what_to_do(page: Page) -> None:
    expect(page.locator("#analyze-empty")).to_contain_text("Draw pictures in the Generate tab")
    page.click("#analyze-button")
    expect(toast(page, "Choose a run or a folder first")).to_be_visible()
    expect(page.locator("#analyze-leaderboard-csv")).to_have_count(0)


def test_whole_folders_are_compared_with_a_set_of_the_workspace(
    scored: Run, page: Page, served: Served
) -> None:
    panel = page.locator("#analyze-references")
    box = page.locator("#analyze-metrics input[value=batch_quality]")
    box.check()
    expect(panel).to_contain_text("at least 50 good pictures into references")
    good = served.explorer.settings.references / "good"
    draw(good / "one.png", "red", 0)
    page.click("#analyze-nothing")
    expect(panel).to_have_count(0)
    open_analyze(page)
    box.check()
    expect(panel).to_contain_text("1 pictures are too few: it takes 50")
    expect(page.locator("#analyze-reference input")).to_have_value("references/good (1 pictures)")
    page.click("#analyze-button")
    expect(page.locator("#analyze-status h2")).to_contain_text("Done: scored", timeout=SLOW)
    request = served.explorer.queue.request(served.explorer.queue.newest()[0].id)
    assert isinstance(request, AnalyzeRequest)
    assert request.reference == str(good.resolve())


def test_a_service_is_asked_with_consent_and_a_key_that_is_forgotten(
    scored: Run, page: Page, served: Served, judge: Judge
) -> None:
    panel, note, button = (
        page.locator(f"#analyze-{name}") for name in ("answerer", "answerer-note", "button")
    )
    expect(panel).to_have_count(0)
    for metric in ("tifa", "soft_tifa"):
        page.locator(f"#analyze-metrics input[value={metric}]").check()
    expect(panel).to_be_visible()
    choose(page, "analyze-who", "^Gemini")
    expect(note).to_contain_text(f"at most {scored.images} requests")
    expect(note).to_contain_text("EXPLORER_GEMINI_URL")
    expect(note).to_contain_text("No key is set in the environment (EXPLORER_GOOGLE_KEY)")
    # A service tells no probabilities.
    expect(page.locator("#analyze-metrics input[value=soft_tifa]")).to_be_disabled()
    assert ticked(page) == ["clip_score", "tifa", "lpips_diversity"]
    assert page.locator(
        "#analyze-answerer-gemini input, #analyze-answerer-gemini textarea"
    ).input_value() == ("gemma-3-27b-it")
    button.click()
    expect(toast(page, "would get the pictures")).to_be_visible()
    page.locator("#analyze-consent input").check()
    button.click()
    expect(toast(page, "needs a key")).to_be_visible()
    page.fill("#analyze-answerer-key input", KEY)
    page.fill("#analyze-most-requests :is(input, textarea)", "3")
    assert judge.heard == []
    button.click()
    expect(page.locator("#analyze-answerer-key input")).to_have_value("")
    wait_until(lambda: not active_jobs(served.explorer), "the service was asked")
    assert len(judge.heard) == 3, "within the limit"
    request = served.explorer.queue.request(served.explorer.queue.newest()[0].id)
    assert isinstance(request, AnalyzeRequest)
    assert (request.answerer, request.most_requests) == ("gemini:gemma-3-27b-it", 3)
    assert KEY not in page.content()
    root = served.explorer.settings.root
    assert not [path for path in root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    choose(page, "analyze-who", "^OpenAI")
    expect(note).to_contain_text("EXPLORER_OPENAI_URL")
    expect(page.locator("#analyze-consent input")).not_to_be_checked()
    page.locator("#analyze-consent input").check()
    button.click()
    expect(toast(page, "Name the model")).to_be_visible()
    page.fill("#analyze-answerer-openai :is(input, textarea)", "some-model")
    page.locator("#analyze-metrics input[value=dsg]").check()
    expect(page.locator("#analyze-metrics")).to_contain_text("asks openai:some-model")
    expect(page.locator("#analyze-consent input")).to_be_checked()
    choose(page, "analyze-who", "^The network")
    expect(page.locator("#analyze-consent")).to_have_count(0)
    expect(page.locator("#analyze-metrics input[value=soft_tifa]")).to_be_enabled()


def test_a_folder_becomes_results_that_outlive_the_page(shoot: str, page: Page, served: Served) -> None:
    page.get_by_label("A folder of pictures").click()
    page.click("#analyze-folder input")
    page.get_by_role("option", name=shoot).click()
    page.click("#analyze-look")
    preview = page.locator("#analyze-preview")
    # Headers are looked at first; that pixels are missing shows when the picture is taken.
    expect(preview).to_contain_text("10 pictures of 2 prompts. Models: alpha (5), beta (5).", timeout=SLOW)
    expect(preview).to_contain_text("copied into the workspace")
    page.locator("#analyze-metrics input[value=ms_ssim_diversity]").check()
    page.click("#analyze-button")
    status = page.locator("#analyze-status h2")
    expect(status).to_contain_text("9 pictures taken in and scored, 1 file not taken", timeout=SLOW)
    expect(page.locator("#analyze-problems")).to_contain_text("Not taken")
    expect(page.locator("#analyze-problems")).to_contain_text("is damaged")
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(2)
    assert counts(page).startswith("9 pictures 2 models 2 prompts 2 seeds a prompt 0 blank")
    expect(page.locator("#analyze-inventory")).to_contain_text("1 picture without a known prompt")

    page.reload()
    open_analyze(page)
    expect(page.locator("#analyze-run")).to_contain_text("Pictures of shoot")
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        page.click("#analyze-scores-csv")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert "alpha" in text
    assert "ms_ssim_diversity" in text
    job = served.explorer.queue.newest()[0]
    assert (job.kind, job.state, served.explorer.runs()[0].models) == ("analyze", "done", ("alpha", "beta"))


def test_metrics_are_chosen_by_keyboard(scored: Run, page: Page) -> None:
    assert ticked(page) == ["clip_score", "lpips_diversity"]
    page.focus("#analyze-metrics input[value=clip_score]")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.dialog") == "metric-clip_score"
    page.focus("#analyze-metrics input[value=vendi]")
    page.keyboard.press("Space")
    expect(page.locator("#analyze-estimate")).to_contain_text("2 metrics")
    assert ticked(page) == ["lpips_diversity", "vendi"]
    assert page.evaluate("document.activeElement.value") == "vendi"

    page.focus("#analyze-nothing")
    page.keyboard.press("Enter")
    expect(page.locator("#analyze-estimate")).to_contain_text("Tick at least one metric")
    page.click("#analyze-button")
    expect(toast(page, "Choose at least one metric")).to_be_visible()
    page.click("#analyze-everything")
    expect(page.locator("#analyze-metrics input[value=vendi]")).to_be_checked()
    assert not {"pickscore", "reference_similarity"} & set(ticked(page))


def test_a_larger_tier_asks_before_it_fetches(page: Page) -> None:
    expect(page.locator("#analyze-metrics input[value=pickscore]")).to_be_disabled()
    choose(page, "analyze-tier", "^Standard")
    expect(page.locator("#analyze-metrics input[value=pickscore]")).to_be_enabled()
    expect(page.locator("#analyze-metrics")).to_contain_text("licence")
    assert ticked(page) == ["clip_score", "lpips_diversity"]
    expect(page.locator("#analyze-download")).to_contain_text("MB first")
    choose(page, "analyze-tier", "^Bundled")
    expect(page.locator("#analyze-download")).to_have_count(0)


DIALOGS = """() => [...document.querySelectorAll("[data-dialog^=metric-]")].map((button) => {
  const dialog = document.getElementById(button.dataset.dialog);
  button.focus();
  button.click();
  const seen = [dialog.open, dialog.innerText, dialog.scrollWidth - dialog.clientWidth];
  dialog.close();
  return [button.dataset.dialog, ...seen, dialog.open, document.activeElement === button];
})"""


def test_every_metric_explains_itself_and_gives_the_keyboard_back(page: Page, served: Served) -> None:
    dialog = page.locator("#metric-vendi")
    expect(dialog).not_to_be_visible()
    page.focus("[data-dialog=metric-vendi]")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert page.evaluate("document.activeElement.dataset.dialog") == "metric-vendi"
    page.click("[data-dialog=metric-vendi]")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).not_to_be_visible()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found = {name: rest for name, *rest in page.evaluate(DIALOGS)}
        assert set(found) == {f"metric-{card.id}" for card in served.explorer.metrics()}
        for card in served.explorer.metrics():
            opened, text, too_wide, still_open, focused = found[f"metric-{card.id}"]
            assert (opened, too_wide, still_open, focused) == (True, 0, False, True), card.id
            assert card.question in text
            assert "An example" in text
    assert ticked(page) == ["clip_score", "lpips_diversity"], "reading is not choosing"


def test_a_tick_made_while_the_page_looks_things_up_is_kept(
    page: Page, served: Served, scored: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, go_on, runs = threading.Event(), threading.Event(), served.explorer.runs

    def slow() -> list[Run]:
        looking.set()
        assert go_on.wait(SLOW)
        return runs()

    with monkeypatch.context() as patch:
        patch.setattr(served.explorer, "runs", slow)
        open_analyze(page)
        wait_until(looking.is_set, "the tab was entered")
        page.locator("#analyze-metrics input[value=clip_score]").uncheck()
        page.locator("#analyze-metrics input[value=vendi]").check()
        # The page has told all it knows of: only then the answer to its entering comes.
        expect(page.locator("#analyze-estimate")).to_contain_text("2 metrics")
        page.evaluate("() => { window.seen = document.querySelector('#analyze-metrics .x-pick'); }")
        go_on.set()
        choose(page, "analyze-tier", "^Standard")
        expect(page.locator("#analyze-metrics input[value=pickscore]")).to_be_enabled()
    assert ticked(page) == ["lpips_diversity", "vendi"]
    choose(page, "analyze-tier", "^Bundled")
    expect(page.locator("#analyze-metrics input[value=pickscore]")).to_be_disabled()
    assert ticked(page) == ["lpips_diversity", "vendi"]


def test_another_local_model_asks_to_be_fetched(page: Page) -> None:
    page.locator("#analyze-metrics input[value=tifa]").check()
    choose(page, "analyze-who", "^Another one")
    expect(page.locator("#analyze-download")).to_contain_text("Fetch 1,539 MB first")
    choose(page, "analyze-answerer-local", "^qwen3-vl-2b")
    expect(page.locator("#analyze-download")).to_contain_text("Fetch 4,255 MB first")
    choose(page, "analyze-who", "^The network")
    expect(page.locator("#analyze-download")).to_have_count(0)


def test_several_runs_and_some_of_their_models(
    page: Page, served: Served, scored: Run, tmp_path: Path
) -> None:
    explorer = served.explorer
    for seed in range(2):
        draw(tmp_path / "second" / "gamma" / f"{seed}.png", "red", seed, steps=9)
    second = ImportRequest(str(tmp_path / "second"), layout="folders", title="Second")
    list(explorer.import_pictures(second))
    before = len(explorer.runs())
    open_analyze(page)
    expect(page.locator("#analyze-empty")).to_contain_text("no scores yet")
    page.click("#analyze-run input")
    page.get_by_role("option", name=re.compile("First")).click()
    page.keyboard.press("Escape")
    expect(page.locator("#analyze-empty")).to_contain_text("Several runs are chosen")
    expect(page.locator("#analyze-inventory")).to_contain_text("gamma was drawn with several settings")
    assert len(explorer.runs()) == before
    page.click("#analyze-together")
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(2)
    expect(page.locator("#analyze-run")).to_contain_text("2 runs together: ")
    assert explorer.runs()[0].images == scored.images + 2
    page.click("#analyze-models input")
    page.get_by_role("option", name="delta").click()
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(1)
    assert counts(page).startswith("4 pictures 1 model 2 prompts 2 seeds a prompt")
    with page.expect_download() as download:
        page.click("#analyze-leaderboard-csv")
    assert "gamma" not in Path(download.value.path()).read_text(encoding="utf-8")
    page.click("#analyze-button")
    expect(page.locator("#analyze-status h2")).to_contain_text("Done: scored", timeout=SLOW)
    asked = explorer.queue.request(explorer.queue.newest()[0].id)
    assert isinstance(asked, AnalyzeRequest)
    assert asked.models == ("delta",)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Results of another workspace."""
    for seed in range(2):
        draw(tmp_path / "made" / "omega" / f"{seed}.png", "blue", seed)
    other = Explorer(Settings(root=tmp_path / "other", device="cpu", offline=True))
    list(other.import_pictures(ImportRequest(str(tmp_path / "made"), layout="folders", title="From afar")))
    list(other.analyze(AnalyzeRequest(("ms_ssim_diversity",))))
    path = other.export("bundle", tmp_path / "afar.zip")
    other.close()
    return path


def test_a_results_bundle_is_looked_at_and_then_taken(page: Page, served: Served, bundle: Path) -> None:
    page.get_by_role("button", name="Import a results bundle").click()
    torn = bundle.with_name("torn.zip")
    torn.write_bytes(bundle.read_bytes()[:400])
    page.set_input_files("#bundle-file input[type=file]", torn)
    expect(page.locator("#bundle-file")).to_contain_text("torn", timeout=SLOW)
    page.click("#bundle-look")
    expect(toast(page, "no whole zip file")).to_be_visible()
    expect(page.locator("#bundle-start")).to_be_disabled()

    page.click("#bundle-file [aria-label=Clear]")
    page.set_input_files("#bundle-file input[type=file]", bundle)
    expect(page.locator("#bundle-file")).to_contain_text("afar", timeout=SLOW)
    page.click("#bundle-look")
    preview = page.locator("#bundle-preview")
    expect(preview).to_contain_text("From afar", timeout=SLOW)
    expect(preview).to_contain_text("2 of 1 prompt")
    expect(preview).to_contain_text("omega (2)")
    expect(preview).to_contain_text("ms_ssim_diversity (bundled)")
    runs = len(served.explorer.runs())
    page.click("#bundle-start")
    expect(page.locator("#bundle-status")).to_contain_text("2 new pictures", timeout=SLOW)
    expect(page.locator("#analyze-run")).to_contain_text("From afar")
    expect(page.locator("#analyze-leaderboard tbody tr")).to_have_count(1)
    assert len(served.explorer.runs()) == runs + 1
    assert not list((served.explorer.settings.root / "gradio").rglob("afar.zip"))


def test_kept_features_are_cleared_after_a_second_yes(page: Page, served: Served, scored: Run) -> None:
    explorer = served.explorer
    scores = explorer.selections.kept().scores
    assert explorer.selections.kept().features_bytes > 0
    page.get_by_role("button", name="Kept features and scores").click()
    text = page.locator("#kept-text")
    expect(text).to_contain_text(f"{scores} scores")
    expect(text).to_contain_text("costs time, not results")
    page.click("#kept-clear")
    page.click("#kept-no")
    expect(page.locator("#kept-yes")).to_have_count(0)
    assert explorer.selections.kept().features_bytes > 0
    page.click("#kept-clear")
    page.click("#kept-yes")
    expect(text).to_contain_text("Kept features: 0 MB")
    expect(page.locator("#kept-clear")).to_be_disabled()
    assert explorer.selections.kept() == (0, scores)


def test_a_telephone_needs_no_sideways_scrolling(page: Page, scored: Run) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#analyze-metrics input[value=tifa]").check()
    for name in ("Import a results bundle", "Kept features and scores"):
        panel = page.get_by_role("button", name=name)
        if not page.locator("#bundle-look, #kept-clear").nth(0 if "bundle" in name else -1).is_visible():
            panel.click()
    expect(page.locator("#analyze-who")).to_be_visible()
    for dark in (False, True):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    expect(page.locator("#analyze-button")).to_be_in_viewport()
    page.evaluate("document.body.classList.remove('dark')")
