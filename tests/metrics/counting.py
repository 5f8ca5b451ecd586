"""Counts what an analysis does: pictures decoded, forward passes by network."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from metrics import Sample, Scored, ScoreOptions, score
from metrics.clip_backbone import ClipNetwork
from metrics.lpips_backbone import LpipsNetwork
from metrics.structural_backbone import Pixels


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts of "decoded", of "resized" to the square, of "texts", and of images by the network's class."""
    import metrics.structural_backbone
    import metrics.visits

    counts: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        decode, resize = metrics.visits.open_rgb, metrics.structural_backbone.square

        def open_rgb(path: Path) -> Any:
            counts["decoded"] += 1
            return decode(path)

        def square(image: Any) -> Any:
            counts["resized"] += 1
            return resize(image)

        patch.setattr(metrics.visits, "open_rgb", open_rgb)
        patch.setattr(metrics.structural_backbone, "square", square)
        for network in (ClipNetwork, LpipsNetwork, Pixels):
            encode = network.encode

            def count(self: Any, prepared: Sequence[Any], encode: Any = encode) -> Any:
                counts[type(self).__name__] += len(prepared)
                return encode(self, prepared)

            patch.setattr(network, "encode", count)
        read = ClipNetwork._read_texts

        def read_texts(self: ClipNetwork, prompts: Sequence[str]) -> None:
            counts["texts"] += len(prompts)
            read(self, prompts)

        patch.setattr(ClipNetwork, "_read_texts", read_texts)
        yield counts


def scored(samples: Sequence[Sample], metrics: Sequence[str], options: ScoreOptions) -> list[Scored]:
    """The scores alone."""
    return [event for event in score(samples, metrics, options) if isinstance(event, Scored)]


def values(events: Sequence[Scored]) -> dict[tuple[str, str], float | None]:
    """Values by metric and the key of the (first) sample."""
    return {(event.metric, event.sample.key): event.score.value for event in events}
