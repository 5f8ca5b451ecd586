"""Pictures made elsewhere, through the page: a person with a zip file, and what is said of it."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from explorer import Explorer, Settings
from explorer.errors import InvalidRequest
from explorer.imports import ImportPreview
from explorer.imports.preview import ImportRow, Unread
from explorer.imports.uploads import receive
from explorer.requests import ImportRequest
from explorer.ui.import_markup import ended_view, preview_view, progress_view
from explorer.ui.import_panel import build_import_panel, read_import
from explorer.ui.import_work import Looked, Taking
from tests.explorer.imports import samples
from tests.ui.conftest import Served, wait_until

SLOW = 60_000
COLORS = ("crimson", "royalblue", "seagreen")
PROMPTS = ("a red poster", "a blue poster", "a green poster")
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Two models' pictures with a list of prompts, in the folder that packing leaves, and a stray picture."""
    for model, size in (("dream", 96), ("late", 128)):
        for number, color in enumerate(COLORS):
            file = tmp_path / "mine" / model / f"gen_{number:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Pillow.new("RGB", (size, size), color).save(file)
    samples.png(tmp_path / "mine" / "late" / "cover.png")
    (tmp_path / "mine" / "prompts.txt").write_text("\n".join(PROMPTS), encoding="utf-8")
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted((tmp_path / "mine").rglob("*.*")):
            packed.write(file, file.relative_to(tmp_path))
    return archive


@pytest.fixture
def explorer(tmp_path: Path) -> Any:
    explorer = Explorer(Settings(root=tmp_path / "workspace", device="cpu", offline=True))
    yield explorer
    explorer.close()


def looked(explorer: Explorer, *files: Path, **more: Any) -> Looked:
    upload = receive(files, explorer.settings.root / "uploads")
    prompts = str(upload.prompts) if upload.prompts else ""
    return Looked(upload, ImportRequest(str(upload.pictures), prompts=prompts, **more), files)


def left(explorer: Explorer) -> list[Path]:
    return list((explorer.settings.root / "uploads").iterdir())


def test_the_preview_trusts_no_text_and_says_what_is_unknown() -> None:
    row = ImportRow(EVIL, EVIL, EVIL, -1, "", EVIL)
    found = ImportPreview((row,) * 20, (Unread(EVIL, EVIL),), 30, 14, 2, {EVIL: 30}, {}, (EVIL,))
    page = preview_view(found, (EVIL,))
    assert "<img" not in page
    assert page.count("<tr><th") == 1 + 12
    assert "30 pictures of 2 prompts" in page
    assert "and 18 more pictures" in page
    assert '<td data-label="Seed">unknown</td><td data-label="Sampler">unknown</td>' in page
    assert "14 files cannot be taken" in page
    assert "and 13 more" in page


def test_pictures_become_a_run_and_what_was_sent_is_away(explorer: Explorer, pack: Path) -> None:
    taking = Taking(explorer, looked(explorer, pack, title="Posters"))
    taking.work()
    assert (taking.error, taking.new, taking.known, taking.unread_files) == ("", 6, 0, 1)
    run = explorer.runs()[0]
    assert (run.id, run.title, run.models, run.cells) == (taking.run, "Posters", ("dream", "late"), 6)
    assert left(explorer) == []
    assert not pack.exists(), "neither is what the page kept of it"
    page = ended_view(taking)
    assert "6 new pictures, 1 not taken" in page
    assert "is not named gen_000.png" in page
    assert "6 new pictures" in progress_view(taking)


def test_the_same_again_is_the_same_run(explorer: Explorer, pack: Path) -> None:
    data = pack.read_bytes()
    runs = []
    for _ in range(2):
        pack.write_bytes(data)
        taking = Taking(explorer, looked(explorer, pack))
        taking.work()
        runs.append((taking.run, taking.new, taking.known))
    assert runs == [(runs[0][0], 6, 0), (runs[0][0], 0, 6)]


