"""One image on its way through an analysis: recalled, decoded, prepared, remembered."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from PIL.Image import Image

from metrics.backbones import describe, is_out_of_memory
from metrics.base import BackboneSource, Network, PixelNetwork
from metrics.cache import FeatureCache, FeatureKey
from metrics.errors import BadImage
from metrics.images import BLANK_VERSION, blank_kind, open_rgb

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands where a feature should be: why there is none.

    Attributes:
        reason: For people.
        of_image: Whether the image itself is to blame, and so will be the next time.
    """

    reason: str
    of_image: bool = False


@dataclass(slots=True)
class Visit:
    """One image and what is found out about it.

    Attributes:
        image: Its hash.
        path: Its file.
        sources: The networks that must have its features; each comes after its base.
        found: Features, or failures.
        prepared: The input of each network that must read it.
        blank: Whether nothing is to be seen on it; "" if there is, None while not known.
    """

    image: str
    path: Path
    sources: tuple[BackboneSource, ...]
    found: dict[BackboneSource, Any] = field(default_factory=dict)
    prepared: dict[BackboneSource, Any] = field(default_factory=dict)
    blank: str | None = None

    def input_of(self, source: BackboneSource) -> Any:
        """What a network reads of it: pixels, or its base's feature; None: nothing yet."""
        return self.found.get(source.base) if source.base is not None else self.prepared.get(source)


class Reader:
    """Reads images, and keeps features between analyses where there is a place for them."""

    def __init__(self, networks: Mapping[BackboneSource, Network], features: FeatureCache | None) -> None:
        """Read for these networks; `features` None: nothing is kept."""
        self._networks = networks
        self._features = features

    def recall(self, visits: Sequence[Visit]) -> None:
        """Fill in what is known of images from earlier analyses."""
        if self._features is None:
            return
        keys = {_feature_key(s, v.image): (s, v) for v in visits for s in v.sources if s.form}
        blanks = {_blank_key(visit.image): visit for visit in visits}
        for key, content in self._features.get_many([*keys, *blanks]).items():
            if key in blanks:
                blanks[key].blank = content.decode()
                continue
            source, visit = keys[key]
            if source.form:
                # What a cache gives back spoilt is made again.
                with suppress(ValueError, RuntimeError):
                    visit.found[source] = source.form.unpack(content)

    def read(self, visit: Visit) -> Visit:
        """Decode an image and prepare it for the networks that do not know it; thread-safe."""
        lacking = [s for s in visit.sources if s.base is None and s not in visit.found]
        if not lacking and visit.blank is not None:
            return visit
        try:
            image = open_rgb(visit.path)
            visit.blank = blank_kind(image) or ""
        except BadImage as error:
            visit.found |= dict.fromkeys(lacking, Failure(str(error), of_image=True))
            return visit
        except MemoryError as error:
            visit.found |= dict.fromkeys(lacking, failure("Decoding the image", error))
            return visit
        views: dict[str, Any] = {}
        for source in lacking:
            network = cast(PixelNetwork, self._networks[source])
            if network.view not in views:
                views[network.view] = _prepared(network, image)
            visit.prepared[source] = views[network.view]
        return visit

    def keep(self, visits: Sequence[Visit]) -> None:
        """Keep what was found out now for later analyses."""
        if self._features is None:
            return
        new: dict[FeatureKey, bytes] = {}
        for visit in visits:
            for source in visit.prepared:
                feature = visit.found.get(source)
                if source.form and feature is not None and not isinstance(feature, Failure):
                    new[_feature_key(source, visit.image)] = source.form.pack(feature)
            if visit.prepared and visit.blank is not None:
                new[_blank_key(visit.image)] = visit.blank.encode()
        if new:
            self._features.put_many(new)


def failure(what: str, error: Exception) -> Failure:
    """An error of a library as a failure for people; the log has the whole error."""
    if is_out_of_memory(error):
        return Failure(f"{what} ran out of memory on one image; choose the device 'cpu' or a smaller tier.")
    logger.error("%s failed", what, exc_info=error)
    return Failure(f"{what} failed ({describe(error)}); the log has the whole error.")


def _prepared(network: PixelNetwork, image: Image) -> Any:
    try:
        return network.prepare(image)
    except Exception as error:
        return failure("Preparing the image", error)


def _feature_key(source: BackboneSource, image: str) -> FeatureKey:
    kind = source.form.kind if source.form else ""
    return FeatureKey(image, source.card.id, source.revision, source.preprocessing, kind)


def _blank_key(image: str) -> FeatureKey:
    return FeatureKey(image, "", "", BLANK_VERSION, "blank")
