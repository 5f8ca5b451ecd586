"""The headless `export` and the `import` of a bundle, as processes."""

import csv
import io
from pathlib import Path

from explorer.storage import Storage
from tests.explorer.scored import drawn_run
from tests.test_command_line import command
from tests.test_command_line import environment as environment


def filled(workspace: Path) -> str:
    storage = Storage(workspace / "images", workspace / "thumbnails", workspace / "explorer.db")
    run = drawn_run(storage).run
    storage.close()
    return run


def test_results_go_to_another_workspace_and_out_again(environment: dict[str, str], tmp_path: Path) -> None:
    run = filled(Path(environment["EXPLORER_ROOT"]))
    bundle, report, pairs = tmp_path / "results.zip", tmp_path / "report.html", tmp_path / "pairs.csv"
    assert command(environment, "export", "--format", "bundle", "--output", str(bundle)).returncode == 0

    elsewhere = environment | {"EXPLORER_ROOT": str(tmp_path / "elsewhere")}
    shown = command(elsewhere, "import", str(bundle), "--preview")
    assert shown.returncode == 0, shown.stderr
    assert "base vs tuned: 12 pictures of 2 models, 12 scores." in " ".join(shown.stdout.split())
    assert not list((tmp_path / "elsewhere" / "images").rglob("*.png"))
    done = command(elsewhere, "import", str(bundle))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"run {run}"

    arguments = ("export", "--format", "csv", "--table", "pairs", "--output", str(pairs))
    assert command(elsewhere, *arguments).returncode == 0
    (pair,) = csv.DictReader(io.StringIO(pairs.read_text()))
    assert (pair["first"], pair["second"], pair["verdict"], pair["difference"]) == (
        *("base", "tuned", "worse"),
        "-2.0",
    )
    assert command(elsewhere, "export", "--format", "html", "--output", str(report)).returncode == 0
    assert report.read_text().count("data:image/webp") == 12


def test_numbers_alone_are_looked_at_without_a_workspace(environment: dict[str, str], tmp_path: Path) -> None:
    filled(Path(environment["EXPLORER_ROOT"]))
    bundle, report = tmp_path / "numbers.zip", tmp_path / "report.html"
    arguments = ("export", "--format", "bundle", "--no-pictures", "--output", str(bundle))
    assert command(environment, *arguments).returncode == 0

    elsewhere = environment | {"EXPLORER_ROOT": str(tmp_path / "elsewhere")}
    refused = command(elsewhere, "import", str(bundle))
    assert refused.returncode == 2
    assert "export --from numbers.zip" in refused.stderr
    arguments = ("export", "--from", str(bundle), "--format", "html", "--output", str(report))
    assert command(elsewhere, *arguments).returncode == 0
    assert "tuned is better than base" in report.read_text()

    (tmp_path / "broken.zip").write_bytes(bundle.read_bytes()[:-50])
    broken = command(elsewhere, "import", str(tmp_path / "broken.zip"))
    assert (broken.returncode, len(broken.stderr.strip().splitlines())) == (2, 1)
