"""Civitai's public interface: models, versions, their files, and whose file a hash is."""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from explorer.downloads.offers import Choice, Offer, RemoteFile, file_kind
from explorer.downloads.shelving import safe_name
from explorer.downloads.sources import CivitaiSource
from explorer.downloads.web import Web
from explorer.errors import DownloadError
from explorer.facts import clean_text
from explorer.recognition.metadata import MAX_WORDS

BATCH = 100
"""How many hashes one request may ask for."""
_USES = {
    "Image": "selling pictures",
    "Rent": "paid services",
    "RentCivit": "Civitai's service",
    "Sell": "selling",
}
FETCHABLE = ("Checkpoint", "LORA", "LoCon", "DoRA", "VAE")


class Identity(NamedTuple):
    """What Civitai knows about a local file."""

    name: str
    version: str
    kind: str
    base: str
    trigger_words: tuple[str, ...]
    page: str
    source: str


def look_up_model(web: Web, source: CivitaiSource) -> Offer:
    """What a model, one version of it, or the version that holds a file offers.

    Raises:
        DownloadError: Civitai has no such model, gives it to nobody, or does not answer.
    """
    wanted, only = source.version, ""
    model = source.model
    if not model:
        path, what = f"model-versions/{wanted}", f"model version {wanted}"
        if source.file_hash:
            path, what = f"model-versions/by-hash/{source.file_hash}", "model with this hash"
        version = _record(web.json(f"/api/v1/{path}", what), what)
        model, wanted = _id(version.get("modelId")), _id(version.get("id"))
        only = source.file_hash
    what = f"model {model}"
    data = _record(web.json(f"/api/v1/models/{model}", what), what)
    versions = _records(data.get("modelVersions"))
    if data.get("mode") in ("Archived", "TakenDown") or not versions:
        raise DownloadError(f"Civitai no longer gives out {data.get('name') or what}. Choose another one.")
    found = [v for v in versions if not wanted or _id(v.get("id")) == wanted]
    if not found:
        known = ", ".join(str(_id(v.get("id"))) for v in versions[:8])
        raise DownloadError(f"{data.get('name')} has no version {wanted} on Civitai. It has: {known}.")
    return _offer(web, data, found[0], only)


def identify_files(web: Web, hashes: Iterable[str]) -> dict[str, Identity]:
    """What Civitai knows about local files, by SHA-256; files it does not know are left out.

    Raises:
        DownloadError: Civitai does not answer.
    """
    wanted = list(dict.fromkeys(digest.lower() for digest in hashes))
    known: dict[str, Identity] = {}
    for batch in _batches(wanted):
        answer = web.json("/api/v1/model-versions/by-hash", "list of hashes", post=[d.upper() for d in batch])
        for version in _records(answer):
            digests = {_sha256(file) for file in _records(version.get("files"))}
            for digest in digests & set(batch):
                known[digest] = _identity(web, version)
    return known


def _identity(web: Web, version: dict[str, Any]) -> Identity:
    model = _dict(version.get("model"))
    model_id, version_id = _id(version.get("modelId")), _id(version.get("id"))
    return Identity(
        name=_text(model.get("name")),
        version=_text(version.get("name")),
        kind=_text(model.get("type")),
        base=_text(version.get("baseModel")),
        trigger_words=_words(version),
        page=_page(web, model_id, version_id),
        source=f"civitai:{model_id}@{version_id}",
    )


def _offer(web: Web, model: dict[str, Any], version: dict[str, Any], only: str) -> Offer:
    model_id, version_id = _id(model.get("id")), _id(version.get("id"))
    name = str(model.get("name") or f"model {model_id}")
    if version.get("usageControl") not in (None, "Download"):
        raise DownloadError(f"The author of {name} lets it be used on Civitai only; it cannot be downloaded.")
    files = _files(web, version)
    if only:
        files = tuple(file for file in files if file.sha256.startswith(only)) or files
    kind = str(model.get("type") or "")
    if kind and kind not in FETCHABLE:
        files = tuple(replace(file, note=f"a {kind}, which this program does not use") for file in files)
    offer = Offer(
        source=f"civitai:{model_id}@{version_id}",
        site="civitai",
        name=name,
        page=_page(web, model_id, version_id),
        layout="files",
        files=files,
        kind=kind,
        base=str(version.get("baseModel") or ""),
        version=str(version.get("name") or ""),
        description=_plain(str(model.get("description") or "")),
        licence=_terms(model),
        early_access=_early_access(version),
        trigger_words=_words(version),
        preview=_preview(version),
        choices=tuple(_choice(model_id, other) for other in _records(model.get("modelVersions"))),
    )
    return replace(offer, chosen=_first_choice(offer, version))


def _choice(model_id: int, version: dict[str, Any]) -> Choice:
    source = f"civitai:{model_id}@{_id(version.get('id'))}"
    return Choice(source, str(version.get("name") or ""), str(version.get("baseModel") or ""))


