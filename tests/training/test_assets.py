"""The shipped weights are the listed ones and do what the model card says."""

import hashlib
import json
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "assets"
WEIGHTS = sorted(ASSETS.rglob("*.safetensors"))


def test_there_are_weights() -> None:
    folders = {path.relative_to(ASSETS).parts[0] for path in WEIGHTS}
    assert folders == {"models", "clip"}


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


def test_base_draws_what_simple_prompts_ask_for() -> None:
    from training.checker import check, summarise
    from training.evaluation import evaluation_scenes, generate
    from training.measure import Scorer, load

    scenes = evaluation_scenes(12, seed=7)
    captions = [scene.caption for scene in scenes]
    scorer = Scorer(ASSETS / "clip")
    scores = {}
    for name in ("shapes-base", "shapes-early"):
        images = generate(load(ASSETS / "models" / name), captions, steps=20, guidance_scale=1.5)
        scores[name] = scorer.scores(images, captions).mean().item()
        if name == "shapes-base":
            results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
            assert summarise(results)["background"] >= 0.9
            assert summarise(results)["color"] >= 0.5
    assert scores["shapes-base"] > scores["shapes-early"] + 5
