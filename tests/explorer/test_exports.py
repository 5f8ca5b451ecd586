import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.bundle_reader import read_bundle
from explorer.environment import PROGRAM, environment
from explorer.errors import InvalidRequest, StorageError
from explorer.exports import FORMATS, Export, export_results
from explorer.reports import TABLES, Results
from explorer.storage import Storage
from tests.explorer.scored import drawn_run


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    yield storage
    storage.close()


def test_every_format_is_written_whole(storage: Storage, tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    results = drawn_run(storage)
    out = tmp_path / "out"
    for name in FORMATS:
        export_results(results, Export(name, title="Title"), out / name, storage.thumbnail)
    assert sorted(path.name for path in out.iterdir()) == sorted(FORMATS)
    assert next(csv.DictReader(io.StringIO((out / "csv").read_text())))["model"] == "tuned"
    assert json.loads((out / "json").read_text())["comparisons"][0]["verdict"] == "worse"
    assert parquet.read_table(out / "parquet").column("mean").to_pylist() == [24.5, 22.5]
    html = (out / "html").read_text()
    assert html.count("data:image/webp") == 12
    assert PROGRAM in html
    bundle = read_bundle(out / "bundle")
    assert (bundle.manifest.title, bundle.manifest.pictures) == ("Title", True)
    assert bundle.environment == environment()


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_the_same_in_csv_and_parquet(storage: Storage, tmp_path: Path, table: str) -> None:
    import pyarrow.parquet as parquet

    results = drawn_run(storage)
    for name in ("csv", "parquet"):
        export_results(results, Export(name, table), tmp_path / name)  # type: ignore[arg-type]
    header, *lines = csv.reader(io.StringIO((tmp_path / "csv").read_text(), newline=""))
    read = parquet.read_table(tmp_path / "parquet")
    assert read.column_names == header
    assert read.num_rows == len(lines)


def test_a_report_does_not_fail_for_a_picture_that_is_gone(storage: Storage, tmp_path: Path) -> None:
    results = drawn_run(storage)
    results.images[0].path.unlink()
    export_results(results, Export("html"), tmp_path / "a.html", storage.thumbnail)
    html = (tmp_path / "a.html").read_text()
    assert (html.count("data:image/webp"), html.count("not here")) == (11, 1)


def test_files_are_named_by_what_is_in_them() -> None:
    names = [Export(name, "pairs").file_name("r1") for name in FORMATS]
    assert names == [
        "pairs-r1.csv",
        "results-r1.json",
        "pairs-r1.parquet",
        "results-r1.html",
        "results-r1.zip",
    ]


def test_unknown_forms_and_places_are_refused(tmp_path: Path) -> None:
    nothing = Results("r", [], [], [])
    for wanted in (Export("pdf"), Export("csv", "votes")):  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="Export as csv, json, parquet, html, bundle"):
            export_results(nothing, wanted, tmp_path / "x")
    (tmp_path / "file").write_text("")
    for name in FORMATS:
        with pytest.raises(StorageError, match="Cannot write"):
            export_results(nothing, Export(name), tmp_path / "file" / "x")


def test_the_environment_says_nothing_of_who_or_where() -> None:
    import getpass
    import platform

    text = json.dumps(environment())
    assert platform.node() not in text
    assert str(Path.home()) not in text
    assert getpass.getuser() not in environment().values()
    assert {"program", "system", "python", "torch", "diffusers"} <= environment().keys()
