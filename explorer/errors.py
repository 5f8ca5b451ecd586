"""The error tree. Every message is one plain sentence that says what to do.

ExplorerError                 anything a person can act on; shown without a traceback
├── InvalidRequest            an argument is unusable (the command line exits with 2)
│   ├── UnknownName           no such model, suite, sampler, metric ...; names near matches
│   └── SuiteError            a suite file is wrong; names the file and the line
├── ModelError                a model cannot be loaded or drew nothing usable
├── DownloadError             a model was not fetched; what arrived is kept where it can be used
│   └── AccessRefused         the site wants to know who asks: a token, terms, early access
├── StorageError              the workspace cannot be read or written
│   └── DiskFull              no space left; what was finished is safe
└── Cancelled                 the person stopped the work; not a failure
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ExplorerError(Exception):
    """Something a person can act on. The text is shown to them as it is."""


class InvalidRequest(ExplorerError):
    """An argument is unusable; nothing was started."""


class UnknownName(InvalidRequest):
    """A name that does not exist, with the nearest names that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Compose the message.

        Args:
            kind: What was looked for, such as "model" or "suite".
            name: What the person wrote.
            known: Every name that would have been right.
        """
        known = sorted(set(known))
        near = get_close_matches(name.casefold(), [k.casefold() for k in known], n=3, cutoff=0.5)
        matches = [k for k in known if k.casefold() in near]
        if matches:
            hint = f"Did you mean {' or '.join(matches)}?"
        elif known:
            shown = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
            hint = f"There is: {shown}."
        else:
            hint = f"There is no {kind} yet."
        super().__init__(f"Unknown {kind} {name!r}. {hint}")


class SuiteError(InvalidRequest):
    """A prompt suite that cannot be used."""


class ModelError(ExplorerError):
    """A model that cannot be loaded, or whose pictures are unusable."""


class DownloadError(ExplorerError):
    """A model that was not fetched."""


class AccessRefused(DownloadError):
    """A site that gives a model only to some people; a token may help."""


class StorageError(ExplorerError):
    """The workspace cannot be read or written."""


class DiskFull(StorageError):
    """No space is left on the disk of the workspace."""


class Cancelled(ExplorerError):
    """The person stopped the work."""
