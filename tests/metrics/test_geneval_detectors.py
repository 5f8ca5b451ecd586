"""Every class of detector, tiny and with random weights, through save, load and the engine's calls."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from metrics import Registry, Sample, Scored, ScoreOptions, score
from metrics.base import BackboneCard
from metrics.clip_backbone import ClipModel
from metrics.detection.boxes import Box, Limits, Picture, Sight, from_rows, inside, strongest, to_rows
from metrics.detection.colours import PALETTE, TEMPLATES, Colours, crop, cut_out
from metrics.detection.nouns import COCO, canonical, unknown
from metrics.detection.source import D_FINE, GROUNDING_DINO, MODELS, OWLV2, DetectorModel, DetectorSource
from metrics.errors import MissingWeights
from metrics.geneval import geneval_with
from metrics.questions import ExpectedObject, Scene
from tests.metrics.hub import own_caches, put
from tests.metrics.tiny_detectors import CLOSED, OPEN, save
from tests.metrics.tiny_networks import tiny_clip

EVERYTHING = Limits(cut=0.0, counting_cut=0.0)
SIZES = [(90, 60), (60, 90), (40, 40), (90, 60)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("detectors")
    return {name: save(name, root / name) for name in (*CLOSED, *OPEN)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny CLIP in the Hub's cache."""
    root = tmp_path_factory.mktemp("clip")
    with pytest.MonkeyPatch.context() as patch:
        own_caches(root, patch)
        model, content = tiny_clip(root, "tiny-colours", 32)
        assert model.file is not None
        put(model.file, content)  # type: ignore[arg-type]
        yield model


def model_of(name: str, folder: Path, clip: ClipModel) -> DetectorModel:
    nouns = ("cat", "tv", "dog") if name in CLOSED else None
    card = BackboneCard(f"tiny-{name}", "none", 1_000, 0, "MIT")
    return DetectorModel(name, card, folder, nouns, EVERYTHING, clip)


def pictures() -> list[Image.Image]:
    torch.manual_seed(3)
    return [
        Image.fromarray(torch.randint(0, 256, (size[1], size[0], 3), dtype=torch.uint8).numpy())
        for size in SIZES
    ]


@pytest.mark.parametrize("name", list(CLOSED))
def test_a_closed_detector_gives_boxes_in_pixels_of_the_original(
    name: str, folders: dict[str, Path], clip: ClipModel
) -> None:
    source = DetectorSource(model_of(name, folders[name], clip), Path())
    network: Any = source.load("cpu")
    prepared = [network.prepare(image) for image in pictures()]
    sights = network.sights(network.encode(prepared), [()] * len(SIZES))
    for picture, sight, size in zip(prepared, sights, SIZES, strict=True):
        assert sight.size == size
        outputs = network.module[0](pixel_values=picture.pixels[None])
        wanted = by_hand(outputs, size, softmax=name in ("detr", "yolos"))
        assert 0 < len(sight.boxes) == len(wanted)
        for noun, sure, corners in wanted:
            like = [box for box in sight.boxes if box.noun == noun and abs(box.score - sure) < 1e-5]
            assert any(box.corners == pytest.approx(corners, abs=1e-2) for box in like)
        assert all(sum(box.colours.values()) == pytest.approx(1, abs=1e-4) for box in sight.boxes)
    alone = network.encode(prepared[:1])[0]
    assert torch.allclose(alone, network.encode(prepared)[0], atol=1e-4)
    assert network.unknown(["cat", "television", "unicorn"]) == ["unicorn"]


def by_hand(outputs: Any, size: tuple[int, int], softmax: bool) -> list[tuple[str, float, list[float]]]:
    """Boxes as the papers define them: centre and size as shares of the picture."""
    names = ["cat", "tv", "dog"]
    logits, shares = outputs.logits[0].detach(), outputs.pred_boxes[0].detach()
    scores = logits.softmax(-1)[:, :-1] if softmax else logits.sigmoid()
    rows = []
    for query in range(len(shares)):
        x, y, wide, high = shares[query].tolist()
        edges = [(x - wide / 2), (y - high / 2), (x + wide / 2), (y + high / 2)]
        corners = [min(max(edge, 0), 1) * side for edge, side in zip(edges, size * 2, strict=True)]
        kinds = [int(scores[query].argmax())] if softmax else range(len(names))
        rows += [(float(scores[query, kind]), names[kind], corners) for kind in kinds]
    best = sorted(rows, key=lambda row: -row[0])[: len(shares)]
    return [(noun, sure, corners) for sure, noun, corners in best]


