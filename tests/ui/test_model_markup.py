"""The Models panel's HTML: nothing that a file or a site says becomes markup."""

from pathlib import Path

from explorer.downloads import Finding, Identity
from explorer.events import Progress
from explorer.facts import ModelFacts
from explorer.types import ModelFile
from explorer.ui import model_markup

EVIL = "<img src=x onerror=alert(1)>"


def file_of(name: str = "ink", **facts: object) -> ModelFile:
    known = ModelFacts("lora", **facts)  # type: ignore[arg-type]
    return ModelFile("id", name, Path("ink.safetensors"), "single_file", 5, known)


def known_as(name: str) -> Identity:
    return Identity(name, EVIL, "LORA", EVIL, (EVIL,), EVIL, "civitai:1@2")


def test_details_show_the_page_as_text() -> None:
    shown = model_markup.details(file_of(page="https://civitai.com/models/1", title=EVIL, description=EVIL))
    assert "<dt>Page</dt><dd>https://civitai.com/models/1</dd>" in shown
    assert "<a" not in shown
    assert "<img" not in shown
    assert "<summary>About</summary>" in shown
    assert "About" not in model_markup.details(file_of())


def test_findings_are_escaped_and_say_where_they_are_kept() -> None:
    one = model_markup.findings([Finding(file_of(), known_as(EVIL))])
    assert "<img" not in one
    assert "Kept in the program" in one
    assert "Kept" not in model_markup.findings([Finding(file_of(), known_as("Ink"), "beside")])
    assert "does not know this file" in model_markup.findings([Finding(file_of(), None)])
    assert model_markup.findings([]) == ""
    assert "slow down" in model_markup.findings([], "Civitai asks to slow down.")
    assert "<img" not in model_markup.findings([Finding(file_of(), None)], EVIL)


def test_many_findings_are_a_sum_with_a_list_to_unfold() -> None:
    many = [Finding(file_of(f"{EVIL}{i}"), known_as("Ink") if i % 2 else None, "beside") for i in range(250)]
    shown = model_markup.findings(many)
    assert "Civitai knows 125 of 250 files." in shown
    assert "and 50 more" in shown
    assert "<img" not in shown


def test_how_far_it_is() -> None:
    assert "Reading 312 of 1,000 model files" in model_markup.reading(312, 1000)
    assert "width:31.2%" in model_markup.reading(312, 1000)
    assert model_markup.reading(7, 7) == ""
    assert "Reading ink, 50 % (3 of 12)" in model_markup.progress(Progress(3, 12, "reading ink, 50 %"))
    assert "(" not in model_markup.progress(Progress(0, 1, "asking Civitai"))
    assert "<img" not in model_markup.progress(Progress(0, 1, EVIL))
