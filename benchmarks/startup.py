"""From the start of the process to the first page, against an empty Gradio Blocks."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.measure import Comparison, alternate

PROJECT = Path(__file__).resolve().parent.parent
EMPTY = """
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("empty")
demo.queue(api_open=False)
demo.launch(server_port={port}, ssr_mode=False, quiet=True)
"""


def first_page() -> Comparison:
    """Seconds until the page answers; ours must also not have loaded torch by then."""
    ours, other = alternate(_ours, _empty, rounds=7)
    return Comparison("first page, against an empty Blocks", ours, other, bound=1.3)


def _ours() -> float:
    with tempfile.TemporaryDirectory() as root:
        port = free_port()
        line = [sys.executable, str(PROJECT / "benchmark_app.py"), "serve", "--port", str(port)]
        return _until_answer(line, port, {"EXPLORER_ROOT": root}, forbid="libtorch")


def _empty() -> float:
    port = free_port()
    line = [sys.executable, "-c", EMPTY.format(port=port)]
    return _until_answer(line, port, {})


def _until_answer(line: list[str], port: int, extra: dict[str, str], forbid: str = "") -> float:
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"} | extra
    began = time.perf_counter()
    process = subprocess.Popen(line, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}")
            time.sleep(0.02)
        taken = time.perf_counter() - began
        maps = Path(f"/proc/{process.pid}/maps")
        if forbid and maps.exists() and forbid in maps.read_text():
            raise RuntimeError(f"{forbid} was loaded before the first page")
        return taken
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            return bool(answer.status == 200 and b"gradio" in answer.read())
    except (urllib.error.URLError, ConnectionError):
        return False


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
