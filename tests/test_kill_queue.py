"""`kill -9` at any moment of a queue that draws, scores and fetches: nothing lost, nothing twice."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explorer import AnalyzeRequest, Explorer, FetchRequest, GenerateRequest, Sampling, Settings
from explorer.recipes import read_recipe
from tests.fake_hub import Answer, FakeServer, model_bytes, serving
from tests.fakes import PROJECT, write_suite
from tests.killing import kill, rows, whole

KILLS = 50
COLORS = ["red", "green", "blue", "yellow", "orange", "purple", "pink", "cyan"]
SEEDS = 4
FETCHED = 6


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Gives each model in about two seconds."""
    with serving() as server:
        for number in range(FETCHED):
            data = model_bytes(1_200_000, seed=number)
            server.add_repo(f"owner/m{number}", {f"m{number}.safetensors": data})
            path = server.resolve(f"owner/m{number}", f"m{number}.safetensors")
            answer = server.answers[path]
            assert isinstance(answer, Answer)
            server.answers[path] = replace(answer, pause=0.025)
        yield server


def fill_queue(settings: Settings) -> list[str]:
    """Two benchmarks and six models to fetch; returns the ids in their order."""
    explorer = Explorer(settings)
    ids = []
    for suite in ("one", "two"):
        sampling = Sampling(sampler="DDIM", steps=8)
        asked = GenerateRequest(
            ("tiny-a", "tiny-b"), suite=suite, seeds=SEEDS, sampling=sampling, batch_size=1
        )
        draw, score = explorer.queue.submit_benchmark(asked, AnalyzeRequest())
        assert score is not None
        ids += [draw.id, score.id]
    for number in range(FETCHED):
        ids.append(explorer.queue.submit(FetchRequest(f"hf:owner/m{number}")).id)
    explorer.close()
    return ids


def test_a_queue_killed_fifty_times(tmp_path: Path, tiny_models: Path, server: FakeServer) -> None:
    root = tmp_path / "workspace"
    for suite, place in (("one", "left"), ("two", "right")):
        write_suite(
            root / "suites" / f"{suite}.yaml", [f"a {c} circle on the {place}" for c in COLORS], suite
        )
    environment = os.environ | {
        "EXPLORER_ROOT": str(root),
        "EXPLORER_MODEL_FOLDERS": str(tiny_models),
        "EXPLORER_HF_ENDPOINT": server.url,
        "EXPLORER_DEVICE": "cpu",
        "HF_HOME": str(tmp_path / "hub"),
        "OMP_NUM_THREADS": "1",
    }
    settings = Settings(root=root, model_folders=(tiny_models,), device="cpu", hf_endpoint=server.url)
    ids = fill_queue(settings)
    database = settings.database
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "queue", "work"]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def done() -> int:
        (images,), (scores,) = (rows(database, f"SELECT count(*) FROM {t}")[0] for t in ("images", "scores"))
        return int(str(images)) + int(str(scores))

    moments = random.Random(11)
    seen: dict[Path, str] = {}
    for number in range(KILLS):
        process = start()
        before, end = done(), time.monotonic() + 120
        # Most die while they start or fetch; the others anywhere in their drawing and scoring.
        further = moments.choice([1, 2, 3]) if number % 5 == 0 else 0
        while done() < before + further and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 0.3) if further else moments.uniform(0.2, 3.0))
        while not kill(process, database):
            assert time.monotonic() < end
            time.sleep(0.05)
        out, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, (number, (out + errors).decode())
        found = whole(root / "images")
        assert seen.items() <= found.items(), "a finished picture was lost or made again"
        seen = found

    process = start()
    out, errors = process.communicate(timeout=400)
    assert process.returncode == 0, (out + errors).decode()
    final = whole(root / "images")
    assert seen.items() <= final.items()
    cells = Counter(recipe.cell for path in final if (recipe := read_recipe(path)))
    assert len(cells) == 2 * 2 * len(COLORS) * SEEDS
    assert set(cells.values()) == {1}
    assert rows(database, "SELECT count(*), count(DISTINCT cell) FROM images") == [(len(cells), len(cells))]
    scored = "SELECT count(*), count(DISTINCT image_id) FROM scores WHERE value IS NOT NULL"
    assert rows(database, scored) == [(len(cells), len(cells))]
    for number in range(FETCHED):
        fetched = list((root / "models").rglob(f"*m{number}*.safetensors"))
        assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in fetched] == [
            hashlib.sha256(model_bytes(1_200_000, seed=number)).hexdigest()
        ]
    assert not [path for path in root.rglob("*") if path.name.endswith((".tmp", ".part"))]
    jobs = {row[0]: row[1:] for row in rows(database, "SELECT id, state, failed, error, ended FROM jobs")}
    assert {jobs[job][:3] for job in ids} == {("done", 0, None)}
    benchmarks, fetches = ids[:4], ids[4:]
    for lane in (benchmarks, fetches):
        ends = [str(jobs[job][3]) for job in lane]
        assert ends == sorted(ends), "the order of the queue was not kept"
