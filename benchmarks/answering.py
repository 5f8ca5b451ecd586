"""Questions about pictures: encoded once and answered in batches, against one call a question.

Each side runs in a process of its own on the same pictures and questions, with the bundled answerer.

    python -m benchmarks.answering SIDE     one side; prints seconds
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Comparison, alternate, own_process, seconds
from metrics import Sample, Scored, ScoreOptions, score
from metrics.questions import Question
from metrics.runner import default_assets

PICTURES = 100
COLORS = ("red", "green", "blue", "yellow")
MODULE = "benchmarks.answering"


def four_questions() -> Comparison:
    """100 pictures x 4 questions, pictures read from the disk, loading left out."""
    sides = [lambda side=side: own_process(MODULE, side)[0] for side in ("ours", "calls")]
    return Comparison(
        "100 pictures x 4 questions, against a call each", *alternate(*sides, rounds=1), bound=0.5
    )


@contextmanager
def _pictures() -> Iterator[list[Sample]]:
    """Samples of drawn pictures of the bundled world, with four questions each."""
    import random

    from PIL import Image, ImageDraw

    with tempfile.TemporaryDirectory() as name:
        samples = []
        for number in range(PICTURES):
            color, other = (COLORS[(number + step) % len(COLORS)] for step in (0, 1))
            chance = random.Random(number)
            image = Image.new("RGB", (512, 512), "white")
            x, y, r = chance.uniform(150, 360), chance.uniform(150, 360), chance.uniform(50, 110)
            ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=color)
            path = Path(name) / f"{number}.png"
            image.save(path)
            questions = (
                Question("q1", f"is there a {color} circle?"),
                Question("q2", f"is there a {other} circle?", expected="no"),
                Question("q3", "what color is the circle?", color, "colour", COLORS),
                Question("q4", "how many circles are there?", "1", "count", ("0", "1", "2", "3", "4")),
            )
            prompt = f"a {color} circle on a white background"
            samples.append(Sample(path.name, path, prompt, questions=questions))
        yield samples


def _ours() -> float:
    def answer(samples: list[Sample]) -> None:
        for event in score(samples, ["tifa"], ScoreOptions(device="cpu")):
            if isinstance(event, Scored) and event.score.value is None:
                raise RuntimeError(event.score.reason)

    with _pictures() as samples:
        # What an analysis of one picture takes is the loading.
        loading = min(seconds(lambda: answer([samples[0]])) for _ in range(3))
        return seconds(lambda: answer([replace(sample) for sample in samples])) - loading


def _calls() -> float:
    import torch
    from PIL import Image
    from transformers import BlipForQuestionAnswering, BlipProcessor

    folder = default_assets() / "vqa"
    model = BlipForQuestionAnswering.from_pretrained(folder, local_files_only=True).eval()
    processor = BlipProcessor.from_pretrained(folder, local_files_only=True)

    def answer(samples: list[Sample]) -> None:
        for sample in samples:
            with Image.open(sample.path) as file:
                image = file.convert("RGB")
            for question in sample.questions:
                inputs = processor(images=image, text=question.text, return_tensors="pt")
                with torch.inference_mode():
                    said = model.generate(**inputs, max_new_tokens=3)
                processor.decode(said[0], skip_special_tokens=True)

    with _pictures() as samples:
        answer(samples[:2])
        return seconds(lambda: answer(samples))


if __name__ == "__main__":
    print({"ours": _ours, "calls": _calls}[sys.argv[1]]())
