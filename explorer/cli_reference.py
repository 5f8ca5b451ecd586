"""The headless `reference`: a folder of good pictures becomes a file to compare with."""

import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import get_args

import metrics
from explorer.api import Explorer
from explorer.cli import OK, Watcher
from explorer.compute import ComputeThread, Tell
from explorer.errors import Cancelled, InvalidRequest, UnknownName
from explorer.events import Progress
from explorer.types import Tier


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("folder", type=Path, help="of good pictures, at least 50")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="a .safetensors file, to keep and to share"
    )
    parser.add_argument("--tier", default="bundled", help=", ".join(get_args(Tier)))
    parser.add_argument("--download", action="store_true", help="fetch the network if it is missing")


def make_reference(explorer: Explorer, arguments: Namespace) -> int:
    """Look at the pictures of a folder, write the reference set and print its path."""
    if arguments.tier not in get_args(Tier):
        raise UnknownName("tier", arguments.tier, get_args(Tier))
    output: Path = arguments.output
    if output.suffix != metrics.REFERENCE_SUFFIX:
        raise InvalidRequest(f"A reference set is a {metrics.REFERENCE_SUFFIX} file; name it so.")
    settings, abandoned = explorer.settings, threading.Event()
    options = metrics.ScoreOptions(
        tier=arguments.tier,
        download=arguments.download and not settings.offline,
        endpoint=settings.hf_endpoint,
        device=settings.device,
        assets=settings.assets,
        cancel=abandoned.is_set,
    )
    said: list[str] = []

    def work(tell: Tell) -> None:
        try:
            for event in metrics.build_set(arguments.folder, output, options):
                if isinstance(event, metrics.Progress):
                    said.append(event.message)
                    tell(Progress(event.done, event.total, event.message, event.seconds_left))
                elif isinstance(event, metrics.BackboneLoading | metrics.Downloading):
                    tell(Progress(0, 0, event.message))
                elif isinstance(event, metrics.Stopped):
                    raise Cancelled("Stopped; no reference set was written.")
        except metrics.MetricsError as error:
            raise InvalidRequest(str(error)) from error

    watcher, thread = Watcher(unit="pictures"), ComputeThread()
    try:
        for _ in watcher.follow("Reference", thread.follow(work, abandoned)):
            pass
    finally:
        thread.close()
    watcher.console.print(said[-1], markup=False)
    print(output)
    return OK
