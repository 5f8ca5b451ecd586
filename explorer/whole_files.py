"""Writes files so that each is whole or not there, whatever happens."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from explorer.errors import DiskFull, StorageError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or not there, whatever happens.

    Raises:
        DiskFull: No space is left.
        StorageError: The folder cannot be written.
    """
    with whole_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that is at its place only when the block has ended well.

    Raises:
        DiskFull: No space is left.
        StorageError: The folder cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                "The disk is full. Free some space and start again: "
                "everything finished so far is safe and will not be made again."
            ) from error
        raise StorageError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A name no other thread or program uses, which `sweep_temporary` knows as ours."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
