"""Any server that speaks OpenAI's chat completions: services, and local ones such as vLLM or llama.cpp."""

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metrics.answerers.remote import RemoteSource
from metrics.answerers.service import Reply, Service, ServiceError, refused, retry_after
from metrics.backbones import describe

if TYPE_CHECKING:
    import httpx

OPENAI_URL = "https://api.openai.com/v1"
_MOST_TOKENS = 8_192
_SAID = 200


@dataclass(frozen=True)
class OpenAiSource(RemoteSource):
    """A model at an OpenAI-compatible server."""

    @property
    def kind(self) -> str:
        """Name of the kind of service."""
        return "openai"

    @property
    def needs_key(self) -> bool:
        """OpenAI does; local servers mostly do not."""
        return self.url.rstrip("/") == OPENAI_URL

    def service(self) -> Service:
        """The way to talk to it."""
        return _ChatCompletions(self)


class _ChatCompletions:
    """Sends requests by httpx."""

    def __init__(self, source: OpenAiSource) -> None:
        self._source = source
        # Some models take neither of the two; what they refuse is left out from then on.
        self._options: dict[str, Any] = {"temperature": 0, "max_tokens": _MOST_TOKENS}

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        session = self._source.session
        key = session.key.get_secret_value().strip() if session.key else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(headers=headers, timeout=session.timeout)

    def ask(self, picture: bytes, text: str) -> Reply:
        """Send a picture (JPEG) with a text.

        Raises:
            ServiceError: There is no reply.
        """
        url = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
        return self._send([{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}])

    def say(self, text: str) -> Reply:
        """Send a text alone.

        Raises:
            ServiceError: There is no reply.
        """
        return self._send(text)  # not every local server takes a list of one text

    def _send(self, content: str | list[dict[str, Any]]) -> Reply:
        import httpx

        asked = {"model": self._source.model, "messages": [{"role": "user", "content": content}]}
        name = self._source.card.id
        try:
            answer = self._client.post(
                f"{self._source.url.rstrip('/')}/chat/completions", json=asked | self._options
            )
        except httpx.TimeoutException:
            seconds = self._source.session.timeout
            raise ServiceError(f"{name} did not reply within {seconds:g} s; try again.", again=True) from None
        except httpx.HTTPError as error:
            problem = describe(error)
            raise ServiceError(
                f"{name} cannot be reached ({problem}); check the address.", again=True
            ) from None
        if answer.status_code != 200:
            unwanted = _unwanted(answer, self._options)
            if unwanted:
                del self._options[unwanted]
                raise ServiceError(f"{name} takes no {unwanted}.", again=True, wait=0.0)
            wait = retry_after(answer.headers.get("retry-after"))
            refused(name, answer.status_code, _said(answer), wait)
        return _read(name, answer)


def _read(name: str, answer: "httpx.Response") -> Reply:
    try:
        found = answer.json()
        choice = found["choices"][0]
        message, usage = choice["message"], found.get("usage") or {}
        text, refusal = message.get("content") or "", message.get("refusal")
        if choice.get("finish_reason") == "content_filter":
            refusal = refusal or "its filter"
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ServiceError(f"{name} sent what is no chat completion; check the address.") from None
    return Reply(str(text), f"{name} would not answer: {refusal}" if refusal else None, *tokens)


def _error(answer: "httpx.Response") -> dict[str, Any]:
    try:
        error = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return error if isinstance(error, dict) else {"message": str(error)}


def _said(answer: "httpx.Response") -> str:
    said = str(_error(answer).get("message") or answer.reason_phrase or "no reason given")
    return " ".join(said.split())[:_SAID]


def _unwanted(answer: "httpx.Response", options: dict[str, Any]) -> str | None:
    """The option that the model does not take; None when that is not what is wrong."""
    named = _error(answer).get("param") if answer.status_code == 400 else None
    return str(named) if named in options else None
