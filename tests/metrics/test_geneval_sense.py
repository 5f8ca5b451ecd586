"""On pictures that the bundled models draw: better trained models score higher."""

import random
from pathlib import Path
from statistics import fmean

import pytest
import torch

from metrics import Sample, ScoreOptions
from tests.metrics.counting import scored
from training.world import draw_scene

MODELS = ("shapes-base", "shapes-mid", "shapes-early")
PROMPTS = 16


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """One picture a model and prompt, drawn from the same noise."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging

    from metrics.runner import default_assets

    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("pictures")
    rng = random.Random(77)
    prompts = [draw_scene(rng, ["single", "count", "pair"]).caption for _ in range(PROMPTS)]
    samples = []
    for model in MODELS:
        path = default_assets() / "models" / model
        pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        images = pipe(
            prompt=list(prompts),
            generator=[torch.Generator().manual_seed(seed) for seed in range(PROMPTS)],
            num_inference_steps=10,
            guidance_scale=1.5,
            height=128,
            width=128,
        ).images
        for seed, (prompt, image) in enumerate(zip(prompts, images, strict=True)):
            path = Path(folder / f"{model} {seed}.png")
            image.save(path)
            samples.append(Sample(path.name, path, prompt, None, model, seed))
    return samples


def test_models_are_in_the_order_of_their_training(pictures: list[Sample], options: ScoreOptions) -> None:
    found = scored(pictures, ["geneval", "geneval_overall"], options)
    of_pictures = [event for event in found if event.metric == "geneval"]
    assert all(event.score.value is not None for event in of_pictures), [e.score.reason for e in of_pictures]
    means = [
        fmean(event.score.value or 0.0 for event in of_pictures if event.sample.model == model)
        for model in MODELS
    ]
    base, mid, early = means
    assert base > mid + 0.1
    assert mid > early + 0.1
    overall = {event.sample.model: event.score.value for event in found if event.metric == "geneval_overall"}
    assert sorted(MODELS, key=lambda model: -(overall[model] or 0.0)) == list(MODELS)
