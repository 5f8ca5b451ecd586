"""The question answerer: its parts, its shortened training, and the shipped weights."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BlipForQuestionAnswering, BlipProcessor

from training import answerer as training_answerer
from training.answerer import export_answerer, train_answerer
from training.answerer_measure import answer_shares, answers, measure_answerer
from training.answerer_model import (
    answer_ids,
    answer_logits,
    build_answerer,
    build_processor,
    encode_questions,
    pack,
    reading_labels,
)
from training.codes import to_tensor
from training.render import render, render_batch
from training.settings import SHORT
from training.sight import SightHeads, draw_pictures, look, patch_labels, window
from training.subjects import Question, Subject
from training.world import SHAPES, Group, Item, Scene

SHIPPED = Path(__file__).parents[2] / "assets" / "vqa"
SCENE = Scene(
    "relation",
    "white",
    (Item("circle", "red", 30, 64, 20), Item("square", "blue", 100, 60, 20)),
    (Group(1, "red", "circle"), Group(1, "blue", "square")),
    relation="left of",
)
ASKED = [
    [
        Question("is there a red circle?", "yes", "object", (Subject("red", "circle"),)),
        Question("does this image show a red circle left of a blue square?", "yes", "caption"),
        Question("how many circles are there?", "1", "count", (Subject(None, "circle"),)),
    ]
] * 2


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a shortened run, with the export in `vqa`."""
    work = tmp_path_factory.mktemp("answerer")
    train_answerer(SHORT.answerer, work)
    export_answerer(SHORT.answerer, work, work / "vqa")
    return work


def test_patches_tell_what_covers_them() -> None:
    labels = patch_labels(SCENE).reshape(8, 8, 6)
    # The circle's center (30, 64) lies in column 1, row 4, whose middle is (24, 72).
    color, shape, center, right, down, radius = labels[4, 1].tolist()
    assert (color, shape, center) == (1, SHAPES.index("circle") + 1, 1)
    assert (right, down, radius) == pytest.approx((6 / 16, -8 / 16, 20 / 16))
    assert labels[..., 2].sum() == 2
    assert labels[3, 6, 0] == 3  # blue: the square's center (100, 60)
    assert not labels[0].any()


def test_windows_lie_around_an_object() -> None:
    rng = random.Random(0)
    for _ in range(30):
        kept = window(rng, SCENE, 5)
        assert len(kept) == 25
        assert kept == sorted(kept)
        assert kept[0] >= 0
        assert kept[-1] < 64
        assert {4 * 8 + 1, 3 * 8 + 6} & set(kept)
    assert len(window(rng, replace(SCENE, items=()), 5)) == 25


def test_looking_at_every_patch_equals_the_whole_tower() -> None:
    vision = build_answerer(SHORT.answerer, build_processor().tokenizer).vision_model.eval()
    images = draw_pictures([SCENE], random.Random(0), 1.0)
    whole = vision(images).last_hidden_state
    assert torch.allclose(look(vision, images, torch.arange(64)[None]), whole, atol=1e-5)
    losses = SightHeads(SHORT.answerer.hidden_size).losses(whole, [SCENE])
    assert all(loss.isfinite() for loss in losses.values())


def test_the_tower_starts_by_looking_at_neighbors() -> None:
    model = build_answerer(replace(SHORT.answerer, vision_layers=3), build_processor().tokenizer)
    vision = model.vision_model.eval()
    hidden = vision.embeddings(to_tensor(render_batch([SCENE])))
    for block, aside in zip(
        vision.encoder.layers, ([1, 8, -1, -8], [9, 7, -9, -7], [1, 8, -1, -8]), strict=True
    ):
        attention = block.self_attn(block.layer_norm1(hidden))[1]
        if block is vision.encoder.layers[-1]:
            break  # the last layer is left free
        from_patch = 3 * 8 + 4
        found = attention[0, :, 1 + from_patch, 1:].argmax(-1) - from_patch
        assert found.tolist() == aside
        hidden = block(hidden)


def test_reading_labels() -> None:
    labels = reading_labels(SCENE, [Subject("red", "circle"), Subject("green")])
    assert labels[0].tolist() == pytest.approx([1, 1, 1, 1, 30 / 64 - 1, 0])
    assert labels[1].tolist() == [1, 2, 0, 0, 0, 0]
    assert reading_labels(SCENE, []).sum() == 0


def test_processor_knows_the_words() -> None:
    processor = build_processor()
    inputs = processor(images=render(SCENE), text="How many red circles are there?", return_tensors="pt")
    assert set(inputs) == {"input_ids", "attention_mask", "pixel_values"}
    tokens = processor.tokenizer.convert_ids_to_tokens(inputs.input_ids[0])
    assert tokens == ["[CLS]", "how", "many", "red", "circles", "are", "there", "?", "[SEP]"]
    assert torch.allclose(inputs.pixel_values, to_tensor(render_batch([SCENE], supersampling=4)), atol=1e-5)
    assert processor.tokenizer.unk_token_id in processor.tokenizer("is there a dog?").input_ids


