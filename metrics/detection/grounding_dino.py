"""Grounding DINO: finds any noun that is given as text; text and picture are read together.

Reference: Liu et al. 2023, Grounding DINO, arXiv:2303.05499.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.detection.boxes import Box, Limits, Picture, Sight, inside, strongest
from metrics.detection.closed import load_parts
from metrics.detection.colours import PALETTE, Colours
from metrics.detection.opening import coloured

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PICTURES_AT_ONCE = 4


@dataclass(slots=True)
class _Look:
    """A picture that waits for its nouns, and what was found on it for some."""

    picture: Picture
    found: dict[tuple[str, ...], Sight] = field(default_factory=dict)


class GroundingDetector:
    """A loaded Grounding DINO: each picture passes once for each list of nouns."""

    palette = PALETTE

    def __init__(self, parts: tuple[Any, Any, Any], limits: Limits, colours: Colours) -> None:
        """Wrap a network on its device, its image processor and its tokenizer."""
        import torch

        self._model, self._processor, self._tokenizer = parts
        self.module = torch.nn.ModuleList([self._model, colours.clip.module])
        self.view = f"boxes of Grounding DINO {id(self._model)}"
        self.limits = limits
        self._colours = colours

    def unknown(self, nouns: Sequence[str]) -> list[str]:
        """None: it looks for any noun."""
        return []

    def prepare(self, image: "Image") -> Picture:
        """An RGB image as the network's input, with the original beside it."""
        return Picture.of(image, self._processor(images=image, return_tensors="pt")["pixel_values"][0])

    def encode(self, prepared: Sequence[Picture]) -> list[_Look]:
        """The pictures as they are: this network needs the nouns to begin."""
        return [_Look(picture) for picture in prepared]

    def sights(self, features: Sequence[_Look], nouns: Sequence[Sequence[str]]) -> list[Sight]:
        """What of its nouns is on each picture."""
        asked = [tuple(names) for names in nouns]
        groups: dict[tuple[Any, ...], list[_Look]] = {}
        for look, names in zip(features, asked, strict=True):
            if names not in look.found:
                groups.setdefault((names, *look.picture.pixels.shape), []).append(look)
        # Equal nouns and shapes go together: nothing is padded, so no result depends on its neighbours.
        for (names, *_), looks in groups.items():
            for start in range(0, len(looks), PICTURES_AT_ONCE):
                some = looks[start : start + PICTURES_AT_ONCE]
                for look, sight in zip(some, self._find(some, names), strict=True):
                    look.found[names] = sight
        return [look.found[names] for look, names in zip(features, asked, strict=True)]

    def _find(self, looks: Sequence[_Look], nouns: tuple[str, ...]) -> list[Sight]:
        import torch
        from transformers.image_transforms import center_to_corners_format

        model = self._model
        ids, spans = self._text(nouns)
        with torch.inference_mode():
            pixels = torch.stack([look.picture.pixels for look in looks]).to(model.device)
            text = torch.tensor([ids] * len(looks), device=model.device)
            outputs = model(
                pixel_values=pixels,
                input_ids=text,
                attention_mask=torch.ones_like(text),
                token_type_ids=torch.zeros_like(text),
            )
            tokens = outputs.logits.sigmoid().cpu()
            # A noun's score is the mean over its tokens, as in the authors' evaluation on COCO.
            scores = torch.stack([tokens[..., span].mean(dim=-1) for span in spans], dim=-1)
            shares = center_to_corners_format(outputs.pred_boxes).cpu()
        return [self._sight(*row, nouns) for row in zip(looks, scores, shares, strict=True)]

    def _sight(
        self, look: _Look, scores: "torch.Tensor", shares: "torch.Tensor", nouns: Sequence[str]
    ) -> Sight:
        import torch

        size = look.picture.size
        best, labels = scores.max(dim=-1)
        boxes = []
        for place in torch.nonzero(best > self.limits.least).flatten().tolist():
            corners = inside([float(s) * size[axis % 2] for axis, s in enumerate(shares[place])], size)
            if corners:
                boxes.append(Box(nouns[int(labels[place])], float(best[place]), corners))
        return coloured(look.picture, strongest(boxes), self._colours)

    def _text(self, nouns: Sequence[str]) -> tuple[list[int], list[slice]]:
        """Tokens of "noun. noun." with the marks of the text's ends, and where each noun stands."""
        tokenizer = self._tokenizer
        ids, spans = [tokenizer.cls_token_id], []
        for noun in nouns:
            words = tokenizer(noun.replace(".", " "), add_special_tokens=False)["input_ids"]
            spans.append(slice(len(ids), len(ids) + len(words)))
            ids += [*words, tokenizer.convert_tokens_to_ids(".")]
        return [*ids, tokenizer.sep_token_id], spans


def load_grounding_dino(folder: Path, limits: Limits, colours: Colours, device: str) -> GroundingDetector:
    """Load Grounding DINO from a folder as `save_pretrained` writes it.

    Raises:
        ValueError: Weights are missing, or the tokenizer is another one's.
    """
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection

    model, processor = load_parts(GroundingDinoForObjectDetection, folder, device)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if len(tokenizer) < model.config.text_config.vocab_size // 2:
        raise ValueError(f"its tokenizer has only {len(tokenizer)} tokens")
    return GroundingDetector((model, processor, tokenizer), limits, colours)
