"""Several runs together, some of their models, folders as jobs, and what is kept."""

import time
from pathlib import Path

import pytest

import metrics
from explorer import AnalyzeRequest, Explorer, InvalidRequest
from explorer.requests import ImportRequest
from explorer.types import Run
from tests.explorer.imports import samples

SAID = "a red circle on a white background\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: {}, Size: 64x48"


def shoot(folder: Path, *models: str, seeds: int = 2) -> Path:
    for model in models:
        for seed in range(seeds):
            # Seeds of two models must not be one picture.
            number = sum(map(ord, model)) + seed
            samples.png(folder / model / f"{seed}.png", number, parameters=SAID.format(seed))
    return folder


def take(explorer: Explorer, folder: Path) -> Run:
    list(explorer.import_pictures(ImportRequest(str(folder), layout="folders")))
    return explorer.runs()[0]


def test_runs_together_are_a_run_with_each_picture_once(explorer: Explorer, tmp_path: Path) -> None:
    first = take(explorer, shoot(tmp_path / "one", "a", "b"))
    second = take(explorer, shoot(tmp_path / "two", "b", "c"))
    both = explorer.selections.put_together([first.id, second.id])
    run = explorer.runs()[0]
    assert (run.id, run.models, run.images) == (both, ("a", "b", "c"), 6)
    assert run.title == "2 runs together: a, b, c"
    assert explorer.selections.put_together([second.id, first.id]) == both
    assert explorer.selections.put_together([first.id, first.id]) == first.id
    assert explorer.selections.put_together([both, first.id]) == both, "it holds those already"
    assert len(explorer.runs()) == 3
    assert len(list(explorer.settings.images.rglob("*.png"))) == 6
    with pytest.raises(InvalidRequest, match="no run"):
        explorer.selections.put_together([first.id, "nope"])


def test_some_models_are_scored_shown_and_exported(explorer: Explorer, tmp_path: Path) -> None:
    run = take(explorer, shoot(tmp_path / "one", "a", "b"))
    list(explorer.analyze(AnalyzeRequest(("ms_ssim_diversity",), run=run.id, models=("a",))))
    assert [row.unscored for row in explorer.leaderboard(run.id)] == [0, 2]
    assert {image.recipe.model for image in explorer.results(run.id, ["a"]).images} == {"a"}
    table = explorer.export("csv", tmp_path / "a.csv", run=run.id, table="scores", models=["a"])
    assert len(table.read_text(encoding="utf-8").splitlines()) == 2
    images = explorer.selections.pictures([run.id])
    assert explorer.selections.scored(images, "bundled") == {"ms_ssim_diversity": 2}
    assert explorer.selections.scored(images, "standard") == {}


def test_a_folder_is_a_durable_job_with_its_scoring(explorer: Explorer, tmp_path: Path) -> None:
    folder = shoot(tmp_path / "shoot", "a", "b")
    (folder / "a" / "broken.png").write_bytes((folder / "a" / "0.png").read_bytes()[:-30])
    queue = explorer.queue
    scoring = queue.submit_import(
        ImportRequest(str(folder), layout="folders"), AnalyzeRequest(("ms_ssim_diversity",))
    )
    assert [(job.kind, job.state) for job in queue.unfinished()] == [
        ("import", "queued"),
        ("analyze", "queued"),
    ]
    explorer.start()
    end = time.monotonic() + 60
    while queue.get(scoring.id).active:
        assert time.monotonic() < end
        time.sleep(0.05)
    job, importing = queue.get(scoring.id), queue.get(scoring.after or "")
    assert (job.state, importing.state, importing.failed) == ("done", "done", 1)
    assert job.run == importing.run == explorer.runs()[0].id
    assert [failure.label for failure in queue.failures(importing.id)] == ["a/broken.png"]
    assert {row.model: row.images for row in explorer.leaderboard(job.run)} == {"a": 2, "b": 2}


@pytest.mark.parametrize("where", ["", "nowhere"])
def test_a_folder_that_cannot_be_read_queues_nothing(explorer: Explorer, where: str) -> None:
    with pytest.raises(InvalidRequest, match="folder"):
        explorer.queue.submit_import(ImportRequest(where), AnalyzeRequest())
    assert explorer.queue.newest() == []


def test_features_are_kept_and_cleared_and_scores_stay(explorer: Explorer, tmp_path: Path) -> None:
    run = take(explorer, shoot(tmp_path / "one", "a"))
    assert explorer.selections.kept() == (0, 0)
    list(explorer.analyze(AnalyzeRequest(("lpips_diversity", "clip_score"), run=run.id)))
    kept = explorer.selections.kept()
    assert kept.features_bytes > 0
    assert kept.scores == 3
    explorer.selections.clear_features()
    assert explorer.selections.kept() == (0, 3)


def test_speeds_are_learnt_and_do_not_mix_with_drawing(explorer: Explorer, tmp_path: Path) -> None:
    run = take(explorer, shoot(tmp_path / "many", "a", seeds=70))
    assert explorer.selections.speeds() == {}
    list(explorer.analyze(AnalyzeRequest(("object_integrity",), run=run.id)))
    speeds = explorer.selections.speeds()
    assert list(speeds) == [metrics.get_card("object_integrity").backbones["bundled"].id]
    assert all(seconds > 0 for seconds in speeds.values())
    assert explorer.storage.work.devices() == []
    explorer.storage.work.keep_scoring_speeds("cpu", {"bundled-clip": 0.5})
    assert explorer.selections.speeds()["bundled-clip"] == 0.5
    assert explorer.storage.work.timings("cpu").loads == {}
