"""The question metrics on the bundled world: against drawn truth, and on what the bundled models draw."""

import random
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

import pytest

from explorer.suites import read_suite
from metrics import Sample, Score, ScoreOptions
from metrics.parsing import parse_questions
from metrics.questions import YES_NO
from metrics.runner import default_assets
from tests.fakes import PROJECT
from tests.metrics.counting import scored
from training.render import render
from training.world import draw_scene, is_held_out

METRICS = ["tifa", "dsg", "soft_tifa", "vqa_score"]
SCENES = 60

Found = dict[str, dict[str, Score]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Pictures of scenes that no network was trained on; every third has a held-out wording."""
    rng, folder = random.Random(2024), tmp_path_factory.mktemp("drawn")
    samples: list[Sample] = []
    while len(samples) < SCENES:
        scene = draw_scene(rng)
        if len(samples) % 3 == 0 and not is_held_out(scene):
            continue
        path = folder / f"{len(samples)}.png"
        render(scene).save(path)
        samples.append(Sample(path.name, path, scene.caption))
    return samples


def measure(samples: list[Sample]) -> Found:
    found: Found = {}
    for event in scored(samples, METRICS, ScoreOptions(assets=default_assets(), device="cpu")):
        found.setdefault(event.metric, {})[event.sample.key] = event.score
    return found


def average(found: Found, metric: str) -> float:
    values = [score.value for score in found[metric].values()]
    assert None not in values, [score.reason for score in found[metric].values() if score.reason]
    return mean(value or 0.0 for value in values)


@pytest.fixture(scope="module")
def right(drawn: list[Sample]) -> Found:
    return measure(drawn)


@pytest.fixture(scope="module")
def wrong(drawn: list[Sample]) -> Found:
    """The same pictures under the prompts of others."""
    return measure([replace(s, prompt=drawn[(n + 7) % SCENES].prompt) for n, s in enumerate(drawn)])


def test_a_picture_is_encoded_once_for_all_four(drawn: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    from metrics.answerers.blip import BlipAnswerer

    seen: list[int] = []
    see = BlipAnswerer.see

    def counting(self: BlipAnswerer, prepared: Sequence[Any]) -> list[Any]:
        seen.append(len(prepared))
        return see(self, prepared)

    monkeypatch.setattr(BlipAnswerer, "see", counting)
    found = measure(drawn[:5])
    assert {metric: len(scores) for metric, scores in found.items()} == dict.fromkeys(METRICS, 5)
    assert sum(seen) == 5


def test_answers_agree_with_what_was_drawn(right: Found) -> None:
    rows = [row for score in right["tifa"].values() for row in score.detail["questions"]]
    assert len(rows) > 4 * SCENES
    assert mean(row["right"] for row in rows) >= 0.9


@pytest.mark.parametrize(
    ("metric", "gap"), [("tifa", 0.4), ("dsg", 0.6), ("soft_tifa", 0.6), ("vqa_score", 0.7)]
)
def test_a_wrong_caption_scores_far_lower(right: Found, wrong: Found, metric: str, gap: float) -> None:
    assert average(right, metric) > average(wrong, metric) + gap


def test_always_yes_is_right_for_half_of_the_yes_or_no_questions(drawn: list[Sample]) -> None:
    asked = [q for sample in drawn for q in parse_questions(sample.prompt) if q.choices == YES_NO]
    assert mean(question.expected == "yes" for question in asked) == pytest.approx(0.5, abs=0.03)
    everything = [question for sample in drawn for question in parse_questions(sample.prompt)]
    assert mean(question.expected == "yes" for question in everything) < 0.5


MODELS = ("shapes-base", "shapes-mid", "shapes-early")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Scores of pictures that the bundled models draw with few steps, by model."""
    import torch
    from diffusers import StableDiffusionPipeline

    folder = tmp_path_factory.mktemp("generated")
    prompts = [prompt.text for prompt in read_suite(PROJECT / "prompts" / "shapes.yaml").prompts[::2]]
    found: dict[str, Found] = {}
    for model in MODELS:
        path = default_assets() / "models" / model
        pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        samples = []
        for number, prompt in enumerate(prompts):
            image = pipe(
                prompt=prompt,
                generator=torch.Generator().manual_seed(number),
                num_inference_steps=8,
                guidance_scale=1.5,
                height=128,
                width=128,
            ).images[0]
            path = folder / f"{model}-{number}.png"
            image.save(path)
            samples.append(Sample(path.name, path, prompt))
        found[model] = measure(samples)
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_better_trained_models_score_higher(generated: dict[str, Found], metric: str) -> None:
    base, mid, early = (average(generated[model], metric) for model in MODELS)
    assert base > mid > early