def test_packed_questions_are_answered_as_single_ones() -> None:
    processor = build_processor()
    model = build_answerer(replace(SHORT.answerer, text_layers=2), processor.tokenizer).eval()
    images = to_tensor(render_batch([SCENE, replace(SCENE, background="black")]))
    with torch.no_grad():
        features = model.vision_model(images).last_hidden_state
        packed = pack(processor.tokenizer, ASKED)
        assert packed.spans[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
        right = answer_ids(processor.tokenizer, ASKED)
        logits = answer_logits(model, encode_questions(model, features, packed), packed, right)
        for row, questions in enumerate(ASKED):
            for column, question in enumerate(questions):
                tokens = processor.tokenizer(question.text, return_tensors="pt")
                encoded = model.text_encoder(
                    **{name: tokens[name] for name in ("input_ids", "attention_mask")},
                    encoder_hidden_states=features[row : row + 1],
                ).last_hidden_state
                number = 3 * row + column
                start = torch.tensor([[model.decoder_start_token_id, right[number]]])
                alone = model.text_decoder(input_ids=start, encoder_hidden_states=encoded).logits
                assert torch.allclose(logits[number], alone[0], atol=1e-4)


def test_training_pads_questions_to_few_lengths() -> None:
    tokenizer = build_processor().tokenizer
    exact = pack(tokenizer, ASKED)
    assert exact.spans[:3].tolist() == [[0, 0, 8], [0, 8, 15], [0, 23, 8]]
    padded = pack(tokenizer, ASKED * 8, random.Random(1))
    assert {8, 12, 16} <= set(padded.spans[:, 2].tolist()) <= {8, 12, 16, 20}
    rows, starts, _ = padded.spans.unbind(-1)
    assert (padded.ids[rows, starts] == tokenizer.cls_token_id).all()
    assert (padded.places[rows, starts] == 0).all()
    assert ((padded.owner == -1) <= (padded.ids == padded.padding)).all()


def test_shares() -> None:
    questions = [
        Question("", "yes", "object"),
        Question("", "no", "object"),
        Question("", "2", "count"),
        Question("", "no", "count"),
        Question("", "red", "color"),
    ]
    shares = answer_shares(questions, ["yes", "yes", "2", "no", "blue"])
    assert shares == {
        "object": 0.5,
        "count": 1.0,
        "color": 0.0,
        "all": 0.6,
        "yes_no": pytest.approx(2 / 3),
        "number": 1.0,
        "word": 0.0,
        "count_yes_no": 1.0,
        "said_yes": pytest.approx(2 / 3),
    }


def test_short_run_loads_through_the_real_classes(short: Path) -> None:
    folder = short / "vqa"
    report = measure_answerer(folder, count=24, seed=3)
    assert {"all", "yes_no", "said_yes", "blurred_all", "blurred_said_yes"} <= set(report)
    assert all(0 <= share <= 1 for share in report.values())
    model = BlipForQuestionAnswering.from_pretrained(folder, local_files_only=True)
    assert model.dtype == torch.float32
    assert BlipProcessor.from_pretrained(folder, local_files_only=True).tokenizer.model_max_length == 32
    assert "_name_or_path" not in (folder / "config.json").read_text()
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_finished_run_is_left_alone(short: Path) -> None:
    before = (short / "answerer" / "model.safetensors").stat().st_mtime_ns
    train_answerer(SHORT.answerer, short)
    assert (short / "answerer" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("killed_at", [2, 5])
def test_a_killed_run_ends_like_an_unbroken_one(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    settings = replace(SHORT.answerer, checkpoint_seconds=0.0)
    steps, set_rate = iter(range(killed_at)), training_answerer.set_rate

    def rate(optimizer: torch.optim.Optimizer, share: float) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        set_rate(optimizer, share)

    monkeypatch.setattr(training_answerer, "set_rate", rate)
    with pytest.raises(KeyboardInterrupt):
        train_answerer(settings, tmp_path)
    assert not (tmp_path / "answerer").exists()
    monkeypatch.undo()
    train_answerer(settings, tmp_path)
    unbroken, resumed = (load_file(work / "answerer" / "model.safetensors") for work in (short, tmp_path))
    assert unbroken.keys() == resumed.keys()
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_shipped_weights_answer() -> None:
    model = BlipForQuestionAnswering.from_pretrained(SHIPPED, local_files_only=True)
    processor = BlipProcessor.from_pretrained(SHIPPED, local_files_only=True)
    assert answers(model, processor, [render(SCENE)] * 3, ASKED[0]) == ["yes", "yes", "1"]
    assert (SHIPPED / "model.safetensors").stat().st_size < 3.05e6
    report = measure_answerer(SHIPPED, count=120, seed=31)
    assert report["yes_no"] > 0.9
    assert report["number"] > 0.85
    assert 0.4 < report["said_yes"] < 0.65
