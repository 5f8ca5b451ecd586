"""What talking to a model behind an API comes to: a reply, or an error that says whether to try again."""

from dataclasses import dataclass
from typing import NoReturn, Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service said.

    Attributes:
        text: The reply; "" when it is empty.
        refusal: Why it would not reply; None if it did.
        input_tokens: What it counted.
        output_tokens: Likewise.
    """

    text: str
    refusal: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class ServiceError(Exception):
    """A service that did not reply.

    Attributes:
        again: Whether trying again may help.
        wait: Seconds it wants to be left alone; None: it does not say.
        fatal: Whether every further request would fail the same way.
    """

    def __init__(
        self, message: str, *, again: bool = False, wait: float | None = None, fatal: bool = False
    ) -> None:
        """Say what is wrong; the key is taken out of it later."""
        super().__init__(message)
        self.again, self.wait, self.fatal = again, wait, fatal


class Service(Protocol):
    """One way to talk to a model."""

    def ask(self, picture: bytes, text: str) -> Reply:
        """Send a picture (JPEG) with a text.

        Raises:
            ServiceError: There is no reply.
        """

    def say(self, text: str) -> Reply:
        """Send a text alone.

        Raises:
            ServiceError: There is no reply.
        """


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it says none, or a date."""
    try:
        return max(float(value or ""), 0.0)
    except ValueError:
        return None


def refused(name: str, status: int, said: str, wait: float | None) -> NoReturn:
    """Turn a status of HTTP into what to do about it.

    Raises:
        ServiceError: Always.
    """
    if status in (401, 403):
        raise ServiceError(f"{name} does not accept the key ({said}); give another one.", fatal=True)
    if status == 404:
        raise ServiceError(f"{name} is not there ({said}); check model and address.", fatal=True)
    if status == 429:
        raise ServiceError(f"{name} wants fewer requests ({said}); try again later.", again=True, wait=wait)
    if status >= 500 or status == 408:
        raise ServiceError(f"{name} failed with status {status} ({said}); try again.", again=True, wait=wait)
    raise ServiceError(f"{name} refused the request with status {status} ({said}).")
