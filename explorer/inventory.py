"""What was chosen to be analyzed, in numbers, before anything is scored.

A mean over models with different numbers of pictures, over blank pictures, or over two
settings under one name looks like any other mean. HEIM (Lee et al. 2023) reports such counts
beside every score; here they are told before there is one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image as Pillow

from explorer.types import Image, Recipe
from metrics import blank_kind

DECODED = 400
"""So many pictures at most are opened to see whether they are blank, the smallest files first."""
_SUSPECT = 0.35
"""Bytes a pixel. A PNG of one colour has a hundredth of this, a photograph four times as much."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Counts of chosen pictures, and what makes them hard to compare."""

    pictures: int
    models: dict[str, int]
    """Name -> pictures."""
    prompts: int
    without_prompt: int
    seeds: tuple[int, int]
    """Fewest and most pictures of a (model, prompt)."""
    suite_prompts: int
    """Prompts that every model has."""
    blank: int
    """Black or one-coloured pictures among those that could be."""
    missing: int
    """Pictures whose file is gone."""
    mixed: tuple[str, ...]
    """What one name stands for twice: settings, sizes or files of a model."""

    @property
    def equal(self) -> bool:
        """Whether every model has the same number of pictures."""
        return len(set(self.models.values())) <= 1

    def warnings(self) -> list[str]:
        """What a person should know before believing a comparison."""
        told: list[str] = []
        if not self.equal:
            low, high = (pick(self.models, key=lambda name: self.models[name]) for pick in (min, max))
            told.append(
                f"Unequal numbers: {low} has {self.models[low]:,} pictures, {high} has "
                f"{self.models[high]:,}. "
                "Models are compared on the prompts that both have."
            )
        if len(self.models) > 1 and self.suite_prompts < self.prompts:
            told.append(f"Only {self.suite_prompts:,} of {self.prompts:,} prompts were drawn by every model.")
        if self.seeds[1] == 1:
            told.append("One picture a prompt: variety needs two seeds or more.")
        elif self.seeds[0] != self.seeds[1]:
            told.append(f"Between {self.seeds[0]} and {self.seeds[1]} pictures a prompt.")
        if self.without_prompt:
            told.append(
                f"{_count(self.without_prompt, 'picture')} without a known prompt: unscored by what reads it."
            )
        if self.blank:
            told.append(
                f"{'At least ' if self.blank >= DECODED else ''}{_count(self.blank, 'picture')} black or "
                f"of one "
                "colour. They count as what the model made."
            )
        if self.missing:
            told.append(f"{_count(self.missing, 'file')} not there any more: unscored.")
        return [*told, *self.mixed]


def take_inventory(images: Sequence[Image]) -> Inventory:
    """Count pictures; opens only files that are small enough to be blank."""
    per_prompt = Counter((image.recipe.model, image.recipe.prompt) for image in images)
    drawn_by: dict[str, set[str]] = defaultdict(set)
    for model, prompt in per_prompt:
        if prompt:
            drawn_by[prompt].add(model)
    models = Counter(image.recipe.model for image in images)
    numbers = [count for (_, prompt), count in per_prompt.items() if prompt]
    gone, blank = _look(images)
    return Inventory(
        pictures=len(images),
        models=dict(models),
        prompts=len(drawn_by),
        without_prompt=sum(not image.recipe.prompt for image in images),
        seeds=(min(numbers, default=0), max(numbers, default=0)),
        suite_prompts=sum(len(drawers) == len(models) for drawers in drawn_by.values()),
        blank=blank,
        missing=gone,
        mixed=tuple(_mixed(image.recipe for image in images)),
    )


def _look(images: Iterable[Image]) -> tuple[int, int]:
    """How many files are gone, and how many pictures are blank."""
    gone, suspects = 0, list[tuple[float, Image]]()
    for image in images:
        try:
            size = image.path.stat().st_size
        except OSError:
            gone += 1
            continue
        density = size / (image.recipe.width * image.recipe.height or size)
        if density < _SUSPECT:
            suspects.append((density, image))
    suspects.sort(key=lambda suspect: suspect[0])
    return gone, sum(_is_blank(image) for _, image in suspects[:DECODED])


def _is_blank(image: Image) -> bool:
    try:
        with Pillow.open(image.path) as picture:
            return blank_kind(picture.convert("RGB")) is not None
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return False  # a damaged file is no blank picture; scoring says what is wrong with it


def _mixed(recipes: Iterable[Recipe]) -> list[str]:
    files: dict[str, set[str]] = defaultdict(set)
    settings: dict[str, set[str]] = defaultdict(set)
    sizes: dict[str, set[str]] = defaultdict(set)
    for recipe in recipes:
        if recipe.model_hash:
            files[recipe.model].add(recipe.model_hash)
        if recipe.steps:
            settings[recipe.model].add(f"{recipe.sampler}, {recipe.steps} steps, CFG {recipe.guidance:g}")
        sizes[recipe.model].add(f"{recipe.width} x {recipe.height}")
    told = [
        f"{name} names {len(hashes)} different models; they count as one here."
        for name, hashes in files.items()
        if len(hashes) > 1
    ]
    told += _several(settings)
    every = sorted(set().union(*sizes.values())) if sizes else []
    if len(every) > 1:
        told.append(
            f"Pictures of {len(every)} sizes ({', '.join(every[:3])}); metrics bring them to one size."
        )
    return told


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _several(settings: Mapping[str, set[str]]) -> list[str]:
    """One line for all models that were drawn with the same several settings."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, ways in settings.items():
        if len(ways) > 1:
            alike[tuple(sorted(ways))].append(name)
    told = []
    for several, names in alike.items():
        who = f"{names[0]} was" if len(names) == 1 else f"{len(names)} models were"
        told.append(f"{who} drawn with several settings, which count as one model: {'; '.join(several[:3])}.")
    return told
