"""Pictures that came through the page: into a folder of their own, away again afterwards.

Whoever reaches the page may send anything. Of a zip file every name is checked before the
first byte is unpacked; only pictures and prompt lists are, and nothing is ever run.
"""

import errno
import re
import secrets
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from explorer.errors import DiskFull, InvalidRequest, StorageError
from explorer.imports.pictures import SUFFIXES

LISTS = (".txt", ".csv", ".json", ".jsonl", ".yaml", ".yml")
MAX_FILES = 20_000
MAX_BYTES = 8 << 30
"""Of one upload, unpacked."""
MAX_RATIO = 100
"""Unpacked to packed. Pictures are packed already, and lists of prompts reach about 20."""
KEEP_SECONDS = 24 * 3600.0
_SMALL = 1 << 20
"""Below this a high ratio harms nobody."""
_BLOCK = 1 << 20
_UNNAMED = "uploaded pictures"
_SEEDS = re.compile(r"(?:seed[_-]?)?\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """What was sent, in a folder that `remove` takes away."""

    root: Path
    pictures: Path
    """Below `root`: the folder to import."""
    prompts: Path | None
    """The prompt list that came along."""
    notes: tuple[str, ...]
    """What was left out, and which list was found."""

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.root, ignore_errors=True)


def receive(files: Sequence[Path], uploads: Path) -> Upload:
    """Put what was sent into a fresh folder.

    Args:
        files: Pictures, or one zip file; either with a prompt list. They are copied.
        uploads: Where the fresh folder is made.

    Raises:
        InvalidRequest: It is too much, hostile, damaged, or not what is taken; says which.
        DiskFull: It does not fit.
        StorageError: The folder cannot be written.
    """
    zips = [file for file in files if file.suffix.lower() == ".zip"]
    loose = [file for file in files if file not in zips]
    if not files:
        raise InvalidRequest("Add pictures or a zip file first.")
    if len(zips) > 1 or (zips and any(_is_picture(file.name) for file in loose)):
        raise InvalidRequest("Give either pictures or one zip file. Put everything into one zip.")
    root = uploads / secrets.token_hex(12)
    folder = root / (_folder_name(zips[0].stem) if zips else _UNNAMED)
    try:
        folder.mkdir(parents=True)
        left_out = unpack(zips[0], folder) if zips else 0
        left_out += _copy(loose, folder)
        prompts, notes = _find_list(folder)
        if left_out:
            notes.append(f"{left_out:,} of the files are neither pictures nor prompts and were left out.")
        return Upload(root, _without_wrapping(folder), prompts, tuple(notes))
    except OSError as error:
        shutil.rmtree(root, ignore_errors=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full() from error
        if isinstance(error, FileNotFoundError):
            raise InvalidRequest("The files are not here any more. Add them again.") from error
        raise StorageError(f"What was sent cannot be stored: {error.strerror or error}.") from error
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


def sweep(uploads: Path, keep_seconds: float = KEEP_SECONDS) -> None:
    """Delete what was left behind by pages that were closed, once it is older than a day."""
    if not uploads.is_dir():
        return
    for root in uploads.iterdir():
        try:
            old = time.time() - root.lstat().st_mtime > keep_seconds
        except OSError:
            continue  # somebody else swept it
        if old and root.is_dir() and not root.is_symlink():
            shutil.rmtree(root, ignore_errors=True)


def unpack(path: Path, folder: Path) -> int:
    """Unpack pictures and prompt lists of a zip file; returns how many files were left out.

    Args:
        path: The zip file.
        folder: An empty folder; names of the zip are kept below it.

    Raises:
        InvalidRequest: Its names lead elsewhere, it holds links, is encrypted, damaged, too
            large, or packed suspiciously tight; nothing of it is to be used then.
        DiskFull: It does not fit.
        OSError: The folder cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(members, path.stat().st_size)
            files = [member for member in members if not member.is_dir()]
            wanted = [member for member in files if _wanted(member.filename)]
            if sum(member.file_size for member in wanted) > shutil.disk_usage(folder).free:
                raise _full()
            for member in wanted:
                _write(archive, member, folder)
    except FileExistsError as error:
        raise _refused("two of its files have one name") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _refused("it is damaged or no zip file") from error
    return len(files) - len(wanted)


def _check(members: Sequence[zipfile.ZipInfo], packed: int) -> None:
    """Refuse by the table of contents what must not be unpacked."""
    if len(members) > MAX_FILES:
        raise _refused(f"it holds {len(members):,} files; at most {MAX_FILES:,} are taken")
    for member in members:
        _check_member(member)
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_BYTES:
        raise _refused(f"it holds {unpacked / 2**30:.1f} GB; at most {MAX_BYTES / 2**30:.0f} GB are taken")
    # Parts that share bytes of the file would unpack to more than was sent.
    if sum(member.compress_size for member in members) > packed:
        raise _refused("its parts overlap")
    if _too_tight(unpacked, packed):
        raise _refused("it would unpack to far more than it is")


def _check_member(member: zipfile.ZipInfo) -> None:
    shown = repr(member.filename[:80])
    # The name may come a second time, in another field; which of them counts differs.
    for name in (member.filename, member.orig_filename):
        parts = name.removesuffix("/").split("/")
        if "\\" in name or PureWindowsPath(name).drive or {"", ".", ".."} & set(parts):
            raise _refused(f"the name {shown} may lead out of its folder")
        if any(ord(character) < 32 or ord(character) == 127 for character in name):
            raise _refused(f"the name {shown} has characters that no name has")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(f"{shown} is a link or a device and no file")
    if member.flag_bits & 0x1:
        raise _refused("it is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(f"{shown} is packed in a way that is not read")
    if _too_tight(member.file_size, member.compress_size):
        raise _refused(f"{shown} would unpack to far more than it is")


def _too_tight(unpacked: int, packed: int) -> bool:
    return unpacked > _SMALL and unpacked > MAX_RATIO * packed


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*member.filename.split("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile("longer than announced")
            file.write(block)


def _copy(files: Iterable[Path], folder: Path) -> int:
    """Copy pictures and lists that came without a zip; returns how many files were left out."""
    left_out = count = size = 0
    for file in files:
        if not _wanted(file.name):
            left_out += 1
            continue
        count, size = count + 1, size + file.stat().st_size
        if count > MAX_FILES or size > MAX_BYTES:
            raise InvalidRequest(
                f"That is too much for once: at most {MAX_FILES:,} files and {MAX_BYTES / 2**30:.0f} GB."
            )
        target = folder / file.name
        if target.exists():
            raise InvalidRequest(
                f"Two of the files are called {file.name}. Pack a folder for each model into a zip file."
            )
        shutil.copyfile(file, target)
    return left_out


def _wanted(name: str) -> bool:
    """Whether a file is taken; hidden ones are what systems put beside the real ones."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    return not hidden and (_is_picture(name) or Path(name).suffix.lower() in LISTS)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _find_list(folder: Path) -> tuple[Path | None, list[str]]:
    """The prompt list among the files, and what is to be said of it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    pictures = {path.with_suffix("") for path in files if _is_picture(path.name)}
    # Tools write a text beside each picture, under its name.
    lists = [path for path in files if not _is_picture(path.name) and path.with_suffix("") not in pictures]
    named = [path for path in lists if path.stem.casefold() == "prompts"] or lists
    if len(named) > 1:
        return None, [
            f"{len(named)} files could be the prompt list, so none is used. Name the right one prompts.txt."
        ]
    return (named[0], [f"The prompts are in {named[0].name}."]) if named else (None, [])


def _without_wrapping(folder: Path) -> Path:
    """Leave out the folder that packing a folder puts around the models' folders."""
    held = list(folder.iterdir())
    if len(held) != 1 or not held[0].is_dir():
        return folder
    inside = list(held[0].iterdir())
    models = [path for path in inside if path.is_dir() and not _SEEDS.fullmatch(path.name)]
    return held[0] if models and not any(_is_picture(path.name) for path in inside) else folder


def _folder_name(stem: str) -> str:
    """A zip's own name as a folder; pictures without a folder are named after it."""
    return re.sub(r"[^\w .+-]", "_", stem)[:80].strip(" .") or _UNNAMED


def _refused(what: str) -> InvalidRequest:
    return InvalidRequest(f"This zip file is not taken: {what}. Pack a folder with pictures anew.")


def _full() -> DiskFull:
    return DiskFull("What was sent does not fit on the disk. Free some space and try again.")
