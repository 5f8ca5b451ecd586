import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from explorer import bundle_reader
from explorer.bundle_import import BundleImport
from explorer.bundle_reader import read_bundle
from explorer.bundles import FORMAT_VERSION, MANIFEST, RECIPES, SCORES, write_bundle
from explorer.errors import Cancelled, InvalidRequest, StorageError
from explorer.events import Event, Failed, ImageDone, Notice
from explorer.recipes import png_info
from explorer.reports import Results
from explorer.requests import ImageQuery
from explorer.storage import Storage
from tests.explorer.scored import cache_key, drawn_run
from tests.explorer.test_recipes import make_recipe

HIGHER = {"clip_score": "higher"}
Files = dict[str, bytes]


def open_storage(folder: Path) -> Storage:
    return Storage(folder / "images", folder / "thumbnails", folder / "explorer.db")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = open_storage(tmp_path / "here")
    yield storage
    storage.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Storage]:
    storage = open_storage(tmp_path / "there")
    yield storage
    storage.close()


@pytest.fixture
def results(storage: Storage) -> Results:
    return drawn_run(storage)


@pytest.fixture
def path(tmp_path: Path, results: Results) -> Path:
    path = tmp_path / "results.zip"
    write_bundle(path, results, "base vs tuned", {"torch": "2"}, pictures=True)
    return path


def taken(path: Path, storage: Storage) -> tuple[str, list[Event]]:
    events: list[Event] = []
    run = BundleImport(read_bundle(path), storage, lambda: False, events.append).run()
    return run, events


# there and back


def test_another_workspace_gets_the_pictures_the_scores_and_the_run(
    path: Path, results: Results, other: Storage
) -> None:
    run, events = taken(path, other)
    assert run == results.run
    assert sum(isinstance(event, ImageDone) and event.new for event in events) == 12
    images = other.run_images(run)
    assert [(i.id, i.recipe) for i in images] == [(i.id, i.recipe) for i in results.images]
    assert all(
        i.path.read_bytes() == j.path.read_bytes() for i, j in zip(images, results.images, strict=True)
    )
    assert other.page(ImageQuery(run=run)).total == 12
    assert other.runs()[0].title == "base vs tuned"
    rows = other.scores.of_images([image.id for image in images])
    assert {(r.image_id, r.value) for r in rows} == {(r.image_id, r.value) for r in results.scores}
    assert rows[0].detail == {"cosine": rows[0].value / 100 if rows[0].value else None}


def test_the_same_bundle_again_adds_nothing(path: Path, results: Results, other: Storage) -> None:
    taken(path, other)
    files = {p: p.stat().st_mtime_ns for p in other.images_folder.rglob("*.png")}
    run, events = taken(path, other)
    assert run == results.run
    assert not any(isinstance(event, ImageDone) and event.new for event in events)
    assert {p: p.stat().st_mtime_ns for p in other.images_folder.rglob("*.png")} == files
    assert len(other.runs()) == 1


def test_scores_made_here_are_kept_and_scores_from_elsewhere_never_answer_an_analysis(
    path: Path, results: Results, storage: Storage, other: Storage
) -> None:
    before = storage.scores.of_images([image.id for image in results.images])
    taken(path, storage)
    assert storage.scores.of_images([image.id for image in results.images]) == before
    taken(path, other)
    key = cache_key(results.scores[0])
    assert storage.scores.get_many([key])
    assert not other.scores.get_many([key])


def test_a_bundle_without_pictures_is_read_and_not_imported(
    tmp_path: Path, results: Results, other: Storage
) -> None:
    path = tmp_path / "numbers.zip"
    write_bundle(path, results, "t", {"torch": "2"}, pictures=False)
    bundle = read_bundle(path)
    assert bundle.results(HIGHER).leaderboard == results.leaderboard
    assert bundle.environment == {"torch": "2"}
    with pytest.raises(InvalidRequest, match=r"export --from numbers\.zip"):
        BundleImport(bundle, other, lambda: False, lambda event: None).run()
    with pytest.raises(InvalidRequest, match="damaged"), bundle.pictures() as picture:
        picture(results.images[0].id)