def test_owlv2_reads_a_picture_once_and_equals_the_whole_network(
    folders: dict[str, Path], clip: ClipModel
) -> None:
    network: Any = DetectorSource(model_of("owlv2", folders["owlv2"], clip), Path()).load("cpu")
    passes = []
    network.module[0].owlv2.vision_model.register_forward_hook(lambda *_: passes.append(1))
    image = pictures()[0]
    prepared = network.prepare(image)
    look = network.encode([prepared])
    sight = network.sights(look, [("cat", "traffic light")])[0]
    again = network.sights(look, [("cat", "traffic light")])[0]
    network.sights(look, [("dog",)])
    assert len(passes) == 1
    assert again is sight
    texts = ["a photo of a cat", "a photo of a traffic light"]
    tokens = network._tokenizer(
        texts, padding="max_length", max_length=40, return_tensors="pt", truncation=True
    )
    with torch.inference_mode():
        outputs = network.module[0](pixel_values=prepared.pixels[None], **tokens)
    scores, kinds = outputs.logits[0].sigmoid().max(-1)
    rows = []
    for place in range(len(scores)):
        x, y, wide, high = (90 * share for share in outputs.pred_boxes[0, place].tolist())  # padded below
        corners = inside((x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), image.size)
        rows += (
            [(float(scores[place]), ["cat", "traffic light"][int(kinds[place])], corners)] if corners else []
        )
    rows.sort(key=lambda row: -row[0])
    assert 8 < len(rows) < 16  # those of the padding are gone
    for box, (sure, noun, corners) in zip(sight.boxes, rows, strict=True):
        assert (box.noun, box.score) == (noun, pytest.approx(sure, abs=1e-5))
        assert box.corners == pytest.approx(corners, abs=1e-3)
    assert network.unknown(["unicorn"]) == []


def test_grounding_dino_asks_for_each_picture_its_own_nouns(
    folders: dict[str, Path], clip: ClipModel
) -> None:
    name = "grounding_dino"
    network: Any = DetectorSource(model_of(name, folders[name], clip), Path()).load("cpu")
    passes = []
    network.module[0].register_forward_hook(lambda *_: passes.append(1))
    prepared = [network.prepare(image) for image in pictures()]
    looks = network.encode(prepared)
    nouns = [("cat", "traffic light"), ("dog",), ("dog",), ("cat", "traffic light")]
    sights = network.sights(looks, nouns)
    assert len(passes) == 3  # the first and the last go together
    assert network.sights(looks, nouns) == sights
    assert len(passes) == 3
    assert {box.noun for box in sights[1].boxes} == {"dog"}
    tokens = network._tokenizer(["cat. traffic light."], return_tensors="pt")
    assert tokens["input_ids"].tolist() == [network._text(nouns[0])[0]]
    with torch.inference_mode():
        outputs = network.module[0](pixel_values=prepared[0].pixels[None], **tokens)
    shares = outputs.logits[0].sigmoid()
    of_nouns = torch.stack([shares[:, 1], shares[:, 3:5].mean(-1)], -1)  # [CLS] cat . traffic light . [SEP]
    scores, kinds = of_nouns.max(-1)
    assert [b.score for b in sights[0].boxes] == pytest.approx(
        sorted(scores.tolist(), reverse=True), abs=1e-5
    )
    first = int(scores.argmax())
    x, y, wide, high = outputs.pred_boxes[0, first].tolist()
    corners = ((x - wide / 2) * 90, (y - high / 2) * 60, (x + wide / 2) * 90, (y + high / 2) * 60)
    assert sights[0].boxes[0].corners == pytest.approx(inside(corners, (90, 60)), abs=1e-2)
    assert sights[0].boxes[0].noun == nouns[0][int(kinds[first])]


