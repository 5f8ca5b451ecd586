"""Reads a prompt without any network: what it names, in questions and as a scene.

It knows a list of words and a small grammar, takes sentences and comma-separated tags, and keeps
silent where it cannot tell. It never names a thing that the prompt does not.
"""

from functools import lru_cache

from metrics.parsing.asking import ask
from metrics.parsing.cleaning import clean
from metrics.parsing.description import Description
from metrics.parsing.grammar import read
from metrics.parsing.scenes import scene_of
from metrics.questions import Question, Scene

__all__ = ["describe", "parse_questions", "parse_scene", "plain_sentence"]


def describe(prompt: str) -> Description:
    """What a prompt says, as far as it is understood."""
    return read(clean(prompt))


@lru_cache(maxsize=1024)  # the same prompt is asked about for each of its pictures
def parse_questions(prompt: str) -> tuple[Question, ...]:
    """The questions about a picture of a prompt; none where nothing in it was understood."""
    return tuple(ask(describe(prompt)))


@lru_cache(maxsize=1024)
def parse_scene(prompt: str) -> Scene | None:
    """What a detector must find on a picture of a prompt; None where it names no thing."""
    return scene_of(describe(prompt))


def plain_sentence(prompt: str) -> str:
    """A prompt without the syntax of drawing programs, on one line."""
    return clean(prompt).sentence
