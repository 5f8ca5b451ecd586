"""The headless `questions`: a language model writes the questions about the prompts of a suite."""

from argparse import ArgumentParser, Namespace

from explorer.api import Explorer
from explorer.cli import Watcher
from explorer.question_writing import QuestionWriting


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of the command; keys come from the environment only."""
    parser.add_argument("suite", help="id, or ./path of a YAML file")
    parser.add_argument("--writer", required=True, metavar="NAME", help="gemini[:MODEL] or openai:MODEL")
    parser.add_argument("--budget", type=int, metavar="N", help="most requests to that service")
    parser.add_argument("--again", action="store_true", help="write stored questions anew")


def write_questions(explorer: Explorer, arguments: Namespace) -> int:
    """Write the questions that are lacking, list the replies that cannot be used, and print the folder."""
    writing = QuestionWriting(explorer.settings, arguments.writer, arguments.budget, arguments.again)
    events = writing.write(explorer.suite(arguments.suite))
    watcher = Watcher(unit="prompts")
    for _ in watcher.follow("Questions", events):
        pass
    print(explorer.settings.questions)
    return watcher.report_failures()
