import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from explorer.arena import Arena
from explorer.ballots import PairRequest, Scope
from explorer.casting import Answer
from explorer.deals import REPEAT_AFTER
from explorer.errors import InvalidRequest, StorageError
from explorer.storage import Storage
from tests.explorer.voted import run_of

MODELS = ("good", "middling", "bad")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    yield storage
    storage.close()


@pytest.fixture
def arena(storage: Storage, tmp_path: Path) -> Iterator[Arena]:
    arena = Arena(storage, tmp_path / "arena")
    yield arena
    arena.close()


def side_of(arena: Arena, showing: str, model: str) -> str:
    found = arena._votes.showing(showing)
    assert found
    return ("left", "right")[[each.model for each in found.entrants].index(model)]


def better(arena: Arena, showing: str) -> str:
    found = arena._votes.showing(showing)
    assert found
    return side_of(arena, showing, min((each.model for each in found.entrants), key=MODELS.index))


def test_without_pictures_it_says_what_to_do(arena: Arena) -> None:
    with pytest.raises(InvalidRequest, match="Draw a run with two models"):
        arena.next(PairRequest("ann"))
    assert arena.standings().ratings == ()
    assert arena.matrix()[0] == ()
    assert arena.voters() == []
    assert arena.trust() == []


def test_a_pair_is_two_models_with_the_same_prompt_and_seed(arena: Arena, storage: Storage) -> None:
    run_of(storage, MODELS, prompts=4, seeds=2)
    for number in range(20):
        shown = arena.next(PairRequest(f"voter {number}"))
        found = arena._votes.showing(shown.id)
        assert found
        recipes = [storage.image(each.image).recipe for each in found.entrants]
        assert len({recipe.model for recipe in recipes}) == 2
        assert len({(recipe.prompt, recipe.seed) for recipe in recipes}) == 1


