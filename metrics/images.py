"""The single place where a file becomes pixels.

Every metric sees what a person sees: turned the way the EXIF note says, transparency on
white, eight bits, RGB. What cannot be shown faithfully is refused with a reason.
"""

import hashlib
import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

from metrics.errors import BadImage

S = TypeVar("S")
T = TypeVar("T")

BlankKind = Literal["black", "uniform"]

MAX_MEGAPIXELS = 64.0
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the files that count as pictures when a folder is read."""
# EPS and other formats that start outside programs stay out.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
# What Pillow's decoders raise on damaged files.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
)
# The side at which distances between pictures are taken, whatever size they were drawn in:
# LPIPS and SSIM both change with resolution.
SQUARE = 256
SQUARE_VIEW = f"square-{SQUARE}-bicubic-1"
_BLANK_SAMPLE = (64, 64)
_BLACK = 8
_FLAT = 1.5
BLANK_VERSION = "1"
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        BadImage: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def open_rgb(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Image.Image:
    """The picture in a file as 8-bit RGB, upright, on white.

    Args:
        path: A PNG, JPEG, WebP, BMP, TIFF or GIF (first frame) file.
        max_megapixels: Larger pictures are refused from their header, before decoding.

    Raises:
        BadImage: No such file, not an image, damaged, too large, or of a depth without a
            faithful 8-bit form.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not content:
        raise BadImage(path, "is empty (0 bytes); generate or copy it again.")
    try:
        _check(path, content, max_megapixels)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.load()
            return _upright_rgb(path, image)
    except _BOMBS as error:
        raise _too_large(path, max_megapixels) from error
    except UnidentifiedImageError as error:
        raise BadImage(
            path, f"is not readable as {', '.join(FORMATS)}; generate or copy it again."
        ) from error
    except _DECODE_ERRORS as error:
        raise BadImage(path, f"is damaged ({error}); generate or copy it again.") from error


def square(image: Image.Image) -> Image.Image:
    """An RGB image as 256 x 256, whatever its shape, by antialiased bicubic resampling."""
    return image.resize((SQUARE, SQUARE), Image.Resampling.BICUBIC)  # Pillow's is antialiased


def blank_kind(image: Image.Image) -> BlankKind | None:
    """Whether there is nothing to see on an RGB image; None: there is.

    Safety filters and failed decodings leave black pictures; they would spoil a mean
    unnoticed, so scores carry this flag.
    """
    # Averages alone would take fine noise for a plain surface, single pixels alone miss small things.
    small = [image.resize(_BLANK_SAMPLE, how) for how in (Image.Resampling.BOX, Image.Resampling.NEAREST)]
    if all(max(high for _, high in picture.getextrema()) <= _BLACK for picture in small):  # type: ignore[misc]
        return "black"
    if all(max(ImageStat.Stat(picture).stddev) < _FLAT for picture in small):
        return "uniform"
    return None


def read_ahead(
    items: Iterable[S], work: Callable[[S], T], workers: int = 2, ahead: int = 64
) -> Generator[T, None, None]:
    """Work on items in background threads, such as decoding images; in order.

    Args:
        items: Taken one by one, when there is room for another result.
        work: Runs in the threads.
        workers: Number of threads.
        ahead: At most so many results wait for the caller: the memory bound.

    Yields:
        What `work` gave for each item.
    """
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="metrics-read")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Also runs when the caller stops early: what has not begun never begins.
        pool.shutdown(wait=True, cancel_futures=True)


def _check(path: Path, content: bytes, max_megapixels: float) -> None:
    """Refuse by header and checksums, before any pixel is decoded."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_megapixels * 1e6:
            raise _too_large(path, max_megapixels, (width, height))
        image.verify()


def _upright_rgb(path: Path, image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _eight_bits(path, upright)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return upright.convert("RGB")


def _eight_bits(path: Path, image: Image.Image) -> Image.Image:
    """A 16-bit gray picture as 8-bit gray by its high byte, as Pillow does for 16-bit color.

    `convert` alone would clip every value over 255 to white.
    """
    import numpy as np

    depth: Literal["float", "32-bit"] | None = None
    values: Any = np.asarray(image)
    if image.mode == "F":
        depth = "float"
    elif values.min() < 0 or values.max() > 0xFFFF:
        depth = "32-bit"
    if depth:
        raise BadImage(path, f"has {depth} pixels without a known white; save it as an 8-bit PNG.")
    return Image.fromarray((values.astype("uint32") >> 8).astype("uint8"))


def _too_large(path: Path, limit: float, size: tuple[int, int] | None = None) -> BadImage:
    measure = f"{size[0]} x {size[1]} pixels" if size else "too many pixels"
    return BadImage(path, f"has {measure}, more than the {limit:g} megapixels read here; make it smaller.")


def _unreadable(path: Path, error: OSError) -> BadImage:
    if isinstance(error, FileNotFoundError):
        return BadImage(path, "does not exist any more; generate it again or remove it from the list.")
    with suppress(OSError):
        if path.is_dir():
            return BadImage(path, "is a folder, not an image; name the files in it.")
    return BadImage(path, f"cannot be read ({error.strerror}); check its permissions.")
