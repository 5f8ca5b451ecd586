"""Do the DINOv3 metrics mean what they say? On drawn scenes whose contents are known.

Where the bundled networks do not reach what is asked of a metric, its card says what was
measured, and a test here holds that figure.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from metrics import Sample, ScoreOptions, get_card
from tests.metrics.counting import scored
from tests.metrics.scenes import another, box_of, jittered, pictures, save, scattered, shuffled
from training.pictures import rearranged
from training.world import Scene, draw_scene

TRIALS = 40


def values(samples: list[Sample], metric: str, options: ScoreOptions) -> list[float]:
    """By sample, or by unit, in the order given."""
    found = {event.sample.key: event.score for event in scored(samples, [metric], options)}
    assert all(score.value is not None for score in found.values()), found
    return [found[s.key].value or 0.0 for s in samples if s.key in found]


def singles(seed: int, count: int = TRIALS) -> list[Scene]:
    rng = random.Random(seed)
    return [draw_scene(rng, ("single",)) for _ in range(count)]


@pytest.mark.parametrize("what", ["shape", "color"])
def test_the_same_scene_matches_better_than_another(tmp_path: Path, options: ScoreOptions, what: str) -> None:
    """The same thing elsewhere in another size, against another thing in the reference's own place."""
    rng, scenes = random.Random(4), singles(3)
    references = save(tmp_path / "r", pictures(scenes), [scene.caption for scene in scenes])

    def matched(folder: str, changed: list[Scene]) -> list[float]:
        samples = save(tmp_path / folder, pictures(changed), [scene.caption for scene in scenes])
        compared = [replace(s, references=(ref.path,)) for s, ref in zip(samples, references, strict=True)]
        return values(compared, "semantic_match", options)

    same = matched("same", [rearranged(rng, scene) for scene in scenes])
    other = matched("other", [another(rng, scene, what) for scene in scenes])
    assert mean(a > b for a, b in zip(same, other, strict=True)) >= 0.8


def test_an_outlier_agrees_least_with_the_others(tmp_path: Path, options: ScoreOptions) -> None:
    rng, scenes = random.Random(6), singles(5, 20)
    samples = []
    for model in ("a", "b", "c"):
        drawn = [rearranged(rng, scene) for scene in scenes]
        if model == "c":
            drawn = [another(rng, scene, "shape") for scene in drawn]
        samples += save(tmp_path / model, pictures(drawn), [scene.caption for scene in scenes], model)
    found = values(samples, "semantic_consensus", options)
    by_model = [found[start : start + 20] for start in (0, 20, 40)]
    assert mean(a > c for a, _, c in zip(*by_model, strict=True)) >= 0.8


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    """Of every trial: four scenes, four jittered copies, and a pair with less light or a shift."""
    rng, folder = random.Random(3), tmp_path_factory.mktemp("moved")
    groups: dict[str, list[Sample]] = {"scenes": [], "copies": [], "light": [], "shift": []}
    for trial in range(TRIALS):
        images = pictures([draw_scene(rng) for _ in range(4)])
        first = images[0]
        parts = {
            "scenes": images,
            "copies": [jittered(rng, first) for _ in range(4)],
            "light": [first, ImageEnhance.Brightness(first).enhance(0.85)],
            "shift": [first, ImageChops.offset(first, 3, 2)],
        }
        for name, some in parts.items():
            place = folder / name / str(trial)
            # A group is a model and a prompt: each trial is a model of its own.
            made = save(place, some, ["a red circle"] * len(some), f"{name}{trial}")
            groups[name] += [replace(sample, key=str(sample.path)) for sample in made]
    return groups


def test_different_scenes_are_more_varied_than_jittered_copies(
    moved: dict[str, list[Sample]], options: ScoreOptions
) -> None:
    scenes, copies = (values(moved[name], "deep_diversity", options) for name in ("scenes", "copies"))
    assert len(scenes) == len(copies) == TRIALS
    assert mean(a > b for a, b in zip(scenes, copies, strict=True)) >= 0.95


