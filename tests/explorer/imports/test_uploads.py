"""What comes through the page: hostile zip files, and folders as people pack them."""

import contextlib
import os
import stat
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import DiskFull, InvalidRequest
from explorer.imports import uploads
from explorer.imports.uploads import Upload, receive, sweep
from tests.explorer.imports import samples


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "workspace" / "uploads"


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def refused(file: Path, place: Path, why: str) -> None:
    """Refused for this reason, and nothing is left of it, neither here nor beside it."""
    place.mkdir(parents=True, exist_ok=True)
    before = sorted(place.parent.parent.rglob("*"))
    with pytest.raises(InvalidRequest, match=why) as caught:
        receive([file], place)
    assert str(place) not in str(caught.value)
    assert sorted(place.parent.parent.rglob("*")) == before


def names(upload: Upload) -> list[str]:
    files = (path for path in upload.pictures.rglob("*") if path.is_file())
    return sorted(path.relative_to(upload.pictures).as_posix() for path in files)


@pytest.mark.parametrize(
    "name",
    [
        "../gen_000.png",
        "a/../../gen_000.png",
        "/etc/gen_000.png",
        "//host/share/gen_000.png",
        "C:/gen_000.png",
        "C:gen_000.png",
        "..\\gen_000.png",
        "a\\gen_000.png",
        "a/./gen_000.png",
        "a//gen_000.png",
        "../readme.exe",
        "../",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, place: Path, name: str) -> None:
    refused(packed(tmp_path / "x.zip", {"a/ok.png": b"1", name: b"2"}), place, "may lead out")


def test_a_name_with_control_characters_is_refused(tmp_path: Path, place: Path) -> None:
    refused(packed(tmp_path / "x.zip", {"a\x1b[2J.png": b"1"}), place, "characters that no name has")


def test_a_second_name_in_the_unicode_field_leads_nowhere_either(tmp_path: Path, place: Path) -> None:
    member = zipfile.ZipInfo("good.png")
    other = b"../evil.png"
    field = struct.pack("<BL", 1, zlib.crc32(b"good.png")) + other
    member.extra = struct.pack("<HH", 0x7075, len(field)) + field
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, b"1")
    with contextlib.suppress(InvalidRequest):  # newer versions of Python read the field
        assert names(receive([tmp_path / "x.zip"], place)) == ["good.png"]
    assert not list(tmp_path.rglob("evil.png"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, place: Path, kind: int) -> None:
    member = zipfile.ZipInfo("a/gen_000.png")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    refused(tmp_path / "x.zip", place, "link or a device")


def test_encrypted_files_are_refused(tmp_path: Path, place: Path) -> None:
    file = packed(tmp_path / "x.zip", {"a.png": b"1" * 20})
    data = bytearray(file.read_bytes())
    data[6] |= 1  # the flag in the file's own header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the table of contents
    file.write_bytes(data)
    refused(file, place, "encrypted")


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path, place: Path) -> None:
    refused(packed(tmp_path / "x.zip", {"a.png": bytes(4 << 20)}), place, "far more than it is")
    many = {f"{number}.png": bytes(900 << 10) for number in range(5)}
    refused(packed(tmp_path / "y.zip", many), place, "far more than it is")


def test_a_lie_about_the_size_is_found_out(tmp_path: Path, place: Path) -> None:
    file = packed(tmp_path / "x.zip", {"a.png": os.urandom(5000)}, zipfile.ZIP_STORED)
    data = bytearray(file.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<L", 100)
    file.write_bytes(data)
    refused(file, place, "damaged")


def test_parts_that_overlap_are_refused(tmp_path: Path, place: Path) -> None:
    file = packed(tmp_path / "x.zip", {"a.png": os.urandom(5000)}, zipfile.ZIP_STORED)
    data = file.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end]
    tail = bytearray(data[end:])
    tail[8:12] = struct.pack("<HH", 3, 3)
    tail[12:16] = struct.pack("<L", 3 * len(entry))
    renamed = [entry.replace(b"a.png", name) for name in (b"a.png", b"b.png", b"c.png")]
    file.write_bytes(data[:start] + b"".join(renamed) + bytes(tail))
    refused(file, place, "overlap|damaged")


