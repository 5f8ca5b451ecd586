"""Tables as files: CSV for spreadsheets, Parquet for notebooks."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "real", "whole", "flag"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with what they hold, and rows by column name; None where there is nothing."""

    columns: Mapping[str, Kind]
    rows: Sequence[Mapping[str, Any]]

    def csv(self) -> bytes:
        """UTF-8 CSV with a header; no cell can run as a formula."""
        return to_csv(self.rows, tuple(self.columns))

    def parquet(self) -> bytes:
        """Parquet, with the same types whatever the rows hold."""
        import pyarrow
        from pyarrow import parquet

        # Seeds of other tools go up to 2**64 and unknown ones are -1: no integer type holds both.
        kinds = {"text": pyarrow.string(), "real": pyarrow.float64(), "flag": pyarrow.bool_()}
        kinds["whole"] = pyarrow.decimal128(20, 0)
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in self.columns.items()])
        columns = [
            pyarrow.array([_typed(row.get(name), kind) for row in self.rows], kinds[kind])
            for name, kind in self.columns.items()
        ]
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), buffer)
        return buffer.getvalue()


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as UTF-8 CSV with a header."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_safe(row.get(name)) for name in columns} for row in rows)
    return buffer.getvalue().encode(errors="replace")


def spreadsheet_safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    # A lone carriage return is not quoted by the writer, and would begin a new row.
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return "'" + value if value.startswith(_FORMULA_STARTS) else value


def cell(value: Any) -> Any:
    """A value as one cell: text, a number, a flag or nothing; what has parts becomes JSON."""
    if value is None or isinstance(value, str | int | float):
        return finite(value)
    return json_text(value) if value else ""


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON that every reader takes: numbers that are none become null."""
    return json.dumps(finite(value), ensure_ascii=False, indent=indent, allow_nan=False, default=str)


def finite(value: Any) -> Any:
    """The same JSON-plain value, with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value


def _typed(value: Any, kind: Kind) -> Any:
    if value is None or value == "":
        return "" if kind == "text" and value == "" else None
    return value.encode(errors="replace").decode() if kind == "text" else value
