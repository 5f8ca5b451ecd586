"""Sixteen pictures on shapes-base, against a hand-written diffusers loop.

Same batches, same steps, pictures saved by both; loading the model counts for neither.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Comparison, alternate, seconds
from explorer import Explorer, GenerateRequest, Sampling, Settings

PROMPTS, SEEDS, STEPS, GUIDANCE = 4, 4, 20, 5.0


def drawing_overhead() -> Comparison:
    """Wall time of our run over that of the loop."""
    ours, other = alternate(_ours, _by_hand, rounds=4)
    return Comparison("16 pictures, against a hand-written loop", ours, other, bound=1.05)


def _texts() -> tuple[str, ...]:
    colors = ("red", "green", "blue", "yellow")[:PROMPTS]
    return tuple(f"a {color} circle on a white background" for color in colors)


def _ours() -> float:
    request = GenerateRequest(
        models=("shapes-base",),
        prompts=_texts(),
        seeds=SEEDS,
        sampling=Sampling(sampler="DDIM", steps=STEPS, guidance=GUIDANCE),
        batch_size=SEEDS,
    )
    with _explorer() as explorer:
        model = explorer.plan(request).models[0]
        with explorer.pipelines.borrow(model):
            pass  # loaded, and kept for the run
        return seconds(lambda: list(explorer.generate(request)))


def _by_hand() -> float:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    with _explorer() as explorer, tempfile.TemporaryDirectory() as folder:
        path = next(model.path for model in explorer.models() if model.name == "shapes-base")
        pipe = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, dtype=torch.float32)
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        pipe.set_progress_bar_config(disable=True)

        def loop() -> None:
            for text in _texts():
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
                    image.save(Path(folder) / f"{text}-{seed}.png")

        return seconds(loop)


@contextmanager
def _explorer() -> Iterator[Explorer]:
    with tempfile.TemporaryDirectory() as root:
        explorer = Explorer(Settings(root=Path(root), device="cpu", offline=True))
        try:
            yield explorer
        finally:
            explorer.close()
