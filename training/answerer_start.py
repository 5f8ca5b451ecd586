"""Where the answerer's question encoder starts from: words that look for what they name.

The sight heads already say which direction of the vision tower means "red", "star" or "center
of an object". Here the words for colors and shapes get a channel each, and one head of every
layer looks with it for the patches that have it, centers first, and tells where they lie.
Another head of the first layer looks at the word before, which makes a "circle" behind "red"
a red circle, and a third one at the class token. What to make of all that is left to the
training.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor
from transformers import BertTokenizer, BlipForQuestionAnswering

from training.sight import GRID, MOST, SightHeads, draw_pictures, draw_scenes
from training.world import BACKGROUNDS, COLORS, SHAPES, plural

_WORD, _PLACE = 0.4, 0.1  # strength of a word's own channel and of its place, beside 0.06 of noise
_WANT, _CENTER, _BEFORE, _WHOLE, _TELL = 0.5, 3.0, 1.3, 6.5, 2.0


@torch.no_grad()
def start_reading(model: BlipForQuestionAnswering, sight: SightHeads, tokenizer: BertTokenizer) -> None:
    """Writes the start into the untrained question encoder.

    Args:
        model: The model, whose vision tower can see.
        sight: The heads that were trained with the tower.
        tokenizer: The tokenizer of the questions.
    """
    keys, offsets = _sight_keys(sight)
    embeddings, width = model.text_encoder.embeddings, model.config.text_config.hidden_size
    places = width // model.config.text_config.num_attention_heads // 2 * 2
    words = embeddings.word_embeddings.weight
    words[:, -places:] = 0
    words[:, : len(keys)] = 0
    for channel, name in enumerate([*COLORS, *SHAPES]):
        for word in {name, plural(name)} if name in SHAPES else {name}:
            words[tokenizer.convert_tokens_to_ids(word), channel] = _WORD
    embeddings.position_embeddings.weight.zero_()
    embeddings.position_embeddings.weight[:, -places:] = _PLACE * _waves(
        torch.arange(len(embeddings.position_embeddings.weight)), places
    )
    for layer in model.text_encoder.encoder.layer:
        look = layer.crossattention.self
        look.query.weight[:places] = 0
        look.key.weight[:places] = 0
        look.key.weight[: len(keys)] = keys
        look.key.bias[: len(keys)] = offsets
        look.query.weight[: len(keys) - 1, : len(keys) - 1] = _WANT * torch.eye(len(keys) - 1)
        look.query.bias[len(keys) - 1] = _CENTER
    first = model.text_encoder.encoder.layer[0].attention
    first.self.query.weight[:places] = 0
    first.self.key.weight[:places] = 0
    first.self.query.weight[:places, -places:] = _BEFORE * _turn(places)
    first.self.key.weight[:places, -places:] = _BEFORE * torch.eye(places)
    look_at_whole(model, sight)
    tell_places(model)
    named = len(keys) - 1
    first.self.value.weight[:places] = 0
    first.self.value.weight[:named, :named] = torch.eye(named)
    first.output.dense.weight[:, :places] = 0
    first.output.dense.weight[:named, :named] = torch.eye(named)


@torch.no_grad()
def look_at_whole(model: BlipForQuestionAnswering, sight: SightHeads) -> None:
    """Has the last head of the first layer read background and number off the class token.

    It is one token among many that tell nothing of the background; left to chance, the
    encoder does not find it in any reasonable time.

    Args:
        model: The model, whose vision tower can see.
        sight: The heads that were trained with the tower.
    """
    rng = random.Random(0)
    scenes = draw_scenes(rng, 32)
    features = model.vision_model(draw_pictures(scenes, rng, 0.0)).last_hidden_state
    way, offset = _discriminant(features[:, 0], features[:, 1:].flatten(0, 1))
    look = model.text_encoder.encoder.layer[0].crossattention.self
    start = look.query.weight.shape[0] - look.attention_head_size
    look.query.weight[start:] = 0
    look.query.bias[start:] = 0
    look.query.bias[start] = _WHOLE
    look.key.weight[start] = way * _WHOLE
    look.key.bias[start] = offset * _WHOLE
    groups = sight.whole.weight.split([len(BACKGROUNDS), MOST + 1])
    facts = torch.cat([rows - rows.mean(0) for rows in groups])
    whole = features[:, 0].mean(0)
    values = facts @ (features[:, 0] - whole).T
    look.value.weight[start : start + len(facts)] = facts / values.std()
    look.value.bias[start : start + len(facts)] = -(facts @ whole) / values.std()


@torch.no_grad()
def tell_places(model: BlipForQuestionAnswering) -> None:
    """Has the first head of every layer report where the patches lie that it looks at.

    Nothing taught the tower to speak up on places, so they are in its features, but faintly.

    Args:
        model: The model, whose vision tower can see.
    """
    rng = random.Random(1)
    features = model.vision_model(draw_pictures(draw_scenes(rng, 32), rng, 0.0)).last_hidden_state[:, 1:]
    steps = (torch.arange(GRID) + 0.5) * (2 / GRID) - 1
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)
    tokens, wanted = features.flatten(0, 1), places.repeat(len(features), 1)
    mean = tokens.mean(0)
    spread = (tokens - mean).T @ (tokens - mean) / len(tokens) + 1e-3 * torch.eye(tokens.shape[1])
    ways = torch.linalg.solve(spread, (tokens - mean).T @ wanted / len(tokens)).T
    for layer in model.text_encoder.encoder.layer:
        value = layer.crossattention.self.value
        value.weight[:2] = _TELL * ways
        value.bias[:2] = -_TELL * (ways @ mean)


def _discriminant(whole: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of the linear function that is about 1 at class tokens and 0 at patches."""
    tokens = torch.cat([whole, patches])
    weights = torch.cat([torch.full((len(rows),), 0.5 / len(rows)) for rows in (whole, patches)])
    wanted = torch.cat([torch.ones(len(whole)), torch.zeros(len(patches))])
    mean = weights @ tokens
    centered = tokens - mean
    spread = (centered.T * weights) @ centered + 1e-2 * torch.eye(tokens.shape[1])
    way = torch.linalg.solve(spread, (centered.T * weights) @ (wanted - 0.5))
    return way, 0.5 - way @ mean


def _sight_keys(sight: SightHeads) -> tuple[Tensor, Tensor]:
    """Returns weight and bias that read colors, shapes and centers off a patch, against all others."""
    weight, bias = sight.patch.weight, sight.patch.bias
    colors, shapes = slice(0, len(COLORS) + 1), slice(len(COLORS) + 1, len(COLORS) + len(SHAPES) + 2)
    center = slice(shapes.stop, shapes.stop + 1)
    rows = [weight[part][1:] - weight[part].mean(0) for part in (colors, shapes)]
    offsets = [bias[part][1:] - bias[part].mean(0) for part in (colors, shapes)]
    return torch.cat([*rows, weight[center]]), torch.cat([*offsets, bias[center]])


def _waves(steps: Tensor, places: int) -> Tensor:
    """Returns waves of which no two places within reach of one another have the same."""
    angles = steps[:, None] * (torch.arange(places // 2) + 1) * (2 * torch.pi / places)
    return torch.cat([angles.sin(), angles.cos()], -1)


def _turn(places: int) -> Tensor:
    """Returns the rotation that takes the waves of a place to those of the place before."""
    angles = -(torch.arange(places // 2) + 1) * (2 * torch.pi / places)
    return torch.cat(
        [
            torch.cat([angles.cos().diag(), angles.sin().diag()], 1),
            torch.cat([-angles.sin().diag(), angles.cos().diag()], 1),
        ]
    )
