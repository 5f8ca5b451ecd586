"""A night's work in one file: models x suites x seeds, and how the pictures are scored.

Plans are YAML that people write by hand and the page saves:

    format: 1
    models:
      - shapes-base
      - model: shapes-base
        loras: [outline:0.5, [outline:1, other:0.3]]    # each entry is one more model
    suites: [shapes, general]
    seeds: 4
    metrics: [clip_score]

Everything else is a field of `GenerateRequest` or `AnalyzeRequest` under its own name.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from explorer.errors import InvalidRequest
from explorer.requests import AnalyzeRequest, GenerateRequest, Sampling, SettingsChoice
from explorer.types import Tier

FORMAT = 1
MAX_FILE_BYTES = 5_000_000
MAX_SUITES = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """Several requests that differ in their suite only, and the scoring of each."""

    request: GenerateRequest
    """The first suite, or the person's own prompts."""
    more_suites: tuple[str, ...] = ()
    scoring: AnalyzeRequest = field(default_factory=AnalyzeRequest)

    @property
    def requests(self) -> tuple[GenerateRequest, ...]:
        """One request a suite; each becomes a run."""
        others = (replace(self.request, suite=suite, categories=()) for suite in self.more_suites)
        return (self.request, *others)


def read_batch(path: Path) -> Batch:
    """Read a plan file.

    Raises:
        InvalidRequest: It cannot be read, or is no plan; says what and where.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidRequest(f"{path.name} is larger than {MAX_FILE_BYTES // 1_000_000} MB: not a plan.")
        return parse_batch(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise InvalidRequest(f"Cannot read the plan {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path.name} is not UTF-8 text.") from error


def parse_batch(text: str, name: str = "The plan") -> Batch:
    """The batch that a plan's text describes.

    Raises:
        InvalidRequest: It is no plan; says what and where.
    """
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise InvalidRequest(f"{name}{line}: not valid YAML.") from error
    if not isinstance(data, dict):
        raise InvalidRequest(f"{name}: not a plan. It begins with `format: {FORMAT}` and names `models`.")
    try:
        return _PlanFile.model_validate(data).batch()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "plan"
        raise InvalidRequest(f"{name}: {place}: {first['msg']}.") from None


def write_batch(batch: Batch) -> str:
    """The text of a plan; `parse_batch` reads the same batch from it."""
    request, scoring = batch.request, batch.scoring
    data: dict[str, Any] = {"format": FORMAT, "models": list(request.models)}
    if request.prompts:
        data["prompts"] = list(request.prompts)
    else:
        data["suites"] = [request.suite, *batch.more_suites]
    usual = GenerateRequest(models=())
    for name in ("categories", "seeds", "first_seed", "settings", "trigger_words", "negative", "batch_size"):
        value = getattr(request, name)
        if value != getattr(usual, name) or name == "seeds":
            data[name] = list(value) if isinstance(value, tuple) else value
    sampling = {f.name: getattr(request.sampling, f.name) for f in fields(Sampling)}
    data["sampling"] = {name: value for name, value in sampling.items() if value is not None}
    data["metrics"], data["tier"] = list(scoring.metrics), scoring.tier
    if scoring.download:
        data["download"] = True
    for name in ("answerer", "most_requests", "most_dollars", "reference"):
        if getattr(scoring, name) not in ("", None):
            data[name] = getattr(scoring, name)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def _listed(value: Any) -> Any:
    """One name where a list of names is expected."""
    return [value] if isinstance(value, str) else value


_Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Strict(BaseModel):
    """A misspelled field is told, not ignored."""

    model_config = ConfigDict(extra="forbid")


class _WithLoras(_Strict):
    model: str
    loras: list[_Names]

    def names(self) -> list[str]:
        return ["+".join([self.model, *together]) for together in self.loras]


def _bare(value: Any) -> Any:
    """A model's name where LoRA sets could stand beside it."""
    return {"model": value, "loras": [[]]} if isinstance(value, str) else value


_Entry = Annotated[_WithLoras, BeforeValidator(_bare)]


class _PlanFile(_Strict):
    format: Literal[1]
    name: str = ""
    models: Annotated[list[_Entry], BeforeValidator(_listed), Field(min_length=1)]
    suites: Annotated[_Names, Field(max_length=MAX_SUITES)] = ()
    prompts: _Names = ()
    categories: _Names = ()
    seeds: int = 2
    first_seed: int = 0
    settings: SettingsChoice = "same"
    trigger_words: bool = False
    negative: str = ""
    batch_size: int | None = None
    sampling: Sampling = Field(default_factory=Sampling)
    metrics: _Names = AnalyzeRequest().metrics
    tier: Tier = "bundled"
    download: bool = False
    answerer: str = ""
    most_requests: int | None = None
    most_dollars: float | None = None
    reference: str = ""

    def batch(self) -> Batch:
        """As requests.

        Raises:
            InvalidRequest: Suites and prompts are both given, or neither.
        """
        if bool(self.suites) == bool(self.prompts):
            raise InvalidRequest("A plan names either `suites` or `prompts`.")
        if self.categories and len(self.suites) > 1:
            raise InvalidRequest("`categories` belong to one suite; this plan names several.")
        models = [name for entry in self.models for name in entry.names()]
        request = GenerateRequest(
            models=tuple(models),
            suite=self.suites[0] if self.suites else "",
            prompts=self.prompts,
            categories=self.categories,
            seeds=self.seeds,
            first_seed=self.first_seed,
            sampling=self.sampling,
            negative=self.negative,
            batch_size=self.batch_size,
            settings=self.settings,
            trigger_words=self.trigger_words,
        )
        scoring = AnalyzeRequest(
            self.metrics,
            self.tier,
            download=self.download,
            answerer=self.answerer,
            most_requests=self.most_requests,
            most_dollars=self.most_dollars,
            reference=self.reference,
        )
        return Batch(request, tuple(dict.fromkeys(self.suites[1:])), scoring)
