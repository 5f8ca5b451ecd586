"""CLIP score on the bundled network: parity with open_clip, reasons, no needless loading."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from metrics import MemoryCache, Sample, Scored, ScoreOptions, Tier, create_metric, score, score_folder
from metrics.base import Unit
from metrics.clip import ClipScore
from metrics.clip_backbone import BUNDLED, BUNDLED_FILES, CARDS, WEIGHTS_FILE, ClipSource, TextFeature

ROOT = Path(__file__).resolve().parents[2]
RED, BLUE = "a red circle on a white background", "a blue square on a white background"


def scored(samples: Sequence[Sample], options: ScoreOptions) -> list[Scored]:
    return [event for event in score(samples, ["clip_score"], options) if isinstance(event, Scored)]


def direct_cosine(assets: Path, path: Path, prompt: str) -> float:
    """The cosine by open_clip alone, as its documentation shows."""
    name = f"local-dir:{assets / 'clip'}"
    model, _, transform = open_clip.create_model_and_transforms(name, require_pretrained=True)
    model.eval()
    with torch.no_grad():
        image = model.encode_image(transform(Image.open(path)).unsqueeze(0))
        text = model.encode_text(open_clip.get_tokenizer(name)([prompt]))
    return float(torch.nn.functional.cosine_similarity(image, text))


@pytest.mark.parametrize("prompt", [RED, BLUE])
def test_parity_with_open_clip(scenes: Path, assets: Path, options: ScoreOptions, prompt: str) -> None:
    path = scenes / "red_circle.png"
    (event,) = scored([Sample("a", path, prompt)], options)
    cosine = direct_cosine(assets, path, prompt)
    assert event.score.detail["cosine"] == pytest.approx(cosine, rel=1e-4, abs=1e-6)
    assert event.score.value == pytest.approx(100 * max(cosine, 0), rel=1e-4, abs=1e-4)


def test_right_prompt_beats_wrong_prompt(scenes: Path, options: ScoreOptions) -> None:
    files = {"red_circle.png": RED, "blue_square.png": BLUE}
    samples = [Sample(f"{file} {text}", scenes / file, text) for file in files for text in (RED, BLUE)]
    found = {event.sample.key: event.score.value or 0.0 for event in scored(samples, options)}
    assert found[f"red_circle.png {RED}"] > found[f"red_circle.png {BLUE}"]
    assert found[f"blue_square.png {BLUE}"] > found[f"blue_square.png {RED}"]


def test_formula_by_hand() -> None:
    class Fixed:
        """A network that found these cosines."""

        scale = 1.0

        def texts(self, prompts: Sequence[str]) -> list[TextFeature]:
            return [TextFeature(torch.zeros(2), tokens=9, context=24)] * len(prompts)

        def cosines(self, images: Sequence[float], texts: Sequence[TextFeature]) -> list[float]:
            return list(images)

    units = [Unit((Sample("a", Path("a.png"), RED),), (cosine,)) for cosine in (0.25, -0.3, math.nan)]
    positive, negative, broken = ClipScore().judge(units, Fixed())  # type: ignore[arg-type]
    assert positive.value == 25.0
    assert (negative.value, negative.detail["cosine"]) == (0.0, -0.3)
    assert "no finite number" in (broken.reason or "")


def test_batch_size_does_not_matter(scenes: Path, options: ScoreOptions) -> None:
    samples = [Sample(path.name, path, RED) for path in sorted(scenes.iterdir())]
    one = scored(samples, replace(options, batch_size=1))
    all_at_once = scored(samples, options)
    assert [e.score.value for e in one] == pytest.approx([e.score.value for e in all_at_once], rel=1e-5)


def test_a_long_prompt_is_cut_and_says_so(scenes: Path, options: ScoreOptions) -> None:
    path = scenes / "red_circle.png"
    long = " and ".join([RED] * 8)
    short, cut = scored([Sample("s", path, RED), Sample("l", path, long)], options)
    assert short.score.detail["truncated"] is False
    assert cut.score.detail["truncated"] is True
    assert cut.score.detail["tokens"] > cut.score.detail["context"]
    assert cut.score.value is not None


def test_words_it_was_never_taught(scenes: Path, options: ScoreOptions) -> None:
    path = scenes / "red_circle.png"
    prompt = "A red circle, a baroque cathedral by moonlight in winter"
    (event,) = scored([Sample("a", path, prompt)], options)
    assert event.score.reason is not None
    assert event.score.reason.startswith("The bundled CLIP was never taught 'baroque', 'cathedral'")
    assert event.score.reason.endswith("choose the standard tier.")


def test_no_prompt_is_a_reason(scenes: Path, options: ScoreOptions) -> None:
    (event,) = scored([Sample("a", scenes / "red_circle.png", "  ")], options)
    assert "prompt of this image is not known" in (event.score.reason or "")


def test_missing_bundled_files_are_named(scenes: Path, options: ScoreOptions, tmp_path: Path) -> None:
    empty = replace(options, assets=tmp_path / "empty")
    (event,) = scored([Sample("a", scenes / "red_circle.png", RED)], empty)
    assert "lacks open_clip_config.json" in (event.score.reason or "")
    assert (event.recipe.backbone, event.recipe.revision) == ("bundled-clip", "")


@pytest.mark.parametrize("damage", ["weights", "tokenizer"])
def test_damaged_bundled_files_are_a_reason(
    scenes: Path, options: ScoreOptions, assets: Path, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(assets / "clip", tmp_path / "broken" / "clip")
    folder = tmp_path / "broken" / "clip"
    if damage == "weights":
        (folder / WEIGHTS_FILE).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    else:
        (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "BPE"}}')
    (event,) = scored(
        [Sample("a", scenes / "red_circle.png", RED)], replace(options, assets=tmp_path / "broken")
    )
    assert "restore the folder assets/clip" in (event.score.reason or "")


@pytest.mark.parametrize("tier", ["standard", "large"])
def test_hub_weights_that_are_not_there_are_a_reason(
    scenes: Path, options: ScoreOptions, tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub = replace(options, tier=tier)
    found = scored(
        [Sample(n, scenes / n, "any words at all") for n in ("red_circle.png", "blue_square.png")], hub
    )
    card = CARDS[hub.tier]
    for event in found:
        assert event.score.value is None
        assert f"The weights of {card.id} are not on this computer" in (event.score.reason or "")
        assert f"{card.download_mb:,} MB, licence MIT" in (event.score.reason or "")
        assert f"open_clip_model.safetensors --revision {card.revision}`" in (event.score.reason or "")
        assert event.recipe.revision == card.revision


def test_source_knows_itself_without_loading(assets: Path, tmp_path: Path) -> None:
    source = create_metric("clip_score").source("bundled", assets)
    assert source == ClipSource(BUNDLED, assets)
    assert len(source.revision) == 64
    shutil.copytree(assets / "clip", tmp_path / "clip")
    with (tmp_path / "clip" / "open_clip_config.json").open("a") as file:
        file.write("\n")
    changed = ClipSource(BUNDLED, tmp_path)
    assert changed.revision == source.revision
    assert changed.preprocessing != source.preprocessing


def test_bundled_files_and_card_agree(assets: Path) -> None:
    assert all((assets / "clip" / name).is_file() for name in BUNDLED_FILES)
    content = (assets / "clip" / WEIGHTS_FILE).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    shapes = [part["shape"] for name, part in header.items() if name != "__metadata__"]
    count = sum(math.prod(shape) for shape in shapes)
    assert CARDS["bundled"].parameters == pytest.approx(count, rel=0.01)


def test_each_prompt_is_read_once(assets: Path) -> None:
    network = ClipSource(BUNDLED, assets).load("cpu")
    first = network.texts([RED, BLUE, RED])
    assert first[0] is first[2]
    assert network.texts([BLUE])[0] is first[1]
    assert float(first[0].vector.norm()) == pytest.approx(1.0, rel=1e-5)


def test_fully_cached_run_imports_no_network_library(scenes: Path, options: ScoreOptions) -> None:
    cache = MemoryCache()
    prompts = {"red_circle.png": RED, "blue_square.png": BLUE, "red_square.png": RED, "blue_circle.png": BLUE}
    list(score_folder(scenes, prompts, [ClipScore.card.id], replace(options, cache=cache)))
    assert len(cache) == 4
    code = f"""
import sys
from pathlib import Path
from metrics import *
cache = MemoryCache()
cache.put_many({{CacheKey(**parts): Score.of(value) for parts, value in {stored(cache)!r}}})
options = ScoreOptions(cache=cache, assets=Path({str(options.assets)!r}))
events = list(score_folder(Path({str(scenes)!r}), {prompts!r}, ["clip_score"], options))
print(sum(isinstance(event, Scored) and event.cached for event in events))
print([name for name in ("torch", "open_clip", "transformers", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["4", "[]"], done.stderr


def stored(cache: MemoryCache) -> list[tuple[dict[str, str], float]]:
    return [(asdict(key), score.value or 0.0) for key, score in cache._scores.items()]
