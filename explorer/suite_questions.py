"""What a suite asks about a prompt's pictures: questions, and the scene a detector must find."""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.errors import SuiteError
from metrics import (
    SCENE_RELATIONS,
    SCENE_TASKS,
    YES_NO,
    ExpectedObject,
    Question,
    Scene,
    question_complaint,
)

LINE = "__line__"
"""Key under which the reader of suites notes the line a mapping began on."""
MOST_QUESTIONS = 100
_MOST_OBJECTS = 50
_QUESTION = ("id", "text", "expected", "skill", "choices", "parents")
_SCENE = ("task", "include", "exclude")
_OBJECT = ("name", "count", "colour", "relation", "target")


def read_questions(name: str, where: str, entries: Any) -> tuple[Question, ...]:
    """The questions of a prompt.

    Args:
        name: Name of the file, for messages.
        where: Where the prompt stands, for messages.
        entries: What the file has under `questions`; None: nothing.

    Raises:
        SuiteError: They cannot be asked so; says why and where.
    """
    rows = _list(where, "questions", entries, MOST_QUESTIONS)
    found: list[tuple[Question, str]] = []
    for number, row in enumerate(rows, 1):
        here = _place(name, where, row)
        entry = _mapping(here, row, "a question", _QUESTION)
        question = Question(
            id=_text(here, entry, "id", f"q{number}"),
            text=_text(here, entry, "text", ""),
            expected=_text(here, entry, "expected", "yes"),
            skill=_text(here, entry, "skill", "object"),  # type: ignore[arg-type]  # checked below
            choices=_texts(here, entry, "choices") or YES_NO,
            parents=_texts(here, entry, "parents"),
        )
        if any(question.id == other.id for other, _ in found):
            raise SuiteError(f"{here}: the question id {question.id!r} is used twice.")
        found.append((question, here))
    ids = {question.id for question, _ in found}
    for question, here in found:
        wrong = question_complaint(question, ids)
        if wrong:
            raise SuiteError(f"{here}: {wrong}.")
    return tuple(question for question, _ in found)


def read_scene(name: str, where: str, entry: Any) -> Scene | None:
    """The scene of a prompt; None where the file has none.

    Raises:
        SuiteError: It is no scene; says why and where.
    """
    if entry is None:
        return None
    here = _place(name, where, entry)
    scene = _mapping(here, entry, "'scene'", _SCENE)
    include, exclude = (
        tuple(
            _object(_place(name, here, row), row) for row in _list(here, part, scene.get(part), _MOST_OBJECTS)
        )
        for part in ("include", "exclude")
    )
    if not include and not exclude:
        raise SuiteError(f"{here}: 'scene' names no object; list some under 'include'.")
    for number, each in enumerate(include):
        lacking = (each.relation is None) != (each.target is None)
        if lacking or (each.target is not None and (each.target >= len(include) or each.target == number)):
            raise SuiteError(
                f"{here}: {each.name!r} needs both a 'relation' and a 'target', the number of another "
                "object of 'include', counted from 0."
            )
    task = _text(here, scene, "task", "")
    if task and task not in SCENE_TASKS:
        raise SuiteError(f"{here}: 'task' must be one of {', '.join(SCENE_TASKS)}.")
    plain = Scene(task, include, exclude)
    return plain if task else Scene.from_dict({**plain.to_dict(), "task": ""})


def _object(here: str, row: Any) -> ExpectedObject:
    entry = _mapping(here, row, "an object", _OBJECT)
    name, relation = _text(here, entry, "name", ""), entry.get("relation")
    count, target = entry.get("count", 1), entry.get("target")
    if not name.strip():
        raise SuiteError(f"{here}: an object needs a 'name'.")
    if not _whole(count) or count < 1:
        raise SuiteError(f"{here}: 'count' must be a whole number from 1 on.")
    if relation is not None and relation not in SCENE_RELATIONS:
        raise SuiteError(f"{here}: 'relation' must be one of {', '.join(SCENE_RELATIONS)}.")
    if target is not None and (not _whole(target) or target < 0):
        raise SuiteError(f"{here}: 'target' must be the number of an object, from 0 on.")
    return ExpectedObject(name, count, _text(here, entry, "colour", ""), relation, target)


def _place(name: str, where: str, row: Any) -> str:
    return f"{name}, line {row[LINE]}" if isinstance(row, Mapping) and LINE in row else where


def _list(where: str, field: str, value: Any, most: int) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise SuiteError(f"{where}: {field!r} must be a list.")
    if len(value) > most:
        raise SuiteError(f"{where}: {field!r} has {len(value):,} entries; at most {most} are taken.")
    return value


def _mapping(where: str, value: Any, what: str, fields: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SuiteError(f"{where}: {what} must be a mapping of {', '.join(fields)}.")
    unknown = set(value) - {*fields, LINE}
    if unknown:
        raise SuiteError(f"{where}: unknown field {sorted(map(str, unknown))[0]!r} of {what}.")
    return value


def _text(where: str, entry: Mapping[str, Any], field: str, default: str) -> str:
    value = entry.get(field, default)
    # YAML reads a bare `no` or `2` as another type: better said than guessed.
    if not isinstance(value, str):
        raise SuiteError(f"{where}: {field!r} must be text; put it in quotes.")
    return value


def _texts(where: str, entry: Mapping[str, Any], field: str) -> tuple[str, ...]:
    values = _list(where, field, entry.get(field), MOST_QUESTIONS)
    if not all(isinstance(value, str) for value in values):
        raise SuiteError(f"{where}: {field!r} must be a list of texts; put each in quotes.")
    return tuple(values)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
