"""Writes the LoRA `outline` in both usual formats, and measures what it does to the base."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from peft import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from scipy import ndimage
from torch import Tensor

from training.checker import check, summarise
from training.checkpoint import load_modules, read_tensors
from training.diffusion import build_unet
from training.evaluation import evaluation_scenes, generate
from training.files import fresh
from training.latents import LatentSet
from training.lora import STYLE, add_lora, base_snapshot, lora_config, lora_path, paired_latents
from training.names import BASE
from training.settings import IMAGE_SIZE, LoraSettings, Settings
from training.world import BACKGROUNDS, COLORS, Scene

NAME = "outline"
KOHYA_FILE, DIFFUSERS_FILE = f"{NAME}.safetensors", f"{NAME}-diffusers.safetensors"
_WEIGHTS = (0.0, 0.5, 1.0)
_FOREGROUND_DISTANCE = 90
_MIN_AREA = 50


def kohya_tensors(layers: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Renames a denoiser's LoRA as kohya's trainer writes it.

    Args:
        layers: Tensors named as peft does: `down_blocks.1.….to_q.lora_A.weight`.
        alpha: The scale of the LoRA times its rank.

    Returns:
        Tensors named `lora_unet_down_blocks_1_…_to_q.lora_down.weight`, with the alphas.
    """
    result: dict[str, Tensor] = {}
    for name, tensor in layers.items():
        layer, side, _ = name.rsplit(".", 2)
        start = f"lora_unet_{layer.replace('.', '_')}"
        result[f"{start}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor
        result[f"{start}.alpha"] = torch.tensor(alpha, dtype=tensor.dtype)
    return result


def kohya_metadata(settings: LoraSettings, data: LatentSet, steps: int) -> dict[str, str]:
    """Returns what kohya's trainer and the model specification note about a LoRA.

    Args:
        settings: The settings.
        data: What it was trained on.
        steps: For how many steps.
    """
    words = Counter(word for caption in data.captions for word in caption.split())
    convolutions = {"conv_dim": str(settings.rank), "conv_alpha": str(settings.alpha)}
    return {
        "format": "pt",
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": BASE,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(settings.rank),
        "ss_network_alpha": str(settings.alpha),
        "ss_network_args": json.dumps(convolutions),
        "ss_output_name": NAME,
        "ss_resolution": f"({IMAGE_SIZE}, {IMAGE_SIZE})",
        "ss_num_train_images": str(len(data.captions)),
        "ss_batch_size_per_device": str(settings.batch_size),
        "ss_learning_rate": str(settings.learning_rate),
        "ss_seed": str(settings.seed),
        "ss_steps": str(steps),
        "ss_tag_frequency": json.dumps({STYLE: dict(words.most_common(40))}),
        "ss_training_comment": "Every shape as an outline; the captions do not speak of it.",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": NAME,
        "modelspec.description": f"Has {BASE} draw outlines instead of filled shapes.",
        "modelspec.resolution": f"{IMAGE_SIZE}x{IMAGE_SIZE}",
        "modelspec.prediction_type": "v",
        "modelspec.usage_hint": "Weight 1; no word in the prompt is needed.",
    }


def export_lora(settings: Settings, work: Path, target: Path) -> None:
    """Writes the LoRA in half precision, in kohya's format and in that of diffusers.

    Args:
        settings: The settings.
        work: Folder of the run.
        target: Folder of LoRAs; others that lie there stay.
    """
    options = settings.lora
    tensors, facts = read_tensors(lora_path(work, base_snapshot(work), "final"))
    unet = build_unet(settings.diffusion, settings.text.hidden_size)
    load_modules({"lora": add_lora(unet, options)}, tensors)
    layers = {name: value.half().contiguous() for name, value in get_peft_model_state_dict(unet).items()}
    temporary = fresh(target)
    temporary.mkdir(parents=True)
    metadata = kohya_metadata(options, paired_latents(options, work), facts["step"])
    save_file(kohya_tensors(layers, options.alpha), temporary / KOHYA_FILE, metadata=metadata)
    # Without the configuration a reader would take the alpha to be the rank.
    StableDiffusionPipeline.save_lora_weights(
        temporary,
        unet_lora_layers=layers,
        weight_name=DIFFUSERS_FILE,
        unet_lora_adapter_metadata=lora_config(options).to_dict(),
    )
    target.mkdir(parents=True, exist_ok=True)
    for path in temporary.iterdir():
        path.chmod(0o644)
        path.replace(target / path.name)
    temporary.rmdir()


def count_outlined(image: Image.Image, scene: Scene) -> tuple[int, int]:
    """Counts the objects of a picture, and those drawn as an outline.

    An outline goes all around its centre, where the picture has the background's color, and
    its own color is one that the scene names.

    Args:
        image: A picture of 128 px.
        scene: What it should show.

    Returns:
        Outlined objects and all objects.
    """
    pixels = np.asarray(image.convert("RGB")).astype(int)
    ground = np.array(BACKGROUNDS[scene.background])
    painted = np.abs(pixels - ground).sum(-1) > _FOREGROUND_DISTANCE
    # Gaps of a pixel or two do not make a ring another thing.
    closed = ndimage.binary_closing(np.pad(painted, 4), iterations=2)[4:-4, 4:-4]
    regions, count = ndimage.label(ndimage.binary_fill_holes(closed))
    outlined = objects = 0
    for number in range(1, count + 1):
        region = regions == number
        ring = region & painted
        if ring.sum() < _MIN_AREA:
            continue
        objects += 1
        rows, columns = np.where(region)
        y, x = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
        center = np.s_[y - 1 : y + 2, x - 1 : x + 2]
        color = np.median(pixels[ring], axis=0)
        nearest = min(COLORS, key=lambda name: np.abs(color - np.array(COLORS[name])).sum())
        named = nearest in {group.color for group in scene.groups}
        empty = np.abs(pixels[center].mean((0, 1)) - ground).sum() <= _FOREGROUND_DISTANCE
        outlined += bool(named and empty and region[center].all())
    return outlined, objects


def _draw(pipeline: Any, scenes: Sequence[Scene]) -> list[Image.Image]:
    return generate(pipeline, [scene.caption for scene in scenes], steps=20, guidance_scale=1.5, seed=77)


def _alike(first: Sequence[Image.Image], second: Sequence[Image.Image]) -> float:
    return float(all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True)))


