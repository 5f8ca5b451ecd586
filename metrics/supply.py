"""Sees to it that the files of a network are on this computer, with the person's consent."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from metrics.answerers.base import AnswererSource
from metrics.backbones import chain, describe
from metrics.base import BackboneCard, BackboneSource, Tier
from metrics.downloads import WeightsFile, fetching
from metrics.errors import Interrupted, MissingWeights
from metrics.events import Downloading
from metrics.plan import chosen_source
from metrics.registry import Registry


def needed_downloads(
    metrics: Sequence[str],
    tier: Tier,
    assets: Path,
    registry: Registry | None = None,
    answerer: AnswererSource | None = None,
) -> list[BackboneCard]:
    """The networks that would be fetched to score with these metrics, each once.

    Args:
        metrics: Metric ids.
        tier: Which weights.
        assets: Folder of the bundled networks.
        registry: The metrics to choose from; None: those of this library.
        answerer: What answers questions instead of the tier's network; None: that.

    Raises:
        UnknownMetric: No metric has one of these names.
    """
    registry = registry or Registry.standard()
    chosen = [registry.create(name) for name in dict.fromkeys(metrics)]
    sources = [chosen_source(metric, tier, assets, answerer)[0] for metric in chosen]
    links = dict.fromkeys(link for source in sources if source for link in chain(source))
    return [link.card for link in links if _absent(link)]


def supply(
    source: BackboneSource, consent: bool, endpoint: str | None, stop: Callable[[], bool]
) -> Iterator[Downloading]:
    """Fetch the files of a network that are not here.

    Raises:
        MissingWeights: They are not here and may not be fetched, or cannot be.
        Interrupted: `stop` said so.
    """
    for file in _absent(source):
        if not consent:
            raise MissingWeights(f"{_missing(source)}; allow the download, or run {_how(file)}.")
        yield from _progress(source.card, file, endpoint, stop)


def _progress(
    card: BackboneCard, file: WeightsFile, endpoint: str | None, stop: Callable[[], bool]
) -> Iterator[Downloading]:
    facts = f"{card.download_mb:,} MB, licence {card.licence}"
    yield Downloading(card, file.name, 0, 0, None, f"Fetching {card.id} ({facts})")
    began = time.monotonic()
    try:
        for done, total in fetching(file, stop, endpoint):
            left = (time.monotonic() - began) / done * (total - done) if done and total else None
            share = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:,.0f} MB"
            yield Downloading(card, file.name, done, total, left, f"Fetching {card.id}: {share}")
    except Interrupted:
        raise
    except Exception as error:
        # Hub, network and disk errors share no base class.
        raise MissingWeights(
            f"The weights of {card.id} could not be fetched ({describe(error)}); "
            f"check the connection and try again, or run {_how(file)}."
        ) from error


def _absent(source: BackboneSource) -> list[WeightsFile]:
    return [file for file in source.files if file.path() is None]


def _missing(source: BackboneSource) -> str:
    card = source.card
    return (
        f"The weights of {card.id} are not on this computer ({card.download_mb:,} MB, licence {card.licence})"
    )


def _how(file: WeightsFile) -> str:
    return f"`{file.command}`"
