"""`kill -9` at any moment loses at most the batch in flight, and makes nothing twice."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from explorer.recipes import read_recipe
from tests.fakes import PROJECT, write_suite
from tests.killing import kill, whole

KILLS = 10
WORDS = ["red", "green", "blue", "yellow", "orange", "purple", "pink", "cyan"]


def start(environment: dict[str, str], out: Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "run", "--models", "tiny-a", "tiny-b"]
    line += ["--suite", "tiny", "--seeds", "3", "--steps", "8", "--batch-size", "1", "--output", str(out)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_ten_times_and_nothing_is_lost_or_made_twice(tmp_path: Path, tiny_models: Path) -> None:
    root, out = tmp_path / "workspace", tmp_path / "out"
    write_suite(root / "suites" / "tiny.yaml", [f"a {color} circle on the left" for color in WORDS])
    environment = os.environ | {
        "EXPLORER_ROOT": str(root),
        "EXPLORER_MODEL_FOLDERS": str(tiny_models),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    moments = random.Random(7)
    seen: dict[Path, str] = {}
    for number in range(KILLS):
        process = start(environment, out)
        # Some die while they start; the others some pictures later, anywhere in a picture.
        wanted = len(seen) + moments.choice([1, 2, 4]) if number % 4 else 0
        end = time.monotonic() + 120
        while len(list(root.rglob("images/**/*.png"))) < wanted and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.05)  # looking more often would take the processor from the drawing
        time.sleep(moments.uniform(0.0, 0.25) if wanted else moments.uniform(0.1, 4.0))
        while process.poll() is None and not kill(process, root / "explorer.db"):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.communicate()
        found = whole(root / "images")
        # What was finished before is still there, byte for byte: it was not made again.
        assert seen.items() <= found.items()
        seen = found

    process = start(environment, out)
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors.decode()
    final = whole(root / "images")
    assert seen.items() <= final.items()
    cells = Counter(recipe.cell for path in final if (recipe := read_recipe(path)))
    assert len(cells) == 2 * len(WORDS) * 3
    assert set(cells.values()) == {1}
    assert len(list((out / "images").rglob("*.png"))) == len(cells)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    with sqlite3.connect(root / "explorer.db") as database:
        assert database.execute("SELECT count(*), count(DISTINCT cell) FROM images").fetchone() == (48, 48)
        assert database.execute("SELECT count(*) FROM scores WHERE value IS NOT NULL").fetchone() == (48,)
