"""LPIPS by one pass an image equals the `lpips` package pair by pair."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from metrics import Sample, Score, ScoreOptions, create_metric
from metrics.images import square
from metrics.lpips_backbone import ALEXNET_FILE, LpipsNetwork, LpipsSource, distances
from metrics.perceptual import MOST_PAIRS, CrossPromptDiversity
from tests.metrics.counting import scored
from tests.metrics.drawn import draw, prompt_of, write_circles
from tests.metrics.hub import own_caches


def package(weights: Path | None) -> lpips.LPIPS:
    """The package's own network, with the bundled weights or with its heads on a trunk set later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net="alex", pnet_rand=True, pretrained=weights is None, verbose=False)
    if weights is not None:
        model.load_state_dict(load_file(weights))
    return model.eval()


def pixels(path: Path) -> torch.Tensor:
    array = np.array(square(Image.open(path).convert("RGB")))
    return torch.from_numpy(array).permute(2, 0, 1)[None].float() / 127.5 - 1


def pairwise(model: lpips.LPIPS, paths: Sequence[Path]) -> list[float]:
    """As its documentation shows: two passes for each pair."""
    with torch.no_grad():
        return [float(model(pixels(a), pixels(b))) for a, b in itertools.combinations(paths, 2)]


def one(samples: Sequence[Sample], metric: str, options: ScoreOptions) -> Score:
    (event,) = scored(samples, [metric], options)
    assert event.score.value is not None, event.score.reason
    return event.score


def test_parity_with_the_package(tmp_path: Path, options: ScoreOptions, assets: Path) -> None:
    samples = write_circles(tmp_path / "m", 5, colors=1)
    found = one(samples, "lpips_diversity", options)
    wanted = pairwise(package(assets / "lpips" / "alexnet.safetensors"), [s.path for s in samples])
    assert found.detail["distances"] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert found.value == pytest.approx(np.mean(wanted), rel=1e-4)
    assert found.detail["pairs"] == 10
    assert found.detail["resolution"] == 256
    by_hash = {sample_hash(s): s.path for s in samples}
    nearest = pairwise(
        package(assets / "lpips" / "alexnet.safetensors"), [by_hash[h] for h in found.detail["nearest"]]
    )
    assert nearest == pytest.approx([min(wanted)], rel=1e-4)


def sample_hash(sample: Sample) -> str:
    from metrics.images import hash_file

    return hash_file(sample.path)


