"""What a caption states and what a picture shows, as class numbers for supervised heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.settings import IMAGE_SIZE
from training.world import BACKGROUNDS, COLORS, OPPOSITE, PLACES, SHAPES, SIZES, Scene

_COLORS, _BACKGROUNDS = list(COLORS), list(BACKGROUNDS)
_RELATIONS, _PLACES, _SIZES = list(OPPOSITE), list(PLACES), list(SIZES)

# Class 0 means "not said" wherever a caption may leave something out.
CAPTION_CLASSES: dict[str, int] = {
    "first_count": 5,
    "first_color": len(_COLORS),
    "first_shape": len(SHAPES),
    "second_count": 5,
    "second_color": len(_COLORS) + 1,
    "second_shape": len(SHAPES) + 1,
    "relation": len(_RELATIONS) + 1,
    "place": len(_PLACES) + 1,
    "background": len(_BACKGROUNDS) + 1,
    "size": len(_SIZES) + 1,
}


def _said(options: Sequence[str], value: str | None) -> int:
    return options.index(value) + 1 if value else 0


def caption_labels(scene: Scene) -> list[int]:
    """Returns the classes of all a caption states, in the order of `CAPTION_CLASSES`."""
    first = scene.groups[0]
    labels = [first.count, _COLORS.index(first.color), SHAPES.index(first.shape), 0, 0, 0]
    if len(scene.groups) > 1:
        second = scene.groups[1]
        labels[3:] = [second.count, _said(_COLORS, second.color), _said(SHAPES, second.shape)]
    background = scene.background if scene.names_background else None
    return [
        *labels,
        _said(_RELATIONS, scene.relation),
        _said(_PLACES, scene.place),
        _said(_BACKGROUNDS, background),
        _said(_SIZES, scene.size),
    ]


class CaptionHeads(nn.Module):
    """Linear readers of everything a caption states; used in training only."""

    def __init__(self, width: int) -> None:
        """Builds one linear head over all classes.

        Args:
            width: Width of the features that are read.
        """
        super().__init__()
        self.linear = nn.Linear(width, sum(CAPTION_CLASSES.values()))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Returns the logits of each statement."""
        return self.linear(features).split(list(CAPTION_CLASSES.values()), dim=-1)

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean cross entropy.

        Args:
            features: Shape (rows, width).
            labels: Shape (rows, statements).
        """
        losses = [
            functional.cross_entropy(logits, labels[:, number])
            for number, logits in enumerate(self(features))
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """Returns the share of rows of which every statement is read rightly."""
        right = [logits.argmax(-1) == labels[:, number] for number, logits in enumerate(self(features))]
        return torch.stack(right).all(dim=0).float().mean().item()


class PictureHeads(nn.Module):
    """Linear readers of what a picture shows; used in training only."""

    def __init__(self, width: int) -> None:
        """Builds the heads.

        Args:
            width: Width of the features that are read.
        """
        super().__init__()
        self.background = nn.Linear(width, len(_BACKGROUNDS))
        self.pairs = nn.Linear(width, len(_COLORS) * len(SHAPES) * 5)
        self.centres = nn.Linear(width, (len(_COLORS) + len(SHAPES)) * 2)

    def loss(self, features: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """Returns the sum of the losses for background, counts and mean positions."""
        background = torch.tensor([_BACKGROUNDS.index(scene.background) for scene in scenes])
        counts, centres, present = picture_labels(scenes)
        count_logits = self.pairs(features).view(-1, 5)
        count_losses = functional.cross_entropy(count_logits, counts.flatten(), reduction="none")
        # Most pairs are absent: weigh present ones up so that they are not drowned.
        weights = torch.where(counts.flatten() > 0, 10.0, 1.0)
        errors = (self.centres(features).view_as(centres) - centres).abs() * present[..., None]
        return (
            functional.cross_entropy(self.background(features), background)
            + (count_losses * weights).sum() / weights.sum()
            + 2.0 * errors.sum() / present.sum()
        )


def picture_labels(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor, Tensor]:
    """Returns what pictures show.

    Args:
        scenes: The scenes drawn.

    Returns:
        Counts of each (colour, shape) pair; mean centre in [-1, 1] of each colour and of
        each shape; and which of those colours and shapes are present.
    """
    counts = torch.zeros(len(scenes), len(_COLORS), len(SHAPES), dtype=torch.long)
    centres = torch.zeros(len(scenes), len(_COLORS) + len(SHAPES), 2)
    number = torch.zeros(len(scenes), len(_COLORS) + len(SHAPES))
    for row, scene in enumerate(scenes):
        for item in scene.items:
            color, shape = _COLORS.index(item.color), SHAPES.index(item.shape)
            counts[row, color, shape] += 1
            centre = torch.tensor([item.x, item.y]) * (2 / IMAGE_SIZE) - 1
            for column in (color, len(_COLORS) + shape):
                centres[row, column] += centre
                number[row, column] += 1
    return counts, centres / number.clamp(min=1)[..., None], (number > 0).float()