def test_a_picture_that_is_gone_or_changed_stops_the_export_and_leaves_no_file(
    tmp_path: Path, results: Results
) -> None:
    target = tmp_path / "out" / "results.zip"
    file = results.images[3].path
    kept = file.read_bytes()
    for change, words in (
        (lambda: file.write_bytes(kept + b" "), "changed"),
        (file.unlink, "cannot be read"),
    ):
        change()
        with pytest.raises(StorageError, match=words):
            write_bundle(target, results, "t", {}, pictures=True)
    assert list(target.parent.iterdir()) == []
    write_bundle(target, results, "t", {}, pictures=False)
    assert [p.name for p in target.parent.iterdir()] == ["results.zip"]


def test_a_picture_of_the_same_cell_that_is_here_is_kept(
    path: Path, results: Results, other: Storage
) -> None:
    mine = other.save_image(Pillow.new("RGB", (64, 96), "white"), results.images[0].recipe)
    run, events = taken(path, other)
    assert any(isinstance(event, Notice) and mine.id[:12] in event.text for event in events)
    assert other.run_images(run)[0].id == mine.id
    assert other.scores.of_images([mine.id]) == []


def test_a_bundle_that_changes_after_it_was_read_is_noticed(
    path: Path, tmp_path: Path, other: Storage
) -> None:
    bundle = read_bundle(path)
    name = next(name for name in contents(path) if name.startswith("pictures/"))
    packed(contents(path) | {name: b"another"}, path)
    with pytest.raises(InvalidRequest, match="not the one that was scored"):
        BundleImport(bundle, other, lambda: False, lambda event: None).run()


def test_it_can_be_stopped_and_continued(path: Path, other: Storage) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        BundleImport(read_bundle(path), other, lambda: next(asked), lambda event: None).run()
    assert len(list(other.images_folder.rglob("*.png"))) == 2
    _, events = taken(path, other)
    assert sum(isinstance(event, ImageDone) and event.new for event in events) == 10


# hostile and damaged ones


def contents(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files, path: Path, *, sound: bool = True) -> Path:
    """Pack again; the manifest is made to fit what was changed, as someone with bad will would."""
    manifest = json.loads(files[MANIFEST])
    if sound:
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
            if name != MANIFEST and not name.startswith("pictures/")
        }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (files | {MANIFEST: json.dumps(manifest).encode()}).items():
            archive.writestr(name, data)
    return path


def edited(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """JSON lines with the first one changed."""
    lines = data.splitlines()
    first = json.loads(lines[0])
    change(first)
    return b"\n".join([json.dumps(first).encode(), *lines[1:]])


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(id="../../evil"),
        lambda r: r.update(id="A" * 64),
        lambda r: r.update(created="yesterday"),
        lambda r: r["recipe"].update(cell="../../../../etc/passwd"),
        lambda r: r["recipe"].update(cell=""),
        lambda r: r["recipe"].update(seed="7"),
        lambda r: r["recipe"].update(seed=2**64),
        lambda r: r["recipe"].update(seed=-2),
        lambda r: r["recipe"].update(steps=1.5),
        lambda r: r["recipe"].update(guidance=float("nan")),
        lambda r: r["recipe"].update(prompt=["a"]),
        lambda r: r["recipe"].update(prompt="half a character \ud800"),
        lambda r: r["recipe"].update(loras=[["a", "b"]]),
        lambda r: r["recipe"].update(versions={"torch": 2}),
        lambda r: r["recipe"].update(model=""),
        lambda r: r["recipe"].pop("prompt"),
        lambda r: r.update(recipe="text"),
        lambda r: r["recipe"].update(prompt="x" * (1 << 20)),
    ],
)
def test_unsound_recipes_are_refused(path: Path, tmp_path: Path, change: Callable[[Any], object]) -> None:
    files = contents(path)
    files[RECIPES] = edited(files[RECIPES], change)
    with pytest.raises(InvalidRequest, match="cannot be used"):
        read_bundle(packed(files, tmp_path / "evil.zip"))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(image_id="0" * 64),
        lambda s: s.update(value=float("inf")),
        lambda s: s.update(value=None),
        lambda s: s.update(reason="both"),
        lambda s: s.update(value="31"),
        lambda s: s.update(tier="huge"),
        lambda s: s.update(level="planet"),
        lambda s: s.update(metric="a b"),
        lambda s: s.update(unit=["x"]),
        lambda s: s.update(detail={"a": float("nan")}),
        lambda s: s.update(detail=[1]),
        lambda s: s.pop("backbone"),
    ],
)
def test_unsound_scores_are_refused(path: Path, tmp_path: Path, change: Callable[[Any], object]) -> None:
    files = contents(path)
    files[SCORES] = edited(files[SCORES], change)
    with pytest.raises(InvalidRequest, match="cannot be used"):
        read_bundle(packed(files, tmp_path / "evil.zip"))


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "/etc/passwd", "pictures/../../evil.png", "C:\\evil.png", "pictures/", "notes.txt"],
)
def test_a_file_with_any_other_name_is_refused(path: Path, tmp_path: Path, name: str) -> None:
    files = contents(path) | {name: b"x"}
    with pytest.raises(InvalidRequest, match="no bundle has"):
        read_bundle(packed(files, tmp_path / "evil.zip"))
    assert not (tmp_path.parent / "evil.png").exists()


