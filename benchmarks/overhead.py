"""Sixteen pictures on shapes-base, against a hand-written diffusers loop.

Same batches, same steps, pictures saved by both; loading the model counts for neither. Each
side runs in a process of its own, because threads that torch started for one side slow down
the other.

    python -m benchmarks.overhead ours|by-hand     one side; prints seconds
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.by_hand import SEEDS, STEPS, load_base
from benchmarks.measure import Comparison, alternate, own_process, seconds
from explorer import Explorer, GenerateRequest, Sampling, Settings

COLORS = ("red", "green", "blue", "yellow")
GUIDANCE = 5.0


def drawing_overhead() -> Comparison:
    """Wall time of our run over that of the loop."""
    ours, other = alternate(lambda: _side("ours"), lambda: _side("by-hand"), rounds=5)
    return Comparison("16 pictures, against a hand-written loop", ours, other, bound=1.05)


def _side(name: str) -> float:
    return own_process("benchmarks.overhead", name)[0]


def _texts() -> tuple[str, ...]:
    return tuple(f"a {color} circle on a white background" for color in COLORS)


def ours() -> float:
    """Seconds of our run, after a first picture has loaded the model."""
    request = GenerateRequest(
        models=("shapes-base",),
        prompts=_texts(),
        seeds=SEEDS,
        sampling=Sampling(sampler="DDIM", steps=STEPS, guidance=GUIDANCE),
        batch_size=SEEDS,
    )
    with tempfile.TemporaryDirectory() as root:
        explorer = Explorer(Settings(root=Path(root), device="cpu", offline=True))
        list(explorer.generate(replace(request, prompts=("a pink star",))))
        taken = seconds(lambda: list(explorer.generate(request)))
        explorer.close()
    return taken


def by_hand() -> float:
    """Seconds of the loop a person would write, after a first batch as well."""
    bare = load_base(GUIDANCE)

    def draw(text: str, folder: Path) -> None:
        for seed, image in enumerate(bare.draw(text)):
            image.save(folder / f"{text}-{seed}.png")

    with tempfile.TemporaryDirectory() as name:
        draw("a pink star", Path(name))
        return seconds(lambda: [draw(text, Path(name)) for text in _texts()])


if __name__ == "__main__":
    print(ours() if sys.argv[1] == "ours" else by_hand())
