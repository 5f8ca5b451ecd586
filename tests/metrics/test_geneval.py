"""GenEval-style scores on drawn truth, through the engine, with the bundled detector."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from PIL import Image, ImageDraw

from metrics import MemoryCache, Registry, Sample, Scored, ScoreOptions, score
from metrics.cache import FeatureKey
from metrics.detection.boxes import Sight
from metrics.detection.evidence import SHOWN_BOXES, expected
from metrics.detection.source import D_FINE, DRAWN, GROUNDING_DINO, OWLV2, RT_DETR_V2, DetectorSource
from metrics.geneval import GenEval, GenEvalOverall, geneval_with
from metrics.questions import ExpectedObject as O
from metrics.questions import Scene
from tests.metrics.hub import own_caches
from training.boxes import item_box
from training.render import render
from training.world import Scene as Drawn
from training.world import draw_scene, is_held_out

EACH = 16
"""Scenes of each kind."""
WHITE = (250, 250, 250)


def truth(drawn: Drawn) -> Scene:
    """What the drawn world says of a picture, as GenEval's metadata would."""
    groups = drawn.groups
    if drawn.relation:
        first, second = groups
        there = O(first.shape, 1, first.color, drawn.relation, 0)  # type: ignore[arg-type]
        return Scene("position", (O(second.shape, 1, second.color), there))
    if any(group.count > 1 for group in groups):
        task = "counting"
    else:
        task = "color_attr" if len(groups) > 1 else "colors"
    return Scene(task, tuple(O(group.shape, group.count, group.color) for group in groups))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Drawn, Path]]:
    """Pictures of scenes that no network was trained on, of every kind alike."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = random.Random(20_261_123)
    scenes: list[Drawn] = []
    for kind in ("single", "place", "count", "relation", "pair"):
        while sum(scene.kind == kind for scene in scenes) < EACH:
            scene = draw_scene(rng, [kind])
            if kind not in ("relation", "pair") or is_held_out(scene):
                scenes.append(scene)
    pictures = []
    for place, scene in enumerate(scenes):
        render(scene).save(folder / f"{place}.png")
        pictures.append((scene, folder / f"{place}.png"))
    return pictures


def samples_of(drawn: Sequence[tuple[Drawn, Path]], shift: int = 0, scenes: bool = True) -> list[Sample]:
    """Pictures with their own scenes, or with those of the pictures `shift` places on."""
    said = [drawn[(place + shift) % len(drawn)][0] for place in range(len(drawn))]
    return [
        Sample(path.name, path, other.caption, None, "m", 0, scene=truth(other) if scenes else None)
        for (_, path), other in zip(drawn, said, strict=True)
    ]


def scored(samples: Sequence[Sample], options: ScoreOptions, metric: type[GenEval] = GenEval) -> list[Scored]:
    only = replace(options, registry=Registry([metric]))
    found = [event for event in score(samples, [metric.card.id], only) if isinstance(event, Scored)]
    return sorted(found, key=lambda event: [sample.key for sample in samples].index(event.sample.key))


def mean(events: Sequence[Scored]) -> float:
    assert all(event.score.value is not None for event in events), [e.score.reason for e in events]
    return fmean(event.score.value or 0.0 for event in events)


def picture(
    path: Path, *shapes: tuple[str, tuple[int, int, int]], size: tuple[int, int] = (128, 128)
) -> Path:
    """Circles of some colours side by side."""
    image = Image.new("RGB", size, WHITE)
    for place, (_, colour) in enumerate(shapes):
        x, y = 40 + 50 * place, size[1] // 2
        ImageDraw.Draw(image).ellipse((x - 18, y - 18, x + 18, y + 18), fill=colour)
    image.save(path)
    return path


def test_it_agrees_with_what_was_drawn(drawn: list[tuple[Drawn, Path]], options: ScoreOptions) -> None:
    events = scored(samples_of(drawn), options)
    assert mean(events) >= 0.9
    tasks: dict[str, list[Scored]] = {}
    for event in events:
        tasks.setdefault(event.score.detail["task"], []).append(event)
    assert set(tasks) == {"colors", "counting", "position", "color_attr"}
    assert all(mean(of_task) >= 0.85 for of_task in tasks.values())
    for event in events:
        assert bool(event.score.detail["wrong"]) is (event.score.value == 0)


def test_the_caption_of_another_picture_scores_far_lower(
    drawn: list[tuple[Drawn, Path]], options: ScoreOptions
) -> None:
    assert mean(scored(samples_of(drawn, shift=EACH), options)) < 0.1


def test_the_parser_s_scenes_do_as_well(drawn: list[tuple[Drawn, Path]], options: ScoreOptions) -> None:
    """Without a scene from a suite, what the prompt says is read from its words."""
    assert mean(scored(samples_of(drawn, scenes=False), options)) >= 0.9


def test_boxes_lie_on_what_was_drawn_whatever_the_size_of_the_picture(
    drawn: list[tuple[Drawn, Path]], options: ScoreOptions, tmp_path: Path
) -> None:
    wide = []
    for scene, path in drawn[:EACH]:
        with Image.open(path) as image:
            image.resize((480, 200), Image.Resampling.BICUBIC).save(tmp_path / path.name)
        wide.append((scene, tmp_path / path.name))
    good = 0
    for (scene, _), event in zip(wide, scored(samples_of(wide), options), strict=True):
        detail = event.score.detail
        assert detail["size"] == [480, 200]
        real = [
            value * scale
            for value, scale in zip(item_box(scene.items[0]), [480 / 128, 200 / 128] * 2, strict=True)
        ]
        good += any(shared(real, box["box"]) > 0.8 for box in detail["boxes"])
    assert good >= 0.9 * EACH


def shared(a: Sequence[float], b: Sequence[float]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inner = max(wide, 0) * max(high, 0)
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def test_the_evidence_is_kept(tmp_path: Path, options: ScoreOptions) -> None:
    path = picture(tmp_path / "two.png", ("circle", (220, 40, 40)), ("circle", (45, 90, 230)))
    right = Scene("color_attr", (O("circle", 1, "red"), O("circle", 1, "blue")))
    prompt = "a red circle and a blue circle"
    value = scored([Sample("a", path, prompt, scene=right)], options)[0].score
    assert value.value == 1.0
    assert value.detail["expected"] == ["1 red circle", "1 blue circle"]
    assert value.detail["wrong"] == []
    assert {(box["label"], box["colour"], box["state"]) for box in value.detail["boxes"][:2]} == {
        ("circle", "red", "matched"),
        ("circle", "blue", "matched"),
    }
    assert all(0 < box["colour_probability"] <= 1 for box in value.detail["boxes"])
    assert len(value.detail["boxes"]) <= SHOWN_BOXES
    wrong = Scene("colors", (O("circle", 1, "green"), O("star")), (O("circle", 2),))
    value = scored([Sample("a", path, prompt, scene=wrong)], options)[0].score
    assert value.value == 0.0
    assert value.detail["wrong"] == [
        f"green circle: 1 expected, 1 {value.detail['boxes'][0]['colour']} found",
        "star: 1 expected, 0 found",
        "circle: exactly 1 expected, 2 found",
    ]
    assert {box["state"] for box in value.detail["boxes"][:2]} == {"unmatched"}
    assert value.detail["expected"] == ["exactly 1 green circle", "1 star"]


def test_clauses_are_told_in_words() -> None:
    two = O("cat", 2, "red")
    assert expected(Scene("counting", (two,))) == ["exactly 2 red cat"]
    assert expected(Scene("counting", (two,), (O("cat", 3),))) == ["exactly 2 red cat"]
    assert expected(Scene("counting", (two, O("cat", 1, "blue")))) == [
        "exactly 2 red cat",
        "exactly 1 blue cat",
    ]
    assert expected(Scene("colors", (two,), (O("dog"), O("cow", 3)))) == [
        "2 red cat",
        "no dog",
        "at most 2 cow",
    ]
    above = Scene("position", (O("dog"), O("cat", 1, "", "above", 0)))
    assert expected(above) == ["1 dog", "1 cat above dog"]


def test_an_edited_scene_is_scored_again_without_another_pass(tmp_path: Path, options: ScoreOptions) -> None:
    class Features(dict[FeatureKey, bytes]):
        def get_many(self, keys: Sequence[FeatureKey]) -> dict[FeatureKey, bytes]:
            return {key: self[key] for key in keys if key in self}

        def put_many(self, features: dict[FeatureKey, bytes]) -> None:
            self.update(features)

    features: Any = Features()
    kept = replace(options, cache=MemoryCache(), features=features)
    path = picture(tmp_path / "one.png", ("circle", (220, 40, 40)))
    red, blue = (Scene("colors", (O("circle", 1, colour),)) for colour in ("red", "blue"))
    first = scored([Sample("a", path, "a red circle", scene=red)], kept)[0]
    again = scored([Sample("a", path, "a red circle", scene=red)], kept)[0]
    assert (first.cached, again.cached) == (False, True)
    rows = dict(features)
    edited = scored([Sample("a", path, "a red circle", scene=blue)], kept)[0]
    assert not edited.cached
    assert (first.score.value, edited.score.value) == (1.0, 0.0)
    assert features == rows
    assert edited.score.detail["boxes"][0]["box"] == first.score.detail["boxes"][0]["box"]


@pytest.mark.parametrize(
    ("prompt", "scene", "reason"),
    [
        ("", None, "the prompt of this picture is not known"),
        ("a red circle in a forest", None, "never taught"),
        ("a white background", None, "not known which objects"),
        ("a red circle", Scene("colors", ()), "names no object"),
        ("a red circle", Scene("single_object", (O("bench"),)), "does not know 'bench'"),
        ("a red circle", Scene("colors", (O("circle", 1, "brown"),)), "'brown' is none of the colours"),
        ("a red circle", Scene("counting", (O("circle", 0),)), "less than one"),
        ("a red circle", Scene("position", (O("circle", 1, "", "above", 3),)), "not in the scene"),
        (
            "a red circle",
            Scene("position", (O("circle"), O("circle", 1, "", "above", 0))),
            "cannot tell one circle from the other",
        ),
    ],
)
def test_what_cannot_be_judged_says_why(
    prompt: str, scene: Scene | None, reason: str, tmp_path: Path, options: ScoreOptions
) -> None:
    path = picture(tmp_path / "one.png", ("circle", (220, 40, 40)))
    event = scored([Sample("a", path, prompt, scene=scene)], options)[0]
    assert event.score.value is None
    assert reason in (event.score.reason or "")


def test_a_noun_outside_coco_is_named_before_anything_is_fetched(
    tmp_path: Path, options: ScoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_caches(tmp_path, monkeypatch)
    path = picture(tmp_path / "one.png", ("circle", (220, 40, 40)))
    bench, unicorn = (Sample(n, path, scene=Scene("single_object", (O(n),))) for n in ("bench", "unicorn"))
    known, strange = scored([bench, unicorn], replace(options, tier="standard"))
    assert "'unicorn'" in (strange.score.reason or "")
    assert "large tier" in (strange.score.reason or "")
    assert "hf download PekingU/rtdetr_v2_r50vd" in (known.score.reason or "")
    assert "owlv2" in (scored([unicorn], replace(options, tier="large"))[0].score.reason or "")


def test_odd_pictures_are_wrong_and_nothing_worse(tmp_path: Path, options: ScoreOptions) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "pixel.png")
    Image.new("L", (64, 64), 128).save(tmp_path / "grey.png")
    Image.new("RGB", (3000, 8), WHITE).save(tmp_path / "strip.png")
    ghost = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
    ImageDraw.Draw(ghost).ellipse((40, 40, 90, 90), fill=(220, 40, 40, 255))
    ghost.save(tmp_path / "alpha.png")
    large = Image.new("RGB", (4000, 4000), WHITE)
    ImageDraw.Draw(large).ellipse((1200, 1200, 2600, 2600), fill=(220, 40, 40))
    large.save(tmp_path / "large.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    names = ("pixel", "grey", "strip", "alpha", "large", "broken")
    red = Scene("colors", (O("circle", 1, "red"),))
    samples = [Sample(n, tmp_path / f"{n}.png", "a red circle", scene=red) for n in names]
    values = {event.sample.key: event.score for event in scored(samples, options)}
    assert {name: values[name].value for name in names} == {
        "pixel": 0.0,
        "grey": 0.0,
        "strip": 0.0,
        "alpha": 1.0,
        "large": 1.0,
        "broken": None,
    }
    left, top, right, bottom = values["large"].detail["boxes"][0]["box"]
    assert (left, top, right, bottom) == pytest.approx((1200, 1200, 2600, 2600), abs=120)


def test_overall_is_the_plain_mean_of_tasks(tmp_path: Path, options: ScoreOptions) -> None:
    """Three right colours and one count of two: 1.0 and 0.5 make 0.75, where the pictures' mean is 0.8."""
    samples = []
    for name, paint in (("red", (220, 40, 40)), ("blue", (45, 90, 230)), ("green", (40, 165, 60))):
        scene = Scene("colors", (O("circle", 1, name),))
        path = picture(tmp_path / f"{name}.png", ("circle", paint))
        samples.append(Sample(name, path, f"a {name} circle", model="m", scene=scene))
    for count in (1, 2):
        path = picture(tmp_path / f"{count}.png", *[("circle", (220, 40, 40))] * count)
        scene = Scene("counting", (O("circle", 2),))
        samples.append(Sample(str(count), path, f"{'two ' * count}red circles", model="m", scene=scene))
    assert mean(scored(samples, options)) == pytest.approx(0.8)
    found = scored(samples, options, GenEvalOverall)[0].score
    assert found.value == pytest.approx(0.75)
    assert found.detail["tasks"] == {
        "colors": {"right": 1.0, "pictures": 3, "prompts": 3},
        "counting": {"right": 0.5, "pictures": 2, "prompts": 2},
    }
    # The spread of 0 and 1 is a variance of 0.5; over two prompts 0.25, over two tasks 0.0625.
    assert found.detail["low"] == pytest.approx(0.75 - 1.96 * 0.25)
    assert found.detail["high"] == 1.0
    strange = Sample(
        "x", samples[0].path, "a red circle", model="m", scene=Scene("colors", (O("circle", 1, "brown"),))
    )
    with_strange = scored([*samples, strange], options, GenEvalOverall)[0].score
    assert with_strange.value == found.value
    assert with_strange.detail["not_judged"] == 1
    alone = scored([strange], options, GenEvalOverall)[0].score
    assert "'brown'" in (alone.reason or "")
    assert "no large tier" in (
        scored(samples, replace(options, tier="large"), GenEvalOverall)[0].score.reason or ""
    )


