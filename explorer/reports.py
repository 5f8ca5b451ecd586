"""Results as tables and JSON: who is better, every score with its recipe, every pair of models."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from explorer.comparisons import Comparison, compare
from explorer.errors import StorageError
from explorer.tabular import Kind, Table, cell, json_text
from explorer.types import Image, LeaderboardRow, Recipe, ScoreRow
from explorer.whole_files import temporary_beside, write_whole

TableName = Literal["leaderboard", "scores", "wide", "pairs"]
TABLES: tuple[TableName, ...] = get_args(TableName)


@dataclass(frozen=True, slots=True)
class Results:
    """What a run gave: its pictures, their scores, and the leaderboard."""

    run: str
    images: Sequence[Image]
    scores: Sequence[ScoreRow]
    leaderboard: Sequence[LeaderboardRow]

    @property
    def directions(self) -> dict[str, str]:
        """Metric id to "higher", "lower" or "neutral"."""
        return {row.metric: row.direction for row in self.leaderboard}

    def comparisons(self) -> list[Comparison]:
        """Every pair of models under every metric and tier."""
        return compare(self.images, self.scores, self.directions)

    def table(self, name: TableName) -> Table:
        """One of the tables.

        Args:
            name: `leaderboard`, one row a model and metric; `scores`, one row a score with the
                whole recipe; `wide`, one row a model with columns for each metric; `pairs`, one
                row for every two models and metric.
        """
        if name == "leaderboard":
            return Table(_LEADERBOARD, [row.to_dict() for row in self.leaderboard])
        if name == "scores":
            return Table(_SCORES, list(self._score_rows()))
        if name == "wide":
            return self._wide()
        return Table(_PAIRS, [pair.to_dict() for pair in self.comparisons()])

    def leaderboard_csv(self) -> bytes:
        """One row a model and metric."""
        return self.table("leaderboard").csv()

    def scores_csv(self) -> bytes:
        """One row a picture and metric; unscored rows carry their reason."""
        return self.table("scores").csv()

    def json(self) -> bytes:
        """Leaderboard, comparisons, scores with their evidence, and the recipe of every picture."""
        data = {
            "run": self.run,
            "leaderboard": [row.to_dict() for row in self.leaderboard],
            "comparisons": [pair.to_dict() for pair in self.comparisons()],
            "scores": [asdict(score) for score in self.scores],
            "images": [{"id": image.id, **image.recipe.to_dict()} for image in self.images],
        }
        return json_text(data, indent=1).encode(errors="replace")

    def write(self, folder: Path) -> None:
        """Write `leaderboard.csv`, `scores.csv` and `scores.json`, each whole or not at all."""
        write_whole(folder / "leaderboard.csv", self.leaderboard_csv())
        write_whole(folder / "scores.csv", self.scores_csv())
        write_whole(folder / "scores.json", self.json())

    def _score_rows(self) -> Iterator[dict[str, Any]]:
        images = {image.id: image for image in self.images}
        for score in self.scores:
            known = (each for each in (score.image_id, *score.unit) if each in images)
            recipe = images[first].recipe.to_dict() if (first := next(known, None)) else {}
            yield {name: cell(value) for name, value in (recipe | asdict(score)).items()}

    def _wide(self) -> Table:
        columns: dict[str, Kind] = {"model": "text"}
        rows: dict[str, dict[str, Any]] = {}
        for row in self.leaderboard:
            line = rows.setdefault(row.model, {"model": row.model})
            for name in ("mean", "low", "high"):
                columns[f"{row.metric}.{row.tier}.{name}"] = "real"
                line[f"{row.metric}.{row.tier}.{name}"] = getattr(row, name)
        return Table(columns, list(rows.values()))


_KINDS: dict[Any, Kind] = {
    **{int: "whole", float: "real", bool: "flag", str: "text"},
    **{float | None: "real", int | None: "whole"},
}


def _columns(record: type, *names: str) -> dict[str, Kind]:
    """Columns for fields of a record; those with parts are JSON texts."""
    kinds: dict[str, Kind] = {field.name: _KINDS.get(field.type, "text") for field in fields(record)}
    return {name: kinds[name] for name in names} if names else kinds


_LEADERBOARD = _columns(LeaderboardRow)
_PAIRS = _columns(Comparison) | {"sentence": "text"}
_SCORES: dict[str, Kind] = (
    _columns(Recipe, "model", "prompt_id", "category", "difficulty", "seed")
    | _columns(ScoreRow, "metric", "tier", "value", "reason", "metric_version", "backbone", "revision")
    | _columns(ScoreRow, "preprocessing", "image_id", "level", "unit", "detail")
    | _columns(Recipe)
)


def place_image(image: Image, images_folder: Path, output: Path) -> None:
    """Put a picture under `output/images` without using the disk twice where possible.

    Raises:
        StorageError: The folder cannot be written.
    """
    target = output / "images" / image.path.relative_to(images_folder)
    if target.exists() and target.stat().st_size == image.path.stat().st_size:
        return
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(image.path, temporary)
        except OSError:
            shutil.copyfile(image.path, temporary)  # another disk, or no hard links there
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"Cannot write {target}: {error.strerror or error}.") from error
