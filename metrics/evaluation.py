"""Passes images through networks and lets metrics judge the features.

Images come in the order of their groups. Each is decoded once for all networks that are in
memory together and resized once a view, each network sees it once, and a feature lives only
until the last unit that needs it is judged, so memory follows the batch and the group, not
the folder.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.backbones import chain, interruptible, is_out_of_memory, release_memory, trim_memory
from metrics.base import BackboneSource, Network, Sample, Score, Unit
from metrics.cache import FeatureCache
from metrics.errors import Interrupted
from metrics.images import read_ahead
from metrics.plan import LeftOut, Task, too_few
from metrics.visits import Failure, Reader, Visit, failure

logger = logging.getLogger(__name__)

Outcome = tuple[Task, Score]
Place = tuple[BackboneSource, str]
"""Where a feature is kept: its network and the hash of its image."""

# Decoding and resizing an image, as the size of a network that takes as long.
_DECODING = 2_000_000


@dataclass(frozen=True)
class Setup:
    """How to pass over the images.

    Attributes:
        batch_size: Most images in one forward pass.
        workers: Threads that decode images.
        stop: Asked between layers and batches; True ends the pass.
        features: Where features are kept between analyses; None: nowhere.
        order: The place of each image hash among all.
    """

    batch_size: int
    workers: int
    stop: Callable[[], bool]
    features: FeatureCache | None
    order: Mapping[str, int]


class Evaluation:
    """One pass over the images of some tasks. Used once."""

    def __init__(
        self, tasks: Sequence[Task], networks: Mapping[BackboneSource, Network], setup: Setup
    ) -> None:
        """Sort the work.

        Args:
            tasks: Tasks of distinct recipes, each with a source among the networks.
            networks: The loaded networks, each after its base.
            setup: How to pass.
        """
        self._networks = networks
        self._setup = setup
        self._reader = Reader(networks, setup.features)
        # Halved for one network when its memory runs out, and kept so.
        self._limits = dict.fromkeys(networks, setup.batch_size)
        self._features: dict[Place, Any] = {}
        self._readers: dict[Place, list[Task]] = {}
        self._missing: dict[Task, int] = {}
        self._blanks: dict[str, str] = {}
        self._images: dict[str, tuple[int, Path]] = {}
        for task in tasks:
            places = _all_places(task)
            self._missing[task] = len(places)
            for place in places:
                self._readers.setdefault(place, []).append(task)
            # A reference comes with the first image that is compared with it.
            at = min(setup.order.get(sample.image_hash or "", 0) for sample in task.samples)
            for sample in (*task.samples, *task.references):
                image = sample.image_hash or ""
                self._images.setdefault(image, (setup.order.get(image, at), sample.path))
        self.done = 0
        """Work done so far, in the unit of `work`."""

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The scores, batch by batch; ends early when told to stop."""
        setup = self._setup
        reader = read_ahead(self._visits(), self._reader.read, setup.workers, 2 * setup.batch_size)
        with closing(reader):
            batch: list[Visit] = []
            for visit in reader:
                if setup.stop():
                    return
                batch.append(visit)
                if len(batch) == setup.batch_size:
                    yield self._batch(batch)
                    batch = []
                    trim_memory()
            if batch and not setup.stop():
                yield self._batch(batch)

    def _visits(self) -> Iterator[Visit]:
        """The images in order, with what is known of them from earlier analyses."""
        images = sorted(self._images, key=lambda image: self._images[image][0])
        for start in range(0, len(images), self._setup.batch_size):
            visits = [self._visit(image) for image in images[start : start + self._setup.batch_size]]
            self._reader.recall(visits)
            yield from visits

    def _visit(self, image: str) -> Visit:
        read = [source for source in self._networks if (source, image) in self._readers]
        needed = dict.fromkeys(link for source in read for link in chain(source))
        return Visit(image, self._images[image][1], tuple(needed))

    def _batch(self, batch: Sequence[Visit]) -> list[Outcome]:
        for source in self._networks:
            inputs: list[tuple[Visit, Any]] = []
            for visit in batch:
                if source not in visit.sources or source in visit.found:
                    continue
                ready = visit.input_of(source)
                if isinstance(ready, Failure):
                    visit.found[source] = ready
                elif ready is not None:
                    inputs.append((visit, ready))
            features = self._encode(source, [ready for _, ready in inputs])
            # Shorter when stopped halfway: those images simply have no feature.
            for (visit, _), feature in zip(inputs, features, strict=False):
                visit.found[source] = feature
        self._reader.keep(batch)
        return self._judge_complete(batch)

    def _encode(self, source: BackboneSource, inputs: Sequence[Any]) -> list[Any]:
        """Features or failures for the inputs; fewer of them when told to stop."""
        features: list[Any] = []
        network, stop = self._networks[source], self._setup.stop
        while len(features) < len(inputs) and not stop():
            part = inputs[len(features) : len(features) + self._limits[source]]
            try:
                with interruptible(network, stop):
                    found = list(network.encode(part))
            except Interrupted:
                break
            except Exception as error:
                # A network that fails on some images must not end the others.
                if is_out_of_memory(error) and len(part) > 1:
                    self._limits[source] = len(part) // 2
                    logger.warning("%s: out of memory, now %d at once", source.card.id, len(part) // 2)
                    found = []
                else:
                    found = [failure(source.card.id, error)] * len(part)
            if not found:
                release_memory()  # out here: the error no longer holds the batch
            features += found
        return features

    def _judge_complete(self, batch: Sequence[Visit]) -> list[Outcome]:
        """Judge the units that these images complete, and forget what nobody needs any more."""
        complete: list[Task] = []
        for visit in batch:
            if visit.blank:
                self._blanks[visit.image] = visit.blank
            for source, feature in visit.found.items():
                place = source, visit.image
                if place not in self._readers:
                    continue  # a base that only other networks read
                self._features[place] = feature
                self.done += _cost(source)
                for task in self._readers[place]:
                    self._missing[task] -= 1
                    if not self._missing[task]:
                        complete.append(task)
        outcomes: list[Outcome] = []
        for metric in dict.fromkeys(task.metric for task in complete):
            outcomes += self._judge([task for task in complete if task.metric is metric])
        for task in complete:
            for place in _all_places(task):
                self._readers[place].remove(task)
                if not self._readers[place]:
                    del self._features[place]
        return outcomes

    def _judge(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Judge tasks of one metric (so of one network)."""
        outcomes: list[Outcome] = []
        sound: list[tuple[Task, Unit, list[LeftOut]]] = []
        for task in tasks:
            unit, left_out, reason = self._unit(task)
            if reason:
                outcomes.append((task, Score.unscored(reason)))
            else:
                sound.append((task, unit, left_out))
        if not sound:
            return outcomes
        metric, source = sound[0][0].metric, sound[0][0].source
        try:
            network = self._networks[source] if source is not None else None
            with interruptible(network, self._setup.stop):
                scores = metric.judge([unit for _, unit, _ in sound], network)
        except Interrupted:
            return outcomes  # these stay open, as those of a batch that was stopped
        except Exception as error:
            scores = [Score.unscored(failure(metric.card.name, error).reason)] * len(sound)
        for (task, unit, left_out), score in zip(sound, scores, strict=True):
            outcomes.append((task, self._with_notes(score, task, unit.samples, left_out)))
        return outcomes

    def _unit(self, task: Task) -> tuple[Unit, list[LeftOut], str | None]:
        """What to judge, the images left out of it, and why it cannot be judged at all."""
        left_out = list(task.left_out)
        sound: list[tuple[Sample, Any]] = []
        for sample, place in zip(task.samples, _places(task, task.samples), strict=True):
            feature = self._features[place]
            if not isinstance(feature, Failure):
                sound.append((sample, feature))
            elif feature.of_image:
                left_out.append((sample.path.name, feature.reason))
            else:
                return Unit((), ()), left_out, feature.reason
        references = [self._features[place] for place in _places(task, task.references)]
        lost = next((found.reason for found in references if isinstance(found, Failure)), None)
        if task.metric.spares_references:
            references = [None if isinstance(found, Failure) else found for found in references]
            lost = None
        unit = Unit(tuple(s for s, _ in sound), tuple(f for _, f in sound), tuple(references))
        return unit, left_out, too_few(task.metric, len(sound), left_out) or lost

    def _with_notes(
        self, score: Score, task: Task, judged: Sequence[Sample], left_out: Sequence[LeftOut]
    ) -> Score:
        """The score with what else a person should know of its images."""
        # By hash, because the score is also that of the same images under other names.
        hashes = [sample.image_hash or "" for sample in judged]
        blanks = {image: self._blanks[image] for image in hashes if image in self._blanks}
        notes: dict[str, Any]
        if task.metric.card.level == "image":
            notes = {"blank": next(iter(blanks.values()))} if blanks else {}
        else:
            notes = {"images": len(judged)}
            notes |= {"blank_images": blanks} if blanks else {}
            notes |= {"left_out": dict(left_out)} if left_out else {}
        return Score(score.value, score.reason, {**score.detail, **notes}) if notes else score


def work(tasks: Sequence[Task]) -> int:
    """How much there is to do for tasks, about in proportion to the time it takes."""
    return sum(_cost(source) for source, _ in {place for task in tasks for place in _all_places(task)})


def _places(task: Task, samples: Sequence[Sample]) -> list[Place]:
    """Where the features of a task's images are kept."""
    return [(task.source, sample.image_hash or "") for sample in samples if task.source]


def _all_places(task: Task) -> list[Place]:
    """The distinct ones of its images and references."""
    return list(dict.fromkeys(_places(task, (*task.samples, *task.references))))


def _cost(source: BackboneSource) -> int:
    return sum(link.card.parameters for link in chain(source)) + _DECODING
