"""Passes images through networks and lets metrics judge the features.

Each image is decoded once, each network sees it once, and a feature lives only until the
last unit that needs it is judged, so memory follows the batch and not the folder.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image

from metrics.backbones import describe, is_out_of_memory, release_memory
from metrics.base import BackboneSource, Network, Score, Unit
from metrics.errors import BadImage
from metrics.images import read_ahead
from metrics.plan import Task

logger = logging.getLogger(__name__)

Outcome = tuple[Task, Score]


@dataclass(frozen=True)
class Failure:
    """Stands where a feature should be: why there is none."""

    reason: str


class Evaluation:
    """One pass over the images of some tasks. Used once."""

    def __init__(
        self,
        tasks: Sequence[Task],
        networks: Mapping[BackboneSource, Network],
        batch_size: int,
        workers: int,
        stop: Callable[[], bool],
    ) -> None:
        """Sort the work.

        Args:
            tasks: Tasks of distinct recipes, each with a source among the networks.
            networks: The loaded networks.
            batch_size: Most images in one forward pass.
            workers: Threads that decode images.
            stop: Asked between forward passes; True ends the pass.
        """
        self._networks = networks
        self._workers = workers
        self._batch_size = batch_size
        self._stop = stop
        # Halved for one network when its memory runs out, and kept so.
        self._limits = dict.fromkeys(networks, batch_size)
        self._features: dict[tuple[BackboneSource, str], Any] = {}
        self._waiting: dict[str, list[Task]] = {}
        self._uses: Counter[tuple[BackboneSource, str]] = Counter()
        self._paths: dict[str, Path] = {}
        for task in tasks:
            for place, image in _places(task):
                self._uses[place, image] += 1
                self._waiting.setdefault(image, []).append(task)
            for sample in task.samples:
                self._paths.setdefault(sample.image_hash or "", sample.path)

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The scores, batch by batch; ends early when told to stop."""
        for sources, images in self._passes().items():
            networks = [self._networks[source] for source in sources]

            def prepare(image: Image, networks: Sequence[Network] = networks) -> list[Any]:
                return [_guarded(network, image) for network in networks]

            reader = read_ahead(
                [self._paths[image] for image in images], prepare, self._workers, 2 * self._batch_size
            )
            with closing(reader):
                batch: list[tuple[str, Any]] = []
                for image, prepared in zip(images, reader, strict=True):
                    if self._stop():
                        return
                    batch.append((image, prepared))
                    if len(batch) == self._batch_size:
                        yield self._batch(sources, batch)
                        batch = []
                if batch and not self._stop():
                    yield self._batch(sources, batch)

    def _passes(self) -> dict[tuple[BackboneSource, ...], list[str]]:
        """The images by the set of networks that must see them."""
        passes: dict[tuple[BackboneSource, ...], list[str]] = {}
        for image in self._waiting:
            sources = tuple(source for source in self._networks if (source, image) in self._uses)
            passes.setdefault(sources, []).append(image)
        return passes

    def _batch(self, sources: Sequence[BackboneSource], batch: Sequence[tuple[str, Any]]) -> list[Outcome]:
        for place, source in enumerate(sources):
            inputs: dict[str, Any] = {}
            for image, prepared in batch:
                ready = Failure(str(prepared)) if isinstance(prepared, BadImage) else prepared[place]
                if isinstance(ready, Failure):
                    self._features[source, image] = ready
                else:
                    inputs[image] = ready
            features = self._encode(source, list(inputs.values()))
            # Shorter when stopped halfway: those images simply have no feature.
            self._features.update({(source, image): f for image, f in zip(inputs, features, strict=False)})
        return self._judge_complete([image for image, _ in batch])

    def _encode(self, source: BackboneSource, inputs: Sequence[Any]) -> list[Any]:
        """Features or failures for the inputs; fewer of them when told to stop."""
        features: list[Any] = []
        while len(features) < len(inputs) and not self._stop():
            part = inputs[len(features) : len(features) + self._limits[source]]
            try:
                found = list(self._networks[source].encode(part))
            except Exception as error:
                # A network that fails on some images must not end the others.
                if is_out_of_memory(error) and len(part) > 1:
                    self._limits[source] = len(part) // 2
                    logger.warning("%s: out of memory, now %d at once", source.card.id, len(part) // 2)
                    found = []
                else:
                    found = [_failure(source.card.id, error)] * len(part)
            if not found:
                release_memory()  # out here: the error no longer holds the batch
            features += found
        return features

    def _judge_complete(self, images: Sequence[str]) -> list[Outcome]:
        """Judge the units that these images complete, and forget what nobody needs any more."""
        touched = dict.fromkeys(task for image in images for task in self._waiting[image])
        complete = [task for task in touched if all(place in self._features for place in _places(task))]
        outcomes: list[Outcome] = []
        for metric in dict.fromkeys(task.metric for task in complete):
            outcomes += self._judge([task for task in complete if task.metric is metric])
        for task in complete:
            for place in _places(task):
                self._uses[place] -= 1
                if not self._uses[place]:
                    del self._features[place]
        return outcomes

    def _judge(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Judge tasks of one metric (so of one network)."""
        outcomes: list[Outcome] = []
        sound: list[tuple[Task, Unit]] = []
        for task in tasks:
            features = tuple(self._features[place] for place in _places(task))
            failed = next((f for f in features if isinstance(f, Failure)), None)
            if failed:
                outcomes.append((task, Score.unscored(failed.reason)))
            else:
                sound.append((task, Unit(task.samples, features)))
        if not sound:
            return outcomes
        first = sound[0][0]
        try:
            source = first.source
            scores = first.metric.judge([unit for _, unit in sound], source and self._networks[source])
        except Exception as error:
            scores = [Score.unscored(_failure(first.metric.card.name, error).reason)] * len(sound)
        return outcomes + [(task, score) for (task, _), score in zip(sound, scores, strict=True)]


def _places(task: Task) -> list[tuple[BackboneSource, str]]:
    """Where the features of a task's images are kept."""
    return [(task.source, sample.image_hash or "") for sample in task.samples if task.source]


def _guarded(network: Network, image: Image) -> Any:
    try:
        return network.prepare(image)
    except Exception as error:
        return _failure("Preparing the image", error)


def _failure(what: str, error: Exception) -> Failure:
    if is_out_of_memory(error):
        return Failure(f"{what} ran out of memory on one image; choose the device 'cpu' or a smaller tier.")
    logger.error("%s failed", what, exc_info=error)
    return Failure(f"{what} failed ({describe(error)}); the log has the whole error.")
