"""Twenty voters at once, on a server that is killed in between: no vote is lost, none counts twice."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from explorer import Explorer, Settings
from tests.explorer.voted import run_of
from tests.fakes import PROJECT

MODELS = ("shapes-of-one", "painter-of-two", "third-model")
VOTERS, VOTES_EACH, KILLS = 20, 6, 2
ANYTHING = (None, "", "", "", "", "pair", 2)
"""What /next_pair takes after the voter."""
STORED = {"left": "first", "right": "second", "tie": "tie", "bad": "bad", "skip": "skip"}


class Server:
    """The program as people start it; killed and started again on the same port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        line = [sys.executable, str(PROJECT / "benchmark_app.py"), "serve", "--port", str(self.port)]
        environment = os.environ | {"EXPLORER_ROOT": str(self.root), "EXPLORER_DEVICE": "cpu"}
        self.process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < end
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    explorer = Explorer(Settings(root=tmp_path / "workspace", device="cpu", offline=True))
    run_of(explorer.storage, MODELS, prompts=30, seeds=2)
    explorer.close()
    return tmp_path / "workspace"


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root)
    yield server
    server.kill()


def call(client: httpx.Client, name: str, *values: object) -> Any:
    """One endpoint, asked again until it answers: a person whose page reconnects."""
    end, refused = time.monotonic() + 120, 0
    while True:
        assert time.monotonic() < end, f"{name} did not answer"
        try:
            begun = client.post(f"/gradio_api/call/{name}", json={"data": values})
            begun.raise_for_status()
            text = client.get(f"/gradio_api/call/{name}/{begun.json()['event_id']}").text
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        kind, _, data = text.strip().rpartition("event: ")[2].partition("\n")
        if kind == "complete":
            return json.loads(data.removeprefix("data: "))[0]
        refused += kind == "error"
        assert refused < 10, f"{name} refused {values}: {text}"
        time.sleep(0.2)


def voter(url: str, number: int, answered: dict[str, str]) -> None:
    random = Random(number)
    with httpx.Client(base_url=url, timeout=20) as client, ThreadPoolExecutor(2) as hands:
        for _ in range(VOTES_EACH):
            pair = call(client, "next_pair", f"voter {number}", *ANYTHING)["pair"]
            vote_id, choice = uuid.uuid4().hex, random.choice(list(STORED))
            # Every click is a double click.
            both = [hands.submit(call, client, "vote", pair, choice, vote_id, "") for _ in range(2)]
            counted = [each.result()["counted"] for each in both]
            assert sum(counted) <= 1
            answered[vote_id] = choice


def test_no_vote_is_lost_after_its_answer_and_none_counts_twice(server: Server, root: Path) -> None:
    answered: dict[str, str] = {}
    with ThreadPoolExecutor(VOTERS) as crowd:
        voters = [crowd.submit(voter, server.url, number, answered) for number in range(VOTERS)]
        total = VOTERS * VOTES_EACH
        for kill in range(1, KILLS + 1):
            while len(answered) < total * kill / (KILLS + 1):
                assert not any(each.done() and each.exception() for each in voters)
                time.sleep(0.05)
            server.kill()
            known = dict(answered)
            assert stored(root).items() >= {key: STORED[choice] for key, choice in known.items()}.items()
            server.start()
        for each in voters:
            each.result()
    server.kill()
    assert threading.active_count() < VOTERS
    found = stored(root)
    assert found == {key: STORED[choice] for key, choice in answered.items()}
    assert len(found) == total


def stored(root: Path) -> dict[str, str]:
    with sqlite3.connect(f"file:{root / 'explorer.db'}?mode=ro", uri=True, timeout=30) as database:
        rows = database.execute("SELECT ballot, outcome, showing FROM votes").fetchall()
    assert len({ballot for ballot, _, _ in rows}) == len(rows)
    assert len({showing for _, _, showing in rows}) == len(rows)
    return {ballot: outcome for ballot, outcome, _ in rows}


def test_nothing_that_is_served_tells_whose_the_pictures_are(server: Server, root: Path) -> None:
    with sqlite3.connect(root / "explorer.db") as database:
        rows = database.execute("SELECT id, cell, model, model_hash, path FROM images").fetchall()
    secrets = {str(value).encode() for row in rows for value in row}
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for number in range(8):
            pair = call(client, "next_pair", f"voter {number}", *ANYTHING)
            assert not [secret for secret in secrets if secret in json.dumps(pair).encode()]
            answers = [client.get(pair[side]) for side in ("left", "right")]
            for answer in answers:
                assert answer.status_code == 200
                everything = answer.content + repr(sorted(answer.headers.items())).encode()
                assert not [secret for secret in secrets if secret in everything]
            # Not even the headers tell the two apart: size, time and tag are equal.
            side = ("date", "content-disposition")  # the file's name ends in 1 or 2
            left, right = ({k: v for k, v in a.headers.items() if k not in side} for a in answers)
            assert left == right
            assert pair["left"].replace("-1.jpg", "") == pair["right"].replace("-2.jpg", "")
        refused = client.get(f"/gradio_api/file={root.resolve() / 'explorer.db'}")
        assert refused.status_code == 403
        names = call(client, "vote", pair["pair"], "left", "", "")["models"]
        assert set(names) <= set(MODELS)
