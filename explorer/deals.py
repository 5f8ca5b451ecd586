"""Deals the next pictures to a voter: what `pairing` finds worth asking, in an order nobody can tell."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from explorer.ballots import KINDS, Entrant, PairRequest, Topic
from explorer.candidates import Candidates
from explorer.errors import InvalidRequest
from explorer.pairing import choose_cell, choose_models, worth
from explorer.ratings import Floats
from explorer.types import Recipe

ATTEMPTS = 5
"""Deals before giving up on pictures that are not on the disk."""
REPEAT_SHARE = 0.05
"""How often a voter is asked again, to see how steady the answers are."""
REPEAT_AFTER = 10
"""Votes before the first repetition, and between a pair and its own."""
MAX_BEST = 6
NOTHING = (
    "There is nothing to vote on here yet: it takes pictures of two models for the same prompt and seed "
    "in one run. Draw a run with two models in Generate, or choose less narrowly."
)
SEEN_ALL = "You have seen every pair here. Choose more models, another run, or every category."


class Seen(NamedTuple):
    """Two pictures that a voter has been shown."""

    first: str
    second: str
    repeatable: bool
    """Whether the voter gave an answer that stands."""


@dataclass(slots=True)
class Dealer:
    """Deals for one request. `run` is that of what was dealt last."""

    index: Candidates
    wins: Floats
    """Points of the models against each other."""
    asked: Mapping[str, int]
    """How many votes each prompt has."""
    seen: Sequence[Seen]
    """What this voter was shown, oldest first."""
    request: PairRequest
    run: str = ""
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(secrets.randbits(128)))

    def deal(self) -> tuple[Entrant, ...]:
        """Pictures in the order in which they are to be shown.

        Raises:
            InvalidRequest: There are none, or the voter has seen them all.
        """
        if self.request.kind not in KINDS:
            raise InvalidRequest(f"Choose one of {', '.join(KINDS)}.")
        if self.request.kind == "rate":
            dealt = [self._one()]
        elif self.request.kind == "best":
            dealt = self._several()
        else:
            dealt = self._again() or self._two()
        self.run = self.index.contenders[dealt[0]].run
        self.random.shuffle(dealt)  # sides say nothing
        return tuple(self.index.entrant(place) for place in dealt)

    def _two(self) -> list[int]:
        seen = {frozenset((each.first, each.second)) for each in self.seen}
        shared = self.index.shared.copy()
        if not shared.any():
            raise InvalidRequest(NOTHING)
        value = worth(self.wins)
        while (models := choose_models(value, shared, self.random)) is not None:
            _, left, right = self.index.common(*models)
            place = choose_cell(left, right, self.index, self.asked, seen, self.random)
            if place is not None:
                return [int(left[place]), int(right[place])]
            shared[models] = shared[models[::-1]] = 0  # this voter has seen all of these two
        raise InvalidRequest(SEEN_ALL)

    def _several(self) -> list[int]:
        """A cell of two models worth asking about, with others that have a picture there."""
        count = self.request.count
        if not 2 <= count <= MAX_BEST:
            raise InvalidRequest(f"Choose the best of 2 to {MAX_BEST} models.")
        if not self.index.shared.any():
            raise InvalidRequest(NOTHING)
        models = choose_models(worth(self.wins), self.index.shared, self.random)
        assert models is not None  # noqa: S101 (some two can meet, and every pair is worth something)
        cells, left, right = self.index.common(*models)
        place = choose_cell(left, right, self.index, self.asked, set(), self.random)
        place = 0 if place is None else place
        two = [int(left[place]), int(right[place])]
        others = [int(each) for each in self.index.at_cell(int(cells[place])) if each not in two]
        self.random.shuffle(others)
        return [*two, *others[: count - 2]]

    def _one(self) -> int:
        """A picture of any model, each model as often as the others."""
        if not self.index.pictures:
            raise InvalidRequest(NOTHING)
        model = int(self.random.integers(len(self.index.hashes)))
        return int(self.index.picture[self.random.integers(*self.index.start[model : model + 2])])

    def _again(self) -> list[int]:
        """Now and then, a pair that this voter has answered before; empty mostly."""
        old = [each for each in self.seen[:-REPEAT_AFTER] if each.repeatable]
        if not old or self.random.random() >= REPEAT_SHARE:
            return []
        wanted = old[int(self.random.integers(len(old)))]
        found = [self.index.places.get(image) for image in (wanted.first, wanted.second)]
        return [place for place in found if place is not None] if None not in found else []


def topic_of(recipe: Recipe, run: str) -> Topic:
    """What a picture's showing is about."""
    return Topic(recipe.prompt, recipe.prompt_id, recipe.suite, recipe.category, recipe.seed, run)
