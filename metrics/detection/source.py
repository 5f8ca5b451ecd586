"""Where detectors come from: which there are, one a tier, and how they are loaded.

The detector and the CLIP that names its colours are one network for the engine: an image is cut into
its objects while it is there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metrics.backbones import describe
from metrics.base import BackboneCard, BackboneSource, FeatureForm, Tier
from metrics.clip_backbone import VIT_B_32, VIT_L_14, ClipModel, ClipSource
from metrics.detection.boxes import Detector, Limits, form
from metrics.detection.colours import PALETTE, Colours
from metrics.detection.nouns import COCO
from metrics.downloads import HubSnapshot, WeightsFile
from metrics.errors import MissingWeights

PREPROCESSING = "detector-pil-fp32-1"
_FILES = ("config.json", "model.safetensors")
_DRAWN_FILES = (*_FILES, "preprocessor_config.json")
_APACHE = "Apache-2.0"
_OPEN_TYPES = ("owlv2", "grounding-dino")


@dataclass(frozen=True)
class DetectorModel:
    """A detector that can be had.

    Attributes:
        name: What people call it.
        detector: The card of the detector alone.
        place: Where it is: a repository, a folder, or None for the bundled one.
        nouns: What it finds; None: any noun.
        limits: From where on its boxes count.
        clip: The CLIP that names the colours; None: the detector does.
    """

    name: str
    detector: BackboneCard
    place: HubSnapshot | Path | None
    nouns: tuple[str, ...] | None
    limits: Limits
    clip: ClipModel | None = VIT_L_14

    @property
    def card(self) -> BackboneCard:
        """The card of detector and CLIP together."""
        if self.clip is None:
            return self.detector
        one, other = self.detector, self.clip.card
        return BackboneCard(
            f"{one.id} + {other.id}",
            f"{one.revision}, {other.revision}",
            one.parameters + other.parameters,
            one.download_mb + other.download_mb,
            ", ".join(dict.fromkeys((one.licence, other.licence))),
        )


DRAWN = DetectorModel(
    "bundled RT-DETR",
    BackboneCard("bundled-detector", "sha256 of the weights file", 915_392, 0, "as this project"),
    None,
    ("circle", "square", "triangle", "star", "diamond", "cross"),
    # Its card: sometimes two boxes lie on one object, the less sure one with another shape.
    Limits(cut=0.3, counting_cut=0.3, overlap=0.7, across=True),
    None,
)
# Sigmoid scores that shrink with the overlap they expect: 0.9, which GenEval asks of Mask2Former where it
# counts, hardly any right box reaches. The cuts are those of the authors' own demonstrations.
RT_DETR_V2 = DetectorModel(
    "RT-DETRv2",
    BackboneCard("rtdetr_v2_r50vd", "282494075698cab9faa1096ae26856890030c817", 42_731_082, 172, _APACHE),
    HubSnapshot("PekingU/rtdetr_v2_r50vd", "282494075698cab9faa1096ae26856890030c817"),
    COCO,
    Limits(cut=0.4, counting_cut=0.6),
)
D_FINE = DetectorModel(
    "D-FINE",
    BackboneCard(
        "dfine-large-obj2coco-e25", "c89de47153e338c07cddc81fc21a776b97cbf75e", 31_083_862, 125, _APACHE
    ),
    HubSnapshot("ustc-community/dfine-large-obj2coco-e25", "c89de47153e338c07cddc81fc21a776b97cbf75e"),
    COCO,
    Limits(cut=0.4, counting_cut=0.6),
)
OWLV2 = DetectorModel(
    "OWLv2",
    BackboneCard(
        "owlv2-base-patch16-ensemble", "cfd3195ba4ea9592eec887ded089f4c08eff231d", 154_966_792, 620, _APACHE
    ),
    HubSnapshot("google/owlv2-base-patch16-ensemble", "cfd3195ba4ea9592eec887ded089f4c08eff231d"),
    None,
    Limits(cut=0.2, counting_cut=0.3, overlap=0.7),
)
GROUNDING_DINO = DetectorModel(
    "Grounding DINO",
    BackboneCard(
        "grounding-dino-tiny", "a2bb814dd30d776dcf7e30523b00659f4f141c71", 172_250_626, 689, _APACHE
    ),
    HubSnapshot("IDEA-Research/grounding-dino-tiny", "a2bb814dd30d776dcf7e30523b00659f4f141c71"),
    None,
    Limits(cut=0.3, counting_cut=0.35, overlap=0.7),
)
MODELS: Mapping[Tier, DetectorModel] = MappingProxyType(
    {
        "bundled": DRAWN,
        # The detector is small as it is; what weighs is the CLIP for its colours.
        "light": replace(RT_DETR_V2, clip=VIT_B_32),
        "standard": RT_DETR_V2,
        "large": OWLV2,
    }
)
CARDS: Mapping[Tier, BackboneCard] = MappingProxyType({tier: model.card for tier, model in MODELS.items()})


@dataclass(frozen=True)
class DetectorSource(BackboneSource):
    """Where a detector comes from, with the CLIP for its colours.

    Attributes:
        model: Which detector.
        assets: Folder of the bundled networks; the bundled detector is its subfolder `detector`.
    """

    model: DetectorModel
    assets: Path

    @property
    def card(self) -> BackboneCard:
        """The card of both."""
        return self.model.card

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The files of both on the Hub."""
        own = (self.model.place,) if isinstance(self.model.place, HubSnapshot) else ()
        return (*own, *(self._clip.files if self._clip else ()))

    @property
    def drawn_world(self) -> bool:
        """Whether it knows the bundled drawn world only."""
        return self.model.place is None

    @property
    def palette(self) -> tuple[str, ...]:
        """The colours it tells apart; known without loading."""
        if self.model.clip is not None:
            return PALETTE
        labels = _settings(self._folder())["id2label"].values()
        return tuple(dict.fromkeys(label.split(" ", 1)[0] for label in labels))

    @property
    def form(self) -> FeatureForm | None:
        """Rows of boxes; None where the nouns must be known first."""
        return None if self.model.nouns is None else form(self.palette)

    @cached_property
    def revision(self) -> str:
        """What identifies both: commits, or the SHA-256 of a folder's weights.

        Raises:
            MissingWeights: They are not there to identify.
        """
        own = self._commit()
        return f"{own}+{self._clip.revision}" if self._clip else own

    @cached_property
    def preprocessing(self) -> str:
        """The version of the preprocessing, and from where on boxes count."""
        limits = self.model.limits
        across = "-across" if limits.across else ""
        cuts = f"{limits.cut:g}-{limits.counting_cut:g}-{limits.overlap:g}{across}"
        own = "" if isinstance(self.model.place, HubSnapshot) else f":{self._settings_digest()}"
        clip = f":{self._clip.preprocessing}" if self._clip else ""
        return f"{PREPROCESSING}:{cuts}{own}{clip}"

    def load(self, device: str) -> Detector:
        """Load both in fp32.

        Raises:
            MissingWeights: They are not on this computer, or do not load.
        """
        folder = self._folder()
        colours = Colours(self._clip.load(device)) if self._clip else None
        try:
            return _load(folder, self.model, colours, device)
        except Exception as error:
            # transformers, safetensors, json and torch raise many kinds on wrong files.
            cure = "restore the folder assets/detector" if self.drawn_world else f"delete {folder}"
            raise MissingWeights(
                f"The detector {self.model.detector.id} does not load ({describe(error)}); "
                f"{cure} and try again."
            ) from error

    @property
    def _clip(self) -> ClipSource | None:
        return ClipSource(self.model.clip, self.assets) if self.model.clip else None

    def _commit(self) -> str:
        place = self.model.place
        if not isinstance(place, HubSnapshot):
            return hashlib.sha256((self._folder() / "model.safetensors").read_bytes()).hexdigest()
        if place.commit is None:
            raise MissingWeights(f"{self.model.detector.id} is not here; run `{place.command}`.")
        return place.commit

    def _settings_digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self._folder().glob("*.json")):
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def _folder(self) -> Path:
        place = self.model.place
        if isinstance(place, HubSnapshot):
            found = place.path()
            if found is None:
                raise MissingWeights(f"{self.model.detector.id} is not here; run `{place.command}`.")
            return found
        folder = place or self.assets / "detector"
        needed = _FILES if place else _DRAWN_FILES
        lost = [name for name in needed if not (folder / name).is_file()]
        if lost:
            cure = "restore the folder assets/detector or choose the standard tier" if place is None else ""
            raise MissingWeights(
                f"The detector {self.model.detector.id} lacks {', '.join(lost)}; "
                f"{cure or f'put them into {folder}'}."
            )
        return folder


def _load(folder: Path, model: DetectorModel, colours: Colours | None, device: str) -> Detector:
    from metrics.detection.closed import load_closed
    from metrics.detection.drawn import load_drawn
    from metrics.detection.grounding_dino import load_grounding_dino
    from metrics.detection.owlv2 import load_owlv2

    kind = _settings(folder).get("model_type")
    if kind not in _OPEN_TYPES:
        if model.nouns is None:
            raise ValueError(f"a network of the type {kind!r} has a fixed list of nouns")
        if colours is None and model.place is None:
            return load_drawn(folder, model.limits, device)
        return load_closed(folder, model.limits, colours, device)
    if colours is None or model.nouns is not None:
        raise ValueError("an open-vocabulary detector needs a CLIP for its colours, and has no list of nouns")
    load = load_owlv2 if kind == "owlv2" else load_grounding_dino
    return load(folder, model.limits, colours, device)


def _settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    return found
