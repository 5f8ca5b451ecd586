"""Sixteen pictures on shapes-base, against a hand-written diffusers loop.

Same batches, same steps, pictures saved by both; loading the model counts for neither. Each
side runs in a process of its own, because threads that torch started for one side slow down
the other.

    python -m benchmarks.overhead ours|by-hand     one side; prints seconds
"""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Comparison, alternate, seconds
from explorer import Explorer, GenerateRequest, Sampling, Settings

COLORS = ("red", "green", "blue", "yellow")
SEEDS, STEPS, GUIDANCE = 4, 20, 5.0
PROJECT = Path(__file__).resolve().parent.parent


def drawing_overhead() -> Comparison:
    """Wall time of our run over that of the loop."""
    ours, other = alternate(lambda: _side("ours"), lambda: _side("by-hand"), rounds=5)
    return Comparison("16 pictures, against a hand-written loop", ours, other, bound=1.05)


def _side(name: str) -> float:
    line = [sys.executable, "-m", "benchmarks.overhead", name]
    return float(subprocess.run(line, check=True, capture_output=True, text=True, cwd=PROJECT).stdout)


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
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    path = Settings().assets / "models" / "shapes-base"
    pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)

    def draw(text: str, folder: Path) -> None:
        images = pipe(
            text,
            negative_prompt="",
            num_images_per_prompt=SEEDS,
            generator=[torch.Generator().manual_seed(seed) for seed in range(SEEDS)],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            height=128,
            width=128,
        ).images
        for seed, image in enumerate(images):
            image.save(folder / f"{text}-{seed}.png")

    with tempfile.TemporaryDirectory() as name:
        draw("a pink star", Path(name))
        return seconds(lambda: [draw(text, Path(name)) for text in _texts()])


if __name__ == "__main__":
    print(ours() if sys.argv[1] == "ours" else by_hand())
