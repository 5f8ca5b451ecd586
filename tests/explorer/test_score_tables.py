import numpy as np
import pytest

from explorer.score_tables import OTHER_NETWORK, score_tables
from tests.explorer.scored import picture, row

NAN = float("nan")


def test_each_prompt_weighs_the_same_whatever_its_number_of_seeds() -> None:
    images = [picture("a", "p", 0), picture("a", "p", 1), picture("a", "p", 2), picture("a", "q", 0)]
    scores = [row(i, v) for i, v in zip(images, (1.0, 2.0, 3.0, 10.0), strict=True)]
    (table,) = score_tables(images, scores, {"m": "lower"})
    assert table.values.tolist() == [[2.0, 10.0]]
    assert (table.models, table.prompts, table.direction) == (("a",), ("p", "q"), "lower")


def test_what_has_no_value_is_nan_inside_and_keeps_its_reason() -> None:
    images = [picture(model, prompt) for model in ("a", "b") for prompt in ("p", "q")]
    (table,) = score_tables(images, [row(images[0], 1.0), row(images[3], None)], {})
    np.testing.assert_array_equal(table.values, [[1.0, NAN], [NAN, NAN]])
    assert table.row_of[images[3].id].reason == "no weights"
    assert images[1].id not in table.row_of
    assert table.direction == "neutral"


def test_one_value_for_several_pictures_belongs_to_each_of_them() -> None:
    images = [picture("a", prompt, seed) for prompt in ("p", "q") for seed in (0, 1)]
    (by_prompt,) = score_tables(images, [row(images[1], 5.0, level="prompt")], {})
    np.testing.assert_array_equal(by_prompt.values, [[5.0, NAN]])
    assert set(by_prompt.row_of) == {images[0].id, images[1].id}
    (by_model,) = score_tables(images, [row(images[2], 5.0, level="model")], {})
    assert (by_model.values.tolist(), by_model.prompts, len(by_model.row_of)) == ([[5.0]], (), 4)


def test_of_several_values_the_one_over_most_of_these_pictures_is_taken_then_the_newest() -> None:
    first, second = images = [picture("a", "p", 0), picture("a", "p", 1)]
    both = row(first, 1.0, level="prompt", unit=(first.id, second.id))
    alone = row(second, 9.0, level="prompt", unit=(second.id,))
    wider = row(first, 8.0, level="prompt", unit=(first.id, second.id, "of another run"))
    newer = row(second, 2.0, level="prompt", unit=(second.id, first.id))
    for rows, value in (([both, alone, wider], 1.0), ([both, newer], 2.0), ([wider, both], 1.0)):
        assert score_tables(images, rows, {})[0].values.tolist() == [[value]]


def test_a_value_whose_first_picture_is_not_here_is_found_by_another() -> None:
    image = picture("a", "p", 1)
    gone = picture("a", "p", 0)
    (table,) = score_tables([image], [row(gone, 3.0, level="prompt", unit=(gone.id, image.id))], {})
    assert table.values.tolist() == [[3.0]]
    assert score_tables([image], [row(gone, 3.0)], {}) == []


def test_values_of_two_networks_are_never_in_one_mean() -> None:
    images = [picture("a", prompt) for prompt in ("p", "q", "r")]
    scores = [row(images[0], 1.0), row(images[1], 2.0), row(images[2], 900.0, revision="other")]
    (table,) = score_tables(images, scores, {})
    np.testing.assert_array_equal(table.values, [[1.0, 2.0, NAN]])
    assert table.row_of[images[2].id].reason == OTHER_NETWORK


@pytest.mark.parametrize("tiers", [("bundled", "standard")])
def test_tiers_are_tables_of_their_own(tiers: tuple[str, str]) -> None:
    from dataclasses import replace

    image = picture("a", "p")
    scores = [replace(row(image, float(place)), tier=tier) for place, tier in enumerate(tiers)]
    assert [(t.tier, t.values.tolist()) for t in score_tables([image], scores, {})] == [
        ("bundled", [[0.0]]),
        ("standard", [[1.0]]),
    ]
