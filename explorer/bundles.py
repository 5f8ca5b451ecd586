"""A results bundle: one zip with everything another person needs to look at results again.

    manifest.json      format and program version, the run, size and SHA-256 of each file
    recipes.jsonl      one picture a line: id, when it was made, its recipe
    scores.jsonl       one score a line
    environment.json   what it was made with
    votes.jsonl        one blind vote on these pictures a line; not there without votes
    pictures/ID.png    where they are wanted; the id is the SHA-256 of the file

`bundle_reader.py` reads it, `bundle_import.py` takes it into a workspace.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from explorer.ballots import Vote
from explorer.environment import PROGRAM, PROGRAM_VERSION
from explorer.errors import StorageError
from explorer.reports import Results
from explorer.tabular import json_text
from explorer.types import Image, Recipe
from explorer.vote_files import votes_jsonl
from explorer.whole_files import whole_file

FORMAT = "model-benchmark-explorer results"
FORMAT_VERSION = 1
MANIFEST, RECIPES, SCORES = "manifest.json", "recipes.jsonl", "scores.jsonl"
ENVIRONMENT, VOTES = "environment.json", "votes.jsonl"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Entry(BaseModel):
    """One file of a bundle that is no picture."""

    model_config = ConfigDict(strict=True, frozen=True)

    sha256: str
    bytes: int


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: str
    version: int
    program: str
    created: str
    """ISO 8601, UTC."""
    run: str
    title: str
    pictures: bool
    files: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Record:
    """One picture of a bundle, as it is listed."""

    id: str
    created: str
    recipe: Recipe


def write_bundle(
    path: Path,
    results: Results,
    title: str,
    environment: Mapping[str, str],
    *,
    pictures: bool,
    votes: Sequence[Vote] = (),
) -> None:
    """Write the results of a run as a bundle, whole or not at all.

    Args:
        path: Of the zip file.
        results: The pictures and scores.
        title: Of the run.
        environment: What it was made with.
        pictures: Whether to put the pictures in.
        votes: On the pictures.

    Raises:
        StorageError: A picture is missing or was changed, or the file cannot be written.
    """
    recipes = ({"id": i.id, "created": i.created, "recipe": i.recipe.to_dict()} for i in results.images)
    texts = {
        RECIPES: _lines(recipes),
        SCORES: _lines(asdict(score) for score in results.scores),
        ENVIRONMENT: json_text(dict(environment), indent=1).encode(),
    }
    if votes:
        texts[VOTES] = votes_jsonl(votes)
    manifest = Manifest(
        format=FORMAT,
        version=FORMAT_VERSION,
        program=f"{PROGRAM} {PROGRAM_VERSION}",
        created=datetime.now(UTC).isoformat(),
        run=results.run,
        title=title,
        pictures=pictures,
        files={
            name: Entry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
            for name, data in texts.items()
        },
    )
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in ((MANIFEST, manifest.model_dump_json(indent=1).encode()), *texts.items()):
            archive.writestr(_member(name, zipfile.ZIP_DEFLATED), data)
        for image in results.images if pictures else ():
            _add_picture(archive, image)


def _lines(rows: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(json_text(row).encode(errors="replace") + b"\n" for row in rows)


def _member(name: str, compression: int) -> zipfile.ZipInfo:
    # Without the time of day, the same results are the same bytes but for the manifest.
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = compression
    return member


def _add_picture(archive: zipfile.ZipFile, image: Image) -> None:
    again = "Export without pictures, or draw it again."
    try:
        data = image.path.read_bytes()
    except OSError as error:
        raise StorageError(f"The picture {image.path.name} cannot be read. {again}") from error
    if hashlib.sha256(data).hexdigest() != image.id:
        raise StorageError(f"The picture {image.path.name} was changed since it was drawn. {again}")
    # PNG files are compressed already.
    archive.writestr(_member(f"pictures/{image.id}.png", zipfile.ZIP_STORED), data)
