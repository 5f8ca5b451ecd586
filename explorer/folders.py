"""Folders of pictures that may be analyzed: by name, and whether a path may be read at all."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from explorer.errors import InvalidRequest
from explorer.settings import Settings

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_LISTED = 200
COUNTED = 10_000
"""Pictures of a folder that are counted; more are told as that many or more."""


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """A folder that can be chosen by its name."""

    name: str
    """Its place below the folder that was named in the settings, with that folder's own name."""
    path: Path
    pictures: int


def picture_folders(settings: Settings) -> list[PictureFolder]:
    """The folders with pictures that the program may read, by name."""
    found: dict[str, PictureFolder] = {}
    for root in _roots(settings):
        for path in (root, *_children(root)):
            count = count_pictures(path)
            name = path.relative_to(root.parent).as_posix()
            if count and len(found) < MAX_LISTED:
                found.setdefault(name, PictureFolder(name, path, count))
    return list(found.values())


def count_pictures(folder: Path) -> int:
    """How many pictures are below a folder; `COUNTED` stands for that many or more."""
    return sum(1 for _ in islice(_pictures(folder), COUNTED))


def check_folder(text: str, settings: Settings) -> Path:
    """The folder that a name or a path means: the one place that says which folders may be read.

    Args:
        text: A name of `picture_folders`, or a path. Paths are for the person who owns the
            machine: they are refused where other machines reach the page.
        settings: What is served, and to whom.

    Raises:
        InvalidRequest: It may not be read, or is not there; says what to do.
    """
    wanted = text.strip().strip("\"'")
    if not wanted:
        raise InvalidRequest(f"Name a folder with pictures, or put one into {settings.pictures}.")
    for folder in picture_folders(settings):
        if folder.name == wanted:
            return folder.path
    path = Path(wanted).expanduser()
    if not settings.private and not _below(path, _roots(settings)):
        raise InvalidRequest(
            "Other computers can reach this page, so it reads only the folders in its list. Serve on "
            f"127.0.0.1 to name any folder, or put the pictures into {settings.pictures.name} of the "
            f"workspace."
        )
    if not path.is_dir():
        raise InvalidRequest(f"There is no folder {path}. Choose one of the list, or give its whole path.")
    return path.resolve()


def _roots(settings: Settings) -> list[Path]:
    return [path.resolve() for path in (settings.pictures, *settings.picture_folders) if path.is_dir()]


def _below(path: Path, roots: list[Path]) -> bool:
    whole = path.resolve()
    return any(whole.is_relative_to(root) for root in roots)


def _children(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))[:MAX_LISTED]
    except OSError:
        return []


def _pictures(folder: Path) -> Iterator[str]:
    for _, folders, names in os.walk(folder):  # does not follow links
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))
