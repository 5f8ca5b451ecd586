"""Heads that teach the scoring CLIP and are thrown away after the training.

Contrastive learning alone says only which caption belongs to which picture; at this size
and in minutes it finds colors and little else. The heads say openly what there is to see:
first on the image tower's own maps, then in the embeddings of both towers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.clip_pictures import Batch
from training.codes import COLOR_CHANNELS, scene_code
from training.labels import CaptionHeads, PictureHeads, caption_labels
from training.settings import LATENT_CHANNELS, ClipSettings


@dataclass(frozen=True)
class Features:
    """What both towers made of a batch of pictures and their captions.

    Attributes:
        middle: The map behind the image tower's second stage, an eighth of the picture's side.
        top: The map behind its last stage.
        pictures: Unit embeddings of the pictures.
        texts: Unit embeddings of the captions.
    """

    middle: Tensor
    top: Tensor
    pictures: Tensor
    texts: Tensor


class Teachers(nn.Module):
    """Linear readers of the maps and embeddings, and a threshold that parts right from wrong."""

    def __init__(self, settings: ClipSettings) -> None:
        """Builds the heads.

        Args:
            settings: Sizes of the towers.
        """
        super().__init__()
        width, self._stretch = settings.vision_width, settings.embed_dim**0.5
        self.code = nn.Conv2d(width * 8, LATENT_CHANNELS - COLOR_CHANNELS, 1)
        self.trunk = PictureHeads(width * 32)
        self.meaning = PictureHeads(settings.embed_dim)
        self.wording = CaptionHeads(settings.embed_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.threshold = nn.Parameter(torch.tensor(0.5))

    def losses(self, features: Features, batch: Batch) -> dict[str, Tensor]:
        """Returns every teacher's loss by name.

        Args:
            features: What the towers made of the batch's pictures and captions.
            batch: The scenes.
        """
        size = len(batch.scenes)
        codes = torch.from_numpy(np.stack([scene_code(scene) for scene in batch.drawn]))
        labels = torch.tensor([caption_labels(scene) for scene in batch.worded])
        wanted = functional.adaptive_avg_pool2d(codes, features.middle.shape[-1])
        pictures, texts = features.pictures * self._stretch, features.texts * self._stretch
        seeing = self.meaning.loss(pictures[:size], batch.scenes)
        # One reader for both towers, so that what a caption promises lies where a picture shows
        # it. It learns from pictures alone: a caption tells only roughly where things are.
        self.meaning.requires_grad_(False)
        reading = self.meaning.loss(texts, batch.worded)
        self.meaning.requires_grad_(True)
        return {
            "code": functional.mse_loss(self.code(features.middle), wanted),
            "trunk": self.trunk.loss(features.top[:size].mean(dim=(2, 3)), batch.scenes),
            "seeing": seeing,
            "reading": reading,
            "wording": self.wording.loss(texts, labels),
            "parting": self.parting(features.pictures @ features.texts[:size].T),
        }

    def parting(self, cosines: Tensor) -> Tensor:
        """Returns how badly one threshold for all captions parts right from wrong pairs.

        Contrast compares captions of one picture. A score must also mean the same for
        different captions, so that the average of a model's scores tells how much is right.

        Args:
            cosines: Of every picture (row) with every caption (column), own ones on the diagonal;
                pictures that no caption fits come last.
        """
        sides = 2 * torch.eye(*cosines.shape) - 1
        logits = self.log_scale.exp() * (cosines - self.threshold)
        return -functional.logsigmoid(sides * logits).sum() / cosines.shape[1]
