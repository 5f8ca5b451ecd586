"""Asks the two sites, and only them, over the network.

Redirects are followed by hand: the token goes to the configured host alone, and to no other
host after a redirect; plain http and private addresses are refused unless the site itself is
on this machine.
"""

import ipaddress
import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from explorer.downloads.exchange import Exchange
from explorer.downloads.options import Cancel, Patience, Site, origin
from explorer.downloads.refusals import Trouble, judge
from explorer.errors import Cancelled, DownloadError

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 6
LOOK_UP_ATTEMPTS = 3
MAX_ANSWER_BYTES = 32_000_000
AGENT = "model-benchmark-explorer"
REDIRECTS = (301, 302, 303, 307, 308)


class Web:
    """Requests to one site. Opens connections only; keeps none and stores nothing."""

    def __init__(self, site: Site, patience: Patience, cancel: Cancel) -> None:
        """Remember whom to ask; asks nothing yet."""
        self.site, self.patience, self.cancel = site, patience, cancel
        self._tls: ssl.SSLContext | None = None

    def open(
        self, url: str, what: str, headers: dict[str, str] | None = None, post: object = None
    ) -> Exchange:
        """Send one request and follow redirects up to the final answer.

        Args:
            url: Where to ask; the token is sent when it is of the site's own origin.
            what: What is asked for, for messages.
            headers: Further headers.
            post: Sent as JSON when given.

        Raises:
            Trouble: It may work later.
            DownloadError: It will not work; says what to do.
            Cancelled: The person stopped the work.
        """
        trusted = True
        for _ in range(MAX_REDIRECTS):
            trusted = trusted and origin(url) == self.site.origin
            exchange = self._send(url, headers or {}, post, trusted)
            status, location = exchange.response.status_code, exchange.response.headers.get("location")
            if status not in REDIRECTS or not location:
                exchange.trusted = trusted
                if status >= 400:
                    raise judge(self.site, what, exchange)
                return exchange
            exchange.leave()
            url = urljoin(url, location)
        raise DownloadError(f"{self.site.name} sends {what} round in a circle. Try again later.")

    def json(self, path: str, what: str, post: object = None) -> Any:
        """The JSON answer of the site to a path, trying again when it is busy.

        Raises:
            DownloadError: There is no usable answer; says what to do.
            Cancelled: The person stopped the work.
        """
        # A person waits for this answer.
        patience = replace(self.patience, attempts=min(LOOK_UP_ATTEMPTS, self.patience.attempts))
        retries = Retries(patience, self.cancel)
        while True:
            try:
                exchange = self.open(self.site.endpoint + path, what, {"Accept": "application/json"}, post)
                return self._decoded(exchange)
            except Trouble as trouble:
                retries.wait(trouble)

    def _decoded(self, exchange: Exchange) -> Any:
        import httpx

        try:
            return json.loads(exchange.body(MAX_ANSWER_BYTES))
        except (httpx.HTTPError, OSError) as error:
            raise network_trouble(self.site, error) from error
        except (ValueError, RecursionError):
            raise DownloadError(
                f"{self.site.name} sent something else than an answer. A network that wants you to sign in "
                "does this, or a wrong endpoint in the settings."
            ) from None

    def _send(self, url: str, headers: dict[str, str], post: object, trusted: bool) -> Exchange:
        import httpx

        own = self.site.headers() if trusted else {}
        request: dict[str, Any] = {
            "method": "GET" if post is None else "POST",
            "url": url,
            "headers": {"User-Agent": AGENT, "Accept-Encoding": "identity"} | headers | own,
        }
        if post is not None:
            request["json"] = post
        try:
            return Exchange(
                lambda: self._connect(url), request, lambda: check_address(self.site, url), self.cancel
            )
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise DownloadError(f"{self.site.name} leads to an address that is none.") from None
        except (httpx.HTTPError, OSError) as error:
            raise network_trouble(self.site, error) from error
        except ImportError:
            raise DownloadError("The proxy in your environment needs the package socksio.") from None

    def _connect(self, url: str) -> "httpx.Client":
        import httpx

        encrypted = not url.startswith("http:")
        if encrypted and self._tls is None:
            self._tls = httpx.create_ssl_context()  # slow: it reads every root certificate
        limits = httpx.Timeout(self.patience.read, connect=self.patience.connect)
        # A proxy is for what is outside; it could not reach this machine's own servers.
        return httpx.Client(verify=self._tls or encrypted, timeout=limits, trust_env=not self.site.loopback)


class Retries:
    """Waits between attempts, longer each time, until patience ends."""

    def __init__(self, patience: Patience, cancel: Cancel, say: Callable[[str], None] | None = None) -> None:
        """Count from nothing; `say` is told why there is a wait."""
        self._patience, self._cancel, self._say = patience, cancel, say
        self._attempts = 0

    def progress(self) -> None:
        """Something came: be patient anew."""
        self._attempts = 0

    def wait(self, trouble: Trouble) -> None:
        """Wait before the next attempt.

        Raises:
            DownloadError: Patience is at its end.
            Cancelled: The person stopped the work.
        """
        self._attempts += 1
        seconds = min(self._patience.first_wait * 2 ** (self._attempts - 1), 30.0)
        if trouble.retry_after is not None:
            seconds = max(seconds, trouble.retry_after)
        if self._attempts >= self._patience.attempts or seconds > self._patience.longest_wait:
            raise trouble.final() from trouble
        if self._say:
            self._say(f"{trouble} Trying again in {max(1, round(seconds))} s.")
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._cancel():
                raise Cancelled("Stopped.")
            time.sleep(min(left, 0.1))


def check_address(site: Site, url: str) -> None:
    """Refuse an address that a site leads to and that could reach into the person's own network.

    Raises:
        DownloadError: It is no https, or inside a private network.
        OSError: Its name cannot be looked up.
    """
    if origin(url) == site.origin:
        return
    parts = urlsplit(url)
    allowed = ("https", "http") if site.loopback else ("https",)
    host = parts.hostname or ""
    if parts.scheme not in allowed or not host:
        raise DownloadError(f"{site.name} leads to an address without https; it was not followed.")
    if site.loopback or (_proxied(parts.scheme, host) and not _is_address(host)):
        return  # behind a proxy names are not looked up here
    for *_, where in socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM):
        if not _is_public(str(where[0])):
            raise DownloadError(f"{site.name} leads into a private network; it was not followed.")


def network_trouble(site: Site, error: Exception) -> Trouble:
    """What a broken or missing connection means."""
    import httpx

    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | socket.gaierror):
        return Trouble(
            f"{site.name} cannot be reached.",
            cure="Look at your network connection, then try again",
        )
    if isinstance(error, httpx.TimeoutException):
        return Trouble(f"{site.name} has stopped sending.")
    return Trouble(f"The connection to {site.name} broke.", cure="Try again")


def _proxied(scheme: str, host: str) -> bool:
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