def test_a_changed_list_is_noticed_by_its_hash(path: Path, tmp_path: Path) -> None:
    files = contents(path)
    files[SCORES] = edited(files[SCORES], lambda s: s.update(value=99.0))
    with pytest.raises(InvalidRequest, match="not the file that its manifest names"):
        read_bundle(packed(files, tmp_path / "evil.zip", sound=False))


def test_a_changed_missing_or_foreign_picture_is_refused(path: Path, tmp_path: Path) -> None:
    name = next(name for name in contents(path) if name.startswith("pictures/"))
    changed = contents(path) | {name: b"not the picture"}
    with pytest.raises(InvalidRequest, match="not the one that was scored"):
        read_bundle(packed(changed, tmp_path / "a.zip"))
    missing = contents(path)
    del missing[name]
    with pytest.raises(InvalidRequest, match="manifest promises"):
        read_bundle(packed(missing, tmp_path / "b.zip"))
    more = contents(path) | {f"pictures/{'0' * 64}.png": b"x"}
    with pytest.raises(InvalidRequest, match="manifest promises"):
        read_bundle(packed(more, tmp_path / "c.zip"))


def swapped(files: Files, picture: bytes, **changes: object) -> Files:
    """The first picture replaced by another one, everywhere."""
    lines = files[RECIPES].splitlines()
    first = json.loads(lines[0])
    old, new = first["id"], hashlib.sha256(picture).hexdigest()
    first["recipe"].update(changes)
    first["id"] = new
    changed = {name: data for name, data in files.items() if old not in name}
    changed[RECIPES] = b"\n".join([json.dumps(first).encode(), *lines[1:]])
    changed[SCORES] = files[SCORES].replace(old.encode(), new.encode())
    return changed | {f"pictures/{new}.png": picture}


def png(size: tuple[int, int] = (64, 96), **changes: object) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", size).save(buffer, "PNG", pnginfo=png_info(make_recipe(**changes)))
    return buffer.getvalue()


def test_pictures_that_are_none_or_lie_about_their_recipe_are_left_out(
    path: Path, tmp_path: Path, other: Storage
) -> None:
    files = contents(path)
    own = files[f"pictures/{json.loads(files[RECIPES].splitlines()[0])['id']}.png"]
    for data, words in (
        (b"GIF89a nothing", "is no readable"),
        (png(prompt="another one"), "does not carry the recipe"),
        (own[:-20], "damaged"),
        (own + b"hidden", "behind its end"),
    ):
        changed = packed(swapped(files, data), tmp_path / "evil.zip")
        _, events = taken(changed, other)
        (failed,) = (event for event in events if isinstance(event, Failed))
        assert words in failed.reason
    assert len(list(other.images_folder.rglob("*.png"))) == 11


def test_a_cell_made_to_hit_the_file_of_another_picture_does_not_overwrite_it(
    path: Path, tmp_path: Path, storage: Storage, results: Results
) -> None:
    mine = results.images[0]
    cell = mine.recipe.cell[:16] + "0" * 48
    recipe = replace(mine.recipe, cell=cell)
    buffer = io.BytesIO()
    Pillow.new("RGB", (64, 96), "red").save(buffer, "PNG", pnginfo=png_info(recipe))
    before = mine.path.read_bytes()
    files = swapped(contents(path), buffer.getvalue(), cell=cell)
    _, events = taken(packed(files, tmp_path / "evil.zip"), storage)
    assert any(isinstance(event, Failed) and "place" in event.reason for event in events)
    assert mine.path.read_bytes() == before


