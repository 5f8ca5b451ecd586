"""Do the numbers mean what they say? On pictures that the bundled models draw."""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch

from metrics import Sample, ScoreOptions
from tests.metrics.counting import scored
from tests.metrics.drawn import COLORS, draw, prompt_of

PROMPTS = [
    f"a {color} {shape} on a white background" for color in ("red", "blue") for shape in ("circle", "star")
]
PROMPTS += ["two green squares on a white background", "a yellow cross on a black background"]
SEEDS = 2


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    """Pictures of the well-trained model and of the one stopped early, by model."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging

    from metrics.runner import default_assets

    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("pictures")
    samples: dict[str, list[Sample]] = {}
    for model in ("shapes-base", "shapes-early"):
        path = default_assets() / "models" / model
        pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        for prompt in PROMPTS:
            images = pipe(
                prompt=prompt,
                num_images_per_prompt=SEEDS,
                generator=[torch.Generator().manual_seed(seed) for seed in range(SEEDS)],
                num_inference_steps=20,
                guidance_scale=1.5,
                height=128,
                width=128,
            ).images
            for seed, image in enumerate(images):
                path = folder / f"{model} {prompt} {seed}.png"
                image.save(path)
                samples.setdefault(model, []).append(Sample(path.name, path, prompt, None, model, seed))
    return samples


def average(samples: list[Sample], metric: str, options: ScoreOptions) -> float:
    found = [event.score.value for event in scored(samples, [metric], options)]
    assert None not in found
    return mean(value or 0.0 for value in found)


def test_clip_score_ranks_the_well_trained_model_higher(
    pictures: dict[str, list[Sample]], options: ScoreOptions
) -> None:
    values = {model: average(samples, "clip_score", options) for model, samples in pictures.items()}
    assert values["shapes-base"] > values["shapes-early"] + 5


def test_clip_score_ranks_the_right_prompt_higher(
    pictures: dict[str, list[Sample]], options: ScoreOptions
) -> None:
    right = pictures["shapes-base"]
    wrong = [replace(s, prompt=PROMPTS[(PROMPTS.index(s.prompt) + 1) % len(PROMPTS)]) for s in right]
    assert average(right, "clip_score", options) > average(wrong, "clip_score", options) + 20


@pytest.mark.parametrize("metric", ["lpips_diversity", "ms_ssim_diversity", "vendi_prompt", "vendi"])
def test_different_pictures_are_more_varied_than_copies(
    pictures: dict[str, list[Sample]], options: ScoreOptions, metric: str
) -> None:
    samples = pictures["shapes-base"]
    copies = [replace(s, path=samples[SEEDS * (n // SEEDS)].path) for n, s in enumerate(samples)]
    if metric == "vendi":
        copies = [replace(s, path=samples[0].path) for s in samples]
    floor = 1.0 if metric.startswith("vendi") else 0.0
    assert average(copies, metric, options) == pytest.approx(floor, abs=1e-4)
    assert average(samples, metric, options) > floor + 0.02


def test_one_look_for_every_prompt_is_low_across_prompts(
    pictures: dict[str, list[Sample]], options: ScoreOptions
) -> None:
    samples = pictures["shapes-base"]
    same_look = [replace(s, path=samples[n % SEEDS].path) for n, s in enumerate(samples)]
    assert average(same_look, "cross_prompt_diversity", options) == 0.0
    assert average(same_look, "lpips_diversity", options) > 0.0
    assert average(samples, "cross_prompt_diversity", options) > 0.1


@pytest.mark.parametrize("metric", ["reference_similarity", "reference_ssim"])
def test_a_picture_is_most_like_one_of_the_same(tmp_path: Path, options: ScoreOptions, metric: str) -> None:
    """The same thing in the same place, a little lighter, against other colors."""
    from PIL import Image

    reference = draw(tmp_path / "reference.png", "red", 1)
    faded = Image.blend(Image.open(reference), Image.new("RGB", (128, 128), "white"), 0.1)
    faded.save(tmp_path / "near.png")
    near = Sample("near", tmp_path / "near.png", prompt_of("red"), references=(reference,))
    others = [
        Sample(color, draw(tmp_path / f"{color}.png", color, 4), prompt_of(color), references=(reference,))
        for color in COLORS
    ]
    assert average([near], metric, options) > max(average([s], metric, options) for s in others)