@pytest.mark.parametrize("name", [*CLOSED, *OPEN])
@pytest.mark.parametrize("size", [(1, 1), (300, 20)])
def test_odd_pictures_pass(
    name: str, size: tuple[int, int], folders: dict[str, Path], clip: ClipModel
) -> None:
    network: Any = DetectorSource(model_of(name, folders[name], clip), Path()).load("cpu")
    image = Image.new("RGB", size, (128, 128, 128))
    sight = network.sights(network.encode([network.prepare(image)]), [("cat",)])[0]
    assert sight.size == size
    for box in sight.boxes:
        left, top, right, bottom = box.corners
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


def test_colours_are_geneval_s_zero_shot_classifier(clip: ClipModel) -> None:
    """Against the classifier of GenEval's program, built from the same CLIP by hand."""
    from metrics.clip_backbone import ClipSource

    network = ClipSource(clip, Path()).load("cpu")
    image = pictures()[0]
    box = Box("bench", 0.9, (10.4, 5.0, 70.6, 50.0))
    found = Colours(network).of([(Picture.of(image, torch.zeros(1)), box)])[0]
    weights = []
    for colour in PALETTE:
        texts = [
            f"a photo of a {colour} bench",
            f"a photo of a {colour}-colored bench",
            f"a photo of a {colour} object",
        ]
        vectors = torch.stack([text.vector for text in network.texts(texts)])
        mean = (vectors / vectors.norm(dim=1, keepdim=True)).mean(0)
        weights.append(mean / mean.norm())
    pixels = network.encode([network.prepare(image.crop((10, 5, 71, 50)))])[0]
    shares = (network.scale * torch.stack(weights) @ pixels).softmax(0)
    assert list(found) == list(PALETTE)
    assert list(found.values()) == pytest.approx(shares.tolist(), abs=1e-5)
    assert len(TEMPLATES) == 3


def test_what_a_mask_leaves_out_becomes_grey() -> None:
    image = Image.new("RGB", (10, 10), "red")
    mask = Image.new("L", (10, 10), 0)
    mask.paste(255, (0, 0, 5, 10))
    cut = crop(image, (3.0, 0.0, 7.0, 10.0), mask)
    assert cut.size == (4, 10)
    assert (cut.getpixel((0, 0)), cut.getpixel((3, 0))) == ((255, 0, 0), (153, 153, 153))
    # An object thinner than a pixel is still cut out of the picture.
    for corners in ((9.9, 9.9, 10.0, 10.0), (4.2, 4.2, 4.3, 4.3), (0.0, 0.0, 0.1, 0.1)):
        assert crop(image, corners).getcolors() == [(1, (255, 0, 0))]


def test_a_large_picture_is_kept_small_until_its_objects_are_cut_out() -> None:
    image = Image.new("RGB", (4000, 2000), "white")
    image.paste("red", (1000, 500, 2000, 1000))
    picture = Picture.of(image, torch.zeros(1))
    assert picture.size == (4000, 2000)
    assert picture.image is not None
    assert picture.image.size == (1536, 768)
    cut = cut_out(picture, Box("cat", 1, (1000, 500, 2000, 1000)))
    assert cut.size == (384, 192)
    assert cut.getpixel((192, 96)) == (255, 0, 0)
    with pytest.raises(ValueError, match="not kept"):
        cut_out(Picture.of(image, torch.zeros(1), keep=False), Box("cat", 1, (0, 0, 9, 9)))


def test_rows_of_boxes_come_back_as_they_were() -> None:
    boxes = (Box("cat", 0.5, (1, 2, 3, 4), {"red": 0.75, "blue": 0.25}), Box("dog", 0.25, (0, 0, 9, 9)))
    for sight in (Sight((640, 480), boxes), Sight((1, 1), ())):
        nouns, palette = ("dog", "cat"), ("red", "blue")
        again = from_rows(to_rows(sight, nouns, palette), nouns, palette)
        assert again.size == sight.size
        parts = [
            [(b.noun, b.score, b.corners, dict(b.colours)) for b in each.boxes] for each in (sight, again)
        ]
        assert parts[0] == parts[1]


def test_the_surest_boxes_are_kept() -> None:
    many = [Box("cat", n / 100, (0, 0, 1, 1)) for n in range(50)] + [Box("dog", 0.001, (0, 0, 1, 1))]
    kept = strongest(many)
    assert [box.score for box in kept] == [*(n / 100 for n in range(49, 33, -1)), 0.001]
    assert len(strongest([Box(str(n), 0.5, (0, 0, 1, 1)) for n in range(99)])) == 64
    assert inside((-5, 2, 3, 99), (10, 10)) == (0, 2, 3, 10)
    assert inside((11, 2, 13, 9), (10, 10)) is None


