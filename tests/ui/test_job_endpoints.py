"""The queue from scripts: a second client watches, pauses, resumes and cancels what a first one began."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image as Pillow

from explorer import Explorer, Settings
from explorer.batches import parse_batch
from tests.ui.conftest import Served, wait_until

PLAN = """
format: 1
models: [shapes-base, shapes-early]
prompts: [a red circle on a white background, two blue squares on a beige background]
seeds: 3
batch_size: 1
sampling: {steps: 30, guidance: 2}
metrics: clip_score
"""


@pytest.fixture
def clients(served: Served) -> Iterator[tuple[Client, Client]]:
    both = (
        Client(served.url, verbose=False, download_files=False),
        Client(served.url, verbose=False, download_files=False),
    )
    yield both
    for client in both:
        client.close()


def pixels(explorer: Explorer, run: str) -> dict[str, bytes]:
    images = explorer.storage.run_images(run)
    return {image.recipe.cell: Pillow.open(image.path).tobytes() for image in images}


def test_paused_and_resumed_from_another_client_the_pictures_are_the_same(
    clients: tuple[Client, Client], served: Served, tmp_path: Path
) -> None:
    first, second = clients
    (preview,) = first.predict(PLAN, api_name="/preview_plan")
    assert (preview["cells"], preview["there"], preview["todo"]) == (12, 0, 12)
    (job,) = first.predict(PLAN, api_name="/submit_plan")
    queue = served.explorer.queue
    wait_until(lambda: queue.get(job).done >= 3, "some are drawn")
    assert second.predict(job, api_name="/pause_job")["state"] == "paused"
    wait_until(lambda: served.explorer.pipelines._loaded is None, "its memory is free")
    done = queue.get(job).done
    assert 3 <= done < 12
    listed = second.predict(api_name="/jobs")
    assert [entry["state"] for entry in listed if entry["id"] == job] == ["paused"]
    assert second.predict(job, api_name="/resume_job")["state"] in ("queued", "running")
    watched = first.submit(job, api_name="/watch_job")
    states = [record["state"] for record in watched]
    assert states[-1] == "done"
    assert "running" in states
    (preview,) = first.predict(PLAN, api_name="/preview_plan")
    assert (preview["there"], preview["todo"], preview["seconds"]) == (12, 0, 0.0)

    undisturbed = Explorer(Settings(root=tmp_path / "other", device="cpu", offline=True))
    request = parse_batch(PLAN).request
    list(undisturbed.generate(request))
    ours = pixels(served.explorer, queue.get(job).run)
    assert len(ours) == 12
    assert ours == pixels(undisturbed, undisturbed.plan(request).run)
    undisturbed.close()


def test_cancelled_from_another_client_within_a_step(
    clients: tuple[Client, Client], served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = clients
    long = PLAN.replace("steps: 30", "steps: 500").replace("seeds: 3", "seeds: 1")
    (job,) = first.predict(long, api_name="/submit_plan")
    queue = served.explorer.queue
    wait_until(lambda: queue.get(job).step > 3, "it is inside a picture")
    with caplog.at_level(logging.INFO, "explorer.worker"):
        before = queue.get(job).step
        assert second.predict(job, api_name="/cancel_job")["state"] == "cancelled"
        wait_until(lambda: "stopped" in caplog.text, "the worker stopped")
    found = re.search(
        rf"Job {job} stopped (\d+\.\d\d) s after it was asked, at \d+ of 4, step (\d+) of 500", caplog.text
    )
    assert found, caplog.text
    assert before <= int(found[2]) < 500
    assert queue.get(job).done < 4


def test_the_order_from_scripts(clients: tuple[Client, Client], served: Served) -> None:
    first, second = clients
    served.explorer.queue.pause_all()
    plans = [PLAN.replace("seeds: 3", f"seeds: {seeds}") for seeds in (4, 5, 6)]
    ids = [first.predict(plan, api_name="/submit_plan")[0] for plan in plans]
    for job in ids:
        first.predict(job, api_name="/pause_job")

    def order() -> list[str]:
        return [job.id for job in served.explorer.queue.unfinished() if job.id in ids]

    second.predict(ids[2], api_name="/move_job")
    assert order() == [ids[2], ids[0], ids[1]]
    second.predict(ids[2], "later", api_name="/move_job")
    assert order() == [ids[0], ids[2], ids[1]]
    assert second.predict(ids[1], 2, api_name="/prioritize_job")["priority"] == 2
    assert order() == [ids[1], ids[0], ids[2]]
    with pytest.raises(AppError, match="Unknown place"):
        second.predict(ids[0], "sideways", api_name="/move_job")
    for job in ids:
        second.predict(job, api_name="/cancel_job")


def test_summary_and_retry(clients: tuple[Client, Client], served: Served) -> None:
    first, _ = clients
    summary: dict[str, Any] = first.predict(1, api_name="/summary")
    assert summary["pictures"] >= 12
    assert {job["state"] for job in summary["ended"]} >= {"done", "cancelled"}
    cancelled = next(job["job"] for job in summary["ended"] if job["state"] == "cancelled")
    assert first.predict(cancelled, api_name="/retry_job")["state"] in ("queued", "running")
    first.predict(cancelled, api_name="/cancel_job")
    for endpoint in ("/pause_job", "/resume_job"):
        with pytest.raises(AppError, match="ended already"):
            first.predict(cancelled, api_name=endpoint)
    with pytest.raises(AppError, match="not a plan"):
        first.predict("nonsense", api_name="/submit_plan")
    with pytest.raises(AppError, match="paths work on the command line only"):
        first.predict(PLAN.replace("shapes-early", "/etc/passwd"), api_name="/submit_plan")
