import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL import ImageChops

from explorer import Explorer, Settings
from explorer.errors import Cancelled, InvalidRequest, SuiteError
from explorer.events import Event, Failed, ImageDone, Notice, Progress
from explorer.imports import ImportPreview, PictureImport, preview, prompt_list
from explorer.imports.prompts import read_prompts
from explorer.requests import AnalyzeRequest, ImageQuery, ImportRequest
from explorer.storage import Storage
from explorer.suites import SuiteLibrary
from explorer.types import Image, Suite
from tests.explorer.imports import samples
from tests.explorer.test_recipes import make_recipe
from tests.explorer.test_storage import open_storage

CAT, DOG = "a red circle on a white background", "two blue squares on a beige background"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = open_storage(tmp_path / "workspace")
    yield storage
    storage.close()


def prompts_file(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(lines))
    return str(path)


def listed(request: ImportRequest) -> Suite | None:
    return prompt_list(request, SuiteLibrary(Path("prompts"), Path("none")))


def shown(request: ImportRequest) -> ImportPreview:
    return preview(request, listed(request))


def take(storage: Storage, request: ImportRequest) -> tuple[str, list[Event]]:
    events: list[Event] = []
    run = PictureImport(request, listed(request), storage, lambda: False, events.append).run()
    return run, events


def done(events: list[Event]) -> list[ImageDone]:
    return [event for event in events if isinstance(event, ImageDone)]


def by_file(storage: Storage, run: str) -> dict[str, Image]:
    return {image.recipe.source["file"]: image for image in storage.run_images(run)}


def same_pixels(left: Path, right: Path) -> bool:
    with Pillow.open(left) as a, Pillow.open(right) as b:
        return a.mode == b.mode and ImageChops.difference(a, b).getbbox() is None


def files(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(root.rglob("*.png"))}


# the layout of numbered files


def gen_folder(root: Path, models: tuple[str, ...] = ("early", "late"), pictures: int = 2) -> Path:
    for place, model in enumerate(models):
        for number in range(pictures):
            samples.png(root / model / f"gen_{number:03d}.png", seed=10 * place + number)
    return root


def test_numbered_files_follow_the_list(tmp_path: Path, storage: Storage) -> None:
    folder = gen_folder(tmp_path / "old")
    request = ImportRequest(str(folder), prompts=prompts_file(tmp_path, CAT, "", DOG))
    found = shown(request)
    assert [(row.file, row.model, row.prompt, row.seed) for row in found.rows] == [
        ("early/gen_000.png", "early", CAT, 0),
        ("early/gen_001.png", "early", DOG, 0),
        ("late/gen_000.png", "late", CAT, 0),
        ("late/gen_001.png", "late", DOG, 0),
    ]
    assert (found.pictures, found.prompts, found.models, found.notes) == (4, 2, {"early": 2, "late": 2}, ())
    json.dumps(found.to_dict())

    run, _ = take(storage, request)
    images = by_file(storage, run)
    assert images["early/gen_000.png"].recipe.prompt_id == images["late/gen_000.png"].recipe.prompt_id
    recipe = images["late/gen_001.png"].recipe
    assert (recipe.model, recipe.prompt, recipe.seed) == ("late", DOG, 0)
    assert (recipe.steps, recipe.sampler, recipe.guidance, recipe.checkpoint_hash) == (0, "", 0.0, "")
    assert (recipe.width, recipe.height) == (64, 48)
    kept = storage.runs()[0]
    assert (kept.id, kept.models, kept.cells, kept.images) == (run, ("early", "late"), 4, 4)
    assert kept.title == "Imported: early vs late (2 prompts, 4 pictures)"
    assert str(tmp_path) not in (tmp_path / "workspace" / "explorer.db").read_bytes().decode("latin-1")


def test_one_folder_is_one_model_and_may_hold_several_seeds(tmp_path: Path) -> None:
    for number in range(6):
        samples.png(tmp_path / "dream" / f"gen_{number:03d}.png", seed=number)
    found = shown(ImportRequest(str(tmp_path / "dream"), prompts=prompts_file(tmp_path, CAT, DOG), seeds=3))
    assert [(row.model, row.prompt, row.seed) for row in found.rows] == [
        *[("dream", CAT, seed) for seed in (0, 1, 2)],
        *[("dream", DOG, seed) for seed in (0, 1, 2)],
    ]


