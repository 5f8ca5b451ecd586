"""BLIP for question answering: the bundled answerer, and the light one of the Hub.

Li et al. 2022, arXiv:2201.12086. The vision encoder reads a picture once; text encoder and
decoder, which are small, run for every question on what it saw.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metrics.answerers.asking import Asked, LocalAnswerer, of_tokens

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from metrics.answerers.local import Loading


class BlipAnswerer(LocalAnswerer):
    """`BlipForQuestionAnswering`; its answers end with the separator."""

    def prepare(self, image: "Image") -> "torch.Tensor":
        """An RGB image as shape (3, side, side), normalised."""
        pixels: torch.Tensor = self.processor.image_processor(images=image, return_tensors="pt")[
            "pixel_values"
        ]
        return pixels[0]

    def see(self, prepared: Sequence["torch.Tensor"]) -> "list[torch.Tensor]":
        """Shape (patches, width) for each picture."""
        import torch

        pixels = torch.stack(list(prepared)).to(self.device, self.module.dtype)
        return list(self.module.vision_model(pixel_values=pixels).last_hidden_state.cpu().unbind())

    def refusal(self, text: str) -> str | None:
        """Words it was never taught, and more words than it can read."""
        ids = self.tokenizer(text)["input_ids"]
        if self.tokenizer.unk_token_id in ids:
            return f"The answerer was never taught a word of {text!r}; choose another tier or answerer."
        room = self.module.config.text_config.max_position_embeddings
        return f"The question has {len(ids)} tokens, the answerer reads {room}." if len(ids) > room else None

    def log_probabilities(self, asked: Sequence[Asked]) -> "list[torch.Tensor]":
        """Encode questions on what was seen, then score whole answers."""
        import torch

        texts = self.tokenizer([one.question.text for one in asked], padding=True, return_tensors="pt")
        ids, mask = texts["input_ids"].to(self.device), texts["attention_mask"].to(self.device)
        seen = torch.stack([one.content for one in asked]).to(self.device)
        states = self.module.text_encoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=self.device),
        )[0]
        found: list[torch.Tensor] = [torch.empty(0)] * len(asked)
        lengths = mask.sum(dim=1).tolist()
        # The class drops the mask of what the decoder looks at (transformers 5.23), and would
        # read the padding: so questions of one length are decoded together, cut to it.
        for length in dict.fromkeys(lengths):
            places = [place for place, other in enumerate(lengths) if other == length]
            some = [asked[place] for place in places]
            scores = self._decoded(states[places, :length], some)
            for place, own in zip(
                places, torch.split(scores, [len(one.tokens) for one in some]), strict=True
            ):
                found[place] = own
        return found

    def _decoded(self, states: "torch.Tensor", asked: Sequence[Asked]) -> "torch.Tensor":
        """The log-probabilities of all answers to questions that have been read."""
        rows = [tokens for one in asked for tokens in one.tokens]
        of_row = [place for place, one in enumerate(asked) for _ in one.tokens]
        logits = self.module.text_decoder(
            input_ids=self._said_so_far(rows), encoder_hidden_states=states[of_row]
        ).logits
        return of_tokens(logits, rows)

    def _said_so_far(self, rows: Sequence[tuple[int, ...]]) -> "torch.Tensor":
        """The decoder's input: the start, then every token but the last; what follows is not looked at."""
        import torch

        steps = max(len(tokens) for tokens in rows)
        ids = torch.full((len(rows), steps), self.module.decoder_pad_token_id, dtype=torch.long)
        for row, tokens in enumerate(rows):
            said = (self.module.decoder_start_token_id, *tokens[:-1])
            ids[row, : len(said)] = torch.tensor(said)
        return ids.to(self.device)


def load_blip(loading: "Loading") -> BlipAnswerer:
    """The answerer in a folder.

    Raises:
        ValueError: The files lack a part of it.
    """
    from transformers import BlipForQuestionAnswering

    model: Any = loading.model(BlipForQuestionAnswering)
    processor = loading.processor(model)
    return BlipAnswerer(model, processor, end=model.config.text_config.sep_token_id)
