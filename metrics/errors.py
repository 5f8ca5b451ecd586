"""What can go wrong in the metrics library; every message is one line that says what to do.

MetricsError
├── UnknownMetric      no metric has this name
├── DuplicateMetric    two metrics claim one name
├── MissingWeights     the weights of a network are not on this computer
├── MissingKey         a service wants a key that is not there
├── NoReply            a service was asked and gave no reply
├── UnknownAnswerer    no answerer has this name
├── DeviceUnavailable  the chosen device does not exist here
└── BadImage           a file that gives no pixels

Interrupted is none of them: it carries a person's "stop" out of a long computation.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class MetricsError(Exception):
    """Any error a person can act on; `str(error)` is meant to be shown."""


class UnknownMetric(MetricsError):
    """No metric has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Say which names are near, or all of them when none is.

        Args:
            name: What was asked for.
            known: Every name there is.
        """
        self.name = name
        self.known = tuple(known)
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.7)
        offer = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(self.known)}."
        super().__init__(f"There is no metric named {name!r}; {offer}")


class DuplicateMetric(MetricsError):
    """Two metric classes claim the same name."""


class MissingWeights(MetricsError):
    """The weights of a network are not on this computer, or do not load."""


class MissingKey(MetricsError):
    """A service wants a key, and there is none, or none that may be sent."""


class NoReply(MetricsError):
    """A service was asked and gave no reply.

    Attributes:
        final: Whether everything else asked of it would end the same way.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        """Say why."""
        super().__init__(reason)
        self.final = final


class UnknownAnswerer(MetricsError):
    """No answerer has this name."""


class DeviceUnavailable(MetricsError):
    """The chosen device does not exist on this computer."""


class BadImage(MetricsError):
    """A file that gives no pixels."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file and the problem; `problem` ends with what to do about it."""
        self.path = path
        super().__init__(f"{path.name} {problem}")


class Interrupted(Exception):
    """The person stopped the work; never shown."""
