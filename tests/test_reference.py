"""The headless `reference`, and an analysis against the set it makes."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

import benchmark_app
from explorer import Explorer, Settings
from explorer.requests import AnalyzeRequest
from metrics.reference_sets import read_recipe
from tests.explorer.test_recipes import make_recipe
from tests.metrics.drawn import draw, prompt_of, write_circles


@pytest.fixture
def own_workspace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line works in the test's workspace."""
    monkeypatch.setenv("EXPLORER_ROOT", str(settings.root))
    monkeypatch.setenv("EXPLORER_OFFLINE", "1")


@pytest.mark.usefixtures("own_workspace")
def test_a_set_is_made_and_compared_with(tmp_path: Path, explorer: Explorer) -> None:
    from PIL import Image

    write_circles(tmp_path / "good", 13, colors=4, first=50)
    output = tmp_path / "good.safetensors"
    assert benchmark_app.main(["reference", str(tmp_path / "good"), "--output", str(output)]) == 0
    assert read_recipe(output).count == 52
    for seed in range(50):
        picture = Image.open(draw(tmp_path / "one.png", "red", seed))
        recipe = make_recipe(prompt=prompt_of("red"), seed=seed, cell=str(seed), model="m", suite="")
        explorer.storage.save_image(picture, recipe)
    folder, results = str(explorer.settings.images), tmp_path / "results"
    explorer.close()
    asked = ["analyze", folder, "--metrics", "batch_quality", "--output", str(results)]
    assert benchmark_app.main([*asked, "--reference", str(output)]) == 0
    rows = list(csv.DictReader((results / "scores.csv").open(encoding="utf-8")))
    assert {row["metric"] for row in rows} == {"batch_quality"}
    assert float(rows[0]["value"]) > 0


@pytest.mark.usefixtures("own_workspace")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--output", "x.safetensors"], "needs 50"),
        (["nowhere", "--output", "x.npz"], ".safetensors file"),
        (["nowhere", "--output", "x.safetensors", "--tier", "huge"], "huge"),
    ],
)
def test_what_cannot_be_a_set_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert benchmark_app.main(["reference", *arguments]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_request_keeps_its_reference() -> None:
    request = replace(AnalyzeRequest(), reference="some/folder")
    assert AnalyzeRequest.from_dict(request.to_dict()) == request
