"""A gallery of 100,000 pictures of 50 models, against one of 1,000: its first page, and its filters."""

import hashlib
import random
import tempfile
from pathlib import Path
from statistics import median

import psutil
import sqlalchemy as sa
from PIL import Image as Pillow

from benchmarks.measure import Comparison, seconds
from explorer import Explorer, Settings
from explorer.image_store import index_values
from explorer.recipes import png_info
from explorer.requests import ImageQuery
from explorer.schema import images as image_table
from explorer.schema import scores as score_table
from explorer.storage import RunRecord
from explorer.types import Image, Recipe

MANY, FEW, MODELS, PROMPTS, FILES = 100_000, 1_000, 50, 200, 24
ROUNDS = 7
FILTER_SECONDS, MEGABYTES = 1.0, 150
WORDS = [
    *("red", "blue", "green", "circle", "square", "lamp"),
    *("garden", "portrait", "storm", "castle", "copper", "paper"),
]
FILTERS = {
    "model": ImageQuery(model="model 07"),
    "words of the prompt": ImageQuery(search="lamp storm"),
    "category and difficulty": ImageQuery(category="c3", difficulty="hard"),
    "seed": ImageQuery(seed=3),
    "score range": ImageQuery(lowest=29.0, highest=30.0),
    "best score": ImageQuery(sort="score"),
    "best score of each prompt": ImageQuery(sort="score", group="prompt"),
    "newest": ImageQuery(sort="newest"),
    "favourites": ImageQuery(favourite=True),
    "last page": ImageQuery(offset=MANY - 60),
}


def gallery() -> Comparison:
    """First page of 100,000 pictures over that of 1,000; every filter must stay below a second."""
    with tempfile.TemporaryDirectory() as root:
        few, many = fill(Path(root) / "few", FEW), fill(Path(root) / "many", MANY)
        before = psutil.Process().memory_info().rss
        times: dict[int, list[float]] = {FEW: [], MANY: []}
        for _ in range(ROUNDS):
            for count, explorer in ((FEW, few), (MANY, many)):
                times[count].append(seconds(lambda explorer=explorer: first_page(explorer)))
        slow = {}
        for name, query in FILTERS.items():
            # Thumbnails are made once; a filter whose pictures were never shown waits for them, too.
            with_thumbnails = seconds(lambda query=query: first_page(many, query))
            many.gallery.mark(many.images(query).images[0].id, favourite=True)  # forgets every count
            slow[name] = seconds(lambda query=query: first_page(many, query))
            print(
                f"  {name}: {slow[name] * 1000:.0f} ms, with new thumbnails {with_thumbnails * 1000:.0f} ms"
            )
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        print(f"  memory grew by {grown:.0f} MiB; first time {times[MANY][0]:.2f} s")
        few.close()
        many.close()
    if max(slow.values()) > FILTER_SECONDS or grown > MEGABYTES:
        raise RuntimeError(f"a filter took {max(slow.values()):.2f} s, memory grew by {grown:.0f} MiB")
    ours, other = median(times[MANY][1:]), median(times[FEW][1:])
    return Comparison("Gallery of 100,000 pictures, against one of 1,000", ours, other, bound=1.5)


def first_page(explorer: Explorer, query: ImageQuery | None = None) -> None:
    """What the tab does when it is opened: the runs, a page, its thumbnails, marks and scores."""
    from explorer.ui.gallery_view import page_html

    explorer.runs()
    html = page_html(explorer, query or ImageQuery(run=explorer.storage.run_ids()[0]))
    if "thumbnail-item" not in html:
        raise RuntimeError("the page is empty")


def fill(root: Path, count: int) -> Explorer:
    """A workspace whose index has so many pictures, in one run, with a score and a few marks."""
    explorer = Explorer(Settings(root=root, device="cpu", offline=True))
    folder, engine = explorer.settings.images, explorer.storage.engine
    files = _files(folder)
    rng = random.Random(1)
    with engine.begin() as connection:
        for start in range(0, count, 5_000):
            part = [_image(number, count, files) for number in range(start, min(count, start + 5_000))]
            rows = index_values([(image, 1) for image in part], folder)
            connection.execute(sa.insert(image_table), rows)
            connection.execute(sa.insert(score_table), [_score(image, rng) for image in part])
    cells = tuple(hashlib.sha256(f"cell {number}".encode()).hexdigest() for number in range(count))
    models = tuple(f"model {number:02}" for number in range(MODELS))
    explorer.storage.save_run(RunRecord("everything", "Everything", models, "", ("c0",), {}, cells))
    for image in explorer.images(ImageQuery(limit=100)).images:
        explorer.gallery.mark(image.id, favourite=True)
    # What was written at once still lies beside the database, where it is slower to read.
    explorer.close()
    return Explorer(explorer.settings)


def _files(folder: Path) -> list[Path]:
    """Real pictures that all rows share: the index does not mind, and the disk is spared."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(FILES)]
    for number, path in enumerate(paths):
        Pillow.effect_noise((512, 512), 20 + number).convert("RGB").save(
            path, pnginfo=png_info(_recipe(0, 1))
        )
    return paths


def _image(number: int, count: int, files: list[Path]) -> Image:
    digest = hashlib.sha256(f"image {number}".encode()).hexdigest()
    created = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{number:06}+00:00"
    return Image(digest, files[number % FILES], _recipe(number, count), created)


def _recipe(number: int, count: int) -> Recipe:
    per_model = count // MODELS or 1
    prompt, seed = number % PROMPTS, number % per_model // PROMPTS
    rng = random.Random(prompt)
    text = " ".join(rng.choices(WORDS, k=30))
    return Recipe(
        model=f"model {number // per_model:02}",
        model_hash=hashlib.sha256(str(number // per_model).encode()).hexdigest(),
        checkpoint_hash="c" * 64,
        loras=(("some style", "d" * 64, 0.8),),
        prompt=text,
        negative="blurry, low quality, watermark",
        seed=seed,
        sampler="DPM++ 2M",
        steps=20,
        guidance=5.0,
        width=512,
        height=512,
        prompt_id=f"prompt-{prompt:03}",
        suite="everything",
        category=f"c{prompt % 7}",
        difficulty=("easy", "medium", "hard")[prompt % 3],
        cell=hashlib.sha256(f"cell {number}".encode()).hexdigest(),
        versions={"torch": "2.13.0", "diffusers": "0.42.1", "transformers": "5.23.0"},
    )


def _score(image: Image, rng: random.Random) -> dict[str, object]:
    return {
        "key": hashlib.sha256(image.id.encode()).hexdigest(),
        "image_id": image.id,
        "metric": "clip_score",
        **dict.fromkeys(
            ("metric_version", "tier", "backbone", "revision", "preprocessing", "text_hash"), "1"
        ),
        "value": rng.gauss(27, 3),
        "detail": {"cosine": 0.27},
        "created": image.created,
        "level": "image",
        "unit": [],
    }
