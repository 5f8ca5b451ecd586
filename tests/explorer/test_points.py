import numpy as np
import pytest

from explorer.points import MetricKey, Point, curves, extremes, points, spread, varied_settings
from tests.explorer.scored import picture, row, scored

M, N = MetricKey("m", "bundled"), MetricKey("n", "bundled")
HIGHER = {"m": "higher"}


def test_the_spread_is_every_value_once() -> None:
    images, scores = scored({"a": [1.0, 3.0, 8.0], "b": [None, 2.0, 2.5]})
    images.append(picture("a", "p3"))
    scores.append(row(images[-1], None))
    found = spread(images, scores, M)
    assert {model: own.tolist() for model, own in found.items()} == {"a": [1.0, 3.0, 8.0], "b": [2.0, 2.5]}
    assert spread(images, scores, N) == {}
    assert spread(images, scores, MetricKey("m", "large")) == {}


def test_a_value_of_a_prompt_counts_once_and_one_of_a_model_not_at_all() -> None:
    images = [picture("a", "p0", seed=seed) for seed in range(3)]
    of_prompt = row(images[0], 0.5, level="prompt", unit=tuple(image.id for image in images))
    assert spread(images, [of_prompt], M)["a"].tolist() == [0.5]
    of_model = row(images[0], 0.5, level="model", unit=tuple(image.id for image in images))
    assert spread(images, [of_model], M) == {}
    assert points(images, [of_model, row(images[0], 1.0, "n")], M, N) == []


def test_a_point_is_a_picture_that_both_metrics_have_scored() -> None:
    images, first = scored({"a": [1.0, 3.0], "b": [5.0, 7.0]})
    second = [row(images[3], 0.7, "n"), row(images[0], 0.1, "n"), row(images[1], None, "n")]
    assert points(images, [*first, *second], M, N) == [
        Point("a", "p0", "a-p0-0", 1, 1.0, 0.1),
        Point("b", "p1", "b-p1-0", 1, 7.0, 0.7),
    ]
    assert points(images, first, M, N) == []


def test_where_one_metric_sees_prompts_a_point_is_a_prompt() -> None:
    images = [picture("a", "p0", seed=seed) for seed in (5, 2)] + [picture("a", "p1")]
    scores = [row(images[0], 1.0), row(images[1], 2.0), row(images[2], 9.0)]
    scores.append(row(images[0], 0.5, "n", level="prompt", unit=(images[0].id, images[1].id)))
    assert points(images, scores, M, N) == [Point("a", "p0", "a-p0-2", 2, 1.5, 0.5)]
    assert points(images, scores, N, M) == [Point("a", "p0", "a-p0-2", 2, 0.5, 1.5)]


def test_values_of_another_network_are_not_shown_beside_the_mean() -> None:
    images, scores = scored({"a": [1.0, 3.0, 8.0]})
    scores[0] = row(images[0], 100.0, revision="old")
    assert spread(images, scores, M)["a"].tolist() == [3.0, 8.0]


def test_curves_are_means_at_each_value_of_models_that_have_several() -> None:
    images, scores = [], []
    for steps, value in ((10, 1.0), (20, 4.0)):
        for prompt in range(3):
            images.append(picture("a", f"p{prompt}", seed=steps, steps=steps))
            scores.append(row(images[-1], value + prompt))
    images.append(picture("b", "p0", steps=20))
    scores.append(row(images[-1], 3.0))
    images.append(picture("b", "p0", seed=9, steps=0))  # not known
    scores.append(row(images[-1], 50.0))
    (curve,) = curves(images, scores, M, "steps", HIGHER)
    assert (curve.model, curve.at) == ("a", (10.0, 20.0))
    assert [r.mean for r in curve.rows] == [2.0, 5.0]  # (1 + 2 + 3) / 3 and (4 + 5 + 6) / 3
    assert all(r.low is not None and r.low < r.mean < r.high for r in curve.rows)
    assert varied_settings(images) == ("steps",)
    assert curves(images, scores, M, "guidance", HIGHER) == []


def test_models_with_settings_of_their_own_are_no_curve() -> None:
    images = [picture("a", "p0", steps=10), picture("b", "p0", steps=30, guidance=1.0)]
    assert varied_settings(images) == ()


def test_a_value_over_pictures_of_several_settings_belongs_to_none() -> None:
    images = [picture("a", "p0", seed=steps, steps=steps) for steps in (10, 20)]
    both = row(images[0], 0.5, level="prompt", unit=tuple(image.id for image in images))
    assert curves(images, [both], M, "steps", HIGHER) == []


def test_the_extremes_are_those_a_person_would_pick() -> None:
    values = {"best": (9.0, 9.0), "odd": (8.0, 1.0), "middle": (5.0, 5.0), "low": (1.0, 6.0)}
    found = extremes([Point("m", name, name, 1, *pair) for name, pair in values.items()], limit=1)
    assert {kind: own[0].image_id for kind, own in found.items()} == {
        "first high": "best",
        "first low": "low",
        "second high": "best",
        "second low": "odd",
        "first only": "odd",
        "second only": "low",
    }
    assert extremes([]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_every_point_equals_the_score_behind_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, first = scored({name: list(rng.normal(size=5)) for name in "abc"})
    second = [row(image, float(rng.normal()), "n") for image in images]
    own = {(score.image_id, score.metric): score.value for score in [*first, *second]}
    for point in points(images, [*first, *second], M, N):
        assert (point.first, point.second) == (own[point.image_id, "m"], own[point.image_id, "n"])