def test_what_moves_deep_diversity_is_what_its_card_says(
    moved: dict[str, list[Sample]], options: ScoreOptions
) -> None:
    """As a share of the distance of different scenes; the bundled LPIPS learned to see past both."""
    few = {name: samples[: len(samples) * 8 // TRIALS] for name, samples in moved.items()}
    shares = {}
    for metric in ("deep_diversity", "lpips_diversity"):
        apart = mean(values(few["scenes"], metric, options))
        shares[metric] = [mean(values(few[name], metric, options)) / apart for name in ("light", "shift")]
    assert shares["deep_diversity"] == pytest.approx([0.04, 0.13], abs=0.02)
    assert shares["lpips_diversity"] == pytest.approx([0.02, 0.08], abs=0.02)
    assert any("4 %" in note and "13 %" in note for note in get_card("deep_diversity").weaknesses)


Damage = Callable[[Image.Image, float], Image.Image]


def blur(image: Image.Image, dose: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(dose))


def noise(image: Image.Image, dose: float) -> Image.Image:
    rough = np.random.default_rng(0).normal(0.0, dose, (128, 128, 3))
    return Image.fromarray((np.asarray(image) + rough).clip(0, 255).astype(np.uint8))


def fade(image: Image.Image, dose: float) -> Image.Image:
    return Image.blend(image, image.convert("L").convert("RGB"), dose)


@pytest.mark.parametrize(
    ("damage", "doses"), [(blur, (2, 4, 8)), (fade, (0.25, 0.5, 1.0)), (noise, (64, 96, 128))]
)
def test_batch_quality_grows_step_by_step(
    tmp_path: Path, options: ScoreOptions, damage: Damage, doses: tuple[float, ...]
) -> None:
    """Weak noise (under 64 of 255) is the exception; the card says so."""
    rng = random.Random(1)
    scenes = [draw_scene(rng) for _ in range(160)]
    save(tmp_path / "good", pictures(scenes[:100]), ["x"] * 100)
    drawn, prompts = pictures(scenes[100:]), [scene.caption for scene in scenes[100:]]
    samples = save(tmp_path / "0", drawn, prompts, "0")
    for dose in doses:
        samples += save(tmp_path / f"{dose}", [damage(image, dose) for image in drawn], prompts, f"{dose}")
    found = values(samples, "batch_quality", replace(options, reference=tmp_path / "good"))
    assert len(found) == len(doses) + 1
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.1


def test_integrity_does_not_follow_torn_shapes_and_the_card_says_so(
    tmp_path: Path, options: ScoreOptions
) -> None:
    """The aim was 80 %. The bundled network looks at edges, and torn things have more of them."""
    rng, scenes = random.Random(9), singles(8)
    prompts = [scene.caption for scene in scenes]
    whole = pictures(scenes)
    boxes = [box_of(scene) for scene in scenes]
    torn = [shuffled(rng, image, box, 3) for image, box in zip(whole, boxes, strict=True)]
    spread = [scattered(rng, image, box, 3) for image, box in zip(whole, boxes, strict=True)]
    events = {
        name: scored(save(tmp_path / name, images, prompts, name), ["object_integrity"], options)
        for name, images in (("whole", whole), ("torn", torn), ("spread", spread))
    }

    def falls(name: str) -> float:
        pairs = zip(events[name], events["whole"], strict=True)
        return mean((a.score.value or 0) < (b.score.value or 0) for a, b in pairs)

    def more(part: str) -> float:
        pairs = zip(events["spread"], events["whole"], strict=True)
        return mean(a.score.detail[part] > b.score.detail[part] for a, b in pairs)

    card = get_card("object_integrity")
    assert card.status == "experimental"
    assert any("falls in 20 %" in note and "43 %" in note for note in card.weaknesses)
    assert falls("torn") == pytest.approx(0.20, abs=0.15)
    assert falls("spread") == pytest.approx(0.43, abs=0.15)
    # What does follow: the attention comes apart and spills.
    assert more("blobs") >= 0.6
    assert more("halo") >= 0.5
