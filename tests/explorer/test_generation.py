import errno
import os
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from explorer import (
    Cancelled,
    DiskFull,
    Event,
    Explorer,
    Failed,
    GenerateRequest,
    Image,
    ImageDone,
    ImageQuery,
    Notice,
    Progress,
    Sampling,
    Settings,
    pipelines,
)
from explorer.drawing import LoadedModel, OutOfMemory
from explorer.recipes import read_recipe
from explorer.types import Checkpoint
from tests.fakes import build_tiny_lora, copy_checkpoint, write_suite

REQUEST = GenerateRequest(
    models=("tiny-a", "tiny-b"), suite="tiny", seeds=2, sampling=Sampling(sampler="DDIM", steps=2)
)


def images(events: list[Event], *, new: bool) -> list[Image]:
    return [event.image for event in events if isinstance(event, ImageDone) and event.new is new]


def test_every_cell_gets_its_picture_with_its_recipe_inside(explorer: Explorer) -> None:
    events = list(explorer.generate(REQUEST))
    made = images(events, new=True)
    assert len(made) == 8
    for cell, image in zip(explorer.plan(REQUEST).cells, made, strict=True):
        inside = read_recipe(image.path)
        assert inside is not None
        assert inside.cell == cell.key
        assert (inside.device, inside.precision, inside.batch_size) == ("cpu", "float32", 2)
        assert {"torch", "diffusers", "transformers", "peft"} <= set(inside.versions)
        assert inside.placement == "full"
        bare = replace(inside, device="", precision="", placement="", versions={}, batch_size=1)
        assert bare == cell.recipe
    assert [run.images for run in explorer.runs()] == [8]


def test_progress_counts_up_and_tells_steps_and_time_left(explorer: Explorer) -> None:
    told = [event for event in explorer.generate(REQUEST) if isinstance(event, Progress)]
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert (told[-1].done, told[-1].total, told[-1].seconds_left) == (8, 8, 0.0)
    assert {(event.step, event.steps) for event in told if event.steps} == {(1, 2), (2, 2)}
    assert told[0].seconds_left is None


def test_the_second_time_nothing_is_drawn_or_loaded(explorer: Explorer, settings: Settings) -> None:
    list(explorer.generate(REQUEST))
    explorer.close()
    again = Explorer(settings)
    events = list(again.generate(REQUEST))
    assert len(images(events, new=False)) == 8
    assert not images(events, new=True)
    assert again.pipelines._loaded is None
    again.close()


def test_adding_a_seed_draws_only_what_is_new(explorer: Explorer) -> None:
    list(explorer.generate(REQUEST))
    events = list(explorer.generate(replace(REQUEST, seeds=3)))
    assert [image.recipe.seed for image in images(events, new=True)] == [2] * 4


def test_a_removed_picture_is_drawn_again_with_equal_pixels(explorer: Explorer) -> None:
    from PIL import Image as Pillow

    first = images(list(explorer.generate(REQUEST)), new=True)[3]
    before = Pillow.open(first.path).tobytes()
    first.path.unlink()
    (again,) = images(list(explorer.generate(REQUEST)), new=True)
    assert again.recipe.cell == first.recipe.cell
    difference = max(abs(a - b) for a, b in zip(before, Pillow.open(again.path).tobytes(), strict=True))
    assert difference <= 1


def test_cancel_stops_within_one_step_and_the_next_time_goes_on(explorer: Explorer) -> None:
    cancel, events = threading.Event(), []
    long = replace(REQUEST, sampling=Sampling(sampler="DDIM", steps=30))
    steps_after = 0
    with pytest.raises(Cancelled):  # noqa: PT012
        for event in explorer.generate(long, cancel):
            events.append(event)
            if cancel.is_set():
                steps_after += isinstance(event, Progress)
            if isinstance(event, Progress) and event.done == 2 and event.step == 5:
                cancel.set()
    assert steps_after <= 1
    assert len(images(events, new=True)) == 2
    rest = list(explorer.generate(long))
    assert (len(images(rest, new=False)), len(images(rest, new=True))) == (2, 6)


