"""Reference sets: what a folder of good pictures looks like to a network, as one file to share.

Mean and covariance are all that a Frechet distance needs. A kernel distance compares single
pictures, which no few numbers stand for, so a fixed random choice of feature vectors is kept
too. No picture can be read from either.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from metrics.errors import MetricsError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

SUFFIX = ".safetensors"
MOST_KEPT = 2_000
"""How many feature vectors are kept for the kernel distance."""
_KEY = "reference_set"
_VERSION = 1
_CHOICE_SEED = 20_260_101
_ARRAYS = ("mean", "covariance", "features")


class BadReferenceSet(MetricsError):
    """A file that is no reference set, or one of another network."""


@dataclass(frozen=True)
class SetRecipe:
    """How a reference set was made; it can be compared with features made the same way only.

    Attributes:
        name: What it is called, such as its folder's name.
        backbone: Id of the network.
        revision: What identifies its weights.
        preprocessing: What identifies the way from pixels to the network.
        resolution: Side in pixels of the squares it saw.
        count: How many pictures.
    """

    name: str
    backbone: str
    revision: str
    preprocessing: str
    resolution: int
    count: int

    @property
    def sort(self) -> tuple[str, str, str]:
        """What must be equal for two sets to be compared."""
        return self.backbone, self.revision, self.preprocessing


@dataclass(frozen=True)
class Statistics:
    """A set of feature vectors, summed up.

    Attributes:
        count: How many there are.
        mean: Shape (features,).
        covariance: Unbiased; shape (features, features).
        features: A fixed random choice of them; shape (at most `MOST_KEPT`, features).
    """

    count: int
    mean: "Array"
    covariance: "Array"
    features: "Array"


class Gathering:
    """Takes feature vectors batch by batch; memory does not grow with their number."""

    def __init__(self) -> None:
        """Start empty."""
        self.count = 0
        self._mean: Any = 0.0
        self._spread: Any = 0.0
        self._kept: list[Any] = []
        self._chance = random.Random(_CHOICE_SEED)

    def add(self, rows: "Array") -> None:
        """Take some vectors; shape (rows, features). Their order decides which are kept."""
        if not len(rows):
            return
        # Chan et al. 1979: sums of squares around each batch's own mean lose no digits.
        mean = rows.mean(axis=0)
        around, apart = rows - mean, mean - self._mean
        total = self.count + len(rows)
        self._spread = self._spread + around.T @ around
        if self.count:
            self._spread = self._spread + (self.count * len(rows) / total) * (apart[:, None] * apart)
            self._mean = self._mean + apart * (len(rows) / total)
        else:
            self._mean = mean
        for row in rows:
            self._keep(row)

    def result(self) -> Statistics:
        """What was gathered; needs two vectors.

        Raises:
            BadReferenceSet: There are fewer than two.
        """
        import numpy as np

        if self.count < 2:
            raise BadReferenceSet("A reference set needs at least two pictures that can be read.")
        return Statistics(self.count, self._mean, self._spread / (self.count - 1), np.stack(self._kept))

    def _keep(self, row: "Array") -> None:
        """Reservoir sampling: in the end each vector is kept with the same chance."""
        self.count += 1
        if len(self._kept) < MOST_KEPT:
            self._kept.append(row.copy())
        elif (place := self._chance.randrange(self.count)) < MOST_KEPT:
            self._kept[place] = row.copy()


def summed_up(rows: "Array") -> Statistics:
    """The statistics of vectors that are all there; shape (rows, features)."""
    gathering = Gathering()
    gathering.add(rows)
    return gathering.result()


def write_set(path: Path, recipe: SetRecipe, found: Statistics) -> None:
    """Write a reference set; an old file is replaced when the new one is whole.

    Raises:
        BadReferenceSet: It cannot be written.
    """
    import numpy as np
    from safetensors.numpy import save

    arrays = {
        "mean": found.mean.astype(np.float64),
        "covariance": found.covariance.astype(np.float64),
        # Networks gave them in single precision.
        "features": found.features.astype(np.float32),
    }
    facts = json.dumps({"version": _VERSION, **asdict(recipe)})
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        part.write_bytes(save(whole, {_KEY: facts}))
        part.replace(path)
    except Exception as error:
        # safetensors has errors of its own for what the disk says.
        part.unlink(missing_ok=True)
        raise BadReferenceSet(
            f"The reference set cannot be written to {path}; choose another place."
        ) from error


def read_recipe(path: Path) -> SetRecipe:
    """How a stored set was made, from its header alone.

    Raises:
        BadReferenceSet: It is no reference set, or of a later version.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "np") as file:
            facts = json.loads((file.metadata() or {})[_KEY])
            shapes = [tuple(file.get_slice(name).get_shape()) for name in _ARRAYS]
        version = facts.pop("version")
        recipe = SetRecipe(**facts) if version == _VERSION else None
    except Exception as error:
        # safetensors has errors of its own; a foreign header lacks keys or has others.
        raise _not_one(path) from error
    if recipe is None:
        raise BadReferenceSet(f"{path.name} was made by a later version of this program; update it.")
    width = shapes[0]
    if len(width) != 1 or shapes[1] != width * 2 or shapes[2][1:] != width or not shapes[2][0]:
        raise _not_one(path)
    return recipe


def read_set(path: Path) -> tuple[SetRecipe, Statistics]:
    """A stored set.

    Raises:
        BadReferenceSet: It is no reference set, or holds numbers that are none.
    """
    import numpy as np
    from safetensors.numpy import load_file

    recipe = read_recipe(path)
    try:
        arrays = load_file(path)
    except Exception as error:
        raise _not_one(path) from error
    mean, covariance, features = (arrays[name].astype(np.float64) for name in _ARRAYS)
    if not all(bool(np.isfinite(array).all()) for array in (mean, covariance, features)):
        raise _not_one(path)
    return recipe, Statistics(recipe.count, mean, covariance, features)


def mismatch(recipe: SetRecipe, sort: Iterable[str]) -> str | None:
    """Why a stored set cannot be compared with features of a network; None if it can.

    Args:
        recipe: How the set was made.
        sort: Backbone, revision and preprocessing of the features.
    """
    names = ("another network", "other weights", "another way of preparing pictures")
    for name, theirs, ours in zip(names, recipe.sort, sort, strict=True):
        if theirs != ours:
            return (
                f"The reference set {recipe.name!r} was made with {name} ({theirs}, not {ours}); "
                "make it again from its pictures, or choose the tier it was made with."
            )
    return None


def _not_one(path: Path) -> BadReferenceSet:
    return BadReferenceSet(
        f"{path.name} is no reference set; make one with `python benchmark_app.py reference FOLDER`."
    )
