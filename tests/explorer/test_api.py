import time
from dataclasses import replace
from pathlib import Path

import pytest

from explorer import (
    AnalyzeRequest,
    Explorer,
    GenerateRequest,
    ImageQuery,
    InvalidRequest,
    Job,
    Sampling,
    Settings,
)

REQUEST = GenerateRequest(
    models=("tiny-a", "tiny-b"), suite="tiny", seeds=1, sampling=Sampling(sampler="DDIM", steps=2)
)


def finished(explorer: Explorer, job: Job, seconds: float = 120) -> Job:
    end = time.monotonic() + seconds
    while (now := explorer.queue.get(job.id)).active:
        assert time.monotonic() < end
        time.sleep(0.05)
    return now


def test_a_benchmark_through_the_queue(explorer: Explorer) -> None:
    drawing = explorer.queue.submit(REQUEST)
    scoring = explorer.queue.submit(AnalyzeRequest(), after=drawing.id)
    assert (drawing.state, drawing.total, scoring.after) == ("queued", 4, drawing.id)
    explorer.start()
    done = finished(explorer, scoring)
    assert (done.state, done.error) == ("done", None)
    drawn = explorer.queue.get(drawing.id)
    assert (drawn.state, drawn.done, drawn.failed) == ("done", 4, 0)
    assert drawn.run == done.run == explorer.runs()[0].id
    assert len(explorer.leaderboard(done.run)) == 2
    assert len(explorer.scores()) == 4
    assert [job.id for job in explorer.queue.newest()] == [scoring.id, drawing.id]


def test_cancel_and_submit_again_continues(explorer: Explorer) -> None:
    long = replace(REQUEST, seeds=4, sampling=Sampling(sampler="DDIM", steps=12), batch_size=1)
    explorer.start()
    job = explorer.queue.submit(long)
    end = time.monotonic() + 120
    while explorer.images(ImageQuery()).total < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert explorer.queue.cancel(job.id).state == "cancelled"
    kept = explorer.images(ImageQuery()).total
    assert kept < 16
    again = finished(explorer, explorer.queue.submit(long))
    assert (again.state, again.done) == ("done", 16)
    assert explorer.images(ImageQuery()).total == 16


def test_a_program_that_was_stopped_continues_its_job(settings: Settings) -> None:
    long = replace(REQUEST, seeds=4, sampling=Sampling(sampler="DDIM", steps=12), batch_size=1)
    first = Explorer(settings)
    first.start()
    job = first.queue.submit(long)
    end = time.monotonic() + 120
    while first.images(ImageQuery()).total < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    first.close()
    second = Explorer(settings)
    assert second.queue.get(job.id).state == "queued"
    second.start()
    assert finished(second, job).state == "done"
    assert second.images(ImageQuery()).total == 16
    second.close()


def test_a_bad_model_fails_alone_in_a_job(explorer: Explorer, settings: Settings, tiny_models: Path) -> None:
    from tests.fakes import copy_checkpoint

    broken = copy_checkpoint(tiny_models / "tiny-a", settings.checkpoints / "broken")
    both, one = replace(REQUEST, models=("broken", "tiny-b")), replace(REQUEST, models=("broken",))
    jobs = [explorer.queue.submit(both), explorer.queue.submit(one)]
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])  # it went bad while the jobs waited
    for request in (both, one):
        with pytest.raises(InvalidRequest, match="broken cannot be loaded: unet/"):
            explorer.queue.submit(request)
    explorer.start()
    job, alone = (finished(explorer, job) for job in jobs)
    assert (job.state, job.failed) == ("done", 2)
    assert [failure.label for failure in explorer.queue.failures(job.id)] == [
        "broken, p0, seed 0",
        "broken, p1, seed 0",
    ]
    assert alone.state == "failed"
    assert "broken cannot be loaded" in (alone.error or "")


def test_a_model_that_was_deleted_meanwhile_fails_alone_in_a_job(
    explorer: Explorer, settings: Settings, tiny_models: Path
) -> None:
    import shutil

    from tests.fakes import build_tiny_checkpoint

    build_tiny_checkpoint(settings.checkpoints / "brief", seed=5)
    both, one = replace(REQUEST, models=("brief", "tiny-b")), replace(REQUEST, models=("brief",))
    jobs = [explorer.queue.submit(both), explorer.queue.submit(one)]
    shutil.rmtree(settings.checkpoints / "brief")
    explorer.start()
    job, alone = (finished(explorer, job) for job in jobs)
    assert (job.state, job.made, job.failed) == ("done", 2, 1)
    (failure,) = explorer.queue.failures(job.id)
    assert failure.label == "every picture of brief"
    assert "Unknown model 'brief'" in failure.reason
    assert alone.state == "failed"
    assert "Unknown model 'brief'" in (alone.error or "")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (replace(REQUEST, models=("nope",)), "Unknown model"),
        (replace(REQUEST, models=("/etc",)), "by name; paths work on the command line only"),
        (replace(REQUEST, models=("tiny-a+../x.safetensors:1",)), "by name"),
        (replace(REQUEST, suite="../../etc/passwd.yaml"), "by name"),
        (replace(REQUEST, seeds=0), "seeds"),
        (AnalyzeRequest(folder="/etc"), "on the command line only"),
        (AnalyzeRequest(("nope",)), "Unknown metric"),
        (AnalyzeRequest(run="nope"), "no run"),
    ],
)
def test_a_bad_submission_is_refused_at_once(
    explorer: Explorer, request_: GenerateRequest | AnalyzeRequest, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        explorer.queue.submit(request_)
    assert explorer.queue.newest() == []


def test_results_as_files(explorer: Explorer, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="There is no run yet"):
        explorer.export("csv")
    list(explorer.generate(REQUEST))
    list(explorer.analyze(AnalyzeRequest()))
    board = explorer.export("csv")
    assert board.parent == explorer.settings.exports
    assert board.read_text().startswith("model,metric,tier,direction,mean,low,high")
    assert len(explorer.export("csv", tmp_path / "s.csv", table="scores").read_text().splitlines()) == 5
    assert explorer.export("json", tmp_path / "r.json").stat().st_size > 1000
    with pytest.raises(InvalidRequest, match="Export as csv, json, parquet, html, bundle"):
        explorer.export("xml")  # type: ignore[arg-type]


def test_pictures_one_by_one(explorer: Explorer) -> None:
    list(explorer.generate(REQUEST))
    list(explorer.analyze(AnalyzeRequest()))
    image = explorer.images(ImageQuery(model="tiny-b")).images[0]
    assert explorer.thumbnail(image.id).suffix == ".webp"
    assert "Steps: 2, Sampler: DDIM" in explorer.recipe_text(image.id)
    assert [row.metric for row in explorer.image_scores(image.id)] == ["clip_score"]
    assert explorer.native_size("tiny-a") == (64, 64)
