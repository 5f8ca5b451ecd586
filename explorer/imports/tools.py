"""The recipes that image tools write into their pictures, except ComfyUI's graphs.

Each reader takes the texts of a picture and gives the recipe, or None when the texts are not
of its tool. The formats were read from pictures and documentation of the tools.
"""

import re
from collections.abc import Callable, Mapping
from json import JSONDecoder
from typing import Any

import explorer.imports.foreign as foreign
from explorer.imports.comfyui import read_comfyui
from explorer.imports.foreign import ForeignRecipe, Lora, items, label, mapping, model_name, parse
from explorer.imports.pictures import Opened, Unusable

Texts = Mapping[str, str]

NO_RECIPE = (
    "no recipe inside that is known (A1111, Forge, ComfyUI, SwarmUI, InvokeAI, Fooocus, NovelAI, "
    "Draw Things, Civitai); give the prompts as a list"
)
_MAX_SETTINGS = 16_000
"""Characters of an A1111 settings line that are read; extensions write long ones."""
_SETTING = re.compile(r'([A-Z][\w /-]{0,60}): ("(?:[^"\\]|\\.)*"|[^,]*)')


def recognise(opened: Opened) -> ForeignRecipe:
    """The recipe in a picture.

    Raises:
        Unusable: There is none, or it does not tell what was asked for; says which.
    """
    for reader in _READERS:
        recipe = reader(opened.texts)
        if recipe is not None:
            if not recipe.prompt:
                raise Unusable(f"its recipe ({recipe.tool}) has an empty prompt")
            return recipe
    raise Unusable(NO_RECIPE)


def read_a1111(texts: Texts) -> ForeignRecipe | None:
    """AUTOMATIC1111, Forge, SD.Next, Civitai, and whoever writes their text: prompt, negative, settings."""
    lines = (texts.get("parameters") or texts.get("UserComment") or "").strip().split("\n")
    place = next((i for i in reversed(range(len(lines))) if lines[i].startswith("Steps: ")), None)
    if place is None:
        return None
    line = lines[place][:_MAX_SETTINGS]
    settings = {name: value.strip().strip('"') for name, value in _SETTING.findall(line)}
    said = lines[:place]
    cut = next((i for i, part in enumerate(said) if part.startswith("Negative prompt:")), len(said))
    negative = "\n".join(said[cut:]).removeprefix("Negative prompt:")
    prompt, loras = foreign.split_loras(foreign.text("\n".join(said[:cut])), _lora_hashes(line, settings))
    used, more = _civitai_resources(line)
    clip_skip = foreign.whole(settings.get("Clip skip")) or 1
    return ForeignRecipe(
        tool="A1111",
        prompt=prompt,
        negative=foreign.text(negative),
        model=model_name(settings.get("Model")) or used,
        model_hash=label(settings.get("Model hash")),
        loras=loras or more,
        seed=foreign.seed(settings.get("Seed")),
        sampler=foreign.sampler(settings.get("Sampler"), settings.get("Schedule type")),
        steps=foreign.steps(settings.get("Steps")),
        guidance=foreign.guidance(settings.get("CFG scale")),
        clip_skip=max(1, clip_skip),
    )


def read_swarm(texts: Texts) -> ForeignRecipe | None:
    """SwarmUI: `sui_image_params`, in PNG text or EXIF."""
    data = _object(texts, "parameters", "UserComment")
    said = mapping(data.get("sui_image_params"))
    if not said:
        return None
    hashes = {model_name(m.get("name")): label(m.get("hash")) for m in map(mapping, _listed(data))}
    names, weights = _split(said.get("loras")), _split(said.get("loraweights"))
    weights += [1.0] * (len(names) - len(weights))
    listed = [
        foreign.lora(name, hashes.get(model_name(name), ""), weight)
        for name, weight in zip(names, weights, strict=False)
    ]
    prompt, tagged = foreign.split_loras(foreign.text(said.get("prompt")), hashes)
    model = model_name(said.get("model"))
    layer = foreign.whole(said.get("clipstopatlayer")) or -1
    return ForeignRecipe(
        tool="SwarmUI",
        prompt=prompt,
        negative=foreign.text(said.get("negativeprompt")),
        model=model,
        model_hash=hashes.get(model, ""),
        loras=tuple(listed) or tagged,
        seed=foreign.seed(said.get("seed")),
        sampler=foreign.sampler(
            said.get("sampler") or said.get("comfyuisampler"),
            said.get("scheduler") or said.get("comfyuischeduler"),
        ),
        steps=foreign.steps(said.get("steps")),
        guidance=foreign.guidance(said.get("cfgscale")),
        clip_skip=max(1, -layer),
    )


def read_invoke(texts: Texts) -> ForeignRecipe | None:
    """InvokeAI 3 and later: `invokeai_metadata`."""
    said = _object(texts, "invokeai_metadata")
    if not said:
        return None
    model = mapping(said.get("model"))
    loras = []
    for entry in map(mapping, items(said.get("loras"))):
        file = mapping(entry.get("model") or entry.get("lora"))
        loras.append(_invoke_lora(file, entry.get("weight")))
    skipped = foreign.whole(said.get("clip_skip")) or 0
    return ForeignRecipe(
        tool="InvokeAI",
        prompt=foreign.text(said.get("positive_prompt")),
        negative=foreign.text(said.get("negative_prompt")),
        model=model_name(model.get("name") or model.get("model_name")),
        model_hash=label(model.get("hash")),
        loras=tuple(loras),
        seed=foreign.seed(said.get("seed")),
        sampler=foreign.sampler(said.get("scheduler"), ""),
        steps=foreign.steps(said.get("steps")),
        guidance=foreign.guidance(said.get("cfg_scale")),
        clip_skip=max(1, skipped + 1),
    )


