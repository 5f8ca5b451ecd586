"""Reference pictures are found by the ids of suite and prompt, whatever these hold."""

from pathlib import Path

import pytest

from explorer.errors import InvalidRequest
from explorer.reference_pictures import MAX_REFERENCES, ReferencePictures, folder_name

HOSTILE = ["../../etc", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "nul\0", "x" * 300, "é 🎨", "end.", " a"]


@pytest.fixture
def references(tmp_path: Path) -> ReferencePictures:
    return ReferencePictures(tmp_path / "references")


def put(path: Path, content: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_single_file_and_a_folder_are_found_in_order(references: ReferencePictures) -> None:
    single = put(references.folder / "shapes" / "p1.png")
    second = put(references.folder / "shapes" / "p1" / "b.jpg")
    first = put(references.folder / "shapes" / "p1" / "a.webp")
    put(references.folder / "shapes" / "p1" / "notes.txt")
    put(references.folder / "shapes" / "p2.png")
    assert references.of("shapes", "p1") == (single, first, second)
    assert references.of("other", "p1") == ()
    assert references.of("shapes", "p3") == ()


def test_prompts_without_a_suite_have_a_folder_of_their_own(references: ReferencePictures) -> None:
    path = put(references.folder / "own" / "own-1234.png")
    assert references.of("", "own-1234") == (path,)


def test_what_is_added_is_found_and_the_same_picture_is_one_file(references: ReferencePictures) -> None:
    path = references.add("shapes", "p1", b"content", ".PNG")
    assert references.add("shapes", "p1", b"content", ".png") == path
    assert references.of("shapes", "p1") == (path,)
    assert path.read_bytes() == b"content"


def test_too_many_and_what_is_no_picture_are_refused(references: ReferencePictures) -> None:
    with pytest.raises(InvalidRequest, match="picture"):
        references.add("shapes", "p1", b"x", ".exe")
    for number in range(MAX_REFERENCES):
        references.add("shapes", "p1", bytes([number]), ".png")
    with pytest.raises(InvalidRequest, match=str(MAX_REFERENCES)):
        references.add("shapes", "p1", b"one more", ".png")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_id_leads_out_of_the_folder(references: ReferencePictures, name: str) -> None:
    path = references.add(name, name, b"content", ".png")
    assert path.resolve().is_relative_to(references.folder.resolve())
    assert references.of(name, name) == (path,)


def test_links_are_not_followed(references: ReferencePictures, tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.png")
    (references.folder / "shapes").mkdir(parents=True)
    (references.folder / "shapes" / "p1.png").symlink_to(secret)
    assert references.of("shapes", "p1") == ()


def test_different_ids_have_different_names() -> None:
    names = [folder_name(name) for name in HOSTILE]
    assert len(set(names)) == len(names)
