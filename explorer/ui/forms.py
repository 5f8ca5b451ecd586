"""Widgets to request dataclasses, and errors to what a person sees.

The attributes of a form carry the names of the request's fields; a test holds the two
together. Nothing here talks to the Explorer.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import gradio as gr
from gradio.components import Component
from pydantic import SecretStr

from explorer.batches import Batch
from explorer.errors import ExplorerError, InvalidRequest
from explorer.requests import AnalyzeRequest, GenerateRequest, ImageQuery, Sampling

FormData = Mapping[Component, Any]
Source = Literal["suite", "own"]
UNEXPECTED = "Something went wrong that should not have. The program's log has the details."

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenerateForm:
    """The widgets of a `GenerateRequest`, its `Sampling` spread out between them.

    What may stay blank is a textbox: Gradio's number field turns blank into 0.
    """

    models: gr.Dropdown
    source: gr.Radio
    """Only on the page: whether the suite or the person's own prompts are meant."""
    suite: gr.Dropdown
    """Several suites may be chosen; each becomes a run of its own."""
    categories: gr.Dropdown
    trigger_words: gr.Checkbox
    prompts: gr.Textbox
    seeds: gr.Number
    first_seed: gr.Number
    settings: gr.Radio
    sampler: gr.Dropdown
    steps: gr.Number
    guidance: gr.Number
    width: gr.Textbox
    height: gr.Textbox
    clip_skip: gr.Number
    long_prompts: gr.Checkbox
    weighting: gr.Checkbox
    negative: gr.Textbox
    batch_size: gr.Textbox


@dataclass(frozen=True)
class ScoreForm:
    """The widgets of an `AnalyzeRequest`; the run comes from elsewhere on the page."""

    metrics: gr.Dropdown | gr.HTML
    """A list to pick from, or cards to tick; either way its value is a list of ids."""
    tier: gr.Dropdown
    download: gr.Checkbox
    """Shown only where something would have to be fetched."""


@dataclass(frozen=True)
class GalleryForm:
    """The widgets of an `ImageQuery`; the page number and size come from the tab."""

    run: gr.Dropdown
    model: gr.Dropdown
    category: gr.Dropdown
    sort: gr.Dropdown
    metric: gr.Dropdown
    search: gr.Textbox
    difficulty: gr.Dropdown
    seed: gr.Textbox
    group: gr.Dropdown
    favourite: gr.Checkbox
    stars: gr.Dropdown
    lowest: gr.Textbox
    highest: gr.Textbox
    failed: gr.Checkbox


def widgets(*forms: GenerateForm | ScoreForm | GalleryForm) -> set[Component]:
    """Every widget of these forms, as the inputs of an event."""
    return {getattr(form, field.name) for form in forms for field in fields(form)}


def read_batch(form: GenerateForm, score: ScoreForm, data: FormData) -> Batch:
    """Everything that filled-in forms ask for: one request a suite, and the scoring.

    Raises:
        InvalidRequest: A field holds no usable value; says which.
    """
    suites = tuple(data[form.suite] or ()) if data[form.source] != "own" else ()
    return Batch(read_generate(form, data), suites[1:], read_analyze(score, data))


def read_generate(form: GenerateForm, data: FormData) -> GenerateRequest:
    """The request that a filled-in form asks for, of several suites with the first one.

    Raises:
        InvalidRequest: A field holds no usable value; says which.
    """
    own = data[form.source] == "own"
    prompts = tuple(line.strip() for line in str(data[form.prompts] or "").splitlines() if line.strip())
    if own and not prompts:
        raise InvalidRequest("Write at least one prompt, one a line, or choose a suite.")
    suites = tuple(data[form.suite] or ())
    return GenerateRequest(
        models=tuple(data[form.models] or ()),
        suite="" if own or not suites else str(suites[0]),
        prompts=prompts if own else (),
        # The categories of one suite are not those of another.
        categories=tuple(data[form.categories] or ()) if len(suites) == 1 and not own else (),
        seeds=_whole("number of seeds", data[form.seeds]),
        first_seed=_whole("first seed", data[form.first_seed]),
        sampling=read_sampling(form, data),
        negative=str(data[form.negative] or "").strip(),
        batch_size=_whole_or_blank("batch size", data[form.batch_size]),
        settings=data[form.settings],
        # With prompts of one's own, the words are clicked into them.
        trigger_words=bool(data[form.trigger_words]) and not own,
    )


