"""Measures the exported models; the figures of the model card come from here."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from diffusers import (
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
)
from PIL import Image

from training.answerer_measure import measure_answerer
from training.checker import check, summarise
from training.clip import Towers, measure
from training.clip_measure import area_under_curve
from training.detector_measure import measure_detector
from training.dino_measure import measure_dino
from training.evaluation import evaluation_scenes, generate, picture_grid, report_by_sort
from training.lora_files import measure_lora
from training.lpips_measure import measure_lpips
from training.names import BASE, STAGES, XL
from training.settings import Settings
from training.tokenizer import build_tokenizer
from training.world import Scene

_HELD_OUT = 200
_SEED = 31337
_OTHER_SAMPLERS = {
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}
_OTHER_GUIDANCE = (1.0, 3.0, 5.0)


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


@dataclass(frozen=True)
class Measured:
    """What was measured of one pipeline: the report, and score and truth of each picture."""

    report: dict[str, Any]
    scores: list[float]
    right: list[bool]
    grid: Image.Image


def load(folder: Path) -> DiffusionPipeline:
    """Loads an exported pipeline in full precision."""
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def separation(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """Returns the share of pairs in which the right picture scores above the wrong one (AUC).

    Args:
        scores: One score a picture.
        right: Whether the checker found everything right.

    Returns:
        A share, ties counted half; None where all pictures are right or all are wrong.
    """
    area = area_under_curve(torch.tensor(scores), torch.tensor(right))
    return None if math.isnan(area) else area


@dataclass(frozen=True)
class Bench:
    """The scenes that all pipelines are measured on, and how."""

    scorer: Scorer
    scenes: Sequence[Scene]
    steps: int

    def measure(
        self, pipeline: DiffusionPipeline, guidance_scale: float, count: int | None = None
    ) -> Measured:
        """Generates a picture a caption, checks and scores it.

        Args:
            pipeline: A text-to-image pipeline.
            guidance_scale: Strength of the guidance.
            count: How many of the scenes; all by default.
        """
        scenes = self.scenes[:count]
        captions = [scene.caption for scene in scenes]
        started = time.process_time()
        images = generate(pipeline, captions, self.steps, guidance_scale, seed=_SEED)
        seconds = time.process_time() - started
        results = [check(image, scene) for image, scene in zip(images, scenes, strict=True)]
        scores = self.scorer.scores(images, captions)
        right = [result["all"] for result in results]
        report: dict[str, Any] = {
            "prompts": len(scenes),
            **summarise(results),
            **report_by_sort(scenes, results),
            "clip_score": scores.mean().item(),
            "clip_score_standard_error": (scores.std() / len(scores) ** 0.5).item(),
            "clip_score_auc": separation(scores.tolist(), right),
            "cpu_seconds_a_picture": seconds / len(scenes),
        }
        return Measured(report, scores.tolist(), right, picture_grid(images[:40]))


def measure_assets(settings: Settings, work: Path, assets: Path, prompts: int = _HELD_OUT) -> None:
    """Measures the exported pipelines and CLIP; writes `training_logs/measurements.json`.

    Args:
        settings: The settings of the training.
        work: Folder of the run; sample grids go here.
        assets: Where the exported models are.
        prompts: How many prompts are drawn as pictures.
    """
    scorer = Scorer(assets / "clip")
    guidance = settings.diffusion.guidance_scale
    towers = Towers(scorer.model, build_tokenizer(), settings.clip.image_size)
    report: dict[str, Any] = {"guidance": guidance, "clip": measure(towers)}
    scorer.model.eval()
    bench = Bench(scorer, evaluation_scenes(prompts, seed=_SEED), settings.diffusion.eval_steps)
    scores: list[float] = []
    right: list[bool] = []
    for name in (*STAGES, XL):
        if (assets / "models" / name).is_dir():
            measured = bench.measure(load(assets / "models" / name), guidance)
            report[name] = measured.report
            measured.grid.save(work / f"grid_{name}.png")
            scores, right = scores + measured.scores, right + measured.right
    report["clip_score_auc_over_all_pictures"] = separation(scores, right)
    few = max(2, prompts // 4)
    for scale in _OTHER_GUIDANCE:
        measured = bench.measure(load(assets / "models" / BASE), scale, few)
        report[f"{BASE} at guidance {scale:g}"] = measured.report
        measured.grid.save(work / f"grid_guidance_{scale:g}.png")
    for name, sampler in _OTHER_SAMPLERS.items():
        pipeline = load(assets / "models" / BASE)
        pipeline.scheduler = sampler.from_config(pipeline.scheduler.config)
        report[f"{BASE} with {name}"] = bench.measure(pipeline, guidance, few).report
    write_report(assets, "pictures", report)


def measure_others(assets: Path, short: bool) -> None:
    """Measures every other exported network and writes its part of the report.

    Args:
        assets: Where the exported networks are.
        short: Whether a handful of scenes is enough, for tests.
    """
    parts: dict[str, tuple[Path, Callable[..., dict[str, float]], int, int]] = {
        "lora": (assets / "loras", lambda folder, *args: measure_lora(folder.parent, *args), 60, 31338),
        "lpips": (assets / "lpips", measure_lpips, 1000, 9001),
        "dino_vit": (assets / "dinov3-vit", measure_dino, 400, 9101),
        "dino_convnext": (assets / "dinov3-convnext", measure_dino, 400, 9101),
        "answerer": (assets / "vqa", measure_answerer, 1500, 31339),
        "detector": (assets / "detector", measure_detector, 500, 31340),
    }
    for part, (folder, measure_part, count, seed) in parts.items():
        if folder.is_dir():
            write_report(assets, part, measure_part(folder, max(4, count // 100) if short else count, seed))


def write_report(assets: Path, part: str, report: dict[str, Any]) -> None:
    """Writes one part of `training_logs/measurements.json` and keeps the other parts."""
    target = assets / "training_logs" / "measurements.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    known[part] = report
    target.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
