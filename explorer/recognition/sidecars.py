"""JSON files and pictures that other tools put beside a model.

A1111 (`x.json`), Civitai Helper (`x.civitai.info`), ComfyUI LoRA Manager (`x.metadata.json`),
SD.Next (`x.json`), Stability Matrix (`x.cm-info.json`) and InvokeAI name the same things in
different ways; here every known spelling is looked for in every file. Nothing in such a file
can do harm: it is small or not read, wrong types are passed over, texts are cleaned and cut.
"""

import contextlib
import html
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.errors import InvalidRequest
from explorer.facts import ModelFacts, RecommendedSettings, clean_text
from explorer.recognition.headers import open_regular
from explorer.recognition.metadata import MAX_WORDS, peft_config, split_words

MAX_SIDECAR_BYTES = 2_000_000
MAX_PREVIEW_BYTES = 30_000_000
SIDECARS = (".civitai.info", ".metadata.json", ".cm-info.json", ".json")
"""Endings behind the model's name, those that say most first."""
PREVIEWS = tuple(f"{middle}{end}" for middle in (".preview", ".thumb", "") for end in
                 (".png", ".jpg", ".jpeg", ".webp"))  # fmt: skip
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


def beside(stem: str, names: Iterable[str]) -> list[str]:
    """Which names in a folder belong to the model whose name without ending is `stem`."""
    there = set(names)
    return [stem + ending for ending in (*SIDECARS, *PREVIEWS) if stem + ending in there]


def facts_from_sidecars(files: Iterable[Path]) -> ModelFacts:
    """What the files beside a model say; the first that says a thing wins. Never raises."""
    facts = ModelFacts()
    for path in files:
        if path.name == "adapter_config.json":
            facts = facts.or_else(peft_config(read_text(path)))
        elif path.name.endswith(SIDECARS):
            facts = facts.or_else(_read_json(path))
        elif facts.preview is None and _is_picture(path):
            facts = facts.or_else(ModelFacts(preview=path))
    return facts


def read_text(path: Path, limit: int = MAX_SIDECAR_BYTES) -> str:
    """A small text file; empty when it is missing, too large, no file or no text."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(limit + 1)
        return data.decode("utf-8-sig") if len(data) <= limit else ""
    except (OSError, ValueError, InvalidRequest):
        return ""


def read_json_file(path: Path) -> Any:
    """A small JSON file, or None when there is none that can be read."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError):
        return None


def _is_picture(path: Path) -> bool:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return size <= MAX_PREVIEW_BYTES and file.read(12).startswith(_PICTURES)
    except (OSError, InvalidRequest):
        return False


def _read_json(path: Path) -> ModelFacts:
    data = read_json_file(path)
    if not isinstance(data, dict):
        return ModelFacts()
    records = list(_records(data))
    words = _words(records)
    return ModelFacts(
        base=_text(records, "baseModel", "base_model", "BaseModel", "sd version", "base"),
        title=_title(data, records),
        author=_author(records),
        description=_text(
            records, "description", "modelDescription", "ModelDescription", "notes", limit=2000
        ),
        licence=_licence(records),
        page=_page(records),
        trigger_words=words,
        recommended=_settings(records),
    )


