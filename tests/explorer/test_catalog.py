"""Which names are certain while some files were not read yet."""

from pathlib import Path

from explorer.catalog import Catalog, make_catalog
from explorer.facts import ModelFacts
from explorer.model_scan import Found
from explorer.model_store import Reading


def catalog_of(*files: tuple[str, bool]) -> Catalog:
    """A catalog of checkpoints at these paths, each read or not."""
    every = [Found(Path(path), 1, "s") for path, _ in files]
    reading = Reading("s", "single_file", ModelFacts("checkpoint"))
    return make_catalog(every, [reading if read else None for _, read in files], len(every))


def names(catalog: Catalog) -> list[str]:
    return [file.name for file in catalog.files]


def test_a_name_that_another_file_may_take_is_not_given_yet() -> None:
    whole = catalog_of(("a/x.sft", True), ("b/x.sft", True), ("c/y.sft", True))
    assert (names(whole), whole.complete) == (["x", "x (2)", "y"], True)
    partly = catalog_of(("a/x.sft", False), ("b/x.sft", True), ("c/y.sft", True))
    assert (names(partly), partly.read, partly.total) == (["y"], 2, 3)
    assert [partly.may_be(name) for name in ("x", "x (2)", "y")] == [True, True, False]
    assert partly.model("x") is None


def test_a_name_with_a_number_of_its_own_is_as_unsure() -> None:
    files = [("a/x.sft", True), ("b/x.sft", True), ("c/x (2).sft", True), ("d/y.sft", True)]
    assert names(catalog_of(*files)) == ["x", "x (2)", "x (2) (2)", "y"]
    for missing in range(3):
        partly = [(path, position != missing) for position, (path, _) in enumerate(files)]
        assert names(catalog_of(*partly)) == ["y"]


def test_only_usable_files_of_a_kind_are_offered() -> None:
    every = [Found(Path(name), 1, "s") for name in ("a.sft", "b.sft", "c.sft")]
    facts = [ModelFacts("checkpoint"), ModelFacts("checkpoint", problem="damaged"), ModelFacts("lora")]
    catalog = make_catalog(every, [Reading("s", "single_file", fact) for fact in facts], 3)
    assert [file.name for file in catalog.of_kind("checkpoint")] == ["a"]
    assert [file.name for file in catalog.of_kind("lora")] == ["c"]
