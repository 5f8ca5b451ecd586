"""Which answerers there are: one a tier, and more by name.

| name | what it is |
|---|---|
| `local:bundled` | the bundled one |
| `local:qwen3-vl-4b` | one of `NAMED` |
| `local:OWNER/NAME[@COMMIT]` | any model of the Hub that sees and writes |
| `local:./FOLDER` | one in a folder of this computer |
| `local:...:4bit`, `local:...:8bit` | the same with weights rounded by bitsandbytes |
| `gemini[:MODEL]` | Google's developer API, Gemma unless told |
| `openai:MODEL` | any server that speaks OpenAI's chat completions |

Sizes are the safetensors of the pinned commit. The light one is BLIP-VQA; the tiers have what
judges in the field: GenEval 2 asks Qwen3-VL-8B.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NoReturn

from metrics.answerers.base import AnswererSource
from metrics.answerers.gemini import DEFAULT_MODEL, GeminiSource
from metrics.answerers.local import Bits, Folder, LocalSource
from metrics.answerers.openai_compatible import OpenAiSource
from metrics.answerers.remote import Session
from metrics.backbones import describe
from metrics.base import BackboneCard, Tier
from metrics.downloads import HubSnapshot
from metrics.errors import MissingWeights, UnknownAnswerer

Kind = Literal["local", "gemini", "openai"]

_APACHE = "Apache-2.0"
_ROUNDED: Mapping[str, Bits] = MappingProxyType({":4bit": 4, ":8bit": 8})
_ASK_SECONDS = 10
BUNDLED = BackboneCard("bundled-vqa", "sha256 of the weights file", 1_411_543, 0, "as this project")


def _hub(repository: str, commit: str, size: tuple[int, int], licence: str) -> LocalSource:
    """A model of the Hub; `size` in parameters and megabytes."""
    card = BackboneCard(repository.partition("/")[2], commit, *size, licence)
    return LocalSource(card, HubSnapshot(repository, commit))


NAMED: Mapping[str, LocalSource] = MappingProxyType(
    {
        "blip-vqa": _hub(
            "Salesforce/blip-vqa-base",
            "787b3d35d57e49572baabd22884b3d5a05acf072",
            (384_672_572, 1_539),
            "BSD-3-Clause",
        ),
        "qwen3-vl-2b": _hub(
            "Qwen/Qwen3-VL-2B-Instruct",
            "89644892e4d85e24eaac8bacfd4f463576704203",
            (2_127_532_032, 4_255),
            _APACHE,
        ),
        "qwen3-vl-4b": _hub(
            "Qwen/Qwen3-VL-4B-Instruct",
            "ebb281ec70b05090aa6165b016eac8ec08e71b17",
            (4_437_815_808, 8_876),
            _APACHE,
        ),
        "qwen3-vl-8b": _hub(
            "Qwen/Qwen3-VL-8B-Instruct",
            "0c351dd01ed87e9c1b53cbc748cba10e6187ff3b",
            (8_767_123_696, 17_534),
            _APACHE,
        ),
        "qwen2.5-vl-7b": _hub(
            "Qwen/Qwen2.5-VL-7B-Instruct",
            "cc594898137f460bfe9f0759e9844b3ce807cfb5",
            (8_292_166_656, 16_584),
            _APACHE,
        ),
        "llava-1.5-7b": _hub(
            "llava-hf/llava-1.5-7b-hf",
            "b234b804b114d9e37bb655e11cbbb5f5e971b7a9",
            (7_063_427_072, 14_127),
            "Llama 2 community",
        ),
    }
)
"""Local models with a pinned commit, by the names people use."""

_TIERS: Mapping[Tier, str] = MappingProxyType(
    {"light": "blip-vqa", "standard": "qwen3-vl-2b", "large": "qwen3-vl-8b"}
)
CARDS: Mapping[Tier, BackboneCard] = MappingProxyType(
    {"bundled": BUNDLED, **{tier: NAMED[name].card for tier, name in _TIERS.items()}}
)


def answerer_source(tier: Tier, assets: Path) -> AnswererSource:
    """The answerer of a tier, unless a person chooses another one.

    Args:
        tier: Which weights.
        assets: Folder of the bundled networks.
    """
    if tier == "bundled":
        return LocalSource(BUNDLED, Folder(assets / "vqa"), drawn=True)
    return NAMED[_TIERS[tier]]


@dataclass(frozen=True)
class Lost(AnswererSource):
    """An answerer that is not here and cannot be looked up: it says why, and other metrics go on.

    Attributes:
        name: Its id.
        reason: Why, and what to do.
    """

    name: str
    reason: str

    @property
    def card(self) -> BackboneCard:
        """Nothing but its name is known."""
        return BackboneCard(self.name, "", 0, 0, "see its page")

    @property
    def revision(self) -> str:
        """There is none.

        Raises:
            MissingWeights: Always.
        """
        raise MissingWeights(self.reason)

    @property
    def preprocessing(self) -> str:
        """There is none."""
        return ""

    def load(self, device: str) -> NoReturn:
        """Say why not.

        Raises:
            MissingWeights: Always.
        """
        raise MissingWeights(self.reason)


@dataclass(frozen=True)
class Whereabouts:
    """Where answerers may come from.

    Attributes:
        assets: Folder of the bundled networks.
        hub: Address of the Hub, to look up models that are not here; None: it is not asked.
        session: What questions to a service share; None: services cannot be chosen.
        url: Address of the service.
    """

    assets: Path
    hub: str | None = None
    session: Session | None = None
    url: str = ""


def answerer_kind(name: str) -> Kind:
    """Of which kind the answerer of a name is.

    Raises:
        UnknownAnswerer: Of none.
    """
    kind, _, rest = name.partition(":")
    if kind == "gemini" or (kind in ("local", "openai") and rest.strip()):
        return kind  # type: ignore[return-value]
    raise UnknownAnswerer(
        f"There is no answerer {name!r}; choose local:bundled, local:MODEL with one of "
        f"{', '.join(NAMED)} or OWNER/NAME, gemini, gemini:MODEL or openai:MODEL."
    )


def answerer_id(name: str) -> str:
    """The id under which scores of an answerer are kept, from its name alone.

    Raises:
        UnknownAnswerer: There is none of this name.
    """
    kind, _, rest = name.partition(":")
    if answerer_kind(name) != "local":
        return f"{kind}:{rest or DEFAULT_MODEL}"
    for ending, bits in _ROUNDED.items():
        if rest.endswith(ending):
            return f"{answerer_id(name.removesuffix(ending))}-{bits}bit"
    if rest == "bundled" or rest in NAMED:
        return BUNDLED.id if rest == "bundled" else NAMED[rest].card.id
    return Path(rest).expanduser().resolve().name if is_folder(rest) else rest.partition("@")[0]


def counted_as(answerer: str) -> str:
    """What the scores of a chosen answerer count as, in place of a tier; never the name of one.

    Args:
        answerer: Its id, as `answerer_id` gives it.
    """
    return answerer if ":" in answerer else f"local:{answerer}"


def find_answerer(name: str, where: Whereabouts) -> AnswererSource:
    """The answerer of a name. Only a model of the Hub that is unknown here costs a look-up.

    Raises:
        UnknownAnswerer: There is none of this name.
        MissingWeights: It is of the Hub, not here, and cannot be looked up.
    """
    kind, _, rest = name.partition(":")
    if answerer_kind(name) == "local":
        return _local(rest, where)
    if where.session is None:
        raise UnknownAnswerer(f"{name} is a service, and no service can be asked here.")
    if kind == "gemini":
        return GeminiSource(rest or DEFAULT_MODEL, where.url, where.session)
    return OpenAiSource(rest, where.url, where.session)


def _local(name: str, where: Whereabouts) -> AnswererSource:
    for ending, bits in _ROUNDED.items():
        if name.endswith(ending):
            found = _unrounded(name.removesuffix(ending), where)
            return replace(found, bits=bits) if isinstance(found, LocalSource) else found
    return _unrounded(name, where)


def _unrounded(name: str, where: Whereabouts) -> LocalSource | Lost:
    if name == "bundled":
        return LocalSource(BUNDLED, Folder(where.assets / "vqa"), drawn=True)
    if name in NAMED:
        return NAMED[name]
    if is_folder(name):
        folder = Path(name).expanduser().resolve()
        if not folder.is_dir():
            raise UnknownAnswerer(f"There is no folder {name}.")
        return LocalSource(
            BackboneCard(folder.name, "sha256 of the weights", 0, 0, "as its maker says"), Folder(folder)
        )
    repository, _, revision = name.partition("@")
    owner, _, model = repository.partition("/")
    if not owner or not model or "/" in model:
        answerer_kind("")  # says what there is
    try:
        return _of_hub(HubSnapshot(repository, revision or "main"), where)
    except MissingWeights as error:
        return Lost(repository, str(error))


def is_folder(name: str) -> bool:
    """Whether the name of a local answerer is the path of a folder."""
    return name.removeprefix("local:").startswith((".", "/", "~"))


def _of_hub(place: HubSnapshot, where: Whereabouts) -> LocalSource:
    name = place.repository
    commit = place.commit
    if commit is not None and HubSnapshot(place.repository, commit).path() is not None:
        return LocalSource(
            BackboneCard(name, commit, 0, 0, "see its page"), HubSnapshot(place.repository, commit)
        )
    if where.hub is None:
        raise MissingWeights(
            f"{place.repository} is not on this computer; go online, or run `{place.command}`."
        )
    info = _look_up(place, where.hub)
    weights = [file for file in info.siblings or () if file.rfilename.endswith(".safetensors")]
    if not weights:
        raise MissingWeights(
            f"{place.repository} has no safetensors, and other weights are not read; choose another."
        )
    size = sum(file.size or 0 for file in weights)
    licence = (info.card_data or {}).get("license") or "see its page"
    parameters = info.safetensors.total if info.safetensors else size // 2
    card = BackboneCard(name, info.sha, parameters, round(size / 1e6), str(licence))
    return LocalSource(card, HubSnapshot(place.repository, info.sha))


def _look_up(place: HubSnapshot, hub: str) -> Any:
    from huggingface_hub import HfApi

    try:
        return HfApi(endpoint=hub).model_info(
            place.repository, revision=place.revision, files_metadata=True, timeout=_ASK_SECONDS
        )
    except Exception as error:
        # Hub, network and settings errors share no base class.
        raise MissingWeights(
            f"{place.repository} could not be looked up ({describe(error)}); check name and connection."
        ) from error
