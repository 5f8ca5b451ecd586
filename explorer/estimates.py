"""How long drawing will take: pure functions over measured speeds.

The unit is one pass of the denoiser over one picture. A picture takes its steps, twice
when it is guided; a larger one takes more in proportion to its pixels, which is a little
less than the truth for attention at large sizes.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from explorer.types import Recipe

LOADING = ""
"""The size under which the time to load a checkpoint is kept."""
USUAL_BYTES_PER_PIXEL = 1.5
"""Of a detailed picture as PNG; taken until pictures of one's own tell better."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What decides how long a picture takes; pictures of equal cost take equally long."""

    checkpoint: str
    """Hash of the checkpoint."""
    width: int
    height: int
    passes: int
    """Denoiser passes a picture."""

    @property
    def size(self) -> str:
        """As kept with the timings."""
        return f"{self.width}x{self.height}"


def cost_of(recipe: Recipe) -> Cost:
    """What a recipe costs."""
    passes = recipe.steps * (2 if recipe.guidance > 1 else 1)
    return Cost(recipe.checkpoint_hash, recipe.width, recipe.height, passes)


@dataclass(slots=True)
class Timings:
    """Measured seconds: of one pass by (checkpoint, size), and of loading by checkpoint."""

    passes: dict[tuple[str, str], float] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)

    def picture(self, cost: Cost) -> float | None:
        """Seconds a picture takes; None when nothing was measured on this device yet."""
        exact = self.passes.get((cost.checkpoint, cost.size))
        if exact is not None:
            return exact * cost.passes
        pixels = cost.width * cost.height
        rates = {key: seconds / _pixels(key[1]) for key, seconds in self.passes.items()}
        own = [rate for (checkpoint, _), rate in rates.items() if checkpoint == cost.checkpoint]
        if rates:
            return median(own or rates.values()) * pixels * cost.passes
        return None

    def loading(self, checkpoint: str) -> float:
        """Seconds to load a checkpoint; 0 when no loading was measured."""
        known = self.loads.get(checkpoint)
        return known if known is not None else median(self.loads.values() or [0.0])

    def over(self, older: "Timings") -> "Timings":
        """These timings, and older ones for what these say nothing of."""
        return Timings({**older.passes, **self.passes}, {**older.loads, **self.loads})


def seconds_left(todo: Mapping[Cost, int], to_load: Mapping[str, int], timings: Timings) -> float | None:
    """Seconds that work will take.

    Args:
        todo: How many pictures of each cost.
        to_load: How often each checkpoint must be loaded.
        timings: What was measured.

    Returns:
        None when nothing is known of some of it.
    """
    total = 0.0
    for cost, pictures in todo.items():
        each = timings.picture(cost)
        if each is None:
            return None
        total += each * pictures
    return total + sum(timings.loading(checkpoint) * times for checkpoint, times in to_load.items())


@dataclass(frozen=True, slots=True)
class Disk:
    """Room for pictures."""

    free_bytes: int
    bytes_per_pixel: float | None
    """Of the pictures made so far; None before the first one."""


@dataclass(frozen=True, slots=True)
class ModelPreview:
    """What a request takes of one model."""

    model: str
    cells: int
    there: int
    """Pictures that exist already."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would take, before it is started."""

    models: tuple[ModelPreview, ...]
    cells: int
    there: int
    seconds: float | None
    """Until all is drawn; None when nothing was ever measured on this device."""
    disk_bytes: int
    """What the missing pictures will take."""
    free_bytes: int

    @property
    def todo(self) -> int:
        """Pictures still to be drawn."""
        return self.cells - self.there

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self) | {"todo": self.todo}


def preview(recipes: Sequence[Recipe], there: Container[str], timings: Timings, disk: Disk) -> Preview:
    """Count what a plan asks for, and estimate what it takes.

    Args:
        recipes: Of every cell of the plan.
        there: Cells that have their picture.
        timings: What was measured on this device.
        disk: Room, and how large pictures are.
    """
    todo: defaultdict[str, Counter[Cost]] = defaultdict(Counter)
    cells: Counter[str] = Counter()
    pixels = 0
    for recipe in recipes:
        cells[recipe.model] += 1
        if recipe.cell not in there:
            todo[recipe.model][cost_of(recipe)] += 1
            pixels += recipe.width * recipe.height
    models = tuple(
        ModelPreview(model, count, count - todo[model].total(), _seconds(todo[model], timings))
        for model, count in cells.items()
    )
    every = sum(todo.values(), Counter[Cost]())
    return Preview(
        models,
        cells.total(),
        cells.total() - every.total(),
        _seconds(every, timings),
        round(pixels * (disk.bytes_per_pixel or USUAL_BYTES_PER_PIXEL)),
        disk.free_bytes,
    )


def _seconds(todo: Mapping[Cost, int], timings: Timings) -> float | None:
    return seconds_left(todo, dict.fromkeys({cost.checkpoint for cost in todo}, 1), timings)


@dataclass(slots=True)
class Forecast:
    """What is left of a piece of work, and how long that takes; learns while it is done."""

    measured: Timings = field(default_factory=Timings)
    """Of this work alone."""
    _known: Timings = field(default_factory=Timings)
    _todo: Counter[Cost] = field(default_factory=Counter)
    _to_load: Counter[str] = field(default_factory=Counter)
    _batches: dict[tuple[str, str], list[tuple[float, int]]] = field(default_factory=dict)

    def begin(self, recipes: Iterable[Recipe], known: Timings) -> None:
        """This is to be drawn, and so fast was it before."""
        self._known = known
        self._todo = Counter(cost_of(recipe) for recipe in recipes)
        self._to_load = Counter({cost.checkpoint for cost in self._todo})

    def loaded(self, checkpoint: str, seconds: float) -> None:
        """A checkpoint was loaded."""
        self.measured.loads[checkpoint] = seconds

    def drawn(self, recipes: Sequence[Recipe], seconds: float) -> None:
        """A batch of pictures of equal cost was drawn."""
        cost = cost_of(recipes[0])
        key = (cost.checkpoint, cost.size)
        batches = self._batches.setdefault(key, [])
        batches.append((seconds, len(recipes) * cost.passes))
        # The first batch after a load is slow: memory is taken and kernels are chosen. Until
        # there is a second one, it says at most that the model is faster than was expected.
        counted = batches[1:] or batches
        rate = sum(s for s, _ in counted) / sum(passes for _, passes in counted)
        expected = self.measured.over(self._known).picture(cost)
        if len(batches) == 1 and expected is not None:
            rate = min(rate, expected / cost.passes)
        self.measured.passes[key] = rate
        self.dropped(recipes)

    def dropped(self, recipes: Iterable[Recipe]) -> None:
        """These are no longer to be drawn."""
        for recipe in recipes:
            self._todo[cost_of(recipe)] -= 1
            # Its checkpoint is in memory, or will not get there.
            self._to_load.pop(recipe.checkpoint_hash, None)
        self._todo = +self._todo

    def seconds_left(self, elapsed: float = 0.0) -> float | None:
        """Seconds until all is done; None when nothing is known yet.

        Args:
            elapsed: How long the batch in hand has been drawn already.
        """
        left = seconds_left(self._todo, self._to_load, self.measured.over(self._known))
        return None if left is None else max(0.0, left - elapsed)


def _pixels(size: str) -> int:
    width, height = size.split("x")
    return int(width) * int(height)


def about(seconds: float) -> str:
    """A rough length of time, as a person would say it."""
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