def test_nouns_have_one_name() -> None:
    assert canonical("  TV_Monitor ") == "tv"
    assert unknown(["sofa", "unicorn", "Cell phone"], COCO) == ["unicorn"]
    assert len(set(COCO)) == 80
    assert all(canonical(noun) == noun for noun in COCO)


def test_weights_that_are_not_whole_are_refused(
    tmp_path: Path, folders: dict[str, Path], clip: ClipModel
) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folders["detr"].iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    tensors = load_file(broken / "model.safetensors")
    tensors.pop("class_labels_classifier.weight")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingWeights, match=r"does not load .*it lacks"):
        DetectorSource(model_of("detr", broken, clip), Path()).load("cpu")
    (broken / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"lacks model\.safetensors"):
        _ = DetectorSource(model_of("detr", broken, clip), Path()).revision


def test_a_detector_of_another_kind_is_refused(folders: dict[str, Path], clip: ClipModel) -> None:
    closed = replace(model_of("detr", folders["detr"], clip), nouns=None)
    with pytest.raises(MissingWeights, match="fixed list of nouns"):
        DetectorSource(closed, Path()).load("cpu")
    any_noun = replace(model_of("owlv2", folders["owlv2"], clip), nouns=("cat",))
    with pytest.raises(MissingWeights, match="has no list of nouns"):
        DetectorSource(any_noun, Path()).load("cpu")


def test_the_recipe_names_both_networks_and_the_cuts(folders: dict[str, Path], clip: ClipModel) -> None:
    model = model_of("detr", folders["detr"], clip)
    source = DetectorSource(model, Path())
    assert source.card.id == "tiny-detr + tiny-colours"
    assert source.revision.endswith(f"+{clip.card.revision}")
    assert source.form is not None
    assert source.form.shape == (-1, 16)
    stricter = DetectorSource(replace(model, limits=Limits(0.5, 0.9)), Path())
    assert stricter.preprocessing != source.preprocessing
    assert DetectorSource(model_of("owlv2", folders["owlv2"], clip), Path()).form is None


def test_absent_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_caches(tmp_path, monkeypatch)
    for model in (*MODELS.values(), D_FINE, GROUNDING_DINO):
        source = DetectorSource(model, tmp_path)
        with pytest.raises(MissingWeights, match="hf download" if model.clip else "restore the folder"):
            source.load("cpu")
    names = [file.name for file in DetectorSource(OWLV2, tmp_path).files]
    assert names == ["google/owlv2-base-patch16-ensemble", "open_clip_model.safetensors"]


@pytest.mark.parametrize("name", ["detr", "owlv2", "grounding_dino"])
def test_the_metric_runs_on_any_of_them(
    name: str, folders: dict[str, Path], clip: ClipModel, tmp_path: Path
) -> None:
    metric = geneval_with(model_of(name, folders[name], clip))
    samples = []
    for place, image in enumerate(pictures()):
        image.save(tmp_path / f"{place}.png")
        wanted = ExpectedObject("cat" if place % 2 else "dog", 1, "red")
        scene = Scene("color_attr", (wanted, ExpectedObject("television", 1, "blue")))
        samples.append(Sample(str(place), tmp_path / f"{place}.png", scene=scene))
    options = ScoreOptions(tier="standard", device="cpu", registry=Registry([metric]), assets=tmp_path)
    events = [event for event in score(samples, [metric.card.id], options) if isinstance(event, Scored)]
    assert len(events) == len(SIZES)
    for event in events:
        value = event.score
        assert value.value in (0.0, 1.0), value.reason
        assert value.detail["size"] == list(SIZES[int(event.sample.key)])
        assert 0 < len(value.detail["boxes"]) <= 40
        assert {box["colour"] for box in value.detail["boxes"]} <= set(PALETTE)
        assert {box["label"] for box in value.detail["boxes"]} <= {"cat", "dog", "tv"}
        assert value.detail["expected"][1] == "1 blue tv"
        assert bool(value.detail["wrong"]) is (value.value == 0.0)
