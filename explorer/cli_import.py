"""The headless `import`: a preview of how files map to models, prompts and seeds, then the work."""

import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from explorer.api import Explorer
from explorer.bundle_import import BundleImport
from explorer.bundle_reader import read_bundle
from explorer.cli import OK, Watcher
from explorer.compute import ComputeThread, Tell
from explorer.imports import ImportPreview, PictureImport, preview, prompt_list
from explorer.imports.foreign import label
from explorer.imports.mapping import ALL
from explorer.requests import ImportLayout, ImportRequest
from explorer.suites import SuiteLibrary

SHOWN = 12
"""Rows and reasons that are printed; the rest is counted."""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("folder", type=Path, help="of pictures; or the zip file of a results bundle")
    parser.add_argument(
        "--prompts", type=Path, metavar="FILE", help="text (one a line), CSV, JSON or suite file, in order"
    )
    parser.add_argument("--suite", default="", help="id of a suite, instead of a file")
    layouts = get_args(ImportLayout)
    parser.add_argument("--layout", default="auto", choices=layouts, help="MODEL/gen_000.png, or metadata")
    parser.add_argument("--seeds", type=int, default=1, help="pictures a prompt, of gen_000 files (1)")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME or READ=NAME",
        help="what to call the model, or one of the models; may be repeated",
    )
    parser.add_argument("--title", default="", help="of the run")
    parser.add_argument("--preview", action="store_true", help="only say what would be done")


def import_pictures(explorer: Explorer, arguments: Namespace) -> int:
    """Show how the files map, take them in, and print the id of the run."""
    if arguments.folder.suffix.lower() == ".zip" and arguments.folder.is_file():
        return _import_bundle(explorer, arguments)
    request = ImportRequest(
        folder=str(arguments.folder),
        layout=arguments.layout,
        prompts=str(arguments.prompts or ""),
        suite=arguments.suite,
        seeds=arguments.seeds,
        models=dict(_renaming(given) for given in arguments.model),
        title=arguments.title,
    )
    prompts = prompt_list(request, SuiteLibrary(explorer.settings.prompts, explorer.settings.suites))
    _print_preview(preview(request, prompts))
    if arguments.preview:
        return OK
    return _take(lambda stop, tell: PictureImport(request, prompts, explorer.storage, stop, tell).run())


def _import_bundle(explorer: Explorer, arguments: Namespace) -> int:
    bundle = read_bundle(arguments.folder)
    models = dict.fromkeys(record.recipe.model for record in bundle.records)
    counts = f"{len(bundle.records):,} pictures of {len(models)} models, {len(bundle.scores):,} scores"
    Console().print(
        Text(f"{label(bundle.manifest.title)}: {counts}. Made by {label(bundle.manifest.program)}.")
    )
    if arguments.preview:
        return OK
    return _take(lambda stop, tell: BundleImport(bundle, explorer.storage, stop, tell).run())


def _take(importing: Callable[[Callable[[], bool], Tell], str]) -> int:
    """Follow an import in the terminal and print the id of its run."""
    runs: list[str] = []
    abandoned = threading.Event()

    def work(tell: Tell) -> None:
        runs.append(importing(abandoned.is_set, tell))

    watcher, thread = Watcher(), ComputeThread()
    for _ in watcher.follow("Pictures", thread.follow(work, abandoned)):
        pass
    thread.close()
    status = watcher.report_failures()
    print(f"run {runs[0]}")
    return status


def _renaming(given: str) -> tuple[str, str]:
    read, equals, name = given.partition("=")
    return (read, name) if equals else (ALL, read)


def _print_preview(found: ImportPreview) -> None:
    console = Console()
    table = Table(
        "File", "Model", "Prompt", "Seed", "Sampler", "Made by", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for row in found.rows[:SHOWN]:
        seed = "?" if row.seed < 0 else str(row.seed)
        cells = (row.file, row.model, row.prompt[:60], seed, row.sampler, row.tool)
        table.add_row(*(Text(cell) for cell in cells))
    if found.rows:
        console.print(table)
    models = ", ".join(f"{name} ({count})" for name, count in found.models.items())
    console.print(Text(f"{found.pictures} pictures of {found.prompts} prompts. Models: {models or 'none'}"))
    for note in found.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    for unread in found.unread[:SHOWN]:
        console.print(Text(f"Not taken: {unread.file}: {unread.reason}", style="yellow"))
    if found.unread_files > SHOWN:
        console.print(f"{found.unread_files - SHOWN} more are not taken.")
