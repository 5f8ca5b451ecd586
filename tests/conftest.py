"""Shared fixtures: a workspace of its own for every test, and tiny real models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import Explorer, Settings
from tests.fakes import build_tiny_checkpoint, write_suite

PROMPTS = ["a red circle on a white background", "two blue squares on a beige background"]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny checkpoints, `tiny-a` and `tiny-b`; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    build_tiny_checkpoint(folder / "tiny-a", seed=1)
    build_tiny_checkpoint(folder / "tiny-b", seed=2)
    return folder


@pytest.fixture
def settings(tmp_path: Path, tiny_models: Path) -> Settings:
    """A fresh workspace with the tiny checkpoints, the bundled ones, and the suite `tiny`."""
    root = tmp_path / "workspace"
    write_suite(root / "suites" / "tiny.yaml", PROMPTS)
    return Settings(root=root, model_folders=(tiny_models,), device="cpu", offline=True)


@pytest.fixture
def explorer(settings: Settings) -> Iterator[Explorer]:
    """An Explorer on the fresh workspace."""
    explorer = Explorer(settings)
    yield explorer
    explorer.close()
