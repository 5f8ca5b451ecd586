"""Metrics x samples -> scores, as a generator of events.

What is known comes from the cache, the rest is computed with every network loaded once.

    for event in score(samples, ["clip_score"], ScoreOptions(tier="standard")):
        if isinstance(event, Scored):
            print(event.sample.key, event.score.value, event.score.reason)
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from metrics.answerers.base import AnswererSource
from metrics.backbones import Backbones, chain, waves
from metrics.base import BackboneSource, Metric, Network, Sample, Score, Tier
from metrics.cache import CacheKey, FeatureCache, ScoreCache
from metrics.errors import Interrupted, MetricsError
from metrics.evaluation import Evaluation, Setup, work
from metrics.events import BackboneLoading, MetricEvent, Progress, Scored, Stopped
from metrics.images import PICTURE_SUFFIXES
from metrics.plan import Task, group, identify, in_order, plan
from metrics.registry import Registry
from metrics.supply import supply


def default_assets() -> Path:
    """The folder of the bundled networks: `assets` beside this package."""
    return Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class ScoreOptions:
    """How to score.

    Attributes:
        tier: Which weights.
        cache: Where scores are looked up and kept; None: nothing is kept.
        features: Where features are, so that a group that grows costs its new images only;
            None: nowhere.
        download: Whether weights that are not on this computer may be fetched. Without it
            their metrics are unscored; ask with `needed_downloads` first.
        endpoint: Another address of the Hugging Face Hub.
        device: "cpu", "cuda", "mps" or "auto".
        batch_size: Most images in one forward pass; halved when memory runs out.
        cancel: Asked between layers and batches; True stops the analysis.
        workers: Threads that decode images.
        assets: Folder of the bundled networks.
        registry: The metrics to choose from; None: those of this library.
        answerer: What answers questions about pictures; None: the tier's network.
        reference: What whole folders of pictures are compared with: a folder of good ones, or a
            stored reference set; None: the references of the samples.
    """

    tier: Tier = "bundled"
    cache: ScoreCache | None = None
    features: FeatureCache | None = None
    download: bool = False
    endpoint: str | None = None
    device: str = "auto"
    batch_size: int = 32
    cancel: Callable[[], bool] | None = None
    workers: int = 2
    assets: Path = field(default_factory=default_assets)
    registry: Registry | None = None
    answerer: AnswererSource | None = None
    reference: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: An unknown tier, or a batch size or number of workers under 1.
        """
        if self.tier not in get_args(Tier):
            raise ValueError(f"There is no tier {self.tier!r}; choose one of: {', '.join(get_args(Tier))}.")
        if self.batch_size < 1 or self.workers < 1:
            raise ValueError("batch_size and workers must be at least 1.")


def score(
    samples: Iterable[Sample], metrics: Sequence[str], options: ScoreOptions | None = None
) -> Iterator[MetricEvent]:
    """Score samples with metrics.

    Every (unit, metric) gives exactly one `Scored`, unless the analysis is cancelled: then
    the last event is `Stopped`. Values are in the cache before their event is seen. Cached
    and refused scores come first; the order is not that of the samples.

    Args:
        samples: The images; their `image_hash` is filled in where it is None.
        metrics: Metric ids; repeated ones count once.
        options: How to score; None: the bundled tier, without a cache.

    Raises:
        UnknownMetric: At once, before anything is read.
    """
    options = options or ScoreOptions()
    registry = options.registry or Registry.standard()
    chosen = [registry.create(name) for name in dict.fromkeys(metrics)]
    for metric in chosen:
        metric.reference = options.reference
    return _Analysis(list(samples), chosen, options).events()


