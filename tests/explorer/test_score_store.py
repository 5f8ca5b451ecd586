from dataclasses import fields, replace
from pathlib import Path

import pytest

from explorer.database import open_database
from explorer.score_store import ScoreStore, Unit
from metrics import CacheKey, Score
from tests.explorer.test_storage import score_key


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(open_database(tmp_path / "explorer.db")[0])


def test_a_value_is_served_again_with_its_evidence(store: ScoreStore) -> None:
    key = score_key("image")
    store.put_many({key: Score.of(31.5, cosine=0.315)})
    assert store.get_many([key, score_key("other")]) == {key: Score.of(31.5, cosine=0.315)}


def test_every_part_of_the_key_matters(store: ScoreStore) -> None:
    key = score_key("image")
    store.put_many({key: Score.of(1.0)})
    for part in fields(CacheKey):
        changed = replace(key, **{part.name: getattr(key, part.name) + "x"})
        assert store.get_many([changed]) == {}


def test_an_unscored_row_is_shown_but_never_served_as_a_value(store: ScoreStore) -> None:
    key = score_key("image")
    store.put_many({key: Score.unscored("no weights here")})
    assert store.get_many([key]) == {}
    assert [(row.value, row.reason) for row in store.of_images(["image"])] == [(None, "no weights here")]
    store.put_many({key: Score.of(2.0)})
    assert [(row.value, row.reason) for row in store.of_images(["image"])] == [(2.0, None)]


def test_a_new_version_takes_the_place_of_the_old_in_what_is_shown(store: ScoreStore) -> None:
    store.put_many({score_key("image", version="1"): Score.of(1.0)})
    store.put_many({score_key("image", version="2"): Score.of(2.0)})
    assert [row.value for row in store.of_images(["image"])] == [2.0]


def test_thousands_of_keys(store: ScoreStore) -> None:
    keys = {score_key(f"image {number}"): Score.of(float(number)) for number in range(1300)}
    store.put_many(keys)
    assert store.get_many(list(keys)) == keys
    assert len(store.of_images([key.image_hash for key in keys])) == 1300


def test_a_value_of_several_pictures_is_found_by_each_of_them(store: ScoreStore) -> None:
    key = replace(score_key("digest-of-both"), metric="lpips_diversity")
    store.put_many({key: Score.of(0.4)})
    assert store.of_images(["one", "two"]) == []
    store.link({key: Unit("prompt", ("one", "two"))})
    (row,) = store.of_images(["one", "two"])
    assert (row.image_id, row.level, row.unit, row.value) == ("one", "prompt", ("one", "two"), 0.4)
    assert store.of_image("two") == [row]
    assert store.of_image("three") == []
    assert store.get_many([key])[key].value == 0.4
    larger = replace(key, image_hash="digest-of-three")
    store.put_many({larger: Score.of(0.5)})
    store.link({larger: Unit("prompt", ("one", "two", "three"))})
    assert [row.value for row in store.of_images(["one"])] == [0.4, 0.5], "each with its own pictures"
