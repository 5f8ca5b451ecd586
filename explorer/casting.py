"""From what a voter answers to the votes that are stored."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from explorer.ballots import MAX_STARS, Entrant, Outcome, Showing, Vote
from explorer.errors import InvalidRequest

OUTCOME_OF: dict[str, Outcome] = {
    "left": "first",
    "right": "second",
    "tie": "tie",
    "bad": "bad",
    "skip": "skip",
}
MAX_NAME = 40
_BALLOT = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a voter says about what was shown."""

    showing: str
    choice: str
    """A pair: left, right, tie, bad or skip. Best of N: the place of the best from 1, tie or skip.
    One picture: 1 to 5 stars, or skip."""
    voter: str = ""
    """Empty: whom it was shown to."""
    ballot: str = ""
    """Id of the vote, to be repeated on a retry; empty takes that of the showing, which does as well."""


def voter_name(text: str) -> str:
    """A nickname without what cannot be read, or an anonymous id where there is none."""
    name = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_NAME]
    return name or f"guest-{secrets.token_hex(3)}"


def votes_of(answer: Answer, showing: Showing, moment: str) -> list[Vote]:
    """The votes of an answer: one, or N - 1 for the best of N.

    Raises:
        InvalidRequest: The choice or the id is unusable.
    """
    ballot = answer.ballot or showing.id
    if not _BALLOT.fullmatch(ballot):
        raise InvalidRequest("A vote id is up to 80 letters, digits and . _ : - signs.")
    voter = voter_name(answer.voter) if answer.voter.strip() else showing.voter
    judge = {"pair": _pair, "best": _best, "rate": _rating}[showing.kind]
    return [
        Vote(
            ballot=ballot,
            number=number,
            showing=showing.id,
            kind=showing.kind,
            voter=voter,
            topic=showing.topic,
            first=judged.first,
            second=judged.second,
            outcome=judged.outcome,
            created=moment,
            stars=judged.stars,
        )
        for number, judged in enumerate(judge(answer.choice, showing.entrants))
    ]


class _Judged(NamedTuple):
    first: Entrant
    second: Entrant | None
    outcome: Outcome
    stars: int | None = None


def _pair(choice: str, entrants: Sequence[Entrant]) -> list[_Judged]:
    if choice not in OUTCOME_OF:
        raise InvalidRequest(f"Choose one of {', '.join(OUTCOME_OF)}.")
    return [_Judged(entrants[0], entrants[1], OUTCOME_OF[choice])]


def _best(choice: str, entrants: Sequence[Entrant]) -> list[_Judged]:
    """The best one wins against each of the others; among those nothing was said."""
    if choice in ("tie", "skip"):
        return [_Judged(entrants[0], other, OUTCOME_OF[choice]) for other in entrants[1:]]
    count = len(entrants)
    place = _number(choice, count, f"Choose the place of the best one, 1 to {count}, tie or skip.")
    best = entrants[place - 1]
    return [_Judged(best, other, "first") for other in entrants if other is not best]


def _rating(choice: str, entrants: Sequence[Entrant]) -> list[_Judged]:
    if choice == "skip":
        return [_Judged(entrants[0], None, "skip")]
    stars = _number(choice, MAX_STARS, f"Give 1 to {MAX_STARS} stars, or skip.")
    return [_Judged(entrants[0], None, "stars", stars)]


def _number(choice: str, largest: int, otherwise: str) -> int:
    if not choice.isascii() or not choice.isdigit() or not 1 <= int(choice) <= largest:
        raise InvalidRequest(otherwise)
    return int(choice)
