"""Local files named by their hash: what is asked, what is kept and where, and what can go wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer import model_store
from explorer.database import open_database
from explorer.downloads import Finding, Identifier, unknown
from explorer.downloads import identifier as identifier_module
from explorer.errors import Cancelled, DownloadError, StorageError
from explorer.events import Progress
from explorer.library import ModelLibrary
from explorer.model_store import ModelStore
from explorer.types import ModelFile
from tests.explorer.downloads.conftest import Workplace
from tests.fake_hub import Answer, Seen, reply, sha256
from tests.model_files import SD15, SDXL_LORA, write_model

PATH = "/api/v1/model-versions/by-hash"


class Desk:
    """Files in the workspace and in a folder besides, and everything needed to ask about them."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.own, self.extra = place.root / "models", place.root / "elsewhere"
        self.ink = write_model(self.own / "loras" / "ink.safetensors", SDXL_LORA)
        self.photo = write_model(self.extra / "photo.safetensors", SD15)
        self.store = ModelStore(open_database(place.root / "explorer.db")[0])
        self.library = self.new_library()
        self.told: list[Progress] = []
        self.found: list[Finding] = []

    def new_library(self) -> ModelLibrary:
        return ModelLibrary((self.own, self.extra), self.place.root / "nothing", self.store)

    def file(self, name: str) -> ModelFile:
        return next(file for file in self.library.files() if file.name == name)

    def answer(self, *versions: Any) -> None:
        self.place.server.answers[PATH] = reply(list(versions))

    def run(self, *names: str, cancel: Callable[[], bool] = lambda: False, **options: Any) -> list[Finding]:
        self.found.clear()
        files = [self.file(name) for name in names]
        fetcher = self.place.fetcher(**options)
        identifier = Identifier(self.library, fetcher, self.store, self.own)
        identifier.run(files, cancel, self.told.append, self.found.append)  # type: ignore[arg-type]
        return self.found


@pytest.fixture
def desk(place: Workplace) -> Desk:
    return Desk(place)


def version_of(file: Path, **more: Any) -> dict[str, Any]:
    return {
        "id": 22,
        "modelId": 11,
        "name": "v2.0",
        "baseModel": "Pony",
        "trainedWords": ["ink wash", "some style, "],
        "model": {"name": "Ink Style", "type": "LORA"},
        "files": [{"hashes": {"SHA256": sha256(file.read_bytes()).upper()}}],
    } | more


def test_an_own_file_gets_the_sidecar_that_other_tools_write(desk: Desk) -> None:
    desk.answer(version_of(desk.ink))
    (finding,) = desk.run("ink")
    assert finding.kept == "beside"
    assert finding.sentence == "ink: Ink Style v2.0; Pony; ink wash, some style"
    card = json.loads((desk.ink.parent / "ink.civitai.info").read_text())
    assert (card["id"], card["modelId"], card["trainedWords"]) == (22, 11, ["ink wash", "some style"])
    assert card["files"][0]["hashes"]["SHA256"] == sha256(desk.ink.read_bytes()).upper()
    facts = desk.file("ink").facts
    assert (facts.title, facts.base, facts.variant) == ("Ink Style v2.0", "Pony", "Pony")
    assert facts.trigger_words == ("ink wash", "some style")
    assert facts.page == f"{desk.place.server.url}/models/11?modelVersionId=22"
    assert [p.name for p in desk.ink.parent.iterdir() if p.name.startswith(".")] == []
    (asked,) = desk.place.server.requests(PATH)
    assert json.loads(asked.body) == [sha256(desk.ink.read_bytes()).upper()]
    assert b"ink" not in asked.body


def test_beside_files_of_other_folders_nothing_is_written(desk: Desk) -> None:
    desk.answer(version_of(desk.photo, model={"name": "Photo", "type": "Checkpoint"}))
    (finding,) = desk.run("photo")
    assert finding.kept == "index"
    assert [path.name for path in desk.extra.iterdir()] == ["photo.safetensors"]
    for library in (desk.library, desk.new_library()):  # the second as after a restart
        facts = next(file.facts for file in library.files() if file.name == "photo")
        assert (facts.title, facts.base, facts.family) == ("Photo v2.0", "Pony", "sd15")
        assert facts.page.endswith("/models/11?modelVersionId=22")


