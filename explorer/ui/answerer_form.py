"""Who answers questions about pictures: the network of the tier, another one here, or a service."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import gradio as gr
from gradio.components import Component
from pydantic import SecretStr

from explorer.answering import Answering, asks, is_service
from explorer.api import Explorer
from explorer.errors import InvalidRequest
from explorer.requests import AnalyzeRequest
from explorer.ui import answerer_markup
from explorer.ui.forms import FormData, read_limit, read_secret
from explorer.ui.metric_cards import Situation
from metrics import NAMED_ANSWERERS, answerer_id

Updates = dict[Component, Any]
Who = Literal["tier", "local", "gemini", "openai"]
WHO: dict[Who, str] = {
    "tier": "The network chosen above",
    "local": "Another one on this computer",
    "gemini": "Gemini",
    "openai": "OpenAI-compatible server",
}
GEMINI = answerer_id("gemini").partition(":")[2]
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNNAMED = "openai:?"
_AWAY = "They leave this computer; what happens to them there is up to the service's terms."
_HERE = "The server is on this computer."


@dataclass(frozen=True)
class AnswererForm:
    """The widgets of an `AnalyzeRequest` that say who answers, and what that may cost."""

    panel: gr.Column
    """Shown only while a metric is ticked that asks."""
    who: gr.Dropdown
    local: gr.Dropdown
    gemini: gr.Textbox
    openai: gr.Textbox
    note: gr.HTML
    limits: gr.Row
    key: gr.Textbox
    """Read when work begins, and emptied then."""
    most_requests: gr.Textbox
    most_dollars: gr.Textbox
    consent: gr.Checkbox
    """Whether pictures may leave this computer."""

    @property
    def asked(self) -> set[Component]:
        """What says who it is."""
        return {self.who, self.local, self.gemini, self.openai}

    @property
    def read(self) -> set[Component]:
        """Everything that is read when work begins."""
        return {*self.asked, self.key, self.most_requests, self.most_dollars, self.consent}

    @property
    def shown(self) -> list[Component]:
        """What a choice of metrics, pictures or answerer changes."""
        chosen = [self.panel, self.local, self.gemini, self.openai, self.note, self.limits]
        return [*chosen, self.key, self.most_dollars, self.consent]


def build_answerer() -> AnswererForm:
    """Lay it out, hidden."""
    with gr.Column(visible=False, elem_id="analyze-answerer", elem_classes="x-aside") as panel:
        who = gr.Dropdown(
            [(label, name) for name, label in WHO.items()],
            value="tier",
            label="Who answers the questions",
            elem_id="analyze-who",
        )
        local = gr.Dropdown(
            [(answerer_markup.named(name, each.card), name) for name, each in NAMED_ANSWERERS.items()],
            value=next(iter(NAMED_ANSWERERS)),
            label="Model",
            visible=False,
            elem_id="analyze-answerer-local",
        )
        gemini = gr.Textbox(
            GEMINI, label="Model", max_lines=1, visible=False, elem_id="analyze-answerer-gemini"
        )
        openai = gr.Textbox(
            label="Model",
            placeholder="its id at the server",
            max_lines=1,
            visible=False,
            elem_id="analyze-answerer-openai",
        )
        note = gr.HTML(elem_id="analyze-answerer-note")
        key = gr.Textbox(
            label="Key, for this analysis only; not kept",
            type="password",
            max_lines=1,
            visible=False,
            elem_id="analyze-answerer-key",
        )
        with gr.Row(visible=False, elem_classes="x-choose") as limits:
            requests = gr.Textbox(
                label="Requests at most", placeholder="any number", max_lines=1, min_width=120,
                elem_id="analyze-most-requests",
            )  # fmt: skip
            dollars = gr.Textbox(
                label="Dollars at most", placeholder="any sum", max_lines=1, min_width=120,
                elem_id="analyze-most-dollars",
            )  # fmt: skip
        consent = gr.Checkbox(label="Send the pictures", visible=False, elem_id="analyze-consent")
    return AnswererForm(panel, who, local, gemini, openai, note, limits, key, requests, dollars, consent)


def answerer_name(form: AnswererForm, data: FormData) -> str:
    """Who is to answer, as requests name it; "" for the network of the tier."""
    who: Who = data[form.who]
    if who == "tier":
        return ""
    if who == "local":
        return f"local:{data[form.local]}"
    model = str(data[form.gemini if who == "gemini" else form.openai] or "").strip()
    return f"{who}:{model or GEMINI}" if who == "gemini" else f"openai:{model}" if model else _UNNAMED


def with_answerer(request: AnalyzeRequest, form: AnswererForm, data: FormData) -> AnalyzeRequest:
    """A request that asks who was chosen; unchanged where no metric asks.

    Raises:
        InvalidRequest: The model is not named, a limit is no number, or pictures may not be sent.
    """
    name = answerer_name(form, data)
    if not name or not any(map(asks, request.metrics)):
        return request
    if not is_service(name):
        return replace(request, answerer=name)
    if name == _UNNAMED:
        raise InvalidRequest("Name the model of the OpenAI-compatible server.")
    if not data[form.consent]:
        raise InvalidRequest(
            f"{name} would get the pictures. Tick that they may be sent, or let a model here answer."
        )
    requests = read_limit("number of requests", data[form.most_requests])
    if requests is not None and not requests.is_integer():
        raise InvalidRequest(f"The number of requests must be a whole number, not {requests:g}.")
    return replace(
        request,
        answerer=name,
        most_requests=None if requests is None else int(requests),
        most_dollars=read_limit("sum in dollars", data[form.most_dollars]),
    )


def read_key(request: AnalyzeRequest, form: AnswererForm, data: FormData) -> SecretStr | None:
    """The key as typed, for a service only."""
    return read_secret(data[form.key]) if is_service(request.answerer) else None


def show_answerer(
    explorer: Explorer, form: AnswererForm, chosen: Iterable[str], situation: Situation
) -> Updates:
    """Bring the choice up to date with metrics, pictures and answerer."""
    asking = [metric for metric in chosen if asks(metric)]
    name, service = situation.answerer, situation.service
    kind = name.partition(":")[0]
    answering = Answering(explorer.settings)
    note, where = "", urlsplit("")
    if service:
        where = urlsplit(answering.address(name))
        request = AnalyzeRequest(tuple(asking), situation.tier, answerer=name)
        said = answering.estimate(request, situation.pictures) if situation.pictures else ""
        note = answerer_markup.of_service(answering, name, said)
    return {
        form.panel: gr.Column(visible=bool(asking)),
        form.local: gr.Dropdown(visible=kind == "local"),
        form.gemini: gr.Textbox(visible=kind == "gemini"),
        form.openai: gr.Textbox(visible=kind == "openai"),
        form.note: gr.HTML(note, visible=bool(note)),
        form.key: gr.Textbox(visible=service),
        form.limits: gr.Row(visible=service),
        form.most_dollars: gr.Textbox(visible=service and answering.priced),
        form.consent: gr.Checkbox(
            label=f"Send the pictures to {where.netloc}",
            info=_HERE if where.hostname in LOOPBACK else _AWAY,
            visible=service and bool(asking),
        ),
    }
