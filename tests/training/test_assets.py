"""The shipped weights are the listed ones and do what the model card says."""

import hashlib
import json
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "assets"
WEIGHTS = sorted(ASSETS.rglob("*.safetensors"))


def test_there_are_weights() -> None:
    folders = {path.relative_to(ASSETS).parts[0] for path in WEIGHTS}
    assert folders == {"models", "loras", "clip", "lpips", "vqa", "detector", "dinov3-vit", "dinov3-convnext"}
    models = {path.name for path in (ASSETS / "models").iterdir() if path.is_dir()}
    assert models == {"shapes-base", "shapes-mid", "shapes-early", "shapes-xl"}


def test_everything_together_is_small_and_nothing_is_pickled() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS) < 60_000_000
    endings = {path.suffix for path in ASSETS.rglob("*") if path.is_file()}
    assert not endings & {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npy", ".npz"}


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.relative_to(ASSETS).as_posix())
def test_weights_are_listed_with_their_hash(path: Path) -> None:
    name = path.relative_to(ASSETS).as_posix()
    entry = json.loads((ASSETS / "models.json").read_text())[name]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry == {"sha256": digest, "bytes": path.stat().st_size}
    assert digest in (ASSETS / "MODEL_CARD.md").read_text()


def test_configurations_name_no_machine_paths() -> None:
    for path in ASSETS.rglob("*.json"):
        text = path.read_text()
        assert "_name_or_path" not in text
        assert "/tmp" not in text


def test_longer_training_draws_better_and_clip_sees_it() -> None:
    from training.checker import check, summarise
    from training.evaluation import evaluation_scenes, generate, report_by_sort
    from training.measure import Scorer, load, separation

    scenes = evaluation_scenes(30, seed=7)
    captions = [scene.caption for scene in scenes]
    scorer = Scorer(ASSETS / "clip")
    right, scores, shares = [], [], {}
    for name in ("shapes-early", "shapes-mid", "shapes-base"):
        images = generate(load(ASSETS / "models" / name), captions, steps=20, guidance_scale=1.5)
        results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
        shares[name] = summarise(results)
        right += [result["all"] for result in results]
        scores.append(scorer.scores(images, captions))
    sorts = report_by_sort(scenes, results)
    assert shares["shapes-early"]["all"] < shares["shapes-mid"]["all"] < shares["shapes-base"]["all"]
    assert scores[0].mean() < scores[1].mean() < scores[2].mean()
    assert sorts["one_object"]["objects"] >= 0.85
    assert sorts["counting"]["count"] >= 0.7
    assert sorts["two_objects"]["objects"] >= 0.6
    separated = separation([float(score) for group in scores for score in group], right)
    assert separated is not None
    assert separated > 0.85