def test_seeds_may_have_folders(tmp_path: Path) -> None:
    for seed in ("seed_7", "42"):
        gen_folder(tmp_path / "old" / "dream", (seed,))
    found = shown(ImportRequest(str(tmp_path / "old"), prompts=prompts_file(tmp_path, CAT, DOG)))
    assert [(row.model, row.prompt, row.seed) for row in found.rows] == [
        *[("dream", CAT, 42), ("dream", DOG, 42)],
        *[("dream", CAT, 7), ("dream", DOG, 7)],
    ]


def test_gaps_and_strangers_among_numbered_files_are_said(tmp_path: Path) -> None:
    folder = gen_folder(tmp_path / "old", ("dream",), 2)
    samples.png(folder / "dream" / "gen_009.png")
    samples.png(folder / "dream" / "gen_012.png")
    samples.png(folder / "dream" / "grid.png")
    (folder / "dream" / "gen_001.png").rename(folder / "dream" / "gen_001.jpg")
    samples.png(folder / "dream" / "gen_001.png", seed=5)
    lines = [f"prompt {number}" for number in range(10)]
    found = shown(ImportRequest(str(folder), prompts=prompts_file(tmp_path, *lines)))
    assert found.notes == (
        "dream/gen_001.png and dream/gen_001.jpg have the same model, prompt, seed and settings; "
        "both are taken if they differ.",
        "dream: gen_002, gen_003, gen_004, gen_005, gen_006 and 2 more are missing.",
    )
    assert {unread.file: unread.reason for unread in found.unread} == {
        "dream/gen_012.png": "would show prompt 13, but there are only 10",
        "dream/grid.png": "is not named gen_000.png, gen_001.png, ...",
    }


def test_numbered_files_take_a_suite(tmp_path: Path, storage: Storage) -> None:
    folder = gen_folder(tmp_path / "old")
    suite = SuiteLibrary(Path("prompts"), Path("none")).get("shapes")
    run, _ = take(storage, ImportRequest(str(folder), suite="shapes", layout="gen"))
    recipe = by_file(storage, run)["early/gen_001.png"].recipe
    second = suite.prompts[1]
    assert (recipe.prompt_id, recipe.suite) == (second.id, "shapes")
    assert (recipe.category, recipe.difficulty, recipe.prompt) == (
        second.category,
        second.difficulty,
        second.text,
    )


def test_what_cannot_be_asked_for_is_said(tmp_path: Path, storage: Storage) -> None:
    folder = gen_folder(tmp_path / "old")
    with pytest.raises(InvalidRequest, match="need their prompts"):
        shown(ImportRequest(str(folder), layout="gen"))
    with pytest.raises(InvalidRequest, match="no folder"):
        shown(ImportRequest(str(tmp_path / "nothing")))
    with pytest.raises(InvalidRequest, match="seeds"):
        shown(ImportRequest(str(folder), seeds=0))
    with pytest.raises(InvalidRequest, match="layout"):
        shown(ImportRequest(str(folder), layout="x"))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=r"None of the 4 pictures can be taken.*no recipe"):
        take(storage, ImportRequest(str(folder)))
    (tmp_path / "empty").mkdir()
    for call in (shown, lambda request: take(storage, request)):
        with pytest.raises(InvalidRequest, match="no picture in this folder"):
            call(ImportRequest(str(tmp_path / "empty")))
    assert storage.runs() == []


# the layout of recipes inside the pictures


def mixed_folder(root: Path) -> Path:
    samples.png(root / "a.png", 1, parameters=samples.a1111(CAT, "dream", 1, "0123456789"))
    samples.png(
        root / "b.png", 2, parameters=samples.a1111(f"{CAT}, <lora:ink:0.5>", "dream", 1, "0123456789")
    )
    samples.comfy(root / "c.png", samples.comfy_graph(CAT, 2**64 - 1), 3)
    comment = b"UNICODE\0" + samples.a1111(DOG, "dream", 2, "0123456789").encode("utf-16-be")
    samples.with_comment(root / "d.jpg", comment, 4)
    samples.with_comment(root / "e.webp", b"UNICODE\0" + json.dumps(samples.SWARM).encode("utf-16-le"), 5)
    (root / "f.png").write_text("no picture")
    (root / "notes.txt").write_text("ignored")
    return root


