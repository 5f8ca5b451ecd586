"""Reads a results bundle that may come from anywhere, and believes nothing in it.

Names, sizes, hashes and types are all checked before anything is handed on, and nothing is
unpacked to a place that the bundle names.
"""

import hashlib
import json
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, get_args

from pydantic import TypeAdapter, ValidationError

from explorer import statistics
from explorer.ballots import Vote
from explorer.bundles import (
    ENVIRONMENT,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    RECIPES,
    SCORES,
    VOTES,
    Entry,
    Manifest,
    Record,
)
from explorer.errors import InvalidRequest
from explorer.imports.foreign import MAX_SEED, UNKNOWN_SEED
from explorer.imports.pictures import MAX_FILE_BYTES
from explorer.reports import Results
from explorer.score_tables import LEVELS
from explorer.types import Image, ScoreRow, Tier
from explorer.vote_files import read_votes

MAX_PICTURES = 200_000
MAX_TEXT_BYTES = 512 << 20
"""Of all that is no picture, unpacked."""
MAX_LINE_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 1 << 20
_PICTURE = re.compile(r"pictures/([0-9a-f]{64})\.png")
_HASH = re.compile(r"[0-9a-f]{64}")
_METRIC = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_ANSWERER = re.compile(r"[a-z]{1,20}:[A-Za-z0-9_.:/@-]{1,120}")
"""What scores of an answerer that a person chose count as, in place of a tier."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every part was checked."""

    path: Path
    manifest: Manifest
    records: tuple[Record, ...]
    scores: tuple[ScoreRow, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    votes: tuple[Vote, ...] = ()

    @contextmanager
    def pictures(self) -> Iterator[Callable[[str], bytes]]:
        """What gives the PNG file of a picture by its id, as long as the block lasts.

        It raises InvalidRequest when the bundle has changed since it was read, or holds none.
        """
        with _opened(self.path) as archive:
            yield partial(_picture, archive)

    def results(self, directions: Mapping[str, str]) -> Results:
        """The results, to look at and to export; its pictures have no file.

        Args:
            directions: Metric id to "higher", "lower" or "neutral".
        """
        images = [Image(each.id, Path(f"{each.id}.png"), each.recipe, each.created) for each in self.records]
        board = statistics.leaderboard(images, self.scores, directions)
        return Results(self.manifest.run, images, self.scores, board)


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle, every byte of it.

    Raises:
        InvalidRequest: It is no bundle, is damaged, was tampered with, or is too new; says which.
    """
    with _opened(path) as archive:
        _check_members(archive, path)
        manifest = _manifest(archive)
        texts = {name: _checked(archive, name, entry) for name, entry in manifest.files.items()}
        records = _records(texts[RECIPES])
        ids = [record.id for record in records]
        known, kinds = set(ids), TypeAdapter(ScoreRow)
        scores = tuple(_score(line, known, kinds) for line in _split(texts[SCORES], SCORES))
        held = {match[1] for name in archive.namelist() if (match := _PICTURE.fullmatch(name))}
        if held != (known if manifest.pictures else set()):
            raise _wrong("its pictures are not those that its manifest promises")
        for picture_id in held:
            _picture(archive, picture_id)
        named = _json(texts.get(ENVIRONMENT, b"{}"), ENVIRONMENT)
    environment = {str(k): str(v) for k, v in named.items()} if isinstance(named, dict) else {}
    return Bundle(path, manifest, records, scores, environment, _votes(texts, known))


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"This bundle cannot be used: {what}. Ask for it to be exported again.")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InvalidRequest(f"There is no file {path}.") from error
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InvalidRequest(f"{path.name} is no whole zip file. Get it again.") from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse by the table of contents what must not be unpacked."""
    members = archive.infolist()
    if len(members) > MAX_PICTURES + 5:
        raise _wrong(f"it holds {len(members):,} files; at most {MAX_PICTURES:,} pictures are taken")
    names = {member.filename for member in members}
    if MANIFEST not in names:
        raise InvalidRequest(f"{path.name} is no results bundle: it has no {MANIFEST}.")
    if len(names) < len(members):
        raise _wrong("two of its files have one name")
    for member in members:
        _check_member(member)
    # Parts that share bytes of the file would unpack to more than was sent.
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise _wrong("its parts overlap")
    if (
        sum(member.file_size for member in members if not _PICTURE.fullmatch(member.filename))
        > MAX_TEXT_BYTES
    ):
        raise _wrong(f"its lists are larger than {MAX_TEXT_BYTES >> 20:,} MB")


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    picture = _PICTURE.fullmatch(name) is not None
    if not picture and name not in (MANIFEST, RECIPES, SCORES, ENVIRONMENT, VOTES):
        raise _wrong(f"it holds a file that no bundle has, {name[:80]!r}")
    if member.flag_bits & 1:
        raise _wrong("it is encrypted")
    allowed = (zipfile.ZIP_STORED,) if picture else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if member.compress_type not in allowed:
        raise _wrong(f"{name!r} is packed in an unknown way")
    limit = MAX_FILE_BYTES if picture else MAX_MANIFEST_BYTES if name == MANIFEST else MAX_TEXT_BYTES
    if member.file_size > limit:
        raise _wrong(f"{name!r} is larger than {limit >> 20:,} MB")


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    data = _read(archive, MANIFEST)
    said = _json(data, MANIFEST)
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise InvalidRequest("This zip file is no results bundle of this program.")
    version = said.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InvalidRequest(
            f"This bundle was made by a newer version of this program (format {version}; "
            f"this one reads up to {FORMAT_VERSION}). Update the program to open it."
        )
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise _wrong(f"its manifest is unsound ({_first(error)})") from error
    held = {name for name in archive.namelist() if name != MANIFEST and not _PICTURE.fullmatch(name)}
    if set(manifest.files) != held or not {RECIPES, SCORES} <= held:
        raise _wrong("its files are not those that its manifest names")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", manifest.run):
        raise _wrong("the id of its run is unsound")
    return manifest


def _checked(archive: zipfile.ZipFile, name: str, entry: Entry) -> bytes:
    data = _read(archive, name)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise _wrong(f"{name!r} is not the file that its manifest names")
    return data


def _picture(archive: zipfile.ZipFile, picture_id: str) -> bytes:
    data = _read(archive, f"pictures/{picture_id}.png")
    if hashlib.sha256(data).hexdigest() != picture_id:
        raise _wrong(f"the picture {picture_id[:12]} is not the one that was scored")
    return data


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of a bundle; never more bytes than the table of contents says."""
    blocks: list[bytes] = []
    try:
        left = archive.getinfo(name).file_size
        with archive.open(name) as file:
            while block := _block(file, left):
                blocks.append(block)
                left -= len(block)
    except (KeyError, OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _wrong(f"{name!r} is damaged") from error
    return b"".join(blocks)


def _block(file: IO[bytes], left: int) -> bytes:
    block = file.read(_BLOCK)
    if len(block) > left:
        raise zipfile.BadZipFile("longer than announced")
    return block


def _split(data: bytes, name: str) -> Iterator[bytes]:
    for number, line in enumerate(data.splitlines(), start=1):
        if len(line) > MAX_LINE_BYTES:
            raise _wrong(f"line {number} of {name} is too long")
        if line.strip():
            yield line


def _records(data: bytes) -> tuple[Record, ...]:
    kinds = TypeAdapter(Record)
    records = []
    for number, line in enumerate(_split(data, RECIPES), start=1):
        try:
            record = kinds.validate_json(line, strict=True)
            json.dumps(asdict(record), allow_nan=False)
            datetime.fromisoformat(record.created)
        except (ValidationError, ValueError) as error:
            raise _wrong(f"line {number} of {RECIPES} is unsound ({_first(error)})") from error
        _check_record(record, number)
        records.append(record)
    if len({record.id for record in records}) < len(records):
        raise _wrong("it lists a picture twice")
    if len({record.recipe.cell for record in records}) < len(records):
        raise _wrong("two of its pictures have one place in the plan")
    return tuple(records)


def _check_record(record: Record, number: int) -> None:
    recipe = record.recipe
    # The cell becomes part of a path.
    sound = (
        _HASH.fullmatch(record.id),
        _HASH.fullmatch(recipe.cell),
        UNKNOWN_SEED <= recipe.seed <= MAX_SEED,
        recipe.model,
        len(record.created) <= 40,
    )
    if not all(sound):
        raise _wrong(f"line {number} of {RECIPES} is unsound")


def _score(line: bytes, pictures: set[str], kinds: TypeAdapter[ScoreRow]) -> ScoreRow:
    try:
        score = kinds.validate_json(line, strict=True)
        json.dumps(dict(score.detail), allow_nan=False)
    except (ValidationError, ValueError) as error:
        raise _wrong(f"a line of {SCORES} is unsound ({_first(error)})") from error
    sound = (
        score.image_id in pictures,
        all(_HASH.fullmatch(each) for each in score.unit),
        _METRIC.fullmatch(score.metric),
        score.tier in get_args(Tier) or _ANSWERER.fullmatch(score.tier),
        score.level in LEVELS,
        (score.value is None) == bool(score.reason),
        score.value is None or math.isfinite(score.value),
    )
    if not all(sound):
        raise _wrong(f"a line of {SCORES} is unsound ({score.metric[:40]!r})")
    return score


def _votes(texts: Mapping[str, bytes], pictures: set[str]) -> tuple[Vote, ...]:
    if VOTES not in texts:
        return ()
    votes = tuple(read_votes(texts[VOTES], VOTES))
    voted = {each.image for vote in votes for each in (vote.first, vote.second) if each is not None}
    if not voted <= pictures:
        raise _wrong(f"{VOTES} holds votes on pictures that are not listed")
    return votes


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"{name!r} is no JSON") from error


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)[:120]
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
