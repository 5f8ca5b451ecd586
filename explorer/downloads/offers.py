"""What a site offers under a source: plain records, the same for both sites."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from explorer.errors import UnknownName

SiteName = Literal["hf", "civitai"]
FileKind = Literal["weights", "config", "pickle", "other"]
OfferLayout = Literal["diffusers", "files", "collection"]

CONFIG_SUFFIXES = (".json", ".txt", ".model", ".jinja")
PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file that can be chosen."""

    name: str
    """As the site names it; in a repository with its folders."""
    url: str
    """Stable; leads to a signed link that expires."""
    size: int | None = None
    """Bytes."""
    size_exact: bool = True
    """False where the site gives a rounded size."""
    sha256: str = ""
    """Lower case; empty when the site does not say."""
    kind: FileKind = "other"
    precision: str = ""
    note: str = ""
    """Why it cannot be used; empty when it can."""

    @property
    def usable(self) -> bool:
        """Whether it may be fetched."""
        return self.kind in ("weights", "config") and not self.note


@dataclass(frozen=True, slots=True)
class Choice:
    """A source beside this one: a repository of a collection, a version of a model."""

    source: str
    name: str
    base: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a look-up found."""

    source: str
    """Leads to the same offer again; names the version."""
    site: SiteName
    name: str
    page: str
    """Address for people."""
    layout: OfferLayout
    files: tuple[RemoteFile, ...] = ()
    chosen: tuple[str, ...] = ()
    """Names of the files that are fetched when nothing is chosen."""
    kind: str = ""
    """As the site says: Checkpoint, LORA, StableDiffusionXLPipeline ..."""
    base: str = ""
    """The base model or family, as the site says."""
    version: str = ""
    description: str = ""
    licence: str = ""
    """Licence or usage terms."""
    gated: str = ""
    """How to be let in; empty when everybody is."""
    early_access: str = ""
    """Until when, in the site's words; empty when over."""
    trigger_words: tuple[str, ...] = ()
    preview: str = ""
    choices: tuple[Choice, ...] = ()

    def file(self, name: str) -> RemoteFile:
        """The file of this name; a bare name will do when it is the only one.

        Raises:
            UnknownName: There is none, or more than one.
        """
        exact = [file for file in self.files if file.name == name]
        found = exact or [file for file in self.files if file.name.rsplit("/", 1)[-1] == name]
        if len(found) != 1:
            raise UnknownName("file", name, (file.name for file in found or self.files if file.usable))
        return found[0]

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, with the size in bytes of what is fetched when nothing is chosen."""
        chosen = [file for file in self.files if file.name in self.chosen]
        files = []
        for file in self.files:
            record = asdict(file) | {"usable": file.usable, "chosen": file.name in self.chosen}
            del record["url"], record["size_exact"]
            files.append(record)
        sizes = [file.size for file in chosen]
        known = None if None in sizes else sum(size or 0 for size in sizes)
        return asdict(self) | {"files": files, "chosen_bytes": known}


def file_kind(name: str) -> FileKind:
    """What a file is, by its name: only safetensors weights and plain configs are taken."""
    lower = name.lower()
    if lower.endswith(".safetensors"):
        return "weights"
    if lower.endswith(PICKLE_SUFFIXES):
        return "pickle"
    return "config" if lower.endswith(CONFIG_SUFFIXES) else "other"


def precision_of(name: str) -> str:
    """The precision a file name tells of, or nothing."""
    words = "".join(c if c.isalnum() else " " for c in name.lower()).split()
    for precision in ("fp8", "fp16", "bf16", "fp32", "int8", "nf4"):
        if any(word.startswith(precision) for word in words):
            return precision
    return ""


def names_in_short(names: Iterable[str], limit: int = 8) -> str:
    """Some names for a message."""
    every = list(names)
    return ", ".join(every[:limit]) + (f" and {len(every) - limit} more" if len(every) > limit else "")
