"""Fills the tables of the model card, so that the card says what was measured and shipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROWS = {
    "prompts": "prompts",
    "background": "background",
    "color": "colors",
    "count": "number of objects",
    "shape": "shapes",
    "objects": "colors and shapes bound, all objects",
    "place": "place",
    "relation": "relation (with both objects right)",
    "all": "everything right",
    "clip_score": "CLIP score, mean",
    "clip_score_auc": "CLIP score ranks a right picture above a wrong one",
    "cpu_seconds_a_picture": "seconds a picture, one core",
}
_SORTS = {
    "one_object": ("one object", ("color", "shape", "objects", "all")),
    "counting": ("two to four alike", ("count", "objects", "all")),
    "two_objects": ("two objects", ("count", "objects", "all")),
    "mixed_groups": ("two groups, three or four objects", ("count", "objects", "all")),
}


def write_card(assets: Path) -> None:
    """Writes `models.json`, and the tables of the card from it and from the measurements.

    Args:
        assets: The folder with the exported models and `MODEL_CARD.md`.
    """
    manifest = {
        path.relative_to(assets).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(assets.rglob("*.safetensors"))
    }
    (assets / "models.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    card = assets / "MODEL_CARD.md"
    if not card.exists():
        return
    text = filled(card.read_text(encoding="utf-8"), "weights", weights_table(manifest))
    measurements = assets / "training_logs" / "measurements.json"
    if measurements.exists():
        report = json.loads(measurements.read_text(encoding="utf-8"))
        pictures = report.pop("pictures", {})
        text = filled(text, "pictures", pictures_table(pictures))
        for part, values in {"clip": pictures.get("clip", {}), **report}.items():
            text = filled(text, part, values_table(values))
    card.write_text(text, encoding="utf-8")


def filled(text: str, name: str, table: str) -> str:
    """Returns the text with the part between two marks replaced; without marks as it is."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if start not in text or end not in text:
        return text
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{table}\n{end}{rest.split(end, 1)[1]}"


def weights_table(manifest: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the table of weight files with their sizes and hashes."""
    rows = [[f"`{name}`", f"{entry['bytes']:,}", f"`{entry['sha256']}`"] for name, entry in manifest.items()]
    total = sum(entry["bytes"] for entry in manifest.values())
    return _table(["file", "bytes", "SHA-256"], [*rows, ["all", f"{total:,}", ""]])


def pictures_table(report: Mapping[str, Any]) -> str:
    """Returns the table of what the checkpoints draw, one column a checkpoint."""
    models = [(name, values) for name, values in report.items() if isinstance(values, dict)]
    columns = {name: values for name, values in models if "all" in values}
    rows = [
        [label, *(_number(column.get(key)) for column in columns.values())] for key, label in _ROWS.items()
    ]
    for sort, (label, keys) in _SORTS.items():
        numbers = [column.get(sort, {}).get("prompts") for column in columns.values()]
        rows.append([f"**{label}**, prompts", *map(_number, numbers)])
        rows += [
            [
                f"{label}: {_ROWS[key]}",
                *(_number(column.get(sort, {}).get(key)) for column in columns.values()),
            ]
            for key in keys
        ]
    return _table(["share right, by the pixel checker", *columns], rows)


def values_table(values: Mapping[str, Any]) -> str:
    """Returns a table of named numbers."""
    rows = [
        [name.replace("_", " "), _number(value)]
        for name, value in values.items()
        if isinstance(value, int | float)
    ]
    return _table(["measured", ""], rows)


def _number(value: float | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
