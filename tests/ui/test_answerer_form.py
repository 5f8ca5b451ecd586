"""Who answers: from the widgets to a request, and what is told before anything is asked."""

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from explorer import AnalyzeRequest, InvalidRequest, Settings
from explorer.answering import Answering, asks, needs_probabilities
from explorer.ui import answerer_markup
from explorer.ui.answerer_form import AnswererForm, build_answerer, read_key, with_answerer
from explorer.ui.metric_cards import Situation, offered, picker, without_download
from metrics import NAMED_ANSWERERS, list_metrics

CARDS = list_metrics()
TIFA = AnalyzeRequest(("clip_score", "tifa"))


@pytest.fixture
def form() -> AnswererForm:
    with gr.Blocks():
        return build_answerer()


def filled(form: AnswererForm, **changes: Any) -> dict[Any, Any]:
    return {widget: widget.value for widget in form.read} | {
        getattr(form, name): value for name, value in changes.items()
    }


def test_which_metrics_ask() -> None:
    assert {card.id for card in CARDS if asks(card.id)} == {"tifa", "dsg", "soft_tifa", "vqa_score"}
    assert {card.id for card in CARDS if needs_probabilities(card.id)} == {"soft_tifa", "vqa_score"}


@pytest.mark.parametrize(
    ("changes", "answerer"),
    [
        ({}, ""),
        ({"who": "local"}, "local:blip-vqa"),
        ({"who": "local", "local": "qwen3-vl-4b"}, "local:qwen3-vl-4b"),
        ({"who": "gemini", "consent": True}, "gemini:gemma-3-27b-it"),
        ({"who": "gemini", "consent": True, "gemini": " gemini-9 "}, "gemini:gemini-9"),
        ({"who": "gemini", "consent": True, "gemini": ""}, "gemini:gemma-3-27b-it"),
        ({"who": "openai", "consent": True, "openai": "gpt"}, "openai:gpt"),
    ],
)
def test_a_request_names_who_was_chosen(form: AnswererForm, changes: dict[str, Any], answerer: str) -> None:
    assert with_answerer(TIFA, form, filled(form, **changes)).answerer == answerer


def test_limits_arrive(form: AnswererForm) -> None:
    data = filled(form, who="gemini", consent=True, most_requests=" 40 ", most_dollars="0.25")
    request = with_answerer(TIFA, form, data)
    assert (request.most_requests, request.most_dollars) == (40, 0.25)


def test_where_no_metric_asks_nothing_of_it_is_read(form: AnswererForm) -> None:
    request = AnalyzeRequest(("clip_score",))
    data = filled(form, who="gemini", most_requests="many", key="k")
    assert with_answerer(request, form, data) == request
    assert read_key(request, form, data) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"who": "gemini"}, "would get the pictures"),
        ({"who": "openai", "consent": True}, "Name the model"),
        ({"who": "gemini", "consent": True, "most_requests": "many"}, "must be a number"),
        ({"who": "gemini", "consent": True, "most_requests": "2.5"}, "whole number"),
        ({"who": "gemini", "consent": True, "most_requests": "-1"}, "0 or more"),
        ({"who": "gemini", "consent": True, "most_requests": "inf"}, "0 or more"),
        ({"who": "gemini", "consent": True, "most_dollars": "nan"}, "0 or more"),
    ],
)
def test_what_cannot_be_asked_is_said(form: AnswererForm, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        with_answerer(TIFA, form, filled(form, **changes))


def test_a_key_is_read_for_a_service_only_and_never_shown(form: AnswererForm) -> None:
    data = filled(form, who="gemini", consent=True, key="secret-key")
    request = with_answerer(TIFA, form, data)
    key = read_key(request, form, data)
    assert key is not None
    assert key.get_secret_value() == "secret-key"
    assert "secret" not in repr(key) + repr(request)
    assert form.key.type == "password"
    assert read_key(TIFA, form, filled(form, key="secret-key")) is None


def test_a_service_without_key_or_price_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, google_key=None, openai_key=None)
    gemini = AnalyzeRequest(("tifa",), answerer="gemini")
    with pytest.raises(InvalidRequest, match="EXPLORER_GOOGLE_KEY"):
        Answering(settings).check_key(gemini)
    with pytest.raises(InvalidRequest, match="EXPLORER_OPENAI_KEY"):
        Answering(settings).check_key(AnalyzeRequest(("tifa",), answerer="openai:gpt"))
    Answering(settings).check_key(AnalyzeRequest(("clip_score",), answerer="gemini"))
    local = settings.model_copy(update={"openai_url": "http://127.0.0.1:1/v1"})
    Answering(local).check_key(AnalyzeRequest(("tifa",), answerer="openai:gpt"))
    with pytest.raises(InvalidRequest, match="EXPLORER_ANSWER_PRICE"):
        Answering(local).check_key(AnalyzeRequest(("tifa",), answerer="openai:gpt", most_dollars=1.0))


def test_what_a_service_means_is_told_with_names_of_settings_only(tmp_path: Path) -> None:
    keyed = Settings(root=tmp_path, google_key="secret-key", answer_price="0.1,0.2")  # type: ignore[arg-type]
    told = answerer_markup.of_service(Answering(keyed), "gemini:m", "At most <4> requests.")
    assert "A key is set in the environment" in told
    assert "secret" not in told
    assert "&lt;4&gt;" in told
    assert "EXPLORER_GEMINI_URL" in told
    assert "EXPLORER_ANSWER_PRICE" not in told
    bare = Settings(root=tmp_path, openai_key=None)
    told = answerer_markup.of_service(Answering(bare), "openai:m", "")
    assert "No key is set in the environment (EXPLORER_OPENAI_KEY)" in told
    assert "EXPLORER_OPENAI_URL" in told
    assert "EXPLORER_ANSWER_PRICE" in told


def test_cards_say_who_is_asked_and_who_cannot_be(tmp_path: Path) -> None:
    answering = Answering(Settings(root=tmp_path))
    service = Situation(answerer="gemini:m", answers=answering.card("gemini:m"), pictures=4)
    able = {card.id for card in CARDS if asks(card.id) and offered(card, service)}
    assert able == {"tifa", "dsg"}
    page = picker([card for card in CARDS if asks(card.id)], service)
    assert "one request a picture; asks gemini:m, which gets the pictures" in page
    assert "Needs probabilities, which services do not give" in page
    assert not set(without_download(CARDS, service)) & {card.id for card in CARDS if asks(card.id)}
    blip = NAMED_ANSWERERS["blip-vqa"].card
    here = Situation(answerer="local:blip-vqa", answers=blip, absent=(blip.id,))
    page = picker([card for card in CARDS if card.id in ("tifa", "clip_score")], here)
    assert f"fetches {blip.download_mb:,} MB once, licence {blip.licence}" in page
    assert "quick; nothing to fetch" in page, "others are not asked"
