"""The headless `import`, as a process."""

from pathlib import Path

from tests.explorer.imports.test_importing import CAT, DOG, gen_folder, mixed_folder
from tests.test_command_line import command
from tests.test_command_line import environment as environment


def test_numbered_pictures_are_shown_taken_and_reported(environment: dict[str, str], tmp_path: Path) -> None:
    folder = gen_folder(tmp_path / "old")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{CAT}\n{DOG}\na third one\n")
    arguments = ("import", str(folder), "--prompts", str(prompts))

    shown = command(environment, *arguments, "--preview")
    assert shown.returncode == 0, shown.stderr
    assert "4 pictures of 2 prompts. Models: early (2), late (2)" in shown.stdout
    assert "Note: early: gen_002 is missing." in shown.stdout
    assert not (tmp_path / "workspace" / "images").exists() or not any(
        (tmp_path / "workspace" / "images").rglob("*.png")
    )

    done = command(environment, *arguments, "--model", "early=first", "--title", "Old pictures")
    assert done.returncode == 0, done.stderr
    run = done.stdout.splitlines()[-1].removeprefix("run ")
    assert len(run) == 16
    out = tmp_path / "board.csv"
    assert command(environment, "export", "--format", "csv", "--output", str(out)).returncode == 0
    again = command(environment, *arguments, "--model", "early=first")
    assert again.stdout.splitlines()[-1] == f"run {run}"


def test_files_that_are_not_taken_are_listed(environment: dict[str, str], tmp_path: Path) -> None:
    done = command(environment, "import", str(mixed_folder(tmp_path / "foreign")))
    assert done.returncode == 1
    assert "Not taken: f.png: is no readable PNG, JPEG or WebP" in done.stdout
    assert "Failed: f.png" in done.stderr

    for arguments in (["import", str(tmp_path / "nothing")], ["import", str(tmp_path), "--layout", "x"]):
        refused = command(environment, *arguments)
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) == 1
