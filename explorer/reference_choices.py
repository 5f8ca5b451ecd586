"""Sets of good pictures that whole folders can be compared with: folders and stored files, by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import metrics
from explorer.errors import InvalidRequest
from explorer.folders import count_pictures, picture_folders
from explorer.settings import Settings

MAX_LISTED = 100


@dataclass(frozen=True, slots=True)
class ReferenceChoice:
    """A reference set that can be chosen by its name."""

    name: str
    path: Path
    pictures: int
    made_with: str = ""
    """Id of the network that a stored set is of; "" for a folder, which any network can look at."""


def reference_choices(settings: Settings) -> list[ReferenceChoice]:
    """The reference sets of a workspace: below `references`, then the folders of pictures."""
    found = {choice.name: choice for choice in _below(settings.references)}
    for folder in picture_folders(settings):
        found.setdefault(folder.name, ReferenceChoice(folder.name, folder.path, folder.pictures))
    return list(found.values())[:MAX_LISTED]


def check_reference(text: str, settings: Settings) -> Path:
    """The set that a name or a path means: the one place that says which may be read.

    Args:
        text: A name of `reference_choices`, or a path. Paths to elsewhere are for the person who
            owns the machine: they are refused where other machines reach the page.
        settings: What is served, and to whom.

    Raises:
        InvalidRequest: It may not be read, or is not there; says what to do.
    """
    wanted = text.strip()
    known = reference_choices(settings)
    for choice in known:
        if wanted in (choice.name, str(choice.path)):
            return choice.path
    path = Path(wanted).expanduser()
    if settings.private and path.is_absolute() and path.exists():
        return path.resolve()
    names = ", ".join(choice.name for choice in known) or "none yet"
    raise InvalidRequest(
        f"There is no reference set {wanted!r} here ({names}). Put a folder of good pictures into "
        f"{settings.references.name} of the workspace."
    )


def _below(root: Path) -> Iterator[ReferenceChoice]:
    try:
        paths = sorted(root.resolve().iterdir()) if root.is_dir() else []
    except OSError:
        return
    for path in paths:
        name = f"{root.name}/{path.name}"
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            pictures = count_pictures(path)
            if pictures:
                yield ReferenceChoice(name, path, pictures)
        elif path.suffix == metrics.REFERENCE_SUFFIX:
            try:
                recipe = metrics.read_reference_recipe(path)
            except metrics.MetricsError:
                continue
            yield ReferenceChoice(name, path, recipe.count, recipe.backbone)
