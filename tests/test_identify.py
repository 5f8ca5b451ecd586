"""`benchmark_app.py identify` as people run it, against a Civitai on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_hub import Answer, FakeServer, Seen, reply, serving, sha256
from tests.fakes import PROJECT
from tests.model_files import SD15_LORA, SDXL_LORA, write_model


@pytest.fixture
def ink(tmp_path: Path) -> Path:
    loras = tmp_path / "workspace" / "models" / "loras"
    write_model(loras / "plain.safetensors", SD15_LORA)
    return write_model(loras / "ink.safetensors", SDXL_LORA)


@pytest.fixture
def server(ink: Path) -> Iterator[FakeServer]:
    digest = sha256(ink.read_bytes()).upper()
    version = {
        "id": 22,
        "modelId": 11,
        "name": "v2",
        "baseModel": "Pony",
        "trainedWords": ["ink wash"],
        "model": {"name": "Ink", "type": "LORA"},
        "files": [{"hashes": {"SHA256": digest}}],
    }

    def answer(seen: Seen) -> Answer:
        return reply([version] if digest in json.loads(seen.body) else [])

    with serving() as server:
        server.answers["/api/v1/model-versions/by-hash"] = answer
        yield server


def command(tmp_path: Path, server: FakeServer, *arguments: str, **more: str) -> tuple[int, str, str]:
    environment = os.environ | {
        "EXPLORER_ROOT": str(tmp_path / "workspace"),
        "EXPLORER_CIVITAI_ENDPOINT": server.url,
        "COLUMNS": "200",
        **more,
    }
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "identify", *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_every_unknown_file_is_asked_about_once_it_is_known(
    tmp_path: Path, server: FakeServer, ink: Path
) -> None:
    status, out, err = command(tmp_path, server)
    known, unknown = "ink: Ink v2; Pony; ink wash", "plain: Civitai does not know this file."
    assert (status, out.splitlines()) == (0, [known, unknown]), err
    assert ink.with_name("ink.civitai.info").exists()
    status, out, err = command(tmp_path, server)
    assert (status, out.splitlines()) == (0, [unknown]), err


def test_what_cannot_be_asked_is_one_clear_line(tmp_path: Path, server: FakeServer) -> None:
    status, out, err = command(tmp_path, server, "plian")
    assert (status, out) == (2, "")
    assert "Unknown model file 'plian'. Did you mean ink or plain?" in err
    status, out, err = command(tmp_path, server, "ink", EXPLORER_OFFLINE="1")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "The program is set to stay offline. Unset EXPLORER_OFFLINE" in err
    assert server.seen == []
