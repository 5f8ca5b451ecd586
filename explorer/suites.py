"""Reads and checks prompt suites. `prompts/README.md` describes the format.

Errors name the file and the line, because people write these files by hand.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from explorer.errors import SuiteError, UnknownName
from explorer.suite_questions import LINE, read_questions, read_scene
from explorer.types import Difficulty, Prompt, Suite

FORMAT = 1
MAX_PROMPT_CHARACTERS = 4_000
"""Longer than any text encoder reads; a longer text is a mistake."""
MAX_FILE_BYTES = 10_000_000
_FIELDS = ("id", "text", "category", "difficulty", "negative", "questions", "scene")


class _LineLoader(yaml.SafeLoader):
    """Safe YAML whose mappings remember the line they began on."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping with its line number added."""
        mapping = super().construct_mapping(node, deep=deep)
        mapping[LINE] = node.start_mark.line + 1
        return mapping


@dataclass(frozen=True, slots=True)
class SuiteLibrary:
    """The shipped suites and the person's own; an own suite hides a shipped one of that id."""

    shipped: Path
    own: Path

    def all(self) -> list[Suite]:
        """Every suite that can be read, by id. A broken own file does not hide the others."""
        suites: dict[str, Suite] = {}
        for path in self._files():
            try:
                suite = read_suite(path)
            except SuiteError:
                continue  # asking for it by name says what is wrong
            suites[suite.id] = suite
        return [suites[key] for key in sorted(suites)]

    def get(self, reference: str) -> Suite:
        """The suite with this id, or in the file at this path (which holds a slash).

        Raises:
            UnknownName: No such suite; near names are given.
            SuiteError: The file is wrong; says where.
        """
        if "/" in reference or "\\" in reference:
            return read_suite(Path(reference).expanduser())
        for suite in self.all():
            if suite.id == reference:
                return suite
        for path in self._files():
            if path.stem == reference:
                return read_suite(path)  # raises with the reason it was not listed
        raise UnknownName("suite", reference, [suite.id for suite in self.all()])

    def _files(self) -> list[Path]:
        return [path for folder in (self.shipped, self.own) for path in sorted(folder.glob("*.y*ml"))]


def read_suite(path: Path) -> Suite:
    """Read and check one suite file.

    Raises:
        SuiteError: The file cannot be read or is not a valid suite.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SuiteError(f"{path.name} is larger than {MAX_FILE_BYTES // 1_000_000} MB: not a suite.")
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SuiteError(f"Cannot read the suite {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path.name} is not UTF-8 text.") from error
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise SuiteError(f"{path.name}{line}: not valid YAML.") from error
    return _suite(path.name, data)


def custom_suite(texts: tuple[str, ...]) -> Suite:
    """A suite of the person's own lines; the same text always gets the same prompt id."""
    prompts = []
    for text in dict.fromkeys(text.strip() for text in texts):
        check_prompt(text, "Your prompt")
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        prompts.append(Prompt(id=f"own-{digest}", text=text))
    return Suite(id="", name="Own prompts", version=1, prompts=tuple(prompts))


def check_prompt(text: str, where: str) -> None:
    """Refuse a text that no model can draw.

    Raises:
        SuiteError: Empty or absurdly long.
    """
    if not text.strip():
        raise SuiteError(f"{where}: the prompt is empty. Write what to draw.")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise SuiteError(
            f"{where}: the prompt has {len(text):,} characters; "
            f"at most {MAX_PROMPT_CHARACTERS:,} are taken. Shorten it."
        )


def _suite(name: str, data: Any) -> Suite:
    if not isinstance(data, dict) or not isinstance(data.get("prompts"), list):
        raise SuiteError(f"{name}: expected a mapping with a list named 'prompts'.")
    if data.get("format") != FORMAT:
        raise SuiteError(f"{name}: 'format' must be {FORMAT}; this program reads no other.")
    prompts = tuple(_prompt(name, entry) for entry in data["prompts"])
    if not prompts:
        raise SuiteError(f"{name}: the list of prompts is empty.")
    seen: set[str] = set()
    for prompt, entry in zip(prompts, data["prompts"], strict=True):
        if prompt.id in seen:
            raise SuiteError(f"{name}, line {entry[LINE]}: the id {prompt.id!r} is used twice.")
        seen.add(prompt.id)
    version = data.get("version", 1)
    if not isinstance(version, int):
        raise SuiteError(f"{name}: 'version' must be a whole number.")
    suite_id = _text(name, data, "id", Path(name).stem)
    return Suite(
        id=suite_id,
        name=_text(name, data, "name", suite_id),
        version=version,
        prompts=prompts,
        description=_text(name, data, "description", ""),
        licence=_text(name, data, "licence", ""),
    )


def _prompt(name: str, entry: Any) -> Prompt:
    if not isinstance(entry, dict):
        raise SuiteError(f"{name}: each prompt must be a mapping with 'id' and 'text', not {entry!r}.")
    where = f"{name}, line {entry[LINE]}"
    unknown = set(entry) - {*_FIELDS, LINE}
    if unknown:
        raise SuiteError(f"{where}: unknown field {sorted(map(str, unknown))[0]!r}.")
    text = _text(where, entry, "text", "")
    check_prompt(text, where)
    difficulty = entry.get("difficulty", "medium")
    if difficulty not in get_args(Difficulty):
        raise SuiteError(f"{where}: 'difficulty' must be one of {', '.join(get_args(Difficulty))}.")
    return Prompt(
        id=_text(where, entry, "id", ""),
        text=text,
        category=_text(where, entry, "category", "custom"),
        difficulty=difficulty,
        negative=_text(where, entry, "negative", ""),
        questions=read_questions(name, where, entry.get("questions")),
        scene=read_scene(name, where, entry.get("scene")),
    )


def _text(where: str, entry: Mapping[str, Any], field: str, default: str) -> str:
    value = entry.get(field, default)
    # YAML reads a bare `no` or `12` as another type: better said than guessed.
    if not isinstance(value, str):
        raise SuiteError(f"{where}: {field!r} must be text; put it in quotes.")
    if field == "id" and not value:
        raise SuiteError(f"{where}: 'id' is missing.")
    return value
