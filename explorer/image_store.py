"""Pictures in the index: pages of them, and what people marked.

Places are found in an index that holds all that is filtered by; whole rows, with their recipes,
are read for one page only. So a page of 100,000 pictures costs about what one of 1,000 costs.
"""

import re
import threading
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import Changes, in_parts, reader
from explorer.errors import InvalidRequest
from explorer.requests import ImageQuery
from explorer.score_store import ScoreStore
from explorer.types import Image, ImagePage, Recipe

MAX_STARS = 5
_REMEMBERED = 64
_ROWID: sa.ColumnElement[int] = sa.literal_column("images.rowid", sa.Integer)


class Mark(NamedTuple):
    """What somebody thinks of a picture, for finding it again. Votes are another thing."""

    favourite: bool = False
    stars: int = 0
    """1 to 5; 0 when none were given."""


class ImageStore:
    """Finds pictures."""

    def __init__(self, engine: sa.Engine, folder: Path, scores: ScoreStore) -> None:
        """Use an open database; `folder` is where the pictures are."""
        self._engine = engine
        self._read = reader(engine)
        self._folder = folder
        self._scores = scores
        self._changes = Changes(engine)
        self._known: dict[Hashable, tuple[int, list[tuple[Any, ...]]]] = {}
        self._turn = threading.Lock()

    def close(self) -> None:
        """Release the database file."""
        self._changes.close()

    def image(self, image_id: str) -> Image:
        """The picture with this id.

        Raises:
            InvalidRequest: There is none.
        """
        query = sa.select(schema.images).where(schema.images.c.id == image_id)
        with self._read.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise InvalidRequest(f"There is no picture {image_id[:12]!r}.")
        return self.of_row(row)

    def images(self, image_ids: Sequence[str]) -> list[Image]:
        """The pictures with these ids, in their order; unknown ids are left out."""
        found: dict[str, Image] = {}
        with self._read.connect() as connection:
            for part in in_parts(image_ids):
                query = sa.select(schema.images).where(schema.images.c.id.in_(part))
                found |= {row.id: self.of_row(row) for row in connection.execute(query)}
        return [found[each] for each in dict.fromkeys(image_ids) if each in found]

    def page(self, query: ImageQuery, *, higher_is_better: bool = True) -> ImagePage:
        """One page of pictures and how many there are in all.

        Args:
            query: Which pictures.
            higher_is_better: Which end of the scores comes first when sorting by score.
        """
        where, order = self._where(query), self._order(query, higher_is_better)
        table = schema.images
        places = sa.select(_ROWID).select_from(table).where(*where).order_by(*order)
        places = places.offset(query.offset).limit(query.limit)
        with self._read.connect() as connection:
            rowids = list(connection.execute(places).scalars())
            rows = connection.execute(sa.select(table, _ROWID.label("place")).where(_ROWID.in_(rowids)))
            found = {row.place: self.of_row(row) for row in rows}
        return ImagePage(tuple(found[place] for place in rowids if place in found), self._total(query))

    def same_task(self, image: Image, limit: int) -> list[Image]:
        """What the models made of a picture's prompt and seed, itself included, by model."""
        query = ImageQuery(prompt_id=image.recipe.prompt_id, seed=image.recipe.seed, limit=limit)
        return [each for each in self.page(query).images if each.recipe.prompt == image.recipe.prompt]

    def planned(self) -> dict[str, int]:
        """How many cells each run has."""
        cells = schema.run_cells
        query = sa.select(cells.c.run, sa.func.count()).group_by(cells.c.run)
        return {str(row[0]): int(row[1]) for row in self._once("planned", query)}

    def drawn(self) -> dict[str, int]:
        """How many of the cells of each run have their picture."""
        # Both sides in the order of their cells: a tenth of the time of the other way round.
        query = sa.text(
            "SELECT run_cells.run, count(*) FROM images "
            "CROSS JOIN run_cells ON run_cells.cell = images.cell GROUP BY run_cells.run"
        )
        return {str(row[0]): int(row[1]) for row in self._once("drawn", query)}

    def prompts(self, run: str) -> list[tuple[str, str]]:
        """Ids and texts of the prompts that a run has pictures of; of all runs when none is named."""
        table = schema.images.c
        query = sa.select(table.prompt_id, sa.func.min(table.prompt)).where(*self._where(ImageQuery(run)))
        rows = self._once(("prompts", run), query.group_by(table.prompt_id).order_by(table.prompt_id))
        return [(str(row[0]), str(row[1])) for row in rows]

    def seeds(self, run: str) -> list[int]:
        """The seeds that a run has pictures of; of all runs when none is named."""
        seed = schema.images.c.seed
        query = sa.select(seed).where(*self._where(ImageQuery(run))).distinct().order_by(seed)
        return [int(row[0]) for row in self._once(("seeds", run), query)]

    # marks

    def marks(self, image_ids: Sequence[str]) -> dict[str, Mark]:
        """The marks of those pictures that have some."""
        found: dict[str, Mark] = {}
        table = schema.marks
        with self._read.connect() as connection:
            for part in in_parts(image_ids):
                rows = connection.execute(sa.select(table).where(table.c.image_id.in_(part)))
                found |= {row.image_id: Mark(row.favourite, row.stars) for row in rows}
        return found

    def mark(self, image_id: str, mark: Mark) -> None:
        """Remember a mark; one that says nothing is forgotten.

        Raises:
            InvalidRequest: There is no such picture, or the stars are not 0 to 5.
        """
        self.image(image_id)
        if not 0 <= mark.stars <= MAX_STARS:
            raise InvalidRequest(f"Give 1 to {MAX_STARS} stars, or 0 for none.")
        table = schema.marks
        statement = insert(table).values(image_id=image_id, **mark._asdict())
        statement = statement.on_conflict_do_update(index_elements=["image_id"], set_=mark._asdict())
        with self._engine.begin() as connection:
            if mark == Mark():
                connection.execute(sa.delete(table).where(table.c.image_id == image_id))
            else:
                connection.execute(statement)

    # inside

    def of_row(self, row: sa.Row[Any]) -> Image:
        """A table row as the record the rest of the program knows."""
        return Image(row.id, self._folder / row.path, Recipe.from_dict(row.recipe), row.created)

    def _total(self, query: ImageQuery) -> int:
        filters = tuple(getattr(query, name) for name in _COUNTED)
        count = sa.select(sa.func.count()).select_from(schema.images).where(*self._where(query))
        return int(self._once(("total", *filters), count)[0][0])

    def _once(self, key: Hashable, query: sa.Executable) -> list[tuple[Any, ...]]:
        """The rows of a query, asked for again only when something was written since."""
        version = self._changes.version()
        with self._turn:
            known = self._known.get(key)
        if known is None or known[0] != version:
            with self._read.connect() as connection:
                known = version, [tuple(row) for row in connection.execute(query)]
            with self._turn:
                while len(self._known) >= _REMEMBERED:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = known
        return known[1]

    def _where(self, query: ImageQuery) -> list[sa.ColumnElement[bool]]:
        table, marks = schema.images.c, schema.marks.c
        same = (
            (table.model, query.model),
            (table.prompt_id, query.prompt_id),
            (table.category, query.category),
            (table.difficulty, query.difficulty),
        )
        where = [column == value for column, value in same if value]
        if query.seed is not None:
            where.append(table.seed == signed(query.seed))
        where += [table.prompt.icontains(word, autoescape=True) for word in query.search.split()]
        if query.run:
            cells = schema.run_cells.c
            inside = sa.select(1).where(cells.run == query.run, cells.cell == table.cell)
            where.append(sa.exists(inside.correlate(schema.images)))
        if query.favourite:
            where.append(table.id.in_(sa.select(marks.image_id).where(marks.favourite)))
        if query.stars:
            where.append(table.id.in_(sa.select(marks.image_id).where(marks.stars >= query.stars)))
        value = self._scores.newest_value(table.id, query.metric)
        if query.lowest is not None:
            where.append(value >= query.lowest)
        if query.highest is not None:
            where.append(value <= query.highest)
        if query.failed:
            where.append(self._scores.newest_failed(table.id, query.metric))
        return where

    def _order(self, query: ImageQuery, higher_is_better: bool) -> list[sa.ColumnElement[Any]]:
        table = schema.images.c
        order: list[sa.ColumnElement[Any]] = [table.prompt_id, table.seed, table.model]
        if query.sort == "newest":
            order = [table.created.desc(), table.id.desc()]
        elif query.sort == "score":
            value = self._scores.newest_value(table.id, query.metric)
            best = value.desc() if higher_is_better else value.asc()
            order = [best.nulls_last(), *order]
        if query.group == "model":
            order = [table.model, *(each for each in order if each is not table.model)]
        elif query.group == "prompt" and query.sort != "prompt":
            order = [table.prompt_id, *order]
        return order


