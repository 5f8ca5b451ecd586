"""The predictor of beauty on a tiny CLIP equals its published code, and shares CLIP's work."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from metrics import Downloading, Registry, Sample, Scored, ScoreOptions, Tier, create_metric, score
from metrics.aesthetic import HEAD_FILE, Aesthetic, AestheticSource
from metrics.clip import ClipScore
from metrics.clip_backbone import ClipModel, ClipSource
from metrics.downloads import UrlFile
from tests.metrics.counting import counted, scored
from tests.metrics.hub import Hub, own_caches, serving
from tests.metrics.tiny_networks import predictor, saved, tiny_clip


@dataclass(frozen=True)
class Published:
    """Where the two files are served, and the options to fetch them."""

    clip: ClipModel
    head: UrlFile
    options: ScoreOptions


@pytest.fixture
def published(tmp_path: Path, options: ScoreOptions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    own_caches(tmp_path, monkeypatch)
    clip, weights = tiny_clip(tmp_path)
    assert clip.file is not None
    with serving() as hub:
        hub.add(clip.file, weights)
        head = _serve_head(hub, predictor().state_dict())

        class TinyAesthetic(Aesthetic):
            def source(self, tier: Tier, assets: Path) -> AestheticSource:
                return AestheticSource(ClipSource(clip, assets), head)

        class TinyClipScore(ClipScore):
            def source(self, tier: Tier, assets: Path) -> ClipSource:
                return ClipSource(clip, assets)

        registry = Registry([TinyAesthetic, TinyClipScore])
        yield Published(
            clip, head, replace(options, tier="large", registry=registry, download=True, endpoint=hub.url)
        )


def _serve_head(hub: Hub, tensors: dict[str, torch.Tensor]) -> UrlFile:
    import hashlib

    content = saved(tensors)
    hub.files["/head.pth"] = content
    return UrlFile(f"{hub.url}/head.pth", "head.pth", hashlib.sha256(content).hexdigest())


def by_hand(published: Published, path: Path) -> float:
    """As the predictor's repository does: CLIP, unit length, network."""
    assert published.clip.file is not None
    model, _, transform = open_clip.create_model_and_transforms(
        published.clip.architecture, pretrained=str(published.clip.file.path())
    )
    model.eval()
    with torch.no_grad():
        feature = model.encode_image(transform(Image.open(path)).unsqueeze(0))
        return float(predictor()(feature / feature.norm(dim=-1, keepdim=True)))


def test_parity_with_the_published_code(published: Published, scenes: Path) -> None:
    samples = [Sample(path.name, path) for path in sorted(scenes.iterdir())]
    events = list(score(samples, ["aesthetic"], published.options))
    found = [event for event in events if isinstance(event, Scored)]
    assert [e.score.value for e in found] == pytest.approx(
        [by_hand(published, sample.path) for sample in samples], rel=1e-4
    )
    assert {event.file for event in events if isinstance(event, Downloading)} == {
        "head.pth",
        "open_clip_model.safetensors",
    }
    recipe = found[0].recipe
    assert published.clip.card.revision in recipe.revision
    assert published.head.sha256[:12] in recipe.revision


def test_clip_score_and_beauty_share_one_network(published: Published, scenes: Path) -> None:
    samples = [Sample(path.name, path, "some words") for path in sorted(scenes.iterdir())]
    with counted() as counts:
        events = scored(samples, ["aesthetic", "clip_score"], published.options)
    assert all(event.score.value is not None for event in events)
    assert counts == {"decoded": 4, "ClipNetwork": 4, "texts": 1}


@pytest.mark.parametrize("damage", ["layers", "shape", "code"])
def test_another_file_is_a_reason(published: Published, scenes: Path, damage: str) -> None:
    tensors = predictor().state_dict()
    if damage == "layers":
        del tensors["layers.7.weight"]
    elif damage == "shape":
        tensors["layers.2.weight"] = torch.zeros(3, 1024)
    content = b"not a file of weights" if damage == "code" else saved(tensors)
    published.head._place.parent.mkdir(parents=True, exist_ok=True)
    published.head._place.write_bytes(content)
    (event,) = scored([Sample("a", scenes / "red_circle.png")], ["aesthetic"], published.options)
    assert "do not load" in (event.score.reason or "")
    assert "delete" in (event.score.reason or "")


def test_there_is_no_bundled_tier(scenes: Path, options: ScoreOptions) -> None:
    (event,) = scored([Sample("a", scenes / "red_circle.png")], ["aesthetic"], options)
    assert event.score.reason == "Aesthetic score has no bundled tier; choose the standard or large tier."


def test_the_published_file_is_pinned_by_content(assets: Path) -> None:
    source = create_metric("aesthetic").source("standard", assets)
    assert source.files == (HEAD_FILE,)
    assert len(HEAD_FILE.sha256) == 64
    assert source == create_metric("aesthetic").source("large", assets)
    assert source.base == create_metric("clip_score").source("large", assets)
