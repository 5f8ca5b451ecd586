import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from explorer import library as library_module
from explorer.database import open_database
from explorer.errors import Cancelled, InvalidRequest, StorageError, UnknownName
from explorer.facts import ModelFacts
from explorer.library import ModelLibrary
from explorer.model_store import ModelStore
from tests.fakes import PROJECT, copy_checkpoint
from tests.model_files import CLIP_L, FLUX_LORA, SD15, SD15_LORA, SDXL, SDXL_LORA, VAE, write_model
from tests.tiny_families import Folders

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


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("photo+old:0.8[up.1=0.25,down=0.5,mid=1]", "photo+old:0.8[down=0.5,up.1=0.25]"),
        ("photo+old[text=0]+old:-1", "photo+old:1[text=0]+old:-1"),
        ("photo+old:0.1234567891[down=-1e-7]", "photo+old:0.1234567891[down=-1e-07]"),
        ("photo+old:0.8[down=1,mid=1.0]", "photo+old:0.8"),
        ("ponyXL+style:2[other=10]", "ponyXL+style:2[other=10]"),
    ],
)
def test_weights_per_block_have_one_spelling_that_is_read_back(
    folder: Path, reference: str, name: str
) -> None:
    library = library_of(folder)
    model = library.resolve(reference)
    assert model.name == name
    assert library.resolve(name) == model
    assert hash(library.resolve(name)) == hash(model)
    turned = replace(model.loras[0], blocks=(*model.loras[0].blocks[::-1], ("up", 1.0)))
    assert turned == model.loras[0]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("photo+old[sideways=0]", "photo has no block sideways. Its blocks are down (down.0 to down.3), "),
        ("photo+old:0.5[down=0,up.4=0]", "photo has no block up.4"),
        ("ponyXL+style[down.3=0]", "ponyXL has no block down.3. Its blocks are down (down.0 to down.2)"),
        ("photo+old+old[transformer_blocks=0]", "photo has no block transformer_blocks"),
        ("photo+nothing:0.5[down=0]", "Unknown LoRA 'nothing'"),
    ],
)
def test_blocks_that_a_model_has_not_are_told_with_those_it_has(
    folder: Path, reference: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(message)):
        library_of(folder).resolve(reference)


def test_a_transformers_blocks_are_known_by_name_before_it_is_loaded(folder: Path, tiny: Folders) -> None:
    library = library_of(folder)
    write_model(folder / "loras" / "flow.safetensors", FLUX_LORA)
    model = library.resolve(f"{tiny('flux')}+flow[single_transformer_blocks.30=0,transformer_blocks=0.5]")
    assert model.loras[0].blocks == (("single_transformer_blocks.30", 0.0), ("transformer_blocks", 0.5))
    with pytest.raises(InvalidRequest, match=r"transformer_blocks \(transformer_blocks.0 and so on\)"):
        library.resolve(f"{tiny('flux')}+flow[mid=0]")


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


class Gate:
    """Holds the reading of model files at the first person's file until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._left = after
        self._read = library_module.read_model
        monkeypatch.setattr(library_module, "read_model", self)

    def __call__(self, path: Path, *rest: object) -> object:
        if SHAPES not in path.parents:
            self._left -= 1
            if self._left < 0:
                self.reached.set()
                assert self.opened.wait(60)
        return self._read(path, *rest)  # type: ignore[arg-type]


def write_many(folder: Path, count: int = 40) -> Path:
    for number in range(count):
        write_model(folder / f"style-{number:02d}.safetensors", SD15_LORA)
    return folder


def test_what_is_known_is_told_while_files_are_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ModelLibrary((write_many(tmp_path / "loras"),), SHAPES)
    gate = Gate(monkeypatch, after=10)
    scan = threading.Thread(target=library.files)
    scan.start()
    assert gate.reached.wait(60)
    known = library.known()  # would wait for ever if it waited for the scan
    bundled = sum(file.bundled for file in known.files)
    assert bundled >= 4
    assert (known.read, known.total) == (bundled + 10, bundled + 40)
    assert [file.name for file in known.of_kind("lora") if not file.bundled][-1] == "style-09"
    gate.opened.set()
    scan.join()
    assert library.known().complete
    assert len(library.known().files) == bundled + 40


def test_many_new_files_are_read_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModelLibrary((write_many(tmp_path / "loras"),), SHAPES)
    gate = Gate(monkeypatch)
    known = library.known()
    assert known.total - known.read == 40
    assert all(file.bundled for file in known.files)
    assert gate.reached.wait(60)  # nobody else asked for them
    assert library.resolve("shapes-base").checkpoint.bundled  # known, and so not waited for
    with ThreadPoolExecutor(1) as thread:
        unknown = thread.submit(library.resolve, "shapes-base+style-39:0.5")
        with pytest.raises(TimeoutError):
            unknown.result(0.2)
        gate.opened.set()
        assert unknown.result(60).loras[0].weight == 0.5
    assert library.known().complete
    library.close()


def test_a_few_new_files_are_read_at_once(folder: Path) -> None:
    library = library_of(folder)
    assert library.known().complete
    assert [file.name for file in library.known().files] == [file.name for file in library.files()]


def test_a_plus_in_a_name_that_was_not_read_yet_is_waited_for(tmp_path: Path) -> None:
    write_many(tmp_path)
    write_model(tmp_path / "photo.safetensors", SD15)
    library = library_of(tmp_path)
    library.files()
    write_many(tmp_path / "more", 20)
    write_model(tmp_path / "photo+style-01.safetensors", SD15)
    assert not library.known().complete
    assert library.resolve("photo+style-01").checkpoint.name == "photo+style-01"


def test_closing_ends_a_scan_and_what_was_read_is_kept(
    tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "BATCH", 5)
    library = library_of(write_many(tmp_path / "loras"), store)
    gate = Gate(monkeypatch, after=12)
    ended: list[type] = []

    def scan() -> None:
        try:
            library.files()
        except Cancelled as error:
            ended.append(type(error))

    thread = threading.Thread(target=scan)
    thread.start()
    assert gate.reached.wait(60)
    library.close()
    gate.opened.set()
    thread.join()
    assert ended == [Cancelled]
    assert len(store.readings()) == 10
    opened = count_readings(monkeypatch)
    assert len(library_of(tmp_path / "loras", store).files()) == 40
    assert len(opened) == 30


def test_what_a_site_says_is_kept_as_long_as_the_file_stays(folder: Path, store: ModelStore) -> None:
    library = library_of(folder, store)
    file = next(f for f in library.files() if f.name == "style")
    told = ModelFacts(
        base="Pony", title="Ink v2", trigger_words=("ink",), page="https://civitai.com/models/1"
    )
    library.learn({file.id: told, "gone": told})
    for again in (library, library_of(folder, store)):
        facts = again.file(file.id).facts
        assert (facts.base, facts.title, facts.trigger_words) == ("Pony", "Ink v2", ("ink",))
        assert (facts.page, facts.kind, facts.family) == (told.page, "lora", "sdxl")
        assert facts.variant == "Pony"
    os.utime(file.path, ns=(1, 1))
    assert library.file(file.id).facts.title == ""
