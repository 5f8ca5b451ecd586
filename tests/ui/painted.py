"""A scored run of many models in seconds: pictures painted with known mistakes, real scores.

What a model "gets wrong" is drawn into its pictures, so that better models really are better
and the metrics have something to find.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as Pillow

from explorer import AnalyzeRequest, Explorer
from explorer.plans import digest
from explorer.storage import RunRecord
from explorer.types import Recipe
from tests.explorer.test_recipes import make_recipe
from training.render import render
from training.world import COLORS, KINDS, SHAPES, Scene, draw_scene

DIFFICULTIES = {"single": "easy", "place": "medium", "count": "medium", "relation": "hard", "pair": "hard"}
SIDE = 128


@dataclass(frozen=True)
class Painted:
    """What is to be painted.

    Attributes:
        models: Name -> share of its objects that have another colour or shape.
        prompts: How many; their categories take turns.
        seeds: How many pictures of each prompt.
        steps: Step numbers, of which each seed takes the next one; more of them help.
        blank: (model, prompt number) of pictures that are black.
    """

    models: dict[str, float]
    prompts: int = 6
    seeds: int = 2
    steps: Sequence[int] = (20,)
    blank: frozenset[tuple[str, int]] = frozenset()


def paint(explorer: Explorer, painted: Painted, metrics: Sequence[str] = ("clip_score",)) -> str:
    """Paint and score a run; returns its id."""
    cells = []
    for model, mistakes in painted.models.items():
        for number, scene in enumerate(_scenes(painted.prompts)):
            for seed in range(painted.seeds):
                recipe = _recipe(painted, model, number, scene, seed)
                rng = random.Random(f"{model}/{number}/{seed}")
                wrong = mistakes * 20 / recipe.steps
                picture = _picture(scene, rng, wrong)
                if (model, number) in painted.blank:
                    picture = Pillow.new("RGB", (SIDE, SIDE))
                explorer.storage.save_image(picture, recipe)
                cells.append(recipe.cell)
    run = digest(sorted(cells))[:16]
    title = f"{' vs '.join(list(painted.models)[:3])} painted"
    record = RunRecord(run, title, tuple(painted.models), "", KINDS, {}, tuple(cells))
    explorer.storage.save_run(record)
    for _ in explorer.analyze(AnalyzeRequest(tuple(metrics), run=run)):
        pass
    return run


def _scenes(count: int) -> list[Scene]:
    rng = random.Random(1)
    scenes: dict[str, Scene] = {}
    while len(scenes) < count:
        scene = replace(draw_scene(rng, [KINDS[len(scenes) % len(KINDS)]]), names_background=True)
        scenes.setdefault(scene.caption, scene)
    return list(scenes.values())


def _recipe(painted: Painted, model: str, number: int, scene: Scene, seed: int) -> Recipe:
    return make_recipe(
        model=model,
        model_hash=digest(model),
        loras=(),
        prompt=scene.caption,
        prompt_id=f"{scene.kind}-{number:02}",
        category=scene.kind,
        difficulty=DIFFICULTIES[scene.kind],
        negative="",
        suite="",
        seed=seed,
        steps=painted.steps[seed % len(painted.steps)],
        width=SIDE,
        height=SIDE,
        cell=digest([model, number, seed]),
    )


def _picture(scene: Scene, rng: random.Random, wrong: float) -> Pillow.Image:
    items = tuple(
        replace(
            item,
            color=rng.choice(list(COLORS)) if rng.random() < wrong else item.color,
            shape=rng.choice(SHAPES) if rng.random() < wrong else item.shape,
            x=item.x + rng.uniform(-6, 6),
            y=item.y + rng.uniform(-6, 6),
        )
        for item in scene.items
    )
    pixels = np.asarray(render(replace(scene, items=items), SIDE, 2), dtype=np.float64)
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 3 + 12 * wrong, pixels.shape)
    return Pillow.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