def test_sides_and_models_are_dealt_at_random(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a", "b"), prompts=60)
    left = Counter(
        arena._votes.showing(arena.next(PairRequest(f"v{n}")).id).entrants[0].model  # type: ignore[union-attr]
        for n in range(60)
    )
    assert min(left["a"], left["b"]) > 12  # one in 10,000 at most by chance


def test_what_a_voter_gets_tells_nothing(arena: Arena, storage: Storage) -> None:
    images = run_of(storage, MODELS, prompts=3, size=(96, 64))
    secrets = {part for i in images for part in (i.id, i.recipe.model, i.recipe.model_hash, i.recipe.cell)}
    shown = arena.next(PairRequest("ann"))
    assert not any(secret in repr(shown) for secret in secrets)
    files = [arena.copies.folder / name for name in shown.files]
    assert len({path.stat().st_size for path in files}) == 1
    assert len({path.stat().st_mtime for path in files}) == 1
    for path in files:
        data = path.read_bytes()
        assert not any(secret.encode() in data for secret in (*secrets, "parameters", "Steps", "shapes"))
        with Pillow.open(path) as picture:
            picture.load()
            assert picture.format == "JPEG"
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_density", "jfif_unit"}
            assert picture.getexif() == {}
            assert max(picture.size) == 512


def test_copies_of_pictures_of_two_sizes_are_equally_large(
    arena: Arena, storage: Storage, tmp_path: Path
) -> None:
    small, large = (tmp_path / f"{n}.png" for n in (1, 2))
    Pillow.new("RGBA", (64, 64), (255, 0, 0, 0)).save(small)
    Pillow.fromarray(np.random.default_rng(1).integers(0, 255, (900, 900, 3), dtype=np.uint8)).save(large)
    names, width, height = arena.copies.make("x", [small, large])
    first, second = (Pillow.open(arena.copies.folder / name) for name in names)
    assert first.size == second.size == (width, height) == (1024, 1024)
    assert first.getpixel((500, 500)) == (255, 255, 255)  # transparent is white
    assert len({(arena.copies.folder / name).stat().st_size for name in names}) == 1


def test_a_picture_that_cannot_be_read_is_not_named(arena: Arena, tmp_path: Path) -> None:
    broken = tmp_path / "secret-model.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(StorageError) as error:
        arena.copies.make("x", [broken])
    assert "secret-model" not in str(error.value)


def test_a_missing_file_is_passed_over(arena: Arena, storage: Storage) -> None:
    images = run_of(storage, ("a", "b"), prompts=1)
    images[0].path.unlink()
    with pytest.raises(InvalidRequest, match="missing on the disk"):
        arena.next(PairRequest("ann"))


def test_votes_become_ratings_and_say_what_they_changed(arena: Arena, storage: Storage) -> None:
    run_of(storage, MODELS, prompts=20)
    for _ in range(40):
        shown = arena.next(PairRequest("ann"))
        verdict = arena.vote(Answer(shown.id, better(arena, shown.id)))
        assert verdict.counted
        best, worst = sorted(verdict.changes, key=lambda change: MODELS.index(change.model))
        assert best.after > best.before or worst.after < worst.before
    found = arena.standings()
    assert [row.model for row in found.ratings] == list(MODELS)
    assert found.votes == 40
    models, wins = arena.matrix()
    assert models == MODELS
    assert wins.sum() == 40
    assert not np.tril(wins).any()
    names, moments, history = arena.history()
    assert moments[-1] == 40
    assert np.argmax(history[-1]) == names.index("good")


def test_a_repeated_answer_counts_once_and_a_new_vote_is_seen_at_once(arena: Arena, storage: Storage) -> None:
    run_of(storage, MODELS)
    shown = arena.next(PairRequest("ann"))
    first = arena.vote(Answer(shown.id, "left", ballot="mine"))
    again = arena.vote(Answer(shown.id, "right", ballot="mine"))
    other = arena.vote(Answer(shown.id, "right"))
    assert (first.counted, again.counted, other.counted) == (True, False, False)
    assert first.shown == again.shown == other.shown
    assert arena.standings().votes == 1
    with pytest.raises(InvalidRequest, match="another pair"):
        arena.vote(Answer(arena.next(PairRequest("ann")).id, "left", ballot="mine"))


@pytest.mark.parametrize("choice", ["", "LEFT", "first", "9", "best"])
def test_other_choices_are_refused(arena: Arena, storage: Storage, choice: str) -> None:
    run_of(storage, MODELS)
    shown = arena.next(PairRequest("ann"))
    with pytest.raises(InvalidRequest, match="left, right, tie, bad, skip"):
        arena.vote(Answer(shown.id, choice))
    with pytest.raises(InvalidRequest, match="vote id"):
        arena.vote(Answer(shown.id, "left", ballot="x" * 81))
    with pytest.raises(InvalidRequest, match="not on show"):
        arena.vote(Answer("nothing", "left"))


def test_undo_takes_a_vote_back_and_its_pair_does_not_come_again(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a", "b"), prompts=1)
    shown = arena.next(PairRequest("ann"))
    verdict = arena.vote(Answer(shown.id, "left"))
    with pytest.raises(InvalidRequest, match="another voter"):
        arena.undo(verdict.ballot, "bob")
    arena.undo(verdict.ballot, "ann")
    assert arena.standings().votes == 0
    with pytest.raises(InvalidRequest, match="seen every pair"):
        arena.next(PairRequest("ann"))
    assert arena.next(PairRequest("bob")).prompt == shown.prompt
    with pytest.raises(InvalidRequest, match="no such vote"):
        arena.undo("nothing")


def test_a_pair_on_the_screen_is_not_dealt_again(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a", "b"), prompts=2)
    first = arena.next(PairRequest("ann"))
    second = arena.next(PairRequest("ann", avoid=(first.id,)))
    assert first.prompt != second.prompt


def test_now_and_then_a_pair_comes_again_to_see_how_steady_answers_are(
    arena: Arena, storage: Storage
) -> None:
    run_of(storage, ("a", "b"), prompts=90)
    asked = []
    for _ in range(90):
        shown = arena.next(PairRequest("ann"))
        asked.append(shown.prompt)
        arena.vote(Answer(shown.id, side_of(arena, shown.id, "a")))
    again = [place for place, prompt in enumerate(asked) if prompt in asked[:place]]
    for place in again:
        assert place - asked.index(asked[place]) >= REPEAT_AFTER
    (report,) = arena.voters()
    assert (report.repeated, report.consistent) == (len(again), len(again))


def test_prompts_are_asked_about_equally_often(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a", "b", "c"), prompts=6)
    for number in range(24):
        shown = arena.next(PairRequest(f"voter {number % 4}"))
        arena.vote(Answer(shown.id, "tie"))
    assert set(Counter(vote.topic.prompt for vote in arena.votes()).values()) == {4}


def test_scopes_limit_what_is_dealt(arena: Arena, storage: Storage) -> None:
    run_of(storage, MODELS, prompts=6)
    for number in range(10):
        scope = Scope(models=("good", "bad"), category="category 1")
        shown = arena.next(PairRequest(f"v{number}", scope))
        found = arena._votes.showing(shown.id)
        assert found
        assert {each.model for each in found.entrants} == {"good", "bad"}
        assert found.topic.category == "category 1"
    with pytest.raises(InvalidRequest, match="nothing to vote on"):
        arena.next(PairRequest("ann", Scope(models=("good",))))
    with pytest.raises(InvalidRequest, match="nothing to vote on"):
        arena.next(PairRequest("ann", Scope(run="nowhere")))


def test_pictures_made_meanwhile_are_dealt(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a", "b"), prompts=1)
    arena.vote(Answer(arena.next(PairRequest("ann")).id, "left"))
    run_of(storage, ("c", "d"), prompts=1)
    shown = arena.next(PairRequest("ann"))
    found = arena._votes.showing(shown.id)
    assert found
    assert {each.model for each in found.entrants} == {"c", "d"}
    arena.vote(Answer(shown.id, "left"))
    assert sorted(map(sorted, arena.standings().groups)) == [["a", "b"], ["c", "d"]]


def test_the_best_of_several_is_one_ballot_of_wins(arena: Arena, storage: Storage) -> None:
    run_of(storage, MODELS, prompts=2)
    shown = arena.next(PairRequest("ann", kind="best", count=3))
    assert len(shown.files) == 3
    verdict = arena.vote(Answer(shown.id, "2"))
    assert verdict.best == 1
    votes = arena.votes()
    assert [vote.number for vote in votes] == [0, 1]
    assert {vote.ballot for vote in votes} == {verdict.ballot}
    assert {vote.first for vote in votes} == {verdict.shown[1]}
    with pytest.raises(InvalidRequest, match="1 to 3"):
        arena.vote(Answer(arena.next(PairRequest("ann", kind="best", count=3)).id, "4"))
    with pytest.raises(InvalidRequest, match="2 to 6"):
        arena.next(PairRequest("ann", kind="best", count=7))


def test_stars_are_kept_apart_from_the_ratings(arena: Arena, storage: Storage) -> None:
    run_of(storage, ("a",), prompts=2)
    shown = arena.next(PairRequest("ann", kind="rate"))
    with pytest.raises(InvalidRequest, match="1 to 5"):
        arena.vote(Answer(shown.id, "6"))
    arena.vote(Answer(shown.id, "4"))
    assert arena.stars() == [("a", 4.0, 1)]
    assert arena.standings().ratings == ()


def test_the_start_is_a_metrics_opinion_only_when_asked(arena: Arena, storage: Storage) -> None:
    from tests.explorer.scored import drawn_run

    drawn_run(storage, models=("base", "tuned"))
    run_of(storage, MODELS, prompts=2)
    arena.next(PairRequest("ann", start_metric="clip_score"))
    with pytest.raises(InvalidRequest, match="Unknown metric"):
        arena.next(PairRequest("ann", start_metric="clip_scor"))


def test_votes_survive_the_program(arena: Arena, storage: Storage, tmp_path: Path) -> None:
    run_of(storage, MODELS)
    voted, waiting = (arena.next(PairRequest("ann")) for _ in range(2))
    arena.vote(Answer(voted.id, "left"))
    other = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    later = Arena(other, tmp_path / "arena")
    assert later.standings().votes == 1
    assert not later.vote(Answer(voted.id, "left")).counted
    assert later.vote(Answer(waiting.id, "left")).counted
    later.close()
    other.close()


def test_votes_travel_to_another_workspace(arena: Arena, storage: Storage, tmp_path: Path) -> None:
    run_of(storage, MODELS)
    ballots = [arena.vote(Answer(arena.next(PairRequest("ann")).id, "left")).ballot for _ in range(3)]
    arena.undo(ballots[0])
    data = arena.export_votes()
    assert b"good" in arena.export_votes(csv=True)
    other = Storage(tmp_path / "b" / "images", tmp_path / "b" / "thumbnails", tmp_path / "b" / "explorer.db")
    there = Arena(other, tmp_path / "b" / "arena")
    assert there.import_votes(data) == 3
    assert there.import_votes(data) == 0
    assert there.standings().ratings == arena.standings().ratings
    there.close()
    other.close()


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "won"},
        {"stars": 3},
        {"kind": "rate"},
        {"ballot": "../x"},
        {"voter": ""},
        {"created": "yesterday"},
        {"first": {"image": "../../etc", "model": "a", "model_hash": "h"}},
        {"second": None},
        {"number": -1},
        {"number": "1"},
        {"topic": 3},
    ],
)
def test_unsound_votes_are_refused_whole(arena: Arena, storage: Storage, change: dict[str, object]) -> None:
    run_of(storage, MODELS)
    arena.vote(Answer(arena.next(PairRequest("ann")).id, "left"))
    line = json.loads(arena.export_votes())
    good = line | {"ballot": "other", "showing": "other"}
    data = "\n".join(json.dumps(each) for each in (good, good | {"ballot": "c", "showing": "c"} | change))
    with pytest.raises(InvalidRequest, match="line 2"):
        arena.import_votes(data.encode())
    assert arena.standings().votes == 1
    for nothing in (b"", b"\x00\xff", b"[]", b"null"):
        with pytest.raises(InvalidRequest):
            arena.import_votes(nothing)


def test_old_copies_are_swept_and_those_on_show_stay(
    arena: Arena, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(storage, MODELS)
    voted, waiting = (arena.next(PairRequest("ann")) for _ in range(2))
    arena.vote(Answer(voted.id, "left"))
    in_an_hour = __import__("time").time() + 3600
    monkeypatch.setattr("explorer.blind_copies.time.time", lambda: in_an_hour)
    arena.copies.sweep(storage.votes.open_showings())
    assert {path.name for path in arena.copies.folder.iterdir()} == set(waiting.files)
