"""Sampler names people know, and the diffusers scheduler each one is.

Only pairs of sampler and model family that were checked to give right pictures are offered:
several schedulers run on a family without an error and draw with a wrong noise schedule, and
some ignore the seed.
"""

import re
from typing import Any, NamedTuple

from explorer.types import Family

AUTOMATIC = "Automatic"
"""The sampler that suits each model's family."""
_DIFFUSION: tuple[Family, ...] = ("sd15", "sd2", "sdxl")
_FLOW: tuple[Family, ...] = ("sd3", "flux", "flux2", "chroma", "zimage", "qwenimage", "sana")
_MULTISTEP = "DPMSolverMultistepScheduler"
_SDE = {"algorithm_type": "sde-dpmsolver++"}
_SCHEDULES: dict[str, dict[str, Any]] = {
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
    "Beta": {"use_beta_sigmas": True},
    "SGM Uniform": {"timestep_spacing": "trailing"},
}


class SchedulerChoice(NamedTuple):
    """A class of `diffusers` and the arguments that make it this sampler."""

    class_name: str
    arguments: dict[str, Any]
    schedules: tuple[str, ...] = ()
    """Noise schedules that it can follow besides the model's own."""


def sampler_names(family: Family | None = None) -> list[str]:
    """The samplers that are right for a family; without one, those of any family.

    `Automatic` comes first.
    """
    if family is not None:
        return [AUTOMATIC, *_table(family)]
    families = (*_DIFFUSION, *_FLOW, "pixart")
    return list(dict.fromkeys([AUTOMATIC, *(name for each in families for name in _table(each))]))


def default_sampler(family: Family) -> str:
    """What `Automatic` means for a family."""
    # Not what `FamilyAdapter.recommended` says: that is each family at its best, with Karras
    # steps for the older ones. Automatic compares models under the plainest sampler that all
    # of them share, and what it means is part of the keys of pictures drawn so far.
    return "Euler" if family in _FLOW else "DPM++ 2M"


def known_sampler(spelling: str, family: Family) -> str:
    """The name here of a sampler that another tool spells `dpmpp_2m_k` or `euler_ancestral`.

    Empty when the family has none of that name.
    """
    wanted = _letters(spelling)
    return next((name for name in _table(family) if _letters(name) == wanted), "")


def _letters(name: str) -> str:
    plain = re.sub("_k$", " karras", name.casefold()).replace("dpmpp", "dpm++").replace("ancestral", "a")
    return re.sub(r"[^a-z0-9+]", "", plain)


def scheduler_choice(sampler: str, family: Family = "sd15") -> SchedulerChoice:
    """The scheduler behind a sampler name.

    Raises:
        KeyError: The sampler is not one of `sampler_names(family)`.
    """
    return _table(family)[default_sampler(family) if sampler == AUTOMATIC else sampler]


def make_scheduler(sampler: str, trained: Any, family: Family = "sd15") -> Any:
    """The scheduler for a sampler, with the noise schedule the model was trained on.

    Args:
        sampler: The name people chose.
        trained: The config of the scheduler the checkpoint came with.
        family: The checkpoint's family.
    """
    import diffusers

    choice = scheduler_choice(sampler, family)
    explicit: dict[str, Any] = {}
    if family not in _FLOW:
        # `from_config` carries explicit values only; what is left unsaid falls back to each
        # class's own default, and the same sampler would differ between checkpoints.
        explicit = {
            "prediction_type": trained.get("prediction_type", "epsilon"),
            "timestep_spacing": trained.get("timestep_spacing", "leading"),
            "steps_offset": trained.get("steps_offset", 1),
        }
    scheduler_class = getattr(diffusers, choice.class_name)
    return scheduler_class.from_config(trained, **(explicit | choice.arguments))


def _table(family: Family) -> dict[str, SchedulerChoice]:
    """Every sampler name of a family, the schedules spelled out as names of their own."""
    base = _flow_samplers(family) if family in _FLOW else _diffusion_samplers()
    if family == "pixart":
        kept = ("DPM++ 2M", "DPM++ 2M SDE", "Euler", "Euler a", "DDIM", "UniPC")
        base = {name: base[name] for name in kept}
    table = {}
    for name, choice in base.items():
        table[name] = choice
        for schedule in choice.schedules:
            arguments = choice.arguments | _SCHEDULES[schedule]
            table[f"{name} {schedule}"] = SchedulerChoice(choice.class_name, arguments)
    return table


def _diffusion_samplers() -> dict[str, SchedulerChoice]:
    every = ("Karras", "Exponential", "Beta", "SGM Uniform")
    spacing = ("SGM Uniform",)
    return {
        "Euler": SchedulerChoice("EulerDiscreteScheduler", {}, every),
        "Euler a": SchedulerChoice("EulerAncestralDiscreteScheduler", {}, spacing),
        "DPM++ 2M": SchedulerChoice(_MULTISTEP, {}, every),
        "DPM++ 2M SDE": SchedulerChoice(_MULTISTEP, _SDE, every),
        "DPM++ 3M SDE": SchedulerChoice(_MULTISTEP, _SDE | {"solver_order": 3}, ("Karras", "Exponential")),
        "DPM++ 2S": SchedulerChoice("DPMSolverSinglestepScheduler", {}, ("Karras",)),
        "DDIM": SchedulerChoice("DDIMScheduler", {}, spacing),
        "DDPM": SchedulerChoice("DDPMScheduler", {}, spacing),
        "Heun": SchedulerChoice("HeunDiscreteScheduler", {}, ("Karras",)),
        "DPM2": SchedulerChoice("KDPM2DiscreteScheduler", {}, ("Karras",)),
        "DPM2 a": SchedulerChoice("KDPM2AncestralDiscreteScheduler", {}, ("Karras",)),
        "LMS": SchedulerChoice("LMSDiscreteScheduler", {}, ("Karras",)),
        "PLMS": SchedulerChoice("PNDMScheduler", {"skip_prk_steps": True}),
        "UniPC": SchedulerChoice("UniPCMultistepScheduler", {}, ("Karras",)),
        "DEIS": SchedulerChoice("DEISMultistepScheduler", {}),
        "LCM": SchedulerChoice("LCMScheduler", {}),
        "TCD": SchedulerChoice("TCDScheduler", {}),
    }


def _flow_samplers(family: Family) -> dict[str, SchedulerChoice]:
    """Samplers of the families that learn a flow; each pair was run and found to repeat."""
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    euler = SchedulerChoice("FlowMatchEulerDiscreteScheduler", {}, ("Karras", "Exponential", "Beta"))
    table = {"Euler": euler}
    if family in ("sd3", "flux", "flux2", "qwenimage", "sana"):
        table["UniPC"] = SchedulerChoice("UniPCMultistepScheduler", flow)
    if family in ("sd3", "flux", "sana"):
        table["DPM++ 2M"] = SchedulerChoice(_MULTISTEP, flow)
        table["DEIS"] = SchedulerChoice("DEISMultistepScheduler", flow)
    if family in ("sd3", "sana"):
        table["Heun"] = SchedulerChoice("FlowMatchHeunDiscreteScheduler", {})
    return table
