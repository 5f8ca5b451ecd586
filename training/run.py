"""Runs a part of the training by its name."""

from __future__ import annotations

from pathlib import Path

from training.settings import FULL, SHORT


def run_part(part: str, work: Path, assets: Path, *, short: bool = False) -> None:
    """Runs one part; a finished part is left as it is.

    Args:
        part: One of "vae", "latents", "diffusion", "refine", "clip", "export" and "measure".
        work: Folder of checkpoints and logs.
        assets: Where "export" writes to and "measure" reads from.
        short: Whether to use the settings for tests.
    """
    settings = SHORT if short else FULL
    if part == "vae":
        from training.vae import train_vae

        train_vae(settings.vae, work)
    elif part == "latents":
        from training.latents import write_latents

        write_latents(settings.latents, work)
    elif part == "diffusion":
        from training.diffusion import train_diffusion

        train_diffusion(settings, work)
    elif part == "refine":
        from training.refine import refine_decoder

        refine_decoder(settings, work)
    elif part == "clip":
        from training.clip import train_clip

        train_clip(settings.clip, work)
    elif part == "export":
        from training.export import export

        export(settings, work, assets)
    elif part == "measure":
        from training.measure import measure_assets

        measure_assets(settings, work, assets, **({"prompts": 4} if short else {}))
    else:
        raise ValueError(f"unknown part: {part}")