def test_a_link_in_the_workspace_to_a_folder_elsewhere_is_elsewhere(desk: Desk) -> None:
    (desk.own / "checkpoints").mkdir()
    (desk.own / "checkpoints" / "linked").symlink_to(desk.extra)
    desk.answer(version_of(desk.photo))
    assert desk.run("photo")[0].kept == "index"
    assert [path.name for path in desk.extra.iterdir()] == ["photo.safetensors"]


@pytest.mark.parametrize("other", ['{"id": 3, "images": [1]}', "no JSON"])
def test_what_another_tool_wrote_stays(desk: Desk, other: str) -> None:
    card = desk.ink.parent / "ink.civitai.info"
    card.write_text(other)
    desk.answer(version_of(desk.ink))
    assert desk.run("ink")[0].kept == "index"
    assert card.read_text() == other
    assert desk.file("ink").facts.title == "Ink Style v2.0"


def test_our_own_sidecar_is_brought_up_to_date(desk: Desk) -> None:
    desk.answer(version_of(desk.ink))
    desk.run("ink")
    desk.answer(version_of(desk.ink, name="v3.0"))
    assert desk.run("ink")[0].kept == "beside"
    assert desk.file("ink").facts.title == "Ink Style v3.0"


def test_a_folder_that_cannot_be_written_is_no_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise StorageError(f"Cannot write {path}")

    monkeypatch.setattr(identifier_module, "write_whole", refuse)
    desk.answer(version_of(desk.ink))
    assert desk.run("ink")[0].kept == "index"
    assert desk.file("ink").facts.title == "Ink Style v2.0"


def test_a_hash_that_civitai_does_not_know(desk: Desk) -> None:
    desk.answer()
    (finding,) = desk.run("ink")
    assert finding.sentence == "ink: Civitai does not know this file."
    assert [path.name for path in desk.ink.parent.iterdir()] == ["ink.safetensors"]
    assert desk.file("ink").facts.title == ""


def test_what_was_never_hashed_is_hashed_first_and_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "CHUNK_BYTES", desk.ink.stat().st_size // 4 + 1)
    desk.answer(version_of(desk.ink))
    desk.run("ink")
    assert [event.message for event in desk.told] == [
        *("reading ink", *(f"reading ink, {part} %" for part in (25, 50, 75, 100))),
        "asking Civitai",
    ]
    assert desk.store.known_hash(desk.ink) == sha256(desk.ink.read_bytes())
    desk.told.clear()
    desk.run("ink")
    assert [event.message for event in desk.told] == ["reading ink", "asking Civitai"]


def test_stopping_while_a_file_is_read_asks_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "CHUNK_BYTES", desk.ink.stat().st_size // 4 + 1)
    with pytest.raises(Cancelled):
        desk.run("ink", cancel=lambda: any("50 %" in event.message for event in desk.told))
    assert desk.told[-1].message == "reading ink, 50 %"
    assert desk.place.server.seen == []
    assert desk.store.known_hash(desk.ink) is None


