"""Hugging Face: what is in a repository, which of it is needed, what the Hub's cache has already."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from explorer.downloads.offers import Choice, Offer, RemoteFile, file_kind, precision_of
from explorer.downloads.shelving import is_safe_path, safe_name
from explorer.downloads.sources import HubCollection, HubSource
from explorer.downloads.web import Web
from explorer.errors import AccessRefused, DownloadError

# The pictures are drawn without it, and it is as large as a model.
NEEDLESS_PARTS = ("safety_checker",)
_WEIGHTS = re.compile(
    r"(?P<base>diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<variant>[a-z0-9_]+?))?(?P<shard>-\d{5}-of-\d{5})?(?:\.(?P<late>[a-z0-9_]+))?\.safetensors"
)
_INDEX = re.compile(r"(?P<base>[\w.]+?)\.safetensors\.index(?:\.(?P<variant>[a-z0-9_]+))?\.json")


def look_up_repository(web: Web, source: HubSource) -> Offer:
    """What a repository, or one file of it, offers.

    Raises:
        DownloadError: The Hub has no such repository or does not answer.
        UnknownName: The repository has no such file.
    """
    revision = "" if source.revision == "main" else f"/revision/{quote(source.revision, safe='')}"
    data = web.json(f"/api/models/{quote(source.repo)}{revision}?blobs=true", f"repository {source.repo}")
    if not isinstance(data, dict):
        raise DownloadError(f"{web.site.name} gave no usable answer about {source.repo}. Try again later.")
    commit = str(data.get("sha") or source.revision)
    files = tuple(_file(web, source.repo, commit, entry) for entry in _records(data.get("siblings")))
    card = data["cardData"] if isinstance(data.get("cardData"), dict) else {}
    tags = [str(tag) for tag in data.get("tags") or () if isinstance(tag, str)]
    whole = any(file.name == "model_index.json" for file in files) and not source.file
    offer = Offer(
        source=str(source),
        site="hf",
        name=source.repo,
        page=f"{web.site.endpoint}/{source.repo}",
        layout="diffusers" if whole else "files",
        files=files,
        kind="LoRA" if "lora" in tags else _pipeline_class(data),
        base=", ".join(_texts(card.get("base_model"))) or _pipeline_class(data),
        version=commit,
        licence=_licence(card, tags),
        gated=f"its terms must be accepted ({data['gated']})" if data.get("gated") else "",
        trigger_words=tuple(_texts(card.get("instance_prompt"))),
    )
    if source.file:
        return replace(offer, chosen=(offer.file(source.file).name,))
    return replace(offer, chosen=_chosen(web, offer))


def look_up_collection(web: Web, source: HubCollection) -> Offer:
    """The repositories of a collection, to choose from.

    Raises:
        DownloadError: The Hub has no such collection or does not answer.
    """
    data = web.json(f"/api/collections/{quote(source.slug)}", f"collection {source.slug}")
    items = _records(data.get("items")) if isinstance(data, dict) else []
    models = [str(item["id"]) for item in items if item.get("type") == "model" and item.get("id")]
    return Offer(
        source=str(source),
        site="hf",
        name=str(data.get("title") or source.slug) if isinstance(data, dict) else source.slug,
        page=f"{web.site.endpoint}/collections/{source.slug}",
        layout="collection",
        description=str(data.get("description") or "") if isinstance(data, dict) else "",
        choices=tuple(Choice(f"hf:{model}", model) for model in models),
    )


def folder_files(offer: Offer, components: set[str] | None, variant: str) -> dict[str, RemoteFile]:
    """The files a diffusers folder needs, by the path each gets in the folder.

    Weights of a precision lose the mark of it in their name, so that the folder loads as any other.

    Args:
        offer: Of a repository with a model_index.json.
        components: Folders that its index names; None takes every folder that has weights or configs.
        variant: Preferred precision, such as "fp16"; empty prefers the unmarked weights.

    Raises:
        DownloadError: A part has weights only as pickled files.
    """
    needed: dict[str, RemoteFile] = {}
    parts: dict[str, list[RemoteFile]] = {}
    for file in offer.files:
        folder, _, name = file.name.rpartition("/")
        if not folder and name == "model_index.json":
            needed[name] = file
        elif folder and "/" not in folder and _is_needed(folder, components):
            parts.setdefault(folder, []).append(file)
    for folder, files in parts.items():
        weights = _weights(files, variant)
        if not weights and any(file.kind == "pickle" for file in files):
            raise DownloadError(
                f"{offer.name} has its {folder} only as a pickled file, which can run code when it is "
                "opened. Choose a repository with .safetensors files."
            )
        configs = {f.name: f for f in files if f.kind == "config" and ".index." not in f.name}
        needed |= configs | weights
    return needed


def _is_needed(folder: str, components: set[str] | None) -> bool:
    return folder not in NEEDLESS_PARTS and (components is None or folder in components)


def cached_file(cache: Path, source: HubSource, offer: Offer, file: RemoteFile) -> Path | None:
    """The same file as the Hub's own library fetched it earlier, if it is there."""
    folder = cache / f"models--{source.repo.replace('/', '--')}"
    if file.sha256 and (folder / "blobs" / file.sha256).is_file():
        return folder / "blobs" / file.sha256
    path = folder / "snapshots" / offer.version / file.name
    return path.resolve() if path.is_file() else None


