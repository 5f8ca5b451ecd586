"""OWLv2: finds any noun that is given as text. The picture is read once, whatever is asked later.

Reference: Minderer et al. 2023, Scaling Open-Vocabulary Object Detection, arXiv:2306.09683.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.detection.boxes import Box, Limits, Picture, Sight, inside, strongest
from metrics.detection.closed import load_parts, same_shape
from metrics.detection.colours import PALETTE, Colours
from metrics.detection.opening import coloured

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_TEMPLATE = "a photo of a {}"


@dataclass(slots=True)
class _Look:
    """A picture as OWLv2 sees it, on the CPU, and what was found on it.

    Attributes:
        picture: The picture.
        corners: Shape (patches, 4), in pixels of the original image.
        vectors: Shape (patches, features), unit length.
        shift: Shape (patches, 1); added to a cosine.
        scale: Shape (patches, 1); what that is multiplied by.
        found: The sight of each list of nouns that was asked for.
    """

    picture: Picture
    corners: "torch.Tensor"
    vectors: "torch.Tensor"
    shift: "torch.Tensor"
    scale: "torch.Tensor"
    found: dict[tuple[str, ...], Sight] = field(default_factory=dict)


class OwlDetector:
    """A loaded OWLv2."""

    palette = PALETTE

    def __init__(self, parts: tuple[Any, Any, Any], limits: Limits, colours: Colours) -> None:
        """Wrap a network on its device, its image processor and its tokenizer."""
        import torch

        self._model, self._processor, self._tokenizer = parts
        self.module = torch.nn.ModuleList([self._model, colours.clip.module])
        self.view = f"boxes of OWLv2 {id(self._model)}"
        self.limits = limits
        self._colours = colours
        self._texts: dict[str, torch.Tensor] = {}

    def unknown(self, nouns: Sequence[str]) -> list[str]:
        """None: it looks for any noun."""
        return []

    def prepare(self, image: "Image") -> Picture:
        """An RGB image as the network's input, with the original beside it."""
        return Picture.of(image, self._processor(images=image, return_tensors="pt")["pixel_values"][0])

    def encode(self, prepared: Sequence[Picture]) -> list[_Look]:
        """What the network sees on each picture, before any noun is known."""
        looks: dict[int, _Look] = {}
        for places in same_shape(prepared):
            some = [prepared[place] for place in places]
            looks |= dict(zip(places, self._looks(some), strict=True))
        return [looks[place] for place in range(len(prepared))]

    def sights(self, features: Sequence[_Look], nouns: Sequence[Sequence[str]]) -> list[Sight]:
        """What of its nouns is on each picture."""
        return [self._sight(look, tuple(asked)) for look, asked in zip(features, nouns, strict=True)]

    def _looks(self, pictures: Sequence[Picture]) -> list[_Look]:
        import torch
        from transformers.image_transforms import center_to_corners_format

        model = self._model
        with torch.inference_mode():
            pixels = torch.stack([picture.pixels for picture in pictures]).to(model.device)
            grid, _ = model.image_embedder(pixel_values=pixels)
            patches = grid.flatten(1, 2)
            shares = center_to_corners_format(model.box_predictor(patches, grid))
            # The picture was padded to a square, to the right and below.
            sides = torch.tensor([[[float(max(picture.size))]] for picture in pictures])
            corners = shares.cpu() * sides
            head = model.class_head
            vectors = _unit(head.dense0(patches))
            shift, scale = head.logit_shift(patches), head.elu(head.logit_scale(patches)) + 1
        parts = (corners, vectors.cpu(), shift.cpu(), scale.cpu())
        return [_Look(*row) for row in zip(pictures, *parts, strict=True)]

    def _sight(self, look: _Look, nouns: tuple[str, ...]) -> Sight:
        import torch

        if nouns not in look.found:
            queries = torch.stack([self._text(noun) for noun in nouns])
            logits = (look.vectors @ queries.T + look.shift) * look.scale
            scores, labels = logits.sigmoid().max(dim=1)
            size, boxes = look.picture.size, []
            for place in torch.nonzero(scores > self.limits.least).flatten().tolist():
                corners = inside(look.corners[place].tolist(), size)
                if corners:
                    boxes.append(Box(nouns[int(labels[place])], float(scores[place]), corners))
            look.found[nouns] = coloured(look.picture, strongest(boxes), self._colours)
        return look.found[nouns]

    def _text(self, noun: str) -> "torch.Tensor":
        """A noun as a unit vector on the CPU; each is read once."""
        import torch

        if noun not in self._texts:
            length = self._model.config.text_config.max_position_embeddings
            tokens = self._tokenizer(
                [_TEMPLATE.format(noun)],
                padding="max_length",
                max_length=length,
                truncation=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                found = self._model.owlv2.get_text_features(
                    input_ids=tokens["input_ids"].to(self._model.device),
                    attention_mask=tokens["attention_mask"].to(self._model.device),
                )
            # The network sees texts of unit length, and divides by their length once more.
            self._texts[noun] = _unit(found.pooler_output)[0].cpu()
        return self._texts[noun]


def _unit(vectors: "torch.Tensor") -> "torch.Tensor":
    found: torch.Tensor = vectors / (vectors.norm(dim=-1, keepdim=True) + 1e-6)
    return found


def load_owlv2(folder: Path, limits: Limits, colours: Colours, device: str) -> OwlDetector:
    """Load OWLv2 from a folder as `save_pretrained` writes it.

    Raises:
        ValueError: Weights are missing, or the tokenizer is another one's.
    """
    from transformers import AutoTokenizer, Owlv2ForObjectDetection

    model, processor = load_parts(Owlv2ForObjectDetection, folder, device)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # transformers makes up an empty one in silence.
    if len(tokenizer) < model.config.text_config.vocab_size // 2:
        raise ValueError(f"its tokenizer has only {len(tokenizer)} tokens")
    return OwlDetector((model, processor, tokenizer), limits, colours)
