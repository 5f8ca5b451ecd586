"""Opens picture files of unknown origin: their size and the texts inside, within bounds.

A file made elsewhere may be anything: cut short, under a wrong name, a decompression bomb,
or made to do harm. Nothing here decodes pixels before their number is known.
"""

import binascii
import html
import io
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from explorer.recipes import JSON_KEY, TEXT_KEY, png_info
from explorer.types import Recipe

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_FILE_BYTES = 128 * 2**20
MAX_PIXELS = 64_000_000
"""As many as the metrics take."""
MAX_CHUNKS = 100_000
"""Parts of a PNG file; the largest pictures have about a quarter of this."""
MAX_TEXT_CHARACTERS = 4 * 2**20
"""Of one text; the largest ComfyUI graphs have about a tenth of this."""
_TOO_LARGE = f"is larger than {MAX_FILE_BYTES // 2**20} MB"
PNG_START = b"\x89PNG\r\n\x1a\n"

_EXIF_FOLDER, _USER_COMMENT = 0x8769, 0x9286
_EXIF_TEXTS = (0x010E, 0x010F, 0x0110)
"""ImageDescription, Make, Model: where ComfyUI and SwarmUI put theirs in WebP and JPEG."""
# All that Pillow's readers were seen to raise on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error)
_BOMBS = (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning)


class Unusable(Exception):
    """A file that is not taken; the text is the reason, for people."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a picture file says of itself before its pixels are read."""

    format: str
    width: int
    height: int
    texts: Mapping[str, str] = field(default_factory=dict)
    """PNG text chunks by their keyword; EXIF texts as `UserComment`, `prompt`, `workflow`; JSON
    of XMP as `XMP`."""


