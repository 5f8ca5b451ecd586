"""Votes as files: JSON lines that another workspace takes in, and CSV to read.

What is read may come from anywhere and is believed in nothing: types, lengths, names and the
make-up of every vote are checked before one is taken.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from explorer.ballots import MAX_STARS, Vote
from explorer.errors import InvalidRequest
from explorer.tabular import Kind, Table, json_text

MAX_VOTES = 1_000_000
MAX_LINE_BYTES = 100_000
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_OUTCOMES = {"pair": ("first", "second", "tie", "bad", "skip"), "best": ("first", "second", "tie", "skip")}


def votes_jsonl(votes: Iterable[Vote]) -> bytes:
    """One vote a line."""
    return b"".join(json_text(vote.to_dict()).encode(errors="replace") + b"\n" for vote in votes)


def votes_csv(votes: Iterable[Vote]) -> bytes:
    """One vote a row, for spreadsheets."""
    columns: dict[str, Kind] = {}
    for name in _COLUMNS:
        columns[name] = "whole" if name in ("number", "stars") else "text"
    rows = []
    for vote in votes:
        row: dict[str, Any] = {k: v for k, v in asdict(vote).items() if k not in ("topic", "first", "second")}
        row |= asdict(vote.topic) | {"seed": str(vote.topic.seed)}
        for place, entrant in (("first", vote.first), ("second", vote.second)):
            row |= {f"{place}_model": entrant.model if entrant else None}
            row |= {f"{place}_image": entrant.image if entrant else None}
        rows.append({name: row.get(name) for name in columns})
    return Table(columns, rows).csv()


_COLUMNS = (
    *("created", "voter", "kind", "outcome", "first_model", "second_model", "prompt", "prompt_id"),
    *("suite", "category", "seed", "run", "first_image", "second_image", "stars", "ballot", "number"),
    *("showing", "undone"),
)


def read_votes(data: bytes, name: str = "This file") -> list[Vote]:
    """The votes of a file that `votes_jsonl` wrote, every one checked.

    Raises:
        InvalidRequest: It is no such file; says which line is wrong.
    """
    votes = list(_parse(data, name))
    if not votes:
        raise InvalidRequest(f"{name} holds no votes.")
    return votes


def _parse(data: bytes, name: str) -> Iterator[Vote]:
    kinds = TypeAdapter(Vote)
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        wrong = f"{name} cannot be used: line {number} is no vote of this program."
        if number > MAX_VOTES or len(line) > MAX_LINE_BYTES:
            raise InvalidRequest(f"{name} cannot be used: line {number} is too much.")
        try:
            # The known fields only, so that a newer program's files can be read.
            vote = kinds.validate_json(json.dumps(Vote.from_dict(json.loads(line)).to_dict()), strict=True)
        except (ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidRequest(wrong) from error
        if not _sound(vote):
            raise InvalidRequest(wrong)
        yield vote


def _sound(vote: Vote) -> bool:
    entrants = [each for each in (vote.first, vote.second) if each is not None]
    moments = [moment for moment in (vote.created, vote.undone) if moment is not None]
    if vote.kind == "rate":
        made_up = vote.second is None and vote.outcome in ("stars", "skip")
        rated = vote.outcome == "skip" or (vote.stars is not None and 1 <= vote.stars <= MAX_STARS)
    else:
        made_up = vote.second is not None and vote.outcome in _OUTCOMES[vote.kind]
        rated = vote.stars is None
    return (
        made_up
        and rated
        and _ID.fullmatch(vote.ballot) is not None
        and _ID.fullmatch(vote.showing) is not None
        and 0 <= vote.number < 1_000
        and 1 <= len(vote.voter) <= 80
        and -(2**63) <= vote.topic.seed < 2**64
        and all(_HASH.fullmatch(each.image) and each.model and each.model_hash for each in entrants)
        and (vote.second is None or vote.first.image != vote.second.image)
        and all(_moment(moment) for moment in moments)
    )


def _moment(text: str) -> bool:
    try:
        return len(text) <= 40 and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
