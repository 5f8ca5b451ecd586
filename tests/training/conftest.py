"""What several tests of the training share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.diffusion import train_diffusion
from training.latents import write_latents
from training.settings import SHORT
from training.vae_start import build_vae


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Sums on several threads differ in their last bits, which the optimizer makes much of."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def work(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a base, hardly trained; each file of tests has its own."""
    folder = tmp_path_factory.mktemp("work")
    write_latents(SHORT.latents, folder)
    train_diffusion(SHORT, folder)
    build_vae(SHORT.vae).save_pretrained(folder / "vae")
    return folder
