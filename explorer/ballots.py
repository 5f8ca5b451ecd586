"""The nouns of the arena: votes, what is shown before one, and what is asked for.

A ballot is one act of a person. An A/B ballot is one vote; picking the best of N models is
N - 1 votes with one ballot; a rating of one picture is a vote without an opponent.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

Outcome = Literal["first", "second", "tie", "bad", "skip", "stars"]
"""Which of the two is better, both equally good, both bad, no answer, or a rating."""
Choice = Literal["left", "right", "tie", "bad", "skip"]
Kind = Literal["pair", "best", "rate"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CHOICES: tuple[Choice, ...] = get_args(Choice)
KINDS: tuple[Kind, ...] = get_args(Kind)

SCORES: Mapping[str, float] = {"first": 1.0, "second": 0.0, "tie": 0.5, "bad": 0.5}
"""What the first picture gets. Both bad says as little about which is better as a tie does."""
MAX_STARS = 5


@dataclass(frozen=True, slots=True)
class Entrant:
    """A picture that is voted on, and whose it is."""

    image: str
    """Id: SHA-256 of the file's bytes."""
    model: str
    model_hash: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What the pictures of one vote have in common."""

    prompt: str
    prompt_id: str = ""
    suite: str = ""
    category: str = ""
    seed: int = -1
    run: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer about two pictures, or a rating of one."""

    ballot: str
    """Id of the act; chosen by the voter's side, so that a repetition is known as one."""
    number: int
    """Place among the votes of the ballot."""
    showing: str
    """Id of what was shown; one showing takes one ballot."""
    kind: Kind
    voter: str
    topic: Topic
    first: Entrant
    """The left one."""
    second: Entrant | None
    """None for a rating."""
    outcome: Outcome
    created: str
    """ISO 8601, UTC."""
    stars: int | None = None
    """Of a rating, 1 to 5."""
    undone: str | None = None
    """When it was taken back; such a vote counts nowhere."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as exported."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The vote that `to_dict` wrote; unknown keys of a newer program are ignored."""
        known = {each.name: data[each.name] for each in fields(cls) if each.name in data}
        known["topic"] = Topic(**known["topic"])
        known["first"] = Entrant(**known["first"])
        known["second"] = Entrant(**known["second"]) if known.get("second") else None
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Showing:
    """What is shown to a voter: the server's own record, with everything a voter must not know."""

    id: str
    """Opaque: says nothing of what is shown."""
    kind: Kind
    voter: str
    topic: Topic
    entrants: tuple[Entrant, ...]
    """In the order in which they are shown."""
    created: str
    repeat: bool = False
    """Whether this voter has answered about the same pictures before."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a voter gets to see of a showing: nothing that tells whose the pictures are."""

    id: str
    kind: Kind
    prompt: str
    files: tuple[str, ...]
    """Names of the blind copies, in the order in which they are shown."""
    width: int
    height: int
    """Pixels of the largest copy."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which models, run and prompts are meant; empty takes all."""

    models: tuple[str, ...] = ()
    run: str = ""
    suite: str = ""
    category: str = ""
    without_voters: tuple[str, ...] = ()
    """Voters whose votes do not count."""


@dataclass(frozen=True, slots=True)
class PairRequest:
    """What a voter wants to see."""

    voter: str
    scope: Scope = field(default_factory=Scope)
    kind: Kind = "pair"
    count: int = 2
    """How many models, for `best`."""
    start_metric: str = ""
    """Where there are no votes yet, begin with the scores of this metric; empty begins with nothing."""
    ahead: bool = False
    """Whether to make the pair after this one meanwhile; for voters who will come again."""
    avoid: tuple[str, ...] = ()
    """Ids of showings that are on the voter's screen already."""
