import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer import library as library_module
from explorer.database import open_database
from explorer.errors import InvalidRequest, StorageError, UnknownName
from explorer.library import ModelLibrary
from explorer.model_store import ModelStore
from tests.fakes import PROJECT, copy_checkpoint
from tests.model_files import CLIP_L, FLUX_LORA, SD15, SD15_LORA, SDXL, SDXL_LORA, VAE, write_model

SHAPES = PROJECT / "assets"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as people have it: models, LoRAs, a VAE, a text encoder."""
    models = tmp_path / "models"
    write_model(models / "checkpoints" / "deep" / "photo.safetensors", SD15)
    write_model(models / "checkpoints" / "ponyXL.safetensors", SDXL)
    write_model(models / "loras" / "style.safetensors", SDXL_LORA)
    write_model(
        models / "loras" / "old.safetensors", SD15_LORA, metadata={"modelspec.trigger_phrase": "zork"}
    )
    write_model(models / "vae" / "soft.safetensors", VAE)
    write_model(models / "clip" / "clip_l.safetensors", CLIP_L)
    (models / "loras" / "broken.safetensors").write_bytes(b"x")
    return models


def library_of(folder: Path, store: ModelStore | None = None) -> ModelLibrary:
    return ModelLibrary((folder,), folder / "nothing", store)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(open_database(tmp_path / "explorer.db")[0])


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Notes every file that is opened from now on."""
    opened: list[Path] = []
    read = library_module.read_model

    def noted(path: Path, *rest: object) -> object:
        opened.append(path)
        return read(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(library_module, "read_model", noted)
    return opened


def test_the_bundled_checkpoints_are_found() -> None:
    found = {c.name: c for c in ModelLibrary((), SHAPES).checkpoints()}
    assert {"shapes-base", "shapes-early"} <= set(found)
    assert found["shapes-base"].bundled
    assert (found["shapes-base"].family, found["shapes-base"].layout) == ("sd15", "diffusers")


def test_every_kind_is_listed_and_only_usable_ones_are_offered(folder: Path) -> None:
    library = library_of(folder)
    kinds = {file.name: file.facts.kind for file in library.files()}
    assert kinds == {
        "photo": "checkpoint",
        "ponyXL": "checkpoint",
        "style": "lora",
        "old": "lora",
        "broken": "lora",
        "soft": "vae",
        "clip_l": "text_encoder",
    }
    assert [c.name for c in library.checkpoints()] == ["photo", "ponyXL"]
    assert [lora.name for lora in library.loras()] == ["old", "style"]
    assert [c.facts.variant for c in library.checkpoints()] == ["", "Pony"]


def test_search(folder: Path) -> None:
    library = library_of(folder)

    def names(**wanted: str) -> list[str]:
        return [file.name for file in library.search(**wanted)]

    assert names(text="PONY") == ["ponyXL"]
    assert names(text="zork") == ["old"]
    assert names(text="zork style") == []
    assert names(kind="lora", family="sdxl") == ["style"]
    assert names(kind="vae") == ["soft"]


def test_a_second_scan_opens_nothing(
    folder: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = library_of(folder, store).files()
    opened = count_readings(monkeypatch)
    again = library_of(folder, store)  # as after a restart of the program
    assert again.files() == first == again.files()
    assert [c.facts for c in again.checkpoints()] == [f.facts for f in first[:2]]
    assert opened == []


def test_only_what_changed_is_read_again(
    folder: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_of(folder, store)
    library.files()
    opened = count_readings(monkeypatch)
    changed = write_model(folder / "checkpoints" / "ponyXL.safetensors", SD15)
    new = write_model(folder / "loras" / "new.safetensors", FLUX_LORA)
    (folder / "loras" / "old.civitai.info").write_text('{"trainedWords": ["mork"]}')
    (folder / "vae" / "soft.safetensors").unlink()
    files = {file.name: file for file in library.files()}
    assert set(opened) == {changed, new, folder / "loras" / "old.safetensors"}
    assert "soft" not in files
    assert (files["ponyXL"].facts.family, files["new"].facts.family) == ("sd15", "flux")
    assert files["old"].facts.trigger_words == ("mork",)
    assert folder / "vae" / "soft.safetensors" not in store.readings()


def test_resolving_walks_no_folder_while_the_model_is_unchanged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_of(folder)
    library.resolve("photo")
    monkeypatch.setattr(library_module, "walk", lambda roots: pytest.fail("walked"))
    assert library.resolve("ponyXL+style:0.5").name == "ponyXL+style:0.5"
    monkeypatch.undo()
    os.utime(folder / "checkpoints" / "ponyXL.safetensors", ns=(1, 1))
    assert library.resolve("ponyXL").checkpoint.family == "sdxl"
    write_model(folder / "checkpoints" / "newer.safetensors", SD15)
    assert library.resolve("newer").checkpoint.family == "sd15"
    (folder / "checkpoints" / "newer.safetensors").unlink()
    with pytest.raises(UnknownName):
        library.resolve("newer")


def test_a_lora_of_another_family_is_told_before_drawing(folder: Path) -> None:
    library = library_of(folder)
    assert library.resolve("ponyXL+style").problem == ""
    assert library.resolve("photo+old:0.5").problem == ""
    wrong = library.resolve("photo+old+style")
    assert wrong.problem == (
        "The LoRA style was made for SDXL and photo is SD 1.5. Choose a LoRA made for SD 1.5."
    )
    assert "broken.safetensors is cut short" in library.resolve("photo+broken").problem


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("phot", r"Unknown model 'phot'\. Did you mean photo\?"),
        ("PHOTO", "Did you mean photo"),
        ("photo+nothing:1", r"Unknown LoRA 'nothing'\."),
        ("photo+nothing:strong", "'strong' is not a number"),
        ("./nowhere", "There is no model at ./nowhere"),
        ("/\x00", "There is no model at"),
        ("soft", "soft is a VAE, not a checkpoint"),
        ("", "Unknown model ''"),
    ],
)
def test_unknown_references_say_what_is_near(folder: Path, reference: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        library_of(folder).resolve(reference)


def test_paths_with_plus_and_colon(folder: Path) -> None:
    library = library_of(folder)
    place = write_model(folder.parent / "a+b" / "my+model.safetensors", SD15)
    lora = write_model(folder.parent / "a+b" / "my:lora.safetensors", SD15_LORA)
    model = library.resolve(f"{place}+{lora}:0.3+old")
    assert model.checkpoint.path == place
    assert [(w.lora.name, w.weight) for w in model.loras] == [("my:lora", 0.3), ("old", 1.0)]


def test_names_are_unique_and_whole_files_get_them_first(tmp_path: Path) -> None:
    for place in ("a", "b", "c"):
        write_model(tmp_path / place / "same.safetensors", SD15)
    write_model(tmp_path / "d" / "same.safetensors", SD15_LORA)
    (tmp_path / "a" / "same.safetensors").write_bytes(b"broken")
    (tmp_path / "a" / "same.ckpt").write_bytes(b"\x80\x02")
    library = library_of(tmp_path)
    assert [c.name for c in library.checkpoints()] == ["same", "same (2)"]
    assert [lora.name for lora in library.loras()] == ["same"]
    names = [file.name for file in library.files() if file.facts.kind == "unknown"]
    assert names == ["same (3)", "same (4)"]
    assert library.resolve("same (2)").checkpoint.path.parent.name == "c"


def test_ids_keep_their_place_and_tell_no_path(folder: Path) -> None:
    library = library_of(folder)
    ids = [file.id for file in library.files()]
    assert len(set(ids)) == len(ids)
    assert [file.id for file in library_of(folder).files()] == ids
    assert library.file(ids[0]).name == "photo"
    with pytest.raises(InvalidRequest, match="not there any more"):
        library.file("../../etc")


def test_delete_takes_what_lies_beside_along_and_nothing_else(folder: Path, store: ModelStore) -> None:
    for name in ("old.civitai.info", "old.preview.png", "older.json"):
        (folder / "loras" / name).write_text("{}")
    library = library_of(folder, store)
    library.delete(next(f.id for f in library.files() if f.name == "old"))
    left = {path.name for path in (folder / "loras").iterdir()}
    assert left == {"style.safetensors", "broken.safetensors", "older.json"}
    assert "old" not in [file.name for file in library.files()]


def test_an_original_and_its_conversion_share_what_lies_beside_them(folder: Path) -> None:
    (folder / "loras" / "old.ckpt").write_bytes(b"\x80\x02")
    (folder / "loras" / "old.json").write_text("{}")
    library = library_of(folder)
    library.delete(next(f.id for f in library.files() if f.path.suffix == ".ckpt"))
    assert (folder / "loras" / "old.json").exists()
    assert not (folder / "loras" / "old.ckpt").exists()


def test_a_diffusers_folder_goes_with_its_card(tmp_path: Path) -> None:
    copy_checkpoint(SHAPES / "models" / "shapes-base", tmp_path / "mine")
    (tmp_path / "mine.json").write_text('{"baseModel": "SD 1.5", "trainedWords": ["zork"]}')
    library = library_of(tmp_path)
    (file,) = library.files()
    assert (file.name, file.facts.base, file.facts.trigger_words) == ("mine", "SD 1.5", ("zork",))
    assert library.resolve("mine").checkpoint.name == "mine"
    library.delete(file.id)
    assert list(tmp_path.iterdir()) == []


def test_delete_removes_a_link_and_keeps_what_it_leads_to(folder: Path) -> None:
    link = folder / "loras" / "link.safetensors"
    link.symlink_to(folder / "loras" / "style.safetensors")
    library = library_of(folder)
    library.delete(next(f.id for f in library.files() if f.name == "link"))
    assert not link.is_symlink()
    assert (folder / "loras" / "style.safetensors").exists()


def test_bundled_models_stay(tmp_path: Path) -> None:
    library = ModelLibrary((tmp_path,), SHAPES)
    with pytest.raises(InvalidRequest, match="shapes-base comes with the program and stays"):
        library.delete(next(f.id for f in library.files() if f.name == "shapes-base"))


def test_a_disk_that_refuses_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(folder)
    photo = library.files()[0]

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StorageError, match="Cannot delete photo: Permission denied"):
        library.delete(photo.id)


def test_many_threads_at_once(folder: Path, store: ModelStore) -> None:
    library = library_of(folder, store)
    start = threading.Barrier(8)

    def work(_: int) -> int:
        start.wait()
        assert library.resolve("ponyXL+style").problem == ""
        return len(library.files())

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(work, range(8))) == {7}


def test_the_weights_that_will_be_hashed(folder: Path) -> None:
    names = {path.name for path in library_of(folder).weight_files()}
    assert names == {"photo.safetensors", "ponyXL.safetensors", "style.safetensors", "old.safetensors"}
    assert len(ModelLibrary((), SHAPES).weight_files()) >= 6
