"""Copies of pictures that say nothing of where they come from.

Decoded and encoded anew, so no text, profile or encoder of the original is left; all copies of
one showing have the same longest side and the same number of bytes; their names are that of
the showing, and their times are all equal.
"""

import io
import os
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageCms

from explorer.errors import StorageError

SIDES = (512, 768, 1024, 1536, 2048)
"""Longest side of copies in pixels; larger pictures are made smaller."""
QUALITY = 95
BLOCK_BYTES = 1 << 16
"""Copies are filled up to a multiple of this, so that the size of the file says nothing."""
KEPT_SECONDS = 10 * 60
"""How long a copy lasts once there is a vote, for pages that still show it."""
LOST_SECONDS = 24 * 60 * 60
"""How long it lasts without one."""


class BlindCopies:
    """Makes copies below one folder, the only one of the arena that is served."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder on first use."""
        self.folder = folder
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="blind-copy")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def make(self, name: str, pictures: Sequence[Path]) -> tuple[tuple[str, ...], int, int]:
        """Copy the pictures of one showing.

        Args:
            name: Of the showing; opaque.
            pictures: In the order in which they are shown.

        Returns:
            The names of the copies in that order, and the largest width and height in pixels.

        Raises:
            StorageError: A picture cannot be read, or a copy cannot be written.
        """
        try:
            opened = list(self._pool.map(_read, pictures))
            side = _side(max(max(picture.size) for picture in opened))
            encoded = list(self._pool.map(_encode, opened, [side] * len(opened)))
        except (OSError, ValueError, SyntaxError) as error:
            # Which picture it is must not be told to somebody who is about to vote.
            raise StorageError("A picture of this pair cannot be read.") from error
        size = -(-max(len(data) for data, _ in encoded) // BLOCK_BYTES) * BLOCK_BYTES
        names = tuple(f"{name}-{place + 1}.jpg" for place in range(len(encoded)))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file, (data, _) in zip(names, encoded, strict=True):
                path = self.folder / file
                # Decoders stop at the end of the picture; what follows fills the file up.
                path.write_bytes(data.ljust(size, b"\0"))
                os.utime(path, (0, 0))
        except OSError as error:
            raise StorageError(f"Cannot write {self.folder}: {error.strerror}.") from error
        return names, max(size[0] for _, size in encoded), max(size[1] for _, size in encoded)

    def sweep(self, still_open: Collection[str]) -> None:
        """Remove copies that nobody needs any more.

        Args:
            still_open: Names of showings without a vote.
        """
        if not self.folder.is_dir():
            return
        now = time.time()
        for path in self.folder.iterdir():
            waiting = path.name.rsplit("-", 1)[0] in still_open
            age = now - path.stat().st_ctime  # the time of the contents is the same for all
            if age > (LOST_SECONDS if waiting else KEPT_SECONDS):
                path.unlink(missing_ok=True)


def _side(longest: int) -> int:
    return next((side for side in SIDES if side >= longest), SIDES[-1])


def _read(path: Path) -> Pillow.Image:
    """The pixels as they are meant to be seen: in sRGB, on white where they are transparent."""
    with Pillow.open(path) as picture:
        picture.load()
        profile = picture.info.get("icc_profile")
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            ground = Pillow.new("RGBA", picture.size, "white")
            return Pillow.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
        plain = picture.convert("RGB")
    if isinstance(profile, bytes):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"))
            return converted or plain
        except ImageCms.PyCMSError:
            return plain  # an unsound profile is ignored, as browsers do
    return plain


def _encode(picture: Pillow.Image, side: int) -> tuple[bytes, tuple[int, int]]:
    scale = side / max(picture.size)
    if scale != 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Pillow.Resampling.LANCZOS)
    clean = Pillow.new("RGB", picture.size)  # without the original's notes
    clean.paste(picture)
    buffer = io.BytesIO()
    clean.save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue(), clean.size