def test_pictures_of_many_tools_become_one_run(tmp_path: Path, storage: Storage) -> None:
    folder = mixed_folder(tmp_path / "foreign")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    request = ImportRequest(str(folder), title="From my disk")
    run, events = take(storage, request)
    assert [(e.label, "no readable PNG" in e.reason) for e in events if isinstance(e, Failed)] == [
        ("f.png", True)
    ]
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 1, 2, 3, 4, 5, 6]

    images = by_file(storage, run)
    assert list(images) == ["a.png", "b.png", "c.png", "d.jpg", "e.webp"]
    assert [image.recipe.model for image in images.values()] == [
        "dream",
        "dream+ink:0.5",
        "v1-5-pruned+inkStyle:0.6",
        "dream",
        "sd_xl_base_1.0+inkStyle:0.7+detail:1",
    ]
    # Models pair by prompt: with a LoRA tag or without, and from one tool to the other.
    assert len({images[name].recipe.prompt_id for name in ("a.png", "b.png", "c.png")}) == 1
    assert images["b.png"].recipe.prompt == CAT
    a = images["a.png"].recipe
    assert (a.seed, a.sampler, a.steps, a.guidance, a.checkpoint_hash) == (
        1,
        "Euler a",
        20,
        7.0,
        "0123456789",
    )
    assert a.source == {
        "tool": "A1111",
        "file": "a.png",
        "sha256": hashlib.sha256(before[folder / "a.png"]).hexdigest(),
    }
    assert images["c.png"].recipe.seed == 2**64 - 1
    assert images["e.webp"].recipe.checkpoint_hash == "", "SwarmUI hashes something else than the file"
    assert a.model_hash == images["d.jpg"].recipe.model_hash != images["b.png"].recipe.model_hash
    assert storage.runs()[0].title == "From my disk"

    for name, image in images.items():
        assert same_pixels(folder / name, image.path), name
        assert hashlib.sha256(image.path.read_bytes()).hexdigest() == image.id
    with Pillow.open(images["c.png"].path) as picture:
        assert json.loads(picture.info["prompt"])["6"]["inputs"]["text"] == CAT, "its own texts stay"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before, "the folder is as it was"


def test_the_same_folder_again_adds_nothing(tmp_path: Path, storage: Storage) -> None:
    request = ImportRequest(str(mixed_folder(tmp_path / "foreign")))
    run, first = take(storage, request)
    kept = files(storage.images_folder)
    again, second = take(storage, request)
    assert again == run
    assert len(storage.runs()) == 1
    assert [e.new for e in done(first)] == [True] * 5
    assert [e.new for e in done(second)] == [False] * 5
    assert files(storage.images_folder) == kept
    assert storage.page(ImageQuery()).total == 5


def test_the_index_can_be_made_again_from_the_files(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "workspace")
    run, _ = take(storage, ImportRequest(str(mixed_folder(tmp_path / "foreign"))))
    known = {image.id: image.recipe for image in storage.run_images(run)}
    storage.close()
    (tmp_path / "workspace" / "explorer.db").unlink()
    again = open_storage(tmp_path / "workspace")
    assert again.rescan() == 5
    assert {image.id: image.recipe for image in again.page(ImageQuery()).images} == known
    assert done(take(again, ImportRequest(str(tmp_path / "foreign")))[1])[0].new is False
    again.close()


def test_two_pictures_never_share_a_cell_and_one_is_taken_once(tmp_path: Path, storage: Storage) -> None:
    folder = tmp_path / "foreign"
    text = samples.a1111(CAT, "dream", 1)
    samples.png(folder / "a.png", 1, parameters=text)
    samples.png(folder / "b.png", 2, parameters=text)
    (folder / "copy of a.png").write_bytes((folder / "a.png").read_bytes())
    run, events = take(storage, ImportRequest(str(folder)))
    assert [event.new for event in done(events)] == [True, True, False]
    assert len({image.recipe.cell for image in storage.run_images(run)}) == 2
    notes = [event.text for event in events if isinstance(event, Notice)]
    assert notes[0].startswith("b.png and a.png have the same model, prompt, seed and settings")


