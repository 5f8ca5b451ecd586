"""Metrics on DINOv3's transformers: exact values, one pass an image, and honest reasons."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DINOv3ViTModel

from metrics import FolderFeatures, MemoryCache, Sample, Score, ScoreOptions
from metrics.dinov3_networks import MEAN, STD, DinoLooks
from metrics.distribution import vendi
from metrics.object_integrity import attention_structure, heat_map
from tests.metrics.counting import scored
from tests.metrics.drawn import draw, prompt_of, write_circles
from tests.metrics.test_perceptual import sample_hash


def one(samples: list[Sample], metric: str, options: ScoreOptions) -> Score:
    (event,) = scored(samples, [metric], options)
    assert event.score.value is not None, event.score.reason
    return event.score


@pytest.fixture(scope="module")
def plain(assets: Path) -> Any:
    return DINOv3ViTModel.from_pretrained(assets / "dinov3-vit", attn_implementation="eager").eval()


def pixels(path: Path) -> torch.Tensor:
    array = np.array(Image.open(path).convert("RGB")).astype(np.float32) / 255
    return torch.from_numpy((array - MEAN) / STD).permute(2, 0, 1)[None].float()


def token(model: Any, path: Path) -> torch.Tensor:
    with torch.no_grad():
        return torch.nn.functional.normalize(model(pixels(path)).pooler_output[0], dim=0)


@contextmanager
def counted_looks() -> Iterator[Counter[str]]:
    """How many pictures pass through the network, and the most at once."""
    counts: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        look = DinoLooks._look

        def count(self: DinoLooks, some: torch.Tensor) -> Any:
            counts["pictures"] += len(some)
            counts["most"] = max(counts["most"], len(some))
            return look(self, some)

        patch.setattr(DinoLooks, "_look", count)
        yield counts


def test_semantic_match_is_the_best_cosine(tmp_path: Path, options: ScoreOptions, plain: Any) -> None:
    references = tuple(draw(tmp_path / f"r{n}.png", color, n) for n, color in enumerate(("red", "blue")))
    (sample,) = write_circles(tmp_path / "m", 1, colors=1)
    found = one([replace(sample, references=references)], "semantic_match", options)
    wanted = [float(token(plain, sample.path) @ token(plain, path)) for path in references]
    assert found.value == pytest.approx(max(wanted), abs=1e-5)
    assert found.detail["cosines"] == pytest.approx(wanted, abs=1e-5)
    assert found.detail["mean"] == pytest.approx(sum(wanted) / 2, abs=1e-5)
    assert found.detail["best"] == wanted.index(max(wanted))
    itself = one([replace(sample, references=(sample.path,))], "semantic_match", options)
    assert itself.value == pytest.approx(1.0)


def test_without_a_reference_it_says_so(tmp_path: Path, options: ScoreOptions) -> None:
    (event,) = scored(write_circles(tmp_path / "m", 1, colors=1), ["semantic_match"], options)
    assert event.score.reason == "This prompt has no reference picture; add one to compare with."


def test_consensus_weighs_models_not_pictures(tmp_path: Path, options: ScoreOptions, plain: Any) -> None:
    """One model with one picture counts as much as one with three."""
    mine = write_circles(tmp_path / "m", 1, colors=1, model="a")
    many = write_circles(tmp_path / "m", 3, colors=1, model="b")
    single = [replace(many[0], path=draw(tmp_path / "s.png", "blue", 9), model="c", key="s")]
    events = scored([*mine, *many, *single], ["semantic_consensus"], options)
    found = next(event.score for event in events if event.sample.model == "a")
    of_b = torch.stack([token(plain, sample.path) for sample in many]).mean(0)
    consensus = (of_b + token(plain, single[0].path)) / 2
    wanted = torch.cosine_similarity(token(plain, mine[0].path), consensus, dim=0)
    assert found.value == pytest.approx(float(wanted), abs=1e-5)
    assert (found.detail["models"], found.detail["pictures"]) == (2, 4)


def test_consensus_needs_another_model_and_a_prompt(tmp_path: Path, options: ScoreOptions) -> None:
    alone = write_circles(tmp_path / "m", 2, colors=1)
    for event in scored(alone, ["semantic_consensus"], options):
        assert "No other model drew this prompt" in (event.score.reason or "")
    nameless = [replace(sample, prompt="", model=name) for sample, name in zip(alone, "ab", strict=True)]
    for event in scored(nameless, ["semantic_consensus"], options):
        assert "prompt of this picture is not known" in (event.score.reason or "")


def test_a_changed_picture_of_another_model_changes_the_recipe(tmp_path: Path, options: ScoreOptions) -> None:
    samples = [*write_circles(tmp_path / "m", 1, 1, "a"), *write_circles(tmp_path / "m", 1, 1, "b")]
    choice = replace(options, cache=MemoryCache())
    before = scored(samples, ["semantic_consensus"], choice)
    draw(samples[1].path, "green", 5)
    after = scored(samples, ["semantic_consensus"], choice)
    assert not any(event.cached for event in after)
    assert before[0].recipe.text_hash != after[0].recipe.text_hash
    assert all(event.cached for event in scored(samples, ["semantic_consensus"], choice))


def test_deep_diversity_equals_a_direct_computation(
    tmp_path: Path, options: ScoreOptions, plain: Any
) -> None:
    samples = write_circles(tmp_path / "m", 4, colors=1)
    found = one(samples, "deep_diversity", options)
    wanted = []
    for a, b in itertools.combinations(samples, 2):
        apart = []
        with torch.no_grad():
            layers = [plain(pixels(s.path), output_hidden_states=True).hidden_states for s in (a, b)]
        for block in (1, 2, 3, 4):
            x, y = (
                torch.nn.functional.normalize(plain.norm(hidden[block])[0, 5:], dim=-1) for hidden in layers
            )
            apart.append((x - y).square().sum(dim=-1).mean().item())
        wanted.append(sum(apart) / 4)
    assert found.detail["distances"] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert found.value == pytest.approx(sum(wanted) / 6, rel=1e-4)
    by_hash = {sample_hash(sample): n for n, sample in enumerate(samples)}
    nearest = tuple(sorted(by_hash[image] for image in found.detail["nearest"]))
    pairs = list(itertools.combinations(range(4), 2))
    assert nearest == pairs[wanted.index(min(wanted))]
    assert found.detail["resolution"] == 128


def test_copies_have_no_diversity(tmp_path: Path, options: ScoreOptions) -> None:
    first, *_ = write_circles(tmp_path / "m", 1, colors=1)
    assert one([first, replace(first, key="b", seed=1)], "deep_diversity", options).value == 0.0


def test_vendi_of_dinov3_is_that_of_its_tokens(tmp_path: Path, options: ScoreOptions, plain: Any) -> None:
    samples = write_circles(tmp_path / "m", 3, colors=1)
    wanted = vendi(torch.stack([token(plain, sample.path) for sample in samples]))
    assert one(samples, "vendi_dino_prompt", options).value == pytest.approx(wanted, rel=1e-5)
    assert one(samples, "vendi_dino", options).value == pytest.approx(wanted, rel=1e-5)


def test_match_integrity_and_vendi_cost_one_pass_an_image(tmp_path: Path, options: ScoreOptions) -> None:
    reference = draw(tmp_path / "reference.png", "red", 99)
    samples = [replace(sample, references=(reference,)) for sample in write_circles(tmp_path / "m", 10)]
    chosen = ["object_integrity", "semantic_match", "vendi_dino", "vendi_dino_prompt"]
    with counted_looks() as counts:
        scored(samples, ["object_integrity"], options)
    assert counts["pictures"] == len(samples) == 20
    kept = replace(options, features=FolderFeatures(tmp_path / "features"))
    with counted_looks() as counts:
        events = scored(samples, chosen, kept)
    assert all(event.score.value is not None for event in events)
    # The reference is one more picture. Attention is made for a few pictures at a time.
    assert counts["pictures"] == len(samples) + 1
    assert counts["most"] <= 8
    with counted_looks() as counts:
        again = scored(samples, chosen, kept)
    assert counts["pictures"] == 0
    assert [event.score for event in again] == [event.score for event in events]


def test_structure_by_hand() -> None:
    """Four equal patches in the middle: three of them hold 60 %, the fourth is in the ring."""
    attention = np.zeros((4, 4))
    attention[1:3, 1:3] = 0.25
    found = attention_structure(attention)
    assert found.concentration == pytest.approx(1 - math.log(4) / math.log(16))
    assert (found.halo, found.blobs, int(found.mask.sum()), int(found.ring.sum())) == (0.25, 1, 3, 12)
    assert found.integrity == pytest.approx(found.concentration * 0.75)
    attention = np.full((5, 5), 0.01)
    attention[2, 2] = 0.76
    found = attention_structure(attention)
    assert (int(found.mask.sum()), int(found.ring.sum())) == (1, 8)
    assert found.halo == pytest.approx(0.08)
    two = np.zeros((3, 5))
    two[1, 0] = two[1, 4] = 0.5
    assert attention_structure(two).blobs == 2
    assert attention_structure(np.ones((6, 6))).concentration == pytest.approx(0.0, abs=1e-12)
    assert attention_structure(np.ones((1, 1))).integrity == 1.0


def test_integrity_comes_with_its_parts_and_map(tmp_path: Path, options: ScoreOptions, plain: Any) -> None:
    (sample,) = write_circles(tmp_path / "m", 1, colors=1)
    found = one([sample], "object_integrity", options)
    with torch.no_grad():
        attention = plain(pixels(sample.path), output_attentions=True).attentions[-1][0, :, 0, 5:].mean(0)
    wanted = attention_structure((attention / attention.sum()).reshape(16, 16).numpy())
    assert found.value == pytest.approx(wanted.integrity, abs=1e-5)
    assert found.detail["halo"] == pytest.approx(wanted.halo, abs=1e-5)
    assert found.detail["blobs"] == wanted.blobs
    assert np.array(found.detail["heat"]).shape == (16, 16)
    assert np.max(found.detail["heat"]) == 255
    kept = attention_structure(found.detail["heat"])
    assert kept.halo == pytest.approx(wanted.halo, abs=0.02)
    again = heat_map(sample.path, "bundled", options.assets, "cpu").attention
    np.testing.assert_allclose(again, (attention / attention.sum()).reshape(16, 16), atol=1e-6)


@pytest.mark.parametrize("metric", ["object_integrity", "deep_diversity", "vendi_dino", "semantic_match"])
def test_the_bundled_network_refuses_foreign_prompts(
    tmp_path: Path, options: ScoreOptions, metric: str
) -> None:
    samples = [
        replace(sample, prompt="a wombat", references=(sample.path,))
        for sample in write_circles(tmp_path / "m", 2, colors=1)
    ]
    for event in scored(samples, [metric], options):
        assert event.score.reason == (
            "The bundled DINOv3 was never taught 'wombat'; choose the standard tier."
        )


def test_a_broken_picture_is_told(tmp_path: Path, options: ScoreOptions) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    sample = Sample("a", tmp_path / "broken.png", prompt_of("red"))
    (event,) = scored([sample], ["object_integrity"], options)
    assert "broken.png" in (event.score.reason or "")
