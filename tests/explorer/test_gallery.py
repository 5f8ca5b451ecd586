import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
import sqlalchemy as sa
from PIL import Image as Pillow

from explorer import Explorer, Settings, schema
from explorer.errors import InvalidRequest, StorageError
from explorer.gallery import MOST_SELECTED
from explorer.types import Image
from tests.explorer.test_recipes import make_recipe
from tests.explorer.test_trash import HOSTILE


@pytest.fixture
def explorer(tmp_path: Path) -> Iterator[Explorer]:
    explorer = Explorer(Settings(root=tmp_path / "workspace", device="cpu", offline=True))
    yield explorer
    explorer.close()


def draw(explorer: Explorer, number: int, **changes: object) -> Image:
    cell = hashlib.sha256(str(number).encode()).hexdigest()
    picture = Pillow.new("RGB", (64, 48), (number, 5, 5))
    return explorer.storage.save_image(picture, make_recipe(seed=number, cell=cell, **changes))


def test_a_zip_takes_any_name_and_keeps_every_picture(explorer: Explorer, tmp_path: Path) -> None:
    images = [
        draw(explorer, number, model=name, prompt=name, prompt_id=name) for number, name in enumerate(HOSTILE)
    ]
    # Two pictures that differ in nothing a name shows.
    images += [draw(explorer, 50 + n, model="🦊", prompt="🦊", prompt_id="🦊") for n in range(2)]
    path = explorer.gallery.zip_pictures([image.id for image in images] + ["unknown"])
    assert path.parent == explorer.settings.exports
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        assert len(set(names)) == len(images)
        for name, image in zip(names, images, strict=True):
            parts = PurePosixPath(name).parts
            assert len(parts) == 2
            assert not {".", "..", "/"} & set(parts)
            assert not PureWindowsPath(name).drive
            assert name.isascii()
            assert not set(name) & set('\\:*?"<>|\n\0')
            assert max(map(len, parts)) < 120
            assert bundle.read(name) == image.path.read_bytes()
        bundle.extractall(tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.png"))) == len(images)


def test_a_zip_of_nothing_or_too_much_is_refused(explorer: Explorer) -> None:
    with pytest.raises(InvalidRequest, match="gone"):
        explorer.gallery.zip_pictures(["../../etc/passwd"])
    with pytest.raises(InvalidRequest, match="At most"):
        explorer.gallery.zip_pictures(["x"] * (MOST_SELECTED + 1))
    with pytest.raises(InvalidRequest, match="At most"):
        explorer.gallery.delete(["x"] * (MOST_SELECTED + 1))


def test_a_zip_never_holds_a_file_from_outside(explorer: Explorer, tmp_path: Path) -> None:
    image = draw(explorer, 1)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not yours")
    with explorer.storage.engine.begin() as connection:
        connection.execute(sa.update(schema.images).values(path="../../secret.png"))
    with pytest.raises(StorageError, match="outside"):
        explorer.gallery.zip_pictures([image.id])
    assert list(explorer.settings.exports.glob("*")) == []


def test_a_picture_file_that_is_gone(explorer: Explorer) -> None:
    images = [draw(explorer, number) for number in range(2)]
    images[0].path.unlink()
    assert list(explorer.gallery.thumbnails(images)) == [images[1].id]
    with pytest.raises(StorageError, match="gone"):
        explorer.gallery.zip_pictures([image.id for image in images])


def test_emptying_the_trash_takes_the_thumbnails_along(explorer: Explorer) -> None:
    image = draw(explorer, 1)
    thumbnail = explorer.gallery.thumbnails([image])[image.id]
    assert Pillow.open(thumbnail).format == "WEBP"
    explorer.gallery.delete([image.id])
    trashed = explorer.gallery.trashed(10).images
    assert explorer.gallery.thumbnails(trashed) == {image.id: thumbnail}
    assert explorer.gallery.empty_trash() == 1
    assert not thumbnail.exists()
    assert explorer.gallery.trash_count() == 0


def test_marks_change_one_thing_at_a_time(explorer: Explorer) -> None:
    image = draw(explorer, 1)
    explorer.gallery.mark(image.id, favourite=True)
    assert explorer.gallery.mark(image.id, stars=3) == (True, 3)
    assert explorer.gallery.mark(image.id, favourite=False) == (False, 3)


def test_a_grid_of_no_such_kind_is_refused(explorer: Explorer) -> None:
    with pytest.raises(InvalidRequest, match="seeds, prompts, weights"):
        explorer.gallery.grid("other", "", "", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="no picture"):
        explorer.gallery.write_grid(explorer.gallery.grid("seeds", "", "none", None))