def fill_forms(form: GenerateForm, score: ScoreForm, batch: Batch) -> dict[Component, Any]:
    """The values of the widgets that ask for a batch; `read_batch` reads the same from them."""
    request, sampling = batch.request, batch.request.sampling
    own = bool(request.prompts)
    values: dict[Component, Any] = {
        getattr(form, name): getattr(request, name)
        for name in ("seeds", "first_seed", "settings", "negative", "trigger_words")
    }
    values |= {
        getattr(form, name): getattr(sampling, name)
        for name in ("sampler", "steps", "guidance", "clip_skip", "long_prompts", "weighting")
    }
    blank = {"width": sampling.width, "height": sampling.height, "batch_size": request.batch_size}
    values |= {getattr(form, name): "" if value is None else str(value) for name, value in blank.items()}
    return values | {
        form.models: list(request.models),
        form.source: "own" if own else "suite",
        form.suite: gr.skip() if own else [request.suite, *batch.more_suites],
        form.categories: list(request.categories),
        form.prompts: "\n".join(request.prompts) if own else gr.skip(),
        score.metrics: list(batch.scoring.metrics),
        score.tier: batch.scoring.tier,
        score.download: batch.scoring.download,
    }


def read_sampling(form: GenerateForm, data: FormData) -> Sampling:
    """The settings of the form; what each model brings itself is not read.

    Raises:
        InvalidRequest: A field holds no usable value; says which.
    """
    sampling = Sampling(
        width=_whole_or_blank("width", data[form.width]),
        height=_whole_or_blank("height", data[form.height]),
        clip_skip=_whole("clip skip", data[form.clip_skip]),
        long_prompts=bool(data[form.long_prompts]),
        weighting=bool(data[form.weighting]),
    )
    if data[form.settings] == "own":
        return sampling
    return replace(
        sampling,
        sampler=data[form.sampler],
        steps=_whole("number of steps", data[form.steps]),
        guidance=_number("guidance scale", data[form.guidance]),
    )


def read_analyze(
    form: ScoreForm, data: FormData, run: str = "", models: Sequence[str] = ()
) -> AnalyzeRequest:
    """The request to score a run, or some of its models, with the chosen metrics."""
    return AnalyzeRequest(
        metrics=tuple(data[form.metrics] or ()),
        tier=data[form.tier],
        run=run,
        download=bool(data[form.download]),
        models=tuple(models),
    )


def read_gallery(form: GalleryForm, data: FormData) -> ImageQuery:
    """The first page of the pictures that the pickers ask for."""
    return ImageQuery(
        run=data[form.run] or "",
        model=data[form.model] or "",
        category=data[form.category] or "",
        sort=data[form.sort],
        metric=data[form.metric] or "",
        search=str(data[form.search] or "").strip(),
        difficulty=data[form.difficulty] or "",
        seed=_whole_or_blank("seed", data[form.seed]),
        group=data[form.group] or "",
        favourite=bool(data[form.favourite]),
        stars=int(data[form.stars] or 0),
        lowest=_number_or_blank("lowest score", data[form.lowest]),
        highest=_number_or_blank("highest score", data[form.highest]),
        failed=bool(data[form.failed]),
    )


def read_secret(text: str | None) -> SecretStr | None:
    """A token as written, out of sight of logs; None when nothing was written."""
    return SecretStr(text) if text and text.strip() else None


def read_limit(name: str, value: str | None) -> float | None:
    """A limit of nought or more; None when none was written.

    Raises:
        InvalidRequest: It is no such number; says which field.
    """
    limit = _number_or_blank(name, value)
    if limit is not None and not 0 <= limit < float("inf"):
        raise InvalidRequest(f"The {name} must be 0 or more.")
    return limit


@contextmanager
def ui_errors() -> Iterator[None]:
    """Turn exceptions into what a person can act on; the unexpected goes to the log."""
    try:
        yield
    except ExplorerError as error:
        raise gr.Error(str(error), print_exception=False) from None
    except gr.Error:
        raise
    except Exception:
        _log.exception("An event of the page failed")
        raise gr.Error(UNEXPECTED, print_exception=False) from None


def _number(name: str, value: Any) -> float:
    if value is None or value == "":
        raise InvalidRequest(f"The {name} is empty; give a number.")
    try:
        return float(value)
    except ValueError:
        raise InvalidRequest(f"The {name} must be a number, not {value!r}.") from None


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise InvalidRequest(f"The {name} must be a whole number, not {number:g}.")
    return int(number)


def _whole_or_blank(name: str, value: str | None) -> int | None:
    text = (value or "").strip()
    return _whole(name, text) if text else None


def _number_or_blank(name: str, value: str | None) -> float | None:
    text = (value or "").strip()
    return _number(name, text) if text else None