_COUNTED = (
    *("run", "model", "prompt_id", "category", "search", "difficulty", "seed"),
    *("favourite", "stars", "lowest", "highest", "metric", "failed"),
)
"""What of a query decides how many pictures there are."""


def signed(seed: int) -> int:
    """A seed as SQLite can hold it; other tools draw seeds up to 2**64. Only for sorting."""
    return seed if seed < 2**63 else seed - 2**64


def index_values(images: Iterable[tuple[Image, int]], folder: Path) -> list[dict[str, Any]]:
    """Rows of the index for pictures with their sizes in bytes."""
    return [
        {
            "id": image.id,
            "cell": image.recipe.cell,
            "path": image.path.relative_to(folder).as_posix(),
            "size_bytes": size,
            "recipe": image.recipe.to_dict(),
            "created": image.created,
            **{name: getattr(image.recipe, name) for name in _COPIED},
            "seed": signed(image.recipe.seed),
        }
        for image, size in images
    ]


_COPIED = ("model", "model_hash", "prompt", "prompt_id", "suite", "category", "difficulty")


def image_path(recipe: Recipe) -> Path:
    """Where a picture lives below the images folder: readable, and unique by its cell."""
    name = f"{recipe.seed}-{recipe.cell[:16]}.png"
    return Path(slug(recipe.model), slug(recipe.prompt_id), name)


def slug(text: str) -> str:
    """A name that is safe as one part of a path on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "unnamed"


def inside(folder: Path, path: Path) -> bool:
    """Whether a file lies below a folder, whatever links and dots its path has."""
    return path.resolve().is_relative_to(folder.resolve())
