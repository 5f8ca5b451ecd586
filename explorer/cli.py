"""The headless commands: the same engine as the page, with a progress bar in the terminal."""

import json
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rich import box, progress
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from explorer import analysis
from explorer.api import Explorer
from explorer.batches import Batch, read_batch
from explorer.bundle_reader import read_bundle
from explorer.compute import ComputeThread, Tell
from explorer.downloads import Finding, Identifier, can_be_asked, unknown
from explorer.errors import InvalidRequest, StorageError, UnknownName
from explorer.events import Event, Failed, ImageDone, ModelDone, Notice, Progress, time_left
from explorer.exports import Export, export_results
from explorer.model_settings import in_words, settings_of
from explorer.plans import Plan
from explorer.reports import Results, place_image
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, Sampling
from explorer.types import Image, LeaderboardRow, ModelFile
from explorer.whole_files import write_whole

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

    def print_settings(self, plan: Plan) -> None:
        """Say what each model is drawn with, when each has its own settings."""
        for model in plan.models if plan.request.settings == "own" else ():
            self.console.print(Text(f"{model.name}: {in_words(settings_of(plan.request, model))}"))

    def report_failures(self) -> int:
        """List what failed; returns the exit status."""
        for failure in self.failed:
            self.console.print(Text(f"Failed: {failure.label}: {failure.reason}", style="red"))
        return FAILED if self.failed else OK


def run(explorer: Explorer, arguments: Namespace) -> int:
    """Generate, score, write the reports and print the leaderboards."""
    batch = _batch(arguments)
    # Everything that could be wrong is checked before the first picture is drawn.
    analysis.check(batch.scoring)
    for request in batch.requests:
        explorer.plan_size(request)  # a plan would let one bad model of several fail alone
    output = writable(arguments.output)
    watcher = Watcher()
    for request in batch.requests:
        plan = explorer.plan(request)
        watcher.print_settings(plan)
        folder = writable(output / request.suite) if batch.more_suites else output
        for image in watcher.follow("Pictures", explorer.generate(request)):
            place_image(image, explorer.settings.images, folder)
        _score(explorer, replace(batch.scoring, run=plan.run), folder, watcher)
    return watcher.report_failures()


def _batch(arguments: Namespace) -> Batch:
    """What a plan file or the arguments ask for.

    Raises:
        InvalidRequest: Both are given, or too little.
    """
    if arguments.plan:
        if arguments.models or arguments.suite:
            raise InvalidRequest("Give either --plan, or --models and --suite.")
        return read_batch(arguments.plan)
    if not arguments.models or not arguments.suite:
        raise InvalidRequest("Name --models and a --suite, or a --plan.")
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
        settings=arguments.settings,
        trigger_words=arguments.trigger_words,
    )
    return Batch(request, (), _scoring(arguments))


def _scoring(arguments: Namespace) -> AnalyzeRequest:
    return AnalyzeRequest(
        tuple(arguments.metrics),
        arguments.tier,
        download=arguments.download,
        reference=str(arguments.reference or ""),
        answerer=arguments.answerer,
        most_requests=arguments.budget,
        most_dollars=arguments.budget_usd,
    )


def analyze(explorer: Explorer, arguments: Namespace) -> int:
    """Score the pictures of a folder, write the reports and print the leaderboard."""
    request = replace(_scoring(arguments), folder=str(arguments.folder))
    analysis.check(request)
    analysis.picture_files(arguments.folder)
    watcher = Watcher()
    _score(explorer, request, writable(arguments.output), watcher)
    return watcher.report_failures()


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


def identify(explorer: Explorer, arguments: Namespace) -> int:
    """Ask Civitai by their hashes whose the local files are, keep what it says, and print it."""
    explorer.fetcher.check_online()
    files = explorer.library.files()
    chosen = [_askable(files, name) for name in arguments.names] or unknown(files)
    identifier = Identifier(
        explorer.library, explorer.fetcher, explorer.storage.models, explorer.settings.root / "models"
    )
    findings: list[Finding] = []
    abandoned, thread = threading.Event(), ComputeThread()

    def work(tell: Tell) -> None:
        identifier.run(chosen, abandoned.is_set, tell, findings.append)

    watcher = Watcher(unit="files")
    try:
        for _ in watcher.follow("Looking up", thread.follow(work, abandoned)):
            pass
    finally:
        thread.close()
        for finding in findings:
            print(finding.sentence)
    if not chosen:
        watcher.console.print("Nothing to ask: name, base model and trigger words of every file are known.")
    return OK


def _askable(files: Sequence[ModelFile], name: str) -> ModelFile:
    for file in files:
        if file.name == name and can_be_asked(file):
            return file
    raise UnknownName("model file", name, [file.name for file in files if can_be_asked(file)])


def export(explorer: Explorer, arguments: Namespace) -> int:
    """Write the results of a run, or of a bundle, to one file."""
    if arguments.source:
        bundle = read_bundle(arguments.source)
        directions = {card.id: card.direction for card in explorer.metrics()}
        results, title, thumbnail = bundle.results(directions), bundle.manifest.title, None
    else:
        results, thumbnail = explorer.results(arguments.run), explorer.storage.thumbnail
        title = next((run.title for run in explorer.runs() if run.id == results.run), "")
    pictures = arguments.pictures and not arguments.source
    wanted = Export(arguments.format, arguments.table, pictures, title)
    export_results(results, wanted, arguments.output, thumbnail)
    print(arguments.output)
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


def _score(explorer: Explorer, request: AnalyzeRequest, output: Path, watcher: Watcher) -> None:
    for _ in watcher.follow("Scores  ", explorer.analyze(request)):
        pass
    results = explorer.results_for(request)
    results.write(output)
    _print_leaderboard(results)
    watcher.console.print(Text(f"Written to {output}: leaderboard.csv, scores.csv, scores.json"))


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
