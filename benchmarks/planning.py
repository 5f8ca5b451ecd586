"""A hundred thousand cells: looked at before starting, and run again when every picture is there."""

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Comparison, own_process, seconds

if TYPE_CHECKING:
    from explorer import Explorer, GenerateRequest

MODULE = "benchmarks.planning"
MODELS = ("shapes-base", "shapes-mid", "shapes-early", "shapes-xl")
PROMPTS, SEEDS = 500, 50
CELLS = len(MODELS) * PROMPTS * SEEDS
PREVIEW_SECONDS, RESUME_SECONDS, MEGABYTES = 3.0, 20.0, 300.0


def hundred_thousand() -> Comparison:
    """A run with nothing left to draw, against reading the recipe inside every file.

    Also promised: a preview within 3 s and 300 MB above idle, and the run within 20 s.
    """
    with tempfile.TemporaryDirectory() as root:
        _prepare(Path(root))
        looked, megabytes = own_process(MODULE, f"preview {root}")
        (resumed,) = own_process(MODULE, f"resume {root}")
        (read,) = own_process(MODULE, f"read {root}")
    if looked > PREVIEW_SECONDS or resumed > RESUME_SECONDS or megabytes > MEGABYTES:
        raise RuntimeError(f"preview {looked:.1f} s and {megabytes:.0f} MB, run again {resumed:.1f} s")
    title = f"{CELLS:,} pictures that are there (preview {looked:.1f} s, {megabytes:.0f} MB)"
    return Comparison(title, resumed, read, bound=1.3)


def _prepare(root: Path) -> None:
    """Write a small picture for every cell and index them all."""
    from PIL import Image as Pillow

    from explorer.recipes import png_info
    from explorer.storage import image_path

    explorer = _explorer(root)
    picture = Pillow.new("RGB", (8, 8), "red")
    for cell in explorer.plan(_request()).cells:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", pnginfo=png_info(cell.recipe))
        path = explorer.settings.images / image_path(cell.recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    if explorer.storage.rescan() != CELLS:
        raise RuntimeError("a picture was not indexed")
    explorer.close()


def _explorer(root: Path) -> "Explorer":
    from explorer import Explorer, Settings

    return Explorer(Settings(root=root, device="cpu", offline=True))


def _request() -> "GenerateRequest":
    from explorer import GenerateRequest, Sampling

    texts = tuple(f"{number} red circles on a white background" for number in range(PROMPTS))
    return GenerateRequest(MODELS, prompts=texts, seeds=SEEDS, sampling=Sampling(steps=20))


def _preview(root: Path) -> list[float]:
    import psutil

    explorer, process = _explorer(root), psutil.Process()
    explorer.plan_size(_request())  # names are resolved and modules imported: this is idle
    before = process.memory_info().rss
    taken = seconds(lambda: explorer.preview(_request()))
    return [taken, (process.memory_info().rss - before) / 1e6]


def _resume(root: Path) -> list[float]:
    explorer = _explorer(root)

    def run() -> None:
        if sum(1 for _ in explorer.generate(_request())) < CELLS:
            raise RuntimeError("a picture was not found")

    return [seconds(run)]


def _read(root: Path) -> list[float]:
    """What a program without an index does: read the recipe in every file."""
    from explorer.recipes import read_recipe

    def look() -> None:
        for path in (root / "images").rglob("*.png"):
            if read_recipe(path) is None:
                raise RuntimeError("a picture without a recipe")

    return [seconds(look)]


if __name__ == "__main__":
    side, root = sys.argv[1].split(" ", 1)
    print(*{"preview": _preview, "resume": _resume, "read": _read}[side](Path(root)))
