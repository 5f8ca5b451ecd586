"""Sampler names people know, and the diffusers scheduler each one is.

Only pairs that were checked to give right pictures are offered: several schedulers run on
these families without an error and draw with a wrong noise schedule.
"""

from typing import Any, NamedTuple

from explorer.requests import SamplerName


class SchedulerChoice(NamedTuple):
    """A class of `diffusers` and the arguments that make it this sampler."""

    class_name: str
    arguments: dict[str, Any]


def scheduler_choice(sampler: SamplerName) -> SchedulerChoice:
    """The scheduler behind a sampler name."""
    multistep = "DPMSolverMultistepScheduler"
    sde = "sde-dpmsolver++"
    table: dict[SamplerName, SchedulerChoice] = {
        "Euler": SchedulerChoice("EulerDiscreteScheduler", {}),
        "Euler a": SchedulerChoice("EulerAncestralDiscreteScheduler", {}),
        "DPM++ 2M": SchedulerChoice(multistep, {}),
        "DPM++ 2M Karras": SchedulerChoice(multistep, {"use_karras_sigmas": True}),
        "DPM++ 2M SDE": SchedulerChoice(multistep, {"algorithm_type": sde}),
        "DPM++ 2M SDE Karras": SchedulerChoice(multistep, {"algorithm_type": sde, "use_karras_sigmas": True}),
        "DDIM": SchedulerChoice("DDIMScheduler", {}),
        "DDPM": SchedulerChoice("DDPMScheduler", {}),
        "Heun": SchedulerChoice("HeunDiscreteScheduler", {}),
        "LMS": SchedulerChoice("LMSDiscreteScheduler", {}),
        "PLMS": SchedulerChoice("PNDMScheduler", {"skip_prk_steps": True}),
        "UniPC": SchedulerChoice("UniPCMultistepScheduler", {}),
        "DEIS": SchedulerChoice("DEISMultistepScheduler", {}),
        "LCM": SchedulerChoice("LCMScheduler", {}),
    }
    return table[sampler]


def make_scheduler(sampler: SamplerName, trained: Any) -> Any:
    """The scheduler for a sampler, with the noise schedule the model was trained on.

    Args:
        sampler: The name people chose.
        trained: The config of the scheduler the checkpoint came with.
    """
    import diffusers

    choice = scheduler_choice(sampler)
    # `from_config` carries explicit values only; what is left unsaid falls back to each
    # class's own default, and the same sampler would differ between checkpoints.
    explicit = {
        "prediction_type": trained.get("prediction_type", "epsilon"),
        "timestep_spacing": trained.get("timestep_spacing", "leading"),
        "steps_offset": trained.get("steps_offset", 1),
    }
    scheduler_class = getattr(diffusers, choice.class_name)
    return scheduler_class.from_config(trained, **(explicit | choice.arguments))
