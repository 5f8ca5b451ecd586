"""Which folders may be read: by name always, by path only where the page is private."""

from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.errors import InvalidRequest
from explorer.folders import check_folder, picture_folders
from explorer.settings import Settings


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (8, 8)).save(folder / name)
    return folder


def test_folders_are_listed_with_their_pictures(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "w", picture_folders=(tmp_path / "shoots",))
    put(settings.pictures, "one/a/1.png", "one/b/2.png", "one/.hidden/3.png")
    put(tmp_path / "shoots", "late/1.png", "cover.png")
    (settings.pictures / "empty").mkdir()
    found = {folder.name: folder.pictures for folder in picture_folders(settings)}
    assert found == {"pictures": 2, "pictures/one": 2, "shoots": 2, "shoots/late": 1}
    assert check_folder("pictures/one", settings) == settings.pictures.resolve() / "one"


def test_a_path_is_taken_from_the_owner_of_the_machine(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "w")
    here = put(tmp_path / "elsewhere", "1.png")
    assert check_folder(f' "{here}" ', settings) == here.resolve()
    for text, said in (("", "Name a folder"), (str(tmp_path / "nowhere"), "There is no folder")):
        with pytest.raises(InvalidRequest, match=said):
            check_folder(text, settings)


def test_where_others_reach_the_page_only_names_count(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "w", host="0.0.0.0")
    put(settings.pictures, "one/1.png", "one/deep/2.png")
    secret = put(tmp_path / "secret", "1.png")
    assert check_folder("pictures/one", settings).name == "one"
    assert check_folder(str(settings.pictures / "one" / "deep"), settings).name == "deep"
    (settings.pictures / "link").symlink_to(secret)
    for path in (
        secret,
        settings.pictures / ".." / ".." / "secret",
        settings.pictures / "link",
        Path("/etc"),
    ):
        with pytest.raises(InvalidRequest, match="Other computers can reach this page"):
            check_folder(str(path), settings)
