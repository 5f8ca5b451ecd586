"""The headless commands, as processes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROMPTS
from tests.fakes import PROJECT, write_suite

RUN = ["run", "--suite", "tiny", "--seeds", "2", "--steps", "2", "--metrics", "clip_score"]


@pytest.fixture
def environment(tmp_path: Path, tiny_models: Path) -> dict[str, str]:
    write_suite(tmp_path / "workspace" / "suites" / "tiny.yaml", PROMPTS)
    return os.environ | {
        "EXPLORER_ROOT": str(tmp_path / "workspace"),
        "EXPLORER_MODEL_FOLDERS": str(tiny_models),
        "EXPLORER_DEVICE": "cpu",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(PROJECT / "benchmark_app.py"), *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_a_run_from_the_first_picture_to_the_exports(environment: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "a place" / "out"
    done = command(environment, *RUN, "--models", "tiny-a", "tiny-b", "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert "tiny-a" in done.stdout
    assert "95 % interval" in done.stdout
    assert "8/8" in done.stderr
    assert len(list((out / "images").rglob("*.png"))) == 8
    board = list(csv.DictReader((out / "leaderboard.csv").open()))
    assert {row["model"] for row in board} == {"tiny-a", "tiny-b"}
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in board)
    assert len(list(csv.DictReader((out / "scores.csv").open()))) == 8
    assert len(json.loads((out / "scores.json").read_text())["scores"]) == 8

    # The same again makes and scores nothing.
    before = {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.png")}
    again = command(environment, *RUN, "--models", "tiny-a", "tiny-b", "--output", str(out))
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.png")} == before

    # The pictures of a folder are known by their contents.
    folder = command(environment, "analyze", str(out / "images"), "--output", str(tmp_path / "again"))
    assert folder.returncode == 0, folder.stderr
    assert (tmp_path / "again" / "leaderboard.csv").read_bytes() == (out / "leaderboard.csv").read_bytes()

    exported = command(environment, "export", "--format", "csv", "--output", str(tmp_path / "x.csv"))
    assert exported.returncode == 0
    assert (tmp_path / "x.csv").read_bytes() == (out / "leaderboard.csv").read_bytes()


def test_lists(environment: dict[str, str]) -> None:
    models = json.loads(command(environment, "models", "--json").stdout)
    assert {"tiny-a", "tiny-b", "shapes-base", "shapes-early"} <= {model["name"] for model in models}
    suites = json.loads(command(environment, "suites", "--json").stdout)
    assert {"shapes", "tiny"} <= {suite["id"] for suite in suites}
    metrics = json.loads(command(environment, "metrics", "--json").stdout)
    assert metrics[0]["id"] == "clip_score"
    assert "shapes-base" in command(environment, "models").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*RUN, "--models", "tiny-x", "--output", "{out}"], "Unknown model 'tiny-x'. Did you mean tiny-a"),
        ([*RUN, "--models", "{tmp}", "--output", "{out}"], "is not a model"),
        ([*RUN, "--models", "tiny-a", "--sampler", "Eular", "--output", "{out}"], "Did you mean Euler"),
        ([*RUN, "--models", "tiny-a", "--steps", "0", "--output", "{out}"], "Steps must lie between"),
        ([*RUN, "--models", "tiny-a", "--steps", "many", "--output", "{out}"], "invalid int value: 'many'"),
        ([*RUN, "--models", "tiny-a", "--settings", "mine", "--output", "{out}"], "invalid choice: 'mine'"),
        ([*RUN, "--models", "tiny-a", "--seeds", "-1", "--output", "{out}"], "seeds must be 1 or more"),
        ([*RUN, "--models", "tiny-a", "--width", "100", "--output", "{out}"], "multiple of 8"),
        ([*RUN, "--models", "tiny-a", "--metrics", "clip", "--output", "{out}"], "Did you mean clip_score"),
        ([*RUN, "--models", "tiny-a", "--output", "{file}/out"], "Cannot write the output folder"),
        (["run", "--models", "tiny-a", "--suite", "tinny", "--output", "{out}"], "Did you mean tiny"),
        (
            ["run", "--models", "tiny-a", "--suite", "{bad}", "--output", "{out}"],
            "line 5: the prompt is empty",
        ),
        (["run", "--suite", "tiny", "--output", "{out}"], "--models"),
        (["analyze", "{tmp}/nowhere", "--output", "{out}"], "There is no folder"),
        (["analyze", "{tmp}/empty", "--output", "{out}"], "There is no picture in"),
        (["export", "--format", "pdf", "--output", "{out}"], "invalid choice: 'pdf'"),
        (["export", "--format", "csv", "--output", "{out}"], "There is no run yet"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_an_unusable_argument_is_one_clear_line_and_status_2(
    environment: dict[str, str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    write_suite(tmp_path / "bad.yaml", [""])
    places = {
        "out": tmp_path / "out",
        "tmp": tmp_path,
        "file": tmp_path / "file",
        "bad": tmp_path / "bad.yaml",
    }
    done = command(environment, *(argument.format(**places) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").rglob("*.png"))


def test_failed_cells_are_listed_and_give_status_1(
    environment: dict[str, str], tmp_path: Path, tiny_models: Path
) -> None:
    from tests.fakes import copy_checkpoint

    broken = copy_checkpoint(
        tiny_models / "tiny-a", tmp_path / "workspace" / "models" / "checkpoints" / "broken"
    )
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    arguments = (*RUN, "--models", "broken", "tiny-b", "--output", str(tmp_path / "out"))
    weights.write_bytes(whole[:5000])  # as its header shows: refused before anything is drawn
    refused = command(environment, *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("benchmark_app.py: broken cannot be loaded: unet/")
    assert len(refused.stderr.strip().splitlines()) == 1
    weights.write_bytes(whole[:-5000] + b"\xff" * 5000)  # NaN, which only loading finds
    done = command(environment, *arguments)
    assert done.returncode == 1
    assert done.stderr.count("Failed: broken, p") == 4
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 4


def test_a_damaged_index_is_told_and_mended(environment: dict[str, str], tmp_path: Path) -> None:
    database = tmp_path / "workspace" / "explorer.db"
    database.write_bytes(b"this is no database, " * 400)
    done = command(environment, "models")
    assert done.returncode == 0
    assert "The index was damaged. It was kept as explorer.db.damaged-" in done.stderr


def test_a_bad_setting_is_one_clear_line(environment: dict[str, str]) -> None:
    done = command(environment | {"EXPLORER_PORT": "ninety"}, "models")
    assert done.returncode == 2
    assert "The setting 'port' is unusable" in done.stderr


def test_weights_that_are_not_there_leave_a_reason_and_no_number(
    environment: dict[str, str], tmp_path: Path
) -> None:
    offline = {name: value for name, value in environment.items() if name != "HF_HUB_OFFLINE"}
    offline |= {"EXPLORER_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    out = tmp_path / "out"
    done = command(offline, *RUN, "--models", "tiny-a", "--tier", "standard", "--output", str(out))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert {row["value"] for row in rows} == {""}
    assert all("hf download" in row["reason"] for row in rows)
    (board,) = csv.DictReader((out / "leaderboard.csv").open())
    assert (board["mean"], board["unscored"]) == ("", "4")
