"""Samples x metrics -> tasks with their recipes. Reads files' hashes, loads no network."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metrics.base import BackboneSource, Level, Metric, Sample, Tier
from metrics.cache import CacheKey
from metrics.errors import BadImage, MetricsError
from metrics.images import hash_file


@dataclass(frozen=True, eq=False)
class Task:
    """One value to find.

    Attributes:
        metric: What is measured.
        samples: The unit's images; exactly one at image level.
        key: The recipe.
        source: The network it needs; None only when refused.
        refusal: Why it cannot be scored; None if it can.
    """

    metric: Metric
    samples: tuple[Sample, ...]
    key: CacheKey
    source: BackboneSource | None
    refusal: str | None


def identify(sample: Sample) -> Sample:
    """The sample with its image hash; "" when the file cannot be read."""
    if sample.image_hash:
        return sample
    try:
        return replace(sample, image_hash=hash_file(sample.path))
    except BadImage:
        return replace(sample, image_hash="")


def group(samples: Iterable[Sample], level: Level) -> list[tuple[Sample, ...]]:
    """The units of a level: an image, the images of a (model, prompt), those of a model."""
    if level == "image":
        return [(sample,) for sample in samples]
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        name = (sample.model, sample.prompt) if level == "prompt" else (sample.model,)
        groups.setdefault(name, []).append(sample)
    return [tuple(members) for members in groups.values()]


def plan(samples: Sequence[Sample], metrics: Iterable[Metric], tier: Tier, assets: Path) -> list[Task]:
    """Every value to find, metric by metric.

    Args:
        samples: Identified samples.
        metrics: What to measure.
        tier: Which weights.
        assets: Folder of the bundled networks.
    """
    # Equal sources become one object: what it found out (a file's hash) is found out once.
    shared: dict[BackboneSource, BackboneSource] = {}
    tasks: list[Task] = []
    for metric in metrics:
        units = group(samples, metric.card.level)
        if tier not in metric.card.backbones:
            offer = " or ".join(metric.card.backbones)
            reason = f"{metric.card.name} has no {tier} tier; choose the {offer} tier."
            tasks += [Task(metric, unit, _key(metric, unit, tier, None), None, reason) for unit in units]
            continue
        source = metric.source(tier, assets)
        source = shared.setdefault(source, source)
        tasks += [_task(metric, unit, tier, source) for unit in units]
    return tasks


def _task(metric: Metric, unit: tuple[Sample, ...], tier: Tier, source: BackboneSource) -> Task:
    try:
        key = _key(metric, unit, tier, source)
        return Task(metric, unit, key, source, _unreadable(unit) or metric.refusal(unit, source))
    except MetricsError as error:
        # Without weights there is no revision, so nothing can be looked up either.
        key = replace(_key(metric, unit, tier, None), backbone=source.card.id)
        return Task(metric, unit, key, None, str(error))


def _unreadable(unit: Sequence[Sample]) -> str | None:
    """Why an image of the unit has no hash; None when all have one."""
    for sample in unit:
        if not sample.image_hash:
            try:
                hash_file(sample.path)
            except BadImage as error:
                return str(error)
            return f"{sample.path.name} changed while it was read; score it again."
    return None


def _key(metric: Metric, unit: Sequence[Sample], tier: Tier, source: BackboneSource | None) -> CacheKey:
    text = metric.text(unit)
    return CacheKey(
        image_hash=_image_hash([sample.image_hash or "" for sample in unit]),
        text_hash=_sha256(text) if text else "",
        metric=metric.card.id,
        metric_version=metric.card.version,
        tier=tier,
        backbone=source.card.id if source else "",
        revision=source.revision if source else "",
        preprocessing=source.preprocessing if source else "",
    )


def _image_hash(hashes: Sequence[str]) -> str:
    if len(hashes) == 1:
        return hashes[0]
    return _sha256("\n".join(sorted(hashes))) if all(hashes) else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
