import threading
from pathlib import Path

import pytest
from PIL import Image as Pillow

from explorer import (
    AnalyzeRequest,
    Cancelled,
    Explorer,
    GenerateRequest,
    Image,
    InvalidRequest,
    Sampling,
    Scored,
    Settings,
    UnknownName,
)
from explorer.analysis import folder_images
from explorer.recipes import png_info
from tests.explorer.test_recipes import make_recipe

SMALL = GenerateRequest(
    models=("tiny-a", "tiny-b"), suite="tiny", seeds=2, sampling=Sampling(sampler="DDIM", steps=2)
)
SCORE = AnalyzeRequest(("clip_score",), "bundled")


def scored(explorer: Explorer, request: AnalyzeRequest) -> list[Scored]:
    return [event for event in explorer.analyze(request) if isinstance(event, Scored)]


def test_every_picture_of_the_latest_run_is_scored_and_then_known(explorer: Explorer) -> None:
    list(explorer.generate(SMALL))
    first = scored(explorer, SCORE)
    assert len(first) == 8
    assert not any(event.cached for event in first)
    assert all(event.score.value is not None for event in first)
    again = scored(explorer, SCORE)
    assert all(event.cached for event in again)
    assert [e.score.value for e in again] == [e.score.value for e in first]
    rows = explorer.leaderboard()
    assert {(row.model, row.prompts, row.images, row.unscored) for row in rows} == {
        ("tiny-a", 2, 4, 0),
        ("tiny-b", 2, 4, 0),
    }


def test_a_moved_picture_is_still_known(explorer: Explorer, tmp_path: Path) -> None:
    list(explorer.generate(SMALL))
    scored(explorer, SCORE)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for number, path in enumerate(explorer.settings.images.rglob("*.png")):
        (folder / f"{number}.png").write_bytes(path.read_bytes())
    events = scored(explorer, AnalyzeRequest(folder=str(folder)))
    assert len(events) == 8
    assert all(event.cached for event in events)
    assert {row.model for row in explorer.results_for(AnalyzeRequest(folder=str(folder))).leaderboard} == {
        "tiny-a",
        "tiny-b",
    }


def test_a_folder_with_foreign_and_broken_pictures(explorer: Explorer, tmp_path: Path) -> None:
    Pillow.new("RGB", (64, 64), "red").save(tmp_path / "foreign.png")
    Pillow.new("RGB", (64, 64), "red").save(
        tmp_path / "ours.png", pnginfo=png_info(make_recipe(prompt="a red circle", model="m"))
    )
    (tmp_path / "broken.png").write_bytes((tmp_path / "ours.png").read_bytes()[:100])
    events = {e.image.path.name: e.score for e in scored(explorer, AnalyzeRequest(folder=str(tmp_path)))}
    assert events["ours.png"].value is not None
    assert events["foreign.png"].value is None
    assert "prompt" in (events["foreign.png"].reason or "")
    assert events["broken.png"].value is None
    assert events["broken.png"].reason


def test_prompts_outside_the_small_world_are_unscored_with_the_reason(explorer: Explorer) -> None:
    list(explorer.generate(GenerateRequest(("tiny-a",), prompts=("a portrait of a queen",), seeds=1)))
    (event,) = scored(explorer, SCORE)
    assert event.score.value is None
    assert "portrait" in (event.score.reason or "")
    (row,) = explorer.leaderboard()
    assert (row.mean, row.unscored) == (None, 1)
    assert "standard" in (row.reason or "")


def test_the_latest_analysis_has_the_last_word(explorer: Explorer) -> None:
    list(explorer.generate(SMALL))
    values = {event.score.image_id: event.score.value for event in scored(explorer, SCORE)}
    settings = explorer.settings
    without = Explorer(settings.model_copy(update={"assets": settings.root / "nothing here"}))
    scored(without, SCORE)
    without.close()
    assert {row.value for row in explorer.scores()} == {None}
    assert all(event.cached for event in scored(explorer, SCORE))
    assert {row.image_id: row.value for row in explorer.scores()} == values


