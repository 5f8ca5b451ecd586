"""Gemini and Gemma behind Google's developer API, through google-generativeai.

Its messages and its low-level client are used, not `genai.configure`: that would keep the key
in a global of the library for as long as the program runs.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from metrics.answerers.remote import RemoteSource
from metrics.answerers.service import Reply, Service, ServiceError, refused, retry_after
from metrics.backbones import describe

GEMINI_URL = "https://generativelanguage.googleapis.com"
DEFAULT_MODEL = "gemma-3-27b-it"
# Models that think count their thoughts too.
_MOST_TOKENS = 8_192
_SAID = 200
# How the reasons to stop are numbered in the service's protocol.
_STOPPED = {
    3: "safety",
    4: "recitation",
    5: "another reason",
    7: "blocked words",
    8: "prohibited content",
    9: "private data",
}


@dataclass(frozen=True)
class GeminiSource(RemoteSource):
    """A model of Google's developer API."""

    @property
    def kind(self) -> str:
        """Name of the kind of service."""
        return "gemini"

    @property
    def needs_key(self) -> bool:
        """It answers nobody without one."""
        return True

    def service(self) -> Service:
        """The way to talk to it."""
        return _GenerateContent(self)


class _GenerateContent:
    """Sends requests by the client of the library, over REST."""

    def __init__(self, source: GeminiSource) -> None:
        self._source = source

    @cached_property
    def _protos(self) -> Any:
        # The library announces at import that it has a successor.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from google.generativeai import protos
        return protos

    @cached_property
    def _client(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from google.ai.generativelanguage import GenerativeServiceClient
            from google.api_core.client_options import ClientOptions

        session = self._source.session
        key = session.key.get_secret_value().strip() if session.key else ""
        options = ClientOptions(api_key=key, api_endpoint=self._source.url.rstrip("/"))
        client = GenerativeServiceClient(client_options=options, transport="rest")
        # The key travels in a header, which a redirect would take along to another host.
        transport: Any = client.transport
        transport._session.max_redirects = 0
        return client

    def ask(self, picture: bytes, text: str) -> Reply:
        """Send a picture (JPEG) with a text.

        Raises:
            ServiceError: There is no reply.
        """
        protos = self._protos
        blob = protos.Blob(mime_type="image/jpeg", data=picture)
        return self._send([protos.Part(inline_data=blob), protos.Part(text=text)])

    def say(self, text: str) -> Reply:
        """Send a text alone.

        Raises:
            ServiceError: There is no reply.
        """
        return self._send([self._protos.Part(text=text)])

    def _send(self, parts: list[Any]) -> Reply:
        protos, name = self._protos, self._source.card.id
        model = self._source.model
        request = protos.GenerateContentRequest(
            model=model if "/" in model else f"models/{model}",
            contents=[protos.Content(role="user", parts=parts)],
            generation_config=protos.GenerationConfig(temperature=0.0, max_output_tokens=_MOST_TOKENS),
        )
        try:
            found = self._client.generate_content(request, retry=None, timeout=self._source.session.timeout)
        except Exception as error:
            # The library, its transport and the parser of replies share no base class.
            self._refuse(name, error)
        return _read(name, found)

    def _refuse(self, name: str, error: Exception) -> NoReturn:
        from google.api_core.exceptions import GoogleAPICallError

        if isinstance(error, GoogleAPICallError):
            said = " ".join(str(error.message).split())[:_SAID]
            status = int(error.code or 500)
            if status == 400 and "api key" in said.lower():
                status = 401  # what this service says of a wrong key
            headers = getattr(error.response, "headers", {})
            refused(name, status, said, retry_after(headers.get("retry-after")) or _wanted_pause(error))
        # Its transport raises the errors of `requests`, which are errors of the system.
        if isinstance(error, OSError) and "Timeout" in type(error).__name__:
            seconds = self._source.session.timeout
            raise ServiceError(f"{name} did not reply within {seconds:g} s; try again.", again=True) from None
        if isinstance(error, OSError):
            problem = describe(error)
            raise ServiceError(
                f"{name} cannot be reached ({problem}); check the address.", again=True
            ) from None
        raise ServiceError(f"{name} sent what cannot be read ({describe(error)}).") from None


def _read(name: str, found: Any) -> Reply:
    usage = found.usage_metadata
    asked, whole = int(usage.prompt_token_count), int(usage.total_token_count)
    # What was thought is part of the total only, and is paid for as well.
    tokens = asked, max(int(usage.candidates_token_count), whole - asked)
    if not found.candidates:
        blocked = found.prompt_feedback.block_reason
        reason = f"{name} would not answer: {getattr(blocked, 'name', blocked).lower()}" if blocked else None
        return Reply("", reason, *tokens)
    candidate = found.candidates[0]
    text = "".join(part.text for part in candidate.content.parts)
    stopped = _STOPPED.get(int(candidate.finish_reason))
    return Reply(text, f"{name} would not answer: {stopped}" if stopped and not text else None, *tokens)


def _wanted_pause(error: Any) -> float | None:
    """Seconds that the details of an error ask to wait."""
    for detail in error.details or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return float(delay.seconds) + float(delay.nanos) / 1e9
    return None
