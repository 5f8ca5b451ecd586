"""Measures the exported models; the figures of the model card come from here."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)
from PIL import Image

from training.checker import check, summarise
from training.clip import Towers, measure
from training.evaluation import evaluation_scenes, generate, picture_grid
from training.export import BASE, EARLY
from training.settings import Settings
from training.tokenizer import build_tokenizer
from training.world import Scene

_HELD_OUT = 200
_SEED = 31337
_OTHER_SAMPLERS = {
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}
_OTHER_GUIDANCE = (1.0, 5.0)


class Scorer:
    """CLIP score with the exported model, loaded the way the explorer loads it."""

    def __init__(self, folder: Path) -> None:
        """Loads the model.

        Args:
            folder: An open_clip folder.
        """
        name = f"local-dir:{folder}"
        self.model, _, self._preprocess = open_clip.create_model_and_transforms(name, require_pretrained=True)
        self._tokenizer = open_clip.get_tokenizer(name)
        self.model.float().eval()

    @torch.no_grad()
    def scores(self, images: Sequence[Image.Image], captions: Sequence[str]) -> torch.Tensor:
        """Returns 100 x max(cosine, 0) of every picture with its own caption."""
        pixels = torch.stack([self._preprocess(image) for image in images])
        pictures = self.model.encode_image(pixels, normalize=True)
        texts = self.model.encode_text(self._tokenizer(list(captions)), normalize=True)
        return 100 * (pictures * texts).sum(-1).clamp(min=0)


def load(folder: Path) -> StableDiffusionPipeline:
    """Loads an exported pipeline in full precision."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _measure_pipeline(
    pipeline: StableDiffusionPipeline,
    scorer: Scorer,
    scenes: Sequence[Scene],
    steps: int,
    guidance_scale: float,
) -> tuple[dict[str, Any], Image.Image]:
    captions = [scene.caption for scene in scenes]
    images = generate(pipeline, captions, steps, guidance_scale, seed=_SEED)
    results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
    report: dict[str, Any] = {"prompts": len(scenes), **summarise(results)}
    for kind in sorted({scene.kind for scene in scenes}):
        rows = [result for result, scene in zip(results, scenes, strict=True) if scene.kind == kind]
        report[f"all_{kind}"] = summarise(rows)["all"]
    scores = scorer.scores(images, captions)
    report["clip_score"] = scores.mean().item()
    report["clip_score_standard_error"] = (scores.std() / len(scores) ** 0.5).item()
    return report, picture_grid(images[:40])


def measure_assets(settings: Settings, work: Path, assets: Path, prompts: int = _HELD_OUT) -> None:
    """Measures all exported models and writes `training_logs/measurements.json`.

    Args:
        settings: The settings of the training.
        work: Folder of the run; sample grids go here.
        assets: Where the exported models are.
        prompts: How many held-out prompts are drawn as pictures.
    """
    steps, guidance = settings.diffusion.eval_steps, settings.diffusion.guidance_scale
    scorer = Scorer(assets / "clip")
    towers = Towers(scorer.model, build_tokenizer(), settings.clip.image_size)
    report: dict[str, Any] = {"steps": steps, "guidance": guidance, "clip": measure(towers)}
    scorer.model.eval()
    scenes = evaluation_scenes(prompts, seed=_SEED)
    for name in (EARLY, BASE):
        pipeline = load(assets / "models" / name)
        started = time.process_time()
        report[name], grid = _measure_pipeline(pipeline, scorer, scenes, steps, guidance)
        report[name]["cpu_seconds_a_picture"] = (time.process_time() - started) / prompts
        grid.save(work / f"grid_{name}.png")
    few = scenes[: max(2, prompts // 4)]
    for scale in _OTHER_GUIDANCE:
        pipeline = load(assets / "models" / BASE)
        report[f"{BASE} at guidance {scale:g}"], grid = _measure_pipeline(pipeline, scorer, few, steps, scale)
        grid.save(work / f"grid_guidance_{scale:g}.png")
    for name, sampler in _OTHER_SAMPLERS.items():
        pipeline = load(assets / "models" / BASE)
        pipeline.scheduler = sampler.from_config(pipeline.scheduler.config)
        report[f"{BASE} with {name}"], grid = _measure_pipeline(pipeline, scorer, few, steps, guidance)
        grid.save(work / f"grid_{name}.png")
    target = assets / "training_logs" / "measurements.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
