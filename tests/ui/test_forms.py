import logging
from dataclasses import fields
from typing import Any, get_args

import gradio as gr
import pytest

from explorer import AnalyzeRequest, Explorer, GenerateRequest, InvalidRequest, Sampling
from explorer.batches import Batch
from explorer.requests import ImageQuery, SettingsChoice
from explorer.samplers import sampler_names
from explorer.types import Tier
from explorer.ui import forms
from explorer.ui.answerer_form import AnswererForm
from explorer.ui.gallery_form import build_gallery_form
from explorer.ui.generate_form import build_generate_form
from explorer.ui.reference_form import ReferenceForm
from explorer.ui.trigger_words import with_word


def names(record: type) -> set[str]:
    return {field.name for field in fields(record)}


@pytest.fixture
def both(explorer: Explorer) -> tuple[forms.GenerateForm, forms.ScoreForm]:
    with gr.Blocks():
        panel = build_generate_form(explorer, GenerateRequest(models=()))
    return panel.form, panel.score


def filled(form: Any, **changes: Any) -> dict[Any, Any]:
    values = {field.name: getattr(form, field.name).value for field in fields(form)} | changes
    return {getattr(form, name): value for name, value in values.items()}


def test_generate_widgets_are_the_request_fields() -> None:
    only_on_page = {"source"}
    assert names(forms.GenerateForm) - only_on_page == (names(GenerateRequest) - {"sampling"}) | names(
        Sampling
    )


def test_score_widgets_are_the_request_fields() -> None:
    elsewhere_on_page = {"run", "models", "folder"}
    analyze_tab_only = {"reference", "answerer", "most_requests", "most_dollars"}
    assert names(forms.ScoreForm) == names(AnalyzeRequest) - elsewhere_on_page - analyze_tab_only
    assert {"most_requests", "most_dollars"} <= names(AnswererForm)
    assert "reference" in names(ReferenceForm)


def test_gallery_widgets_are_query_fields() -> None:
    kept_by_tab = {"offset", "limit", "prompt_id"}
    assert names(forms.GalleryForm) == names(ImageQuery) - kept_by_tab


def test_choices_are_the_literals(
    both: tuple[forms.GenerateForm, forms.ScoreForm], explorer: Explorer
) -> None:
    generate, score = both
    assert [value for _, value in generate.sampler.choices] == sampler_names()
    assert [value for _, value in generate.settings.choices] == list(get_args(SettingsChoice))
    assert [value for _, value in score.tier.choices] == list(get_args(Tier))
    with gr.Blocks():
        gallery = build_gallery_form(explorer)
    assert {value for _, value in gallery.sort.choices} == {"prompt", "newest", "score"}


def test_untouched_form_is_the_default_request(both: tuple[forms.GenerateForm, forms.ScoreForm]) -> None:
    generate, score = both
    request = forms.read_generate(generate, filled(generate, models=["tiny-a"], suite=["tiny"]))
    assert request == GenerateRequest(models=("tiny-a",), suite="tiny")
    assert forms.read_analyze(score, filled(score), run="r") == AnalyzeRequest(run="r")


def test_every_field_arrives(both: tuple[forms.GenerateForm, forms.ScoreForm]) -> None:
    generate, _ = both
    data = filled(
        generate,
        models=["a", "b+l:0.8"],
        suite=["s"],
        categories=["colour"],
        seeds=3,
        first_seed=7,
        sampler="Euler a",
        steps=11,
        guidance=2.5,
        width="96",
        height=" 128 ",
        clip_skip=2,
        long_prompts=True,
        weighting=True,
        negative=" blurry ",
        batch_size="4",
    )
    assert forms.read_generate(generate, data) == GenerateRequest(
        models=("a", "b+l:0.8"),
        suite="s",
        categories=("colour",),
        seeds=3,
        first_seed=7,
        sampling=Sampling("Euler a", 11, 2.5, 96, 128, 2, True, True),
        negative="blurry",
        batch_size=4,
    )


