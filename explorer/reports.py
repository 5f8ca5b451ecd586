"""Results as files: CSV for spreadsheets, JSON for programs."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explorer.errors import StorageError
from explorer.storage import temporary_beside, write_whole
from explorer.types import Image, LeaderboardRow, ScoreRow


@dataclass(frozen=True, slots=True)
class Results:
    """What a run gave: its pictures, their scores, and the leaderboard."""

    run: str
    images: Sequence[Image]
    scores: Sequence[ScoreRow]
    leaderboard: Sequence[LeaderboardRow]

    def leaderboard_csv(self) -> bytes:
        """One row a model and metric."""
        return to_csv([row.to_dict() for row in self.leaderboard], tuple(LeaderboardRow.__dataclass_fields__))

    def scores_csv(self) -> bytes:
        """One row a picture and metric; unscored rows carry their reason."""
        return to_csv(self._score_rows(), _SCORE_COLUMNS)

    def json(self) -> bytes:
        """Leaderboard, scores with their evidence, and the recipe of every picture."""
        data = {
            "run": self.run,
            "leaderboard": [row.to_dict() for row in self.leaderboard],
            "scores": [asdict(score) for score in self.scores],
            "images": [{"id": image.id, **image.recipe.to_dict()} for image in self.images],
        }
        return json.dumps(data, indent=1, ensure_ascii=False).encode()

    def write(self, folder: Path) -> None:
        """Write `leaderboard.csv`, `scores.csv` and `scores.json`, each whole or not at all."""
        write_whole(folder / "leaderboard.csv", self.leaderboard_csv())
        write_whole(folder / "scores.csv", self.scores_csv())
        write_whole(folder / "scores.json", self.json())

    def _score_rows(self) -> Iterable[dict[str, Any]]:
        images = {image.id: image for image in self.images}
        for score in self.scores:
            recipe = images[score.image_id].recipe
            names = ("model", "prompt_id", "category", "difficulty", "seed", "prompt")
            yield asdict(score) | {name: getattr(recipe, name) for name in names}


_SCORE_COLUMNS = (
    "model",
    "prompt_id",
    "category",
    "difficulty",
    "seed",
    "metric",
    "tier",
    "value",
    "reason",
    "metric_version",
    "backbone",
    "revision",
    "preprocessing",
    "image_id",
    "prompt",
)


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as UTF-8 CSV with a header."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_safe(row.get(name)) for name in columns} for row in rows)
    return buffer.getvalue().encode()


def spreadsheet_safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


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