def test_leaving_the_generator_stops_the_drawing(explorer: Explorer) -> None:
    events = explorer.generate(replace(REQUEST, sampling=Sampling(sampler="DDIM", steps=500)))
    for event in events:
        if isinstance(event, Progress) and event.step == 2:
            break
    events.close()  # type: ignore[attr-defined]
    assert explorer.images(ImageQuery()).total == 0
    began = time.monotonic()
    assert len(images(list(explorer.generate(replace(REQUEST, seeds=1))), new=True)) == 4
    assert time.monotonic() - began < 15, "the abandoned pictures were drawn first"


def test_a_bad_model_fails_alone(explorer: Explorer, settings: Settings, tiny_models: Path) -> None:
    broken = copy_checkpoint(tiny_models / "tiny-a", settings.checkpoints / "broken")
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    events = list(explorer.generate(replace(REQUEST, models=("broken", "tiny-b"))))
    failed = [event for event in events if isinstance(event, Failed)]
    assert len(failed) == 4
    assert all("broken cannot be loaded" in event.reason for event in failed)
    assert failed[0].label == "broken, p0, seed 0"
    assert [image.recipe.model for image in images(events, new=True)] == ["tiny-b"] * 4
    final = [event for event in events if isinstance(event, Progress)][-1]
    assert (final.done, final.total) == (8, 8)