@pytest.mark.parametrize(
    "batch",
    [
        Batch(GenerateRequest(("a", "b+l:0.8"), suite="s", categories=("c",), trigger_words=True)),
        Batch(
            GenerateRequest(
                ("a",),
                suite="s",
                seeds=3,
                first_seed=7,
                sampling=Sampling("Euler a", 11, 2.5, 96, 128, 2, True, True),
                negative="blurry",
                batch_size=4,
            ),
            ("t", "u"),
            AnalyzeRequest(("clip_score",), "standard"),
        ),
        Batch(GenerateRequest(("a",), prompts=("one", "two"), settings="own")),
    ],
)
def test_a_form_filled_with_a_batch_asks_for_it(
    both: tuple[forms.GenerateForm, forms.ScoreForm], batch: Batch
) -> None:
    generate, score = both
    shown = filled(generate, suite=["s"], prompts="kept") | filled(score)
    put = forms.fill_forms(generate, score, batch)
    assert set(put) == forms.widgets(generate, score)
    skipped = gr.skip()
    shown |= {widget: value for widget, value in put.items() if value != skipped}
    assert forms.read_batch(generate, score, shown) == batch


def test_own_prompts_replace_the_suite(both: tuple[forms.GenerateForm, forms.ScoreForm]) -> None:
    generate, _ = both
    data = filled(generate, source="own", prompts="one\n\n  two  \n", suite=["s"], categories=["colour"])
    request = forms.read_generate(generate, data)
    assert (request.prompts, request.suite, request.categories) == (("one", "two"), "", ())
    kept = forms.read_generate(generate, filled(generate, source="suite", prompts="one", suite=["s"]))
    assert (kept.prompts, kept.suite) == ((), "s")


def test_a_models_own_settings_leave_the_others_unread(
    both: tuple[forms.GenerateForm, forms.ScoreForm],
) -> None:
    generate, _ = both
    data = filled(generate, models=["a"], suite=["s"], settings="own", steps=None, guidance=3, width="96")
    request = forms.read_generate(generate, data)
    assert (request.settings, request.sampling) == ("own", Sampling(width=96))


def test_trigger_words_are_asked_for_with_a_suite_only(
    both: tuple[forms.GenerateForm, forms.ScoreForm],
) -> None:
    generate, _ = both
    data = filled(generate, models=["a"], suite=["s"], prompts="one", trigger_words=True)
    assert forms.read_generate(generate, data).trigger_words
    assert not forms.read_generate(generate, data | {generate.source: "own"}).trigger_words


@pytest.mark.parametrize(
    ("prompts", "after"),
    [
        ("", "inky"),
        (" \n", "inky"),
        ("a fox", "a fox, inky"),
        ("a fox, \n\nan Inky cat\na dog\n", "a fox, inky\n\nan Inky cat\na dog, inky\n"),
    ],
)
def test_a_word_goes_to_the_end_of_each_prompt_that_lacks_it(prompts: str, after: str) -> None:
    assert with_word(prompts, "inky") == after


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seeds", None, "number of seeds is empty"),
        ("steps", 2.5, "must be a whole number"),
        ("width", "wide", "width must be a number"),
        ("source", "own", "at least one prompt"),
    ],
)
def test_unusable_fields_are_named(
    both: tuple[forms.GenerateForm, forms.ScoreForm], field: str, value: Any, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        forms.read_generate(both[0], filled(both[0], **{field: value}))


def test_known_errors_are_shown_as_they_are() -> None:
    with pytest.raises(gr.Error, match="Choose a model"), forms.ui_errors():
        raise InvalidRequest("Choose a model.")


def test_unexpected_errors_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as shown, forms.ui_errors():
        raise KeyError("secret detail")
    assert shown.value.message == forms.UNEXPECTED
    assert "secret detail" in caplog.text
