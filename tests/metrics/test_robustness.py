"""Every metric on pictures of every kind: a value or a reason, never a crash."""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics import Sample, ScoreOptions, list_metrics
from tests.metrics.counting import scored
from tests.metrics.drawn import draw, prompt_of


def _noise(side: tuple[int, int], mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side[1], side[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def _sixteen_bits(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, (64, 64), dtype=np.uint16)).save(path)


def _animated(path: Path) -> None:
    frames = [_noise((64, 64)), Image.new("RGB", (64, 64), "red")]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
    path.with_suffix(".gif").rename(path)


def _rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _noise((90, 40)).save(path.with_suffix(".jpg"), exif=exif)
    path.with_suffix(".jpg").rename(path)


def _cmyk(path: Path) -> None:
    _noise((64, 64), "CMYK").save(path.with_suffix(".jpg"))
    path.with_suffix(".jpg").rename(path)


def _cut(path: Path) -> None:
    _noise((64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:4000])


PICTURES: dict[str, Callable[[Path], object]] = {
    "one pixel": lambda path: _noise((1, 1)).save(path),
    "gray": lambda path: _noise((64, 64), "L").save(path),
    "alpha": lambda path: _noise((64, 64), "RGBA").save(path),
    "palette": lambda path: _noise((64, 64), "P").save(path),
    "16 bits": _sixteen_bits,
    "CMYK": _cmyk,
    "animated": _animated,
    "rotated": _rotated,
    "wide": lambda path: _noise((20_000, 3)).save(path),
    "tall": lambda path: _noise((1, 20_000)).save(path),
    "black": lambda path: Image.new("RGB", (64, 64)).save(path),
    "cut": _cut,
    "text": lambda path: path.write_text("no picture"),
    "empty": lambda path: path.write_bytes(b""),
}
UNREADABLE = {"cut", "text", "empty"}
BUNDLED = [card.id for card in list_metrics() if "bundled" in card.backbones]


@pytest.mark.parametrize("kind", PICTURES)
def test_a_value_or_a_reason(kind: str, tmp_path: Path, options: ScoreOptions) -> None:
    PICTURES[kind](tmp_path / "odd.png")
    samples = [
        Sample("odd", tmp_path / "odd.png", prompt_of("red"), model="m", seed=0),
        Sample("a", draw(tmp_path / "a.png", "red", 1), prompt_of("red"), model="m", seed=1),
        Sample("b", draw(tmp_path / "b.png", "red", 2), prompt_of("red"), model="m", seed=2),
        Sample("c", draw(tmp_path / "c.png", "blue", 1), prompt_of("blue"), model="m", seed=1),
        Sample("d", draw(tmp_path / "d.png", "blue", 0), prompt_of("blue"), model="m", seed=0),
    ]
    others = [
        Sample(
            f"{color}{seed}",
            draw(tmp_path / f"{color}{seed}.png", color, seed),
            prompt_of(color),
            None,
            "n",
            seed,
        )
        for color in ("red", "blue")
        for seed in ((3, 4, 5) if color == "red" else (3, 4))
    ]
    samples = [replace(s, references=(tmp_path / "a.png",)) for s in (*samples, *others)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        events = scored(samples, BUNDLED, options)
    assert len(events) == sum(
        {"image": 10, "prompt": 4, "model": 2}[card.level] for card in list_metrics() if card.id in BUNDLED
    )
    for event in events:
        keys = [sample.key for sample in event.group]
        if kind in UNREADABLE and keys == ["odd"]:
            assert event.score.value is None
            assert "odd.png" in (event.score.reason or "")
            continue
        if event.metric == "batch_quality":
            assert "needs 50" in (event.score.reason or "")
            continue
        assert event.score.value is not None, (event.metric, event.score.reason)
        assert math.isfinite(event.score.value)
        if kind in UNREADABLE and "odd" in keys:
            assert "odd.png" in event.score.detail["left_out"]
            assert event.score.detail["images"] == len(event.group) - 1


def test_one_seed_has_no_variety(tmp_path: Path, options: ScoreOptions) -> None:
    sample = Sample("a", draw(tmp_path / "a.png", "red", 1), prompt_of("red"), seed=0)
    for event in scored([sample], ["lpips_diversity", "ms_ssim_diversity", "vendi_prompt", "vendi"], options):
        assert "needs 2" in (event.score.reason or "")
        assert "this one has 1" in (event.score.reason or "")


def test_oblong_pictures_are_judged_by_their_middle(tmp_path: Path, options: ScoreOptions) -> None:
    """What is far from the center square of a strip does not change a CLIP score."""
    middle = Image.open(draw(tmp_path / "a.png", "red", 1))
    strips = []
    for color in ("white", "blue"):
        strip = Image.new("RGB", (128 * 41, 128), color)
        strip.paste(Image.new("RGB", (128 * 9, 128), "white"), (128 * 16, 0))
        strip.paste(middle, (128 * 20, 0))
        strip.save(tmp_path / f"{color}.png")
        strips.append(Sample(color, tmp_path / f"{color}.png", prompt_of("red")))
    one, other = scored(strips, ["clip_score"], options)
    assert one.score.value == pytest.approx(other.score.value)