def test_parity_of_the_published_network(
    tmp_path: Path, options: ScoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trunk in torchvision's file, where torch.hub keeps it, under the package's own heads."""
    own_caches(tmp_path, monkeypatch)
    model = package(None)
    trunk = {f"features.{name.split('.', 1)[1]}": tensor for name, tensor in model.net.state_dict().items()}
    ALEXNET_FILE._place.parent.mkdir(parents=True)
    torch.save(trunk, ALEXNET_FILE._place)
    samples = [replace(s, prompt="any words") for s in write_circles(tmp_path / "m", 4, colors=1)]
    found = one(samples, "lpips_diversity", replace(options, tier="standard"))
    assert found.detail["distances"] == pytest.approx(
        pairwise(model, [s.path for s in samples]), rel=1e-4, abs=1e-6
    )


def test_near_pictures_keep_their_digits(tmp_path: Path, assets: Path) -> None:
    """The Gram matrix subtracts nearly equal numbers; in half precision they tell to seven places."""
    path = draw(tmp_path / "a.png", "red", 1)
    image = np.array(Image.open(path))
    paths = [path]
    for step in (1, 3):
        nudged = np.clip(image.astype(int) + step, 0, 255).astype(np.uint8)
        paths.append(tmp_path / f"{step}.png")
        Image.fromarray(nudged).save(paths[-1])
    network = LpipsSource(assets / "lpips").load("cpu")
    assert isinstance(network, LpipsNetwork)
    found = distances(network.encode([network.prepare(Image.open(p).convert("RGB")) for p in paths]))
    wanted = pairwise(package(assets / "lpips" / "alexnet.safetensors"), paths)
    assert max(wanted) < 0.01
    assert [float(found[a, b]) for a, b in ((0, 1), (0, 2), (1, 2))] == pytest.approx(
        wanted, rel=1e-4, abs=1e-7
    )


def test_equal_pictures_are_exactly_nought_apart(tmp_path: Path, options: ScoreOptions) -> None:
    (sample,) = write_circles(tmp_path / "m", 1, colors=1)
    copies = [replace(sample, key=str(n)) for n in range(4)]
    assert one(copies, "lpips_diversity", options).value == 0.0


def test_different_pictures_are_more_varied_than_copies(tmp_path: Path, options: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 4, colors=1)
    copies = [replace(samples[0], key=str(n)) for n in range(3)]
    assert (one(samples, "lpips_diversity", options).value or 0) > 0.05
    assert one([samples[0], *copies], "lpips_diversity", options).value == 0.0


def test_cross_prompt_is_the_mean_over_prompts_at_the_same_seed(
    tmp_path: Path, options: ScoreOptions, assets: Path
) -> None:
    samples = write_circles(tmp_path / "m", 2, colors=3)
    found = one(samples, "cross_prompt_diversity", options)
    model = package(assets / "lpips" / "alexnet.safetensors")
    wanted = [
        value for seed in (0, 1) for value in pairwise(model, [s.path for s in samples if s.seed == seed])
    ]
    assert found.value == pytest.approx(np.mean(wanted), rel=1e-4)
    assert (found.detail["pairs"], found.detail["images"]) == (6, 6)


def test_one_look_for_everything_is_low_across_prompts_only(tmp_path: Path, options: ScoreOptions) -> None:
    varied = write_circles(tmp_path / "m", 3, colors=2)
    same_look = [
        replace(s, path=draw(tmp_path / f"{s.key}.png", "red", s.seed or 0), image_hash=None) for s in varied
    ]
    values = [one(samples, "cross_prompt_diversity", options).value or 0 for samples in (varied, same_look)]
    assert values[1] < 0.5 * values[0]


def test_cross_prompt_needs_prompts_with_common_seeds(tmp_path: Path, options: ScoreOptions) -> None:
    for samples in (
        write_circles(tmp_path / "a", 3, colors=1),
        [replace(s, seed=None) for s in write_circles(tmp_path / "b", 2)],
        [replace(s, seed=n) for n, s in enumerate(write_circles(tmp_path / "c", 1))],
    ):
        (event,) = scored(samples, ["cross_prompt_diversity"], options)
        assert "at least two prompts with the same seed" in (event.score.reason or "")


def test_the_choice_of_many_pictures_is_fixed_and_bounded() -> None:
    samples = tuple(
        Sample(f"{p} {s}", Path("x.png"), prompt_of(str(p)), f"{p} {s}", seed=s)
        for p in range(60)
        for s in range(40)
    )
    (chosen,) = CrossPromptDiversity().select([samples])
    assert len(chosen) == 16 * 16
    assert len({s.seed for s in chosen}) * 16 * 15 // 2 <= MOST_PAIRS
    (again,) = CrossPromptDiversity().select([tuple(reversed(samples))])
    assert {s.key for s in again} == {s.key for s in chosen}
    few = tuple(s for s in samples[:120] if s.seed is not None and s.seed < 10)
    assert CrossPromptDiversity().select([few]) == [few]


def test_likeness_to_the_nearest_reference(tmp_path: Path, options: ScoreOptions, assets: Path) -> None:
    references = (draw(tmp_path / "near.png", "red", 1), draw(tmp_path / "far.png", "blue", 7))
    path = draw(tmp_path / "a.png", "red", 2)
    sample = Sample("a", path, prompt_of("red"), references=references)
    found = one([sample], "reference_similarity", options)
    model = package(assets / "lpips" / "alexnet.safetensors")
    wanted = [pairwise(model, [path, reference])[0] for reference in references]
    assert found.detail["lpips"] == pytest.approx(wanted, rel=1e-4)
    assert found.value == pytest.approx(1 - min(wanted), rel=1e-4)


def test_other_references_are_another_score(tmp_path: Path, options: ScoreOptions) -> None:
    from metrics import MemoryCache

    kept = replace(options, cache=MemoryCache())
    sample = Sample("a", draw(tmp_path / "a.png", "red", 2), prompt_of("red"))
    first = replace(sample, references=(draw(tmp_path / "r1.png", "red", 1),))
    other = replace(sample, references=(draw(tmp_path / "r2.png", "blue", 1),))
    one([first], "reference_similarity", kept)
    (event,) = scored([other], ["reference_similarity"], kept)
    assert not event.cached
    (event,) = scored([sample], ["reference_similarity"], kept)
    assert event.score.reason == "This prompt has no reference picture; add one to compare with."
    (event,) = scored([replace(sample, references=(tmp_path / "no.png",))], ["reference_similarity"], kept)
    assert "no.png does not exist" in (event.score.reason or "")


def test_bundled_knows_its_world_only(tmp_path: Path, options: ScoreOptions) -> None:
    samples = write_circles(tmp_path / "m", 2, colors=1)
    for prompt, word in (
        ("a castle at dawn", "'castle', 'dawn'"),
        ("", "prompt of this picture is not known"),
    ):
        (event,) = scored([replace(s, prompt=prompt) for s in samples], ["lpips_diversity"], options)
        assert word in (event.score.reason or "")
        assert "choose the standard tier" in (event.score.reason or "")


@pytest.mark.parametrize("damage", ["absent", "empty"])
def test_bundled_files_that_are_not_right(tmp_path: Path, assets: Path, damage: str) -> None:
    if damage == "empty":
        (tmp_path / "lpips").mkdir()
        (tmp_path / "lpips" / "alexnet.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    metric = create_metric("lpips_diversity")
    with pytest.raises(Exception, match="restore the folder assets/lpips"):
        metric.source("bundled", tmp_path).load("cpu")
