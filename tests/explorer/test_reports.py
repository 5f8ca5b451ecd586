import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.errors import StorageError
from explorer.reports import Results, place_image, spreadsheet_safe, to_csv
from explorer.storage import Storage
from explorer.types import Image, LeaderboardRow, ScoreRow
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


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_formulas_are_disarmed(text: str) -> None:
    assert spreadsheet_safe(text) == "'" + text


def test_numbers_and_plain_text_stay() -> None:
    assert spreadsheet_safe(-1.5) == -1.5
    assert spreadsheet_safe("a - b") == "a - b"
    assert to_csv([{"a": None, "b": -2}], ("a", "b")) == b"a,b\n,-2\n"


def test_pictures_are_placed_once_and_share_the_disk(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    image = storage.save_image(Pillow.new("RGB", (64, 64)), make_recipe())
    for _ in range(2):
        place_image(image, storage.images_folder, tmp_path / "out")
    (placed,) = (tmp_path / "out").rglob("*.png")
    assert placed.samefile(image.path)
    assert not list((tmp_path / "out").rglob("*.tmp"))
