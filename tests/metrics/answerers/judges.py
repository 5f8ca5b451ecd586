"""A service on this machine: speaks as Google's developer API does, and as OpenAI's."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "AIza-only-for-this-test-8c1f"
_QUESTION = re.compile(r"^(\d+)\. (.*?) Possible answers: (.*)\.$", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """What the service does with one request."""

    text: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    refusal: str = ""
    seconds: float = 0.0
    body: str | None = None


@dataclass(frozen=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    model: str
    text: str
    picture: str

    @property
    def questions(self) -> dict[str, tuple[str, list[str]]]:
        """Number -> question and its possible answers."""
        return {n: (text, choices.split(", ")) for n, text, choices in _QUESTION.findall(self.text)}


def first_choice(heard: Heard) -> Said:
    """Answers everything, with the first possible answer."""
    return Said(json.dumps({n: choices[0] for n, (_, choices) in heard.questions.items()}))


@dataclass
class Judge:
    """The service: what it will say next (then `otherwise`), and what it heard."""

    url: str = ""
    plan: list[Said] = field(default_factory=list)
    otherwise: Callable[[Heard], Said] = first_choice
    heard: list[Heard] = field(default_factory=list)
    key: str | None = KEY

    def say(self, heard: Heard) -> Said:
        """What to say to a request."""
        self.heard.append(heard)
        given = heard.headers.get("x-goog-api-key") or heard.headers.get("authorization", "")
        if self.key is not None and self.key not in given:
            return Said(status=400 if "goog" in heard.path else 401, message=f"API key not valid: {given}")
        return self.plan.pop(0) if self.plan else self.otherwise(heard)


@contextmanager
def judging() -> Iterator[Judge]:
    """A service on a free port."""
    judge = Judge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            google = "generateContent" in self.path
            said = judge.say((_of_google if google else _of_openai)(self.path, dict(self.headers), body))
            time.sleep(said.seconds)
            if said.body is not None:
                content = said.body
            elif said.status != 200:
                content = json.dumps(_google_error(said) if google else {"error": {"message": said.message}})
            else:
                content = json.dumps(_to_google(said) if google else _to_openai(said))
            try:
                self.send_response(said.status)
                self.send_header("Content-Type", "application/json")
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())
            except (BrokenPipeError, ConnectionResetError):
                pass  # who asked has left

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    judge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()


def _lowered(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _of_google(path: str, headers: dict[str, str], body: Any) -> Heard:
    *pictures, text = body["contents"][0]["parts"]
    picture = pictures[0]["inlineData"]["data"] if pictures else ""
    model = path.split("/models/")[1].split(":")[0]
    return Heard(f"goog{path}", _lowered(headers), model, text["text"], picture)


def _of_openai(path: str, headers: dict[str, str], body: Any) -> Heard:
    assert path == "/chat/completions"
    content = body["messages"][0]["content"]
    if isinstance(content, str):
        return Heard(path, _lowered(headers), body["model"], content, "")
    picture, text = content
    url = picture["image_url"]["url"]
    return Heard(path, _lowered(headers), body["model"], text["text"], url.partition(",")[2])


def _google_error(said: Said) -> Any:
    return {"error": {"code": said.status, "message": said.message, "status": "FAILED"}}


def _to_google(said: Said) -> Any:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 15, "totalTokenCount": 1020}
    if said.refusal:
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    parts = [] if said.text is None else [{"text": said.text}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage}


def _to_openai(said: Said) -> Any:
    message = {"role": "assistant", "content": said.text, "refusal": said.refusal or None}
    usage = {"prompt_tokens": 1000, "completion_tokens": 20}
    return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
