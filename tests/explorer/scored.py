"""Pictures and scores for tests of statistics and exports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from explorer.plans import digest
from explorer.reports import Results
from explorer.statistics import leaderboard
from explorer.storage import RunRecord, Storage
from explorer.types import Image, ScoreRow
from metrics import CacheKey, Score
from tests.explorer.test_recipes import make_recipe


def picture(model: str, prompt: str, seed: int = 0, **changes: object) -> Image:
    recipe = make_recipe(model=model, prompt=prompt, prompt_id=prompt, seed=seed, **changes)
    name = f"{model}-{prompt}-{seed}"
    return Image(name, Path(f"{name}.png"), recipe, "2026-01-01")


def row(
    image: Image,
    value: float | None,
    metric: str = "m",
    *,
    level: str = "image",
    unit: tuple[str, ...] = (),
    detail: Mapping[str, Any] | None = None,
    revision: str = "r",
) -> ScoreRow:
    reason = None if value is not None else "no weights"
    parts = ("1", "b", revision, "p")
    return ScoreRow(image.id, metric, "bundled", value, reason, detail or {}, *parts, unit, level)


def scored(
    values: Mapping[str, Sequence[float | None]], metric: str = "m"
) -> tuple[list[Image], list[ScoreRow]]:
    """One picture a (model, prompt), prompts p0, p1, ..., with these values; None: no picture."""
    images, rows = [], []
    for model, of_prompts in values.items():
        for index, value in enumerate(of_prompts):
            if value is not None:
                images.append(picture(model, f"p{index}"))
                rows.append(row(images[-1], value, metric))
    return images, rows


def drawn_run(storage: Storage, prompts: int = 6, models: Sequence[str] = ("base", "tuned")) -> Results:
    """A run with real picture files and stored scores; each later model is 2 better on every prompt."""
    images = []
    for place, model in enumerate(models):
        for index in range(prompts):
            recipe = make_recipe(
                model=model,
                prompt=f"prompt {index} <b>&",
                prompt_id=f"p{index}",
                cell=digest([model, index]),
            )
            color = (40 * place + 20, 30 * index, 90)
            images.append(storage.save_image(Pillow.new("RGB", (64, 96), color), recipe))
    rows = []
    for index, image in enumerate(images):
        value = 20.0 + index % prompts + 2 * (index // prompts)
        rows.append(row(image, value, "clip_score", detail={"cosine": value / 100}))
    cells = tuple(image.recipe.cell for image in images)
    run = digest(sorted(cells))[:16]
    storage.save_run(RunRecord(run, "base vs tuned", tuple(models), "animals", ("animals",), {}, cells))
    storage.scores.put_many({cache_key(each): Score(each.value, None, each.detail) for each in rows})
    return Results(run, images, rows, leaderboard(images, rows, {"clip_score": "higher"}))


def cache_key(row: ScoreRow) -> CacheKey:
    """As an analysis here would have made it."""
    return CacheKey(
        image_hash=row.image_id,
        text_hash="t" * 64,
        metric=row.metric,
        metric_version=row.metric_version,
        tier=row.tier,
        backbone=row.backbone,
        revision=row.revision,
        preprocessing=row.preprocessing,
    )
