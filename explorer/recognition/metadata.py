"""What trainers and mergers write into the header of a file: kohya's `ss_*`, `modelspec.*`, peft.

All values are strings that anybody can have written: they are cleaned and cut, never trusted.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from explorer.facts import Family, ModelFacts, RecommendedSettings, clean_text

MAX_WORDS = 30
MAX_JSON = 4_000_000
_COMMON_TAGS = {"1girl", "1boy", "solo", "looking at viewer", "simple background", "white background"}


def facts_from_metadata(metadata: Mapping[str, str]) -> ModelFacts:
    """What the metadata of a header says in words; kind and family are told by tensors."""

    def text(*names: str, limit: int = 200) -> str:
        return next((clean_text(metadata[n], limit) for n in names if metadata.get(n)), "")

    architecture = text("modelspec.architecture").split("/")[0]
    prediction = text("modelspec.prediction_type").lower()
    if text("ss_v_parameterization").lower() == "true" or prediction.startswith("v"):
        prediction = "v_prediction"
    elif prediction.startswith("eps"):
        prediction = "epsilon"
    config = _json(metadata.get("lora_adapter_metadata", ""))
    rank, alpha = _peft_rank(config if isinstance(config, dict) else {})
    return ModelFacts(
        base=architecture or text("ss_base_model_version"),
        title=text("modelspec.title", "ss_output_name"),
        author=text("modelspec.author"),
        description=text("modelspec.description", "ss_training_comment", limit=2000),
        licence=text("modelspec.license"),
        prediction=prediction if prediction in ("v_prediction", "epsilon") else "",
        resolution=_resolution(text("modelspec.resolution")),
        rank=_whole(text("ss_network_dim")) or rank,
        alpha=_number(text("ss_network_alpha")) or alpha,
        trigger_words=split_words(metadata.get("modelspec.trigger_phrase", ""))
        or _frequent_tags(metadata.get("ss_tag_frequency", "")),
        recommended=RecommendedSettings(clip_skip=_whole(text("ss_clip_skip"))),
    )


def split_words(text: str) -> tuple[str, ...]:
    """Trigger words from a text with commas; each once, cleaned."""
    words = (clean_text(word, 120) for word in text[:10_000].split(","))
    return tuple(dict.fromkeys(word for word in words if word))[:MAX_WORDS]


def _frequent_tags(text: str) -> tuple[str, ...]:
    """Tags on nearly all training pictures: most likely what the LoRA was taught."""
    folders = _json(text)
    if not isinstance(folders, dict):
        return ()
    counts: dict[str, int] = {}
    for tags in folders.values():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int) and 0 < count < 10**9:
                counts[tag] = counts.get(tag, 0) + count
    most = max(counts.values(), default=0)
    often = [tag for tag, count in counts.items() if count >= 0.9 * most]
    often.sort(key=lambda tag: -counts[tag])
    words = (clean_text(tag, 120) for tag in often[:20])
    # One letter is no word that anybody was taught: it is the "a" of captions taken apart.
    return tuple(word for word in words if len(word) > 1 and word not in _COMMON_TAGS)[:3]


def _peft_rank(config: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """Rank and alpha as peft writes them: `r`, or `unet.r` when several parts were trained."""
    for name, rank in config.items():
        if (name == "r" or name.endswith(".r")) and type(rank) is int and 0 < rank < 100_000:
            alpha = config.get(name[: -len("r")] + "lora_alpha")
            return rank, float(alpha) if isinstance(alpha, int | float) else None
    return None, None


def peft_config(text: str) -> ModelFacts:
    """What peft's `adapter_config.json` says."""
    config = _json(text)
    config = config if isinstance(config, dict) else {}
    rank, alpha = _peft_rank(config)
    base = config.get("base_model_name_or_path")
    return ModelFacts(rank=rank, alpha=alpha, base=clean_text(base) if isinstance(base, str) else "")


def _json(text: str) -> Any:
    try:
        return json.loads(text) if 0 < len(text) <= MAX_JSON else None
    except (ValueError, RecursionError):
        return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 6 else None


def _resolution(text: str) -> tuple[int, ...]:
    sides = tuple(_whole(side) or 0 for side in text.lower().split("x"))
    return sides if len(sides) == 2 and all(64 <= side <= 8192 for side in sides) else ()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1e6 else None


_BASES: tuple[tuple[str, Family], ...] = (
    (r"chroma", "chroma"),
    (r"flux[. -]?2|klein", "flux2"),
    (r"flux", "flux"),
    (r"z[- ]?image|zimage", "zimage"),
    (r"qwen[- ]?image|^qwen$", "qwenimage"),
    (r"sana", "sana"),
    (r"pixart", "pixart"),
    (r"stable-diffusion-3|sd[ _-]?3|stable diffusion 3", "sd3"),
    (r"sdxl|stable-diffusion-xl|pony|illustrious|noobai|animagine", "sdxl"),
    (r"stable-diffusion-v2|sd[ _-]?v?2|stable diffusion 2", "sd2"),
    (r"stable-diffusion-v1|sd[ _-]?v?1|stable diffusion 1", "sd15"),
)


def family_of_base(base: str) -> Family:
    """The family a base model's name stands for, as trainers and model sites spell it."""
    return next((family for pattern, family in _BASES if re.search(pattern, base.lower())), "unknown")


_LABELS: dict[str, tuple[str, ...]] = {
    "Pony": ("sdxl",),
    "Illustrious": ("sdxl",),
    "NoobAI": ("sdxl",),
    "Animagine": ("sdxl",),
    "Turbo": ("sd15", "sd2", "sdxl", "sd3", "flux", "zimage"),
    "Lightning": ("sdxl", "qwenimage"),
    "Hyper": ("sd15", "sdxl", "sd3", "flux"),
    "LCM": ("sd15", "sdxl"),
    "DMD2": ("sdxl",),
    "Krea": ("flux",),
    "Kontext": ("flux",),
    "Edit": ("qwenimage", "zimage"),
    "Flash": ("chroma",),
    "Inpainting": ("sd15", "sd2", "sdxl"),
}
_SPELLINGS = {
    "Illustrious": r"illustrious|(?<![a-z])ilxl",
    "NoobAI": r"noob[ _-]?(ai|xl)",
    "Hyper": r"(?<![a-z])hyper(?![ _-]*real)",
    "Inpainting": r"inpaint",
}


def variant_words(family: Family, *texts: str) -> str:
    """Well-known derivatives that these names speak of, such as "Pony, Lightning"."""
    joined = " ".join(texts).lower()
    found = []
    for label, families in _LABELS.items():
        pattern = _SPELLINGS.get(label) or rf"(?<![a-z]){label.lower()}(?![a-z]*ing\b)"
        if family in families and re.search(pattern, joined):
            found.append(label)
    return ", ".join(found)
