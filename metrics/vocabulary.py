"""The words of the bundled networks: what they were never shown, they cannot judge."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from metrics.base import Sample
from metrics.errors import MissingWeights

VOCABULARY_FILE = "vocabulary.txt"
NAMED_WORDS = 3
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def unknown_words(assets: Path, text: str) -> list[str]:
    """The words of a text that no bundled network was taught, each once, in order.

    Raises:
        MissingWeights: The list of words is not there.
    """
    known = _words(assets / "clip" / VOCABULARY_FILE)
    return [word for word in dict.fromkeys(_WORD.findall(text.lower())) if word not in known]


def refuse_foreign(samples: Sequence[Sample], assets: Path, network: str) -> str | None:
    """Why pictures of these prompts mean nothing to a bundled network; None if they do.

    Args:
        samples: The images of a unit.
        assets: Folder of the bundled networks.
        network: The network's name for people, such as "CLIP".

    Raises:
        MissingWeights: The list of words is not there.
    """
    prompts = dict.fromkeys(sample.prompt for sample in samples)
    if any(not prompt.strip() for prompt in prompts):
        return (
            f"The bundled {network} knows the bundled drawn world only, and the prompt of this picture is "
            "not known; choose the standard tier."
        )
    unknown = list(dict.fromkeys(word for prompt in prompts for word in unknown_words(assets, prompt)))
    if not unknown:
        return None
    named = ", ".join(repr(word) for word in unknown[:NAMED_WORDS])
    more = f" and {len(unknown) - NAMED_WORDS} more" if len(unknown) > NAMED_WORDS else ""
    return f"The bundled {network} was never taught {named}{more}; choose the standard tier."


@lru_cache(maxsize=4)
def _words(file: Path) -> frozenset[str]:
    try:
        return frozenset(file.read_text("utf-8").lower().split())
    except OSError as error:
        raise MissingWeights(
            f"The bundled networks lack {file.name}; restore the folder assets/{file.parent.name} "
            "or choose the standard tier."
        ) from error
