"""The question answerer: a small BLIP, its processor, and the readers that help to train it.

Several questions share one picture. They are packed into one row of tokens, kept apart by
the attention mask, so that the picture is looked up once for all of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
)

from training.questions import question_words
from training.settings import IMAGE_SIZE, AnswererSettings
from training.sight import PATCH
from training.sight_start import start_vision
from training.subjects import Question, Subject
from training.world import COLORS, SHAPES, Scene

MAX_TOKENS = 32
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_COLORS = list(COLORS)
_READING = (len(_COLORS) + 1, len(SHAPES) + 1, 5, 2)


def build_processor() -> BlipProcessor:
    """Builds the processor: pictures of 128 px in [-1, 1], words of the questions as tokens."""
    words = [*_SPECIAL, *question_words(), "?"]
    tokenizer = BertTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        bos_token="[DEC]",  # noqa: S106 (no password)
        model_max_length=MAX_TOKENS,
    )
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = BlipImageProcessor(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return BlipProcessor(images, tokenizer)


def build_answerer(settings: AnswererSettings, tokenizer: BertTokenizer) -> BlipForQuestionAnswering:
    """Builds an untrained model that fits the tokenizer.

    Args:
        settings: The settings.
        tokenizer: The tokenizer of the questions.

    Returns:
        The model; its vision tower has the start of `sight_start.py`.
    """
    spread = 0.6 * settings.hidden_size**-0.5
    vision = BlipVisionConfig(
        hidden_size=settings.hidden_size,
        intermediate_size=settings.vision_intermediate_size,
        num_hidden_layers=settings.vision_layers,
        num_attention_heads=settings.attention_heads,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        initializer_range=spread,
    )
    text = BlipTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.text_intermediate_size,
        num_hidden_layers=settings.text_layers,
        num_attention_heads=settings.attention_heads,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=spread,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    config = BlipConfig(text_config=text, vision_config=vision, initializer_range=spread)
    model = BlipForQuestionAnswering(config)
    start_vision(model.vision_model)
    return model


class ReadingHeads(nn.Module):
    """Reads off the question encoder what is asked about; used in training only."""

    def __init__(self, width: int) -> None:
        """Builds the heads.

        Args:
            width: Width of the question encoder.
        """
        super().__init__()
        self.linear = nn.Linear(width, 2 * sum(_READING))

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Returns the loss of reading color, shape, number and mean place of up to two subjects.

        Args:
            features: What the encoder says at the first token, shape (questions, width).
            labels: What `reading_labels` gives.
        """
        color, shape, number, place = self.linear(features).view(-1, sum(_READING)).split(_READING, -1)
        labels = labels.flatten(0, 1)
        named, seen = labels[:, 0] > 0, labels[:, 3] > 0
        classes = ((color, 1), (shape, 2), (number, 3))
        losses = [
            functional.cross_entropy(logits[named], labels[named, row].long()) for logits, row in classes
        ]
        return sum(losses, (place - labels[:, 4:])[seen].abs().mean() * 2)


def reading_labels(scene: Scene, subjects: Sequence[Subject]) -> Tensor:
    """Returns what a question asks about and what the picture shows of it.

    Args:
        scene: What the picture shows.
        subjects: What the question names.

    Returns:
        Tensor of shape (2, 6), a row each for two subjects: 1 if there is one, number of the
        color and of the shape (0 is none), how many there are, and their mean place in [-1, 1].
    """
    labels = torch.zeros(2, 6)
    for row, subject in enumerate(subjects[:2]):
        found = subject.find(scene)
        color = _COLORS.index(subject.color) + 1 if subject.color else 0
        shape = SHAPES.index(subject.shape) + 1 if subject.shape else 0
        labels[row, :4] = torch.tensor([1, color, shape, len(found)])
        if found:
            places = torch.tensor([[item.x, item.y] for item in found], dtype=torch.float32)
            labels[row, 4:] = places.mean(0) / (IMAGE_SIZE / 2) - 1
    return labels


@dataclass(frozen=True)
class Packed:
    """The questions about each picture in one row, question by question.

    `owner` says whose question each token belongs to (-1 is nobody's), `places` where in it;
    `spans` holds row, start and length of each question.
    """

    ids: Tensor
    owner: Tensor
    places: Tensor
    spans: Tensor
    padding: int


