"""Reads prompt lists of other programs: plain text, CSV, JSON; and suite files."""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.errors import SuiteError
from explorer.imports.foreign import label, mapping, parse, text
from explorer.requests import ImportRequest
from explorer.suites import MAX_FILE_BYTES, SuiteLibrary, check_prompt, read_suite
from explorer.types import Prompt, Suite

MAX_PROMPTS = 100_000
_COLUMNS = ("prompt", "text", "caption")
Row = Mapping[str, Any]


def prompt_list(request: ImportRequest, suites: SuiteLibrary) -> Suite | None:
    """The prompts a request names, in order; None when it names none.

    Raises:
        SuiteError: The file cannot be read or holds no prompts; says what to change.
        UnknownName: There is no such suite.
    """
    if request.prompts and request.suite:
        raise SuiteError("Give either a suite or a file with prompts, not both.")
    if request.suite:
        return suites.get(request.suite)
    return read_prompts(Path(request.prompts).expanduser()) if request.prompts else None


def read_prompts(path: Path) -> Suite:
    """Read a prompt list.

    Args:
        path: `.txt` with one prompt a line (empty lines do not count), `.csv` with a column
            `prompt` or `text` (else the first), `.json` with a list of texts or objects,
            `.jsonl` with one a line, or a suite's `.yaml`.

    Raises:
        SuiteError: The file cannot be read or holds no prompts; says what to change.
    """
    kind = path.suffix.lower()
    if kind in (".yaml", ".yml"):
        return read_suite(path)
    content = _read(path)
    readers = {".csv": _csv_rows, ".json": _json_rows, ".jsonl": _json_lines}
    rows = readers.get(kind, _lines)(content)
    prompts = tuple(_prompt(path.name, number, row) for number, row in enumerate(rows, 1))
    if not prompts:
        raise SuiteError(f"{path.name} holds no prompts. Write one a line, or choose another file.")
    if len(prompts) > MAX_PROMPTS:
        raise SuiteError(f"{path.name} holds {len(prompts):,} prompts; at most {MAX_PROMPTS:,} are taken.")
    texts: dict[str, str] = {}
    for prompt in prompts:
        if texts.setdefault(prompt.id, prompt.text) != prompt.text:
            raise SuiteError(f"{path.name}: the id {prompt.id!r} is used for two different prompts.")
    return Suite(id="", name=label(path.stem), version=1, prompts=prompts)


def own_prompt(words: str) -> Prompt:
    """A prompt that is in no list; the same text always gets the same id.

    Raises:
        SuiteError: Empty or absurdly long.
    """
    check_prompt(words, "The prompt")
    digest = hashlib.sha256(pairing_text(words).encode()).hexdigest()[:10]
    return Prompt(id=f"own-{digest}", text=words)


def pairing_text(words: str) -> str:
    """What makes two prompts the same: spaces and a comma at the end do not count.

    They are all that taking LoRA tags out of a prompt leaves behind.
    """
    return re.sub(r"\s+", " ", words).strip(" ,")


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise SuiteError(f"There is no file {path}.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SuiteError(
                f"{path.name} is larger than {MAX_FILE_BYTES // 1_000_000} MB: not a prompt list."
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SuiteError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path.name} is not UTF-8 text.") from error


def _lines(content: str) -> Iterator[Row]:
    return ({"text": line} for line in content.split("\n") if line.strip())


def _csv_rows(content: str) -> Iterator[Row]:
    rows = list(_csv_table(content))
    names = [name.strip().casefold() for name in rows[0]] if rows else []
    column = next((name for name in _COLUMNS if name in names), None)
    if column is None:  # no header: the first column is the prompt
        return ({"text": row[0]} for row in rows)
    tables = (dict(zip(names, row, strict=False)) for row in rows[1:])
    return ({**row, "text": row.get(column, "")} for row in tables)


def _csv_table(content: str) -> Iterator[list[str]]:
    try:
        for row in csv.reader(io.StringIO(content, newline="")):
            if any(value.strip() for value in row):
                yield row
    except csv.Error as error:
        raise SuiteError(f"The prompt list is no CSV table: {error}.") from error


def _json_rows(content: str) -> Iterator[Row]:
    data = parse(content)
    return _rows(mapping(data).get("prompts") if isinstance(data, dict) else data)


def _json_lines(content: str) -> Iterator[Row]:
    return _rows([parse(line) for line in content.split("\n") if line.strip()])


def _rows(entries: Any) -> Iterator[Row]:
    if not isinstance(entries, list):
        raise SuiteError("The prompt list is no JSON list of texts or of objects with a 'prompt'.")
    for entry in entries:
        row = mapping(entry)
        words = next((row[name] for name in _COLUMNS if name in row), entry)
        if not isinstance(words, str):
            raise SuiteError("The prompt list has an entry that is no text and has no 'prompt'.")
        yield {**row, "text": words}


def _prompt(name: str, number: int, row: Row) -> Prompt:
    words = text(row["text"])
    check_prompt(words, f"{name}, prompt {number}")
    return Prompt(
        id=label(row.get("id")) or own_prompt(words).id,
        text=words,
        category=label(row.get("category")) or "custom",
        negative=text(row.get("negative")),
    )


def by_text(prompts: Iterable[Prompt]) -> dict[str, Prompt]:
    """Prompts by the text that pairs them; the first of equal ones."""
    found: dict[str, Prompt] = {}
    for prompt in prompts:
        found.setdefault(pairing_text(prompt.text), prompt)
    return found
