"""The README says what is true."""

import re
from pathlib import Path

import metrics
from explorer.settings import Settings
from tests.fakes import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def part(start: str, end: str) -> str:
    return README.split(f"<!-- {start}")[1].split("-->", 1)[1].split(f"<!-- {end}")[0].strip()


def metric_table() -> str:
    """The table as the cards have it; paste it into the README when this test fails."""
    lines = ["| id | question | level | better | networks (download) | status |", "|---|---|---|---|---|---|"]
    for card in metrics.list_metrics():
        networks = ", ".join(
            f"{tier}: {b.id} ({f'{b.download_mb:,} MB' if b.download_mb else 'none'})"
            for tier, b in card.backbones.items()
        )
        cells = (f"`{card.id}`", card.question, card.level, card.direction, networks, card.status)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_metric_table_is_made_from_the_cards() -> None:
    assert part("metrics:", "end of metrics") == metric_table()


def test_the_floor_plan_names_every_file_and_no_other() -> None:
    plan = part("floor plan:", "end of floor plan").strip("`\n")
    named = set()
    folder = ""
    for line in plan.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
            named.add(name)
        else:
            named.add(folder + name)
    there = {f"explorer/{p.name}" for p in (PROJECT / "explorer").glob("*.py")}
    assert {name for name in named if name.startswith("explorer/") and name.endswith(".py")} == there
    assert all((PROJECT / name).exists() for name in named)
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    folders = {p.name + "/" for p in PROJECT.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))}
    assert folders - set(ignored) <= named


def test_every_setting_is_in_the_readme() -> None:
    for name in Settings.model_fields:
        assert f"EXPLORER_{name.upper()}" in README, name


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (PROJECT / target).exists(), target


def test_every_suite_is_in_the_table_with_its_size() -> None:
    from explorer.suites import SuiteLibrary

    table = (PROJECT / "prompts" / "README.md").read_text(encoding="utf-8")
    for suite in SuiteLibrary(PROJECT / "prompts", Path("nowhere")).all():
        assert f"| `{suite.id}` | {len(suite.prompts)} |" in table
