"""Which model, prompt and seed each file of a folder is, as a recipe or a reason.

Three layouts. `gen`: `MODEL/gen_000.png` in the order of a prompt list; with several seeds
either `MODEL/seed_42/gen_000.png`, or file number = prompt number x seeds + place of the
seed. `metadata`: each picture carries the recipe of the tool that made it. `ours`: pictures
of this program, with the recipe they have. `folders`: whatever the picture carries; what it
does not say of its model, the name of its sub-folder says.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from pydantic import TypeAdapter

import explorer.imports.foreign as foreign
from explorer.errors import InvalidRequest, SuiteError
from explorer.imports.folders import Found, picture_files
from explorer.imports.foreign import ForeignRecipe, label
from explorer.imports.pictures import Opened, Unusable, check_file, inspect
from explorer.imports.prompts import by_text, own_prompt, pairing_text
from explorer.imports.tools import recognise
from explorer.plans import digest
from explorer.recipes import JSON_KEY
from explorer.requests import ImportLayout, ImportRequest
from explorer.suites import MAX_PROMPT_CHARACTERS
from explorer.types import Prompt, Recipe, Suite

UNKNOWN_MODEL = "unknown model"
ALL = "*"
NO_PROMPT = Prompt(id="unknown", text="")
"""Of a picture that does not say what was asked for."""
_GEN = re.compile(r"gen_(\d{1,9})\.\w+", re.IGNORECASE)
_SEED_FOLDER = re.compile(r"(?:seed[_-]?)?(\d{1,20})", re.IGNORECASE)
_SHEET = re.compile(r"(?:xyz?_|prompt_matrix-)?grid-\d", re.IGNORECASE)
"""A1111's grids, which carry the recipe of their first picture."""
# Of the file's SHA-256, as A1111 and Fooocus show it; other tools hash other things.
_FILE_HASH = re.compile(r"[0-9a-f]{10}|[0-9a-f]{12}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """What the place of a file says in the `gen` layout."""

    model: str
    group: str
    """Within it each number should occur once: the model, and its seed folder."""
    number: int
    expected: int
    """How many files there should be in the group."""
    prompt: Prompt
    seed: int


@dataclass(slots=True)
class Mapper:
    """Maps the files of one request; remembers which name it has given to which model."""

    request: ImportRequest
    prompts: Suite | None
    layout: ImportLayout = "auto"
    """As found; `auto` when each picture is taken by what is inside."""
    _by_text: dict[str, Prompt] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    """Model name -> identity."""
    _folders: set[str] = field(default_factory=set)
    """Names that a model has from its folder."""
    _kinds: TypeAdapter[Recipe] = field(default_factory=lambda: TypeAdapter(Recipe))

    def __post_init__(self) -> None:
        """Check the request and find out the layout.

        Raises:
            InvalidRequest: It cannot be done; says what to change.
        """
        request = self.request
        if request.layout not in get_args(ImportLayout):
            raise InvalidRequest(
                f"Unknown layout {request.layout!r}. There is: {', '.join(get_args(ImportLayout))}."
            )
        if request.seeds < 1:
            raise InvalidRequest(f"The number of seeds must be 1 or more, not {request.seeds}.")
        self._by_text = by_text(self.prompts.prompts) if self.prompts else {}
        self.layout = request.layout
        if self.layout == "auto" and self.prompts and any(_GEN.fullmatch(f.path.name) for f in self.files()):
            self.layout = "gen"
        if self.layout == "gen" and not self.prompts:
            raise InvalidRequest(
                "Pictures named gen_000.png need their prompts, in order: "
                "give a file with one a line, or a suite."
            )

    def files(self) -> Iterator[Found]:
        """The picture files of the folder."""
        return picture_files(Path(self.request.folder).expanduser())

    def recipe(self, found: Found, content: bytes | None = None) -> tuple[Recipe, Opened]:
        """The recipe of one file; its cell is empty unless it is a picture of ours.

        Args:
            found: The file.
            content: Its bytes, when they were read already.

        Raises:
            Unusable: It is not taken; says why.
        """
        if found.problem:
            raise Unusable(found.problem)
        if content is None:
            check_file(found.path)
        place = self.place(found.file) if self.layout == "gen" else None
        opened = inspect(found.path if content is None else content, late_texts=place is None)
        if self.layout in ("auto", "ours", "folders") and (
            ours := our_recipe(opened.texts.get(JSON_KEY, ""), self._kinds)
        ):
            return ours, opened
        if self.layout == "ours":
            raise Unusable("carries no recipe of this program")
        if place is None and _SHEET.match(PurePosixPath(found.file).name):
            raise Unusable("is a sheet of several pictures, by its name")
        if place is not None:
            return self._recipe(_by_place(place), place.prompt, opened, found.file), opened
        told = self._told(opened, found.file)
        prompt = self._prompt(told.prompt) if told.prompt else NO_PROMPT
        return self._recipe(told, prompt, opened, found.file), opened

    def place(self, file: str) -> Place:
        """What the name of a file says in the `gen` layout.

        Raises:
            Unusable: It is not named so, or its number has no prompt.
        """
        name = _GEN.fullmatch(PurePosixPath(file).name)
        if name is None:
            raise Unusable("is not named gen_000.png, gen_001.png, ...")
        number, parts = int(name.group(1)), PurePosixPath(file).parts[:-1]
        folder = _SEED_FOLDER.fullmatch(parts[-1]) if parts else None
        seeds, prompts = self.request.seeds, self.prompts.prompts if self.prompts else ()
        index, seed = (number, foreign.seed(folder.group(1))) if folder else divmod(number, seeds)
        expected = len(prompts) if folder else len(prompts) * seeds
        if index >= len(prompts):
            raise Unusable(f"would show prompt {index + 1}, but there are only {len(prompts)}")
        parts = parts[:-1] if folder else parts
        model = "/".join(parts) or Path(self.request.folder).expanduser().resolve().name
        group = PurePosixPath(file).parent.as_posix()
        return Place(label(model), model if group == "." else group, number, expected, prompts[index], seed)

    def _told(self, opened: Opened, file: str) -> ForeignRecipe:
        """What the picture says of itself; in the `folders` layout its folder says the rest."""
        if self.layout != "folders":
            return recognise(opened)
        parts = PurePosixPath(file).parts[:-1]
        folder = label(parts[0] if parts else Path(self.request.folder).expanduser().resolve().name)
        try:
            told = recognise(opened)
        except Unusable:
            told = ForeignRecipe("", "")
        if told.model or told.model_hash:
            return told
        self._folders.add(folder)
        return replace(told, model=folder)

    def _prompt(self, words: str) -> Prompt:
        listed = self._by_text.get(pairing_text(words))
        if listed is not None:
            return listed
        try:
            return own_prompt(words)
        except SuiteError as error:
            raise Unusable(str(error)) from error

    def _recipe(self, told: ForeignRecipe, prompt: Prompt, opened: Opened, file: str) -> Recipe:
        if len(told.negative) > MAX_PROMPT_CHARACTERS:
            raise Unusable(f"has a negative prompt of more than {MAX_PROMPT_CHARACTERS:,} characters")
        model, model_hash = self._identity(told)
        stated = told.model_hash.casefold()
        source = {"tool": told.tool, "file": label(file)}
        listed = pairing_text(prompt.text) in self._by_text
        return Recipe(
            model=model,
            model_hash=model_hash,
            checkpoint_hash=stated if _FILE_HASH.fullmatch(stated) else "",
            loras=told.loras,
            prompt=told.prompt,
            negative=told.negative,
            seed=told.seed,
            sampler=told.sampler,
            steps=told.steps,
            guidance=told.guidance,
            width=opened.width,
            height=opened.height,
            prompt_id=prompt.id,
            suite=self.prompts.id if self.prompts and listed else "",
            category=prompt.category,
            difficulty=prompt.difficulty,
            cell="",
            clip_skip=told.clip_skip,
            source={name: value for name, value in source.items() if value},
        )

    def _identity(self, told: ForeignRecipe) -> tuple[str, str]:
        """Name and identity of the model: its hash where one is said, else tool and name."""
        chosen = self.request.models
        base = told.model or told.model_hash or UNKNOWN_MODEL
        weights = [f"{name}:{weight:g}" for name, _, weight in told.loras]
        read = "+".join([base, *weights])
        named = chosen.get(ALL) or chosen.get(read)
        name = named or "+".join([chosen.get(base, base), *weights])
        renamed = bool(named) or base in chosen
        # Who gives two models one name says that they are the same.
        # A folder's name says who it was, whatever tool drew the picture.
        tool = "" if base in self._folders else told.tool
        who = [name] if renamed else [told.model_hash] if told.model_hash else [tool, base]
        loras = sorted((hashed or lora, weight) for lora, hashed, weight in told.loras)
        identity = digest(["import", who, [] if named else loras])
        if not renamed and self._names.setdefault(name, identity) != identity:
            name = f"{name} ({told.model_hash[:10] or told.tool})"
        return name, identity


def cell_of(recipe: Recipe, content: str) -> str:
    """Key of the cell of a picture made elsewhere.

    Args:
        recipe: What is known of it.
        content: SHA-256 of the file as it came: two different pictures never share a cell.
    """
    return digest([content, recipe.model_hash, recipe.prompt_id, recipe.prompt, recipe.seed])


def our_recipe(text: str, kinds: TypeAdapter[Recipe]) -> Recipe | None:
    """The recipe of this program in a file that came from elsewhere, if it is sound.

    Its key becomes part of a path and the rest goes into the index, so that nothing is
    believed.
    """
    try:
        recipe = kinds.validate_json(text, strict=True)
        json.dumps(recipe.to_dict(), allow_nan=False)
    except ValueError:
        return None
    seeds = foreign.UNKNOWN_SEED <= recipe.seed <= foreign.MAX_SEED
    return recipe if seeds and re.fullmatch(r"[0-9a-f]{64}", recipe.cell) else None


def _by_place(place: Place) -> ForeignRecipe:
    prompt = place.prompt
    return ForeignRecipe("", prompt.text, negative=prompt.negative, model=place.model, seed=place.seed)