def pack(
    tokenizer: BertTokenizer, asked: Sequence[Sequence[Question]], rng: random.Random | None = None
) -> Packed:
    """Packs the questions about each picture into one row.

    Args:
        tokenizer: The tokenizer.
        asked: The questions about each picture.
        rng: Source of chance for the training, where questions are padded to few different
            lengths. Users who ask long and short questions together pad them as well.

    Returns:
        Tensors of shape (pictures, tokens), and the spans of all questions one after another.
    """
    rows: list[list[tuple[int, int, int]]] = []
    spans: list[tuple[int, int, int]] = []
    for questions in asked:
        row: list[tuple[int, int, int]] = []
        for number, ids in enumerate(tokenizer([question.text for question in questions]).input_ids):
            length = len(ids)
            if rng:
                length = min(-(-length // 4) * 4 + (4 if rng.random() < 0.2 else 0), MAX_TOKENS)
            spans.append((len(rows), len(row), length))
            padded = [*ids, *[tokenizer.pad_token_id] * (length - len(ids))]
            row += [(token, number, place) for place, token in enumerate(padded)]
        rows.append(row)
    longest = max(len(row) for row in rows)
    nothing = (tokenizer.pad_token_id, -1, 0)
    table = torch.tensor([row + [nothing] * (longest - len(row)) for row in rows])
    return Packed(*table.unbind(-1), torch.tensor(spans), tokenizer.pad_token_id)


def encode_questions(model: BlipForQuestionAnswering, features: Tensor, packed: Packed) -> Tensor:
    """Encodes several questions for each picture at the price of one look.

    Args:
        model: The model.
        features: What the vision tower says, shape (pictures, tokens, width).
        packed: The questions.

    Returns:
        What the encoder gives for each token, shape (pictures, tokens, width).
    """
    same = packed.owner[:, :, None] == packed.owner[:, None, :]
    visible = same & ((packed.ids != packed.padding) | (packed.owner < 0))[:, None, :]
    blocked = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    return model.text_encoder(
        input_ids=packed.ids,
        attention_mask=blocked[:, None],
        position_ids=packed.places,
        encoder_hidden_states=features,
    ).last_hidden_state


def answer_ids(tokenizer: BertTokenizer, asked: Sequence[Sequence[Question]]) -> Tensor:
    """Returns the tokens of the right answers of all questions, one after another."""
    words = [question.answer for questions in asked for question in questions]
    return torch.tensor(tokenizer.convert_tokens_to_ids(words))


def answer_logits(
    model: BlipForQuestionAnswering, encoded: Tensor, packed: Packed, answers: Tensor
) -> Tensor:
    """Returns the decoder's logits for each answer and for the end mark behind it.

    transformers drops the mask of a BLIP decoder's look at the question, so that padding is
    seen, here as in `generate`. Questions of one length are therefore decoded together.

    Args:
        model: The model.
        encoded: What `encode_questions` gives.
        packed: The questions.
        answers: Token ids of the right answers, shape (questions,).

    Returns:
        Tensor of shape (questions, 2, vocabulary).
    """
    rows, starts, lengths = packed.spans.unbind(-1)
    inputs = torch.stack([torch.full_like(answers, model.decoder_start_token_id), answers], dim=-1)
    logits, order = [], []
    for length in lengths.unique():
        chosen = (lengths == length).nonzero()[:, 0]
        places = starts[chosen, None] + torch.arange(length)
        question = encoded[rows[chosen, None], places]
        output = model.text_decoder(input_ids=inputs[chosen], encoder_hidden_states=question, use_cache=False)
        logits.append(output.logits)
        order.append(chosen)
    return torch.cat(logits)[torch.cat(order).argsort()]


def parts(model: BlipForQuestionAnswering) -> dict[str, nn.Module]:
    """Returns the parts of the model in which every parameter occurs once, tied ones too."""
    head = model.text_decoder.cls.predictions
    return {
        "vision": model.vision_model,
        "encoder": model.text_encoder,
        "decoder": model.text_decoder.bert,
        "transform": head.transform,
        "bias": nn.ParameterDict({"bias": head.bias}),
    }
