"""Writes the trained models in the layouts that diffusers and open_clip load."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from training.checkpoint import read_tensors
from training.clip import model_config
from training.diffusion import build_pipeline, load_snapshot, snapshot_path
from training.settings import Settings
from training.tokenizer import build_tokenizer
from training.world import vocabulary

BASE, EARLY = "shapes-base", "shapes-early"
_CARD_START, _CARD_END = "<!-- weights: written by export -->", "<!-- end of weights -->"


def export(settings: Settings, work: Path, assets: Path) -> None:
    """Writes whatever is trained so far; a part that is not is left as it was.

    Args:
        settings: The settings that the models were trained with.
        work: Folder of the run.
        assets: Where the models go.
    """
    snapshots = {
        BASE: latest_snapshot(work),
        EARLY: snapshot_path(work, settings.diffusion.early_minutes),
    }
    if (work / "vae" / "config.json").exists():
        for name, path in snapshots.items():
            if path is not None and path.exists():
                export_pipeline(settings, work, path, assets / "models" / name)
    if (work / "clip.safetensors").exists():
        export_clip(settings, work, assets / "clip")
    if (work / "logs").is_dir():
        shutil.copytree(work / "logs", assets / "training_logs", dirs_exist_ok=True)
    write_manifest(assets)


def latest_snapshot(work: Path) -> Path | None:
    """Returns the final snapshot, or the last one so far, or None."""
    final = work / "snapshots" / "final.safetensors"
    if final.exists():
        return final
    return max((work / "snapshots").glob("minute_*.safetensors"), default=None)


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
    temporary = _fresh(target)
    pipeline.to(torch.float16).save_pretrained(temporary)
    _tidy_configurations(temporary)
    _replace(temporary, target)


def export_clip(settings: Settings, work: Path, target: Path) -> None:
    """Writes an open_clip folder in half precision, with the words that the model knows."""
    tensors, _ = read_tensors(work / "clip.safetensors")
    start = "model/clip/"
    weights = {
        name.removeprefix(start): tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }
    temporary = _fresh(target)
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
    _replace(temporary, target)


def write_manifest(assets: Path) -> None:
    """Writes `models.json` and the table of hashes in the model card."""
    manifest = {
        path.relative_to(assets).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(assets.rglob("*.safetensors"))
    }
    text = json.dumps(manifest, indent=1) + "\n"
    (assets / "models.json").write_text(text, encoding="utf-8")
    card = assets / "MODEL_CARD.md"
    if not card.exists():
        return
    text = card.read_text(encoding="utf-8")
    if _CARD_START not in text:
        return
    before, rest = text.split(_CARD_START)
    rows = [f"| `{name}` | {entry['bytes']:,} | `{entry['sha256']}` |" for name, entry in manifest.items()]
    table = "\n".join(["| file | bytes | SHA-256 |", "|---|---|---|", *rows])
    after = rest.split(_CARD_END)[1]
    card.write_text(f"{before}{_CARD_START}\n{table}\n{_CARD_END}{after}", encoding="utf-8")


def _fresh(target: Path) -> Path:
    temporary = target.with_name(f".{target.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    return temporary


def _tidy_configurations(folder: Path) -> None:
    """Takes out the training machine's paths, and has all parts load in one precision.

    Without a precision asked for, transformers loads its models in the one that their
    configuration names and diffusers loads in full: the pipeline would then stop at the first step.
    """
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        named = content.pop("_name_or_path", None)
        if "dtype" in content:
            content["dtype"] = "float32"
        if named is not None or "dtype" in content:
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _replace(temporary: Path, target: Path) -> None:
    for path in temporary.rglob("*.safetensors"):
        path.chmod(0o644)  # some writers leave files that only their owner can read
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    temporary.rename(target)
    shutil.rmtree(old, ignore_errors=True)
