import hashlib
from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer.errors import InvalidRequest
from explorer.image_store import Mark
from explorer.requests import ImageQuery
from explorer.storage import RunRecord, Storage
from explorer.types import Image
from metrics import CacheKey, Score
from tests.explorer.test_recipes import make_recipe

PROMPTS = ("A red Circle, 50% off_sale", "a blue square", "two red squares")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")


@pytest.fixture
def images(storage: Storage) -> list[Image]:
    """Two models, three prompts, two seeds."""
    made = []
    for number in range(12):
        prompt = number % 3
        recipe = make_recipe(
            model="ab"[number // 6],
            prompt=PROMPTS[prompt],
            prompt_id=f"p{prompt}",
            category=f"c{prompt % 2}",
            difficulty=("easy", "hard", "hard")[prompt],
            seed=number // 3 % 2,
            cell=hashlib.sha256(str(number).encode()).hexdigest(),
        )
        made.append(storage.save_image(Pillow.new("RGB", (8, 8), (number, 0, 0)), recipe))
    return made


def score(storage: Storage, image: Image, value: float, revision: str = "r", **detail: object) -> None:
    parts = ("m", "1", "bundled", "b", revision, "p")
    names = ("metric", "metric_version", "tier", "backbone", "revision", "preprocessing")
    key = CacheKey(image_hash=image.id, text_hash="t" * 64, **dict(zip(names, parts, strict=True)))
    storage.scores.put_many({key: Score.of(value, **detail)})


def numbers(storage: Storage, images: list[Image], query: ImageQuery) -> list[int]:
    """Which of the pictures a query finds, in its order; the count must agree."""
    page = storage.page(query)
    assert page.total == len(page.images)
    return [images.index(image) for image in page.images]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ImageQuery(search="RED"), [0, 6, 3, 9, 2, 8, 5, 11]),
        (ImageQuery(search="square two"), [2, 8, 5, 11]),
        (ImageQuery(search="50%"), [0, 6, 3, 9]),
        (ImageQuery(search="f_s"), [0, 6, 3, 9]),
        (ImageQuery(search="a%e"), []),
        (ImageQuery(difficulty="hard", model="b"), [7, 10, 8, 11]),
        (ImageQuery(seed=1, category="c1"), [4, 10]),
        (ImageQuery(seed=7), []),
        (ImageQuery(search="' OR 1=1 --"), []),
    ],
)
def test_filters(storage: Storage, images: list[Image], query: ImageQuery, expected: list[int]) -> None:
    assert numbers(storage, images, query) == expected


def test_scores_bound_sort_and_group_by_their_newest_value(storage: Storage, images: list[Image]) -> None:
    for number, image in enumerate(images):
        score(storage, image, 100.0)
        score(storage, image, float(number), revision="newer")
    inside = ImageQuery(metric="m", lowest=3.0, highest=5.0, sort="score")
    assert numbers(storage, images, inside) == [5, 4, 3]
    assert [images.index(i) for i in storage.page(inside, higher_is_better=False).images] == [3, 4, 5]
    by_prompt = ImageQuery(metric="m", sort="score", group="prompt")
    assert numbers(storage, images, by_prompt) == [9, 6, 3, 0, 10, 7, 4, 1, 11, 8, 5, 2]
    by_model = ImageQuery(group="model", seed=0)
    assert numbers(storage, images, by_model) == [0, 1, 2, 6, 7, 8]
    assert storage.scores.newest_values([images[4].id, "none"], "m") == {images[4].id: 4.0}


def test_failed_questions_and_missed_objects(storage: Storage, images: list[Image]) -> None:
    right, wrong = {"question": "q", "right": True}, {"question": "q", "right": False}
    score(storage, images[0], 0.5, questions=[right, wrong])
    score(storage, images[1], 1.0, questions=[right, right])
    score(storage, images[2], 0.0, boxes=[])
    score(storage, images[3], 1.0, boxes=[])
    score(storage, images[4], 0.0, questions=[wrong])
    score(storage, images[4], 1.0, revision="newer", questions=[right])
    assert numbers(storage, images, ImageQuery(metric="m", failed=True)) == [0, 2]


def test_marks_are_kept_found_and_taken_back(storage: Storage, images: list[Image]) -> None:
    pictures = storage.pictures
    for number, stars in ((0, 0), (1, 3), (2, 5)):
        pictures.mark(images[number].id, Mark(favourite=number != 1, stars=stars))
    assert numbers(storage, images, ImageQuery(favourite=True)) == [0, 2]
    assert numbers(storage, images, ImageQuery(stars=3)) == [1, 2]
    pictures.mark(images[0].id, Mark())
    assert numbers(storage, images, ImageQuery(favourite=True)) == [2]
    assert pictures.marks([image.id for image in images]) == {
        images[1].id: Mark(False, 3),
        images[2].id: Mark(True, 5),
    }
    for bad in (-1, 6):
        with pytest.raises(InvalidRequest, match="stars"):
            pictures.mark(images[0].id, Mark(stars=bad))
    with pytest.raises(InvalidRequest, match="no picture"):
        pictures.mark("unknown", Mark(stars=1))


def test_counts_are_new_as_soon_as_anybody_writes(
    tmp_path: Path, storage: Storage, images: list[Image]
) -> None:
    cells = tuple(image.recipe.cell for image in images)
    storage.save_run(RunRecord("run", "Run", ("a", "b"), "", (), {}, (*cells, "not drawn")))
    query = ImageQuery(run="run", model="b")
    assert storage.page(query).total == 6
    assert [(run.cells, run.images) for run in storage.runs()] == [(13, 12)]
    other = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    other.trash.put([images[6].id])
    assert storage.page(query).total == 5
    assert storage.runs()[0].images == 11
    other.close()


def test_prompts_seeds_and_the_same_task(storage: Storage, images: list[Image]) -> None:
    assert storage.pictures.prompts("") == [(f"p{number}", PROMPTS[number]) for number in range(3)]
    assert storage.pictures.seeds("") == [0, 1]
    assert storage.pictures.prompts("no such run") == []
    assert storage.pictures.same_task(images[4], 60) == [images[4], images[10]]
    assert storage.pictures.images([images[3].id, "none", images[0].id]) == [images[3], images[0]]


def test_pages_of_a_run_come_from_the_index_alone(storage: Storage, images: list[Image]) -> None:
    """No filter may read the rows with the recipes: that is what makes 100,000 pictures as fast as 1,000."""
    import sqlalchemy as sa

    store = storage.pictures
    for query in (
        ImageQuery(run="r"),
        ImageQuery(search="red", category="c0"),
        ImageQuery(difficulty="hard"),
    ):
        counted = sa.select(sa.func.count()).where(*store._where(query))
        text = str(counted.compile(storage.engine, compile_kwargs={"literal_binds": True}))
        with storage.engine.connect() as connection:
            plan = [row[3] for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))]
        assert [step for step in plan if "COVERING INDEX" in step and "images" in step], plan