def test_two_models_of_one_name_stay_apart_and_can_be_named(tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    samples.png(folder / "a.png", 1, parameters=samples.a1111(CAT, "dream", 1, "0123456789"))
    samples.png(folder / "b.png", 2, parameters=samples.a1111(CAT, "dream", 1, "abcdefabcd"))
    samples.png(folder / "c.png", 3, parameters=samples.a1111(CAT, "", 1))
    found = shown(ImportRequest(str(folder)))
    assert list(found.models) == ["dream", "dream (abcdefabcd)", "unknown model"]
    named = shown(ImportRequest(str(folder), models={"unknown model": "mine"}))
    assert list(named.models) == ["dream", "dream (abcdefabcd)", "mine"]
    assert shown(ImportRequest(str(folder), models={"*": "mine"})).models == {"mine": 3}


def test_a_sheet_is_no_picture(tmp_path: Path) -> None:
    for name in ("grid-0001.png", "xyz_grid-0000-1.png", "grid-of-iron.png"):
        samples.png(tmp_path / name, parameters=samples.a1111(CAT))
    assert [row.file for row in shown(ImportRequest(str(tmp_path))).rows] == ["grid-of-iron.png"]


def test_a_suite_gives_its_ids_to_pictures_with_its_prompts(tmp_path: Path, storage: Storage) -> None:
    first = SuiteLibrary(Path("prompts"), Path("none")).get("shapes").prompts[0]
    samples.png(tmp_path / "foreign" / "a.png", parameters=samples.a1111(first.text))
    samples.png(tmp_path / "foreign" / "b.png", parameters=samples.a1111("something else"))
    run, _ = take(storage, ImportRequest(str(tmp_path / "foreign"), suite="shapes"))
    images = by_file(storage, run)
    assert (images["a.png"].recipe.prompt_id, images["a.png"].recipe.suite) == (first.id, "shapes")
    assert images["b.png"].recipe.prompt_id.startswith("own-")
    assert images["b.png"].recipe.suite == ""


# pictures of this program


def test_our_own_pictures_keep_their_recipe_and_their_bytes(tmp_path: Path, storage: Storage) -> None:
    other = open_storage(tmp_path / "other")
    recipe = make_recipe(cell="a" * 64)
    image = other.save_image(samples.picture(), recipe)
    other.close()
    assert shown(ImportRequest(str(tmp_path / "other" / "images"))).tools == {"this program": 1}
    run, _ = take(storage, ImportRequest(str(tmp_path / "other" / "images")))
    assert [(taken.id, taken.recipe) for taken in storage.run_images(run)] == [
        (image.id, make_recipe(cell="a" * 64))
    ]

    elsewhere = open_storage(tmp_path / "elsewhere")
    elsewhere.save_image(samples.picture(5), recipe)
    elsewhere.close()
    again, events = take(storage, ImportRequest(str(tmp_path / "elsewhere" / "images"), layout="ours"))
    assert again == run
    assert [taken.id for taken in storage.run_images(run)] == [image.id], "what is here is never replaced"
    assert "is another file" in next(event.text for event in events if isinstance(event, Notice))


def test_a_recipe_of_ours_cannot_point_elsewhere(tmp_path: Path, storage: Storage) -> None:
    bad = json.dumps(make_recipe(cell="../../../../../../evil").to_dict())
    samples.png(tmp_path / "foreign" / "a.png", explorer=bad, parameters=samples.a1111(CAT))
    run, _ = take(storage, ImportRequest(str(tmp_path / "foreign")))
    image = storage.run_images(run)[0]
    assert image.recipe.source["tool"] == "A1111"
    assert image.path.is_relative_to(storage.images_folder)
    assert storage.rescan() == 1
    assert [(i.id, i.recipe) for i in storage.run_images(run)] == [(image.id, image.recipe)]


# stopping and damage


def test_stopping_keeps_what_was_taken_and_continues(tmp_path: Path, storage: Storage) -> None:
    request = ImportRequest(str(mixed_folder(tmp_path / "foreign")))
    events: list[Event] = []
    work = PictureImport(request, None, storage, lambda: len(done(events)) >= 2, events.append)
    with pytest.raises(Cancelled):
        work.run()
    assert (len(done(events)), storage.runs()) == (2, [])
    assert [event.new for event in done(take(storage, request)[1])] == [False, False, True, True, True]


def test_damaged_pixels_are_found_before_anything_is_written(tmp_path: Path, storage: Storage) -> None:
    path = samples.png(tmp_path / "foreign" / "a.png", parameters=samples.a1111(CAT))
    path.write_bytes(path.read_bytes()[:-2000])
    samples.png(tmp_path / "foreign" / "b.png", 2, parameters=samples.a1111(CAT))
    run, events = take(storage, ImportRequest(str(tmp_path / "foreign")))
    assert [event.label for event in events if isinstance(event, Failed)] == ["a.png"]
    assert len(storage.run_images(run)) == len(files(storage.images_folder)) == 1
    assert not list(storage.images_folder.rglob("*.tmp"))


# prompt lists


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "\ufeffa cat\r\n\r\n  a dog  \na cat"),
        ("p.csv", 'id,Prompt,category\n,a cat,x\n,"a dog",y\n,a cat,x'),
        ("p.csv", "a cat\na dog\na cat"),
        ("p.json", '["a cat", {"prompt": "a dog"}, {"text": "a cat"}]'),
        ("p.json", '{"prompts": ["a cat", "a dog", "a cat"]}'),
        ("p.jsonl", '"a cat"\n{"prompt": "a dog"}\n\n{"prompt": "a cat"}'),
    ],
)
def test_prompt_lists(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    prompts = read_prompts(tmp_path / name).prompts
    assert [prompt.text for prompt in prompts] == ["a cat", "a dog", "a cat"]
    assert prompts[0].id == prompts[2].id != prompts[1].id


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.txt", b"\n\n", "no prompts"),
        ("p.txt", b"\xff\xfe\x00", "UTF-8"),
        ("p.txt", b"a cat " * 1000, "characters"),
        ("p.json", b"{", "no JSON list"),
        ("p.json", b"[5]", "no text"),
        ("p.json", b"[" * 100_000, "no JSON list"),
        ("p.csv", b"id,prompt\n1,a cat\n1,a dog", "two different prompts"),
        ("p.csv", b'"' + b"x" * 200_000, "CSV"),
        ("p.yaml", b"prompts: 5", "expected"),
    ],
)
def test_bad_prompt_lists_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SuiteError, match=reason):
        read_prompts(tmp_path / name)


