import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.errors import DiskFull, InvalidRequest, StorageError
from explorer.image_store import slug
from explorer.requests import ImageQuery
from explorer.storage import RunRecord, Storage, sweep_temporary
from explorer.types import Recipe
from explorer.whole_files import write_whole
from metrics import CacheKey, Score
from tests.explorer.test_recipes import make_recipe


def open_storage(root: Path) -> Storage:
    return Storage(root / "images", root / "thumbnails", root / "explorer.db")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(tmp_path)


def recipe(number: int, **changes: object) -> Recipe:
    return make_recipe(seed=number, cell=hashlib.sha256(str(number).encode()).hexdigest(), **changes)


def picture(color: str = "red") -> Pillow.Image:
    return Pillow.new("RGB", (64, 96), color)


def temporary_files(root: Path) -> list[Path]:
    return list(root.rglob("*.tmp"))


def test_a_saved_picture_is_found_by_its_cell_and_its_id(storage: Storage) -> None:
    image = storage.save_image(picture(), recipe(1))
    assert hashlib.sha256(image.path.read_bytes()).hexdigest() == image.id
    assert storage.find_cells([recipe(1), recipe(2)]) == {recipe(1).cell: image}
    assert storage.image(image.id) == image
    with pytest.raises(InvalidRequest, match="no picture"):
        storage.image("nothing")


def test_a_picture_that_was_written_but_not_indexed_counts(tmp_path: Path) -> None:
    image = open_storage(tmp_path).save_image(picture(), recipe(1))
    (tmp_path / "explorer.db").unlink()
    again = open_storage(tmp_path)
    assert again.find_cells([recipe(1)])[recipe(1).cell].id == image.id


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_picture_that_is_not_whole_does_not_count(storage: Storage, damage: str) -> None:
    path = storage.save_image(picture(), recipe(1)).path
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        picture().save(path)
    assert storage.find_cells([recipe(1)]) == {}
    assert storage.save_image(picture(), recipe(1)).path == path
    assert list(storage.find_cells([recipe(1)])) == [recipe(1).cell]


def test_many_cells_are_looked_up_in_parts(storage: Storage) -> None:
    recipes = [recipe(number) for number in range(1200)]
    storage.save_image(picture(), recipes[1100])
    assert list(storage.find_cells(recipes)) == [recipes[1100].cell]


