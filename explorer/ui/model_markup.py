"""HTML of the Models panel: the list, one model's details, and what a site offers.

Pure functions. Model files and sites are not ours: every text passes through `escape`.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image as Pillow

from explorer.downloads import Offer
from explorer.facts import FAMILY_NAMES, KIND_NAMES
from explorer.types import ModelFile
from explorer.ui.markup import notice

_PREVIEW_SIDE = 320
_PREVIEW_BYTES = 30_000_000
_LONGEST = 600


def model_list(files: Sequence[ModelFile], chosen: str) -> str:
    """Models as buttons that carry their ids."""
    if not files:
        return notice("No model is like that.")
    entries = "".join(_entry(file, file.id == chosen) for file in files)
    return f'<div class="x-models" role="list">{entries}</div>'


def _entry(file: ModelFile, chosen: bool) -> str:
    current = ' aria-current="true"' if chosen else ""
    wrong = '<span class="x-wrong">cannot be used</span>' if file.facts.problem else ""
    return (
        f'<button type="button" role="listitem" class="x-model" data-id="{escape(file.id)}"{current}>'
        f"<b>{escape(file.name)}</b><small>{escape(' · '.join(labels(file)))}{wrong}</small></button>"
    )


def labels(file: ModelFile) -> list[str]:
    """Kind, family, precision and size in a few words."""
    facts = file.facts
    family = FAMILY_NAMES[facts.family] if facts.family != "unknown" else ""
    parts = [KIND_NAMES[facts.kind], family, facts.variant, facts.precision, size(file.size_bytes)]
    return [part for part in (*parts, "bundled" if file.bundled else "") if part]


def size(count: float | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "size not said"
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def details(file: ModelFile) -> str:
    """Everything known about one model, with its preview picture if there is one."""
    facts = file.facts
    wrong = f'<div class="x-problems"><p>{escape(facts.problem)}</p></div>' if facts.problem else ""
    side = " x ".join(str(pixels) for pixels in facts.resolution)
    rank = "" if facts.rank is None else f"{facts.lora_kind or 'LoRA'}, rank {facts.rank}"
    settings = ", ".join(f"{name} {value}" for name, value in facts.recommended.to_dict().items())
    rows = {
        "Kind": KIND_NAMES[facts.kind],
        "Family": " ".join(part for part in (FAMILY_NAMES[facts.family], facts.variant) if part),
        "Title": facts.title,
        "By": facts.author,
        "Made for": facts.base,
        "Trigger words": ", ".join(facts.trigger_words),
        "Suggested": settings,
        "Size": size(file.size_bytes),
        "Weights": " ".join(part for part in (_count(facts.parameters), facts.precision) if part),
        "Adapter": rank,
        "Trained at": side,
        "Missing parts": ", ".join(facts.missing_names),
        "Licence": facts.licence,
        "About": facts.description[:_LONGEST],
    }
    return f"<h3>{escape(file.name)}</h3>{preview(facts.preview)}{wrong}{_facts(rows)}"


def offer(found: Offer) -> str:
    """What a site offers, before anything is fetched."""
    warnings = "".join(f"<p>{escape(text)}</p>" for text in (found.gated, found.early_access) if text)
    total = sum(file.size or 0 for file in found.files if file.name in found.chosen)
    rows = {
        "Kind": found.kind,
        "Made for": found.base,
        "Version": found.version,
        "Licence": found.licence or "not said: read the model's page",
        "Trigger words": ", ".join(found.trigger_words),
        "To fetch": size(total) if found.chosen else "choose files below",
        "Page": found.page,
        "About": found.description[:_LONGEST],
    }
    block = f'<div class="x-notices">{warnings}</div>' if warnings else ""
    return f"<h3>{escape(found.name)}</h3>{block}{_facts(rows)}"


def preview(path: Path | None) -> str:
    """A small copy of a preview picture, inside the page; empty when there is none that can be read."""
    if path is None:
        return ""
    try:
        if path.stat().st_size > _PREVIEW_BYTES:
            return ""
        with Pillow.open(path) as picture:
            picture.draft("RGB", (_PREVIEW_SIDE * 2, _PREVIEW_SIDE * 2))
            small = picture.convert("RGB")
        small.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return ""
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="x-preview" alt="Preview picture" src="data:image/webp;base64,{data}">'


def _facts(rows: dict[str, str]) -> str:
    items = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows.items() if text)
    return f'<dl class="x-facts">{items}</dl>'


def _count(parameters: int) -> str:
    if not parameters:
        return ""
    for limit, unit in ((1e9, "billion"), (1e6, "million")):
        if parameters >= limit:
            return f"{parameters / limit:.2g} {unit}"
    return f"{parameters:,}"


def kinds(files: Iterable[ModelFile]) -> list[tuple[str, str]]:
    """Kinds that occur, for a picker."""
    found = {file.facts.kind for file in files}
    return [("Every kind", ""), *((name, kind) for kind, name in KIND_NAMES.items() if kind in found)]


def families(files: Iterable[ModelFile]) -> list[tuple[str, str]]:
    """Families that occur, for a picker."""
    found = {file.facts.family for file in files}
    return [
        ("Every family", ""),
        *((name, family) for family, name in FAMILY_NAMES.items() if family in found),
    ]
