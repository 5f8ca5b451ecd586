"""What people ask for: requests, and the choices in them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from explorer.types import Tier

SettingsChoice = Literal["same", "own"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a picture is drawn, apart from model, prompt and seed."""

    sampler: str = "Automatic"
    """A name of `samplers.sampler_names`; automatic takes what suits the model's family."""
    steps: int = 20
    guidance: float = 5.0
    """Classifier-free guidance scale (CFG); 1 or less turns guidance off."""
    width: int | None = None
    """Pixels; None takes the size the model was trained for."""
    height: int | None = None
    clip_skip: int = 1
    """CLIP layer that prompts are read from, as in A1111: 1 is the model's own, 2 the one before."""
    long_prompts: bool = False
    """Read prompts past 77 tokens in pieces instead of cutting them (SD and SDXL)."""
    weighting: bool = False
    """Read `(a red hat:1.3)` and `hat++` as weights (SD and SDXL)."""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Draw every prompt with every seed on every model."""

    models: tuple[str, ...]
    """Ids, names or paths, each with LoRAs as `MODEL+LORA:0.8`."""
    suite: str = ""
    """Suite id, or the path of a suite file."""
    prompts: tuple[str, ...] = ()
    """Texts of the person's own, used instead of a suite."""
    categories: tuple[str, ...] = ()
    """Only these categories of the suite; empty takes all."""
    seeds: int = 2
    """How many seeds a prompt: `first_seed`, `first_seed + 1`, ..."""
    first_seed: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    negative: str = ""
    batch_size: int | None = None
    """Seeds drawn together; None lets the device decide."""
    settings: SettingsChoice = "same"
    """`same` draws every model with `sampling`; `own` takes the sampler, steps and guidance that
    each one's maker recommends, and those of `sampling` do not count."""
    trigger_words: bool = False
    """Put the trigger words of a model's LoRAs before its prompts. Metrics still ask for the
    prompt as it was written."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        values = dict(data)
        values["sampling"] = Sampling(**values.get("sampling", {}))
        for name in ("models", "prompts", "categories"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class AnalyzeRequest:
    """Score the pictures of a run, or of a folder."""

    metrics: tuple[str, ...] = ("clip_score",)
    tier: Tier = "bundled"
    run: str = ""
    """The run to score; empty takes the latest."""
    folder: str = ""
    """A folder of PNG files instead of a run (command line only)."""
    download: bool = False
    """Whether weights that are not on this computer may be fetched. Without it their metrics
    are unscored, with what to fetch as the reason."""
    models: tuple[str, ...] = ()
    """Only the pictures of these models; empty takes all."""
    reference: str = ""
    """What whole folders are compared with: the name of a set in the workspace, see
    `reference_choices`; or a path, for who owns the disk. Empty takes the references of the prompts."""
    answerer: str = ""
    """What answers questions about pictures, as `local:NAME`, `gemini:MODEL` or `openai:MODEL`;
    empty takes the network of the tier. A key is never part of a request."""
    most_requests: int | None = None
    """How many requests an answerer behind an API may get in this analysis; None: any number."""
    most_dollars: float | None = None
    """What they may cost; needs the setting `answer_price`."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        lists = {name: tuple(data.get(name, ())) for name in ("metrics", "models")}
        return cls(**{**data, **lists})


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Bring a model from Hugging Face or Civitai into the workspace. Never holds a token."""

    source: str
    """`hf:owner/name[/file]`, `civitai:ID[@VERSION]`, an AIR, a page address, or a hash."""
    files: tuple[str, ...] = ()
    """Names as the look-up gives them; empty takes what the offer chooses."""
    variant: str = ""
    """Preferred precision, such as `fp16`; empty takes the usual files."""
    name: str = ""
    """What the model is to be called here; empty takes the site's name."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        return cls(**{**data, "files": tuple(data.get("files", ()))})


ImportLayout = Literal["auto", "gen", "metadata", "ours", "folders"]


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Take in pictures made elsewhere, as a run."""

    folder: str
    layout: ImportLayout = "auto"
    """`gen`: `MODEL/gen_000.png` in the order of a prompt list. `metadata`: the recipe is read
    from each picture. `ours`: pictures of this program. `auto` finds out. `folders`: like `auto`,
    and a picture without a recipe belongs to the model its sub-folder is named after."""
    prompts: str = ""
    """A text, CSV, JSON or suite file with the prompts, in order."""
    suite: str = ""
    """Id of a suite, instead of a file."""
    seeds: int = 1
    """Of `gen` without seed folders: file number = prompt number x seeds + place of the seed."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Better names: name as read -> name to use. The key `*` names all pictures."""
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored with a job."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_dict` wrote."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Which pictures, in which order, which page."""

    run: str = ""
    model: str = ""
    prompt_id: str = ""
    category: str = ""
    sort: Literal["prompt", "newest", "score"] = "prompt"
    metric: str = "clip_score"
    """What `score` sorts by, best first, and what `lowest` and `highest` bound."""
    offset: int = 0
    limit: int = 60
    search: str = ""
    """Words that the prompt must hold, each of them, in any order and case."""
    difficulty: str = ""
    seed: int | None = None
    group: Literal["", "prompt", "model"] = ""
    """What belongs together comes together; `sort` then orders within each group."""
    favourite: bool = False
    """Only pictures that somebody marked as favourites."""
    stars: int = 0
    """Only pictures with at least so many stars, 1 to 5; 0 takes all."""
    lowest: float | None = None
    """Only pictures whose newest value of `metric` is at least this."""
    highest: float | None = None
    failed: bool = False
    """Only pictures of which a question of `metric` was answered wrongly, or whose prompt a detector
    did not find fulfilled."""