def _first_choice(offer: Offer, version: dict[str, Any]) -> tuple[str, ...]:
    """The main file of the version, if it can be used; else the one that can."""
    usable = [file.name for file in offer.files if file.usable]
    main = {_id(file.get("id")) for file in _records(version.get("files")) if file.get("primary")}
    first = [f.name for f in offer.files if f.usable and any(f.url.endswith(f"?fileId={i}") for i in main)]
    return tuple((first or usable)[:1]) if first or len(usable) == 1 else ()


def _files(web: Web, version: dict[str, Any]) -> tuple[RemoteFile, ...]:
    records = _records(version.get("files"))
    names = [safe_name(str(record.get("name") or "model")) for record in records]
    return tuple(
        # Some versions have two files of one name; a number tells them apart.
        _file(web, version, record, _numbered(name, _id(record.get("id"))) if names.count(name) > 1 else name)
        for record, name in zip(records, names, strict=True)
    )


def _file(web: Web, version: dict[str, Any], record: dict[str, Any], name: str) -> RemoteFile:
    about = _dict(record.get("metadata"))
    format_name = str(about.get("format") or "")
    kind = file_kind(name)
    note = ""
    if kind == "pickle" or format_name == "PickleTensor":
        kind, note = "pickle", "pickled: can run code when it is opened"
    elif record.get("virusScanResult") == "Danger" or record.get("pickleScanResult") == "Danger":
        note = "Civitai's own scan found it dangerous"
    elif str(record.get("type") or "Model") in ("Training Data", "Archive", "Config", "Workflow"):
        note = f"{record.get('type')}, no model"
    kilobytes = record.get("sizeKB")
    # The address in the listing may be refused where the number of the file is not.
    return RemoteFile(
        name=name,
        url=f"{web.site.endpoint}/api/download/models/{_id(version.get('id'))}?fileId={_id(record.get('id'))}",
        size=round(kilobytes * 1024) if isinstance(kilobytes, int | float) and kilobytes > 0 else None,
        size_exact=False,
        sha256=_sha256(record),
        kind=kind,
        precision=str(about.get("fp") or ""),
        note=note,
    )


def _terms(model: dict[str, Any]) -> str:
    """What the author allows, in words."""
    allowed = model.get("allowCommercialUse")
    # An older form of the answer is one word, or a list written as text: {Image,Rent}.
    listed = " ".join(map(str, allowed)) if isinstance(allowed, list) else str(allowed or "")
    uses = re.findall(r"\w+", listed)
    commercial = ", ".join(_USES.get(use, use) for use in uses if use != "None")
    parts = [f"commercial use: {commercial or 'none'}"] if allowed is not None else []
    for key, yes, no in (
        ("allowNoCredit", "no credit needed", "credit the author"),
        ("allowDerivatives", "merges allowed", "no merges"),
        ("allowDifferentLicense", "", "merges under the same terms"),
    ):
        if isinstance(model.get(key), bool):
            parts.append(yes if model[key] else no)
    return "; ".join(part for part in parts if part)


def _early_access(version: dict[str, Any]) -> str:
    from datetime import UTC, datetime

    until = str(version.get("earlyAccessEndsAt") or version.get("earlyAccessDeadline") or "")
    with_zone = until.replace("Z", "+00:00")
    try:
        if datetime.fromisoformat(with_zone) > datetime.now(UTC):
            return f"until {until[:10]}"
    except (ValueError, TypeError):
        pass
    return "until its author ends it" if version.get("availability") == "EarlyAccess" and not until else ""


def _preview(version: dict[str, Any]) -> str:
    for image in _records(version.get("images")):
        harmless = image.get("nsfwLevel", 1) in (0, 1) and image.get("nsfw") in (None, False, "None")
        if (
            harmless
            and image.get("type", "image") == "image"
            and str(image.get("url", "")).startswith("http")
        ):
            return str(image["url"])
    return ""


def _plain(text: str) -> str:
    """HTML as plain text."""
    text = re.sub(r"(?i)<(?:br|/p|/li|/h\d)[^>]*>", "\n", text)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return "\n".join(line for line in (" ".join(part.split()) for part in text.splitlines()) if line)[:4000]


def _words(version: dict[str, Any]) -> tuple[str, ...]:
    words = version.get("trainedWords")
    listed = words[:MAX_WORDS] if isinstance(words, list) else []
    return tuple(text for word in listed if (text := _text(word).strip(" ,")))


def _page(web: Web, model_id: int, version_id: int) -> str:
    return f"{web.site.endpoint}/models/{model_id}?modelVersionId={version_id}"


def _sha256(file: dict[str, Any]) -> str:
    digest = str(_dict(file.get("hashes")).get("SHA256") or "").lower()
    return digest if re.fullmatch(r"[0-9a-f]{64}", digest) else ""


def _numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}{dot}{suffix}" if dot else f"{name}-{number}"


def _batches(hashes: list[str]) -> Iterator[list[str]]:
    rest = iter(hashes)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _record(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DownloadError(f"Civitai gave no usable answer about {what}. Try again later.")
    return value


def _records(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _text(value: object) -> str:
    """One line that may be shown and written down; empty when it is no text."""
    return clean_text(value) if isinstance(value, str) else ""