def test_one_source_of_prompts(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no file"):
        read_prompts(tmp_path / "nothing.txt")
    with pytest.raises(SuiteError, match="not both"):
        listed(ImportRequest(".", suite="shapes", prompts="x.txt"))


# and then it is a run like any other


def test_an_imported_run_is_scored_and_has_a_leaderboard(tmp_path: Path, settings: Settings) -> None:
    folder = gen_folder(tmp_path / "old", ("early", "late"))
    request = ImportRequest(str(folder), prompts=prompts_file(tmp_path, CAT, DOG))
    explorer = Explorer(settings)
    try:
        run, _ = take(explorer.storage, request)
        list(explorer.analyze(AnalyzeRequest(("clip_score",), "bundled", run=run)))
        board = explorer.leaderboard(run)
        assert {row.model for row in board} == {"early", "late"}
        assert all(row.mean is not None and row.prompts == 2 and row.images == 2 for row in board)
        image = explorer.images(ImageQuery(run=run)).images[0]
        assert explorer.thumbnail(image.id).is_file()
        assert explorer.recipe_text(image.id).splitlines()[1] == "Seed: 0, Size: 64x48, Model: early"
    finally:
        explorer.close()


# the layout of folders, for pictures that may say nothing of themselves


def test_a_picture_without_a_recipe_belongs_to_the_model_of_its_folder(
    storage: Storage, tmp_path: Path
) -> None:
    folder = tmp_path / "shoot"
    said = "a red circle\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: 7, Size: 64x48"
    texts = {
        "alpha/plain.png": {},
        "alpha/deep/told.png": {"parameters": said},
        "beta/named.png": {"parameters": f"{said}, Model: dream"},
        "cover.png": {},
    }
    for name, inside in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        samples.png(folder / name, **inside)
    request = ImportRequest(str(folder), layout="folders")
    found = shown(request)
    assert found.models == {"shoot": 1, "alpha": 2, "dream": 1}
    assert found.prompts == 1
    assert "Pictures that do not say their prompt: 2." in " ".join(found.notes)
    run, _ = take(storage, request)
    recipes = [image.recipe for image in storage.run_images(run)]
    assert len({recipe.model_hash for recipe in recipes if recipe.model == "alpha"}) == 1
    assert {(recipe.prompt, recipe.seed) for recipe in recipes} == {("", -1), ("a red circle", 7)}
    assert take(storage, request)[0] == run, "the same again adds nothing"