def test_out_of_memory_halves_the_batch(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    draw = LoadedModel.draw

    def small_only(self: LoadedModel, recipes: list, sampler: str, on_step: object) -> list:  # type: ignore[type-arg]
        sizes.append(len(recipes))
        if len(recipes) > 1:
            raise OutOfMemory("too large")
        return draw(self, recipes, sampler, on_step)  # type: ignore[arg-type]

    monkeypatch.setattr(LoadedModel, "draw", small_only)
    events = list(explorer.generate(replace(REQUEST, models=("tiny-a",), seeds=4)))
    # What does not fit is not tried again: the second prompt begins with single pictures.
    assert sizes == [4, 2, 1, 1, 2, 1, 1] + [1] * 4
    assert Counter(i.recipe.seed for i in images(events, new=True)) == dict.fromkeys(range(4), 2)


def test_each_checkpoint_is_loaded_once_however_the_models_are_ordered(
    explorer: Explorer, settings: Settings, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = pipelines.load_pipeline

    def counted(checkpoint: Checkpoint, *more: object) -> object:
        loads.append(checkpoint.name)
        return load(checkpoint, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(pipelines, "load_pipeline", counted)
    copy_checkpoint(tiny_models / "tiny-b", settings.checkpoints / "tiny-c")
    config = settings.checkpoints / "tiny-c" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"steps_offset": 1', '"steps_offset": 0'))
    for name, strength in (("one", 1.0), ("two", 2.0), ("three", 3.0)):
        build_tiny_lora(tiny_models / "tiny-a", settings.loras / f"{name}.safetensors", strength)
    loras = ("", "+one", "+two:0.5", "+one+three")
    # Worst order: every model is of another checkpoint than the one before.
    models = tuple(f"tiny-{letter}{lora}" for lora in loras for letter in "abc")
    request = replace(
        REQUEST,
        models=models,
        suite="",
        prompts=tuple(f"{number} red circles" for number in range(5)),
        seeds=1,
        sampling=Sampling(sampler="DDIM", steps=1),
    )
    events = list(explorer.generate(request))
    assert len(images(events, new=True)) == 3 * 4 * 5
    assert loads == ["tiny-a", "tiny-b", "tiny-c"]


def test_out_of_memory_with_one_picture_fails_that_cell(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise OutOfMemory("does not fit")

    monkeypatch.setattr(LoadedModel, "draw", never)
    events = list(explorer.generate(replace(REQUEST, models=("tiny-a",))))
    reasons = [event.reason for event in events if isinstance(event, Failed)]
    assert reasons[:3] == ["does not fit"] * 3
    assert reasons[3].startswith("does not fit (Not tried: 3 batches of this model failed in a row")
    final = [event for event in events if isinstance(event, Progress)][-1]
    assert (final.done, final.total, final.seconds_left) == (4, 4, 0.0)


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []

    def full_after_three(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_three)
    with pytest.raises(DiskFull, match="Free some space and start again"):
        list(explorer.generate(REQUEST))
    monkeypatch.undo()
    assert not list(explorer.settings.images.rglob("*.tmp"))
    rest = list(explorer.generate(REQUEST))
    assert (len(images(rest, new=False)), len(images(rest, new=True))) == (3, 5)


def test_a_prompt_past_the_token_limit_is_told(explorer: Explorer, settings: Settings) -> None:
    write_suite(settings.suites / "long.yaml", ["a red circle and " * 20 + "a star"], "long")
    events = list(explorer.generate(replace(REQUEST, models=("tiny-a",), suite="long", seeds=1)))
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert notice.startswith("tiny-a reads only the beginning of 1 long prompt")


def test_a_workspace_that_was_moved_still_knows_its_pictures(
    explorer: Explorer, settings: Settings, tmp_path: Path
) -> None:
    list(explorer.generate(REQUEST))
    explorer.close()
    moved = settings.root.rename(tmp_path / "a place with spaces")
    again = Explorer(settings.model_copy(update={"root": moved}))
    assert len(images(list(again.generate(REQUEST)), new=False)) == 8
    again.close()


def leave_in_flight(explorer: Explorer, keys: list[str], deaths: int) -> None:
    """What processes that were killed in the middle of these leave behind."""
    import sqlalchemy as sa

    from explorer import schema

    with explorer.storage.engine.begin() as connection:
        for key in keys:
            connection.execute(sa.insert(schema.in_flight).values(key=key, owner=None, deaths=deaths))


def test_a_picture_that_killed_the_program_twice_is_set_aside(explorer: Explorer) -> None:
    cells = explorer.plan(REQUEST).cells
    leave_in_flight(explorer, [cells[1].key], deaths=2)
    events = list(explorer.generate(REQUEST))
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.cell == cells[1].key
    assert "ended 2 times while it drew this picture" in failed.reason
    assert len(images(events, new=True)) == 7
    explorer.storage.work.forgive([failed.cell])
    (image,) = images(list(explorer.generate(REQUEST)), new=True)
    assert image.recipe.cell == cells[1].key


def test_what_may_have_killed_the_program_is_drawn_last_and_alone(explorer: Explorer) -> None:
    cells = explorer.plan(REQUEST).cells
    leave_in_flight(explorer, [cells[0].key, cells[1].key], deaths=1)
    made = images(list(explorer.generate(REQUEST)), new=True)
    assert [image.recipe.cell for image in made[:4]] == [cells[i].key for i in (2, 3, 0, 1)]
    assert [image.recipe.batch_size for image in made[:4]] == [2, 2, 1, 1]
    assert explorer.storage.work.deaths([cell.key for cell in cells]) == {}, "both were survived"


def test_a_model_whose_loading_killed_the_program_twice_is_set_aside(explorer: Explorer) -> None:
    cells = explorer.plan(REQUEST).cells
    leave_in_flight(explorer, [f"load:{cells[0].recipe.model_hash}"], deaths=2)
    events = list(explorer.generate(REQUEST))
    assert ["while it loaded tiny-a" in e.reason for e in events if isinstance(e, Failed)] == [True] * 4
    assert {image.recipe.model for image in images(events, new=True)} == {"tiny-b"}


def test_a_black_picture_is_a_failure(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image as Pillow

    draw = LoadedModel.draw

    def one_black(self: LoadedModel, recipes: list, sampler: str, on_step: object) -> list:  # type: ignore[type-arg]
        pictures = draw(self, recipes, sampler, on_step)  # type: ignore[arg-type]
        black = Pillow.new("RGB", pictures[0].size)
        return [black if r.seed == 1 else p for r, p in zip(recipes, pictures, strict=True)]

    monkeypatch.setattr(LoadedModel, "draw", one_black)
    events = list(explorer.generate(replace(REQUEST, models=("tiny-a",))))
    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.label for event in failed] == ["tiny-a, p0, seed 1", "tiny-a, p1, seed 1"]
    assert "drew a black picture" in failed[0].reason
    assert [image.recipe.seed for image in images(events, new=True)] == [0, 0]


def test_how_long_it_took_is_known_the_next_time(explorer: Explorer) -> None:
    before = explorer.preview(REQUEST)
    assert (before.cells, before.there, before.todo, before.seconds) == (8, 0, 8, None)
    list(explorer.generate(REQUEST))
    after = explorer.preview(replace(REQUEST, seeds=4))
    assert (after.cells, after.there, after.todo) == (16, 8, 8)
    assert after.seconds is not None
    assert 0 < after.seconds < 600
    assert 0 < after.disk_bytes < after.free_bytes
    assert explorer.preview(REQUEST).seconds == 0.0
