"""What an import would do, before it does anything."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from explorer.errors import Cancelled, InvalidRequest
from explorer.imports.foreign import label
from explorer.imports.mapping import Mapper
from explorer.imports.pictures import Unusable
from explorer.requests import ImportRequest
from explorer.types import Recipe, Suite

MAX_ROWS = 200
MAX_NOTES = 20
OURS = "this program"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One picture as it would be taken."""

    file: str
    model: str
    prompt: str
    seed: int
    sampler: str
    tool: str


@dataclass(frozen=True, slots=True)
class Unread:
    """One file that is not taken, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """How files map to models, prompts and seeds, and what could not be read."""

    rows: tuple[ImportRow, ...]
    """The first of the pictures."""
    unread: tuple[Unread, ...]
    """The first of the files that are not taken."""
    pictures: int
    unread_files: int
    prompts: int
    models: dict[str, int]
    """Name -> pictures."""
    tools: dict[str, int]
    notes: tuple[str, ...]
    """What may not be as meant: missing numbers, two files for one cell."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; names files by their place in the folder only."""
        return asdict(self)


@dataclass(slots=True)
class Tally:
    """Counts what is mapped while the files pass, in little memory."""

    mapper: Mapper
    rows: list[ImportRow] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    unread_files: int = 0
    models: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    _prompts: set[str] = field(default_factory=set)
    _cells: dict[int, str] = field(default_factory=dict)
    _twice: list[str] = field(default_factory=list)
    _without_prompt: int = 0
    _numbers: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    """Of the `gen` layout: (folder, how many files there should be) -> their numbers."""

    def take(self, file: str, recipe: Recipe) -> None:
        """Count one picture."""
        self.models[recipe.model] += 1
        tool = recipe.source.get("tool", "") if recipe.source else OURS
        self.tools[tool or "unknown"] += 1
        if recipe.prompt:
            self._prompts.add(recipe.prompt_id)
        else:
            self._without_prompt += 1
        if len(self.rows) < MAX_ROWS:
            words = label(recipe.prompt)
            self.rows.append(ImportRow(label(file), recipe.model, words, recipe.seed, recipe.sampler, tool))
        if not recipe.prompt:
            return  # what nobody knows says nothing about being alike
        alike = (recipe.model, recipe.prompt_id, recipe.seed, recipe.sampler, recipe.steps, recipe.guidance)
        first = self._cells.setdefault(hash((*alike, recipe.width, recipe.height)), file)
        if first != file and len(self._twice) <= MAX_NOTES:
            self._twice.append(f"{label(file)} and {label(first)}")
        if self.mapper.layout == "gen":
            place = self.mapper.place(file)
            self._numbers.setdefault((place.group, place.expected), set()).add(place.number)

    def refuse(self, file: str, reason: str) -> None:
        """Count one file that is not taken."""
        self.unread_files += 1
        if len(self.unread) < MAX_ROWS:
            self.unread.append(Unread(label(file), reason))

    def notes(self) -> list[str]:
        """What may not be as meant."""
        notes = [
            f"{pair} have the same model, prompt, seed and settings; both are taken if they differ."
            for pair in self._twice
        ]
        if len(notes) > MAX_NOTES:
            notes = [*notes[:MAX_NOTES], "More pictures share a model, prompt, seed and settings."]
        if self._without_prompt:
            notes.append(
                f"Pictures that do not say their prompt: {self._without_prompt:,}. What reads the prompt "
                f"leaves "
                "them unscored, and variety is measured over all of a model's together."
            )
        return notes + self._missing()[:MAX_NOTES]

    def preview(self) -> ImportPreview:
        """What was counted."""
        return ImportPreview(
            rows=tuple(self.rows),
            unread=tuple(self.unread),
            pictures=self.models.total(),
            unread_files=self.unread_files,
            prompts=len(self._prompts),
            models=dict(self.models),
            tools=dict(self.tools),
            notes=tuple(self.notes()),
        )

    def _missing(self) -> list[str]:
        notes = []
        for (group, expected), numbers in self._numbers.items():
            count = expected - len(numbers)
            if count:
                first = islice((number for number in range(expected) if number not in numbers), 5)
                shown = ", ".join(f"gen_{number:03d}" for number in first)
                more = f" and {count - 5} more are" if count > 5 else " is" if count == 1 else " are"
                notes.append(f"{label(group)}: {shown}{more} missing.")
        return notes


def preview(
    request: ImportRequest, prompts: Suite | None, stop: Callable[[], bool] = lambda: False
) -> ImportPreview:
    """Read every file's header and say how it would be taken. Changes nothing.

    Args:
        request: What to import.
        prompts: The list that `prompts.prompt_list` made of the request.
        stop: Asked before every file.

    Raises:
        InvalidRequest: There is no such folder, no picture in it, or no prompts for its layout.
        Cancelled: `stop` said so.
    """
    mapper = Mapper(request, prompts)
    tally = Tally(mapper)
    for found in mapper.files():
        if stop():
            raise Cancelled("Stopped.")
        try:
            tally.take(found.file, mapper.recipe(found)[0])
        except Unusable as error:
            tally.refuse(found.file, str(error))
    if not tally.rows and not tally.unread:
        raise InvalidRequest("There is no picture in this folder. PNG, JPEG and WebP files are taken.")
    return tally.preview()
