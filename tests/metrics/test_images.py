"""Files become pixels as a person sees them, or a reason."""

import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics import BadImage
from metrics.images import hash_file, open_rgb, read_ahead


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A small PNG whose header promises side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


def noise_png(path: Path) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


def test_transparency_is_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.save(tmp_path / "a.png")
    rgb = open_rgb(tmp_path / "a.png")
    assert rgb.mode == "RGB"
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((1, 0)) == (127, 127, 127)


def test_palette_transparency_is_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    image.save(tmp_path / "a.png", transparency=0)
    assert open_rgb(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16)).save(tmp_path / "a.png")
    rgb = open_rgb(tmp_path / "a.png")
    assert [rgb.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert open_rgb(tmp_path / "a.jpg").size == (2, 4)


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(tmp_path / "a.tiff")
    with pytest.raises(BadImage, match="float pixels"):
        open_rgb(tmp_path / "a.tiff")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"just some text, no picture", "is not readable as PNG"),
        (bomb(8_001), "8001 x 8001 pixels"),
        (bomb(12_000), "pixels, more than the 64 megapixels"),
        (bomb(60_000), "too many pixels"),
        (bomb(100), "is damaged"),
    ],
    ids=["empty", "text", "over", "warned", "bomb", "short"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(BadImage, match=reason) as caught:
        open_rgb(path)
    assert str(caught.value).startswith("bad.png ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.png"
    content = noise_png(path)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadImage, match="is damaged"):
        open_rgb(path)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flipped.png"
    content = bytearray(noise_png(path))
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BadImage, match="is damaged"):
        open_rgb(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for read in (open_rgb, hash_file):
        with pytest.raises(BadImage, match="does not exist"):
            read(tmp_path / "none.png")
        with pytest.raises(BadImage, match="is a folder"):
            read(tmp_path)


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_read_ahead_keeps_order_and_goes_on_after_a_bad_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(6)]
    for n, path in enumerate(paths):
        Image.new("RGB", (n + 1, 1)).save(path)
    paths[2].write_bytes(b"")
    found = list(read_ahead(paths, width, workers=3, ahead=2))
    assert found == [1, 2, None, 4, 5, 6]


def width(path: Path) -> int | None:
    try:
        return open_rgb(path).width
    except BadImage:
        return None


def test_read_ahead_is_bounded_and_stops_with_its_caller() -> None:
    seen: list[int] = []
    items = iter(range(100))
    reader = read_ahead(items, seen.append, workers=1, ahead=3)
    next(reader)
    reader.close()
    assert len(seen) <= 5
    assert next(items) <= 5  # no more were taken
    assert not any(thread.name.startswith("metrics-read") for thread in threading.enumerate())
