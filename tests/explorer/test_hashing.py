import hashlib
import threading
import time
from pathlib import Path

import pytest

from explorer import model_store
from explorer.database import open_database
from explorer.errors import Cancelled
from explorer.hashing import HashThread
from explorer.model_store import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(open_database(tmp_path / "explorer.db")[0])


def test_a_hash_is_computed_once_and_forgotten_when_the_file_changes(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"one")
    assert store.known_hash(file) is None
    assert store.file_hash(file) == hashlib.sha256(b"one").hexdigest() == store.known_hash(file)
    monkeypatch.setattr(hashlib, "sha256", lambda: pytest.fail("read again"))
    assert store.file_hash(file) == store.known_hash(file)
    monkeypatch.undo()
    file.write_bytes(b"three")
    assert store.known_hash(file) is None
    assert store.file_hash(file) == hashlib.sha256(b"three").hexdigest()


def test_stopping_ends_within_a_file(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_store, "CHUNK_BYTES", 10)
    file = tmp_path / "x.safetensors"
    file.write_bytes(bytes(1000))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        store.file_hash(file, stop)
    assert store.known_hash(file) is None


def test_the_thread_hashes_what_is_there_and_stops(store: ModelStore, tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    good.write_bytes(b"weights")
    thread = HashThread(lambda: [tmp_path / "gone.safetensors", good], store)
    thread.start()
    thread.start()
    end = time.monotonic() + 30
    while store.known_hash(good) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    began = time.monotonic()
    thread.stop()
    assert time.monotonic() - began < 5
    assert store.known_hash(good) == hashlib.sha256(b"weights").hexdigest()


def test_a_thread_that_never_started_can_be_stopped(store: ModelStore) -> None:
    HashThread(list, store).stop()


def test_how_much_was_read_is_told(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_store, "CHUNK_BYTES", 10)
    file = tmp_path / "x.safetensors"
    file.write_bytes(bytes(25))
    told: list[int] = []
    store.file_hash(file, tell=told.append)
    assert told == [10, 20, 25]
