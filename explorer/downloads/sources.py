"""What people write or paste to name a model, read into what a site can be asked.

A page address is never opened itself: its ids are taken out of it, and the configured site is asked.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from explorer.errors import InvalidRequest

HUB_HOSTS = ("huggingface.co", "hf.co")
CIVITAI_HOSTS = ("civitai.com", "civitai.red", "civitai.green")
EXAMPLES = (
    "Write hf:owner/name, hf:owner/name/file.safetensors, civitai:ID, civitai:ID@VERSION, sha256:HASH, "
    "or paste the address of a model's page."
)

_REPO_PART = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_AIR = re.compile(r"(?:urn:)?(?:air:)?(?:[\w.-]+:[\w.-]+:)?(civitai|huggingface):([^?]+?)(?:\?.*)?", re.I)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on Hugging Face, or one file of it."""

    repo: str
    revision: str = "main"
    file: str = ""

    def __str__(self) -> str:
        """As people write it."""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repo}{revision}" + (f"/{self.file}" if self.file else "")


@dataclass(frozen=True, slots=True)
class HubCollection:
    """A list of repositories on Hugging Face."""

    slug: str

    def __str__(self) -> str:
        """As people write it."""
        return f"hf:collections/{self.slug}"


@dataclass(frozen=True, slots=True)
class CivitaiSource:
    """A model on Civitai (its newest version), one version, or whatever holds a file."""

    model: int = 0
    version: int = 0
    """0 takes the newest."""
    file_hash: str = ""

    def __str__(self) -> str:
        """As people write it."""
        if self.file_hash:
            return f"sha256:{self.file_hash}"
        return f"civitai:{self.model or ''}" + (f"@{self.version}" if self.version else "")


Source = HubSource | HubCollection | CivitaiSource


def parse(text: str, hub_host: str = "", civitai_host: str = "") -> Source:
    """Read a source.

    Args:
        text: What the person wrote.
        hub_host: Host of the configured Hugging Face, taken beside the well-known ones.
        civitai_host: Likewise for Civitai.

    Raises:
        InvalidRequest: It names nothing; says what can be written.
    """
    text = text.strip()
    if not text or len(text) > 2000 or not text.isprintable():
        raise InvalidRequest(f"No model is named. {EXAMPLES}")
    if "://" in text:
        return _page(text, (*HUB_HOSTS, hub_host), (*CIVITAI_HOSTS, civitai_host))
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme == "hf" and rest:
        return _hub_path(rest, text)
    if re.fullmatch(r"(?:(?:sha256|hash):)?([0-9a-fA-F]{64}|[0-9a-fA-F]{12}|[0-9a-fA-F]{10})", text):
        return CivitaiSource(file_hash=text.rpartition(":")[2].lower())
    air = _AIR.fullmatch(text)
    if air and air[1].lower() == "huggingface":
        return _hub_path(air[2], text)
    if air:
        return _civitai_ids(air[2], text)
    if text.count("/") == 1 and all(_REPO_PART.fullmatch(part) for part in text.split("/")):
        raise InvalidRequest(f"Where is {text}? For Hugging Face write hf:{text}.")
    raise _unknown(text)


def _hub_path(path: str, text: str) -> Source:
    """`owner/name[@revision][/file]`, or `collections/slug`."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "collections":
        return HubCollection(_checked("/".join(parts[1:3]), text))
    if len(parts) < 2:
        raise _unknown(text)
    name, _, revision = parts[1].partition("@")
    return _hub_source(f"{parts[0]}/{name}", revision or "main", parts[2:], text)


def _hub_source(repo: str, revision: str, file_parts: list[str], text: str) -> HubSource:
    if ".." in file_parts or not re.fullmatch(r"[\w.][\w./-]{0,200}", revision) or ".." in revision:
        raise _unknown(text)
    return HubSource(_checked(repo, text), revision, "/".join(file_parts))


def _checked(pair: str, text: str) -> str:
    parts = pair.split("/")
    if len(parts) != 2 or not all(_REPO_PART.fullmatch(part) for part in parts) or ".." in pair:
        raise _unknown(text)
    return pair


def _civitai_ids(ids: str, text: str) -> CivitaiSource:
    found = re.fullmatch(r"(\d{1,12})?(?:@(\d{1,12}))?(?:[:.].*)?", ids)
    if not found or not (found[1] or found[2]):
        raise _unknown(text)
    return CivitaiSource(int(found[1] or 0), int(found[2] or 0))


def _page(url: str, hub_hosts: tuple[str, ...], civitai_hosts: tuple[str, ...]) -> Source:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().removeprefix("www.")
    except ValueError:
        raise _unknown(url) from None
    path = [unquote(part) for part in parts.path.split("/") if part]
    if parts.scheme not in ("http", "https") or not host:
        raise _unknown(url)
    # The configured hosts may both be this machine (in tests): the look of the path decides then.
    if host in civitai_hosts and (host not in hub_hosts or _looks_like_civitai(path)):
        return _civitai_page(path, parse_qs(parts.query), url)
    if host in hub_hosts:
        return _hub_page(path, url)
    raise InvalidRequest(f"Models are fetched from Hugging Face and Civitai only, not from {host}.")


def _looks_like_civitai(path: list[str]) -> bool:
    return path[:1] == ["model-versions"] or path[:3] == ["api", "download", "models"] or (
        len(path) >= 2 and path[0] in ("models", "collections") and path[1].isdigit()
    )  # fmt: skip


def _hub_page(path: list[str], url: str) -> Source:
    if path[:1] == ["collections"] or len(path) < 2:
        return _hub_path("/".join(path), url)
    if path[0] in ("datasets", "spaces", "papers", "docs", "blog"):
        raise InvalidRequest(f"This is a page of Hugging Face's {path[0]}, not of a model. {EXAMPLES}")
    repo, view = "/".join(path[:2]), path[2:3]
    if view and view[0] in ("blob", "resolve", "tree", "raw"):
        file = path[4:] if view[0] != "tree" else []
        return _hub_source(repo, path[3] if len(path) > 3 else "main", file, url)
    return _hub_source(repo, "main", [], url)


def _civitai_page(path: list[str], query: dict[str, list[str]], url: str) -> CivitaiSource:
    if path[:1] == ["collections"]:
        raise InvalidRequest(
            "Civitai does not let programs list a collection. Open it, and paste the address of one model."
        )
    if path[:3] == ["api", "download", "models"] and len(path) == 4:
        return _civitai_ids(f"@{path[3]}", url)
    if path[:3] == ["api", "v1", "models"]:
        path = path[2:]
    if path[:1] == ["model-versions"] and len(path) >= 2:
        return _civitai_ids(f"@{path[1]}", url)
    if path[:1] == ["models"] and len(path) >= 2:
        version = query.get("modelVersionId", [""])[0]
        return _civitai_ids(f"{path[1]}@{version}" if version else path[1], url)
    raise _unknown(url)


def _unknown(text: str) -> InvalidRequest:
    text = text.partition("?")[0]  # what follows may be a token
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return InvalidRequest(f"{shown!r} names no model. {EXAMPLES}")