def read_bytes(path: Path) -> bytes:
    """The whole file, if it is one and of a bearable size.

    Raises:
        Unusable: Says why not.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise Unusable(_TOO_LARGE)
    return data


def check_file(path: Path) -> None:
    """Refuse what must not even be opened, such as a pipe, which would wait forever.

    Raises:
        Unusable: Says why not.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("is no ordinary file")
    size = status.st_size
    if size == 0:
        raise Unusable("is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise Unusable(_TOO_LARGE)


def inspect(source: Path | bytes, *, late_texts: bool = True) -> Opened:
    """Size and texts of a picture, from its header.

    Args:
        source: A file that passed `check_file`, or its bytes.
        late_texts: Also look behind the pixels of a PNG without any text before them, for
            which they must be decoded.

    Raises:
        Unusable: It is no picture that is taken; says why.
    """
    with _open(source) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise Unusable(
                f"has {picture.width} x {picture.height} pixels; at most {MAX_PIXELS // 10**6} million"
            )
        if getattr(picture, "n_frames", 1) > 1:
            raise Unusable("is an animation; only still pictures are taken")
        texts = _texts(picture)
        if late_texts and not texts and picture.format == "PNG":
            picture.load()
            texts = _texts(picture)
        return Opened(str(picture.format), picture.width, picture.height, texts)


def as_png(data: bytes, opened: Opened, recipe: Recipe) -> bytes:
    """The picture as a PNG file with our recipe inside.

    A PNG keeps its compressed pixels bit by bit, and its own texts. A JPEG or WebP file is
    decoded as it is seen (turned as its EXIF note says) and written without loss.

    Raises:
        Unusable: The pixels are damaged.
    """
    with _open(data) as picture:
        picture.load()  # a cut file must not pass
        if opened.format != "PNG":
            upright = ImageOps.exif_transpose(picture)
            if upright.mode not in ("RGB", "RGBA", "L"):
                upright = upright.convert("RGB")
            buffer = io.BytesIO()
            upright.save(buffer, format="PNG", pnginfo=png_info(recipe))
            return buffer.getvalue()
    # What its tool wrote for other tools says more than we would.
    names = {JSON_KEY} if TEXT_KEY in opened.texts else {JSON_KEY, TEXT_KEY}
    return _with_texts(data, png_info(recipe), names)


def _with_texts(data: bytes, info: PngInfo, names: set[str]) -> bytes:
    """A PNG file with these texts right after its header, and no earlier ones of the names."""
    chunks = list(_chunks(data))
    texts = [(kind, body) for kind, body, *_ in info.chunks if _keyword(body) in names]
    others = [(k, b) for k, b in chunks[1:] if k[1:] not in (b"EXt", b"TXt") or _keyword(b) not in names]
    return PNG_START + b"".join(_chunk(kind, body) for kind, body in (chunks[0], *texts, *others))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position, kind, count = len(PNG_START), b"", 0
    while kind != b"IEND":  # what follows the end is no part of the picture
        count += 1
        if position + 12 > len(data) or count > MAX_CHUNKS:
            raise Unusable("is damaged: its parts do not fit together")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        yield kind, b"" if kind == b"IEND" else body
        position += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", binascii.crc32(kind + body))


def _keyword(body: bytes) -> str:
    return body.split(b"\0", 1)[0][:79].decode("latin-1")


@contextmanager
def _open(source: Path | bytes) -> Iterator[Pillow.Image]:
    """A Pillow picture whose every kind of damage is one kind of error."""
    file: Path | IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Pillow.open(file, formats=FORMATS) as picture:
            yield picture
    except _BOMBS as error:
        raise Unusable(f"has more than {MAX_PIXELS // 10**6} million pixels") from error
    except UnidentifiedImageError as error:
        raise Unusable("is no readable PNG, JPEG or WebP picture, whatever its name says") from error
    except MemoryError as error:
        raise Unusable("needs more memory than there is") from error
    except _DAMAGE as error:
        raise Unusable(f"is damaged: {str(error)[:120]}") from error


def _texts(picture: Pillow.Image) -> dict[str, str]:
    texts = {
        str(name): str(value)
        for name, value in picture.info.items()
        if isinstance(value, str) and len(value) <= MAX_TEXT_CHARACTERS
    }
    if comment := _xmp_comment(picture):
        texts["XMP"] = comment
    # Asking a PNG without EXIF for it would decode the pixels.
    if picture.format != "PNG" or "exif" in picture.info:
        texts = _exif_texts(picture) | texts
    return texts


def _xmp_comment(picture: Pillow.Image) -> str:
    """The JSON in an XMP UserComment. Looked up as text: XML from anywhere is not expanded."""
    xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or ""
    xmp = xmp if isinstance(xmp, str) else bytes(xmp).decode("utf-8", errors="replace")
    start = xmp.find("<exif:UserComment>")
    inside = xmp[start : xmp.find("</exif:UserComment>", start)] if start >= 0 else ""
    comment = html.unescape(inside[inside.find("{") : inside.rfind("}") + 1])
    return comment if len(comment) <= MAX_TEXT_CHARACTERS else ""


def _exif_texts(picture: Pillow.Image) -> dict[str, str]:
    texts: dict[str, str] = {}
    try:
        exif = picture.getexif()
        comment = exif.get_ifd(_EXIF_FOLDER).get(_USER_COMMENT) or exif.get(_USER_COMMENT)
        others = [exif.get(tag) for tag in _EXIF_TEXTS]
    except _DAMAGE:
        return texts  # the picture itself may be whole
    if isinstance(comment, bytes | str) and len(comment) <= 2 * MAX_TEXT_CHARACTERS:
        texts["UserComment"] = comment if isinstance(comment, str) else _decode_comment(comment)
    for value in others:
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
            continue
        name, _, rest = value.partition(":")
        if name.casefold() in ("prompt", "workflow"):
            texts.setdefault(name.casefold(), rest.rstrip("\0"))
        elif value.startswith("{"):
            texts.setdefault("UserComment", value.rstrip("\0"))
    return texts


def _decode_comment(comment: bytes) -> str:
    """An EXIF UserComment: eight bytes that name the coding, then the text."""
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        # The standard leaves the byte order open, and tools differ: in most texts of any
        # language more high bytes are zero than low ones.
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", errors="replace").strip("\0\ufeff")
    if code not in (b"ASCII\0\0\0", bytes(8)):
        body = comment  # written without the code, as some tools do
    return body.decode("utf-8", errors="replace").strip("\0")