def test_after_a_failure_or_a_stop_nothing_is_left(explorer: Explorer, pack: Path, tmp_path: Path) -> None:
    nothing = Taking(explorer, looked(explorer, samples.png(tmp_path / "plain.png")))
    nothing.work()
    assert "None of the 1 pictures can be taken" in nothing.error
    assert nothing.run == ""
    assert (tmp_path / "plain.png").exists(), "another try needs it"
    assert str(tmp_path) not in ended_view(nothing)
    stopped = Taking(explorer, looked(explorer, pack))
    stopped.cancel.set()
    stopped.work()
    assert "Stopped" in stopped.error
    assert left(explorer) == []
    assert explorer.runs() == []


def test_the_form_becomes_a_request(explorer: Explorer, pack: Path) -> None:
    import gradio as gr

    with gr.Blocks():
        form = build_import_panel(explorer).form
    upload = receive([pack], explorer.settings.root / "uploads")
    blank: dict[Any, Any] = dict.fromkeys(form.widgets, "") | {form.layout: "auto", form.seeds: 1}
    request = read_import(form, blank, upload)
    assert request == ImportRequest(str(upload.pictures), prompts=str(upload.pictures / "prompts.txt"))
    own = read_import(
        form, blank | {form.prompts: " one\ntwo \n", form.model: " Dream ", form.seeds: 2}, upload
    )
    assert Path(own.prompts).read_text(encoding="utf-8") == "one\ntwo"
    assert (own.models, own.seeds) == ({"*": "Dream"}, 2)
    chosen = read_import(form, blank | {form.suite: "shapes"}, upload)
    assert (chosen.suite, chosen.prompts) == ("shapes", "")
    with pytest.raises(InvalidRequest, match="not both"):
        read_import(form, blank | {form.suite: "shapes", form.prompts: "one"}, upload)


@pytest.mark.page
def test_a_zip_of_two_models_becomes_a_run_in_the_gallery(
    visit: Callable[..., Page], served: Served, pack: Path
) -> None:
    page = visit()
    page.get_by_role("tab", name="Gallery").click()
    accordion = page.get_by_role("button", name="Import pictures made elsewhere")
    expect(page.locator("#import-look")).to_have_count(0)
    accordion.click()
    page.set_input_files("#import-files input[type=file]", pack)
    expect(page.locator("#import-files")).to_contain_text("mine", timeout=SLOW)
    expect(page.locator("#import-start")).to_be_disabled()

    page.click("#import-look")
    preview = page.locator("#import-preview")
    expect(preview).to_contain_text("6 pictures of 3 prompts. Models: dream (3), late (3).", timeout=SLOW)
    expect(preview.locator("tbody tr")).to_have_count(6)
    expect(preview.locator("tbody tr").first).to_contain_text("a red poster")
    expect(preview).to_contain_text("late/cover.png: is not named gen_000.png")
    expect(preview).to_contain_text("The prompts are in prompts.txt.")

    page.fill("#import-title input, #import-title textarea", "Posters from elsewhere")
    expect(preview).to_be_hidden()
    expect(page.locator("#import-start")).to_be_disabled()
    page.click("#import-look")
    expect(page.locator("#import-start")).to_be_enabled(timeout=SLOW)

    page.click("#import-start")
    expect(page.locator("#import-status")).to_contain_text("6 new pictures, 1 not taken", timeout=SLOW)
    expect(page.locator("#gallery-grid .thumbnail-item")).to_have_count(6, timeout=SLOW)
    expect(page.locator("#gallery-run input")).to_have_value(re.compile("Posters from elsewhere"))
    wait_until(lambda: not list((served.explorer.settings.root / "uploads").iterdir()), "uploads are away")
    assert served.explorer.runs()[0].models == ("dream", "late")
    assert not list((served.explorer.settings.root / "gradio").rglob("*.zip"))
