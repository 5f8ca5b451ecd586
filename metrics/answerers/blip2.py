"""BLIP-2 and InstructBLIP: a vision encoder, a bridge of queries, and a language model.

Li et al. 2023, arXiv:2301.12597; Dai et al. 2023, arXiv:2305.06500. BLIP-2's bridge does not
read the question, so it too runs once a picture; InstructBLIP's does, and runs for each.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metrics.answerers.asking import Asked, LocalAnswerer, of_tokens
from metrics.answerers.choices import Tokens
from metrics.questions import YES_NO, Question

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from metrics.answerers.local import Loading


def wording(question: Question, instructed: bool) -> str:
    """A question as these models were taught to read it; the instructed one also reads choices."""
    if not instructed:
        return f"Question: {question.text} Answer:"
    options = f" Options: {', '.join(question.choices)}." if question.choices != YES_NO else ""
    return f"Question: {question.text}{options} Short answer:"


class Blip2Answerer(LocalAnswerer):
    """`Blip2ForConditionalGeneration`, with a language model of either kind."""

    def __init__(self, module: Any, processor: Any) -> None:
        """Wrap a network in evaluation mode."""
        self._open = bool(module.config.use_decoder_only_language_model)
        super().__init__(module, processor, end=None if self._open else processor.tokenizer.eos_token_id)
        self._queries = int(module.config.num_query_tokens)

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as shape (3, side, side), normalised."""
        pixels: torch.Tensor = self.processor.image_processor(images=image, return_tensors="pt")[
            "pixel_values"
        ]
        return pixels[0]

    def see(self, prepared: Sequence["torch.Tensor"]) -> "list[torch.Tensor]":
        """Shape (queries, width of the language model) for each picture."""
        output = self.module.get_image_features(pixel_values=self._pixels(prepared), return_dict=True)
        return list(output.pooler_output.cpu().unbind())

    def log_probabilities(self, asked: Sequence[Asked]) -> "list[torch.Tensor]":
        """Score whole answers: after the question, or by a decoder that has read it."""
        import torch

        rows = [(index, tokens) for index, one in enumerate(asked) for tokens in one.tokens]
        scored = self._after(asked, rows) if self._open else self._decoded(asked, rows)
        return list(torch.split(scored, [len(one.tokens) for one in asked]))

    def texts(self, asked: Sequence[Asked]) -> list[str]:
        """What is written to the language model."""
        return [wording(one.question, instructed=False) for one in asked]

    def queries(self, asked: Sequence[Asked]) -> "torch.Tensor":
        """What it is shown for each question; shape (questions, queries, width)."""
        import torch

        return torch.stack([one.content for one in asked]).to(self.device)

    def _pixels(self, prepared: Sequence["torch.Tensor"]) -> "torch.Tensor":
        import torch

        return torch.stack(list(prepared)).to(self.device, self.module.vision_model.dtype)

    def _prompts(self, asked: Sequence[Asked]) -> list[list[int]]:
        # The queries come first, before any beginning mark.
        image = [int(self.module.config.image_token_id)] * self._queries
        return [[*image, *self.tokenizer(text)["input_ids"]] for text in self.texts(asked)]

    def _after(self, asked: Sequence[Asked], rows: Sequence[tuple[int, Tokens]]) -> "torch.Tensor":
        """A language model that goes on writing. The first token of all answers is one pass."""
        import torch

        prompts, queries = self._prompts(asked), self.queries(asked)
        first = self._forward(prompts, queries, left=True)[:, -1].float().log_softmax(dim=-1)
        found = torch.stack([first[index, tokens[0]] for index, tokens in rows]).cpu()
        longer = [place for place, (_, tokens) in enumerate(rows) if len(tokens) > 1]
        for start in range(0, len(longer), len(asked)):
            part = [rows[place] for place in longer[start : start + len(asked)]]
            texts = [[*prompts[index], *tokens[:-1]] for index, tokens in part]
            shown = queries[[index for index, _ in part]]
            logits = self._forward(texts, shown, left=True)
            ends = [line[-len(tokens) :] for line, (_, tokens) in zip(logits, part, strict=True)]
            padded = torch.nn.utils.rnn.pad_sequence(ends, batch_first=True)
            found[longer[start : start + len(asked)]] = of_tokens(padded, [tokens for _, tokens in part])
        return found

    def _decoded(self, asked: Sequence[Asked], rows: Sequence[tuple[int, Tokens]]) -> "torch.Tensor":
        """A language model that reads first and answers then: the question is read once."""
        import torch

        embeds, mask = self._read(self._prompts(asked), self.queries(asked), left=False)
        language = self.module.language_model
        read = language.get_encoder()(inputs_embeds=embeds, attention_mask=mask, return_dict=True)
        at = torch.tensor([index for index, _ in rows], device=self.device)
        start = language.config.decoder_start_token_id
        said = [torch.tensor((start, *tokens[:-1])) for _, tokens in rows]
        logits = language(
            encoder_outputs=(read.last_hidden_state[at],),
            attention_mask=mask[at],
            decoder_input_ids=torch.nn.utils.rnn.pad_sequence(said, batch_first=True).to(self.device),
            use_cache=False,
            return_dict=True,
        ).logits
        return of_tokens(logits, [tokens for _, tokens in rows])

    def _forward(self, texts: Sequence[list[int]], queries: "torch.Tensor", left: bool) -> "torch.Tensor":
        embeds, mask = self._read(texts, queries, left)
        logits: torch.Tensor = self.module.language_model(
            inputs_embeds=embeds, attention_mask=mask, use_cache=False, return_dict=True
        ).logits
        return logits

    def _read(
        self, texts: Sequence[list[int]], queries: "torch.Tensor", left: bool
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Embeddings with the queries in their places, and which tokens count."""
        import torch

        longest = max(len(tokens) for tokens in texts)
        pad = self.tokenizer.pad_token_id or 0
        ids, mask = torch.full((len(texts), longest), pad), torch.zeros(len(texts), longest, dtype=torch.long)
        for row, tokens in enumerate(texts):
            place = slice(longest - len(tokens), longest) if left else slice(0, len(tokens))
            ids[row, place], mask[row, place] = torch.tensor(tokens), 1
        shown = (ids == self.module.config.image_token_id).unsqueeze(-1).to(self.device)
        embeds = self.module.get_input_embeddings()(ids.to(self.device))
        return embeds.masked_scatter(shown, queries.to(embeds.dtype)), mask.to(self.device)


class InstructBlipAnswerer(Blip2Answerer):
    """`InstructBlipForConditionalGeneration`: its bridge reads the question too."""

    def see(self, prepared: Sequence["torch.Tensor"]) -> "list[torch.Tensor]":
        """Shape (patches, width of the vision encoder) for each picture."""
        output = self.module.vision_model(pixel_values=self._pixels(prepared), return_dict=True)
        return list(output.last_hidden_state.cpu().unbind())

    def texts(self, asked: Sequence[Asked]) -> list[str]:
        """What is written to the language model."""
        return [wording(one.question, instructed=True) for one in asked]

    def queries(self, asked: Sequence[Asked]) -> "torch.Tensor":
        """What the bridge takes from a picture for each question."""
        import torch

        texts = self.processor.qformer_tokenizer(
            self.texts(asked), padding=True, padding_side="right", return_tensors="pt"
        )
        seen = torch.stack([one.content for one in asked]).to(self.device)
        module = self.module
        held = module.query_tokens.expand(len(asked), -1, -1)
        counted = torch.ones(held.shape[:-1], dtype=torch.long, device=self.device)
        mask = torch.cat([counted, texts["attention_mask"].to(self.device)], dim=1)
        output = module.qformer(
            input_ids=texts["input_ids"].to(self.device),
            attention_mask=mask,
            query_embeds=held,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=self.device),
            return_dict=True,
        )
        found: torch.Tensor = module.language_projection(output[0][:, : self._queries])
        return found


def load_blip2(loading: "Loading") -> Blip2Answerer:
    """The answerer in a folder.

    Raises:
        ValueError: The files lack a part of it.
    """
    import json

    from transformers import Blip2ForConditionalGeneration, InstructBlipForConditionalGeneration

    kind = json.loads((loading.folder / "config.json").read_text("utf-8"))["model_type"]
    instructed = kind == "instructblip"
    model = loading.model(
        InstructBlipForConditionalGeneration if instructed else Blip2ForConditionalGeneration
    )
    answerer = InstructBlipAnswerer if instructed else Blip2Answerer
    return answerer(model, loading.processor(model))
