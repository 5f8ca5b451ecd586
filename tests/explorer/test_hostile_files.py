"""Broken and hostile files among the models: none stops the scan, each says what is wrong."""

import io
import json
import os
import pickle  # noqa: TID251  to write what must never be read
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import InvalidRequest
from explorer.library import ModelLibrary
from explorer.types import ModelFile
from tests.model_files import FLUX_DEV, SD15, SDXL, header_of, write_header, write_model

ONE = {"a": (2, 2)}


class Payload:
    """Unpickled by a careless loader, it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def raw(data: bytes, name: str = "x.safetensors") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def text_header(text: str | bytes, data_bytes: int = 0) -> Callable[[Path], Path]:
    text = text if isinstance(text, bytes) else text.encode()
    return raw(struct.pack("<Q", len(text)) + text + bytes(data_bytes))


def entry(**changes: Any) -> Callable[[Path], Path]:
    header, size = header_of(ONE)
    header["a"] |= changes
    return lambda folder: write_header(folder / "x.safetensors", header, size)


def cut(keep: Callable[[int, int], int]) -> Callable[[Path], Path]:
    """A real checkpoint cut at a place given by the ends of its header and of the file."""

    def make(folder: Path) -> Path:
        path = write_model(folder / "x.safetensors", SD15)
        with path.open("rb") as file:
            head = 8 + int.from_bytes(file.read(8), "little")
        os.truncate(path, keep(head, path.stat().st_size))
        return path

    return make


def two(first: list[int], second: list[int], data_bytes: int) -> Callable[[Path], Path]:
    header = {
        name: {"dtype": "F16", "shape": [2, 2], "data_offsets": place}
        for name, place in (("a", first), ("b", second))
    }
    return lambda folder: write_header(folder / "x.safetensors", header, data_bytes)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02.")
    return buffer.getvalue()


def evil_pickle(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(pickle.dumps(Payload(folder / "ran"), protocol=2))
        return folder / name

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.safetensors")
    return folder / "x.safetensors"


def link(target: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "x.safetensors").symlink_to(target(folder))
        return folder / "x.safetensors"

    return make


def outside(folder: Path) -> Path:
    return write_model(folder.parent / "outside" / "secret.safetensors", SD15)


def gguf(data: bytes) -> Callable[[Path], Path]:
    return raw(b"GGUF" + data, "x.gguf")


def real_gguf(folder: Path) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    data = b"GGUF" + struct.pack("<IQQ", 3, len(FLUX_DEV), 2)
    data += text("general.architecture") + struct.pack("<I", 8) + text("flux")
    data += text("a.list") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2)
    for name, shape in FLUX_DEV.items():
        data += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
        data += struct.pack("<IQ", 12, 0)
    (folder / "x.gguf").write_bytes(data)
    return folder / "x.gguf"


HUGE = json.dumps({"a": {"dtype": "F16", "shape": [2**61, 2**61], "data_offsets": [0, 8]}})
KINDS: list[tuple[str, Callable[[Path], Path], str]] = [
    ("no bytes", raw(b""), "is empty (0 bytes)"),
    ("five bytes", raw(b"short"), "only 5 bytes are there"),
    ("eight bytes", raw(struct.pack("<Q", 100)), "ends within its header"),
    ("cut in the header", cut(lambda head, size: head // 2), "ends within its header"),
    ("cut at the end of the header", cut(lambda head, size: head), "is cut short: 0.0 of"),
    ("cut in the data", cut(lambda head, size: size // 2), "MB are there"),
    ("last byte missing", cut(lambda head, size: size - 1), "is cut short"),
    ("a byte too many", cut(lambda head, size: size + 1), "1 bytes too many"),
    ("header of 2^62 bytes", raw(struct.pack("<Q", 2**62) + b"{}"), "claims a header of"),
    ("header of 4 GB", raw(struct.pack("<Q", 2**32) + b"{}" + bytes(99)), "claims a header of 4,295 MB"),
    ("header is no JSON", text_header("{nope}"), "its header is no JSON"),
    ("header is a list", text_header("[]"), "its header is no JSON"),
    ("header is no text", text_header(b"{\xff\xfe}"), "its header is no JSON"),
    ("nested without end", text_header('{"a":' + "[" * 200_000), "its header is no JSON"),
    ("number without end", text_header('{"a":' + "9" * 200_000 + "}"), "its header is no JSON"),
    ("no tensors", text_header("{}"), "holds no tensors"),
    ("entry is a number", text_header('{"a": 5}'), "is no tensor"),
    ("entry is empty", text_header('{"a": {}}'), "has no right shape"),
    ("a name twice", text_header('{"a": {}, "a": {}}'), "lists 'a' twice"),
    ("shape is text", entry(shape="2x2"), "has no right shape"),
    ("shape is negative", entry(shape=[-2, -2]), "has no right shape"),
    ("shape has truths", entry(shape=[True, 4]), "has no right shape"),
    ("shape has fractions", entry(shape=[2.0, 2]), "has no right shape"),
    ("shape of 99 sides", entry(shape=[1] * 99), "has no right shape"),
    ("shape beyond all memory", text_header(HUGE, 8), "has a wrong size"),
    ("offsets the wrong way", entry(data_offsets=[8, 0]), "has a wrong size"),
    ("offsets of three", entry(data_offsets=[0, 8, 16]), "has no right shape"),
    ("offsets too far", entry(data_offsets=[0, 2**63]), "has no right shape"),
    ("wrong number of bytes", entry(dtype="F32"), "has a wrong size"),
    ("unknown numbers", entry(dtype="F7_SECRET"), "a kind this program does not know (F7_SECRET)"),
    ("overlap", two([0, 8], [4, 12], 12), "overlaps another one"),
    ("gap", two([0, 8], [16, 24], 24), "has a gap before it"),
    ("pickle under another name", evil_pickle("x.safetensors"), "is a pickled model under another name"),
    ("pickle", evil_pickle("x.ckpt"), "can run code when it is opened. Convert it"),
    ("zip", raw(zipped()), "is a zip archive or a pickled model"),
    ("gzip", raw(b"\x1f\x8b\x08\x00" + bytes(40)), "is a gzip archive"),
    ("web page", raw(b"\n<!DOCTYPE html><html>Please log in</html>"), "is a web page"),
    ("answer of a site", raw(b'{"error":"Unauthorized","message":"log in"}'), "is a JSON text"),
    ("picture", raw(b"\x89PNG\r\n\x1a\n" + bytes(40)), "is a picture"),
    ("LFS pointer", raw(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
    ("noise", raw(bytes(range(1, 200))), "is damaged or no .safetensors file"),
    ("gguf", real_gguf, "is a GGUF file, which this program cannot draw with"),
    ("gguf under another name", raw(b"GGUF" + bytes(100)), "is a GGUF file under another name"),
    ("gguf cut", gguf(struct.pack("<IQQ", 3, 5, 1)), "no GGUF file"),
    ("gguf with lies", gguf(struct.pack("<IQQ", 3, 2**60, 2**60)), "no GGUF file"),
    ("gguf with a long name", gguf(struct.pack("<IQQQ", 3, 1, 1, 2**50)), "no GGUF file"),
    ("int8", lambda f: write_model(f / "x.safetensors", SDXL, "I8"), "int8"),
    (
        "scaled fp8",
        lambda f: write_model(f / "x.safetensors", SDXL | {"scaled_fp8": (2,)}, "F8_E4M3"),
        "scales",
    ),
    (
        "one of several parts",
        lambda f: write_model(f / "m-00001-of-00003.safetensors", SD15),
        "one of 3 parts",
    ),
    ("pipe", pipe, "is no ordinary file"),
    ("link outside", link(outside), "a place outside the model folders"),
    ("link to nothing", link(lambda folder: folder / "gone"), "is a link that leads nowhere"),
    ("link to itself", link(lambda folder: folder / "x.safetensors"), "is a link that leads nowhere"),
    ("link to a device", link(lambda folder: Path("/dev/zero")), "outside the model folders"),
]


def library_of(*folders: Path) -> ModelLibrary:
    return ModelLibrary(folders, shipped=folders[0] / "nothing")


def scan(folder: Path) -> list[ModelFile]:
    return library_of(folder).files()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("make", "reason"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_each_says_what_is_wrong_and_the_others_are_found(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    write_model(folder / "good.safetensors", SD15)
    bad = make(folder)
    library = library_of(folder)
    found = {file.path.name: file for file in library.files()}
    assert found["good.safetensors"].facts.problem == ""
    facts = found[bad.name].facts
    assert reason in facts.problem
    assert bad.name in facts.problem
    assert facts.problem.endswith((".", "name."))
    assert str(tmp_path) not in facts.problem
    assert not (folder / "ran").exists()
    assert [checkpoint.name for checkpoint in library.checkpoints()] == ["good"]
    json.dumps(found[bad.name].to_dict())


def test_there_are_many_kinds() -> None:
    assert len({reason for _, _, reason in KINDS}) >= 30


NAMES = [
    "quotes \" and ' here",
    "emoji 🎨 and ümläut 字",
    "two\nlines",
    "tab\tand\x07bell",
    "-rf",
    "a+b:0.8",
    "<script>alert(1)</script>".replace("/", "\u2215"),
    "right\u202eto left",
    "back\\slash",
    "~home",
    "x.safetensors",
    "%2e%2e%2f",
    "null",
    "n" * 200,
]


@pytest.mark.parametrize("name", NAMES)
def test_strange_names_are_shown_safely_and_can_be_used(name: str, tmp_path: Path) -> None:
    write_model(tmp_path / f"{name}.safetensors", SD15)
    library = library_of(tmp_path)
    (found,) = library.checkpoints()
    assert found.name.isprintable() or "🎨" in found.name
    assert found.name == found.name.strip() != ""
    assert not set("/\\\n\t\u202e") & set(found.name)
    assert library.resolve(found.name).checkpoint == found


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/bad\xff\xfe.safetensors"
    with open(path, "wb") as file:  # noqa: PTH123  such a name is no Path of text
        file.write(b"x")
    (found,) = scan(tmp_path)
    assert "has a name that is no text" in found.facts.problem
    json.dumps(found.to_dict()).encode()


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_model(folder / "deep" / "good.safetensors", SD15)
    (folder / "deep" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "again").symlink_to(folder / "deep", target_is_directory=True)
    assert [file.path.name for file in scan(folder)] == ["good.safetensors"]


def test_a_link_is_followed_to_another_model_folder(tmp_path: Path) -> None:
    kept = write_model(tmp_path / "kept" / "style.safetensors", SD15)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "linked.safetensors").symlink_to(kept)
    library = library_of(mine, tmp_path / "kept")
    assert {c.name for c in library.checkpoints()} >= {"linked", "style"}


def test_a_linked_folder_outside_is_told_and_not_entered(tmp_path: Path) -> None:
    write_model(tmp_path / "elsewhere" / "x.safetensors", SD15)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "loras").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (found,) = scan(mine)
    assert found.facts.problem.startswith("loras is a link to a place outside the model folders.")


def test_hidden_files_and_downloads_that_go_on_are_passed_over(tmp_path: Path) -> None:
    for name in (
        ".hidden.safetensors",
        "..safetensors",
        "a.safetensors.part",
        "b.safetensors.crdownload",
        "c.incomplete",
    ):
        (tmp_path / name).write_bytes(b"x")
    write_model(tmp_path / "d.safetensors", SD15)
    (tmp_path / "d.safetensors.aria2").write_bytes(b"x")
    write_model(tmp_path / ".git" / "e.safetensors", SD15)
    assert scan(tmp_path) == []


def test_a_broken_model_is_resolved_with_its_problem_so_that_it_fails_alone(tmp_path: Path) -> None:
    path = write_model(tmp_path / "mine.safetensors", SD15)
    library = library_of(tmp_path)
    assert library.resolve("mine").problem == ""
    os.truncate(path, path.stat().st_size - 1)
    assert "is cut short" in library.resolve("mine").problem


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    from tests.model_files import SD15_LORA, VAE

    write_model(tmp_path / "soft.safetensors", VAE)
    write_model(tmp_path / "style.safetensors", SD15_LORA)
    library = library_of(tmp_path)
    with pytest.raises(InvalidRequest, match="soft is a VAE, not a checkpoint"):
        library.resolve("soft")
    with pytest.raises(InvalidRequest, match="style is a LoRA, not a checkpoint"):
        library.resolve("style")
