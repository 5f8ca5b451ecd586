"""The same `run` again: nothing is drawn, scored or loaded, so it must be nearly free."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Comparison, seconds

PROJECT = Path(__file__).resolve().parent.parent


def second_run() -> Comparison:
    """Wall time of the second run over the first one's, start of the program included."""
    with tempfile.TemporaryDirectory() as root:
        first, second = (seconds(lambda: _run(Path(root))) for _ in range(2))
    return Comparison("a second run, against the first", second, first, bound=0.05)


def _run(root: Path) -> None:
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "run", "--suite", "shapes"]
    line += ["--models", "shapes-base", "shapes-early", "--output", str(root / "out")]
    environment = os.environ | {"EXPLORER_ROOT": str(root / "workspace")}
    subprocess.run(line, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
