import csv
import io
from decimal import Decimal

import pytest

from explorer.tabular import Table, cell, json_text, spreadsheet_safe, to_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "=cmd|' /C calc'!A0"])
def test_formulas_are_disarmed(text: str) -> None:
    kept = "'" + text.replace("\r", "\n")
    assert spreadsheet_safe(text) == kept
    data = to_csv([{"a": text, "b": "x\r=1"}], ("a", "b")).decode()
    assert list(csv.reader(io.StringIO(data, newline="")))[1] == [kept, "x\n=1"]


def test_numbers_and_plain_text_stay() -> None:
    assert spreadsheet_safe(-1.5) == -1.5
    assert spreadsheet_safe("a - b") == "a - b"
    assert to_csv([{"a": None, "b": -2}], ("a", "b")) == b"a,b\n,-2\n"


def test_a_cell_is_text_a_number_or_json() -> None:
    assert [cell(each) for each in ("x", -2, 1.5, None, True)] == ["x", -2, 1.5, None, True]
    assert cell((("style", "d", 0.8),)) == '[["style", "d", 0.8]]'
    assert (cell({}), cell(())) == ("", "")
    assert cell(float("nan")) is None
    assert json_text({"a": float("inf"), "b": (1,)}) == '{"a": null, "b": [1]}'


def test_parquet_keeps_types_and_values() -> None:
    import pyarrow.parquet as parquet

    columns = {"name": "text", "value": "real", "seed": "whole", "long": "flag"}
    rows = [
        {"name": "=größer 狐", "value": 1.5, "seed": 2**64 - 1, "long": True},
        {"name": "", "value": None, "seed": -1, "long": False},
    ]
    table = parquet.read_table(io.BytesIO(Table(columns, rows).parquet()))  # type: ignore[arg-type]
    assert table.column_names == list(columns)
    assert table.to_pylist() == [
        {"name": "=größer 狐", "value": 1.5, "seed": Decimal(2**64 - 1), "long": True},
        {"name": "", "value": None, "seed": Decimal(-1), "long": False},
    ]
    empty = parquet.read_table(io.BytesIO(Table(columns, []).parquet()))  # type: ignore[arg-type]
    assert empty.schema == table.schema


def test_pandas_reads_it() -> None:
    import pandas as pd

    frame = pd.read_parquet(
        io.BytesIO(Table({"model": "text", "mean": "real"}, [{"model": "a", "mean": 2}]).parquet())
    )
    assert frame["mean"].sum() == 2.0