def score_folder(
    folder: Path, prompts: Mapping[str, str], metrics: Sequence[str], options: ScoreOptions | None = None
) -> Iterator[MetricEvent]:
    """Score the images of a folder; `prompts` maps file names to prompts."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    return score([Sample(file.name, file, prompts.get(file.name, "")) for file in files], metrics, options)


class _Analysis:
    """One call of `score`."""

    def __init__(self, samples: list[Sample], metrics: list[Metric], options: ScoreOptions) -> None:
        self._samples = samples
        self._metrics = metrics
        self._options = options
        self._order: dict[str, int] = {}
        self._done = 0
        self._total = sum(len(group(samples, metric.card.level)) for metric in metrics)

    def events(self) -> Iterator[MetricEvent]:
        yield Progress(0, self._total, None, f"Reading {len(self._samples)} files")
        samples: list[Sample] = []
        for sample in in_order(self._samples):
            if self._stop():
                yield Stopped(0, self._total)
                return
            samples.append(identify(sample))
            self._order.setdefault(samples[-1].image_hash or "", len(self._order))
        options = self._options
        tasks = plan(samples, self._metrics, options.tier, options.assets, options.answerer)
        open_tasks = yield from self._settle(tasks)
        if open_tasks and not self._stop():
            yield from self._compute(open_tasks)
        if self._done < self._total:
            yield Stopped(self._done, self._total)
        else:
            yield Progress(self._done, self._total, 0.0, f"Scored {self._done} of {self._total}")

    def _settle(self, tasks: Sequence[Task]) -> Generator[MetricEvent, None, list[Task]]:
        """Give what needs no network: refusals and known values. Returns the other tasks."""
        possible: list[Task] = []
        for task in tasks:
            if task.refusal:
                yield self._scored(task, Score.unscored(task.refusal))
            else:
                possible.append(task)
        keys = list(dict.fromkeys(task.key for task in possible))
        cache = self._options.cache
        known = cache.get_many(keys) if cache is not None and keys else {}
        open_tasks: list[Task] = []
        for task in possible:
            found = known.get(task.key)
            # A cache that also keeps reasons must not pass one off as a result.
            if found is None or found.value is None:
                open_tasks.append(task)
            else:
                yield self._scored(task, found, cached=True)
        if self._total:
            yield self._progress(None)
        return open_tasks

    def _compute(self, tasks: Sequence[Task]) -> Iterator[MetricEvent]:
        """Score tasks: wave by wave of networks, each loaded once and freed after its last use."""
        # Copies of an image with the same prompt share a recipe: one of them is computed.
        twins: dict[CacheKey, list[Task]] = {}
        for task in tasks:
            twins.setdefault(task.key, []).append(task)
        firsts = [same[0] for same in twins.values()]
        clock = _Clock(work(firsts))
        sources = dict.fromkeys(task.source for task in firsts if task.source is not None)
        for wave in waves(sources):
            if self._stop():
                return
            members = [task for task in firsts if task.source in wave]
            with Backbones(self._options.device) as backbones:
                networks = yield from self._load(wave, members, twins, backbones)
                ready = [task for task in members if task.source in networks]
                yield from self._evaluate(ready, networks, twins, clock)
                networks.clear()  # or freeing below would find them still in use

    def _evaluate(
        self,
        tasks: Sequence[Task],
        networks: Mapping[BackboneSource, Network],
        twins: Mapping[CacheKey, list[Task]],
        clock: "_Clock",
    ) -> Iterator[MetricEvent]:
        options = self._options
        setup = Setup(options.batch_size, options.workers, self._stop, options.features, self._order)
        evaluation = Evaluation(tasks, networks, setup)
        before = clock.done
        for outcomes in evaluation.outcomes():
            values = {task.key: score for task, score in outcomes if score.value is not None}
            if options.cache is not None and values:
                options.cache.put_many(values)
            for task, found in outcomes:
                for twin in twins[task.key]:
                    yield self._scored(twin, found)
            clock.done = before + evaluation.done
            if self._done < self._total:
                yield self._progress(clock.seconds_left())

    def _load(
        self,
        wave: Sequence[BackboneSource],
        tasks: Sequence[Task],
        twins: Mapping[CacheKey, list[Task]],
        backbones: Backbones,
    ) -> Generator[MetricEvent, None, dict[BackboneSource, Network]]:
        """Load the networks of a wave; the tasks of one that does not load are unscored."""
        networks: dict[BackboneSource, Network] = {}
        failed: dict[BackboneSource, str] = {}
        for source in wave:
            if self._stop():
                return {}
            names = dict.fromkeys(
                task.metric.card.id for task in tasks if task.source and source in chain(task.source)
            )
            try:
                if source.base in failed:
                    raise MetricsError(failed[source.base])
                yield from supply(source, self._options.download, self._options.endpoint, self._stop)
                yield BackboneLoading(source.card, tuple(names), f"Loading {source.card.id}")
                networks[source] = backbones.load(source)
            except Interrupted:
                return {}
            except MetricsError as error:
                failed[source] = str(error)
        for task in tasks:
            if task.source in failed:
                for twin in twins[task.key]:
                    yield self._scored(twin, Score.unscored(failed[task.source]))
        return networks

    def _scored(self, task: Task, found: Score, cached: bool = False) -> Scored:
        self._done += 1
        return Scored(task.group[0], task.metric.card.id, found, task.key, cached, task.group)

    def _progress(self, seconds_left: float | None) -> Progress:
        message = f"Scored {self._done} of {self._total}"
        return Progress(self._done, self._total, seconds_left, message)

    def _stop(self) -> bool:
        return self._options.cancel is not None and self._options.cancel()


class _Clock:
    """Estimates how long the rest takes, from the work done."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self._total = total
        self._began = time.monotonic()

    def seconds_left(self) -> float | None:
        """Seconds until all is done; None before anything is."""
        if not self.done:
            return None
        return (time.monotonic() - self._began) / self.done * max(self._total - self.done, 0)
