"""The trash: pictures that were deleted, until somebody empties it.

Their files lie in a folder of their own, named after their ids, and their rows are in a table
of their own, so that nothing else has to think of them. Their scores stay until it is emptied.
A file moves inside the transaction that moves its row; what a kill leaves in between is mended
the next time the workspace is opened.
"""

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import in_parts, reader
from explorer.errors import StorageError
from explorer.image_store import image_path, index_values, inside
from explorer.recipes import read_recipe
from explorer.types import Image, ImagePage, Recipe

_SHARED = ("id", "cell", "path", "size_bytes", "recipe", "created")


class Restored(NamedTuple):
    """What came back, and what could not."""

    ids: tuple[str, ...]
    taken: tuple[str, ...] = ()
    """Their place was taken: the same cell has been drawn again."""
    lost: tuple[str, ...] = ()
    """Their files are gone from the trash."""


class Trash:
    """Moves pictures out of sight and back."""

    def __init__(self, engine: sa.Engine, images: Path, folder: Path) -> None:
        """Use an open database, and mend what a kill left half moved.

        Args:
            engine: The index.
            images: Where pictures are.
            folder: Where deleted ones lie.
        """
        self._engine = engine
        self._read = reader(engine)
        self._images = images
        self._folder = folder
        self._mend()

    def path(self, image_id: str) -> Path:
        """Where the file of a deleted picture lies."""
        return self._folder / f"{image_id}.png"

    def count(self) -> int:
        """How many pictures are in it."""
        with self._read.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(schema.trash)).scalar_one())

    def page(self, limit: int, offset: int = 0) -> ImagePage:
        """Deleted pictures, those deleted last first; their path is where the file lies now."""
        table = schema.trash
        query = sa.select(table).order_by(table.c.deleted.desc(), table.c.path).limit(limit).offset(offset)
        with self._read.connect() as connection:
            rows = connection.execute(query).all()
        found = (Image(r.id, self.path(r.id), Recipe.from_dict(r.recipe), r.created) for r in rows)
        return ImagePage(tuple(found), self.count())

    def put(self, image_ids: Sequence[str]) -> tuple[str, ...]:
        """Delete pictures; returns the ids of those that were there.

        Raises:
            StorageError: A file cannot be moved; then everything is as it was.
        """
        done: list[str] = []
        for part in in_parts(list(dict.fromkeys(image_ids))):
            with self._engine.begin() as connection:
                rows = connection.execute(sa.select(schema.images).where(schema.images.c.id.in_(part))).all()
                values = [
                    {name: getattr(row, name) for name in _SHARED} | {"deleted": _now()} for row in rows
                ]
                if not values:
                    continue
                connection.execute(insert(schema.trash).prefix_with("OR REPLACE"), values)
                connection.execute(sa.delete(schema.images).where(schema.images.c.id.in_(part)))
                moves = [(self._images / row.path, self.path(row.id)) for row in rows]
                self._refuse_outside(old for old, _ in moves)
                _move_all([(old, new) for old, new in moves if old.exists()])
                done += [row.id for row in rows]
        return tuple(done)

    def restore(self, image_ids: Sequence[str]) -> Restored:
        """Bring pictures back to where they were.

        Raises:
            StorageError: A file cannot be moved; then everything is as it was.
        """
        back, taken, lost = list[str](), list[str](), list[str]()
        for part in in_parts(list(dict.fromkeys(image_ids))):
            with self._engine.begin() as connection:
                rows = connection.execute(sa.select(schema.trash).where(schema.trash.c.id.in_(part))).all()
                cells = [row.cell for row in rows]
                query = sa.select(schema.images.c.cell).where(schema.images.c.cell.in_(cells))
                drawn = set(connection.execute(query).scalars())
                taken += [row.id for row in rows if row.cell in drawn]
                free = [row for row in rows if row.cell not in drawn]
                lost += [row.id for row in free if not self.path(row.id).exists()]
                coming = [row for row in free if row.id not in lost]
                if not coming:
                    continue
                images = [(_image(row, self._images), int(row.size_bytes)) for row in coming]
                connection.execute(sa.insert(schema.images), index_values(images, self._images))
                ids = [row.id for row in coming]
                connection.execute(sa.delete(schema.trash).where(schema.trash.c.id.in_(ids)))
                self._refuse_outside(image.path for image, _ in images)
                _move_all([(self.path(row.id), self._images / row.path) for row in coming])
                back += ids
        return Restored(tuple(back), tuple(taken), tuple(lost))

    def empty(self) -> tuple[str, ...]:
        """Delete for good what is in it, with marks and scores; returns the ids."""
        with self._read.connect() as connection:
            ids = list(connection.execute(sa.select(schema.trash.c.id)).scalars())
        for part in in_parts(ids):
            with self._engine.begin() as connection:
                # The same picture may have been drawn again since: then its scores are in use.
                query = sa.select(schema.images.c.id).where(schema.images.c.id.in_(part))
                drawn = set(connection.execute(query).scalars())
                gone = [each for each in part if each not in drawn]
                scores, marks = schema.scores.c, schema.marks.c
                connection.execute(sa.delete(schema.scores).where(scores.image_id.in_(gone)))
                connection.execute(sa.delete(schema.marks).where(marks.image_id.in_(gone)))
                connection.execute(sa.delete(schema.trash).where(schema.trash.c.id.in_(part)))
                for each in part:
                    self.path(each).unlink(missing_ok=True)
        return tuple(ids)

    def _mend(self) -> None:
        """Bring files that were moved without their rows back; know those again whose rows were lost."""
        names = sorted(path.stem for path in self._folder.glob("*.png")) if self._folder.is_dir() else []
        for part in in_parts(names):
            with self._read.connect() as connection:
                query = sa.select(schema.trash.c.id).where(schema.trash.c.id.in_(part))
                strays = set(part) - set(connection.execute(query).scalars())
                query = sa.select(schema.images.c.id, schema.images.c.path)
                rows = connection.execute(query.where(schema.images.c.id.in_(strays))).all()
            for row in rows:
                if not (self._images / row.path).exists():
                    _move_all([(self.path(row.id), self._images / row.path)])
            known = {row.id for row in rows}
            values = [found for each in strays - known if (found := self._read_file(self.path(each)))]
            if values:
                with self._engine.begin() as connection:
                    connection.execute(insert(schema.trash).prefix_with("OR REPLACE"), values)

    def _read_file(self, path: Path) -> dict[str, Any] | None:
        try:
            recipe = read_recipe(path)
        except OSError:
            return None
        if recipe is None:
            return None
        values = (
            path.stem,
            recipe.cell,
            image_path(recipe).as_posix(),
            path.stat().st_size,
            recipe.to_dict(),
        )
        return dict(zip(_SHARED, (*values, _now()), strict=True)) | {"deleted": _now()}

    def _refuse_outside(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if not inside(self._images, path):
                raise StorageError(f"{path.name} lies outside of the workspace and is left alone.")


def _image(row: sa.Row[Any], folder: Path) -> Image:
    return Image(row.id, folder / row.path, Recipe.from_dict(row.recipe), row.created)


def _move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Move files; when one cannot be moved, those before it go back."""
    done: list[tuple[Path, Path]] = []
    try:
        for old, new in moves:
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(old, new)
            done.append((old, new))
    except OSError as error:
        for old, new in reversed(done):
            shutil.move(new, old)
        raise StorageError(f"Cannot move {error.filename}: {error.strerror or error}.") from error


def _now() -> str:
    return datetime.now(UTC).isoformat()
