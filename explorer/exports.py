"""Results as one file, in the form that was asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from explorer.ballots import Vote
from explorer.bundles import write_bundle
from explorer.environment import environment
from explorer.errors import ExplorerError, InvalidRequest
from explorer.html_report import HtmlReport
from explorer.reports import TABLES, Results, TableName
from explorer.types import Image
from explorer.whole_files import write_whole
from metrics import list_metrics

ExportFormat = Literal["csv", "json", "parquet", "html", "bundle"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)


@dataclass(frozen=True, slots=True)
class Export:
    """What to write."""

    format: ExportFormat
    table: TableName = "leaderboard"
    """Of CSV and Parquet files."""
    pictures: bool = True
    """Whether a bundle holds the pictures."""
    title: str = ""
    """Of the report or bundle."""
    votes: Sequence[Vote] = ()
    """On the pictures; a bundle holds them."""

    def file_name(self, run: str) -> str:
        """How the file is called where nobody says."""
        ending = "zip" if self.format == "bundle" else self.format
        name = self.table if self.format in ("csv", "parquet") else "results"
        return f"{name}-{run}.{ending}"


def export_results(
    results: Results, wanted: Export, path: Path, thumbnail: Callable[[Image], Path] | None = None
) -> None:
    """Write results to a file, whole or not at all.

    Args:
        results: Of a run.
        wanted: Form and contents.
        path: Of the file.
        thumbnail: Where the small WebP copy of a picture is; None when there are no pictures.

    Raises:
        InvalidRequest: There is no such format or table.
        StorageError: The file cannot be written, or a picture is missing.
    """
    if wanted.format not in FORMATS or wanted.table not in TABLES:
        raise InvalidRequest(f"Export as {', '.join(FORMATS)}; tables are {', '.join(TABLES)}.")
    title = wanted.title or "Results"
    if wanted.format == "csv":
        write_whole(path, results.table(wanted.table).csv())
    elif wanted.format == "parquet":
        write_whole(path, results.table(wanted.table).parquet())
    elif wanted.format == "json":
        write_whole(path, results.json())
    elif wanted.format == "html":
        cards = {card.id: card for card in list_metrics()}

        def small(image: Image) -> bytes | None:
            return _bytes(image, thumbnail)

        write_whole(path, HtmlReport(results, title, small, cards, environment()).to_bytes())
    else:
        write_bundle(path, results, title, environment(), pictures=wanted.pictures, votes=wanted.votes)


def _bytes(image: Image, thumbnail: Callable[[Image], Path] | None) -> bytes | None:
    """The small copy of a picture; a missing one must not cost the report."""
    try:
        return thumbnail(image).read_bytes() if thumbnail else None
    except (OSError, ExplorerError):
        return None
