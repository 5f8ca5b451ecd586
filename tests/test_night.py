"""A night in the queue: bad models among good ones, and a summary that says so in the morning."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from explorer import AnalyzeRequest, Explorer, GenerateRequest, Sampling, Settings
from explorer.drawing import LoadedModel
from tests.fakes import PROJECT, build_tiny_checkpoint, copy_checkpoint

LIMIT = 64 * 64
"""Pixels that fit into the memory of this test."""


def asked(model: str, first_seed: int = 0, **more: Any) -> GenerateRequest:
    sampling = Sampling(sampler="DDIM", steps=2, **more)
    return GenerateRequest((model,), suite="tiny", seeds=1, first_seed=first_seed, sampling=sampling)


def finish(explorer: Explorer, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while explorer.queue.unfinished():
        assert time.monotonic() < end, explorer.queue.unfinished()
        time.sleep(0.1)


def overflow(checkpoint: Path) -> None:
    """Weights that are numbers, and give none when they are used."""
    from safetensors.torch import load_file, save_file

    file = checkpoint / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.weight"] *= 1e38
    weights["conv_out.weight"] *= 1e38
    save_file(weights, file, metadata={"format": "pt"})


def test_seven_good_runs_are_done_beside_three_bad_ones(
    explorer: Explorer, settings: Settings, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    broken = copy_checkpoint(tiny_models / "tiny-a", settings.checkpoints / "corrupt")
    overflow(copy_checkpoint(tiny_models / "tiny-b", settings.checkpoints / "numberless"))
    build_tiny_checkpoint(settings.checkpoints / "large", seed=9)
    denoise = LoadedModel._denoise

    def limited(self: LoadedModel, recipes: list[Any], sampler: str, on_step: Any) -> Any:
        if recipes[0].width * recipes[0].height > LIMIT:
            raise torch.OutOfMemoryError("out of memory: more than this machine has")
        return denoise(self, recipes, sampler, on_step)

    monkeypatch.setattr(LoadedModel, "_denoise", limited)
    requests = [asked("tiny-a", seed) for seed in range(4)] + [asked("tiny-b", seed) for seed in range(3)]
    requests[2:2] = [asked("corrupt")]
    requests[4:4] = [asked("large", width=128, height=128)]
    requests[6:6] = [asked("numberless")]
    jobs = [explorer.queue.submit_benchmark(request, AnalyzeRequest())[0] for request in requests]
    assert len(jobs) == 10
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    began = datetime.now(UTC) - timedelta(minutes=5)
    explorer.start()
    finish(explorer)

    states = {job.id: explorer.queue.get(job.id) for job in jobs}
    failed = {job.title: job.error or "" for job in states.values() if job.state == "failed"}
    assert sum(job.state == "done" for job in states.values()) == 7
    assert "cannot be loaded" in failed["corrupt on Tiny"] or "damaged" in failed["corrupt on Tiny"]
    assert "large ran out of memory at 128 x 128 pixels" in failed["large on Tiny"]
    assert "numbers that are no picture" in failed["numberless on Tiny"]

    summary = explorer.summary(began)
    assert summary.pictures == 7 * 2
    assert summary.waiting == 0
    draws = [job for job in summary.ended if job.kind == "generate"]
    assert [job.job for job in draws] == [job.id for job in jobs], "in the order of the queue"
    assert sum(job.state == "done" for job in draws) == 7
    for job in draws:
        assert (job.state == "failed") == bool(job.reasons)
        assert job.made == (2 if job.state == "done" else 0)
    scores = [job for job in summary.ended if job.kind == "analyze"]
    assert sorted(job.state for job in scores) == ["cancelled"] * 3 + ["done"] * 7
    assert all(job.best and job.best[0].mean is not None for job in scores if job.state == "done")
    plain = json.loads(json.dumps(summary.to_dict()))
    assert (plain["pictures"], plain["done"], plain["failed"], plain["cancelled"]) == (14, 14, 3, 3)
    assert explorer.summary(datetime.now(UTC)).ended == ()


def test_the_queue_from_the_command_line(settings: Settings, tmp_path: Path, tiny_models: Path) -> None:
    plan = tmp_path / "night.yaml"
    plan.write_text(
        "format: 1\nmodels: [tiny-a, tiny-b]\nsuites: tiny\nseeds: 1\nsampling: {steps: 2}\nmetrics: []\n"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "EXPLORER_ROOT": str(settings.root),
        "EXPLORER_MODEL_FOLDERS": str(tiny_models),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }

    def queue(*arguments: str, status: int = 0) -> str:
        line = [sys.executable, str(PROJECT / "benchmark_app.py"), "queue", *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    assert "empty" in queue()
    first = queue("add", str(plan)).split()[0]
    assert queue("pause", first).split()[1] == "paused"
    assert "1 pictures" not in queue("work"), "a paused job is not waited for"
    (listed,) = json.loads(queue("--json"))
    assert (listed["id"], listed["state"]) == (first, "paused")
    queue("resume", first)
    told = queue("work")
    assert "4 pictures drawn; jobs: 1 done" in told
    assert json.loads(queue("summary", "--json"))["ended"][0]["made"] == 4
    copy = queue("duplicate", first).split()[0]
    assert queue("cancel", copy).split()[1] == "cancelled"
    queue("remove", copy)
    assert queue("clear").startswith("1 jobs cleared")
    assert "needs the id of a job" in queue("retry", status=2)
    assert "Unknown job" in queue("retry", "nobody", status=2)
    assert "Cannot read the plan" in queue("add", str(tmp_path / "none.yaml"), status=2)
