"""What a request means for each of its models: settings, trigger words, and whether it can work.

`settings_of` is the one place that decides what a model is drawn with; the plan, the page and
the command line ask it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from explorer.checkpoints import native_size
from explorer.conditioning import CLIP_FAMILIES
from explorer.errors import InvalidRequest, UnknownName
from explorer.families import adapter
from explorer.requests import GenerateRequest, Sampling, SettingsChoice
from explorer.samplers import AUTOMATIC, default_sampler, sampler_names
from explorer.types import Model

SIZE_STEP = 8
SIZE_RANGE = (64, 4096)
WORDS_OF_A_LORA = 3
"""A model site may list dozens, one for each thing a LoRA knows; the first ones are its main ones."""
_NAMED = 3


def settings_of(request: GenerateRequest, model: Model) -> Sampling:
    """What a model is drawn with, spelled out: with a sampler by name and a size in pixels.

    The model's own sampler, steps and guidance are those of its checkpoint; LoRAs are not asked.
    """
    checkpoint, sampling = model.checkpoint, _that_count(request)
    family = adapter(checkpoint.family)
    if request.settings == "own" and family is not None:
        own = family.settings_for(checkpoint)
        sampling = replace(sampling, sampler=own.sampler, steps=own.steps, guidance=own.guidance)
    automatic = sampling.sampler == AUTOMATIC
    width, height = native_size(checkpoint)
    return replace(
        sampling,
        sampler=default_sampler(checkpoint.family) if automatic else sampling.sampler,
        guidance=float(sampling.guidance),
        width=sampling.width or width,
        height=sampling.height or height,
    )


def in_words(sampling: Sampling) -> str:
    """Settings for reading: `Euler, 20 steps, CFG 5, 512 x 512`."""
    size = f"{sampling.width} x {sampling.height}"
    return f"{sampling.sampler}, {sampling.steps} steps, CFG {sampling.guidance:g}, {size}"


def added_words(request: GenerateRequest, model: Model) -> str:
    """Trigger words put before each prompt of a model, with commas; empty when none are."""
    if not request.trigger_words:
        return ""
    active = (weighted.lora for weighted in model.loras if weighted.weight)
    words = (word for lora in active for word in lora.facts.trigger_words[:WORDS_OF_A_LORA])
    return ", ".join(dict.fromkeys(words))


def check_settings(request: GenerateRequest) -> None:
    """Refuse settings no model can draw with.

    Raises:
        InvalidRequest: Says which setting, and what is allowed.
    """
    if request.settings not in get_args(SettingsChoice):
        raise UnknownName("settings", request.settings, get_args(SettingsChoice))
    sampling = _that_count(request)
    if sampling.sampler not in sampler_names():
        raise UnknownName("sampler", sampling.sampler, sampler_names())
    if not 1 <= sampling.steps <= 1000:
        raise InvalidRequest(f"Steps must lie between 1 and 1000, not {sampling.steps}.")
    if not 0 <= sampling.guidance <= 100:
        raise InvalidRequest(f"The guidance scale must lie between 0 and 100, not {sampling.guidance:g}.")
    if not 1 <= sampling.clip_skip <= 12:
        raise InvalidRequest(f"Clip skip must lie between 1 and 12, not {sampling.clip_skip}.")
    low, high = SIZE_RANGE
    for name, value in (("width", sampling.width), ("height", sampling.height)):
        if value is not None and (not low <= value <= high or value % SIZE_STEP):
            raise InvalidRequest(
                f"The {name} must be a multiple of {SIZE_STEP} between {low} and {high}, not {value}."
            )


def check_fit(request: GenerateRequest, model: Model) -> None:
    """Refuse settings that a model's family has not.

    Raises:
        InvalidRequest: Says which setting, and what to choose instead.
    """
    name, family = model.name, adapter(model.checkpoint.family)
    if family is None:
        return  # `check_usable` says so
    sampling = settings_of(request, model)
    names = sampler_names(family.family)
    if sampling.sampler not in names:
        raise InvalidRequest(
            f"The sampler {sampling.sampler} is not right for {name}. "
            f"Choose {AUTOMATIC}, or one of: {', '.join(names[1:])}."
        )
    reading = sampling.clip_skip > 1 or sampling.long_prompts or sampling.weighting
    if reading and family.family not in CLIP_FAMILIES:
        raise InvalidRequest(
            f"Clip skip, long prompts and prompt weights work with SD 1.x, SD 2 and SDXL, not with {name}."
        )
    wrong = family.wrong_size(sampling.width or 0, sampling.height or 0)
    if wrong:
        raise InvalidRequest(f"{wrong}. Choose another size for {name}.")


def check_usable(models: Sequence[Model]) -> None:
    """Refuse models that cannot be drawn with.

    Raises:
        InvalidRequest: Names them, with the reasons.
    """
    reasons = [reason for model in models if (reason := unusable(model))]
    if reasons:
        more = len(reasons) - _NAMED
        rest = f" {more} more of these models cannot be used." if more > 0 else ""
        raise InvalidRequest(" ".join(reasons[:_NAMED]) + rest)


def unusable(model: Model) -> str:
    """Why a model cannot be drawn with, as far as its files tell; empty when they do not."""
    reason = model.problem
    if not reason and adapter(model.checkpoint.family) is None:
        reason = f"{model.name} is of a model family this program cannot draw with yet."
    # A file may be called otherwise than the model.
    return reason if model.checkpoint.name in reason else reason and f"{model.name}: {reason}"


def _that_count(request: GenerateRequest) -> Sampling:
    """The request's settings, without those that each model brings itself."""
    usual, sampling = Sampling(), request.sampling
    if request.settings != "own":
        return sampling
    return replace(sampling, sampler=usual.sampler, steps=usual.steps, guidance=usual.guidance)
