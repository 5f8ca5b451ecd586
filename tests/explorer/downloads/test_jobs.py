"""Fetching as a job of the queue."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from explorer import Explorer, FetchRequest, InvalidRequest, ModelDone, Settings
from explorer.types import Job
from tests.fake_hub import Answer, FakeServer, model_bytes, reply, serving

LORA = model_bytes(400_000, lora=True)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as server:
        server.add_repo("owner/ink", {"ink.safetensors": LORA}, cardData={"license": "mit"})
        yield server


@pytest.fixture
def explorer(tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Explorer]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    settings = Settings(root=tmp_path, device="cpu", hf_endpoint=server.url, civitai_endpoint=server.url)
    explorer = Explorer(settings)
    yield explorer
    explorer.close()


def ended(explorer: Explorer, job: Job) -> Job:
    end = time.monotonic() + 30
    while explorer.queue.get(job.id).active:
        assert time.monotonic() < end
        time.sleep(0.02)
    return explorer.queue.get(job.id)


def test_a_request_survives_the_way_through_json() -> None:
    request = FetchRequest("hf:a/b", ("x.safetensors",), "fp16", "mine")
    assert FetchRequest.from_dict(request.to_dict()) == request
    assert FetchRequest.from_dict({"source": "hf:a/b"}) == FetchRequest("hf:a/b")


def test_a_job_fetches_and_the_model_is_listed(explorer: Explorer) -> None:
    job = explorer.queue.submit(FetchRequest("hf:owner/ink"))
    assert (job.kind, job.title, job.run) == ("fetch", "Fetch hf:owner/ink", "")
    explorer.start()
    job = ended(explorer, job)
    assert (job.state, job.done, job.total) == ("done", 1, 1)
    assert "ink" in {lora.name for lora in explorer.loras()}


def test_a_token_goes_with_one_job_and_is_written_nowhere(
    explorer: Explorer, server: FakeServer, tmp_path: Path
) -> None:
    path = server.resolve("owner/ink", "ink.safetensors")
    job = explorer.queue.submit(FetchRequest("hf:owner/ink"), token=SecretStr("for-this-job-alone"))
    explorer.start()
    assert ended(explorer, job).state == "done"
    assert server.requests(path)[0].token == "Bearer for-this-job-alone"
    again = explorer.queue.submit(FetchRequest("hf:owner/ink", name="again"))
    assert ended(explorer, again).state == "done"
    assert server.requests(path)[-1].token is None
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"for-this-job-alone" not in file.read_bytes()


def test_a_token_in_a_pasted_address_is_not_stored(explorer: Explorer, tmp_path: Path) -> None:
    job = explorer.queue.submit(
        FetchRequest("https://civitai.com/api/download/models/22?token=pasted-secret")
    )
    assert job.title == "Fetch civitai:@22"
    with pytest.raises(InvalidRequest) as caught:
        explorer.queue.submit(FetchRequest("https://civitai.com/images/22?token=pasted-secret"))
    assert "pasted-secret" not in str(caught.value)
    stored = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"pasted-secret" in data for data in stored)


def test_a_job_that_cannot_be_done_says_why(explorer: Explorer, server: FakeServer) -> None:
    with pytest.raises(InvalidRequest, match="names no model"):
        explorer.queue.submit(FetchRequest("nonsense"))
    path = server.resolve("owner/ink", "ink.safetensors")
    server.answers[path] = reply({}, 401, X_Error_Code="GatedRepo")
    job = explorer.queue.submit(FetchRequest("hf:owner/ink"))
    explorer.start()
    job = ended(explorer, job)
    assert job.state == "failed"
    assert "is gated. Accept its terms" in (job.error or "")


def test_a_job_is_cancelled_within_a_second(explorer: Explorer, server: FakeServer) -> None:
    path = server.resolve("owner/ink", "ink.safetensors")
    good = server.answers[path]
    assert isinstance(good, Answer)
    server.answers[path] = replace(good, stall_after=65_536)
    job = explorer.queue.submit(FetchRequest("hf:owner/ink"))
    explorer.start()
    while not server.requests(path):
        time.sleep(0.01)
    start = time.monotonic()
    explorer.queue.cancel(job.id)
    after = explorer.queue.submit(FetchRequest("hf:owner/ink/none.safetensors"))
    while explorer.queue.get(after.id).state == "queued":  # the worker is free again
        time.sleep(0.01)
    assert time.monotonic() - start < 1.5
    assert explorer.queue.get(job.id).state == "cancelled"


def test_the_plain_api_yields_events(explorer: Explorer) -> None:
    events = list(explorer.fetch(FetchRequest("hf:owner/ink")))
    assert events[-1] == ModelDone("ink", "lora", new=True)
    assert explorer.fetcher.look_up("hf:owner/ink").licence == "mit"
