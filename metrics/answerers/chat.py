"""Language models that see, by their chat template: LLaVA, Qwen-VL and what is built like them.

transformers takes what the vision encoder gave as `mm_encoder_outputs`, so a picture is encoded
once and its questions, in batches, start from that. A picture becomes a fixed run of tokens in
the text: it is taken from what the model's own processor makes of the picture, once a picture.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from metrics.answerers.asking import Asked, LocalAnswerer, of_tokens
from metrics.questions import YES_NO, Question

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from metrics.answerers.local import Loading

# Names under which processors mark the tokens of a picture.
_MARKS = ("mm_token_type_ids", "token_type_ids")
# What the language model must know of the pictures to place their tokens.
_GRIDS = ("image_grid_thw",)
_LAYERS = "deepstack_features"
_FIELDS = ("pooler_output", _LAYERS)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as the processor gives it.

    Attributes:
        inputs: The vision encoder's input, by argument.
        run: The tokens that stand for the picture in a text.
        mark: Under which name the model wants these marked; "" when it does not.
    """

    inputs: "Mapping[str, torch.Tensor]"
    run: list[int]
    mark: str


@dataclass(frozen=True, slots=True)
class Content:
    """A picture as the vision encoder gives it.

    Attributes:
        features: The fields of the encoder's output that the model reads, on the CPU.
        grids: Where its tokens stand, by argument.
        run: As of `Prepared`.
        mark: As of `Prepared`.
    """

    features: Mapping[str, Any]
    grids: "Mapping[str, torch.Tensor]"
    run: list[int]
    mark: str


def wording(question: Question) -> str:
    """A question with the answers that are taken."""
    if question.choices == YES_NO:
        return f"{question.text} Answer with yes or no."
    return f"{question.text} Answer with one of: {', '.join(question.choices)}."


