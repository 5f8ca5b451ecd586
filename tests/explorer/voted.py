"""Runs to vote on, and voters who know how good each model is."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image as Pillow

from explorer.ballots import Entrant, Outcome, Topic, Vote
from explorer.plans import digest
from explorer.ratings import Tally
from explorer.storage import RunRecord, Storage
from explorer.types import Image
from tests.explorer.test_recipes import make_recipe


def run_of(
    storage: Storage,
    models: Sequence[str],
    prompts: int = 4,
    seeds: int = 1,
    *,
    size: tuple[int, int] = (64, 64),
) -> list[Image]:
    """A run with a real picture for every cell, each of another colour."""
    images = []
    for model in models:
        for index in range(prompts):
            for seed in range(seeds):
                recipe = make_recipe(
                    model=model,
                    model_hash=digest(["model", model]),
                    prompt=f"prompt {index}",
                    prompt_id=f"p{index}",
                    seed=seed,
                    category=f"category {index % 2}",
                    cell=digest([model, index, seed]),
                )
                shade = int(digest([model, index, seed])[:6], 16)
                colour = (shade >> 16, shade >> 8 & 255, shade & 255)
                images.append(storage.save_image(Pillow.new("RGB", size, colour), recipe))
    cells = tuple(image.recipe.cell for image in images)
    run = digest(sorted(cells))[:16]
    storage.save_run(RunRecord(run, " vs ".join(models), tuple(models), "animals", ("x",), {}, cells))
    return images


def ballot(
    number: int,
    models: tuple[str, str],
    outcome: Outcome,
    *,
    voter: str = "ann",
    prompt: str = "",
    images: tuple[str, str] | None = None,
) -> Vote:
    """A vote on two models; without `images`, on pictures that no other vote is on."""
    names = images or (f"{number}-{models[0]}", f"{number}-{models[1]}")
    first, second = (
        Entrant(digest(["picture", name]), model, digest(["model", model]))
        for name, model in zip(names, models, strict=True)
    )
    topic = Topic(prompt or f"prompt {number % 7}", "p", "suite", "category", 1, "run")
    moment = f"2026-01-01T00:00:00.{number:06}+00:00"
    return Vote(f"b{number}", 0, f"s{number}", "pair", voter, topic, first, second, outcome, moment)


def tournament(
    strengths: Mapping[str, float],
    votes: int,
    random: np.random.Generator,
    *,
    prompts: int = 30,
    ties: float = 0.2,
) -> Tally:
    """Votes that follow Bradley-Terry, with ties; strengths in natural units."""
    names, values = tuple(strengths), np.array(list(strengths.values()))
    size = len(names)
    prompt = np.unique(random.integers(0, prompts, votes), return_inverse=True)[1]
    first = random.integers(0, size, votes)
    second = (first + random.integers(1, size, votes)) % size
    share = 1 / (1 + np.exp(values[second] - values[first]))
    tied = 2 * np.minimum(share, 1 - share) * ties
    drawn = random.random(votes)
    points = np.where(drawn < share - tied / 2, 1.0, np.where(drawn < share + tied / 2, 0.5, 0.0))
    return Tally(names, first, second, points, prompt.astype(np.int64))
