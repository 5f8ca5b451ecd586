"""Prompts become embeddings: once for all seeds, with clip skip, weights and long prompts.

The plain way is the pipeline's own. The options are for the families that read with CLIP
alone (SD 1.x, SD 2, SDXL); the others have no such knobs.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from explorer.errors import ModelError
from explorer.types import Family

CLIP_FAMILIES: tuple[Family, ...] = ("sd15", "sd2", "sdxl")
_KEPT = 64
_WEIGHTED = re.compile(r"\(([^()]+):\s*([0-9]*\.?[0-9]+)\)")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How prompts are read by CLIP, where that differs from the model's own way."""

    clip_skip: int = 1
    """As in A1111: 1 is the layer the model was trained with, 2 the one before."""
    long_prompts: bool = False
    """Read prompts past 77 tokens in pieces instead of cutting them."""
    weighting: bool = False
    """Read `(a red hat:1.3)` and `hat++` as weights."""

    @property
    def plain(self) -> bool:
        """Whether everything is as the model does it itself."""
        return self == TextOptions()


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be read: a prompt, and what to stay away from."""

    prompt: str
    negative: str = ""
    options: TextOptions = TextOptions()


class PromptEncoder:
    """Reads prompts with the text encoders of one loaded pipeline and remembers the results."""

    def __init__(self, pipe: Any, family: Family) -> None:
        """Remember the pipeline; reads nothing yet."""
        self._pipe, self._family = pipe, family
        self._known: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()

    def arguments(self, texts: Texts, adapters: Hashable = ()) -> dict[str, Any]:
        """What the pipeline is called with in place of prompt and negative prompt.

        Args:
            texts: The prompt and how to read it.
            adapters: Identity of the LoRAs in force: they may change the text encoder.

        Raises:
            ModelError: This family cannot read prompts in the way asked for.
        """
        key = (texts, adapters)
        if key not in self._known:
            self._known[key] = self._read(texts)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return dict(self._known[key])

    def _read(self, texts: Texts) -> dict[str, Any]:
        import torch

        if self._family not in CLIP_FAMILIES:
            raise ModelError(
                "Clip skip, prompt weights and long prompts work with SD 1.x, SD 2 and SDXL only. "
                "Turn them off for this model."
            )
        with torch.no_grad():
            if texts.options.weighting or texts.options.long_prompts:
                return self._read_with_compel(texts)
            if self._family == "sdxl":
                return self._read_sdxl(texts)
            skip = texts.options.clip_skip - 1
            return {
                "prompt_embeds": read_skipping(self._pipe, texts.prompt, skip),
                "negative_prompt_embeds": read_skipping(self._pipe, texts.negative, skip),
            }

    def _read_sdxl(self, texts: Texts) -> dict[str, Any]:
        # The pipeline's own reader knows clip skip for SDXL, counted from its own layer.
        skip = texts.options.clip_skip - 1
        read = self._pipe.encode_prompt(
            prompt=texts.prompt, negative_prompt=texts.negative, clip_skip=skip or None
        )
        names = ("prompt_embeds", "negative_prompt_embeds")
        return dict(zip((*names, "pooled_prompt_embeds", "negative_pooled_prompt_embeds"), read, strict=True))

    def _read_with_compel(self, texts: Texts) -> dict[str, Any]:
        from compel import Compel, ReturnedEmbeddingsType
        from compel.convenience_wrappers import CompelForSDXL

        prompt, negative = (
            compel_syntax(text, weighted=texts.options.weighting) for text in (texts.prompt, texts.negative)
        )
        if self._family == "sdxl":
            if texts.options.clip_skip > 1:
                raise ModelError("Clip skip does not go with prompt weights or long prompts on SDXL.")
            read = CompelForSDXL(self._pipe)(prompt, negative_prompt=negative)
            return {
                "prompt_embeds": read.embeds,
                "negative_prompt_embeds": read.negative_embeds,
                "pooled_prompt_embeds": read.pooled_embeds,
                "negative_pooled_prompt_embeds": read.negative_pooled_embeds,
            }
        if texts.options.clip_skip > 2:
            raise ModelError("With prompt weights or long prompts, clip skip can be 1 or 2.")
        layer = (
            ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NORMALIZED
            if texts.options.clip_skip == 2
            else ReturnedEmbeddingsType.LAST_HIDDEN_STATES_NORMALIZED
        )
        compel = Compel(
            tokenizer=self._pipe.tokenizer,
            text_encoder=self._pipe.text_encoder,
            truncate_long_prompts=not texts.options.long_prompts,
            returned_embeddings_type=layer,
        )
        positive, avoided = compel.pad_conditioning_tensors_to_same_length(
            [compel.build_conditioning_tensor(prompt), compel.build_conditioning_tensor(negative)]
        )
        return {"prompt_embeds": positive, "negative_prompt_embeds": avoided}


def read_skipping(pipe: Any, text: str, skip: int) -> Any:
    """CLIP's reading of a text some layers before the last; 0 is the pipeline's own reading.

    Raises:
        ModelError: The encoder has fewer layers.
    """
    encoder = pipe.text_encoder
    # Since transformers flattened CLIPTextModel, diffusers' own clip skip fails on SD 1.x.
    inner = getattr(encoder, "text_model", encoder)
    ids = pipe.tokenizer(
        text,
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids.to(encoder.device)
    if skip == 0:
        return encoder(ids)[0]
    states = encoder(ids, output_hidden_states=True).hidden_states
    if skip >= len(states):
        raise ModelError(f"Clip skip {skip + 1} is too much: this text encoder has {len(states) - 1} layers.")
    return inner.final_layer_norm(states[-(skip + 1)])


def compel_syntax(text: str, *, weighted: bool) -> str:
    """A prompt as compel reads it.

    Args:
        text: The prompt; with weights as A1111 writes them, `(a red hat:1.3)`, or as compel does.
        weighted: Whether brackets and signs are weights; else they are plain characters.
    """
    if weighted:
        return _WEIGHTED.sub(r"(\1)\2", text)
    return re.sub(r"([()+\-\"])", r"\\\1", text)
