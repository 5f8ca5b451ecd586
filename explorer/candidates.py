"""Which pictures may meet in the arena: two models, one run, the same prompt and seed.

The pictures are numbers in arrays, sorted by model, so that a pair out of 100,000 pictures is
found without a look at the rest.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from explorer.ballots import Entrant, Scope
from explorer.vote_store import Contender

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The pictures of a scope. A cell is one prompt and seed of one run, the same for all models."""

    contenders: Sequence[Contender]
    hashes: tuple[str, ...]
    """Of the models, by their number."""
    names: tuple[str, ...]
    cell: Whole
    """Number of the cell of each picture, ascending within a model."""
    picture: Whole
    """Place among `contenders`, in the same order."""
    start: Whole
    """Where each model's pictures begin in both; one more at the end."""
    places: Mapping[str, int]
    """Place among `contenders` of each picture, by its id; the last one of those in several runs."""
    shared: Whole
    """How many cells every two models have in common, shape (models, models), 0 on the diagonal."""

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(self.picture)

    def common(self, first: int, second: int) -> tuple[Whole, Whole, Whole]:
        """The cells that two models have in common: their numbers, and where each one's pictures are."""
        own = slice(self.start[first], self.start[first + 1])
        other = slice(self.start[second], self.start[second + 1])
        cells, left, right = np.intersect1d(
            self.cell[own], self.cell[other], assume_unique=True, return_indices=True
        )
        return np.asarray(cells), self.picture[own][left], self.picture[other][right]

    def at_cell(self, cell: int) -> Whole:
        """Places among `contenders` of all pictures of a cell, one a model."""
        return np.asarray(self.picture[self.cell == cell])

    def entrant(self, place: int) -> Entrant:
        """A picture by its place."""
        contender = self.contenders[place]
        return Entrant(contender.image, contender.model, contender.model_hash)


def candidates(contenders: Sequence[Contender], scope: Scope) -> Candidates:
    """The pictures of a scope that may meet, as arrays.

    A model that has several pictures of one prompt and seed in one run (other steps, say, or an
    import whose seeds are unknown) brings its first one against the first ones of the others,
    its second one against the second ones.

    Args:
        contenders: Every picture of every run, in the order of the plans.
        scope: Which of them.
    """
    within = [i for i, contender in enumerate(contenders) if _matches(contender, scope)]
    chosen = [contenders[i] for i in within]
    model, hashes = _numbers(c.model_hash for c in chosen)
    cell = _cells(chosen)
    order = np.lexsort((cell, model))
    start = np.searchsorted(model[order], np.arange(len(hashes) + 1))
    size = (int(cell.max()) + 1 if cell.size else 0, len(hashes))
    present = csr_array((np.ones(len(cell), dtype=np.int64), (cell, model)), shape=size)
    shared = np.asarray((present.T @ present).todense()) if cell.size else np.zeros((0, 0), dtype=np.int64)
    np.fill_diagonal(shared, 0)
    places = np.asarray(within, dtype=np.int64)[order] if within else np.zeros(0, dtype=np.int64)
    keys = tuple(str(key) for key in hashes)
    by_id = {contenders[i].image: i for i in within}
    names = display_names(chosen, keys)
    return Candidates(contenders, keys, names, cell[order], places, start, by_id, shared)


def _matches(contender: Contender, scope: Scope) -> bool:
    return (
        (not scope.run or contender.run == scope.run)
        and (not scope.suite or contender.suite == scope.suite)
        and (not scope.category or contender.category == scope.category)
        and (not scope.models or contender.model in scope.models)
    )


def _cells(chosen: Sequence[Contender]) -> Whole:
    places: dict[Hashable, int] = {}
    keys: list[Hashable] = []
    for c in chosen:
        own = (c.run, c.model_hash, c.prompt, c.seed)
        places[own] = copy = places.get(own, -1) + 1
        keys.append((c.run, c.prompt, c.seed, copy))
    return _numbers(keys)[0]


def _numbers(keys: Iterable[Hashable]) -> tuple[Whole, list[Hashable]]:
    """A number for each key, equal for equal ones, and the keys in the order of their numbers."""
    known: dict[Hashable, int] = {}
    numbers = [known.setdefault(key, len(known)) for key in keys]
    return np.asarray(numbers, dtype=np.int64), list(known)


def display_names(entrants: Iterable[Contender | Entrant], hashes: Sequence[str]) -> tuple[str, ...]:
    """A name for each model hash; two contents under one name are told apart by their hash."""
    named: dict[str, str] = {}
    for each in entrants:
        named[each.model_hash] = each.model  # the newest name of a renamed file
    names = [named.get(key, key[:12]) for key in hashes]
    return tuple(
        f"{name} ({key[:6]})" if names.count(name) > 1 else name
        for name, key in zip(names, hashes, strict=True)
    )
