"""Scoring: one pass an image and kept features, against calling the libraries one after another.

Each side runs in a process of its own on the same pictures, with the bundled weights.

    python -m benchmarks.scoring SIDE     one side; prints seconds (or megabytes)
"""

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison, alternate, own_process, seconds
from metrics import Registry, Sample, Scored, ScoreOptions, score
from metrics.runner import default_assets

SEEDS, COLORS = 16, ("red", "green", "blue", "yellow")
MODULE = "benchmarks.scoring"


def _compare(title: str, ours: str, other: str, bound: float, rounds: int = 1) -> Comparison:
    """Once each, for most ratios are far from their bounds and the other side takes minutes."""

    def side(name: str) -> Callable[[], float]:
        return lambda: own_process(MODULE, name)[0]

    return Comparison(title, *alternate(side(ours), side(other), rounds), bound)


def lpips_pairs() -> Comparison:
    """LPIPS diversity of 16 seeds, against the `lpips` package pair by pair."""
    return _compare("LPIPS of 16 seeds, against pair by pair", "lpips-ours", "lpips-package", 0.1)


def ms_ssim_pairs() -> Comparison:
    """MS-SSIM diversity of 16 seeds, against torchmetrics pair by pair."""
    return _compare("MS-SSIM of 16 seeds, against torchmetrics", "ms-ssim-ours", "ms-ssim-torchmetrics", 1.0)


def shared_network() -> Comparison:
    """CLIP score and aesthetic score on one network, against the CLIP score alone."""
    return _compare("Two metrics on one CLIP, against one", "clip-and-aesthetic", "clip-alone", 1.1, rounds=5)


def whole_analysis() -> Comparison:
    """CLIP score, LPIPS and MS-SSIM of 64 pictures, loading included, against a script."""
    return _compare("64 pictures, 3 metrics, against a script", "analysis", "script", 1 / 1.5)


def peak_memory() -> Comparison:
    """Peak memory in MB of scoring 10,000 pictures, against 1,000. Takes a long time."""
    sizes = [own_process(MODULE, f"memory-{count}")[0] for count in (10_000, 1_000)]
    return Comparison("Peak MB of 10,000 pictures, against 1,000", *sizes, bound=1.1)


