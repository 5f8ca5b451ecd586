"""Grids of pictures for looking: models by seeds or prompts, and LoRA weights in one row.

A grid is a table of pictures with headings; it is shown on the page, and drawn as one PNG whose
labels are measured first, so that none is cut.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from PIL import Image as Pillow
from PIL import ImageDraw

from explorer.errors import InvalidRequest
from explorer.lettering import Colour, Lettering
from explorer.types import Image
from explorer.whole_files import whole_file

_Key = TypeVar("_Key")
GridKind = Literal["seeds", "prompts", "weights"]
BASE = "without LoRA"
MOST_ROWS, MOST_COLUMNS = 60, 24
_CELL, _GAP, _HEAD, _SIDE = 256, 8, 14, 220
_TEXT: Colour = (28, 32, 44)
_QUIET: Colour = (98, 106, 124)
_PAPER: Colour = (255, 255, 255)
_EMPTY: Colour = (238, 240, 245)


@dataclass(frozen=True, slots=True)
class Grid:
    """Pictures in rows and columns; a cell without a picture is None."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Image | None, ...], ...]
    left_out: str = ""
    """What did not fit, in words."""

    @property
    def images(self) -> list[Image]:
        """All its pictures."""
        return [image for row in self.cells for image in row if image]


def by_seed(images: Iterable[Image], prompt: str) -> Grid:
    """Models by seeds, for one prompt."""
    chosen = [image for image in images if image.recipe.prompt_id == prompt]
    seeds = sorted({image.recipe.seed for image in chosen})
    found = {(image.recipe.model, image.recipe.seed): image for image in chosen}
    models = _models(chosen)
    return _grid(_prompt(chosen), models, [(seed, f"seed {seed}") for seed in seeds], found)


def by_prompt(images: Iterable[Image], seed: int) -> Grid:
    """Models by prompts, for one seed."""
    chosen = [image for image in images if image.recipe.seed == seed]
    texts = {image.recipe.prompt_id: image.recipe.prompt for image in chosen}
    found = {(image.recipe.model, image.recipe.prompt_id): image for image in chosen}
    return _grid(f"seed {seed}", _models(chosen), list(texts.items()), found)


def by_weight(images: Iterable[Image], prompt: str, seed: int) -> Grid:
    """Each LoRA in a row: its base first, then its weights in order; for one prompt and seed.

    A LoRA on two checkpoints has two rows: only models that share a checkpoint belong together.
    """
    chosen = [each for each in images if each.recipe.prompt_id == prompt and each.recipe.seed == seed]
    bases = {each.recipe.checkpoint_hash: each for each in chosen if not each.recipe.loras}
    found: dict[tuple[str, float | None], Image] = {}
    weights: set[float] = set()
    for image in chosen:
        recipe = image.recipe
        if len(recipe.loras) != 1:
            continue
        name, _, weight = recipe.loras[0]
        row = f"{recipe.model.split('+')[0]} + {name}"
        found[row, weight] = image
        weights.add(weight)
        if recipe.checkpoint_hash in bases:
            found[row, None] = bases[recipe.checkpoint_hash]
    rows = sorted({row for row, _ in found})
    columns: list[tuple[float | None, str]] = [(None, BASE)]
    columns += [(weight, f"weight {weight:g}") for weight in sorted(weights)]
    title = f"{_prompt(chosen)} · seed {seed}"
    return _grid(title, rows, columns, found)


def _grid(
    title: str,
    rows: Sequence[str],
    columns: Sequence[tuple[_Key, str]],
    found: Mapping[tuple[str, _Key], Image],
) -> Grid:
    left_out = [
        f"{len(all_of) - most} of {len(all_of)} {name}"
        for all_of, most, name in ((rows, MOST_ROWS, "rows"), (columns, MOST_COLUMNS, "columns"))
        if len(all_of) > most
    ]
    rows, columns = rows[:MOST_ROWS], columns[:MOST_COLUMNS]
    cells = tuple(tuple(found.get((row, key)) for key, _ in columns) for row in rows)
    return Grid(title, tuple(rows), tuple(name for _, name in columns), cells, " and ".join(left_out))


def _models(images: Iterable[Image]) -> list[str]:
    return sorted({image.recipe.model for image in images})


def _prompt(images: Sequence[Image]) -> str:
    return images[0].recipe.prompt if images else ""


@dataclass(frozen=True)
class Sheet:
    """A grid to be drawn as one picture."""

    grid: Grid
    values: Mapping[str, str] = field(default_factory=dict)
    """What to write below a picture, by its id: a score, say."""

    def write(self, path: Path, cell: int = _CELL) -> None:
        """Draw it as a PNG, whole or not at all.

        Args:
            path: Of the file.
            cell: Pixels of the longer side of each picture.

        Raises:
            InvalidRequest: The grid is empty.
            StorageError: The file cannot be written.
        """
        if not self.grid.images:
            raise InvalidRequest("There is no picture in this grid.")
        picture = self.draw(cell)
        with whole_file(path) as file:
            picture.save(file, format="PNG")

    def draw(self, cell: int = _CELL) -> Pillow.Image:
        """The whole picture; rows and columns grow with their labels."""
        grid, large, small = self.grid, Lettering.of_size(17), Lettering.of_size(_HEAD)
        wide = _SIDE + len(grid.columns) * (cell + _GAP) + 2 * _GAP
        title = large.wrap(grid.title, wide - 2 * _GAP)
        heads = [small.wrap(name, cell) for name in grid.columns]
        sides = [small.wrap(name, _SIDE - _GAP) for name in grid.rows]
        below = small.line if self.values else 0
        top = _GAP + len(title) * large.line + _GAP
        first = top + max(map(len, heads)) * small.line + _GAP
        tall = [max(cell + below, len(lines) * small.line) + _GAP for lines in sides]
        paper = Pillow.new("RGB", (wide, first + sum(tall) + _GAP), _PAPER)
        canvas = ImageDraw.Draw(paper)
        _lines(canvas, large, (_GAP, _GAP), title)
        for number, lines in enumerate(heads):
            _lines(canvas, small, (self._left(number, cell), top), lines)
        for lines, row, height in zip(sides, grid.cells, tall, strict=True):
            _lines(canvas, small, (_GAP, first), lines)
            for number, image in enumerate(row):
                self._place(paper, image, (self._left(number, cell), first), cell, small)
            first += height
        return paper

    def _left(self, number: int, cell: int) -> int:
        return _GAP + _SIDE + number * (cell + _GAP)

    def _place(
        self, paper: Pillow.Image, image: Image | None, corner: tuple[int, int], cell: int, words: Lettering
    ) -> None:
        left, top = corner
        canvas = ImageDraw.Draw(paper)
        canvas.rectangle((left, top, left + cell - 1, top + cell - 1), _EMPTY)
        if image is None:
            return
        try:
            with Pillow.open(image.path) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
            words.draw(canvas, left + _GAP, top + cell / 2, "the file is gone", _QUIET)
            return
        scale = cell / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Pillow.Resampling.LANCZOS)
        paper.paste(picture, (left + (cell - size[0]) // 2, top + (cell - size[1]) // 2))
        if value := self.values.get(image.id):
            words.draw(canvas, left, top + cell, value, _QUIET)


def _lines(
    canvas: ImageDraw.ImageDraw, words: Lettering, corner: tuple[int, int], lines: Sequence[str]
) -> None:
    for number, line in enumerate(lines):
        words.draw(canvas, corner[0], corner[1] + number * words.line, line, _TEXT)
