"""Finds the picture files of a folder, and nothing outside it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InvalidRequest
from explorer.imports.pictures import SUFFIXES

MAX_FILES = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file, by its name below the folder."""

    path: Path
    file: str
    """Relative, with slashes."""
    problem: str = ""
    """Why it is not even opened; empty when it may be."""


def picture_files(folder: Path) -> Iterator[Found]:
    """Every picture file below a folder in a fixed order; links are not followed out of it.

    Raises:
        InvalidRequest: No such folder, or more files in it than one run can hold.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.")
    count = 0
    for place, folders, names in os.walk(root):  # does not follow links
        folders.sort()
        here = Path(place)
        for name in sorted(names):
            path = here / name
            if path.suffix.lower() not in SUFFIXES or name.startswith("."):
                continue
            count += 1
            if count > MAX_FILES:
                raise InvalidRequest(f"{folder} holds more than {MAX_FILES:,} pictures. Import parts of it.")
            file = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
            yield Found(path, file, _problem(path, root))


def _problem(path: Path, root: Path) -> str:
    if not path.is_symlink():
        return ""
    try:
        inside = path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return "is a link that leads nowhere"
    return "" if inside else "is a link that leaves the folder"