class ChatAnswerer(LocalAnswerer):
    """A model of `AutoModelForImageTextToText` with a chat template."""

    def __init__(self, module: Any, processor: Any) -> None:
        """Wrap a network in evaluation mode.

        Raises:
            ValueError: It has no chat template, or does not say which token stands for a picture.
        """
        super().__init__(module, processor, end=None)
        token = getattr(module.config, "image_token_id", None)
        if processor.chat_template is None or token is None:
            raise ValueError("it has no chat template, or no token that stands for a picture")
        self._image = int(token)
        self._vision = set(inspect.signature(module.get_image_features).parameters)

    def prepare(self, image: "Image") -> Prepared:
        """An RGB image as the vision encoder's input, with the tokens that stand for it.

        Raises:
            ValueError: The processor marks pictures in an unknown way.
        """
        text = self._chat("Is it?")
        inputs = self.processor(text=[text], images=[image], return_tensors="pt")
        whole, bare = inputs["input_ids"][0].tolist(), self._tokens(text)
        at = bare.index(self._image)
        run = whole[at : len(whole) - (len(bare) - at - 1)]
        if [*bare[:at], *run, *bare[at + 1 :]] != whole:
            raise ValueError("its processor writes pictures into the text in an unknown way")
        mark = next((name for name in _MARKS if name in inputs), "")
        if mark and inputs[mark][0].tolist() != [int(token == self._image) for token in whole]:
            raise ValueError("its processor marks pictures in an unknown way")
        taken = {name: inputs[name] for name in inputs if name in self._vision}
        return Prepared(taken, run, mark)

    def see(self, prepared: Sequence[Prepared]) -> list[Content]:
        """One pass a picture: pictures of one batch may have different numbers of patches."""
        return [self._see(picture) for picture in prepared]

    def log_probabilities(self, asked: Sequence[Asked]) -> "list[torch.Tensor]":
        """First tokens of all answers in one pass; answers of several tokens in a second one."""
        import torch

        prompts = [self._prompt(one) for one in asked]
        first = self._logits([(one.content, prompt) for one, prompt in zip(asked, prompts, strict=True)], 1)
        found = [torch.zeros(len(one.tokens)) for one in asked]
        longer: list[tuple[int, int]] = []
        for row, one in enumerate(asked):
            steps = first[row, -1].float().log_softmax(dim=-1).cpu()
            for place, tokens in enumerate(one.tokens):
                if len(tokens) == 1:
                    found[row][place] = steps[tokens[0]]
                else:
                    longer.append((row, place))
        for start in range(0, len(longer), len(asked)):
            part = longer[start : start + len(asked)]
            rows = [asked[row].tokens[place] for row, place in part]
            texts = [
                (asked[row].content, [*prompts[row], *tokens[:-1]])
                for (row, _), tokens in zip(part, rows, strict=True)
            ]
            keep = max(len(tokens) for tokens in rows)
            logits = self._logits(texts, keep)
            # All texts end together: of each the last places tell its answer, token by token.
            ends = [line[-len(tokens) :] for line, tokens in zip(logits, rows, strict=True)]
            padded = torch.nn.utils.rnn.pad_sequence(ends, batch_first=True)
            for (row, place), value in zip(part, of_tokens(padded, rows), strict=True):
                found[row][place] = value
        return found

    def _see(self, picture: Prepared) -> Content:
        inputs = {name: tensor.to(self.device) for name, tensor in picture.inputs.items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.module.dtype)
        output = self.module.get_image_features(**inputs, return_dict=True)
        fields = {name: getattr(output, name, None) for name in _FIELDS}
        features = {name: _moved(value, "cpu") for name, value in fields.items() if value is not None}
        grids = {name: picture.inputs[name] for name in _GRIDS if name in picture.inputs}
        return Content(features, grids, picture.run, picture.mark)

    def _prompt(self, asked: Asked) -> list[int]:
        bare = self._tokens(self._chat(wording(asked.question)))
        at = bare.index(self._image)
        return [*bare[:at], *asked.content.run, *bare[at + 1 :]]

    def _chat(self, text: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = [{"role": "user", "content": content}]
        return str(self.processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))

    def _tokens(self, text: str) -> list[int]:
        # The template writes the beginning mark itself where the model has one.
        mark = self.tokenizer.bos_token
        special = mark is None or not text.startswith(mark)
        return list(self.tokenizer(text, add_special_tokens=special)["input_ids"])

    def _logits(self, texts: Sequence[tuple[Content, list[int]]], keep: int) -> "torch.Tensor":
        """What is said at the last `keep` places; shape (texts, keep, vocabulary)."""
        import torch

        longest = max(len(tokens) for _, tokens in texts)
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        # Padded on the left, so that all texts end together.
        rows = [[pad] * (longest - len(tokens)) + tokens for _, tokens in texts]
        ids = torch.tensor(rows)
        mask = torch.tensor([[0] * (longest - len(tokens)) + [1] * len(tokens) for _, tokens in texts])
        contents = [content for content, _ in texts]
        more = {name: torch.cat([c.grids[name] for c in contents]) for name in contents[0].grids}
        if contents[0].mark:
            more[contents[0].mark] = torch.eq(ids, self._image).long() * mask
        sent = {name: tensor.to(self.device) for name, tensor in more.items()}
        output = self.module(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            mm_encoder_outputs={"image": self._together(contents)},
            logits_to_keep=keep,
            use_cache=False,
            **sent,
        )
        logits: torch.Tensor = output.logits
        return logits[:, -keep:]

    def _together(self, contents: Sequence[Content]) -> Any:
        """What the encoder would give for these pictures."""
        fields: dict[str, Any] = {}
        for name in contents[0].features:
            parts = [_moved(content.features[name], self.device) for content in contents]
            # One tensor a picture, or a list of them; where there are layers, that for each layer.
            fields[name] = (
                [_joined(layer) for layer in zip(*parts, strict=True)] if name == _LAYERS else _joined(parts)
            )
        return SimpleNamespace(**fields)


def _moved(value: Any, device: Any) -> Any:
    """Tensors, or lists of them, on another device."""
    import torch

    return value.to(device) if isinstance(value, torch.Tensor) else [_moved(part, device) for part in value]


def _joined(parts: Sequence[Any]) -> Any:
    import torch

    return (
        torch.cat(list(parts))
        if isinstance(parts[0], torch.Tensor)
        else [one for part in parts for one in part]
    )


def load_chat(loading: "Loading") -> ChatAnswerer:
    """The answerer in a folder.

    Raises:
        ValueError: The files lack a part of it, or it is of no kind that sees and writes.
    """
    from transformers import AutoModelForImageTextToText

    model = loading.model(AutoModelForImageTextToText)
    return ChatAnswerer(model, loading.processor(model))