def components_of(index: object) -> set[str] | None:
    """The folders a model_index.json names; None when it is unusable."""
    if not isinstance(index, dict):
        return None
    return {
        name
        for name, value in index.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[0]
    }


def read_index(web: Web, offer: Offer) -> set[str] | None:
    """The folders that the repository's own index names; None when it may not be read yet."""
    url = offer.file("model_index.json").url.removeprefix(web.site.endpoint)
    try:
        return components_of(web.json(url, f"model_index.json of {offer.name}"))
    except AccessRefused:
        return None


def _chosen(web: Web, offer: Offer) -> tuple[str, ...]:
    """What is fetched when nothing is chosen: the whole folder, or the one file there is."""
    if offer.layout == "diffusers":
        try:
            return tuple(file.name for file in folder_files(offer, read_index(web, offer), "").values())
        except DownloadError:
            return ()
    weights = [file.name for file in offer.files if file.kind == "weights" and file.usable]
    return tuple(weights) if len(weights) == 1 else ()


def _weights(files: list[RemoteFile], variant: str) -> dict[str, RemoteFile]:
    """The weights of one part in one precision, with their index when they are split."""
    found: dict[str, dict[str, RemoteFile]] = {}
    for file in files:
        folder, _, name = file.name.rpartition("/")
        match = _WEIGHTS.fullmatch(name)
        if match:
            mark = match["variant"] or match["late"] or ""
            # Shards keep their names: their index names them.
            local = name if match["shard"] else f"{match['base']}.safetensors"
            found.setdefault(mark, {})[f"{folder}/{local}"] = file
    for file in files:
        folder = file.name.rpartition("/")[0]
        is_index, mark, local = _index_variant(file.name)
        if is_index and mark in found:
            found[mark][f"{folder}/{local}"] = file
    for wanted in (variant, "", "fp16", "bf16", "fp32"):
        if wanted in found:
            return found[wanted]
    return next(iter(found.values()), {})


def _index_variant(name: str) -> tuple[bool, str, str]:
    """Whether a file is the index of split weights, of which precision, and its plain name."""
    match = _INDEX.fullmatch(name.rpartition("/")[2])
    if match is None:
        return False, "", ""
    base, _, mark = match["base"].partition(".")
    return True, match["variant"] or mark, f"{base}.safetensors.index.json"


def _file(web: Web, repo: str, commit: str, entry: dict[str, Any]) -> RemoteFile:
    name = str(entry.get("rfilename") or "")
    if not is_safe_path(name):
        return RemoteFile(safe_name(name), url="", note="its name could lead out of the workspace")
    large = entry["lfs"] if isinstance(entry.get("lfs"), dict) else {}
    size = large.get("size", entry.get("size"))
    digest = str(large.get("sha256") or large.get("oid") or "").removeprefix("sha256:").lower()
    kind = file_kind(name)
    return RemoteFile(
        name=name,
        url=f"{web.site.endpoint}/{quote(repo)}/resolve/{quote(commit, safe='')}/{quote(name)}",
        size=size if isinstance(size, int) and size >= 0 else None,
        sha256=digest if re.fullmatch(r"[0-9a-f]{64}", digest) else "",
        kind=kind,
        precision=precision_of(name) if kind == "weights" else "",
        note="pickled: can run code when it is opened" if kind == "pickle" else "",
    )


def _licence(card: dict[str, Any], tags: list[str]) -> str:
    named = _texts(card.get("license")) or [t.partition(":")[2] for t in tags if t.startswith("license:")]
    more = [str(card[key]) for key in ("license_name", "license_link") if card.get(key)]
    return ", ".join([*named, *more])


def _pipeline_class(data: dict[str, Any]) -> str:
    config = data.get("config")
    diffusers = config.get("diffusers") if isinstance(config, dict) else None
    return str(diffusers.get("_class_name") or "") if isinstance(diffusers, dict) else ""


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(v) for v in values if isinstance(v, str) and v]


def _records(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
