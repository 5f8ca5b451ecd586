"""Which answerer a name means, and how one of the Hub gets here."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from metrics import MetricsError, MissingWeights, UnknownAnswerer
from metrics.answerers.catalog import (
    CARDS,
    NAMED,
    Lost,
    Whereabouts,
    answerer_id,
    answerer_kind,
    answerer_source,
    counted_as,
    find_answerer,
    is_folder,
)
from metrics.answerers.local import LocalSource
from metrics.base import Tier
from metrics.downloads import HubSnapshot
from metrics.errors import Interrupted
from metrics.supply import supply
from tests.fakes import PROJECT
from tests.metrics.answerers.judges import judging
from tests.metrics.answerers.test_remote import Place
from tests.metrics.answerers.tiny import save_tiny
from tests.metrics.hub import own_caches

COMMIT = "c0ffee" * 6 + "c0de"
HERE = Whereabouts(PROJECT / "assets")


@pytest.mark.parametrize("tier", CARDS)
def test_the_cards_are_those_of_the_sources(tier: Tier) -> None:
    source = answerer_source(tier, PROJECT / "assets")
    assert source.card == CARDS[tier]
    assert source.drawn_world == (tier == "bundled")
    assert source.gives_probabilities
    assert bool(source.files) == (tier != "bundled")
    if source.files:
        assert source.revision == source.card.revision
        assert len(source.revision) == 40


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("local:bundled", "local", "bundled-vqa"),
        ("local:qwen3-vl-4b", "local", "Qwen3-VL-4B-Instruct"),
        ("local:qwen3-vl-8b:4bit", "local", "Qwen3-VL-8B-Instruct-4bit"),
        ("local:owner/name", "local", "owner/name"),
        ("local:owner/name@abc:8bit", "local", "owner/name-8bit"),
        ("local:./some/folder", "local", "folder"),
        ("gemini", "gemini", "gemini:gemma-3-27b-it"),
        ("gemini:gemini-2.5-flash", "gemini", "gemini:gemini-2.5-flash"),
        ("openai:org/model:tag", "openai", "openai:org/model:tag"),
    ],
)
def test_names(name: str, kind: str, found: str) -> None:
    assert answerer_kind(name) == kind
    assert answerer_id(name) == found


@pytest.mark.parametrize("name", ["local:standard", "gemini", "openai:large"])
def test_no_answerer_counts_as_a_tier(name: str) -> None:
    assert counted_as(answerer_id(name)) not in get_args(Tier)


@pytest.mark.parametrize("name", ["", "local", "local:", "openai", "openai: ", "claude:x", "qwen3-vl-4b"])
def test_what_is_no_name_says_what_there_is(name: str) -> None:
    with pytest.raises(UnknownAnswerer, match="qwen3-vl-4b"):
        answerer_kind(name)


@pytest.mark.parametrize("name", ["local:nothing", "local:a/b/c", "local:/b", "local:./not-there"])
def test_a_local_name_that_leads_nowhere(name: str) -> None:
    with pytest.raises(MetricsError):
        find_answerer(name, HERE)


def test_the_id_of_a_found_answerer_is_that_of_its_name(tmp_path: Path) -> None:
    folder = save_tiny("blip", tmp_path / "some-model")
    with judging() as judge:
        session = Place("openai", judge, tmp_path).session
    where = Whereabouts(PROJECT / "assets", None, session, "http://127.0.0.1:1")
    names = ["local:bundled", *(f"local:{name}" for name in NAMED), "local:blip-vqa:8bit", f"local:{folder}"]
    for name in [*names, "gemini", "gemini:x", "openai:y", "local:owner/not-here"]:
        assert find_answerer(name, where).card.id == answerer_id(name)


def test_a_service_needs_a_session() -> None:
    with pytest.raises(UnknownAnswerer, match="no service"):
        find_answerer("gemini", HERE)


def test_folders_are_told_by_their_form() -> None:
    assert [is_folder(name) for name in ("local:./a", "local:/a", "local:~/a", "local:a/b", "gemini")] == [
        *(True, True, True),
        *(False, False),
    ]


class Hub:
    """One repository of the Hub: look-up, list of files, and files."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(False)

            def do_GET(self) -> None:
                hub.asked.append(self.path)
                self._answer(True)

            def _answer(self, with_body: bool) -> None:
                path, headers = urlsplit(self.path).path, {"X-Repo-Commit": COMMIT}
                name = path.rpartition("/")[2]
                if "/api/models/someone/tiny/tree/" in path:
                    body = json.dumps(
                        [{"type": "file", "path": n, "size": len(c), "oid": n} for n, c in hub.files.items()]
                    ).encode()
                elif path.startswith("/api/models/someone/tiny"):
                    body = json.dumps(hub.info()).encode()
                elif path.startswith("/someone/tiny/resolve/") and name in hub.files:
                    body, headers = hub.files[name], headers | {"ETag": f'"{name}-{COMMIT}"'}
                else:
                    return self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
                self._send(200, body, headers, with_body)

            def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def info(self) -> dict[str, Any]:
        siblings = [{"rfilename": name, "size": len(content)} for name, content in self.files.items()]
        return {
            "id": "someone/tiny",
            "sha": COMMIT,
            "siblings": siblings,
            "cardData": {"license": "mit"},
            "safetensors": {"parameters": {"F32": 12_345}, "total": 12_345},
            "tags": [],
            "private": False,
            "gated": False,
        }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llava", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    own_caches(tmp_path, monkeypatch)
    hub = Hub(tiny)
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


