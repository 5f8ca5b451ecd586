"""What is told while the program works; the page, the command line and jobs read the same."""

from dataclasses import dataclass

from explorer.types import Image, ScoreRow


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is. `step` of `steps` is inside the batch in flight."""

    done: int
    total: int
    message: str = ""
    seconds_left: float | None = None
    step: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class ImageDone:
    """A picture is whole on disk and in the index."""

    image: Image
    new: bool
    """False when it had been there already."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score was stored."""

    image: Image
    score: ScoreRow
    cached: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A cell that has no picture, with the reason."""

    cell: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelDone:
    """A model was fetched and is whole in the workspace."""

    name: str
    kind: str
    """checkpoint or lora, by what is inside."""
    new: bool
    """False when it had been there already."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing that is no failure, such as a prompt cut short."""

    text: str


Event = Progress | ImageDone | Scored | ModelDone | Failed | Notice


def time_left(seconds: float | None) -> str:
    """A rough time, as a person would say it."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 90:
        return f"about {round(seconds / 5) * 5} seconds left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes left"
    return f"about {seconds / 3600:.1f} hours left"
