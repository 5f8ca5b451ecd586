"""Runs a part of the training by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from training.settings import FULL, SHORT, Settings


@dataclass(frozen=True)
class Place:
    """What a part is run with."""

    settings: Settings
    work: Path
    assets: Path
    short: bool


def _from(module: str, name: str) -> Any:
    """Imports a function only when its part is run: most of the libraries are slow to import."""
    return getattr(import_module(f"training.{module}"), name)


def _measure(place: Place) -> None:
    few = {"prompts": 4} if place.short else {}
    _from("measure", "measure_assets")(place.settings, place.work, place.assets, **few)
    _from("measure", "measure_others")(place.assets, place.short)
    _from("card", "write_card")(place.assets)


PARTS: dict[str, Callable[[Place], None]] = {
    "vae": lambda place: _from("vae", "train_vae")(place.settings.vae, place.work),
    "latents": lambda place: _from("latents", "write_latents")(place.settings.latents, place.work),
    "diffusion": lambda place: _from("diffusion", "train_diffusion")(place.settings, place.work),
    "refine": lambda place: _from("refine", "refine_decoder")(place.settings, place.work),
    "xl": lambda place: _from("xl", "train_xl")(place.settings, place.work),
    "lora": lambda place: _from("lora", "train_lora")(place.settings, place.work),
    "clip": lambda place: _from("clip", "train_clip")(place.settings.clip, place.work),
    "lpips": lambda place: _from("lpips_backbone", "train_lpips")(place.settings.lpips, place.work),
    "dino": lambda place: _from("dino", "train_dino")(place.settings.dino, place.work),
    "answerer": lambda place: _from("answerer", "train_answerer")(place.settings.answerer, place.work),
    "detector": lambda place: _from("detector", "train_detector")(place.settings.detector, place.work),
    "export": lambda place: _from("export", "export")(place.settings, place.work, place.assets),
    "measure": _measure,
}
"""Every part in the order that the parts need one another."""


def run_part(part: str, work: Path, assets: Path, *, short: bool = False) -> None:
    """Runs one part; a finished part is left as it is.

    Args:
        part: A name in `PARTS`.
        work: Folder of checkpoints and logs.
        assets: Where "export" writes to and "measure" reads from.
        short: Whether to use the settings for tests.
    """
    PARTS[part](Place(SHORT if short else FULL, work, assets, short))
