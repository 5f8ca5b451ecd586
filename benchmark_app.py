"""The door: arguments -> settings -> Explorer -> serve the page, or run headless.

python benchmark_app.py                       the page on 127.0.0.1:7860
python benchmark_app.py run --models A B ...  generate, score, report
python benchmark_app.py --help                everything else
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, get_args

if TYPE_CHECKING:
    from explorer import Settings

UNUSABLE, STOPPED = 2, 130


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text before it."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave with status 2."""
        self.exit(UNUSABLE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    from explorer import cli_import, cli_questions, cli_queue, cli_reference
    from explorer.exports import FORMATS
    from explorer.reports import TABLES
    from explorer.requests import Sampling, SettingsChoice
    from explorer.samplers import sampler_names
    from explorer.types import Tier

    parser = OneLineParser(prog="benchmark_app.py", description="Compare image models, with numbers.")
    commands = parser.add_subparsers(dest="command", parser_class=OneLineParser)
    serve = commands.add_parser("serve", help="the page (also without any command)")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (7860)")

    run = commands.add_parser("run", help="generate, score and report without a page")
    run.add_argument("--plan", type=Path, metavar="FILE", help="a plan (YAML), instead of all but --output")
    run.add_argument("--models", nargs="+", default=[], metavar="MODEL[+LORA:WEIGHT]")
    run.add_argument("--suite", default="", help="id, or ./path of a YAML file")
    run.add_argument("--seeds", type=int, default=2, help="pictures a prompt (2)")
    run.add_argument("--first-seed", type=int, default=0)
    defaults = Sampling()
    run.add_argument(
        "--settings",
        default="same",
        choices=get_args(SettingsChoice),
        help="own: each model with the sampler, steps and guidance its maker recommends (same)",
    )
    run.add_argument("--sampler", default=defaults.sampler, help=", ".join(sampler_names()))
    run.add_argument("--steps", type=int, default=defaults.steps)
    run.add_argument("--guidance", type=float, default=defaults.guidance)
    run.add_argument("--width", type=int, help="pixels (the model's own size)")
    run.add_argument("--height", type=int, help="pixels (the model's own size)")
    run.add_argument("--clip-skip", type=int, default=1, help="as in A1111; 1 is the model's own layer")
    run.add_argument("--long-prompts", action="store_true", help="read prompts past 77 tokens")
    run.add_argument("--weighting", action="store_true", help="read (a red hat:1.3) and hat++ as weights")
    run.add_argument("--negative", default="", help="negative prompt")
    run.add_argument(
        "--trigger-words",
        action="store_true",
        help="put the trigger words of a model's LoRAs before its prompts",
    )
    run.add_argument("--batch-size", type=int, help="pictures drawn together (the device decides)")

    analyze = commands.add_parser("analyze", help="score the pictures of a folder")
    analyze.add_argument("folder", type=Path)
    for command in (run, analyze):
        command.add_argument("--metrics", nargs="+", default=["clip_score"], metavar="METRIC")
        command.add_argument("--tier", default="bundled", help=", ".join(get_args(Tier)))
        command.add_argument("--download", action="store_true", help="fetch the networks that are missing")
        command.add_argument(
            "--reference", type=Path, metavar="PATH", help="good pictures to compare folders with, or a set"
        )
        command.add_argument(
            "--answerer",
            default="",
            metavar="NAME",
            help="what answers questions: local:NAME, gemini[:MODEL] or openai:MODEL (that of the tier)",
        )
        command.add_argument("--answerer-url", metavar="URL", help="where that service is")
        command.add_argument("--budget", type=int, metavar="N", help="most requests to that service")
        command.add_argument("--budget-usd", type=float, metavar="DOLLARS", help="most money for them")
        command.add_argument("--output", type=Path, required=True, metavar="DIR")

    export = commands.add_parser("export", help="write the results of a run to a file")
    export.add_argument("--format", required=True, choices=FORMATS)
    export.add_argument("--output", type=Path, required=True, metavar="FILE")
    export.add_argument("--table", choices=TABLES, default="leaderboard", help="of CSV and Parquet")
    export.add_argument("--run", default="", help="id of the run (the latest)")
    export.add_argument("--from", dest="source", type=Path, metavar="BUNDLE", help="a bundle, not a run")
    export.add_argument(
        "--no-pictures", dest="pictures", action="store_false", help="a bundle of numbers and recipes only"
    )

    fetch = commands.add_parser("fetch", help="get a model from Hugging Face or Civitai")
    fetch.add_argument(
        "source", help="hf:owner/name[/file], civitai:ID[@VERSION], or the address of its page"
    )
    fetch.add_argument(
        "--file", action="append", default=[], metavar="NAME", help="of several; may be repeated"
    )
    fetch.add_argument("--variant", default="", help="preferred precision, such as fp16")
    fetch.add_argument("--name", default="", help="what to call it here (its own name)")

    identify = commands.add_parser("identify", help="ask Civitai by their hash whose local files are")
    identify.add_argument(
        "names", nargs="*", metavar="NAME", help="model files (all of which too little is known)"
    )

    cli_queue.add_arguments(commands.add_parser("queue", help="look at the queue, steer it, work it off"))

    importing = commands.add_parser("import", help="take in pictures or a results bundle, as a run")
    cli_import.add_arguments(importing)

    reference = commands.add_parser("reference", help="make a folder of good pictures a set to compare with")
    cli_reference.add_arguments(reference)

    questions = commands.add_parser("questions", help="have a language model write what to ask about a suite")
    cli_questions.add_arguments(questions)

    for name in ("models", "suites", "metrics"):
        listing = commands.add_parser(name, help=f"list the {name}")
        listing.add_argument("--json", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    # Before gradio or huggingface_hub are imported: they read these once.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("explorer.worker").setLevel(logging.INFO)  # how fast jobs stopped

    from explorer.errors import Cancelled, ExplorerError, InvalidRequest

    try:
        return _dispatch(options)
    except (Cancelled, KeyboardInterrupt):
        print("\nStopped. What was finished is kept; the same command continues.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # The reader of our output left, as in `... | head`; not worth a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ExplorerError as error:
        print(f"benchmark_app.py: {error}", file=sys.stderr)
        return UNUSABLE if isinstance(error, InvalidRequest) else 1


def _dispatch(options: argparse.Namespace) -> int:
    from explorer import Explorer, cli, cli_import, cli_questions, cli_queue, cli_reference

    settings = _settings(options)
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when the Hub's library is imported
    explorer = Explorer(settings)
    try:
        if explorer.storage.damaged is not None:
            logging.getLogger(__name__).warning(
                "The index was damaged. It was kept as %s and made again from the pictures; "
                "earlier scores and jobs are not in it.",
                explorer.storage.damaged.name,
            )
        if options.command in (None, "serve"):
            from explorer.ui.app import serve

            serve(explorer)
            return 0
        commands = {
            "run": cli.run,
            "analyze": cli.analyze,
            "export": cli.export,
            "fetch": cli.fetch,
            "import": cli_import.import_pictures,
            "identify": cli.identify,
            "queue": cli_queue.queue,
            "reference": cli_reference.make_reference,
            "questions": cli_questions.write_questions,
            "models": cli.list_models,
            "suites": cli.list_suites,
            "metrics": cli.list_metrics,
        }
        return commands[options.command](explorer, options)
    finally:
        explorer.close()


def _settings(options: argparse.Namespace) -> "Settings":
    from pydantic import ValidationError

    from explorer import InvalidRequest, Settings

    given = {name: getattr(options, name, None) for name in ("host", "port")}
    if getattr(options, "answerer_url", None):
        service = "gemini_url" if options.answerer.startswith("gemini") else "openai_url"
        given[service] = options.answerer_url
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"The setting {name!r} is unusable: {first['msg']}.") from error


if __name__ == "__main__":
    sys.exit(main())
