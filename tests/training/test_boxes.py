"""Boxes of scenes and average precision, against values worked out by hand."""

import numpy as np
import pytest

from training.boxes import (
    Boxes,
    average_precision,
    item_box,
    mean_average_precision,
    overlaps,
    pair_names,
    relabeled,
    scene_boxes,
    without_doubles,
)
from training.render import render
from training.world import BACKGROUNDS, SHAPES, Item, Scene


def _boxes(*rows: tuple[int, float, int]) -> Boxes:
    """Boxes of side 10 at a given left edge, as rows of left edge, score and class."""
    corners = np.array([[left, 0, left + 10, 10] for left, _, _ in rows], float).reshape(-1, 4)
    return Boxes(corners, np.array([row[2] for row in rows], int), np.array([row[1] for row in rows]))


def test_box_of_a_square_and_of_a_triangle_at_the_edge() -> None:
    assert item_box(Item("square", "red", 60, 50, 20)) == pytest.approx([42.4, 32.4, 77.6, 67.6])
    assert item_box(Item("triangle", "red", 10, 118, 20)) == pytest.approx([0, 98, 30, 128])


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_fit_what_is_drawn(shape: str) -> None:
    item = Item(shape, "yellow", 61, 57, 25)
    picture = np.asarray(render(Scene("single", "black", (item,), ())), int)
    drawn = np.abs(picture - np.array(BACKGROUNDS["black"])).max(-1) > 100
    rows, columns = np.nonzero(drawn.any(1))[0], np.nonzero(drawn.any(0))[0]
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    # Thin tips fade below the threshold.
    assert np.abs(np.array(item_box(item)) - seen).max() < 2.5


def test_scene_boxes_name_the_pairs() -> None:
    scene = Scene("pair", "white", (Item("star", "blue", 30, 30, 15), Item("circle", "red", 90, 90, 15)), ())
    boxes = scene_boxes(scene)
    assert [pair_names()[label] for label in boxes.labels] == ["blue star", "red circle"]
    assert boxes.corners[1] == pytest.approx([75, 75, 105, 105], abs=0.1)
    empty = scene_boxes(Scene("single", "white", (), ()))
    assert empty.corners.shape == (0, 4)


def test_overlaps() -> None:
    first = np.array([[0.0, 0, 10, 10]])
    second = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 5]])
    assert overlaps(first, second)[0] == pytest.approx([1, 1 / 3, 0, 0.5])
    assert overlaps(first[:0], second).shape == (0, 4)


def test_average_precision_by_hand() -> None:
    truth = [_boxes((0, 1, 0), (50, 1, 0)), _boxes((0, 1, 0), (50, 1, 1))]
    found = [_boxes((0, 0.9, 0), (1, 0.8, 0)), _boxes((0, 0.7, 0), (50, 0.95, 0))]
    # From the surest on: wrong (it is of class 1), right, wrong (that one is taken), right; three
    # are there. Precision at the hits is 1/2 and 2/4, each hit adds a third of recall.
    assert average_precision(found, truth, 0) == pytest.approx(1 / 3)
    assert average_precision(found, truth, 1) == 0
    assert average_precision(found, truth, 2) is None
    assert mean_average_precision(found, truth, 3) == pytest.approx(1 / 6)
    assert average_precision(truth, truth, 0) == 1


def test_precision_curve_is_made_to_fall() -> None:
    truth = [_boxes((0, 1, 0), (50, 1, 0), (80, 1, 0), (110, 1, 0))]
    found = [_boxes((20, 0.9, 0), (0, 0.8, 0), (50, 0.7, 0), (80, 0.6, 0))]
    # Precisions are 0, 1/2, 2/3 and 3/4: the first two hits count with the 3/4 that comes later.
    assert average_precision(found, truth, 0) == pytest.approx(3 * 0.75 / 4)


def test_a_box_that_overlaps_too_little_is_wrong() -> None:
    truth, shifted = [_boxes((0, 1, 0))], [_boxes((4, 0.9, 0))]
    assert average_precision(shifted, truth, 0, overlap=0.42) == 1
    assert average_precision(shifted, truth, 0, overlap=0.43) == 0


def test_relabeled_keeps_one_half_of_the_pair() -> None:
    pairs = [_boxes((0, 0.5, pair_names().index("blue star")))]
    assert relabeled(pairs, "color")[0].labels.tolist() == [2]
    assert relabeled(pairs, "shape")[0].labels.tolist() == [SHAPES.index("star")]


def test_doubles_are_dropped_whatever_their_class() -> None:
    # The boxes at 0 and 1 overlap by 9/11, those at 0 and 2 by 8/12.
    boxes = without_doubles(_boxes((1, 0.5, 1), (2, 0.3, 0), (50, 0.2, 0), (0, 0.9, 0)))
    assert boxes.corners[:, 0].tolist() == [0, 2, 50]
    assert boxes.labels.tolist() == [0, 0, 0]
    assert boxes.scores.tolist() == [0.9, 0.3, 0.2]
