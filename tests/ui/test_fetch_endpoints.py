"""Fetching through the named endpoints, from a site on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from explorer import Explorer, Settings
from tests.fake_hub import FakeServer, model_bytes, serving
from tests.ui.conftest import wait_until

LORA = model_bytes(300_000, lora=True)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with serving() as server:
        server.add_repo("owner/ink", {"ink.safetensors": LORA, "old.ckpt": b"x"}, cardData={"license": "mit"})
        yield server


@pytest.fixture(scope="module")
def client(server: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    from explorer.ui.app import launch

    root: Path = tmp_path_factory.mktemp("workspace")
    explorer = Explorer(Settings(root=root, device="cpu", port=0, hf_endpoint=server.url))
    page, url = launch(explorer)
    explorer.start()
    client = Client(url, verbose=False)
    yield client
    client.close()
    page.close(verbose=False)
    explorer.close()


def test_look_up_tells_what_there_is(client: Client) -> None:
    offer = client.predict("hf:owner/ink", api_name="/look_up_model")
    assert (offer["name"], offer["licence"], offer["chosen_bytes"]) == ("owner/ink", "mit", len(LORA))
    assert [(file["name"], file["usable"]) for file in offer["files"]] == [
        ("ink.safetensors", True),
        ("old.ckpt", False),
    ]
    with pytest.raises(AppError, match=r"has no repository owner/nothing"):
        client.predict("hf:owner/nothing", api_name="/look_up_model")


def test_fetch_returns_a_job_at_once_and_the_model_is_listed(client: Client, server: FakeServer) -> None:
    started = client.predict("hf:owner/ink", token="mine", api_name="/fetch_model")

    def ended() -> bool:
        return client.predict(started["job"], api_name="/job")["state"] not in ("queued", "running")

    wait_until(ended, "fetched")
    job = client.predict(started["job"], api_name="/job")
    assert (job["state"], job["kind"]) == ("done", "fetch"), job
    assert "mine" not in json.dumps(job)
    assert server.requests(server.resolve("owner/ink", "ink.safetensors"))[0].token == "Bearer mine"
    assert "ink" in {model["name"] for model in client.predict(api_name="/list_models")}
    with pytest.raises(AppError, match=r"For Hugging Face write hf:owner/ink"):
        client.predict("owner/ink", api_name="/fetch_model")
