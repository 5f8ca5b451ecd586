import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.errors import StorageError
from explorer.reports import TABLES, Results, TableName, place_image
from explorer.statistics import leaderboard
from explorer.storage import Storage
from explorer.types import Image, LeaderboardRow, Recipe, ScoreRow
from tests.explorer.scored import picture, row, scored
from tests.explorer.test_recipes import make_recipe


def results() -> Results:
    recipe = make_recipe(prompt='=HYPERLINK("x"), a "fox"\nwith two lines', model="base")
    image = Image("i" * 64, Path("x.png"), recipe, "2026-01-01")
    scored = ScoreRow(image.id, "clip_score", "bundled", 31.5, None, {"cosine": 0.315}, "1", "b", "r", "p")
    missing = ScoreRow(image.id, "other", "bundled", None, "needs 2 seeds", {}, "1", "b", "r", "p")
    row = LeaderboardRow("base", "clip_score", "bundled", "higher", 31.5, 30.0, 33.0, 1, 1, 0)
    return Results("run1", [image], [scored, missing], [row])


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_scores_as_csv_keep_every_character_and_run_no_formula() -> None:
    first, second = read(results().scores_csv())
    assert first["prompt"] == '\'=HYPERLINK("x"), a "fox"\nwith two lines'
    assert (first["value"], first["reason"]) == ("31.5", "")
    assert (second["value"], second["reason"]) == ("", "needs 2 seeds")
    assert first["image_id"] == "i" * 64


def test_the_leaderboard_as_csv() -> None:
    (row,) = read(results().leaderboard_csv())
    assert (row["model"], row["mean"], row["low"], row["high"]) == ("base", "31.5", "30.0", "33.0")


def test_json_carries_evidence_and_recipes() -> None:
    data = json.loads(results().json())
    assert data["run"] == "run1"
    assert data["scores"][0]["detail"] == {"cosine": 0.315}
    assert data["scores"][1]["value"] is None
    assert data["images"][0]["seed"] == 7
    assert data["leaderboard"][0]["mean"] == 31.5


def test_all_three_files_are_written(tmp_path: Path) -> None:
    results().write(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "leaderboard.csv",
        "scores.csv",
        "scores.json",
    ]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Cannot write"):
        results().write(tmp_path / "file")


def test_the_scores_carry_the_whole_recipe_and_the_evidence() -> None:
    first, _ = read(results().scores_csv())
    assert (first["sampler"], first["steps"], first["guidance"]) == ("DPM++ 2M Karras", "20", "5.5")
    assert json.loads(first["loras"]) == [["style", "d" * 64, 0.8]]
    assert json.loads(first["versions"]) == {"torch": "2"}
    assert json.loads(first["detail"]) == {"cosine": 0.315}
    assert set(Recipe.__dataclass_fields__) <= first.keys()


def test_the_wide_table_has_a_row_a_model_and_columns_for_each_metric() -> None:
    images, one = scored({"a": [1.0, 3.0], "b": [5.0, 5.0]}, "m")
    _, two = scored({"a": [0.5, 0.5], "b": [0.25, 0.75]}, "n")
    rows = leaderboard(images, one + two[:2], {})
    wide = {row["model"]: row for row in read(Results("r", images, one + two, rows).table("wide").csv())}
    assert (wide["a"]["m.bundled.mean"], wide["b"]["m.bundled.low"]) == ("2.0", "5.0")
    assert (wide["a"]["n.bundled.mean"], wide["b"]["n.bundled.mean"]) == ("0.5", "")


def test_the_pairs_say_what_is_known_of_every_two_models() -> None:
    images, rows = scored({"a": [2.0] * 6, "b": [1.0] * 6, "c": [1.0] * 5})
    board = leaderboard(images, rows, {"m": "higher"})
    pairs = read(Results("r", images, rows, board).table("pairs").csv())
    assert [(p["first"], p["second"], p["verdict"]) for p in pairs] == [
        ("a", "b", "better"),
        ("a", "c", "no verdict"),
        ("b", "c", "no verdict"),
    ]
    assert pairs[0]["sentence"].startswith("a is better than b")
    assert (pairs[1]["left_out"], pairs[1]["p_value"]) == ("1", "")


def test_json_never_holds_what_is_no_number() -> None:
    image = picture("a", "p")
    score = row(image, 1.0, detail={"ratio": float("inf"), "parts": [float("nan"), 2.0]})
    data = json.loads(Results("r", [image], [score], []).json(), parse_constant=pytest.fail)
    assert data["scores"][0]["detail"] == {"ratio": None, "parts": [None, 2.0]}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_of_nothing_is_a_header(name: TableName) -> None:
    assert len(Results("r", [], [], []).table(name).csv().splitlines()) == 1


def test_pictures_are_placed_once_and_share_the_disk(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    image = storage.save_image(Pillow.new("RGB", (64, 64)), make_recipe())
    for _ in range(2):
        place_image(image, storage.images_folder, tmp_path / "out")
    (placed,) = (tmp_path / "out").rglob("*.png")
    assert placed.samefile(image.path)
    assert not list((tmp_path / "out").rglob("*.tmp"))
