"""The same 10,000 pictures scored again: everything is known, so it must be nearly free.

Each analysis has a process of its own, as when the program is started the next day.
"""

import random
import sys
import tempfile
from itertools import product
from pathlib import Path

from benchmarks.measure import Comparison, own_process, seconds
from explorer import AnalyzeRequest, Explorer, ImportRequest, Settings
from explorer.errors import ExplorerError
from explorer.events import Failed

MODULE = "benchmarks.scoring_again"
MODELS, PROMPTS, SEEDS = 5, 500, 4
METRICS = ("clip_score", "lpips_diversity", "vendi")
SIDE = 64
"""Pixels: what counts here is how many pictures there are."""
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "cyan", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross")
GROUNDS = ("white", "black", "gray", "beige", "navy")


def scored_again() -> Comparison:
    """Seconds of the second analysis of 10,000 pictures, against the first. Takes a long time."""
    with tempfile.TemporaryDirectory() as name:
        own_process(MODULE, f"prepare:{name}")
        first, second = (own_process(MODULE, f"score:{name}")[0] for _ in range(2))
    return Comparison("10,000 pictures scored again, against the first time", second, first, bound=0.02)


def _prepare(root: Path) -> None:
    """A workspace with a run of pictures that were made elsewhere."""
    from PIL import Image, ImageDraw

    wordings = product(("", "large ", "small "), COLOURS, SHAPES, GROUNDS)
    prompts = [
        f"a {size}{colour} {shape} on a {ground} background" for size, colour, shape, ground in wordings
    ]
    texts = root / "prompts.txt"
    texts.write_text("\n".join(prompts[:PROMPTS]), encoding="utf-8")
    pictures = root / "pictures"
    for model in range(MODELS):
        folder = pictures / f"model-{model}"
        folder.mkdir(parents=True)
        for number in range(PROMPTS * SEEDS):
            chance = random.Random(number * MODELS + model)
            image = Image.new("RGB", (SIDE, SIDE), "white")
            x, y, r = (chance.uniform(low, high) * SIDE for low, high in ((0.3, 0.7), (0.3, 0.7), (0.1, 0.2)))
            ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=chance.choice(COLOURS))
            image.putpixel((0, 0), (number % 256, number // 256, model))  # no two are equal
            image.save(folder / f"gen_{number:05}.png")
    request = ImportRequest(str(pictures), "gen", prompts=str(texts), seeds=SEEDS)
    with_failures = [event for event in _open(root).import_pictures(request) if isinstance(event, Failed)]
    if with_failures:
        raise ExplorerError(str(with_failures[0]))


def _score(root: Path) -> None:
    for _ in _open(root).analyze(AnalyzeRequest(METRICS)):
        pass


def _open(root: Path) -> Explorer:
    return Explorer(Settings(root=root / "workspace", device="cpu", offline=True))


if __name__ == "__main__":
    step, _, where = sys.argv[1].partition(":")
    print(seconds(lambda: (_prepare if step == "prepare" else _score)(Path(where))))
