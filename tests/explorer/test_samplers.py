import numpy as np
import pytest

from explorer.samplers import make_scheduler, sampler_names, scheduler_choice

TRAINED = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "steps_offset": 0,
    "num_train_timesteps": 1000,
}


@pytest.mark.parametrize("sampler", sampler_names("sd15"))
def test_every_sampler_keeps_the_noise_schedule_the_model_was_trained_on(sampler: str) -> None:
    scheduler = make_scheduler(sampler, TRAINED)
    for name in ("beta_schedule", "beta_start", "beta_end", "prediction_type"):
        assert scheduler.config[name] == TRAINED[name], name
    assert scheduler.config["timestep_spacing"] == "trailing"
    scheduler.set_timesteps(10)
    assert len(scheduler.timesteps) >= 10


@pytest.mark.parametrize("sampler", sampler_names("sd15"))
def test_every_sampler_walks_from_noise_to_the_picture(sampler: str) -> None:
    """With a model that knows the answer, every sampler must arrive at it."""
    import torch

    scheduler = make_scheduler(sampler, TRAINED | {"prediction_type": "epsilon"})
    scheduler.set_timesteps(30)
    truth = torch.full((1, 4, 8, 8), 0.5)
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(truth.shape, generator=generator) * scheduler.init_noise_sigma
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
    names = scheduler.step.__code__.co_varnames
    extra = {"generator": generator} if "generator" in names else {}
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(sample, time)
        alpha = torch.from_numpy(np.interp([float(time)], np.arange(1000), alphas.numpy())).float()
        noise = (scaled - alpha.sqrt() * truth) / (1 - alpha).sqrt()
        sample = scheduler.step(noise, time, sample, **extra).prev_sample
    assert float((sample - truth).abs().mean()) < 0.12


def test_names_people_know_are_the_right_classes() -> None:
    assert scheduler_choice("DPM++ 2M Karras").class_name == "DPMSolverMultistepScheduler"
    assert scheduler_choice("DPM++ 2M Karras").arguments == {"use_karras_sigmas": True}
    assert scheduler_choice("PLMS").class_name == "PNDMScheduler"