def test_each_picture_passes_the_detector_once(
    drawn: list[tuple[Drawn, Path]], options: ScoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[int] = []
    load = DetectorSource.load

    def counting(source: DetectorSource, device: str) -> Any:
        network: Any = load(source, device)
        network.module[0].register_forward_pre_hook(
            lambda _, __, given: passed.append(len(given["pixel_values"])), with_kwargs=True
        )
        return network

    monkeypatch.setattr(DetectorSource, "load", counting)
    both = replace(options, registry=Registry([GenEval, GenEvalOverall]))
    events = score(samples_of(drawn[:10]), ["geneval", "geneval_overall"], both)
    assert sum(isinstance(event, Scored) for event in events) == 11
    assert sum(passed) == 10


def test_another_detector_is_another_metric() -> None:
    found = {geneval_with(model).card.id for model in (RT_DETR_V2, D_FINE, OWLV2, GROUNDING_DINO)}
    assert found == {"geneval_rt_detrv2", "geneval_d_fine", "geneval_owlv2", "geneval_grounding_dino"}
    metric = geneval_with(GROUNDING_DINO)()
    assert metric.card.name == "GenEval-style (Grounding DINO)"
    assert "Grounding DINO 0.3 and 0.35" in metric.card.formula
    source = metric.source("standard", Path())
    assert source.model is GROUNDING_DINO
    assert source.card == metric.card.backbones["standard"]


def test_the_cards_say_what_is_so(assets: Path) -> None:
    source = GenEval().source("bundled", assets)
    network: Any = source.load("cpu")
    assert sum(tensor.numel() for tensor in network.module.parameters()) == DRAWN.detector.parameters
    assert network.nouns == DRAWN.nouns
    assert network.palette == source.palette
    assert Sight((1, 1), ()).boxes == ()