def test_a_bomb_is_refused_before_it_is_unpacked(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(bundle_reader, "MAX_TEXT_BYTES", 1 << 20)
    files = contents(path) | {"votes.jsonl": b"0" * (2 << 20)}
    with pytest.raises(InvalidRequest, match="larger than"):
        read_bundle(packed(files, tmp_path / "bomb.zip"))
    squeezed = tmp_path / "squeezed.zip"
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, contents(path)[MANIFEST])
        archive.writestr(f"pictures/{'0' * 64}.png", b"0" * 10_000)
    with pytest.raises(InvalidRequest, match="packed in an unknown way"):
        read_bundle(squeezed)
    monkeypatch.setattr(bundle_reader, "MAX_PICTURES", 3)
    with pytest.raises(InvalidRequest, match="at most 3 pictures"):
        read_bundle(path)


def test_a_size_that_lies_is_found_out(path: Path, tmp_path: Path) -> None:
    lying = tmp_path / "lying.zip"
    with zipfile.ZipFile(lying, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents(path).items():
            stored = zipfile.ZIP_STORED if name.startswith("pictures/") else zipfile.ZIP_DEFLATED
            archive.writestr(name, data, stored)
        archive.getinfo(SCORES).file_size = 10
    with pytest.raises(InvalidRequest, match=r"damaged|not the file"):
        read_bundle(lying)


def test_two_files_of_one_name_are_refused(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(SCORES, b"")
    with pytest.raises(InvalidRequest, match="one name"):
        read_bundle(path)


def test_overlapping_parts_are_refused(path: Path, tmp_path: Path) -> None:
    overlapping = tmp_path / "overlap.zip"
    with zipfile.ZipFile(overlapping, "w") as archive:
        for name, data in contents(path).items():
            archive.writestr(name, data)
        for index in range(3):
            info = zipfile.ZipInfo(f"pictures/{index:064}.png")
            first = archive.getinfo(next(n for n in archive.namelist() if n.startswith("pictures/")))
            for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(info, field, getattr(first, field))
            info.file_size = info.compress_size = overlapping.stat().st_size
            archive.filelist.append(info)
            archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="parts overlap"):
        read_bundle(overlapping)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": FORMAT_VERSION + 1}, "newer version"),
        ({"format": "something else"}, "no results bundle"),
        ({"version": "1"}, "unsound"),
        ({"pictures": "yes"}, "unsound"),
        ({"run": "../../x"}, "run is unsound"),
    ],
)
def test_an_unsound_manifest_is_refused(
    path: Path, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    files = contents(path)
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | change).encode()
    with pytest.raises(InvalidRequest, match=words):
        read_bundle(packed(files, tmp_path / "evil.zip"))


def test_what_is_no_bundle_says_so(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="There is no file"):
        read_bundle(tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(InvalidRequest, match="no whole zip file"):
        read_bundle(tmp_path / "text.zip")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidRequest, match="no whole zip file"):
        read_bundle(tmp_path / "cut.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InvalidRequest, match=r"has no manifest\.json"):
        read_bundle(tmp_path / "other.zip")


def test_votes_travel_with_the_pictures_and_count_once(storage: Storage, tmp_path: Path) -> None:
    from explorer.ballots import Entrant
    from tests.explorer.voted import ballot

    results = drawn_run(storage)
    pair = [Entrant(image.id, image.recipe.model, image.recipe.model_hash) for image in results.images[:2]]
    votes = [replace(ballot(n, ("a", "b"), "first"), first=pair[0], second=pair[1]) for n in range(2)]
    path = tmp_path / "votes.zip"
    write_bundle(path, results, "t", {}, pictures=True, votes=votes)
    bundle = read_bundle(path)
    assert bundle.votes == tuple(votes)
    other = open_storage(tmp_path / "there")
    for _ in range(2):
        BundleImport(bundle, other, lambda: False, lambda event: None).run()
        assert other.votes.votes() == votes
    other.close()
    strange = [replace(votes[0], second=Entrant("0" * 64, "a", "h"))]
    write_bundle(path, results, "t", {}, pictures=True, votes=strange)
    with pytest.raises(InvalidRequest, match="pictures that are not listed"):
        read_bundle(path)
