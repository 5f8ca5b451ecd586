"""Looking at pictures: thumbnails, marks, the trash, and picture files to take along."""

import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

from explorer.compare import Grid, GridKind, Sheet, by_prompt, by_seed, by_weight
from explorer.errors import InvalidRequest, StorageError
from explorer.image_store import Mark, inside, slug
from explorer.plans import digest
from explorer.reference_pictures import ReferencePictures
from explorer.requests import ImageQuery
from explorer.settings import Settings
from explorer.storage import Storage
from explorer.trash import Restored
from explorer.types import Image, ImagePage
from explorer.whole_files import whole_file

MOST_SELECTED = 2_000
"""Pictures that one zip or one deletion takes."""
_THREADS = 4


class Gallery:
    """What people do with pictures, apart from measuring them."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        """Use an open workspace."""
        self._storage = storage
        self._settings = settings

    # looking

    def thumbnails(self, images: Sequence[Image]) -> dict[str, Path]:
        """The small copies of these pictures, by id; a picture whose file is gone has none."""

        def make(image: Image) -> Path | None:
            try:
                return self._storage.thumbnail(image)
            except (OSError, StorageError):
                return None

        # Most are there already; reading and shrinking the others leaves Python's lock alone.
        with ThreadPoolExecutor(_THREADS) as pool:
            made = list(pool.map(make, images))
        return {image.id: path for image, path in zip(images, made, strict=True) if path}

    def values(self, images: Sequence[Image], metric: str) -> dict[str, float]:
        """The newest value of a metric, by id of the picture."""
        return self._storage.scores.newest_values([image.id for image in images], metric)

    def references(self, image: Image) -> tuple[Path, ...]:
        """The reference pictures of a picture's prompt."""
        return ReferencePictures(self._settings.references).of(image.recipe.suite, image.recipe.prompt_id)

    def found(self, image_ids: Sequence[str]) -> list[Image]:
        """The pictures with these ids, in their order; those that are gone are left out.

        Raises:
            InvalidRequest: They are too many.
        """
        return self._storage.pictures.images(_bounded(image_ids))

    def same_task(self, image_id: str, limit: int = 60) -> list[Image]:
        """What the models made of a picture's prompt and seed, itself included, by model."""
        return self._storage.pictures.same_task(self._storage.image(image_id), limit)

    # grids

    def prompts(self, run: str = "") -> list[tuple[str, str]]:
        """Ids and texts of the prompts that a run has pictures of."""
        return self._storage.pictures.prompts(run)

    def seeds(self, run: str = "") -> list[int]:
        """The seeds that a run has pictures of."""
        return self._storage.pictures.seeds(run)

    def grid(self, kind: GridKind, run: str, prompt: str, seed: int | None) -> Grid:
        """A grid of pictures.

        Args:
            kind: Models by seeds, models by prompts, or LoRA weights in rows.
            run: Of which run; empty takes every run.
            prompt: Id of the prompt; not used by models by prompts.
            seed: Used by models by prompts and by LoRA weights.

        Raises:
            InvalidRequest: There is no such kind.
        """
        if kind not in get_args(GridKind):
            raise InvalidRequest(f"A grid shows {', '.join(get_args(GridKind))}.")
        query = ImageQuery(
            run=run,
            prompt_id="" if kind == "prompts" else prompt,
            seed=None if kind == "seeds" else seed,
            limit=MOST_SELECTED,
        )
        images = self._storage.page(query).images
        if kind == "seeds":
            return by_seed(images, prompt)
        return by_prompt(images, seed or 0) if kind == "prompts" else by_weight(images, prompt, seed or 0)

    def write_grid(self, grid: Grid, values: Mapping[str, str] | None = None) -> Path:
        """A grid as one PNG with labels; returns where it is.

        Args:
            grid: What to draw.
            values: What to write below pictures, by id: a score, say.

        Raises:
            InvalidRequest: The grid is empty.
            StorageError: The file cannot be written.
        """
        told = [
            grid.title,
            *grid.rows,
            *grid.columns,
            *(image.id for image in grid.images),
            dict(values or {}),
        ]
        path = self._settings.exports / f"grid-{digest(told)[:12]}.png"
        Sheet(grid, values or {}).write(path)
        return path

    # marks

    def marks(self, image_ids: Sequence[str]) -> dict[str, Mark]:
        """The marks of those pictures that have some."""
        return self._storage.pictures.marks(image_ids)

    def mark(self, image_id: str, *, favourite: bool | None = None, stars: int | None = None) -> Mark:
        """Change a mark; returns it. What is None stays as it is.

        Raises:
            InvalidRequest: There is no such picture, or the stars are not 0 to 5.
        """
        old = self.marks([image_id]).get(image_id, Mark())
        mark = Mark(old.favourite if favourite is None else favourite, old.stars if stars is None else stars)
        self._storage.pictures.mark(image_id, mark)
        return mark

    # the trash

    def delete(self, image_ids: Sequence[str]) -> tuple[str, ...]:
        """Move pictures to the trash; returns the ids of those that were there.

        Raises:
            InvalidRequest: They are too many.
            StorageError: A file cannot be moved; then everything is as it was.
        """
        return self._storage.trash.put(_bounded(image_ids))

    def restore(self, image_ids: Sequence[str]) -> Restored:
        """Bring pictures back from the trash.

        Raises:
            InvalidRequest: They are too many.
            StorageError: A file cannot be moved; then everything is as it was.
        """
        return self._storage.trash.restore(_bounded(image_ids))

    def trashed(self, limit: int, offset: int = 0) -> ImagePage:
        """Deleted pictures, those deleted last first."""
        return self._storage.trash.page(limit, offset)

    def trash_count(self) -> int:
        """How many pictures are in the trash."""
        return self._storage.trash.count()

    def empty_trash(self) -> int:
        """Delete for good what is in the trash, with its scores; returns how many pictures that were."""
        gone = self._storage.trash.empty()
        for each in gone:
            (self._settings.thumbnails / f"{each}.webp").unlink(missing_ok=True)
        return len(gone)

    # taking along

    def zip_pictures(self, image_ids: Sequence[str]) -> Path:
        """A zip with the picture files, in a folder for each model; their recipes are inside them.

        Raises:
            InvalidRequest: There is none of them, or they are too many.
            StorageError: A file is missing or lies outside of the workspace, or the zip cannot be written.
        """
        images = self.found(image_ids)
        if not images:
            raise InvalidRequest("Choose pictures first; those that were chosen are gone.")
        name = f"pictures-{digest(sorted(image.id for image in images))[:12]}.zip"
        path = self._settings.exports / name
        with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as bundle:
            for image in images:
                if not inside(self._settings.images, image.path):
                    raise StorageError(f"{image.path.name} lies outside of the workspace and is left alone.")
                if not image.path.is_file():
                    raise StorageError(f"The picture file {image.path.name} is gone; leave it out.")
                bundle.write(image.path, name_in_zip(image))
        return path


def name_in_zip(image: Image) -> str:
    """A name that every system takes, whatever model and prompt are called, and no other picture has."""
    recipe = image.recipe
    return f"{slug(recipe.model)}/{slug(recipe.prompt)[:60].rstrip('-.')}-{recipe.seed}-{image.id[:12]}.png"


def _bounded(image_ids: Sequence[str]) -> list[str]:
    if len(image_ids) > MOST_SELECTED:
        raise InvalidRequest(f"At most {MOST_SELECTED:,} pictures at once; choose fewer.")
    return [str(each) for each in image_ids]
