"""Measures the scoring CLIP on freshly drawn scenes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from scipy.stats import rankdata
from torch import Tensor
from transformers import CLIPTokenizer

from training.clip_pictures import crowd, preprocess, training_pictures
from training.tokenizer import encode, zero_padded
from training.variants import CHANGES, variant
from training.world import Scene, draw_scene, is_held_out

_RETRIEVAL = 64
_CHUNK = 128


class Towers:
    """Embeds scenes and captions with unit length."""

    def __init__(self, model: CLIP, tokenizer: CLIPTokenizer, image_size: int) -> None:
        """Keeps the model.

        Args:
            model: The CLIP.
            tokenizer: Its tokenizer.
            image_size: Side of its images.
        """
        self.model, self._tokenizer, self.image_size = model, tokenizer, image_size

    def captions(self, captions: Sequence[str]) -> Tensor:
        """Returns the unit embeddings of captions."""
        ids = zero_padded(encode(self._tokenizer, captions), self._tokenizer.eos_token_id)
        return self.model.encode_text(ids, normalize=True)

    def pictures(self, pixels: Tensor) -> Tensor:
        """Returns the unit embeddings of prepared pictures."""
        return torch.cat([self.model.encode_image(chunk, normalize=True) for chunk in pixels.split(_CHUNK)])


def measure_clip(folder: Path, count: int = 200, seed: int = 77) -> dict[str, float]:
    """Measures an exported model, loaded the way its users load it.

    Args:
        folder: An open_clip folder.
        count: How many pairs a change are drawn.
        seed: Seed of the scenes.

    Returns:
        What `measure` returns.
    """
    import open_clip

    from training.tokenizer import build_tokenizer

    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True, precision="fp32")
    return measure(Towers(model, build_tokenizer(), model.visual.image_size), pairs=count, seed=seed)


@torch.no_grad()
def measure(towers: Towers, rows: int = 256, pairs: int = 200, seed: int = 77) -> dict[str, float]:
    """Returns retrieval among unseen captions and how often a one-word change is noticed.

    Args:
        towers: The model.
        rows: How many pictures are looked up, among 64 each.
        pairs: How many pairs are drawn of each change.
        seed: Seed of the scenes.

    Returns:
        Shares that are right: of retrieval, and of each change on clean pictures
        ("noticed") and on misdrawn ones ("noticed_misdrawn"); how often four objects score
        higher than the same with a fifth; mean cosines; and the area under the curve with
        which one score parts right from wrong captions of misdrawn pictures.
    """
    rng = random.Random(seed)
    training = towers.model.training
    towers.model.eval()
    report = _retrieval(towers, rng, rows)
    right: list[Tensor] = []
    wrong: list[Tensor] = []
    for change in CHANGES:
        scenes, siblings = _pairs(rng, change, pairs)
        texts = towers.captions([scene.caption for scene in scenes])
        other_texts = towers.captions([scene.caption for scene in siblings])
        clean = towers.pictures(preprocess(scenes, towers.image_size))
        misdrawn = towers.pictures(training_pictures(scenes, towers.image_size, seed))
        report[f"noticed_{change}"] = _share((clean * texts).sum(1) > (clean * other_texts).sum(1))
        right.append((misdrawn * texts).sum(1))
        wrong.append((misdrawn * other_texts).sum(1))
        report[f"noticed_misdrawn_{change}"] = _share(right[-1] > wrong[-1])
    report["noticed_fifth_object"] = _noticed_fifth(towers, rng, pairs)
    truth = torch.arange(2 * pairs * len(CHANGES)) < pairs * len(CHANGES)
    report["misdrawn_auc"] = area_under_curve(torch.cat(right + wrong), truth)
    towers.model.train(training)
    return report


def area_under_curve(scores: Tensor, right: Tensor) -> float:
    """Returns the chance that a right picture scores higher than a wrong one; ties count half.

    Args:
        scores: The scores.
        right: Which of them belong to right pictures.

    Returns:
        1 where the scores part all, 0.5 where they tell nothing; not a number where all are alike.
    """
    truth = right.numpy()
    wins = truth.sum() * (~truth).sum()
    if wins == 0:
        return float("nan")
    ranks = rankdata(scores.numpy())
    return float((ranks[truth].sum() - truth.sum() * (truth.sum() + 1) / 2) / wins)


def _retrieval(towers: Towers, rng: random.Random, rows: int) -> dict[str, float]:
    unseen: dict[str, Scene] = {}
    while len(unseen) < rows:
        scene = draw_scene(rng)
        if scene.names_background and (is_held_out(scene) or scene.kind not in ("relation", "pair")):
            unseen.setdefault(scene.core, scene)
    scenes = list(unseen.values())
    pictures = towers.pictures(preprocess(scenes, towers.image_size))
    cosines = pictures @ towers.captions([scene.caption for scene in scenes]).T
    hits = []
    for start in range(0, rows, _RETRIEVAL):
        block = cosines[start : start + _RETRIEVAL, start : start + _RETRIEVAL]
        hits.append([_share(block.argmax(dim) == torch.arange(len(block))) for dim in (1, 0)])
    image_to_text, text_to_image = np.mean(hits, axis=0).tolist()
    matching = cosines.diag()
    return {
        "image_to_text": image_to_text,
        "text_to_image": text_to_image,
        "matching_cosine": matching.mean().item(),
        "other_cosine": ((cosines.sum() - matching.sum()) / (rows * (rows - 1))).item(),
    }


def _noticed_fifth(towers: Towers, rng: random.Random, pairs: int) -> float:
    fours: list[Scene] = []
    fives: list[Scene] = []
    while len(fours) < pairs:
        scene = draw_scene(rng, ["count", "pair"])
        fuller = crowd(rng, scene)
        if fuller is not None:
            fours.append(scene)
            fives.append(fuller)
    texts = towers.captions([scene.caption for scene in fours])
    scores = [
        (towers.pictures(preprocess(side, towers.image_size)) * texts).sum(1) for side in (fours, fives)
    ]
    return _share(scores[0] > scores[1])


def _pairs(rng: random.Random, change: str, count: int) -> tuple[list[Scene], list[Scene]]:
    scenes: list[Scene] = []
    siblings: list[Scene] = []
    while len(scenes) < count:
        scene = draw_scene(rng)
        sibling = variant(rng, scene, change)
        if sibling is not None:
            scenes.append(scene)
            siblings.append(sibling)
    return scenes, siblings


def _share(right: Tensor) -> float:
    return right.float().mean().item()