def _records(data: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The objects worth looking into: the file's own, a version's, its model's."""
    yield data
    for name in ("civitai", "default_settings", "model"):
        if isinstance(data.get(name), dict):
            yield data[name]
    if isinstance(data.get("usage_tips"), str):  # LoRA Manager: JSON within JSON
        with contextlib.suppress(ValueError, RecursionError):
            tips = json.loads(data["usage_tips"])
            yield tips if isinstance(tips, dict) else {}
    civitai = data.get("civitai")
    if isinstance(civitai, dict) and isinstance(civitai.get("model"), dict):
        yield civitai["model"]
    versions = data.get("modelVersions")
    if isinstance(versions, list) and versions and isinstance(versions[0], dict):
        yield versions[0]


def _text(records: Iterable[Mapping[str, Any]], *names: str, limit: int = 200) -> str:
    for record in records:
        for name in names:
            value = record.get(name)
            if isinstance(value, str) and (found := _plain(value, limit)):
                return found
    return ""


def _plain(value: str, limit: int) -> str:
    """Text without HTML tags, in which model sites write descriptions."""
    text = re.sub(r"<[^<>]{0,2000}>", " ", value[:50_000]) if "<" in value else value[:50_000]
    return clean_text(html.unescape(text), limit)


def _title(data: Mapping[str, Any], records: list[Mapping[str, Any]]) -> str:
    model = data.get("model")
    if isinstance(model, dict) and isinstance(model.get("name"), str):
        # Civitai names the version "v2.0" and keeps the model's own name one level deeper.
        return clean_text(f"{model['name'][:150]} {_text([data], 'name')}")
    return _text(records, "model_name", "ModelName", "name")


def _author(records: Iterable[Mapping[str, Any]]) -> str:
    for record in records:
        creator = record.get("creator")
        if isinstance(creator, dict) and isinstance(creator.get("username"), str):
            return clean_text(creator["username"])
        for name in ("author", "Author", "creator"):
            if isinstance(record.get(name), str):
                return clean_text(record[name])
    return ""


def _licence(records: Iterable[Mapping[str, Any]]) -> str:
    """A licence's name, or Civitai's permissions in words."""
    for record in records:
        for name in ("license", "licence"):
            if isinstance(record.get(name), str):
                return clean_text(record[name])
        uses = record.get("allowCommercialUse")
        uses = [uses] if isinstance(uses, str) else uses
        if isinstance(uses, list) and all(isinstance(use, str) for use in uses):
            allowed = ", ".join(use for use in uses if use != "None")
            return clean_text(f"commercial use: {allowed or 'none'}")
    return ""


def _page(records: Iterable[Mapping[str, Any]]) -> str:
    """The address of the page about it; Civitai's own answers tell two numbers instead."""
    for record in records:
        page, model, version = (record.get(name) for name in ("page", "modelId", "id"))
        if isinstance(page, str) and page.startswith(("https://", "http://")):
            return clean_text(page)
        if type(model) is int and type(version) is int and model > 0 < version:
            return f"https://civitai.com/models/{model}?modelVersionId={version}"
    return ""


def _words(records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    for record in records:
        for name in ("trainedWords", "TrainedWords", "trigger_phrases", "activation text"):
            value = record.get(name)
            if isinstance(value, str):
                value = [value]
            if isinstance(value, list):
                words = [w for text in value[:MAX_WORDS] if isinstance(text, str) for w in split_words(text)]
                if words:
                    return tuple(dict.fromkeys(words))[:MAX_WORDS]
    return ()


def _settings(records: list[Mapping[str, Any]]) -> RecommendedSettings:
    """Settings named outright, else those most of the shown pictures were made with."""
    images = (record.get("images") for record in records)
    listed = [image for group in images if isinstance(group, list) for image in group[:50]]
    metas = [i["meta"] for i in listed if isinstance(i, dict) and isinstance(i.get("meta"), dict)]

    def number(low: float, high: float, *names: str) -> float | None:
        for record in records:
            for name in names:
                if (value := _number(record.get(name), low, high)) is not None:
                    return value
        shown = [_number(meta.get(name), low, high) for meta in metas for name in names]
        known = Counter(value for value in shown if value is not None)
        return known.most_common(1)[0][0] if known else None

    steps, skip = number(1, 1000, "steps"), number(1, 12, "clip_skip", "clipSkip", "Clip skip")
    samplers = Counter(s for meta in metas if (s := _text([meta], "sampler", limit=40)))
    return RecommendedSettings(
        steps=int(steps) if steps else None,
        guidance=number(0, 100, "cfg_scale", "cfgScale", "guidance"),
        sampler=_text(records, "scheduler", "sampler", limit=40)
        or (samplers.most_common(1)[0][0] if samplers else ""),
        clip_skip=int(skip) if skip else None,
        weight=number(-10, 10, "preferred weight", "strength", "weight") or None,
    )


def _number(value: Any, low: float, high: float) -> float | None:
    if isinstance(value, str) and len(value) < 20:
        try:
            value = float(value)
        except ValueError:
            return None
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and low <= value <= high else None
