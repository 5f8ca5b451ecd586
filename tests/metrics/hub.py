"""Hugging Face on this machine: serves files of repositories as `hf_hub_download` wants them."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from metrics.downloads import HubFile


@dataclass
class Hub:
    """What it serves by path, and what was asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, file: HubFile, content: bytes) -> None:
        """A file at its pinned commit."""
        self.files[f"/{file.repository}/resolve/{file.revision}/{file.name}"] = content


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            hub.asked.append(self.path)
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            content = hub.files.get(self.path)
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
                content = b""
            else:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                commit = self.path.split("/resolve/")[1].split("/")[0] if "/resolve/" in self.path else ""
                self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def own_caches(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Empty places for downloads, and a Hub client that may ask."""
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    patch.setenv("TORCH_HOME", str(folder / "torch"))


def put(file: HubFile, content: bytes) -> Path:
    """A file in the Hub's cache, laid out as the Hub's client does."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{file.repository.replace('/', '--')}"
    path = folder / "snapshots" / file.revision / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
