"""HTML of the Models panel: the list, one model's details, and what a site offers.

Pure functions. Model files and sites are not ours: every text passes through `escape`.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image as Pillow

from explorer.downloads import Finding, Offer
from explorer.events import Progress
from explorer.facts import FAMILY_NAMES, KIND_NAMES, LoraKind
from explorer.types import ModelFile
from explorer.ui.markup import notice

_PREVIEW_SIDE = 320
_PREVIEW_BYTES = 30_000_000
_LONGEST = 2000
_ADAPTERS: dict[LoraKind, str] = {
    "lora": "LoRA",
    "locon": "LoCon",
    "loha": "LoHa",
    "lokr": "LoKr",
    "dora": "DoRA",
    "oft": "OFT",
    "diff": "full weights",
}
_FINDINGS = 200


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
    rank = "" if facts.rank is None else f"{_ADAPTERS[facts.lora_kind or 'lora']}, rank {facts.rank}"
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
        "Page": facts.page,
    }
    parts = (preview(facts.preview), wrong, _facts(rows), _about(facts.description))
    return f"<h3>{escape(file.name)}</h3>{''.join(parts)}"


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
    }
    block = f'<div class="x-notices">{warnings}</div>' if warnings else ""
    return f"<h3>{escape(found.name)}</h3>{block}{_facts(rows)}{_about(found.description)}"


def reading(read: int, total: int) -> str:
    """How far the first look at the model files is; empty when nothing is left to read."""
    if read >= total:
        return ""
    return _bar(f"Reading {read:,} of {total:,} model files", read / total)


def progress(now: Progress) -> str:
    """How far naming files is."""
    place = f" ({now.done:,} of {now.total:,})" if now.total > 1 else ""
    text = f"{now.message[:1].upper()}{now.message[1:]}{place}" if now.message else "Beginning"
    return _bar(text, now.done / now.total if now.total > 1 else None)


def findings(found: Sequence[Finding], trouble: str = "") -> str:
    """What Civitai said of each file, and why it ended early if it did; empty when nothing was asked."""
    known = [finding for finding in found if finding.identity is not None]
    wrong = f'<p class="x-reason">{escape(trouble)}</p>' if trouble else ""
    if not found:
        return wrong
    if len(found) == 1:
        parts = [found[0].sentence]
    else:
        parts = [f"Civitai knows {len(known):,} of {len(found):,} files."]
    if known and not any(finding.kept == "beside" for finding in known):
        parts.append("Kept in the program's index; nothing was written beside the file.")
    rows = "".join(f"<li>{escape(finding.sentence)}</li>" for finding in found[:_FINDINGS])
    more = f"<li>and {len(found) - _FINDINGS:,} more</li>" if len(found) > _FINDINGS else ""
    every = f"<details><summary>Each file</summary><ul>{rows}{more}</ul></details>" if len(found) > 1 else ""
    text = "".join(f"<p>{escape(part)}</p>" for part in parts)
    return f'{wrong}<div class="x-found">{text}{every}</div>'


def _bar(text: str, part: float | None) -> str:
    bar = "" if part is None else f'<div class="x-bar"><i style="width:{100 * part:.1f}%"></i></div>'
    return f'<div role="status">{notice(text)}{bar}</div>'


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


def _about(text: str) -> str:
    """A description, folded away: many are long."""
    shown = f"{text[:_LONGEST]} ..." if len(text) > _LONGEST else text
    return f"<details><summary>About</summary><p>{escape(shown)}</p></details>" if text else ""


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
