"""Scenes, captions, pictures and the checker agree with one another."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from training.checker import check, read_picture, summarise
from training.labels import CAPTION_CLASSES, caption_labels, picture_labels
from training.render import render
from training.variants import CHANGES, variant
from training.world import (
    BACKGROUNDS,
    COLORS,
    KINDS,
    PLACES,
    SHAPES,
    Group,
    Item,
    Scene,
    draw_scene,
    draw_training_scene,
    is_held_out,
    vocabulary,
)


def scenes(count: int, seed: int = 0) -> list[Scene]:
    rng = random.Random(seed)
    return [draw_scene(rng) for _ in range(count)]


def test_checker_reads_drawn_scenes() -> None:
    drawn = scenes(150)
    report = summarise(check(render(scene), scene) for scene in drawn)
    assert min(report.values()) >= 0.98, report


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [14, 24, 40])
def test_checker_reads_every_shape_and_color(shape: str, radius: int) -> None:
    for color in COLORS:
        item = Item(shape, color, 64, 64, radius)
        for background in BACKGROUNDS:
            reading = read_picture(render(Scene("single", background, (item,), ())))
            assert reading.background == background
            assert [(found.color, found.shape) for found in reading.objects] == [(color, shape)]


def test_checker_refuses_a_wrong_picture() -> None:
    rng = random.Random(5)
    for change in CHANGES:
        noticed = 0
        for scene in scenes(400, seed=6):
            scene = replace(scene, names_background=True)
            sibling = variant(rng, scene, change)
            if sibling is not None:
                assert not check(render(sibling), scene)["all"], (scene.caption, sibling.caption)
                noticed += 1
            if noticed == 10:
                break
        assert noticed == 10


def test_captions_say_what_the_scene_holds() -> None:
    for scene in scenes(300):
        wanted = Counter()
        for group in scene.groups:
            wanted[group.color, group.shape] += group.count
        assert wanted == Counter((item.color, item.shape) for item in scene.items)
        assert (scene.background in scene.caption.split()) == scene.names_background


def test_captions_are_worded_as_documented() -> None:
    circles = Group(2, "red", "circle")
    square = Group(1, "blue", "square")
    star = Group(1, "orange", "star")
    cases = {
        "two red circles on a white background": Scene("count", "white", (), (circles,)),
        "two red circles and a blue square on a gray background": Scene(
            "pair", "gray", (), (circles, square)
        ),
        "a blue square left of an orange star on a navy background": Scene(
            "relation", "navy", (), (square, star), relation="left of"
        ),
        "an orange star at the top on a navy background": Scene(
            "place", "navy", (), (star,), place="at the top"
        ),
        "a large orange star": Scene("single", "navy", (), (star,), size="large", names_background=False),
    }
    for caption, scene in cases.items():
        assert scene.caption == caption


def test_every_caption_stays_in_the_vocabulary() -> None:
    used = {word for scene in scenes(3000) for word in scene.caption.split()}
    assert used == set(vocabulary())


def test_training_scenes_leave_out_the_held_out_ones() -> None:
    rng = random.Random(2)
    assert not any(is_held_out(draw_training_scene(rng)) for _ in range(300))
    assert any(is_held_out(scene) for scene in scenes(300))


def test_labels_fit_their_classes() -> None:
    drawn = scenes(200)
    for scene in drawn:
        labels = caption_labels(scene)
        assert all(0 <= label < size for label, size in zip(labels, CAPTION_CLASSES.values(), strict=True))
    counts, centres, present = picture_labels(drawn)
    assert counts.sum().item() == sum(len(scene.items) for scene in drawn)
    assert centres.abs().max() < 1
    assert set(present.unique().tolist()) == {0.0, 1.0}


def test_drawing_repeats_and_covers_all_kinds() -> None:
    assert scenes(50) == scenes(50)
    assert {scene.kind for scene in scenes(200)} == set(KINDS)
    assert {scene.place for scene in scenes(500)} == {None, *PLACES}


def test_styles_change_the_picture_only_inside_objects() -> None:
    scene = replace(scenes(1)[0], style=None)
    plain = np.asarray(render(scene)).astype(int)
    for style in ("outlined", "striped"):
        styled = np.asarray(render(replace(scene, style=style))).astype(int)
        changed = np.abs(styled - plain).sum(-1) > 0
        background = np.array(BACKGROUNDS[scene.background])
        assert changed.any()
        assert (np.abs(plain - background).sum(-1)[changed] > 0).mean() > 0.95
