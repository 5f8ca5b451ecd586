"""Exported folders: written beside their place, tidied, and moved there when whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def fresh(target: Path) -> Path:
    """Returns the path of an empty place beside a folder, to be written first and moved there."""
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    return temporary


def tidy_configurations(folder: Path) -> None:
    """Takes out the training machine's paths, and has all parts load in one precision.

    Without a precision asked for, transformers loads its models in the one that their
    configuration names and diffusers loads in full: the pipeline would then stop at the first step.
    """
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if _tidied(content):
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _tidied(content: Any) -> bool:
    """Tidies a configuration and those within it; tells whether anything was to do."""
    if not isinstance(content, dict):
        return False
    changed = content.pop("_name_or_path", None) is not None
    if "dtype" in content:
        content["dtype"], changed = "float32", True
    return any([changed, *(_tidied(part) for part in content.values())])


def replace_folder(temporary: Path, target: Path) -> None:
    """Puts a whole new folder in the place of the old one."""
    for path in temporary.rglob("*.safetensors"):
        path.chmod(0o644)  # some writers leave files that only their owner can read
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    temporary.rename(target)
    shutil.rmtree(old, ignore_errors=True)
