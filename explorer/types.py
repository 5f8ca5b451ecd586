"""The nouns of the product, as frozen dataclasses.

What people ask for is in `requests.py`, what is told while it works in `events.py`. Nothing
here does I/O or imports a heavy library; every layer may import these files.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from explorer.facts import FAMILY_NAMES
from explorer.facts import Family as Family
from explorer.facts import ModelFacts as ModelFacts

if TYPE_CHECKING:
    from metrics import Question, Scene

Layout = Literal["diffusers", "single_file", "transformer_only"]
Difficulty = Literal["easy", "medium", "hard"]
Tier = Literal["bundled", "light", "standard", "large"]
JobKind = Literal["generate", "analyze", "fetch", "import"]
JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]


# What is compared


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Any file or folder that looks like a model, usable or not."""

    id: str
    """Opaque; the same as long as the file keeps its place."""
    name: str
    """Unique among the files of its kind; what people type."""
    path: Path
    layout: Layout
    size_bytes: int
    facts: ModelFacts
    bundled: bool = False
    """Shipped with the program."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where the file is."""
        return {"id": self.id, "layout": self.layout, **_plain(self), **self.facts.to_dict()}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A diffusion model on disk, before any LoRA."""

    name: str
    """Unique among the checkpoints found; what people type."""
    path: Path
    """A diffusers folder, or one .safetensors file."""
    family: Family
    layout: Layout
    size_bytes: int
    bundled: bool = False
    """Shipped with the program."""
    facts: ModelFacts = field(default_factory=ModelFacts, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where the file is."""
        known = {"kind": "checkpoint", "family": self.family, "layout": self.layout}
        return _plain(self) | self.facts.to_dict() | known


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter on disk."""

    name: str
    path: Path
    size_bytes: int
    family: Family = "unknown"
    bundled: bool = False
    """Shipped with the program."""
    facts: ModelFacts = field(default_factory=ModelFacts, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form; says nothing of where the file is."""
        return _plain(self) | self.facts.to_dict() | {"kind": "lora", "family": self.family}


def _plain(file: ModelFile | Checkpoint | Lora) -> dict[str, Any]:
    return {"name": file.name, "size_mb": round(file.size_bytes / 1e6, 1), "bundled": file.bundled}


BlockWeights = tuple[tuple[str, float], ...]
"""Names of blocks, such as `down` or `up.1`, and by what a LoRA's weight is multiplied there."""


@dataclass(frozen=True, slots=True)
class WeightedLora:
    """A LoRA and how strongly it is applied; 0 changes nothing, 1 is as trained."""

    lora: Lora
    weight: float = 1.0
    blocks: BlockWeights = ()
    """Sorted, and only those that are not 1, however they were given."""

    def __post_init__(self) -> None:
        """Bring the blocks into their one spelling: what is equal must have equal keys."""
        object.__setattr__(self, "blocks", tuple(sorted(each for each in self.blocks if each[1] != 1)))

    @property
    def name(self) -> str:
        """As people write it: `lora:0.8[down=0.5]`."""
        inside = ",".join(f"{block}={_short(weight)}" for block, weight in self.blocks)
        return f"{self.lora.name}:{_short(self.weight)}" + (f"[{inside}]" if inside else "")


def _short(number: float) -> str:
    """Short where nothing is lost by it, as names are read back."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


@dataclass(frozen=True, slots=True)
class Model:
    """What is compared: a checkpoint with zero or more weighted LoRAs."""

    checkpoint: Checkpoint
    loras: tuple[WeightedLora, ...] = ()

    @property
    def name(self) -> str:
        """As people write it: `checkpoint+lora:0.8`."""
        return "+".join([self.checkpoint.name, *(weighted.name for weighted in self.loras)])

    @property
    def problem(self) -> str:
        """Why this cannot be drawn with, as far as the files tell; empty when they do not."""
        base = self.checkpoint
        if base.facts.problem:
            return base.facts.problem
        for lora in (weighted.lora for weighted in self.loras):
            if lora.facts.problem:
                return lora.facts.problem
            if not fits(lora.family, base.family):
                return (
                    f"The LoRA {lora.name} was made for {FAMILY_NAMES[lora.family]} and {base.name} is "
                    f"{FAMILY_NAMES[base.family]}. Choose a LoRA made for {FAMILY_NAMES[base.family]}."
                )
        return ""


def fits(lora: Family, checkpoint: Family) -> bool:
    """Whether a LoRA of one family can work on a checkpoint of another; unknown ones may."""
    # Chroma grew out of Flux.1 and kept the layers that LoRAs are made for.
    related = ("flux", "chroma")
    return lora == checkpoint or "unknown" in (lora, checkpoint) or (lora, checkpoint) == related


# What is asked of it


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text to draw, with what is needed to read the results by group."""

    id: str
    text: str
    category: str = "custom"
    difficulty: Difficulty = "medium"
    negative: str = ""
    """Overrides the request's negative prompt when not empty."""
    questions: "tuple[Question, ...]" = ()
    """What to ask about its pictures; empty: questions are made from the text."""
    scene: "Scene | None" = None
    """What a detector must find on them; None: made from the text."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as a suite file has it; what is empty is left out."""
        plain = {name: getattr(self, name) for name in ("id", "text", "category", "difficulty", "negative")}
        written: dict[str, Any] = {name: value for name, value in plain.items() if value}
        if self.questions:
            written["questions"] = [question.to_dict() for question in self.questions]
        return written | ({"scene": self.scene.to_dict()} if self.scene else {})


