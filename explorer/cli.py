"""The headless commands: the same engine as the page, with a progress bar in the terminal."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from rich import box, progress
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from explorer import analysis
from explorer.api import Explorer
from explorer.errors import InvalidRequest, StorageError
from explorer.events import Event, Failed, ImageDone, ModelDone, Notice, Progress, time_left
from explorer.reports import Results, place_image
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, Sampling
from explorer.storage import write_whole
from explorer.types import Image, LeaderboardRow

OK, FAILED = 0, 1


@dataclass(slots=True)
class Watcher:
    """Shows events in the terminal and keeps what must be reported at the end."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    failed: list[Failed] = field(default_factory=list)
    models: list[ModelDone] = field(default_factory=list)
    unit: str = ""
    """What is counted, when it is no pictures or scores."""

    def follow(self, title: str, events: Iterator[Event]) -> Iterator[Image]:
        """Show a bar with time left while the events come; yields each whole picture."""
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            *((progress.TextColumn(self.unit),) if self.unit else ()),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[left]}"),
        )
        with progress.Progress(*columns, console=self.console) as bar:
            task = bar.add_task(title, total=None, left="")
            for event in events:
                if isinstance(event, Progress):
                    said = (event.message if self.unit else "", time_left(event.seconds_left))
                    left = ", ".join(filter(None, said))
                    bar.update(task, completed=event.done, total=event.total or None, left=left)
                elif isinstance(event, Failed):
                    self.failed.append(event)
                elif isinstance(event, ModelDone):
                    self.models.append(event)
                elif isinstance(event, Notice):
                    self.console.print(Text(f"Note: {event.text}", style="yellow"))
                elif isinstance(event, ImageDone):
                    yield event.image

    def report_failures(self) -> int:
        """List what failed; returns the exit status."""
        for failure in self.failed:
            self.console.print(Text(f"Failed: {failure.label}: {failure.reason}", style="red"))
        return FAILED if self.failed else OK


def run(explorer: Explorer, arguments: Namespace) -> int:
    """Generate, score, write the reports and print the leaderboard."""
    sampling = Sampling(
        sampler=arguments.sampler,
        steps=arguments.steps,
        guidance=arguments.guidance,
        width=arguments.width,
        height=arguments.height,
        clip_skip=arguments.clip_skip,
        long_prompts=arguments.long_prompts,
        weighting=arguments.weighting,
    )
    request = GenerateRequest(
        models=tuple(arguments.models),
        suite=arguments.suite,
        seeds=arguments.seeds,
        first_seed=arguments.first_seed,
        sampling=sampling,
        negative=arguments.negative,
        batch_size=arguments.batch_size,
    )
    # Everything that could be wrong is checked before the first picture is drawn.
    analysis.check(AnalyzeRequest(tuple(arguments.metrics), arguments.tier))
    plan = explorer.plan(request)
    output = writable(arguments.output)
    watcher = Watcher()
    for image in watcher.follow("Pictures", explorer.generate(request)):
        place_image(image, explorer.settings.images, output)
    scoring = AnalyzeRequest(tuple(arguments.metrics), arguments.tier, run=plan.run)
    return _score(explorer, scoring, output, watcher)


def analyze(explorer: Explorer, arguments: Namespace) -> int:
    """Score the pictures of a folder, write the reports and print the leaderboard."""
    request = AnalyzeRequest(tuple(arguments.metrics), arguments.tier, folder=str(arguments.folder))
    analysis.check(request)
    analysis.picture_files(arguments.folder)
    return _score(explorer, request, writable(arguments.output), Watcher())


def fetch(explorer: Explorer, arguments: Namespace) -> int:
    """Bring a model into the workspace and print the names of what is there now."""
    request = FetchRequest(arguments.source, tuple(arguments.file), arguments.variant, arguments.name)
    events = explorer.fetch(request)
    # Looked up and chosen: what is wrong with the request is told before a bar is drawn.
    found = [next(events), next(events)]
    watcher = Watcher(unit="MB")
    for _ in watcher.follow("Fetching", chain(found, events)):
        pass
    for model in watcher.models:
        print(f"{model.kind} {model.name}")
    return OK


def export(explorer: Explorer, arguments: Namespace) -> int:
    """Write the results of a run to one file."""
    path = explorer.export(arguments.format, arguments.output, arguments.run, arguments.table)
    print(path)
    return OK


def list_models(explorer: Explorer, arguments: Namespace) -> int:
    """Print every model file found, of all kinds, and why some cannot be used."""
    rows = [file.to_dict() for file in explorer.library.files()]
    columns = ("name", "kind", "family", "variant", "precision", "size_mb", "problem")
    return _print_list(rows, columns, arguments.json)


def list_suites(explorer: Explorer, arguments: Namespace) -> int:
    """Print the prompt suites."""
    rows = [suite.to_dict() for suite in explorer.suites()]
    return _print_list(rows, ("id", "name", "prompts", "description"), arguments.json)


def list_metrics(explorer: Explorer, arguments: Namespace) -> int:
    """Print the metric cards."""
    rows = [card.to_dict() for card in explorer.metrics()]
    return _print_list(rows, ("id", "name", "question", "level", "direction", "status"), arguments.json)


def writable(output: Path) -> Path:
    """The output folder, made and tried.

    Raises:
        InvalidRequest: It cannot be written.
    """
    probe = output / ".writable"
    try:
        write_whole(probe, b"")
        probe.unlink()
    except (StorageError, OSError) as error:
        raise InvalidRequest(f"Cannot write the output folder {output}. Choose another one.") from error
    return output


def _score(explorer: Explorer, request: AnalyzeRequest, output: Path, watcher: Watcher) -> int:
    for _ in watcher.follow("Scores  ", explorer.analyze(request)):
        pass
    results = explorer.results_for(request)
    results.write(output)
    _print_leaderboard(results)
    watcher.console.print(Text(f"Written to {output}: leaderboard.csv, scores.csv, scores.json"))
    return watcher.report_failures()


def _print_leaderboard(results: Results) -> None:
    counts = ("Prompts", "Pictures", "Unscored")
    model = Column("Model", overflow="fold", min_width=12)
    wide = (Column(name, no_wrap=True) for name in ("Metric", "Mean", "95 % interval"))
    table = Table(model, *wide, *counts, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.caption = f"Networks: {', '.join(sorted({row.tier for row in results.leaderboard}))} tier"
    for row in results.leaderboard:
        table.add_row(
            Text(row.model),
            row.metric,
            "-" if row.mean is None else f"{row.mean:.2f}",
            _interval(row),
            str(row.prompts),
            str(row.images),
            str(row.unscored),
        )
    console = Console()
    console.print(table if results.leaderboard else "No scores.")


def _interval(row: LeaderboardRow) -> str:
    if row.mean is None:
        return row.reason or "-"
    if row.low is None or row.high is None:
        return "needs 2 prompts"
    return f"{row.low:.2f} to {row.high:.2f}"


def _print_list(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> int:
    if as_json:
        json.dump(rows, sys.stdout, indent=1, ensure_ascii=False)
        print()
        return OK
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(str(row.get(column, ""))) for column in columns))
    Console().print(table)
    return OK
