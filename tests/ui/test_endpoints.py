import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from explorer import Run
from tests.ui.conftest import Served, active_jobs, wait_until

ENDPOINTS = {
    "/list_models": [],
    "/list_suites": [],
    "/list_metrics": [],
    "/generate": [
        *("models", "suite", "seeds", "metrics", "steps", "sampler", "guidance", "width", "height"),
        *("negative", "prompts", "first_seed", "categories", "tier"),
        *("clip_skip", "long_prompts", "weighting", "settings", "trigger_words", "download"),
    ],
    "/analyze": [
        *("run", "metrics", "tier", "download"),
        *("answerer", "most_requests", "most_dollars", "reference"),
    ],
    "/job": ["job_id"],
    "/watch_job": ["job_id"],
    "/jobs": [],
    "/summary": ["hours"],
    "/cancel_job": ["job_id"],
    "/pause_job": ["job_id"],
    "/resume_job": ["job_id"],
    "/retry_job": ["job_id"],
    "/move_job": ["job_id", "place"],
    "/prioritize_job": ["job_id", "priority"],
    "/preview_plan": ["plan"],
    "/submit_plan": ["plan"],
    "/look_up_model": ["source", "token"],
    "/fetch_model": ["source", "files", "name", "variant", "token"],
    "/images": [
        *("run", "model", "limit", "offset", "search", "category", "difficulty", "seed", "sort", "metric"),
        *("lowest", "highest", "favourite", "stars"),
    ],
    "/scores": ["run"],
    "/leaderboard": ["run"],
    "/export": ["format", "run", "table"],
    "/next_pair": ["voter", "models", "run", "category", "suite", "start_metric", "kind", "count"],
    "/vote": ["pair", "choice", "vote_id", "voter"],
    "/undo_vote": ["vote_id", "voter"],
    "/ratings": ["run", "category", "models", "suite"],
    "/metric_trust": ["run"],
    "/voters": ["run"],
    "/export_votes": [],
    "/import_votes": ["votes"],
}


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(served.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    yield client
    client.close()


def follow(client: Client, job_id: str) -> dict[str, Any]:
    def ended() -> bool:
        return client.predict(job_id, api_name="/job")["state"] not in ("queued", "running")

    wait_until(ended, f"job {job_id}")
    return client.predict(job_id, api_name="/job")


def test_interface_is_as_promised(client: Client) -> None:
    found = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {
        name: [parameter["parameter_name"] for parameter in info["parameters"]]
        for name, info in found.items()
    } == ENDPOINTS


def test_lists(client: Client) -> None:
    models = {model["name"]: model for model in client.predict(api_name="/list_models")}
    assert models["shapes-base"]["bundled"] is True
    suites = {suite["id"]: suite for suite in client.predict(api_name="/list_suites")}
    assert suites["shapes"]["prompts"] > 0
    metrics = {metric["id"]: metric for metric in client.predict(api_name="/list_metrics")}
    assert metrics["clip_score"]["question"]


def test_generate_follow_and_read(client: Client) -> None:
    started = client.predict(
        models=["shapes-base"],
        prompts=["a red circle on a white background"],
        seeds=1,
        steps=2,
        metrics=["clip_score"],
        api_name="/generate",
    )
    drawn = follow(client, started["job"])
    assert (drawn["state"], drawn["done"], drawn["failures"]) == ("done", 1, [])
    scored = follow(client, started["analyze_job"])
    assert scored["state"] == "done"
    run = scored["run"]

    page = client.predict(run=run, api_name="/images")
    assert page["total"] == 1
    image = page["images"][0]
    assert (image["model"], image["seed"], image["steps"]) == ("shapes-base", 0, 2)
    assert image["scores"]["clip_score"] == pytest.approx(
        client.predict(run=run, api_name="/scores")[0]["value"]
    )
    assert "path" not in json.dumps(page)
    (row,) = client.predict(run=run, api_name="/leaderboard")
    assert (row["model"], row["images"]) == ("shapes-base", 1)


def test_without_metrics_nothing_is_scored(client: Client) -> None:
    started = client.predict(
        models=["shapes-base"], prompts=["a blue square"], seeds=1, steps=1, api_name="/generate"
    )
    assert started["analyze_job"] is None
    run = follow(client, started["job"])["run"]
    assert client.predict(run=run, api_name="/leaderboard") == []
    scored = client.predict(run=run, metrics=["clip_score"], api_name="/analyze")
    assert follow(client, scored["job"])["state"] == "done"
    assert len(client.predict(run=run, api_name="/leaderboard")) == 1


def test_cancel(client: Client) -> None:
    started = client.predict(
        models=["shapes-base"], suite="shapes", metrics=["clip_score"], api_name="/generate"
    )
    assert client.predict(started["job"], api_name="/cancel_job")["state"] == "cancelled"
    assert follow(client, started["job"])["state"] == "cancelled"
    assert follow(client, started["analyze_job"])["state"] == "cancelled"


def test_export_arrives_as_files(client: Client, finished: Run) -> None:
    table = Path(client.predict(format="csv", run=finished.id, api_name="/export"))
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert {row["model"] for row in rows} == set(finished.models)
    scores = Path(client.predict(format="csv", run=finished.id, table="scores", api_name="/export"))
    assert len(scores.read_text(encoding="utf-8").splitlines()) == finished.images + 1
    everything = Path(client.predict(format="json", run=finished.id, api_name="/export"))
    assert len(json.loads(everything.read_text(encoding="utf-8"))["images"]) == finished.images


def test_images_are_paged(client: Client, finished: Run) -> None:
    ids = [
        image["id"]
        for offset in range(0, finished.images, 5)
        for image in client.predict(run=finished.id, limit=5, offset=offset, api_name="/images")["images"]
    ]
    assert len(set(ids)) == finished.images
    one_model = client.predict(run=finished.id, model="shapes-base", api_name="/images")
    assert one_model["total"] == finished.images / 2


@pytest.mark.parametrize(
    ("endpoint", "arguments", "said"),
    [
        ("/generate", {"models": ["shapes-bas"]}, "Did you mean shapes-base"),
        ("/generate", {"models": ["shapes-base"], "suite": "shape"}, "Did you mean shapes"),
        ("/generate", {"models": ["shapes-base"], "sampler": "euler"}, "Did you mean Euler"),
        ("/generate", {"models": ["shapes-base"], "metrics": ["clip"]}, "Did you mean clip_score"),
        ("/generate", {"models": ["shapes-base"], "steps": 0}, "Steps must lie between"),
        ("/generate", {"models": ["/etc/passwd"]}, "by name"),
        ("/analyze", {"run": "nothing"}, "no run 'nothing'"),
        (
            "/analyze",
            {"metrics": ["tifa"], "answerer": "gemini"},
            "needs a key: give it on the page, or set EXPL",
        ),
        ("/analyze", {"metrics": ["tifa"], "answerer": "claude"}, "There is no answerer 'claude'"),
        (
            "/analyze",
            {"metrics": ["batch_quality"], "reference": "/nowhere"},
            "There is no reference set '/nowhere'",
        ),
        ("/job", {"job_id": "nothing"}, "Unknown job 'nothing'"),
        ("/images", {"run": "nothing"}, "Unknown run 'nothing'"),
        ("/export", {"format": "xml"}, "Export as csv, json, parquet, html, bundle"),
    ],
)
def test_mistakes_are_answered_in_plain_words(
    client: Client, served: Served, finished: Run, endpoint: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(AppError, match=said):
        client.predict(**arguments, api_name=endpoint)
    assert active_jobs(served.explorer) == []