def test_pictures_are_compared_with_the_references_of_their_prompt(explorer: Explorer) -> None:
    list(explorer.generate(SMALL))
    request = AnalyzeRequest(("reference_similarity",), "bundled")
    assert all("reference" in (event.score.reason or "") for event in scored(explorer, request))
    picture = explorer.storage.run_images(explorer.runs()[0].id)[0]
    place = explorer.settings.references / "tiny" / f"{picture.recipe.prompt_id}.png"
    place.parent.mkdir(parents=True)
    place.write_bytes(picture.path.read_bytes())
    values = {event.score.image_id: event.score.value for event in scored(explorer, request)}
    assert values[picture.id] == pytest.approx(1.0, abs=1e-6)
    of_prompt = [value for value in values.values() if value is not None]
    assert len(of_prompt) == 4
    assert min(of_prompt) < 0.99


def test_cancel_keeps_what_was_scored(explorer: Explorer) -> None:
    list(explorer.generate(SMALL))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        list(explorer.analyze(SCORE, cancel))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (AnalyzeRequest(("clip_scor",)), r"Unknown metric 'clip_scor'\. Did you mean clip_score"),
        (AnalyzeRequest(()), "Choose at least one metric"),
        (AnalyzeRequest(tier="giant"), "Unknown tier 'giant'"),  # type: ignore[arg-type]
        (AnalyzeRequest(run="nothing"), "There is no run"),
        (AnalyzeRequest(folder="nowhere"), "There is no folder nowhere"),
    ],
)
def test_what_cannot_be_analyzed(explorer: Explorer, request_: AnalyzeRequest, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        list(explorer.analyze(request_))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="There is no picture"):
        folder_images(tmp_path)


def test_unknown_name_is_shown_in_one_line() -> None:
    assert "\n" not in str(UnknownName("metric", "x\ny", ["a"]))


def test_a_scoring_that_killed_the_program_twice_is_set_aside(explorer: Explorer) -> None:
    import sqlalchemy as sa

    from explorer import GenerateRequest, ModelError, Sampling, schema

    drawn = GenerateRequest(("tiny-a",), suite="tiny", seeds=1, sampling=Sampling(sampler="DDIM", steps=1))
    list(explorer.generate(drawn))
    asked = AnalyzeRequest(("clip_score",), run=explorer.runs()[0].id)
    mark = f"score:{asked.run}|bundled|clip_score"

    def blame(deaths: int) -> None:
        with explorer.storage.engine.begin() as connection:
            connection.execute(sa.insert(schema.in_flight).values(key=mark, owner=None, deaths=deaths))

    blame(2)
    with pytest.raises(ModelError, match="ended 2 times at the same place of this scoring"):
        list(explorer.analyze(asked))
    explorer.storage.work.forgive([])
    blame(1)
    assert [event.cached for event in explorer.analyze(asked) if isinstance(event, Scored)] == [False, False]
    assert explorer.storage.work.deaths([mark]) == {}, "it was survived"


def test_values_of_prompts_and_models_reach_the_leaderboard_and_survive_a_restart(
    explorer: Explorer, settings: Settings
) -> None:
    list(explorer.generate(SMALL))
    asked = AnalyzeRequest(("lpips_diversity", "ms_ssim_diversity", "vendi"), run=explorer.runs()[0].id)
    first = scored(explorer, asked)
    assert {(event.score.metric, event.score.level) for event in first} == {
        ("lpips_diversity", "prompt"),
        ("ms_ssim_diversity", "prompt"),
        ("vendi", "model"),
    }
    explorer.close()
    again = Explorer(settings)
    assert all(event.cached or event.score.value is None for event in scored(again, asked))
    images = again.storage.run_images(asked.run)
    rows = {row.metric: row for row in again.image_scores(images[1].id)}
    assert images[1].id in rows["lpips_diversity"].unit
    for row in again.leaderboard(asked.run):
        known = [event.score for event in first if event.score.metric == row.metric]
        mine = [
            score.value
            for score in known
            if score.value is not None and by_model(images, score.unit) == {row.model}
        ]
        assert row.mean == (pytest.approx(sum(mine) / len(mine)) if mine else None)
        assert (row.unscored == 0) == bool(mine)
    again.close()


def by_model(images: list[Image], ids: tuple[str, ...]) -> set[str]:
    return {image.recipe.model for image in images if image.id in ids}
