"""Measures how well a detector finds and names what is drawn."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    RTDetrForObjectDetection,
    RTDetrImageProcessor,
)

from training.boxes import (
    Boxes,
    average_precision,
    mean_average_precision,
    overlaps,
    pair_names,
    relabeled,
    scene_boxes,
    without_doubles,
)
from training.codes import to_tensor
from training.detector_data import roughened
from training.render import render_batch
from training.world import COLORS, SHAPES, draw_scene

Pictures = NDArray[np.uint8]

# Boxes of at least this score count as found; where doubles are dropped, unsure ones may stay. Both
# were chosen on scenes apart from those of any measurement.
CUT, SINGLE_CUT = 0.5, 0.3


@torch.no_grad()
def find(
    model: RTDetrForObjectDetection, prepare: RTDetrImageProcessor, images: Sequence[Pictures], cut: float
) -> list[Boxes]:
    """Finds objects in pictures of any size.

    Args:
        model: The detector, in evaluation mode.
        prepare: Its image processor.
        images: Pictures (height, width, 3).
        cut: Boxes with a lower score are dropped.

    Returns:
        The boxes of each picture in its own pixels.
    """
    found = []
    for start in range(0, len(images), 32):
        some = list(images[start : start + 32])
        outputs = model(**prepare(images=some, return_tensors="pt"))
        sizes = [image.shape[:2] for image in some]
        for row in prepare.post_process_object_detection(outputs, threshold=cut, target_sizes=sizes):
            values = row["boxes"].double().numpy(), row["labels"].numpy(), row["scores"].double().numpy()
            found.append(Boxes(*values))
    return found


def quality(found: Sequence[Boxes], truth: Sequence[Boxes], cut: float = CUT) -> dict[str, float]:
    """Returns precision over all classes, and how often everything above the cut is right."""
    counts, scenes = [], []
    for mine, real in zip(found, truth, strict=True):
        labels = sorted(mine.labels[mine.scores >= cut].tolist())
        counts.append(len(labels) == len(real.labels))
        scenes.append(labels == sorted(real.labels.tolist()))
    return {
        "map50": mean_average_precision(found, truth, len(pair_names())),
        "exact_count": float(np.mean(counts)),
        "exact_labels": float(np.mean(scenes)),
    }


def _summary(found: Sequence[Boxes], truth: Sequence[Boxes]) -> dict[str, float]:
    """Returns the quality with one line for each color and each shape."""
    report = quality(found, truth)
    for half, names in (("color", list(COLORS)), ("shape", list(SHAPES))):
        mine, real = relabeled(found, half), relabeled(truth, half)
        report[f"{half}_map50"] = mean_average_precision(mine, real, len(names))
        for number, name in enumerate(names):
            value = average_precision(mine, real, number)
            if value is not None:
                report[f"ap50_{name}"] = value
    return report


def sureness(found: Sequence[Boxes], truth: Sequence[Boxes]) -> dict[str, float]:
    """Returns mean score and overlap of the right boxes above the cut, and the share of wrong ones.

    A second box for the same object is right here: that it is one too many shows in the counts.
    """
    scores, shared, wrong = [], [], 0
    for mine, real in zip(found, truth, strict=True):
        table = overlaps(mine.corners, real.corners) * (mine.labels[:, None] == real.labels[None, :])
        best, kept = table.max(axis=1, initial=0.0), mine.scores >= CUT
        right = kept & (best >= 0.5)
        wrong += int((kept & ~right).sum())
        scores += mine.scores[right].tolist()
        shared += best[right].tolist()
    return {
        "score_of_right_boxes": float(np.mean(scores)) if scores else 0.0,
        "overlap_of_right_boxes": float(np.mean(shared)) if shared else 0.0,
        "wrong_boxes": wrong / max(1, wrong + len(scores)),
    }


def blurred(images: Pictures) -> Pictures:
    """Returns pictures that were halved in size and blown up again."""
    side = images.shape[1]
    half = [Image.fromarray(image).resize((side // 2, side // 2), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for image in half])


def _rough(images: Pictures, seed: int) -> Pictures:
    values = roughened((to_tensor(images) + 1) / 2, torch.Generator().manual_seed(seed))
    return (values * 255).round().byte().permute(0, 2, 3, 1).numpy()


def measure_detector(folder: Path, count: int, seed: int) -> dict[str, float]:
    """Measures an exported detector on freshly drawn scenes: clean, blurred and roughened.

    Args:
        folder: The exported folder.
        count: How many scenes are drawn.
        seed: Source of the scenes; to be apart from the seeds of the training.

    Returns:
        Precision, counts and scores; names that begin with "blurred" or "rough" belong to the
        same scenes made less perfect.
    """
    model = AutoModelForObjectDetection.from_pretrained(folder).eval()
    prepare = AutoImageProcessor.from_pretrained(folder)
    rng = random.Random(seed)
    scenes = [draw_scene(rng) for _ in range(count)]
    truth = [scene_boxes(scene) for scene in scenes]
    images = render_batch(scenes)
    started = time.process_time()
    found = find(model, prepare, list(images), 0.0)
    report = {"seconds_an_image": (time.process_time() - started) / count}
    report |= _summary(found, truth) | sureness(found, truth)
    single = quality([without_doubles(boxes) for boxes in found], truth, SINGLE_CUT)
    report |= {f"{key}_without_doubles": value for key, value in single.items()}
    for name, changed in (("blurred", blurred(images)), ("rough", _rough(images, seed))):
        again = find(model, prepare, list(changed), 0.0)
        values = quality(again, truth) | sureness(again, truth)
        report |= {f"{name}_{key}": value for key, value in values.items()}
    return report
