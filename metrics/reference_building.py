"""Makes a reference set of a folder of pictures, as a generator of events."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from metrics.backbones import Backbones, interruptible
from metrics.base import BackboneCard
from metrics.batch_quality import LEAST, MODELS, pictures_of
from metrics.dinov3_backbone import PooledSource
from metrics.dinov3_networks import DinoPooled
from metrics.errors import BadImage, Interrupted
from metrics.events import BackboneLoading, MetricEvent, Progress, Stopped
from metrics.images import open_rgb, read_ahead
from metrics.reference_sets import BadReferenceSet, Gathering, SetRecipe, write_set
from metrics.runner import ScoreOptions
from metrics.supply import supply

_METRIC = "batch_quality"


def build_set(folder: Path, output: Path, options: ScoreOptions | None = None) -> Iterator[MetricEvent]:
    """Look at every picture below a folder and write a reference set.

    The last event says how many pictures went into it and names the first that could not be read.

    Args:
        folder: The pictures; in the order of their names.
        output: The file to write.
        options: Tier, device, batch size, workers, download, and what asks for a stop.

    Raises:
        BadReferenceSet: Too few pictures can be read, or the file cannot be written.
        MissingWeights: The network is not here and may not be fetched.
    """
    files = pictures_of(folder) if folder.is_dir() else ()
    if len(files) < LEAST:
        raise BadReferenceSet(
            f"{folder} has {len(files)} pictures and a reference set needs {LEAST}; name a larger folder."
        )
    options = options or ScoreOptions()
    return _Building(folder, files, output, options).events()


def set_network(options: ScoreOptions) -> BackboneCard | None:
    """The network that must be fetched to make a reference set; None: it is here."""
    source = PooledSource(MODELS[options.tier], options.assets)
    return source.card if any(file.path() is None for file in source.files) else None


class _Building:
    """One call of `build_set`."""

    def __init__(self, folder: Path, files: tuple[Path, ...], output: Path, options: ScoreOptions) -> None:
        self._folder = folder
        self._files = files
        self._output = output
        self._options = options
        self._gathering = Gathering()
        self._unread: list[str] = []

    def events(self) -> Iterator[MetricEvent]:
        options, total = self._options, len(self._files)
        source = PooledSource(MODELS[options.tier], options.assets)
        try:
            yield from supply(source, options.download, options.endpoint, self._stop)
            yield BackboneLoading(source.card, (_METRIC,), f"Loading {source.card.id}")
            with Backbones(options.device) as backbones:
                network = cast(DinoPooled, backbones.load(source))
                yield from self._look(network)
                resolution = network.side
                del network  # or freeing would find it still in use
        except Interrupted:
            yield Stopped(self._gathering.count, total)
            return
        if self._gathering.count < LEAST:
            raise BadReferenceSet(
                f"Only {self._gathering.count} of {total} pictures can be read. {self._lost()}"
            )
        recipe = SetRecipe(
            name=self._folder.resolve().name,
            backbone=source.card.id,
            revision=source.revision,
            preprocessing=source.preprocessing,
            resolution=resolution,
            count=self._gathering.count,
        )
        write_set(self._output, recipe, self._gathering.result())
        yield Progress(total, total, None, f"{self._gathering.count:,} pictures. {self._lost()}".strip())

    def _look(self, network: DinoPooled) -> Iterator[Progress]:
        """Pass every picture through the network, batch by batch."""
        began, done, total = time.monotonic(), 0, len(self._files)
        reader = read_ahead(self._files, lambda path: self._read(network, path), self._options.workers)
        batch: list[Any] = []
        with closing(reader):
            for number, prepared in enumerate(reader, start=1):
                if self._stop():
                    raise Interrupted
                if isinstance(prepared, str):
                    self._unread.append(prepared)
                else:
                    batch.append(prepared)
                if batch and (len(batch) == self._options.batch_size or number == total):
                    self._add(network, batch)
                    batch, done = [], number
                    left = (time.monotonic() - began) / done * (total - done)
                    yield Progress(done, total, left, f"{done:,} of {total:,} pictures")

    def _add(self, network: DinoPooled, batch: list[Any]) -> None:
        import numpy as np

        with interruptible(network, self._stop):
            rows = np.stack([row.numpy() for row in network.encode(batch)]).astype(np.float64)
        self._gathering.add(rows)

    def _read(self, network: DinoPooled, path: Path) -> Any:
        """A prepared picture, or why there is none; runs in a thread."""
        try:
            return network.prepare(open_rgb(path))
        except BadImage as error:
            return str(error)

    def _lost(self) -> str:
        if not self._unread:
            return ""
        return f"{len(self._unread)} left out, such as this: {self._unread[0]}"

    def _stop(self) -> bool:
        return self._options.cancel is not None and self._options.cancel()
