"""The recipe inside a picture: how it gets into a PNG file and out again.

Two text chunks are written. `parameters` is the text other tools read (the form that
AUTOMATIC1111's web UI made common); `explorer` is our JSON and loses nothing.
"""

import json
from pathlib import Path

from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from explorer.types import Recipe

JSON_KEY = "explorer"
TEXT_KEY = "parameters"


def parameters_text(recipe: Recipe) -> str:
    """The recipe as AUTOMATIC1111-style text: prompt, negative prompt, settings line."""
    loras = "".join(f" <lora:{name}:{weight:g}>" for name, _, weight in recipe.loras)
    settings = {
        "Steps": recipe.steps,
        "Sampler": recipe.sampler,
        "CFG scale": f"{recipe.guidance:g}",
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        # Other tools know a model by the first ten characters of its file's SHA-256.
        "Model hash": recipe.checkpoint_hash[:10],
        "Model": recipe.model.split("+")[0],
    }
    if recipe.source:  # made elsewhere: what is unknown stays unsaid
        unknown = {"Steps": 0, "Sampler": "", "CFG scale": "0", "Seed": -1, "Model hash": ""}
        settings = {name: value for name, value in settings.items() if value != unknown.get(name)}
    if recipe.clip_skip > 1:
        settings["Clip skip"] = recipe.clip_skip
    if recipe.loras:
        hashes = ", ".join(f"{name}: {digest[:12]}" for name, digest, _ in recipe.loras)
        settings["Lora hashes"] = f'"{hashes}"'
    if recipe.lora_blocks:
        blocks = (
            f"{name}: {' '.join(f'{block}={weight:g}' for block, weight in each)}"
            for (name, _, _), each in zip(recipe.loras, recipe.lora_blocks, strict=False)
            if each
        )
        settings["Lora blocks"] = f'"{", ".join(blocks)}"'
    lines = [recipe.full_prompt + loras]
    if recipe.negative:
        lines.append(f"Negative prompt: {recipe.negative}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines)


def png_info(recipe: Recipe) -> PngInfo:
    """Both forms of the recipe as PNG text chunks."""
    info = PngInfo()
    info.add_text(TEXT_KEY, parameters_text(recipe))
    info.add_text(JSON_KEY, json.dumps(recipe.to_dict(), ensure_ascii=False, sort_keys=True))
    return info


def read_recipe(path: Path) -> Recipe | None:
    """The recipe inside a PNG file.

    Returns:
        None when the file is a picture without our recipe.

    Raises:
        OSError: The file is missing or no whole picture.
    """
    try:
        with Pillow.open(path) as picture:
            picture.load()  # text may follow the pixels, and a cut file must not pass
            text = picture.info.get(JSON_KEY)
    except (ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise OSError(f"{path.name} is not a usable picture: {error}") from error
    if not isinstance(text, str):
        return None
    try:
        return Recipe.from_dict(json.loads(text))
    except (ValueError, TypeError, AttributeError):
        return None
