"""Pictures and options for the tests of the metrics library."""

import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from metrics import ScoreOptions
from metrics.runner import default_assets

# The Hub client reads it when it is imported, so no fixture can set it in time.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of the bundled networks, as shipped."""
    return default_assets()


@pytest.fixture
def options(assets: Path) -> ScoreOptions:
    """The bundled tier on the CPU."""
    return ScoreOptions(assets=assets, device="cpu")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A folder with `red_circle.png` and `blue_square.png`, 128 px on white, and two more."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    box = (40, 40, 90, 90)
    for name, colour in (("red", (220, 40, 40)), ("blue", (45, 90, 230))):
        for shape in ("circle", "square"):
            image = Image.new("RGB", (128, 128), (250, 250, 250))
            draw = ImageDraw.Draw(image)
            (draw.ellipse if shape == "circle" else draw.rectangle)(box, fill=colour)
            image.save(folder / f"{name}_{shape}.png")
    return folder
