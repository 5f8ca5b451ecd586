"""Writes the trained models in the layouts that diffusers and open_clip load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from training.answerer import export_answerer
from training.card import write_card
from training.checkpoint import read_tensors
from training.clip import model_config
from training.detector import export_detector
from training.diffusion import build_pipeline, latest_snapshot, load_snapshot, snapshot_path
from training.dino import export_dino
from training.files import fresh, replace_folder, tidy_configurations
from training.lora_files import export_lora
from training.lpips_backbone import export_lpips
from training.names import BASE, EARLY, MID, XL
from training.settings import Settings
from training.tokenizer import build_tokenizer
from training.world import vocabulary
from training.xl import export_xl


def export(settings: Settings, work: Path, assets: Path) -> None:
    """Writes whatever is trained so far; a part that is not is left as it was.

    Args:
        settings: The settings that the models were trained with.
        work: Folder of the run.
        assets: Where the models go.
    """
    snapshots = {
        BASE: latest_snapshot(work),
        MID: snapshot_path(work, settings.diffusion.mid_minutes),
        EARLY: snapshot_path(work, settings.diffusion.early_minutes),
    }
    if (work / "vae" / "config.json").exists():
        for name, path in snapshots.items():
            if path is not None and path.exists():
                export_pipeline(settings, work, path, assets / "models" / name)
    if (work / "clip.safetensors").exists():
        export_clip(settings, work, assets / "clip")
    _export_others(settings, work, assets)
    if (work / "logs").is_dir():
        shutil.copytree(work / "logs", assets / "training_logs", dirs_exist_ok=True)
    write_card(assets)


def _export_others(settings: Settings, work: Path, assets: Path) -> None:
    """Writes the networks that other modules know how to write, as far as they are trained."""
    if (work / "xl_final.safetensors").exists():
        export_xl(settings, work, assets / "models" / XL)
    if any(work.glob("lora_*_final.safetensors")):
        export_lora(settings, work, assets / "loras")
    if (work / "lpips_heads.safetensors").exists():
        export_lpips(settings.lpips, work, assets / "lpips")
    if (work / "dino_vit.safetensors").exists():
        export_dino(settings.dino, work, assets)
    if (work / "answerer_answers.safetensors").exists():
        export_answerer(settings.answerer, work, assets / "vqa")
    if (work / "detector.safetensors").exists():
        export_detector(settings.detector, work, assets / "detector")


def export_pipeline(settings: Settings, work: Path, snapshot: Path, target: Path) -> None:
    """Writes a Stable Diffusion folder in half precision.

    Args:
        settings: The settings.
        work: Folder of the run, which holds the autoencoder.
        snapshot: Averaged weights of denoiser and text encoder.
        target: The folder; an old one is replaced when the new one is whole.
    """
    unet, text, _ = load_snapshot(settings, snapshot)
    refined = work / "vae_refined"
    vae = AutoencoderKL.from_pretrained(refined if refined.exists() else work / "vae")
    pipeline = build_pipeline(unet, text, vae, settings.diffusion.scaling_factor)
    temporary = fresh(target)
    pipeline.to(torch.float16).save_pretrained(temporary)
    tidy_configurations(temporary)
    replace_folder(temporary, target)


def export_clip(settings: Settings, work: Path, target: Path) -> None:
    """Writes an open_clip folder in half precision, with the words that the model knows."""
    tensors, _ = read_tensors(work / "clip.safetensors")
    start = "model/clip/"
    weights = {
        name.removeprefix(start): tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }
    temporary = fresh(target)
    temporary.mkdir(parents=True)
    save_file(weights, temporary / "open_clip_model.safetensors", metadata={"format": "pt"})
    tokenizer = build_tokenizer()
    config = model_config(settings.clip, len(tokenizer))
    config["text_cfg"] |= {"hf_tokenizer_name": ".", "tokenizer_kwargs": {}}
    scale = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": scale}, indent=1)
    (temporary / "open_clip_config.json").write_text(text + "\n", encoding="utf-8")
    # open_clip finds the end of a text as the highest id and was trained with zeros behind it.
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    tokenizer.save_pretrained(temporary)
    (temporary / "vocabulary.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    replace_folder(temporary, target)
