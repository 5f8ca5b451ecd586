"""Units and recipes."""

from pathlib import Path

from metrics import Sample
from metrics.plan import group, plan
from tests.metrics.brightness import GreySource, grey_registry

A = Sample("a", Path("a.png"), "p", "1" * 64, "x")
B = Sample("b", Path("b.png"), "p", "2" * 64, "x")
C = Sample("c", Path("c.png"), "q", "3" * 64, "x")
D = Sample("d", Path("d.png"), "p", "4" * 64, "y")


def test_units_of_each_level() -> None:
    assert group([A, B, C, D], "image") == [(A,), (B,), (C,), (D,)]
    assert group([A, B, C, D], "prompt") == [(A, B), (C,), (D,)]
    assert group([A, B, C, D], "model") == [(A, B, C), (D,)]


def test_recipes_name_what_matters_only() -> None:
    registry = grey_registry(GreySource())
    metrics = [registry.create(name) for name in ("brightness", "darkness", "spread")]
    tasks = plan([A, B], metrics, "bundled", Path())
    bright, dark, spread = tasks[0].key, tasks[2].key, tasks[4].key
    assert (bright.image_hash, bright.text_hash) == (A.image_hash, "")
    assert len(dark.text_hash) == 64
    assert plan([B, A], metrics, "bundled", Path())[4].key == spread  # the order of a group is no matter
    assert len({task.key.digest for task in tasks}) == 5


def test_a_tier_without_a_network_is_refused_with_the_others() -> None:
    metric = grey_registry(GreySource()).create("brightness")
    (task,) = plan([A], [metric], "large", Path())
    assert task.refusal == "Brightness has no large tier; choose the bundled tier."
