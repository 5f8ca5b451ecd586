"""`benchmark_app.py fetch` as people run it, against sites on this machine."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fake_hub import Answer, FakeServer, model_bytes, serving
from tests.fakes import PROJECT

DATA = model_bytes(3_000_000)
TOKEN = "secret-of-mine"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as server:
        server.add_repo("owner/name", {"flower.safetensors": DATA})
        yield server


@pytest.fixture
def environment(tmp_path: Path, server: FakeServer) -> dict[str, str]:
    return os.environ | {
        "EXPLORER_ROOT": str(tmp_path / "workspace"),
        "EXPLORER_HF_ENDPOINT": server.url,
        "EXPLORER_CIVITAI_ENDPOINT": server.url,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_TOKEN": TOKEN,
        "COLUMNS": "200",
    }


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "fetch", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env=environment, stdout=pipe, stderr=pipe, text=True)


def command(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = start(environment, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_killed_in_the_middle_and_continued_to_the_right_hash(
    tmp_path: Path, server: FakeServer, environment: dict[str, str]
) -> None:
    path = server.resolve("owner/name", "flower.safetensors")
    good = server.answers[path]
    assert isinstance(good, Answer)
    server.answers[path] = replace(good, pause=0.02)
    models = tmp_path / "workspace" / "models"

    def arrived() -> int:
        return sum(part.stat().st_size for part in models.rglob("*.part"))

    sizes = []
    for wanted in (300_000, 900_000):
        process = start(environment, "hf:owner/name")
        end = time.monotonic() + 60
        while arrived() < wanted:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sizes.append(arrived())
        assert list(models.rglob("*.safetensors")) == []
    server.answers[path] = good

    status, out, err = command(environment, "hf:owner/name")
    assert (status, out) == (0, "checkpoint flower\n"), err
    (model,) = models.rglob("*.safetensors")
    assert hashlib.sha256(model.read_bytes()).hexdigest() == hashlib.sha256(DATA).hexdigest()
    assert list(models.rglob("*.part")) == []
    came = [seen.headers.get("range") for seen in server.requests(path)]
    assert came == [None, *(f"bytes={size}-" for size in sizes)]
    assert json.loads(model.with_suffix(".json").read_text())["source"] == "hf:owner/name"
    everything = "".join(p.read_text(errors="ignore") for p in (tmp_path / "workspace").rglob("*.json"))
    assert TOKEN not in everything + out + err


def test_progress_and_names_are_printed(environment: dict[str, str], server: FakeServer) -> None:
    server.add_civitai(model_bytes(200_000, lora=True))
    status, out, err = command(environment, "civitai:11", "--name", "ink")
    assert (status, out) == (0, "lora ink\n"), err
    assert "Fetching" in err
    assert "1/1 MB" in err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["owner/name"], 2, "For Hugging Face write hf:owner/name"),
        (["https://example.com/x"], 2, "not from example.com"),
        ([], 2, "the following arguments are required: source"),
        (["hf:owner/name", "--file", "flour.safetensors"], 2, "Did you mean flower.safetensors"),
        (["hf:owner/nothing"], 1, "Hugging Face has no repository owner/nothing"),
    ],
)
def test_what_cannot_be_fetched_is_one_clear_line(
    environment: dict[str, str], arguments: list[str], status: int, message: str
) -> None:
    found, out, err = command(environment, *arguments)
    assert (found, out) == (status, ""), err
    assert message in err
    assert len(err.splitlines()) == 1
