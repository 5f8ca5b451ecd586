"""The script in the README, run word for word against the served page."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import PROJECT

ADDRESS = "http://127.0.0.1:7860"


def script() -> str:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return text.split("<!-- script:")[1].split("```python\n", 1)[1].split("```")[0]


def choose_port() -> int:
    """7860, as the README says, or a free one where somebody already listens there."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 7860))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = choose_port()
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), "serve", "--port", str(port)]
    environment = os.environ | {"EXPLORER_ROOT": str(tmp_path / "workspace"), "EXPLORER_DEVICE": "cpu"}
    server = subprocess.Popen(line, env=environment)
    end = time.monotonic() + 60
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < end
        time.sleep(0.1)
    yield port
    server.terminate()
    server.wait(timeout=60)


def test_the_script_in_the_readme_works_as_it_stands(port: int, tmp_path: Path) -> None:
    text = script().replace(ADDRESS, f"http://127.0.0.1:{port}")
    assert ADDRESS in script()
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'shapes-base', 'shapes-early'" in done.stdout
    assert "shapes-base: " in done.stdout
    board = (tmp_path / "leaderboard.csv").read_text(encoding="utf-8").splitlines()
    assert len(board) == 3