def test_rescan_makes_the_index_again_from_the_files(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    ids = {storage.save_image(picture(), recipe(number)).id for number in range(5)}
    picture().save(storage.images_folder / "foreign.png")
    (storage.images_folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    storage.close()
    (tmp_path / "explorer.db").unlink()
    again = open_storage(tmp_path)
    assert again.rescan() == 5
    assert {image.id for image in again.page(ImageQuery()).images} == ids


@pytest.mark.parametrize("garbage", [b"not a database at all" * 500, b"SQLite format 3\x00" + bytes(4000)])
def test_a_damaged_database_is_kept_aside_and_made_again(tmp_path: Path, garbage: bytes) -> None:
    storage = open_storage(tmp_path)
    image = storage.save_image(picture(), recipe(1))
    storage.close()
    for file in tmp_path.glob("explorer.db*"):
        file.unlink()
    (tmp_path / "explorer.db").write_bytes(garbage)
    again = open_storage(tmp_path)
    assert again.damaged is not None
    assert again.damaged.read_bytes() == garbage
    assert again.image(image.id).recipe == image.recipe


def test_a_database_damaged_in_the_middle_is_noticed(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    for number in range(300):
        storage._index([(storage._adopt(storage.save_image(picture(), recipe(number)).path), 1)])  # type: ignore[list-item]
    storage.close()
    database = tmp_path / "explorer.db"
    data = bytearray(database.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = os.urandom(8192)
    database.write_bytes(bytes(data))
    again = open_storage(tmp_path)
    assert again.damaged is not None
    assert again.page(ImageQuery()).total == 300


def test_a_full_disk_leaves_nothing_behind(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="The disk is full"):
        storage.save_image(picture(), recipe(1))
    assert not [path for path in storage.images_folder.rglob("*") if path.is_file()]
    monkeypatch.undo()
    storage.save_image(picture(), recipe(1))


def test_a_workspace_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Choose another folder with EXPLORER_ROOT"):
        open_storage(tmp_path / "file")


def test_sweeping_removes_what_dead_programs_left_and_nothing_else(tmp_path: Path) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    (tmp_path / f".a.png.{dead}.ab12.tmp").write_text("left behind")
    (tmp_path / f".b.png.{os.getppid()}.ab12.tmp").write_text("another program at work")
    (tmp_path / "c.png").write_text("whole")
    sweep_temporary(tmp_path)
    assert sorted(path.name[:2] for path in tmp_path.iterdir()) == [".b", "c."]


def test_write_whole_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert not temporary_files(tmp_path)
    with pytest.raises(StorageError, match="Cannot write"):
        write_whole(path / "below a file", b"x")


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    storages = [open_storage(tmp_path) for _ in range(2)]

    def save(worker: int) -> None:
        for number in range(20):
            storages[worker % 2].save_image(picture(), recipe(worker * 100 + number))

    threads = [threading.Thread(target=save, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storages[0].page(ImageQuery()).total == 80
    assert not temporary_files(tmp_path)


def score_key(image_id: str, version: str = "1") -> CacheKey:
    return CacheKey(
        image_hash=image_id,
        text_hash="t",
        metric="m",
        metric_version=version,
        tier="bundled",
        backbone="b",
        revision="r",
        preprocessing="p",
    )


def test_pages_filter_sort_and_count(storage: Storage) -> None:
    images = [
        storage.save_image(
            picture(), recipe(n, model="ab"[n % 2], prompt_id=f"p{n // 2}", category=f"c{n % 3}")
        )
        for n in range(6)
    ]
    everything = storage.page(ImageQuery(limit=4))
    assert (len(everything.images), everything.total) == (4, 6)
    assert [i.recipe.seed for i in storage.page(ImageQuery(offset=4)).images] == [4, 5]
    assert {i.recipe.model for i in storage.page(ImageQuery(model="b")).images} == {"b"}
    assert storage.page(ImageQuery(category="c0")).total == 2
    assert storage.page(ImageQuery(prompt_id="p0", model="a")).total == 1
    newest = storage.page(ImageQuery(sort="newest")).images
    assert [i.recipe.seed for i in newest] == [5, 4, 3, 2, 1, 0]
    storage.scores.put_many({score_key(images[3].id): Score.of(9.0), score_key(images[1].id): Score.of(5.0)})
    best = storage.page(ImageQuery(sort="score", metric="m")).images
    assert [i.recipe.seed for i in best][:2] == [3, 1]
    lowest = storage.page(ImageQuery(sort="score", metric="m"), higher_is_better=False).images
    assert [i.recipe.seed for i in lowest][:2] == [1, 3]
    cells = tuple(image.recipe.cell for image in images[:2])
    storage.save_run(RunRecord("r1", "Run", ("a", "b"), "tiny", ("c0",), {}, cells))
    assert storage.page(ImageQuery(run="r1")).total == 2


def test_runs_are_newest_first_and_the_same_run_moves_up(storage: Storage) -> None:
    cells = (recipe(1).cell, recipe(2).cell)
    storage.save_image(picture(), recipe(1))
    for run in ("r1", "r2", "r1"):
        storage.save_run(RunRecord(run, run.upper(), ("a",), "tiny", (), {}, cells))
    assert [(r.id, r.cells, r.images) for r in storage.runs()] == [("r1", 2, 1), ("r2", 2, 1)]
    assert [image.recipe.seed for image in storage.run_images("r1")] == [1]


def test_file_hashes_are_remembered_until_the_file_changes(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = storage.file_hash(path)
    assert first == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    assert storage.file_hash(path) == hashlib.sha256(b"two").hexdigest()


def test_a_thumbnail_wanted_by_many_at_once(storage: Storage) -> None:
    image = storage.save_image(Pillow.new("RGB", (512, 512)), recipe(1))
    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(lambda _: storage.thumbnail(image), range(32)))
    assert len(set(paths)) == 1
    assert not temporary_files(storage.thumbnails_folder)


def test_thumbnails_are_small_and_made_once(storage: Storage) -> None:
    image = storage.save_image(Pillow.new("RGB", (1024, 512)), recipe(1))
    path = storage.thumbnail(image)
    with Pillow.open(path) as small:
        assert (small.format, small.size) == ("WEBP", (256, 128))
    before = path.stat().st_mtime_ns
    assert storage.thumbnail(image).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shapes-base", "shapes-base"),
        ("../../etc/passwd", "etc-passwd"),
        ("a b:c*d", "a-b-c-d"),
        ("狐", "unnamed"),
        ("...", "unnamed"),
        ("x" * 500, "x" * 80),
    ],
)
def test_names_become_safe_parts_of_a_path(text: str, expected: str) -> None:
    assert slug(text) == expected
