"""A tiny byte-pair tokenizer in the form of CLIP's: every word of the world is one token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import CLIPTokenizer

from training.settings import CONTEXT_LENGTH
from training.world import vocabulary

START, END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Returns a word's parts with every occurrence of a pair made one part."""
    result: list[str] = []
    for part in parts:
        if result and (result[-1], part) == pair:
            result[-1] += part
        else:
            result.append(part)
    return result


def _merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Learns the merges that make each word one token.

    The trainer of the tokenizers library breaks ties by chance, so that two processes may
    number the words differently; here the alphabet breaks them.
    """
    split = [[*word[:-1], word[-1] + _WORD_END] for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(parts) > 1 for parts in split):
        pairs = Counter(pair for parts in split for pair in pairwise(parts))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_joined(parts, best) for parts in split]
    return merges


def build_tokenizer(words: Sequence[str] | None = None) -> CLIPTokenizer:
    """Builds the tokenizer from a list of words.

    All bytes are in the vocabulary, so foreign words are spelled out rather than lost. The
    start and end marks have the two highest ids: open_clip finds the end of a text by the
    highest id.

    Args:
        words: The words that become one token each; by default those of the world.

    Returns:
        A tokenizer that pads with the end mark, as Stable Diffusion's does.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = dict.fromkeys([*letters, *(letter + _WORD_END for letter in letters)])
    merges = _merges(words if words is not None else vocabulary())
    for left, right in merges:
        entries.setdefault(left + right)
    tokens = [*entries, START, END]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=merges,
        model_max_length=CONTEXT_LENGTH,
    )


def encode(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Returns token ids of shape (captions, context length), padded with the end mark."""
    encoded = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=CONTEXT_LENGTH,
        return_tensors="pt",
    )
    return encoded.input_ids


def zero_padded(ids: Tensor, end_id: int) -> Tensor:
    """Returns ids with zeros after the first end mark, the padding of open_clip."""
    first_end = (ids == end_id).int().argmax(dim=1, keepdim=True)
    positions = torch.arange(ids.shape[1])[None]
    return torch.where(positions > first_end, torch.zeros_like(ids), ids)
