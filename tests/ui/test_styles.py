"""Style sheets that are loaded together do not take each other's names."""

import re
from collections import Counter

from tests.fakes import PROJECT


def selectors(text: str) -> set[str]:
    """The single selectors of the rules in a sheet, whatever media they are for."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    heads = re.findall(r"([^{}]+)\{", text)
    parts = (part.strip() for head in heads if "@" not in head for part in re.split(r",(?![^(]*\))", head))
    return {part for part in parts if part.startswith(".")}


def test_no_rule_stands_in_two_sheets() -> None:
    sheets = [selectors(sheet.read_text(encoding="utf-8")) for sheet in PROJECT.glob("assets/*.css")]
    assert len(sheets) > 1
    assert all(sheets)
    counts = Counter(selector for sheet in sheets for selector in sheet)
    assert [selector for selector, count in counts.items() if count > 1] == []
