"""Hugging Face and Civitai on this machine: a small web server that does what a test tells it to.

`FakeServer.answers` maps a path to an `Answer`, to a list of them (one a request, the last for ever),
or to a function of the request. Every request is kept in `seen`.
"""

import contextlib
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

BLOCK = 16_384
COMMIT = "c0ffee" * 6 + "c0de"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def model_bytes(size: int = 300_000, seed: int = 0, lora: bool = False) -> bytes:
    """A safetensors file with the tensor names of a checkpoint or a LoRA, and noise in them."""
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"
    name = name if lora else "model.diffusion_model.input_blocks.0.0.weight"
    size -= size % 4
    header = json.dumps({name: {"dtype": "F32", "shape": [1, size // 4], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + random.Random(seed).randbytes(size)


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    ranges: bool = True
    """Whether Range is heeded."""
    claimed: int | None = None
    """A length that is not the true one."""
    no_length: bool = False
    cut_after: int | None = None
    """Bytes after which the connection breaks."""
    stall_after: int | None = None
    """Bytes after which nothing more comes."""
    pause: float = 0.0
    """Seconds after each block."""


Script = Answer | list[Answer] | Callable[[Seen], Answer]


def redirect(url: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"Location": url})


def reply(data: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        json.dumps(data).encode(), status, {"Content-Type": "application/json"} | named, ranges=False
    )


class FakeServer:
    """One server on 127.0.0.1; `as_localhost` is the same under another name."""

    def __init__(self) -> None:
        self.answers: dict[str, Script] = {}
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def as_localhost(self) -> str:
        return f"http://localhost:{self._server.server_port}"

    def requests(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.partition("?")[0] == path or seen.path == path]

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, seen: Seen) -> Answer:
        script = self.answers.get(seen.path, self.answers.get(seen.path.partition("?")[0]))
        if script is None:
            return reply({"error": "Not found"}, 404)
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script if isinstance(script, Answer) else script(seen)

    # what the two sites are

    def add_repo(self, repo: str, files: dict[str, bytes], *, commit: str = COMMIT, **more: Any) -> None:
        """A repository of Hugging Face; weights as large files with their checksums."""
        siblings = []
        for name, data in files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(data)}
            if not name.endswith((".json", ".txt")):
                entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
            self.answers[f"/{repo}/resolve/{commit}/{quote(name)}"] = Answer(data, etag=f'"{sha256(data)}"')
        record = {"id": repo, "sha": commit, "gated": False, "siblings": siblings} | more
        self.answers[f"/api/models/{repo}"] = reply(record)

    def resolve(self, repo: str, name: str, commit: str = COMMIT) -> str:
        return f"/{repo}/resolve/{commit}/{name}"

    def add_civitai(self, data: bytes, *, model: int = 11, version: int = 22, **more: Any) -> str:
        """A model of Civitai with one version and one file; returns the path of its download."""
        entry = {
            "id": version,
            "modelId": model,
            "name": "v2.0",
            "baseModel": "SDXL 1.0",
            "trainedWords": ["some style, ", "ink"],
            "availability": "Public",
            "files": [self.civitai_file(data, 33, primary=True)],
            "images": [],
        } | more.pop("in_version", {})
        record = {
            "id": model,
            "name": "Ink Style",
            "type": "LORA",
            "description": "<p>Draws with <b>ink</b> &amp; brush.</p><p>Second line.</p>",
            "allowNoCredit": False,
            "allowCommercialUse": ["Image", "RentCivit"],
            "allowDerivatives": True,
            "allowDifferentLicense": False,
            "modelVersions": [entry],
        } | more
        self.answers[f"/api/v1/models/{model}"] = reply(record)
        about = {"model": {"name": record["name"], "type": record["type"]}}
        self.answers[f"/api/v1/model-versions/{version}"] = reply(entry | about)
        self.answers[f"/api/v1/model-versions/by-hash/{sha256(data)}"] = reply(entry | about)
        path = f"/api/download/models/{version}?fileId=33"
        self.answers[path] = Answer(data, etag='"of-civitai"')
        return path

    @staticmethod
    def civitai_file(
        data: bytes, number: int, name: str = "ink_v2.safetensors", **more: Any
    ) -> dict[str, Any]:
        return {
            "id": number,
            "name": name,
            "type": "Model",
            "sizeKB": round(len(data) / 1024, 3),
            "metadata": {"format": "SafeTensor", "size": "full", "fp": "fp16"},
            "hashes": {"SHA256": sha256(data).upper(), "AutoV2": sha256(data)[:10].upper()},
            "pickleScanResult": "Success",
            "virusScanResult": "Success",
        } | more


@contextmanager
def serving() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, body)
            server.seen.append(seen)
            _send(self, server, seen, server.answer(seen))

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _send(handler: BaseHTTPRequestHandler, server: FakeServer, seen: Seen, answer: Answer) -> None:
    data, start = answer.body, 0
    if answer.ranges and answer.status == 200 and (wanted := seen.headers.get("range")):
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if seen.headers.get("if-range", answer.etag) != answer.etag:
            start = 0
        elif start >= len(data):
            answer = replace(answer, status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            data, start = b"", 0
        else:
            content_range = f"bytes {start}-{len(data) - 1}/{len(data)}"
            answer = replace(answer, status=206, headers=answer.headers | {"Content-Range": content_range})
            data = data[start:]
    handler.send_response(answer.status)
    for name, value in ({"Content-Type": "application/octet-stream"} | answer.headers).items():
        handler.send_header(name, value)
    if answer.etag:
        handler.send_header("ETag", answer.etag)
    if not answer.no_length:
        handler.send_header("Content-Length", str(len(data) if answer.claimed is None else answer.claimed))
    handler.send_header("Connection", "close")
    handler.end_headers()
    with contextlib.suppress(OSError):  # whoever asked has left
        _send_body(handler, server, answer, data, start)


def _send_body(
    handler: BaseHTTPRequestHandler, server: FakeServer, answer: Answer, data: bytes, start: int
) -> None:
    for position in range(0, len(data), BLOCK):
        if answer.stall_after is not None and start + position >= answer.stall_after:
            server.closing.wait(30)
            return
        if answer.cut_after is not None and start + position >= answer.cut_after:
            return
        handler.wfile.write(data[position : position + BLOCK])
        handler.wfile.flush()
        if answer.pause and server.closing.wait(answer.pause):
            return
