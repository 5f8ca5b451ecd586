"""Named endpoints for gradio_client: one typed function each, JSON-plain in and out.

They are an interface that scripts rely on: names and order of parameters stay, new ones
are added at the end and are optional. Docstrings become the API page.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from explorer.answering import Answering, check_answerer
from explorer.api import Explorer
from explorer.errors import UnknownName
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, ImageQuery, Sampling
from explorer.types import Image
from explorer.ui.arena_endpoints import arena_endpoints
from explorer.ui.forms import read_secret, ui_errors
from explorer.ui.job_endpoints import job_endpoints

Record = dict[str, Any]
MAX_PAGE = 500
SORTS = ("prompt", "newest", "score")


def add_endpoints(explorer: Explorer) -> None:
    """Add every endpoint to the Blocks being built."""
    for make in (_listing, _work, job_endpoints, _getting, _results, arena_endpoints):
        for function in make(explorer):
            gr.api(function, api_name=function.__name__, concurrency_limit=None)
    _add_export(explorer)


def _listing(explorer: Explorer) -> list[Callable[..., Any]]:
    def list_models() -> list[Record]:
        """List the checkpoints and LoRAs that can be used.

        Returns:
            name, kind, family, size_mb and bundled of each, layout of checkpoints, and what its
            file says: variant, precision, parameters, missing parts, LoRA kind, rank and alpha,
            base, trigger_words, title, author, description, licence, page, recommended settings.
        """
        with ui_errors():
            checkpoints = [model.to_dict() for model in explorer.models()]
            return [*checkpoints, *(lora.to_dict() for lora in explorer.loras())]

    def list_suites() -> list[Record]:
        """List the prompt suites.

        Returns:
            id, name, version, description, licence, categories and number of prompts of each.
        """
        with ui_errors():
            return [suite.to_dict() for suite in explorer.suites()]

    def list_metrics() -> list[Record]:
        """List the metrics with their cards.

        Returns:
            The card of each: question, direction, range, formula, weaknesses, networks by tier.
        """
        with ui_errors():
            return [card.to_dict() for card in explorer.metrics()]

    return [list_models, list_suites, list_metrics]


def _work(explorer: Explorer) -> list[Callable[..., Any]]:
    def generate(
        models: list[str],
        suite: str = "shapes",
        seeds: int = 2,
        metrics: list[str] | None = None,
        steps: int = 20,
        sampler: str = "Automatic",
        guidance: float = 5.0,
        width: int | None = None,
        height: int | None = None,
        negative: str = "",
        prompts: list[str] | None = None,
        first_seed: int = 0,
        categories: list[str] | None = None,
        tier: str = "bundled",
        clip_skip: int = 1,
        long_prompts: bool = False,
        weighting: bool = False,
        settings: str = "same",
        trigger_words: bool = False,
        download: bool = False,
    ) -> Record:
        """Draw every prompt with every seed on every model, then score if metrics are given.

        Args:
            models: Names, with LoRAs as MODEL+LORA:0.8.
            suite: Id of a prompt suite; not used when prompts are given.
            seeds: How many seeds a prompt.
            metrics: Ids of metrics to score with afterwards; none scores nothing.
            steps: Denoising steps.
            sampler: Name of the sampler.
            guidance: Classifier-free guidance scale; 1 or less turns it off.
            width: Pixels; none takes the model's own.
            height: Pixels; none takes the model's own.
            negative: Negative prompt.
            prompts: Texts to draw instead of a suite.
            first_seed: The first of the seeds.
            categories: Only these categories of the suite; none takes all.
            tier: Size of the networks behind the metrics: bundled, standard or large.
            clip_skip: As in A1111; 1 is the model's own layer. SD 1.x, SD 2 and SDXL.
            long_prompts: Read prompts past 77 tokens instead of cutting them. The same families.
            weighting: Read (a red hat:1.3) and hat++ as weights. The same families.
            settings: same for all models, or own: each with the sampler, steps and guidance that its
                maker recommends, instead of those given here.
            trigger_words: Put the trigger words of a model's LoRAs before its prompts.
            download: Fetch the networks behind the metrics that are missing; /list_metrics says how large
                they are and under which licence.

        Returns:
            job and analyze_job: ids to follow with /job; the work goes on by itself.
            run: id of the run; empty until known, then /job has it.
        """
        with ui_errors():
            request = GenerateRequest(
                models=tuple(models),
                suite="" if prompts else suite,
                prompts=tuple(prompts or ()),
                categories=tuple(categories or ()),
                seeds=seeds,
                first_seed=first_seed,
                sampling=Sampling(
                    sampler, steps, guidance, width, height, clip_skip, long_prompts, weighting
                ),
                negative=negative,
                settings=_any(settings),
                trigger_words=trigger_words,
            )
            scoring = AnalyzeRequest(metrics=tuple(metrics or ()), tier=_any(tier), download=download)
            job, following = explorer.queue.submit_benchmark(request, scoring)
            return {"job": job.id, "analyze_job": following.id if following else None, "run": job.run}

    def analyze(
        run: str = "",
        metrics: list[str] | None = None,
        tier: str = "bundled",
        download: bool = False,
        answerer: str = "",
        most_requests: int | None = None,
        most_dollars: float | None = None,
        reference: str = "",
    ) -> Record:
        """Score the pictures of a run.

        Args:
            run: Id of the run; empty takes the latest.
            metrics: Ids of metrics; none takes clip_score.
            tier: Size of the networks: bundled, standard or large.
            download: Fetch the networks that are missing.
            answerer: Who answers questions about pictures: local:MODEL, gemini[:MODEL] or openai:MODEL; none
                takes the network of the tier. A service gets the pictures. Its key comes from the
                environment of the program only.
            most_requests: How many requests a service may get; none sets no limit.
            most_dollars: What they may cost; needs EXPLORER_ANSWER_PRICE.
            reference: Set of good pictures that whole folders are compared with, such as references/good.

        Returns:
            job: id to follow with /job. run: as given.
        """
        with ui_errors():
            request = AnalyzeRequest(
                tuple(metrics or ("clip_score",)),
                _any(tier),
                run=run,
                download=download,
                reference=reference,
                answerer=answerer,
                most_requests=most_requests,
                most_dollars=most_dollars,
            )
            check_answerer(request)
            Answering(explorer.settings).check_key(request)
            job = explorer.queue.submit(request)
            return {"job": job.id, "run": job.run}

    return [generate, analyze]


def _getting(explorer: Explorer) -> list[Callable[..., Any]]:
    def look_up_model(source: str, token: str = "") -> Record:
        """What Hugging Face or Civitai offers under a source; fetches nothing.

        Args:
            source: hf:owner/name[/file], civitai:ID[@VERSION], an AIR, a page's address, or a SHA-256.
            token: Of your account there; needed for some models, and not kept.

        Returns:
            name, kind, base, licence, gated, early_access, files (name, size in bytes, precision, usable,
            chosen), chosen_bytes, and choices: other versions, or the repositories of a collection.
        """
        with ui_errors():
            return explorer.fetcher.look_up(source, token=read_secret(token)).to_dict()

    def fetch_model(
        source: str, files: list[str] | None = None, name: str = "", variant: str = "", token: str = ""
    ) -> Record:
        """Fetch a model into the workspace, in the background.

        Args:
            source: As for /look_up_model.
            files: Names from the look-up; none takes those that are chosen there.
            name: What to call it here; empty takes its own name.
            variant: Preferred precision, such as fp16.
            token: Of your account there; kept in memory only, until the job has ended.

        Returns:
            job: id to follow with /job, in megabytes; /cancel_job stops it and keeps what arrived.
        """
        with ui_errors():
            request = FetchRequest(source, tuple(files or ()), variant, name)
            return {"job": explorer.queue.submit(request, token=read_secret(token)).id}

    return [look_up_model, fetch_model]


def _results(explorer: Explorer) -> list[Callable[..., Any]]:
    def images(
        run: str = "",
        model: str = "",
        limit: int = 60,
        offset: int = 0,
        search: str = "",
        category: str = "",
        difficulty: str = "",
        seed: int | None = None,
        sort: str = "prompt",
        metric: str = "clip_score",
        lowest: float | None = None,
        highest: float | None = None,
        favourite: bool = False,
        stars: int = 0,
    ) -> Record:
        """List pictures with their recipes and scores.

        Args:
            run: Id of a run; empty takes every run.
            model: Name of a model; empty takes all.
            limit: At most this many, up to 500.
            offset: How many to leave out at the start.
            search: Words that the prompt must hold, in any order.
            category: Of the prompt; empty takes all.
            difficulty: easy, medium or hard; empty takes all.
            seed: Only this one.
            sort: prompt, newest or score.
            metric: What score sorts by, best first, and what lowest and highest bound.
            lowest: Only pictures with at least this value.
            highest: Only pictures with at most this value.
            favourite: Only pictures that are marked so.
            stars: Only pictures with at least so many, 1 to 5.

        Returns:
            total: how many there are. images: id, recipe fields and scores (by metric) of each.
        """
        with ui_errors():
            known = [record.id for record in explorer.runs()]
            if run and run not in known:
                raise UnknownName("run", run, known)
            if sort not in SORTS:
                raise UnknownName("order", sort, SORTS)
            query = ImageQuery(
                run=run,
                model=model,
                category=category,
                sort=_any(sort),
                metric=metric,
                offset=max(0, offset),
                limit=min(max(1, limit), MAX_PAGE),
                search=search,
                difficulty=difficulty,
                seed=seed,
                favourite=favourite,
                stars=stars,
                lowest=lowest,
                highest=highest,
            )
            page = explorer.images(query)
            return {"total": page.total, "images": [_image(explorer, image) for image in page.images]}

    def scores(run: str = "") -> list[Record]:
        """Every score of a run, with its evidence, or the reason there is none.

        Args:
            run: Id of the run; empty takes the latest.

        Returns:
            One record a picture and metric.
        """
        with ui_errors():
            return [asdict(row) for row in explorer.scores(run)]

    def leaderboard(run: str = "") -> list[Record]:
        """Each model's mean over prompts with its 95 % interval, best first.

        Args:
            run: Id of the run; empty takes the latest.

        Returns:
            One record a model and metric.
        """
        with ui_errors():
            return [row.to_dict() for row in explorer.leaderboard(run)]

    return [images, scores, leaderboard]


def _image(explorer: Explorer, image: Image) -> Record:
    scores = {row.metric: row.value for row in explorer.image_scores(image.id)}
    return {"id": image.id, "created": image.created, **image.recipe.to_dict(), "scores": scores}


def _add_export(explorer: Explorer) -> None:
    """A file as a result needs components; these are never drawn."""

    def export(format: str = "csv", run: str = "", table: str = "leaderboard") -> str:
        """Download the results of a run.

        Args:
            format: csv, json, parquet, html (one page to read), or bundle (a zip that another workspace
                imports).
            run: Id of the run; empty takes the latest.
            table: For csv and parquet: leaderboard, scores, wide (a row a model) or pairs (every two
                models). The others have everything.

        Returns:
            A file.
        """
        with ui_errors():
            return str(explorer.export(_any(format), run=run, table=_any(table)))

    inputs = [gr.Textbox("csv", visible=False), gr.Textbox("", visible=False)]
    table = gr.Textbox("leaderboard", visible=False)
    file = gr.File(visible=False)
    gr.Button(visible=False).click(export, [*inputs, table], file, api_name="export", concurrency_limit=None)


def _any(value: str) -> Any:
    """A text from outside where a fixed choice is expected; the core checks it and says so."""
    return value
