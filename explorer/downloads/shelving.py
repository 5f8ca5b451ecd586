"""Gives what was fetched its name and its place in the workspace, with a card beside it.

Names come from the sites and are never trusted: no part of them can lead out of a folder.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explorer.downloads.offers import Offer, RemoteFile
from explorer.downloads.options import Cancel
from explorer.errors import Cancelled, DownloadError
from explorer.recognition.headers import read_header
from explorer.recognition.loras import find_lora
from explorer.recognition.sidecars import read_json_file
from explorer.whole_files import write_whole

MAX_NAME_BYTES = 180
MAX_DEPTH = 4
READ_BYTES = 4_000_000
# `+` and `:` join models and LoRAs in a reference; the rest some systems do not allow.
_FORBIDDEN = set('+:/\\*?"<>|')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
# Names that many models have; their repository says more.
_PLAIN_STEMS = ("model", "diffusion_pytorch_model", "pytorch_lora_weights", "lora", "adapter_model")


def safe_name(text: str, otherwise: str = "model") -> str:
    """A file name without folders, marks or tricks, short enough for any disk."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join("-" if c in _FORBIDDEN else c for c in text if c.isprintable())
    kept = " ".join(kept.split()).strip(" .-") or otherwise
    if kept.partition(".")[0].lower() in _RESERVED:
        kept = f"{otherwise}-{kept}"
    stem, dot, suffix = kept.rpartition(".")
    if not dot or len(suffix) > 12:
        stem, dot, suffix = kept, "", ""
    while len((stem + dot + suffix).encode()) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + dot + suffix


def is_safe_path(name: str) -> bool:
    """Whether a name from a listing stays inside the folder it is put into."""
    parts = name.split("/")
    return len(parts) <= MAX_DEPTH and all(
        part not in ("", ".", "..")
        and part.isprintable()
        and not set('\\:*?"<>|') & set(part)
        and len(part.encode()) <= MAX_NAME_BYTES
        for part in parts
    )


def model_name(offer: Offer, file: RemoteFile | None, wanted: str) -> str:
    """What a model is to be called: as the person wants, or as it says best itself.

    Args:
        offer: Where it comes from.
        file: The file, or None for a whole folder.
        wanted: The person's own name for it; may be empty.
    """
    if wanted:
        return safe_name(wanted.removesuffix(".safetensors"))
    short = offer.name.rpartition("/")[2] if offer.site == "hf" else offer.name
    if file is None:
        return safe_name(short)
    stem = file.name.rpartition("/")[2].removesuffix(".safetensors")
    return safe_name(short if stem.lower().partition(".")[0] in _PLAIN_STEMS else stem)


def is_adapter(path: Path) -> bool:
    """Whether a file is a LoRA or one of its relatives, by its header.

    Raises:
        InvalidRequest: It is damaged.
    """
    tensors = read_header(path).tensors
    return find_lora({name: tensor.shape for name, tensor in tensors.items()}) is not None


def put(source: Path, target: Path) -> None:
    """Give a whole file or folder its name; it is there whole or not at all.

    Raises:
        DownloadError: Something else has this name already.
    """
    if target.exists() or target.is_symlink():
        raise DownloadError(f"There is another {target.name} already. Choose another name for this one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The two folders lie on different disks.
        near = target.with_name(f".{target.name}.moving")
        _remove(near)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, near)
        near.rename(target)
        _remove(source)


def take_from_cache(cached: Path, part: Path, cancel: Cancel) -> None:
    """A second name for a file of the Hub's cache, or a copy where disks do not allow that.

    Raises:
        Cancelled: The person stopped the work.
    """
    part.unlink(missing_ok=True)
    try:
        os.link(cached, part)
    except OSError:
        with part.open("wb") as copy:
            copy.writelines(blocks(cached, cancel))


def file_digest(path: Path, cancel: Cancel) -> str:
    """The SHA-256 of a file on disk.

    Raises:
        Cancelled: The person stopped the work.
    """
    digest = hashlib.sha256()
    for block in blocks(path, cancel):
        digest.update(block)
    return digest.hexdigest()


def blocks(path: Path, cancel: Cancel) -> Iterator[bytes]:
    """The bytes of a file in large parts.

    Raises:
        Cancelled: The person stopped the work.
    """
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            if cancel():
                raise Cancelled("Stopped.")
            yield block


def card_path(model: Path) -> Path:
    """Where the card of a model is: beside it, under its name."""
    return model.with_name(f"{model.name.removesuffix('.safetensors')}.json")


def read_card(model: Path) -> dict[str, Any]:
    """The card that was written for a model; empty when there is none."""
    data = read_json_file(card_path(model))
    return data if isinstance(data, dict) else {}


def write_card(model: Path, offer: Offer, file: RemoteFile | None, sha256: str) -> None:
    """Write what the site said beside a model, in words that other tools read too."""
    card = {
        "name": offer.name,
        # AUTOMATIC1111 and its relatives read these four.
        "description": offer.description[:2000],
        "sd version": offer.base,
        "activation text": ", ".join(offer.trigger_words),
        "notes": f"{offer.page}\n{offer.licence}".strip(),
        "baseModel": offer.base,
        "trainedWords": list(offer.trigger_words),
        "license": offer.licence,
        "kind": offer.kind,
        "source": offer.source,
        "page": offer.page,
        "version": offer.version,
        "file": file.name if file else "",
        "sha256": sha256,
    }
    write_whole(card_path(model), json.dumps(card, indent=1, ensure_ascii=False).encode())


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
