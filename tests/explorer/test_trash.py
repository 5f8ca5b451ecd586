import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image as Pillow

from explorer import schema
from explorer.errors import StorageError
from explorer.image_store import Mark
from explorer.requests import ImageQuery
from explorer.storage import Storage
from explorer.types import Image
from metrics import Score
from tests.explorer.test_recipes import make_recipe
from tests.explorer.test_storage import score_key

HOSTILE = (
    "quotes \" and ' and `",
    "emoji 🦊🚀 family 👩‍👩‍👧",
    "../../../../etc/passwd",
    "x" * 300,
    "name\nwith\x00controls; rm -rf /",
    "C:\\windows\\system32",
)


def open_storage(root: Path) -> Storage:
    return Storage(root / "images", root / "thumbnails", root / "explorer.db")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(tmp_path)


def draw(storage: Storage, number: int, **changes: object) -> Image:
    cell = hashlib.sha256(str(number).encode()).hexdigest()
    picture = Pillow.new("RGB", (8, 8), (number, 5, 5))
    return storage.save_image(picture, make_recipe(seed=number, cell=cell, **changes))


def ids(storage: Storage) -> set[str]:
    return {image.id for image in storage.page(ImageQuery()).images}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_deleted_picture_comes_back_as_it_was(storage: Storage, name: str) -> None:
    image = draw(storage, 1, model=name, prompt=name, prompt_id=name)
    data = image.path.read_bytes()
    assert storage.trash.put([image.id, "unknown", image.id]) == (image.id,)
    assert not image.path.exists()
    assert ids(storage) == set()
    lying = storage.trash.page(10).images[0]
    assert (lying.id, lying.path.read_bytes()) == (image.id, data)
    assert lying.path.parent == storage.images_folder.with_name("trash")
    assert storage.trash.restore([image.id]).ids == (image.id,)
    assert storage.image(image.id) == image
    assert image.path.read_bytes() == data
    assert storage.trash.count() == 0


def test_scores_and_marks_stay_until_the_trash_is_emptied(storage: Storage) -> None:
    images = [draw(storage, number) for number in range(2)]
    storage.scores.put_many({score_key(image.id): Score.of(3.0) for image in images})
    storage.pictures.mark(images[0].id, Mark(True, 4))
    storage.trash.put([images[0].id])
    assert storage.scores.of_image(images[0].id)[0].value == 3.0
    assert storage.trash.empty() == (images[0].id,)
    assert storage.scores.of_image(images[0].id) == []
    assert storage.pictures.marks([images[0].id]) == {}
    assert list(storage.images_folder.with_name("trash").iterdir()) == []
    assert storage.scores.of_image(images[1].id)[0].value == 3.0
    assert storage.trash.restore([images[0].id]).ids == ()


def test_deleted_pictures_can_be_drawn_again_and_then_stay_deleted(storage: Storage) -> None:
    image = draw(storage, 1)
    recipe = image.recipe
    storage.scores.put_many({score_key(image.id): Score.of(3.0)})
    storage.trash.put([image.id])
    assert storage.find_cells([recipe]) == {}
    assert storage.rescan() == 0
    storage.save_image(Pillow.new("RGB", (8, 8), (1, 5, 5)), recipe)
    again = storage.trash.restore([image.id])
    assert (again.ids, again.taken) == ((), (image.id,))
    # The same bytes are in use again, so their score must outlive the trash.
    storage.trash.empty()
    assert storage.scores.of_image(image.id)[0].value == 3.0
    assert image.path.is_file()


def test_a_file_that_is_gone_from_the_trash_is_said(storage: Storage) -> None:
    images = [draw(storage, number) for number in range(2)]
    storage.trash.put([image.id for image in images])
    storage.trash.path(images[0].id).unlink()
    back = storage.trash.restore([image.id for image in images])
    assert (back.ids, back.lost) == ((images[1].id,), (images[0].id,))
    assert ids(storage) == {images[1].id}


@pytest.mark.parametrize("path", ["../outside.png", "/{root}/outside.png", "link/outside.png"])
def test_nothing_outside_of_the_workspace_is_moved(tmp_path: Path, path: str) -> None:
    root = tmp_path / "workspace"
    storage = open_storage(root)
    image = draw(storage, 1)
    places = {"../": root, "/{r": tmp_path, "lin": tmp_path / "elsewhere"}
    folder = places[path[:3]]
    folder.mkdir(exist_ok=True)
    secret = folder / "outside.png"
    secret.write_bytes(b"not yours")
    (storage.images_folder / "link").symlink_to(tmp_path / "elsewhere")
    stored = path.format(root=str(tmp_path).lstrip("/"))
    with storage.engine.begin() as connection:
        connection.execute(sa.update(schema.images).values(path=stored))
    with pytest.raises(StorageError, match="outside"):
        storage.trash.put([image.id])
    assert secret.read_bytes() == b"not yours"
    assert ids(storage) == {image.id}
    assert storage.trash.count() == 0


def test_a_file_that_cannot_be_moved_leaves_everything_as_it_was(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    images = [draw(storage, number) for number in range(3)]
    move, moved = shutil.move, []

    def fails_once(old: Path, new: Path) -> object:
        if len(moved) == 2:
            moved.append(old)
            raise PermissionError(13, "Permission denied", str(old))
        moved.append(old)
        return move(old, new)

    monkeypatch.setattr("explorer.trash.shutil.move", fails_once)
    with pytest.raises(StorageError, match="Permission denied"):
        storage.trash.put([image.id for image in images])
    assert len(moved) == 5  # two went, one did not, two came back
    assert ids(storage) == {image.id for image in images}
    assert all(image.path.is_file() for image in images)
    assert storage.trash.count() == 0


def test_a_kill_between_file_and_row_is_mended(tmp_path: Path, storage: Storage) -> None:
    image = draw(storage, 1)
    folder = tmp_path / "trash"
    folder.mkdir(exist_ok=True)
    image.path.rename(folder / f"{image.id}.png")
    storage.close()
    again = open_storage(tmp_path)
    assert image.path.is_file()
    assert ids(again) == {image.id}


def test_the_trash_is_known_again_after_the_index_was_lost(tmp_path: Path, storage: Storage) -> None:
    images = [draw(storage, number) for number in range(2)]
    storage.trash.put([images[0].id])
    storage.close()
    (tmp_path / "explorer.db").write_bytes(b"broken" * 1000)
    again = open_storage(tmp_path)
    assert ids(again) == {images[1].id}
    assert again.trash.restore([images[0].id]).ids == (images[0].id,)
    assert ids(again) == {image.id for image in images}
