"""Pictures as files with their recipe inside, and the index beside them.

The file is the truth: `rescan` makes the rows again from the files. A picture is written
under a temporary name, synced and renamed, so it is whole or not there.
"""

import hashlib
import io
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image as Pillow
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import MAX_VALUES, in_parts, open_database, reader
from explorer.errors import StorageError
from explorer.estimates import Disk
from explorer.image_store import ImageStore, image_path, index_values
from explorer.job_store import JobStore
from explorer.model_store import ModelStore
from explorer.recipes import png_info, read_recipe
from explorer.requests import ImageQuery
from explorer.score_store import ScoreStore
from explorer.trash import Trash
from explorer.types import Image, ImagePage, Recipe, Run
from explorer.vote_store import VoteStore
from explorer.whole_files import write_whole
from explorer.work_store import WorkStore, process_lives

THUMBNAIL_SIDE = 256
PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is stored: its cells in the order of the plan."""

    id: str
    title: str
    models: tuple[str, ...]
    suite: str
    categories: tuple[str, ...]
    request: dict[str, Any]
    cells: tuple[str, ...]


class Storage:
    """The workspace's pictures, runs, and the stores for scores and jobs."""

    def __init__(self, images: Path, thumbnails: Path, database: Path) -> None:
        """Open the workspace, mend what a crash left, and index unknown pictures if needed.

        Raises:
            StorageError: The workspace cannot be written.
        """
        self.images_folder = images
        self.thumbnails_folder = thumbnails
        self.engine, self.damaged = open_database(database)
        self._read = reader(self.engine)
        self.scores = ScoreStore(self.engine)
        self.pictures = ImageStore(self.engine, images, self.scores)
        self.jobs = JobStore(self.engine)
        self.models = ModelStore(self.engine)
        self.work = WorkStore(self.engine)
        self.votes = VoteStore(self.engine)
        try:
            images.mkdir(parents=True, exist_ok=True)
            thumbnails.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"Cannot write {images}: {error.strerror}.") from error
        sweep_temporary(images)
        sweep_temporary(thumbnails)
        if self.damaged is not None:
            self.rescan()
        self.trash = Trash(self.engine, images, thumbnails.with_name("trash"))

    def close(self) -> None:
        """Release the database file."""
        self.votes.close()
        self.pictures.close()
        self.engine.dispose()

    # pictures

    def save_image(self, picture: Pillow.Image, recipe: Recipe) -> Image:
        """Write a picture with its recipe inside and index it.

        Raises:
            DiskFull: No space is left; nothing of this picture remains.
            StorageError: The folder cannot be written.
        """
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", pnginfo=png_info(recipe))
        return self.save_png(buffer.getvalue(), recipe)

    def save_png(self, data: bytes, recipe: Recipe) -> Image:
        """Write a whole PNG file that has this recipe inside already, and index it.

        Raises:
            DiskFull: No space is left; nothing of this picture remains.
            StorageError: The folder cannot be written.
        """
        relative = image_path(recipe)
        write_whole(self.images_folder / relative, data)
        image = Image(hashlib.sha256(data).hexdigest(), self.images_folder / relative, recipe, _now())
        self._index([(image, len(data))])
        return image

    def find_cells(self, recipes: Sequence[Recipe]) -> dict[str, Image]:
        """The pictures that exist for these cells, by cell.

        A file that is whole but not indexed (the program was killed in between) is taken
        into the index; a row whose file is gone or has another size does not count.
        """
        found: dict[str, Image] = {}
        for row in self._rows_by_cell([recipe.cell for recipe in recipes]):
            image = self.pictures.of_row(row)
            if _file_size(image.path) == row.size_bytes:
                found[row.cell] = image
        for recipe in recipes:
            if recipe.cell in found:
                continue
            path = self.images_folder / image_path(recipe)
            adopted = self._adopt(path) if path.is_file() else None
            if adopted is not None and adopted.recipe.cell == recipe.cell:
                found[recipe.cell] = adopted
        return found

    def known_cells(self, cells: Sequence[str]) -> set[str]:
        """Which of these cells have a picture by the index, without a look at the files."""
        table, known = schema.images, set[str]()
        with self._read.connect() as connection:
            for part in in_parts(cells):
                known.update(
                    connection.execute(sa.select(table.c.cell).where(table.c.cell.in_(part))).scalars()
                )
        return known

    def disk(self) -> Disk:
        """How much room there is, and how large the newest pictures are."""
        recipe, table = schema.images.c.recipe, schema.images
        pixels = sa.func.json_extract(recipe, "$.width") * sa.func.json_extract(recipe, "$.height")
        newest = sa.select(table.c.size_bytes.label("size"), pixels.label("pixels"))
        newest = newest.order_by(table.c.created.desc()).limit(200)
        parts = newest.subquery()
        query = sa.select(sa.func.sum(parts.c.size), sa.func.sum(parts.c.pixels))
        with self._read.connect() as connection:
            size, area = connection.execute(query).one()
        return Disk(shutil.disk_usage(self.images_folder).free, size / area if area else None)

    def rescan(self) -> int:
        """Index every picture below the images folder again; returns how many there are."""
        count, part = 0, list[tuple[Image, int]]()
        for path in sorted(self.images_folder.rglob("*.png")):
            found = self._read_file(path)
            if found is not None:
                part.append(found)
                count += 1
            if len(part) == MAX_VALUES:
                self._index(part)
                part.clear()
        if part:
            self._index(part)
        return count

    def image(self, image_id: str) -> Image:
        """The picture with this id; unknown ids raise."""
        return self.pictures.image(image_id)

    def page(self, query: ImageQuery, *, higher_is_better: bool = True) -> ImagePage:
        """One page of pictures; see `ImageStore.page`."""
        return self.pictures.page(query, higher_is_better=higher_is_better)

    def thumbnail(self, image: Image) -> Path:
        """A small WebP copy of the picture, made on first use."""
        path = self.thumbnails_folder / f"{image.id}.webp"
        if not path.exists():
            buffer = io.BytesIO()
            with Pillow.open(image.path) as picture:
                picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
                picture.convert("RGB").save(buffer, format="WEBP", quality=88, method=2)
            write_whole(path, buffer.getvalue())
        return path

    # runs

    def save_run(self, run: RunRecord) -> None:
        """Store a run, or move it to the front when the same plan is made again."""
        values = {
            name: getattr(run, name) for name in ("id", "title", "models", "suite", "categories", "request")
        }
        statement = insert(schema.runs).values(**values, created=_now())
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={"created": statement.excluded.created, "title": run.title}
        )
        cells = [{"run": run.id, "position": i, "cell": cell} for i, cell in enumerate(run.cells)]
        with self.engine.begin() as connection:
            connection.execute(statement)
            connection.execute(insert(schema.run_cells).on_conflict_do_nothing(), cells)

    def runs(self) -> list[Run]:
        """All runs, newest first, with how far each is."""
        query = sa.select(schema.runs).order_by(schema.runs.c.created.desc())
        planned = self.pictures.planned()
        drawn = self.pictures.drawn()
        with self._read.connect() as connection:
            rows = connection.execute(query).all()
        return [
            Run(
                *(r.id, r.created, r.title, tuple(r.models), r.suite, tuple(r.categories)),
                cells=planned.get(r.id, 0),
                images=drawn.get(r.id, 0),
            )
            for r in rows
        ]

    def run_ids(self) -> list[str]:
        """Ids of all runs, newest first, without counting their pictures."""
        query = sa.select(schema.runs.c.id).order_by(schema.runs.c.created.desc())
        with self._read.connect() as connection:
            return list(connection.execute(query).scalars())

    def run_images(self, run: str) -> list[Image]:
        """The pictures of a run in the order of its plan."""
        table, cells = schema.images, schema.run_cells
        query = (
            sa.select(table)
            .join(cells, cells.c.cell == table.c.cell)
            .where(cells.c.run == run)
            .order_by(cells.c.position)
        )
        with self._read.connect() as connection:
            return [self.pictures.of_row(row) for row in connection.execute(query)]

    def file_hash(self, path: Path) -> str:
        """SHA-256 of a model file, remembered as long as the file stays as it is."""
        return self.models.file_hash(path)

    # inside

    def _adopt(self, path: Path) -> Image | None:
        found = self._read_file(path)
        if found is None:
            return None
        self._index([found])
        return found[0]

    def _read_file(self, path: Path) -> tuple[Image, int] | None:
        """A picture with its size in bytes; None when it is not a whole one of ours."""
        try:
            recipe = read_recipe(path)
            if recipe is None:
                return None
            data = path.read_bytes()
        except OSError:
            return None
        if not data.endswith(PNG_END):
            return None  # cut short; all its pixels may be there, but it is not the file we wrote
        created = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
        return Image(hashlib.sha256(data).hexdigest(), path, recipe, created), len(data)

    def _index(self, images: Iterable[tuple[Image, int]]) -> None:
        values = index_values(images, self.images_folder)
        # The newest file of a cell wins, whether the cell or the bytes were known before.
        statement = insert(schema.images).prefix_with("OR REPLACE")
        with self.engine.begin() as connection:
            connection.execute(statement, values)

    def _rows_by_cell(self, cells: Sequence[str]) -> Iterator[sa.Row[Any]]:
        query = sa.select(schema.images)
        with self._read.connect() as connection:
            for part in in_parts(cells):
                yield from connection.execute(query.where(schema.images.c.cell.in_(part)))


def _file_size(path: Path) -> int | None:
    """Bytes of a file; None when there is none. Asked for every picture of a run."""
    try:
        state = os.stat(path)  # noqa: PTH116 (Path.is_file and Path.stat would look twice)
    except OSError:
        return None
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def sweep_temporary(folder: Path) -> None:
    """Remove temporary files whose program is gone."""
    for path in folder.rglob(".*.tmp"):
        pid = path.name.split(".")[-3]
        if not pid.isdigit() or int(pid) == os.getpid() or not process_lives(int(pid)):
            path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat()