def read_fooocus(texts: Texts) -> ForeignRecipe | None:
    """Fooocus, in its own scheme; its other scheme is A1111's."""
    said = _object(texts, "parameters", "UserComment")
    if "base_model" not in said:
        return None
    loras = [(*items(entry), "", "")[:3] for entry in items(said.get("loras")) if items(entry)]
    return ForeignRecipe(
        tool="Fooocus",
        prompt=foreign.text(said.get("prompt")),
        negative=foreign.text(said.get("negative_prompt")),
        model=model_name(said.get("base_model")),
        model_hash=label(said.get("base_model_hash")),
        loras=tuple(foreign.lora(name, digest, weight) for name, weight, digest in loras),
        seed=foreign.seed(said.get("seed")),
        sampler=foreign.sampler(said.get("sampler"), said.get("scheduler")),
        steps=foreign.steps(said.get("steps")),
        guidance=foreign.guidance(said.get("guidance_scale")),
        clip_skip=max(1, foreign.whole(said.get("clip_skip")) or 1),
    )


def read_novelai(texts: Texts) -> ForeignRecipe | None:
    """NovelAI: the prompt in `Description`, the rest as JSON in `Comment`."""
    said = _object(texts, "Comment")
    if texts.get("Software") != "NovelAI" or not said:
        return None
    # The service has no names for its models but these: "NovelAI Diffusion V4 37442FCA".
    source = re.fullmatch(r"(.{1,200}?)(?: ([0-9A-F]{8}))?", label(texts.get("Source")))
    return ForeignRecipe(
        tool="NovelAI",
        prompt=foreign.text(said.get("prompt") or texts.get("Description")),
        negative=foreign.text(said.get("uc")),
        model=source.group(1) if source else "",
        model_hash=(source.group(2) or "") if source else "",
        seed=foreign.seed(said.get("seed")),
        sampler=foreign.sampler(said.get("sampler"), said.get("noise_schedule")),
        steps=foreign.steps(said.get("steps")),
        guidance=foreign.guidance(said.get("scale")),
    )


def read_draw_things(texts: Texts) -> ForeignRecipe | None:
    """Draw Things: JSON in XMP."""
    said = _object(texts, "XMP")
    if not {"c", "uc", "model"} <= said.keys():
        return None
    loras = map(mapping, items(said.get("lora")))
    return ForeignRecipe(
        tool="Draw Things",
        prompt=foreign.text(said["c"]),
        negative=foreign.text(said["uc"]),
        model=model_name(said["model"]),
        loras=tuple(foreign.lora(entry.get("model"), "", entry.get("weight")) for entry in loras),
        seed=foreign.seed(said.get("seed")),
        sampler=foreign.sampler(said.get("sampler"), ""),
        steps=foreign.steps(said.get("steps")),
        guidance=foreign.guidance(said.get("scale")),
    )


# The clearest first: savers for ComfyUI write A1111's text beside the graph.
_READERS: tuple[Callable[[Texts], ForeignRecipe | None], ...] = (
    read_swarm,
    read_invoke,
    read_fooocus,
    read_novelai,
    read_draw_things,
    read_a1111,
    read_comfyui,
)


def _object(texts: Texts, *names: str) -> dict[str, Any]:
    for name in names:
        value = texts.get(name, "").strip()
        if value.startswith("{"):
            return mapping(parse(value))
    return {}


def _lora_hashes(line: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Name to hash, from `Lora hashes: "a: 1, b: 2"` or `Hashes: {"lora:a": "1"}`."""
    listed = (part.partition(":") for part in settings.get("Lora hashes", "").split(","))
    hashes = {name.strip(): digest.strip() for name, _, digest in listed if digest}
    start = line.find("Hashes: {")
    end = line.find("}", start)
    if 0 <= start < end:
        for name, digest in mapping(parse(line[start + len("Hashes: ") : end + 1])).items():
            if name.startswith("lora:"):
                hashes.setdefault(name.removeprefix("lora:"), label(digest))
    return hashes


def _civitai_resources(line: str) -> tuple[str, tuple[Lora, ...]]:
    """Checkpoint and LoRAs of a picture made on Civitai, by the names of their pages."""
    start = line.find("Civitai resources: [")
    if start < 0:
        return "", ()
    try:
        listed, _ = JSONDecoder().raw_decode(line, line.index("[", start))
    except (ValueError, RecursionError):
        return "", ()
    name, loras = "", []
    for entry in map(mapping, items(listed)):
        called = label(
            f"{foreign.text(entry.get('modelName'))} {foreign.text(entry.get('modelVersionName'))}"
        )
        if entry.get("type") == "checkpoint":
            name = name or called
        elif entry.get("type") in ("lora", "lycoris", "dora"):
            loras.append(foreign.lora(called, "", entry.get("weight")))
    return name, tuple(loras)


def _invoke_lora(file: Mapping[str, Any], weight: Any) -> Lora:
    return foreign.lora(file.get("name") or file.get("model_name"), file.get("hash"), weight)


def _listed(data: Mapping[str, Any]) -> list[Any]:
    return items(data.get("sui_models"))


def _split(value: Any) -> list[Any]:
    """SwarmUI writes lists as such, earlier versions as text with commas."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else items(value)