@dataclass(frozen=True, slots=True)
class Suite:
    """A named, versioned list of prompts."""

    id: str
    name: str
    version: int
    prompts: tuple[Prompt, ...]
    description: str = ""
    licence: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of the prompts, in the order they first appear."""
        return tuple(dict.fromkeys(prompt.category for prompt in self.prompts))

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain summary, without the prompts themselves."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "licence": self.licence,
            "categories": list(self.categories),
            "prompts": len(self.prompts),
        }


# What comes out


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything needed to draw a picture again; stored inside the PNG."""

    model: str
    model_hash: str
    """Names and weights are for people; this hash of contents is the identity."""
    checkpoint_hash: str
    loras: tuple[tuple[str, str, float], ...]
    """(name, SHA-256, weight) each."""
    prompt: str
    negative: str
    seed: int
    sampler: str
    steps: int
    guidance: float
    width: int
    height: int
    prompt_id: str
    suite: str
    category: str
    difficulty: str
    cell: str
    """Key of the cell this picture fills."""
    clip_skip: int = 1
    long_prompts: bool = False
    weighting: bool = False
    trigger_words: str = ""
    """Put before the prompt when the picture was drawn; `prompt` is what was asked for."""
    lora_blocks: tuple[BlockWeights, ...] = ()
    """For each of `loras`; empty when none has weights per block."""
    batch_size: int = 1
    precision: str = ""
    device: str = ""
    placement: str = ""
    """How the model was fitted into memory, and what else has a part in the picture."""
    versions: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    """Of a picture made elsewhere: `tool`, `file` and its `sha256`. What its tool does not say is
    unknown: seed -1, steps 0, guidance 0, and empty texts."""

    @property
    def full_prompt(self) -> str:
        """The prompt as the model reads it."""
        return f"{self.trigger_words}, {self.prompt}" if self.trigger_words else self.prompt

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as written into the PNG."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` wrote; unknown keys of a newer program are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["loras"] = tuple((str(n), str(h), float(w)) for n, h, w in known.get("loras", ()))
        known["lora_blocks"] = tuple(
            tuple((str(n), float(w)) for n, w in blocks) for blocks in known.get("lora_blocks", ())
        )
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on disk. Its id is the SHA-256 of the file's bytes."""

    id: str
    path: Path
    recipe: Recipe
    created: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One value of one metric for one picture or several, or the reason there is none."""

    image_id: str
    """The picture; the first one where the value belongs to several."""
    metric: str
    tier: str
    value: float | None
    reason: str | None
    detail: Mapping[str, Any]
    metric_version: str
    backbone: str
    revision: str
    preprocessing: str
    unit: tuple[str, ...] = ()
    """Ids of all pictures that the value belongs to; empty when `image_id` says it."""
    level: str = "image"
    """What one value belongs to: "image", "prompt" (of a model), or "model"."""


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A model's result under one metric: the mean over prompts with its 95 % interval."""

    model: str
    metric: str
    tier: str
    direction: str
    mean: float | None
    low: float | None
    high: float | None
    prompts: int
    images: int
    unscored: int
    reason: str | None = None
    """Why there is no mean, in the words of the most common unscored reason."""
    level: str = "image"
    """What one value of the metric belongs to: "image", "prompt" or "model"."""
    blank: int = 0
    """Pictures on which nothing is to be seen. Their values count: they are what the model made."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Run:
    """One plan of cells; the same plan again is the same run."""

    id: str
    created: str
    title: str
    models: tuple[str, ...]
    suite: str
    """Empty when the prompts were the person's own."""
    categories: tuple[str, ...]
    cells: int
    images: int
    """How many of the cells have their picture."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives the page: a row in the database."""

    id: str
    kind: JobKind
    state: JobState
    title: str
    run: str
    """The run it fills or scores; empty until known."""
    created: str
    started: str | None = None
    ended: str | None = None
    done: int = 0
    total: int = 0
    failed: int = 0
    seconds_left: float | None = None
    message: str = ""
    error: str | None = None
    after: str | None = None
    """Id of the job this one waits for."""
    step: int = 0
    steps: int = 0
    """Where the batch in flight stands."""
    priority: int = 0
    """Higher ones go first; equal ones in the order of the queue."""
    made: int = 0
    """Pictures that were drawn, not found; scores that were computed, not known."""

    @property
    def active(self) -> bool:
        """Whether anything is still to come of it: it waits, works or is paused."""
        return self.state in ("queued", "running", "paused")

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ImagePage:
    """One page of pictures and how many there are in all."""

    images: tuple[Image, ...]
    total: int
