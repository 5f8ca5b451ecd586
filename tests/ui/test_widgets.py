import pytest

from explorer import Run
from explorer.ui.widgets import ALL, pick, run_choices, run_to_show


def run(id: str, images: int = 4) -> Run:
    return Run(id, "2026-11-23T12:30:00+00:00", f"run {id}", ("a",), "shapes", ("colour",), 4, images)


@pytest.mark.parametrize(
    ("runs", "chosen", "seen", "shown"),
    [
        ([], ALL, "", ALL),
        ([run("2"), run("1")], ALL, "", "2"),
        ([run("2"), run("1")], "1", "2", "1"),
        ([run("2"), run("1")], ALL, "2", ALL),
        ([run("3"), run("2"), run("1")], "1", "2", "3"),
        ([run("2")], "gone", "2", "2"),
    ],
)
def test_a_newer_run_comes_first_else_the_choice_stays(
    runs: list[Run], chosen: str, seen: str, shown: str
) -> None:
    assert run_to_show(runs, chosen, seen) == shown


def test_runs_say_when_they_are_incomplete() -> None:
    assert run_choices([run("1"), run("2", images=3)]) == [
        ("23 Nov 12:30 run 1", "1"),
        ("23 Nov 12:30 run 2, 3 of 4 drawn", "2"),
    ]


def test_a_choice_that_is_gone_becomes_the_first() -> None:
    choices = [("A", "a"), ("B", "b")]
    assert [pick(choices, wanted) for wanted in ("b", "gone", None)] == ["b", "a", "a"]
    assert pick([], "b") is None
