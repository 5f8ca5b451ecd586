"""Samples x metrics -> tasks with their recipes. Reads files' hashes, loads no network."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metrics.answerers.base import AnswererSource
from metrics.answerers.catalog import counted_as
from metrics.base import BackboneSource, Level, Metric, Sample, Tier
from metrics.cache import CacheKey
from metrics.errors import BadImage, MetricsError
from metrics.images import hash_file

LeftOut = tuple[str, str]
"""The name of an image that could not be judged with its group, and why."""

_OF: dict[Level, str] = {"image": "images", "prompt": "seeds a prompt", "model": "images a model"}


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """One value to find.

    Attributes:
        metric: What is measured.
        group: All images of the unit, judged or not.
        samples: The images to judge; exactly one at image level.
        references: Further images the value depends on.
        left_out: Images of the group that cannot be read.
        key: The recipe.
        source: The network it needs; None only when refused.
        refusal: Why it cannot be scored; None if it can.
    """

    metric: Metric
    group: tuple[Sample, ...]
    samples: tuple[Sample, ...]
    references: tuple[Sample, ...]
    left_out: tuple[LeftOut, ...]
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


def in_order(samples: Iterable[Sample]) -> list[Sample]:
    """The samples model by model and prompt by prompt: a group's images come together.

    So a group is judged soon after its first image, and its features are let go of.
    """
    return [s for model in group(samples, "model") for prompt in group(model, "prompt") for s in prompt]


def too_few(metric: Metric, count: int, left_out: Sequence[LeftOut] = ()) -> str | None:
    """Why so many images are not enough for a metric; None if they are."""
    if count >= metric.least:
        return None
    if metric.card.level == "image" and left_out:
        return left_out[0][1]
    because = f" that can be read: {left_out[0][1]}" if left_out else "; draw it with more seeds."
    return f"{metric.card.name} needs {metric.least} {_OF[metric.card.level]}, this one has {count}{because}"


def plan(
    samples: Sequence[Sample],
    metrics: Iterable[Metric],
    tier: Tier,
    assets: Path,
    answerer: AnswererSource | None = None,
) -> list[Task]:
    """Every value to find, metric by metric.

    Args:
        samples: Identified samples.
        metrics: What to measure.
        tier: Which weights.
        assets: Folder of the bundled networks.
        answerer: What answers questions instead of the tier's network; None: that.
    """
    # Equal sources become one object: what it found out (a file's hash) is found out once.
    shared: dict[BackboneSource, BackboneSource] = {}
    drafts: dict[Path, Sample] = {}
    tasks: list[Task] = []
    for metric in metrics:
        groups = group(samples, metric.card.level)
        source, weights = chosen_source(metric, tier, assets, answerer)
        if source is not None:
            source = shared.setdefault(source, source)
        readable = [tuple(sample for sample in members if sample.image_hash) for members in groups]
        for members, chosen in zip(groups, metric.select(readable), strict=True):
            references = tuple(_reference(path, drafts) for path in metric.references(members))
            tasks.append(_task(Draft(metric, members, chosen, references), weights, source))
    return tasks


def chosen_source(
    metric: Metric, tier: Tier, assets: Path, answerer: AnswererSource | None
) -> tuple[BackboneSource | None, str]:
    """Where a metric's network comes from (None: it has none in this tier), and what it counts as.

    It counts as the tier. An answerer that a person chose counts as itself, for its scores are
    another metric than the tier's: they never share a column.

    Args:
        metric: What is measured.
        tier: Which weights.
        assets: Folder of the bundled networks.
        answerer: What answers questions instead of the tier's network; None: that.
    """
    source = metric.source(tier, assets) if tier in metric.card.backbones else None
    if answerer is None or not isinstance(source, AnswererSource) or source == answerer:
        return source, tier
    return answerer, counted_as(answerer.card.id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A unit of a metric, before it is known whether it can be scored."""

    metric: Metric
    group: tuple[Sample, ...]
    samples: tuple[Sample, ...]
    references: tuple[Sample, ...]


def _reference(path: Path, known: dict[Path, Sample]) -> Sample:
    if path not in known:
        known[path] = identify(Sample(path.name, path))
    return known[path]


def _task(draft: Draft, tier: str, source: BackboneSource | None) -> Task:
    metric = draft.metric
    left_out = tuple(
        (sample.path.name, _unreadable(sample)) for sample in draft.group if not sample.image_hash
    )
    parts = (metric, draft.group, draft.samples, draft.references, left_out)
    if source is None:
        offer = " or ".join(metric.card.backbones)
        reason = f"{metric.card.name} has no {tier} tier; choose the {offer} tier."
        return Task(*parts, _key(draft, tier, None), None, reason)
    try:
        key = _key(draft, tier, source)
        lost = next((_unreadable(sample) for sample in draft.references if not sample.image_hash), None)
        refusal = metric.refusal(draft.samples, source) if draft.samples else None
        refusal = refusal or too_few(metric, len(draft.samples), left_out) or lost
        return Task(*parts, key, source, refusal)
    except MetricsError as error:
        # Without weights there is no revision, so nothing can be looked up either.
        key = replace(_key(draft, tier, None), backbone=source.card.id)
        return Task(*parts, key, None, str(error))


def _unreadable(sample: Sample) -> str:
    """Why an image has no hash."""
    try:
        hash_file(sample.path)
    except BadImage as error:
        return str(error)
    return f"{sample.path.name} changed while it was read; score it again."


def _key(draft: Draft, tier: str, source: BackboneSource | None) -> CacheKey:
    metric = draft.metric
    read = "\n".join([metric.text(draft.group), *(sample.image_hash or "" for sample in draft.references)])
    return CacheKey(
        image_hash=_image_hash([sample.image_hash or "" for sample in draft.samples]),
        text_hash=_sha256(read) if read else "",
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
    return _sha256("\n".join(sorted(hashes))) if hashes and all(hashes) else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