def measure_lora(folder: Path, count: int, seed: int) -> dict[str, float]:
    """Draws with the exported base and LoRA and counts outlines.

    Args:
        folder: The assets, with `models/shapes-base` and `loras`.
        count: How many captions.
        seed: Which captions.

    Returns:
        For weights 0, 0.5 and 1 the share of objects that are outlines, and the share of
        pictures with the right colors and number of objects; and, as 1 or 0, whether weight 0
        and unloading change nothing and whether both formats draw the same.
    """
    pipeline = StableDiffusionPipeline.from_pretrained(folder / "models" / BASE, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    scenes = evaluation_scenes(count, seed)
    few = scenes[:4]  # compared bit by bit, which needs batches of one size
    plain = _draw(pipeline, few)
    report: dict[str, float] = {"prompts": count}
    pipeline.load_lora_weights(str(folder / "loras" / KOHYA_FILE), adapter_name="kohya")
    for weight in _WEIGHTS:
        pipeline.set_adapters(["kohya"], [weight])
        images = _draw(pipeline, scenes)
        pairs = list(zip(images, scenes, strict=True))
        outlined, objects = np.sum([count_outlined(*pair) for pair in pairs], axis=0)
        right = summarise(check(*pair) for pair in pairs)
        found = {"objects": float(objects), "outlined": float(outlined / max(objects, 1))}
        found |= {name: right[name] for name in ("count", "color", "background")}
        report |= {f"{name}_at_{weight:g}": value for name, value in found.items()}
        if weight == 0:
            report["same_at_0"] = _alike(_draw(pipeline, few), plain)
    kohya = _draw(pipeline, few)
    pipeline.unload_lora_weights()
    report["same_after_unloading"] = _alike(_draw(pipeline, few), plain)
    pipeline.load_lora_weights(str(folder / "loras" / DIFFUSERS_FILE), adapter_name="diffusers")
    report["same_in_both_formats"] = _alike(_draw(pipeline, few), kohya)
    return report