def test_stopping_while_civitai_thinks(desk: Desk) -> None:
    desk.place.server.answers[PATH] = Answer(b"[" + b" " * 40_000, stall_after=1)
    with pytest.raises(Cancelled):
        desk.run("ink", cancel=lambda: bool(desk.place.server.seen))


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        (reply({}, 429), {}, r"^Civitai asks to slow down\. Try again later"),
        (reply({}, 500), {}, r"^Civitai has a problem of its own \(status 500\)"),
        (Answer(b"<html>Sign in</html>", headers={"Content-Type": "text/html"}), {}, "something else than"),
        (Answer(b"[" * 100_000), {}, "something else than"),
        (Answer(b'[{"files": "' + b"x" * 3_000), {}, "something else than"),
        (reply([]), {"offline": True}, "set to stay offline"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(
    desk: Desk, answer: Answer, options: dict[str, Any], message: str
) -> None:
    desk.place.server.answers[PATH] = answer
    with pytest.raises(DownloadError, match=message) as told:
        desk.run("ink", **options)
    assert len(str(told.value).splitlines()) == 1
    assert desk.file("ink").facts.title == ""
    if options:
        assert desk.store.known_hash(desk.ink) is None  # nothing was read for nothing


def test_no_network(desk: Desk) -> None:
    desk.place.server.close()
    with pytest.raises(DownloadError, match="Civitai cannot be reached"):
        desk.run("ink")


def test_an_answer_that_is_too_long_is_not_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer.downloads import web

    monkeypatch.setattr(web, "MAX_ANSWER_BYTES", 50_000)
    desk.answer(version_of(desk.ink, padding="x" * 100_000))
    with pytest.raises(DownloadError, match="something else than an answer"):
        desk.run("ink")


@pytest.mark.parametrize(
    "strange",
    [
        {"name": ["a"], "baseModel": {"b": 1}, "trainedWords": {"c": 2}, "model": "Ink"},
        {"name": None, "baseModel": 7, "trainedWords": [1, None, {"x": 2}, ["y"]], "model": {"name": 5}},
        {"id": "22", "modelId": -3, "model": {"name": True}},
        {"id": 2**70, "modelId": {}, "trainedWords": ["w"] * 100_000},
    ],
)
def test_wrong_types_are_passed_over(desk: Desk, strange: dict[str, Any]) -> None:
    desk.answer(version_of(desk.ink, **strange), 5, None, {"files": [{"hashes": 3}]})
    (finding,) = desk.run("ink")
    assert finding.identity is not None
    facts = desk.file("ink").facts
    assert facts.kind == "lora"
    assert not facts.problem
    assert len(facts.trigger_words) <= 30
    assert "[" not in facts.title + facts.base + "".join(facts.trigger_words)


def test_texts_of_the_site_are_cut_and_cleaned(desk: Desk) -> None:
    name = "Ink\x00\n\u202e<img src=x onerror=alert(1)>" + "y" * 5_000
    desk.answer(version_of(desk.ink, model={"name": name, "type": "LORA"}))
    desk.run("ink")
    title = desk.file("ink").facts.title
    assert len(title) <= 200
    assert title.isprintable()
    assert (desk.ink.parent / "ink.civitai.info").stat().st_size < 2_000


def test_one_file_that_cannot_be_read_does_not_stop_the_others(desk: Desk) -> None:
    desk.answer(version_of(desk.ink))
    files = [desk.file("photo"), desk.file("ink")]
    desk.photo.unlink()
    identifier = Identifier(desk.library, desk.place.fetcher(), desk.store, desk.own)
    identifier.run(files, lambda: False, lambda event: None, desk.found.append)
    assert [finding.sentence for finding in desk.found] == [
        "photo cannot be read: No such file or directory.",
        "ink: Ink Style v2.0; Pony; ink wash, some style",
    ]


def test_what_was_found_before_the_trouble_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifier_module, "BATCH", 1)
    wanted = sha256(desk.ink.read_bytes()).upper()

    def answer(seen: Seen) -> Answer:
        return reply([version_of(desk.ink)]) if wanted in json.loads(seen.body) else reply({}, 429)

    desk.place.server.answers[PATH] = answer
    with pytest.raises(DownloadError, match="slow down"):
        desk.run("ink", "photo")
    assert [finding.file.name for finding in desk.found] == ["ink"]
    assert desk.file("ink").facts.title == "Ink Style v2.0"


def test_which_files_too_little_is_known_of(desk: Desk) -> None:
    said = {"ss_output_name": "x", "ss_base_model_version": "sdxl_base_v1-0"}
    write_model(desk.own / "loras" / "said.safetensors", SDXL_LORA, metadata=said)
    words = said | {"modelspec.trigger_phrase": "zork"}
    write_model(desk.own / "loras" / "all.safetensors", SDXL_LORA, metadata=words)
    write_model(desk.extra / "checked.safetensors", SD15, metadata=said)
    (desk.own / "loras" / "broken.safetensors").write_bytes(b"x")
    assert [file.name for file in unknown(desk.library.files())] == ["ink", "said", "photo"]
    desk.answer(version_of(desk.ink, trainedWords=[]))
    desk.run("ink")
    assert [file.name for file in unknown(desk.library.files())] == ["said", "photo"]