def test_a_model_of_the_hub_is_looked_up_fetched_loaded_and_then_known(hub: Hub) -> None:
    online = Whereabouts(PROJECT / "assets", hub.url)
    source = find_answerer("local:someone/tiny", online)
    assert isinstance(source, LocalSource)
    size = len(hub.files["model.safetensors"])
    assert (source.card.id, source.revision, source.card.parameters) == ("someone/tiny", COMMIT, 12_345)
    assert (source.card.download_mb, source.card.licence) == (round(size / 1e6), "mit")
    with pytest.raises(MissingWeights, match="hf download someone/tiny --revision c0ffee"):
        source.load("cpu")
    hub.files["pytorch_model.bin"] = b"never fetched"
    told = list(supply(source, True, hub.url, lambda: False))
    assert told[-1].total == 0 or told[-1].done <= told[-1].total
    assert not any("pytorch_model" in path and "resolve" in path for path in hub.asked)
    assert source.load("cpu").gives_probabilities
    assert not list(supply(source, False, None, lambda: False))
    offline = find_answerer("local:someone/tiny", HERE)
    assert offline.revision == COMMIT
    assert offline.load("cpu").gives_probabilities


def test_without_consent_nothing_is_asked_of_the_hub(hub: Hub) -> None:
    lost = find_answerer("local:someone/tiny", HERE)
    assert isinstance(lost, Lost)
    for way in (lambda: lost.revision, lambda: lost.load("cpu")):
        with pytest.raises(MissingWeights, match="not on this computer"):
            way()
    assert not hub.asked


def test_a_model_that_is_not_there_or_has_no_safetensors(hub: Hub) -> None:
    online = Whereabouts(PROJECT / "assets", hub.url)
    with pytest.raises(MissingWeights, match="could not be looked up"):
        _ = find_answerer("local:someone/else", online).revision
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    with pytest.raises(MissingWeights, match="no safetensors"):
        _ = find_answerer("local:someone/tiny", online).revision


def test_a_snapshot_that_lacks_a_part_is_not_there(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_caches(tmp_path, monkeypatch)
    folder = tmp_path / "hub" / "models--a--b" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    place = HubSnapshot("a/b", COMMIT)
    assert place.path() is None
    (folder / "config.json").write_text("{}")
    assert place.path() is None
    index = {"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").write_bytes(b"")
    assert place.path() is None
    (folder / "model-2.safetensors").write_bytes(b"")
    assert place.path() == folder


def test_fetching_stops_when_told(hub: Hub) -> None:
    source = find_answerer("local:someone/tiny", Whereabouts(PROJECT / "assets", hub.url))
    with pytest.raises(Interrupted):
        list(supply(source, True, hub.url, lambda: True))
