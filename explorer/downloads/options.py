"""What fetching needs to know: the two sites, where files go, and how patient to be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from explorer.errors import InvalidRequest
from explorer.settings import Settings

Cancel = Callable[[], bool]
"""Whether the person stopped the work; asked at least every tenth of a second."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Site:
    """A place that models come from, and the token that only this place may see."""

    name: str
    """As people say it."""
    endpoint: str
    """Base URL, without a slash at its end."""
    token: SecretStr | None = None
    token_name: str = ""
    """The environment variable to name in messages."""

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """Scheme, host and port: where the token may be sent."""
        return origin(self.endpoint)

    @property
    def loopback(self) -> bool:
        """Whether the site is on this machine, where plain http is safe."""
        return self.origin[1] in LOOPBACK

    def headers(self) -> dict[str, str]:
        """What identifies the person to the site.

        Raises:
            InvalidRequest: The token cannot be one.
        """
        secret = self.token.get_secret_value().strip() if self.token else ""
        if not secret:
            return {}
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise InvalidRequest(f"The token for {self.name} holds characters that no token has.")
        return {"Authorization": f"Bearer {secret}"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, in seconds, and how often to try again."""

    connect: float = 15.0
    read: float = 30.0
    attempts: int = 6
    """How often in a row an attempt may bring nothing."""
    first_wait: float = 1.0
    """Before the second attempt; doubles each time."""
    longest_wait: float = 120.0
    """A server that asks for more is not waited for."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Everything a Fetcher is given."""

    checkpoints: Path
    loras: Path
    hub: Site
    civitai: Site
    hub_cache: Path | None = None
    """Where the Hub's own library keeps what it fetched earlier; None takes its own place."""
    parallel: int = 3
    offline: bool = False
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As the program's settings have it."""
        return cls(
            checkpoints=settings.checkpoints,
            loras=settings.loras,
            hub=Site("Hugging Face", settings.hf_endpoint, settings.hf_token, "HF_TOKEN"),
            civitai=Site("Civitai", settings.civitai_endpoint, settings.civitai_token, "CIVITAI_TOKEN"),
            parallel=settings.downloads,
            offline=settings.offline,
        )

    @property
    def unfinished(self) -> Path:
        """Where files are until they are whole; the scan passes over it."""
        return self.checkpoints / ".downloads"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, comparable."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", "", None
    return parts.scheme.lower(), (parts.hostname or "").lower(), port