@contextmanager
def _pictures(seeds: int = SEEDS, colors: int = len(COLORS), side: int = 512) -> Iterator[list[Sample]]:
    """Samples of drawn pictures of the bundled world: circles somewhere on white."""
    import random

    from PIL import Image, ImageDraw

    with tempfile.TemporaryDirectory() as name:
        samples = []
        for number in range(seeds * colors):
            color, seed = COLORS[number // seeds % len(COLORS)], number % seeds
            chance = random.Random(number)
            image = Image.new("RGB", (side, side), "white")
            x, y, r = (chance.uniform(low, high) * side for low, high in ((0.3, 0.7), (0.3, 0.7), (0.1, 0.2)))
            ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=color)
            # Its number in a corner, for no two pictures of a real run are equal byte by byte.
            image.putpixel((0, 0), (number % 256, number // 256 % 256, number // 65_536))
            path = Path(name) / f"{number}.png"
            image.save(path)
            prompt = f"a {color} circle on a white background"
            samples.append(
                Sample(path.name, path, prompt, model=str(number // seeds // len(COLORS)), seed=seed)
            )
        yield samples


def _score(samples: list[Sample], *names: str, **more: Any) -> None:
    options = ScoreOptions(device="cpu", **more)
    for event in score(samples, names, options):
        if isinstance(event, Scored) and event.score.value is None:
            raise RuntimeError(event.score.reason)


def _lpips_ours() -> float:
    with _pictures(colors=1) as samples:
        _score(samples[:2], "lpips_diversity")
        return seconds(lambda: _score(samples, "lpips_diversity"))


def _lpips_package() -> float:
    model = _load_lpips()
    with _pictures(colors=1) as samples:
        _pairwise_lpips(model, samples[:2])
        return seconds(lambda: _pairwise_lpips(model, samples))


def _ms_ssim_ours() -> float:
    with _pictures(colors=1) as samples:
        _score(samples[:2], "ms_ssim_diversity")
        return seconds(lambda: _score(samples, "ms_ssim_diversity"))


def _ms_ssim_torchmetrics() -> float:
    with _pictures(colors=1) as samples:
        _pairwise_ms_ssim(samples[:2])
        return seconds(lambda: _pairwise_ms_ssim(samples))


def _analysis() -> float:
    with _pictures() as samples:
        return seconds(lambda: _score(samples, "clip_score", "lpips_diversity", "ms_ssim_diversity"))


def _script() -> float:
    """What a person would write: each library after the other, loading the pictures anew."""

    def work() -> None:
        _clip_scores(samples)
        model = _load_lpips()
        for start in range(0, len(samples), SEEDS):
            _pairwise_lpips(model, samples[start : start + SEEDS])
        for start in range(0, len(samples), SEEDS):
            _pairwise_ms_ssim(samples[start : start + SEEDS])

    with _pictures() as samples:
        return seconds(work)


def _squares(samples: list[Sample]) -> list[Any]:
    """The pictures as tensors of shape (1, 3, 256, 256), 0 to 1."""
    from PIL import Image
    from torchvision.transforms.functional import to_tensor

    images = [Image.open(s.path).convert("RGB").resize((256, 256), Image.Resampling.BICUBIC) for s in samples]
    return [to_tensor(image)[None] for image in images]


def _load_lpips() -> Any:
    import lpips
    from safetensors.torch import load_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False)
    model.load_state_dict(load_file(default_assets() / "lpips" / "alexnet.safetensors"))
    return model.eval()


def _pairwise_lpips(model: Any, samples: list[Sample]) -> float:
    import torch

    with torch.no_grad():
        pictures = _squares(samples)
        values = [float(model(a, b, normalize=True)) for a, b in combinations(pictures, 2)]
    return sum(values) / len(values)


def _pairwise_ms_ssim(samples: list[Sample]) -> float:
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

    values = [1 - float(ms_ssim(a, b, data_range=1.0)) for a, b in combinations(_squares(samples), 2)]
    return sum(values) / len(values)


def _clip_scores(samples: list[Sample]) -> list[float]:
    import open_clip
    import torch
    from PIL import Image

    name = f"local-dir:{default_assets() / 'clip'}"
    model, _, transform = open_clip.create_model_and_transforms(name, require_pretrained=True)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    with torch.no_grad():
        pixels = torch.stack([transform(Image.open(sample.path)) for sample in samples])
        images = model.encode_image(pixels, normalize=True)
        texts = model.encode_text(tokenizer([sample.prompt for sample in samples]), normalize=True)
    return [100 * max(float(value), 0) for value in (images * texts).sum(dim=1)]


@dataclass(frozen=True)
class LocalFile:
    """Weights that lie at a path."""

    at: Path
    sha256: str = "local"

    @property
    def name(self) -> str:
        """Its file name."""
        return self.at.name

    @property
    def command(self) -> str:
        """Nothing fetches it."""
        return ""

    def path(self) -> Path:
        """Where it is."""
        return self.at

    def fetch(self, report: Any, endpoint: str | None) -> Path:
        """It is here."""
        return self.at


def _on_one_clip(*names: str) -> float:
    """A ViT-B/32 with the embedding width of ViT-L/14 and drawn weights: time is all that counts."""
    import json

    import open_clip
    import torch
    from safetensors.torch import save_file

    from metrics.aesthetic import Aesthetic, AestheticSource
    from metrics.clip import ClipScore
    from metrics.clip_backbone import VIT_B_32, ClipModel, ClipSource

    with tempfile.TemporaryDirectory() as folder:
        shape = open_clip.get_model_config("ViT-B-32") | {"embed_dim": 768}
        config, weights, head = (
            Path(folder) / name for name in ("timed.json", "clip.safetensors", "head.pth")
        )
        config.write_text(json.dumps(shape))
        open_clip.add_model_config(config)
        save_file(open_clip.create_model("timed", load_weights=False).state_dict(), weights)
        widths = (768, 1024, 128, 64, 16, 1)
        torch.save(
            {
                f"layers.{layer}.{part}": torch.randn(rows, columns) / columns**0.5
                if part == "weight"
                else torch.zeros(rows)
                for layer, columns, rows in zip((0, 2, 4, 6, 7), widths[:-1], widths[1:], strict=True)
                for part in ("weight", "bias")
            },
            head,
        )
        clip = ClipModel(VIT_B_32.card, "timed", LocalFile(weights))

        class TimedClipScore(ClipScore):
            def source(self, tier: Any, assets: Path) -> ClipSource:
                return ClipSource(clip, assets)

        class TimedAesthetic(Aesthetic):
            def source(self, tier: Any, assets: Path) -> AestheticSource:
                return AestheticSource(ClipSource(clip, assets), LocalFile(head))  # type: ignore[arg-type]

        registry = Registry([TimedClipScore, TimedAesthetic])
        with _pictures() as samples:
            _score(samples[:2], *names, tier="standard", registry=registry)
            return seconds(lambda: _score(samples, *names, tier="standard", registry=registry))


def _memory(count: int) -> float:
    """Peak megabytes of the process after scoring so many small pictures."""
    import resource

    shapes = ("circle", "square", "triangle", "star", "diamond", "cross")
    grounds = ("white", "black", "gray", "beige", "navy")
    prompts = [f"a {c} {s} on a {g} background" for c in COLORS for s in shapes for g in grounds]
    with _pictures(seeds=4, colors=count // 4, side=64) as drawn:
        # Models of 480 pictures: what matters here is how many there are, not what they show.
        samples = [
            replace(
                sample, prompt=prompts[number // 4 % len(prompts)], model=str(number // 4 // len(prompts))
            )
            for number, sample in enumerate(drawn)
        ]
        names = ("clip_score", "lpips_diversity", "cross_prompt_diversity", "ms_ssim_diversity", "vendi")
        _score(samples, *names)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


SIDES: dict[str, Callable[[], float]] = {
    "lpips-ours": _lpips_ours,
    "lpips-package": _lpips_package,
    "ms-ssim-ours": _ms_ssim_ours,
    "ms-ssim-torchmetrics": _ms_ssim_torchmetrics,
    "clip-and-aesthetic": lambda: _on_one_clip("clip_score", "aesthetic"),
    "clip-alone": lambda: _on_one_clip("clip_score"),
    "analysis": _analysis,
    "script": _script,
    "memory-1000": lambda: _memory(1_000),
    "memory-10000": lambda: _memory(10_000),
}

if __name__ == "__main__":
    print(SIDES[sys.argv[1]]())