def test_too_many_and_too_large(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    refused(packed(tmp_path / "x.zip", {f"{i}.png": b"1" for i in range(4)}), place, "at most 3")
    monkeypatch.setattr(uploads, "MAX_BYTES", 2000)
    stored = packed(tmp_path / "y.zip", {"a.png": os.urandom(2001)}, zipfile.ZIP_STORED)
    refused(stored, place, "GB are taken")
    loose = [samples.png(tmp_path / "sent" / f"{i}.png", i) for i in range(2)]
    with pytest.raises(InvalidRequest, match="too much for once"):
        receive(loose, place)
    assert not list(place.iterdir())


def test_a_full_disk_is_told_before_it_happens(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage: Any = type("Usage", (), {"free": 10})
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match="Free some space"):
        receive([packed(tmp_path / "x.zip", {"a.png": b"1" * 11})], place)
    assert not list(place.iterdir())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", b"<html>"])
def test_what_is_no_zip_file_is_refused(tmp_path: Path, place: Path, data: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(data)
    refused(tmp_path / "x.zip", place, "damaged or no zip")


def test_a_broken_picture_inside_is_refused(tmp_path: Path, place: Path) -> None:
    file = packed(tmp_path / "x.zip", {"a.png": b"0123456789"}, zipfile.ZIP_STORED)
    file.write_bytes(file.read_bytes().replace(b"0123456789", b"0123456780"))
    refused(file, place, "damaged")


def test_two_files_of_one_name_are_refused(tmp_path: Path, place: Path) -> None:
    file = packed(tmp_path / "x.zip", {"a.png": b"1", "b.png": b"2"})
    file.write_bytes(file.read_bytes().replace(b"b.png", b"a.png"))
    refused(file, place, "one name")


def test_only_pictures_and_lists_are_unpacked(tmp_path: Path, place: Path) -> None:
    files = dict.fromkeys(
        [
            *("dream/gen_000.png", "dream/b.JPG", "late/c.webp", "prompts.txt", "run.py", "a.svg", "x.zip"),
            *("__MACOSX/dream/._gen_000.png", ".git/a.png", "dream/.hidden.png", "dream/"),
        ],
        b"1",
    )
    upload = receive([packed(tmp_path / "x.zip", files)], place)
    assert names(upload) == ["dream/b.JPG", "dream/gen_000.png", "late/c.webp", "prompts.txt"]
    assert upload.prompts == upload.pictures / "prompts.txt"
    assert upload.notes == (
        "The prompts are in prompts.txt.",
        "6 of the files are neither pictures nor prompts and were left out.",
    )
    assert upload.root.parent == place
    assert not any(path.stat().st_mode & 0o111 for path in upload.pictures.rglob("*") if path.is_file())
    upload.remove()
    assert not upload.root.exists()


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        (("stuff/dream/gen_000.png", "stuff/late/gen_000.png"), "dream/gen_000.png"),
        (("dream/gen_000.png",), "dream/gen_000.png"),
        (("dream/seed_1/gen_000.png", "dream/seed_2/gen_000.png"), "dream/seed_1/gen_000.png"),
        (("gen_000.png",), "gen_000.png"),
    ],
)
def test_the_folder_around_everything_is_left_out(
    tmp_path: Path, place: Path, files: tuple[str, ...], seen: str
) -> None:
    upload = receive([packed(tmp_path / "my pack.zip", dict.fromkeys(files, b"1"))], place)
    assert names(upload)[0] == seen
    if seen == "gen_000.png":
        assert upload.pictures.name == "my pack", "a model without a folder is named after the zip"


def test_which_list_is_meant(tmp_path: Path, place: Path) -> None:
    several = packed(tmp_path / "x.zip", {"a/b.png": b"1", "one.txt": b"1", "two.csv": b"1"})
    upload = receive([several], place)
    assert upload.prompts is None
    assert "Name the right one prompts.txt" in upload.notes[0]
    named = packed(tmp_path / "y.zip", {"a/b.png": b"1", "readme.txt": b"1", "Prompts.csv": b"1"})
    found = receive([named], place).prompts
    assert found is not None
    assert found.name == "Prompts.csv"
    beside = packed(tmp_path / "z.zip", {"a/b.png": b"1", "a/b.txt": b"1", "a/b.json": b"1"})
    assert receive([beside], place).prompts is None, "texts of single pictures are no list"


def test_loose_pictures(tmp_path: Path, place: Path) -> None:
    first = samples.png(tmp_path / "one" / "gen_000.png", 1)
    same = samples.png(tmp_path / "two" / "gen_000.png", 2)
    upload = receive([first], place)
    assert (upload.pictures / "gen_000.png").read_bytes() == first.read_bytes()
    with pytest.raises(InvalidRequest, match="Two of the files are called"):
        receive([first, same], place)
    archive = packed(tmp_path / "x.zip", {"a.png": b"1"})
    with pytest.raises(InvalidRequest, match="either pictures or one zip"):
        receive([first, archive], place)
    with pytest.raises(InvalidRequest, match="Add pictures"):
        receive([], place)
    with pytest.raises(InvalidRequest, match="not here any more"):
        receive([tmp_path / "gone.png"], place)
    assert [upload.root] == list(place.iterdir())


def test_leftovers_are_swept_after_a_day(tmp_path: Path, place: Path) -> None:
    sweep(place)  # nothing is there yet
    picture = samples.png(tmp_path / "a.png")
    old, new = receive([picture], place), receive([picture], place)
    outside = tmp_path / "outside"
    outside.mkdir()
    (place / "link").symlink_to(outside, target_is_directory=True)
    before = time.time() - 25 * 3600
    os.utime(old.root, (before, before))
    os.utime(place / "link", (before, before), follow_symlinks=False)
    sweep(place)
    assert not old.root.exists()
    assert new.root.exists()
    assert outside.exists()
