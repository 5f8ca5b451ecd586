"""What an answer that is no success means for the person, and what a broken file is."""

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from explorer.downloads.options import Site
from explorer.errors import AccessRefused, DownloadError

if TYPE_CHECKING:
    from explorer.downloads.exchange import Exchange

MAX_EXCUSE_BYTES = 16_384


class Trouble(Exception):
    """It did not work, but may later. Never reaches the person as it is."""

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        cure: str = "Try again later",
    ) -> None:
        """Say what happened, how long the server asked to wait, and what to do in the end."""
        super().__init__(message)
        self.retry_after, self.cure = retry_after, cure

    def final(self) -> DownloadError:
        """The error once patience has ended."""
        return DownloadError(f"{self} {self.cure}; what was fetched is kept.")


class RangeRefused(Exception):
    """The server says that the part asked for lies behind the end of the file."""

    def __init__(self, content_range: str) -> None:
        """Keep how long the server says the file is."""
        super().__init__("range refused")
        length = content_range.rpartition("/")[2]
        self.total = int(length) if length.isdigit() else None


def judge(site: Site, what: str, exchange: "Exchange") -> Exception:
    """The error for a response with status 400 or more.

    Args:
        site: Who was asked.
        what: What was asked for.
        exchange: The response; its body is read for the site's own words.
    """
    status, headers = exchange.response.status_code, exchange.response.headers
    if status in (408, 425, 429) or status >= 500:
        busy = "asks to slow down" if status == 429 else f"has a problem of its own (status {status})"
        return Trouble(f"{site.name} {busy}.", _retry_after(headers.get("retry-after", "")))
    if status == 416:
        exchange.leave()
        return RangeRefused(headers.get("content-range", ""))
    if not exchange.trusted:
        # A signed link that expired; asking the site again gives a fresh one.
        exchange.leave()
        return Trouble(f"The download link of {what} was refused (status {status}).")
    words = _words(_excuse(exchange))
    code = headers.get("x-error-code", "")
    if code == "GatedRepo":
        return _gated(site, what, status)
    if "early access" in words.lower() or "earlyaccess" in words.lower():
        return AccessRefused(
            f"{what} is in early access. Wait until it is over, or get access on its page{_and_token(site)}."
        )
    if code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound") or status in (404, 410):
        hidden = f" If it is private, set {site.token_name}." if code == "RepoNotFound" else ""
        return DownloadError(f"{site.name} has no {what}; look for a slip in the name.{hidden}")
    if status == 401:
        if site.token is None:
            return AccessRefused(f"{site.name} gives {what} to signed-in people only. {_set_token(site)}")
        return AccessRefused(
            f"{site.name} does not accept your token for {what}. Make a new one there. {_set_token(site)}"
        )
    if status in (403, 451):
        return AccessRefused(
            f"{site.name} does not let you have {what}. Its author may limit who can; look at its page."
        )
    return DownloadError(f"{site.name} refused {what} with status {status}. Try again later.")


def not_a_model(site: Site, name: str, start: bytes) -> DownloadError:
    """The error for a body that is not the file, by its first bytes."""
    text = start.lstrip()[:200].lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<")):
        return AccessRefused(
            f"{site.name} sent a web page instead of {name}; most likely it wants you to sign in. "
            f"{_set_token(site)}"
        )
    if text.startswith(b"version https://git-lfs"):
        return DownloadError(f"{name} only points to a file that was never uploaded. Choose another one.")
    if text.startswith((b"{", b"[")):
        words = _words(start)
        return DownloadError(f"{site.name} sent a message instead of {name}{f': {words}' if words else ''}.")
    return DownloadError(f"{name} is no .safetensors file, whatever its name says. Choose another one.")


def _excuse(exchange: "Exchange") -> bytes:
    import httpx

    try:
        return exchange.body(MAX_EXCUSE_BYTES)
    except (httpx.HTTPError, OSError):
        return b""


def _gated(site: Site, what: str, status: int) -> AccessRefused:
    if status == 401 or site.token is None:
        return AccessRefused(f"{what} is gated. Accept its terms on its page. {_set_token(site)}")
    return AccessRefused(
        f"{what} is gated, and your account has not been let in. Accept its terms on its page; some authors "
        "answer by hand, so it can take a while."
    )


def _set_token(site: Site) -> str:
    return f"Then set {site.token_name} to a token of your account, or give the token with the request."


def _and_token(site: Site) -> str:
    return f" and set {site.token_name}" if site.token is None else ""


def _words(body: bytes) -> str:
    """The site's own explanation, when it is short and plain."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    found = [data[key] for key in ("error", "message") if isinstance(data.get(key), str)]
    text = " ".join(" ".join(found).split())
    return "".join(c for c in text if c.isprintable())[:200].rstrip(".")


def _retry_after(value: str) -> float | None:
    """Seconds, from either form of the header."""
    if value.strip().isdigit():
        return float(value)
    try:
        from datetime import UTC, datetime

        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
