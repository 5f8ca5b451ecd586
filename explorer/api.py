"""Explorer: the plain Python API. The page, the command line and scripts all use it.

It composes the other modules and holds no logic of its own beyond that. One Explorer is
made in `benchmark_app.py` and passed down.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

import metrics
from explorer import analysis, imports, statistics
from explorer.answering import Answering, scores_asked_for
from explorer.arena import Arena
from explorer.bundle_reader import Bundle
from explorer.checkpoints import native_size
from explorer.comparisons import Comparison
from explorer.engine import Engine
from explorer.errors import Cancelled, InvalidRequest
from explorer.estimates import Preview, Timings, preview
from explorer.events import Event, Progress
from explorer.exports import Export, ExportFormat, export_results
from explorer.folders import check_folder
from explorer.gallery import Gallery
from explorer.hashing import HashThread
from explorer.job_store import Request
from explorer.jobs import Checked, Queue
from explorer.library import ModelLibrary
from explorer.plans import Plan, Planner, count_cells
from explorer.recipes import parameters_text
from explorer.reference_choices import check_reference
from explorer.references import looks_like_path
from explorer.reports import Results, TableName
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, ImageQuery, ImportRequest
from explorer.samplers import sampler_names
from explorer.selections import Selections
from explorer.settings import Settings
from explorer.storage import Storage
from explorer.suites import SuiteLibrary
from explorer.summaries import Summary, summarize
from explorer.types import (
    Checkpoint,
    Image,
    ImagePage,
    Job,
    LeaderboardRow,
    Lora,
    Run,
    ScoreRow,
    Suite,
)
from explorer.worker import Lane
from metrics import BackboneCard


class Explorer:
    """Everything the program can do, without a page."""

    def __init__(self, settings: Settings) -> None:
        """Open the workspace. Loads no model and starts no work.

        Raises:
            StorageError: The workspace cannot be written.
        """
        self.settings = settings
        self.storage = Storage(settings.images, settings.thumbnails, settings.database)
        folders = (settings.root / "models", *settings.model_folders)
        self.library = ModelLibrary(folders, settings.assets, self.storage.models)
        self._hashing = HashThread(self.library.weight_files, self.storage.models)
        self._suites = SuiteLibrary(settings.prompts, settings.suites)
        self.engine = Engine(settings, self.storage, self.library, self._suites)
        self.pipelines, self.fetcher = self.engine.pipelines, self.engine.fetcher
        self.arena = Arena(self.storage, settings.arena)
        self.gallery = Gallery(self.storage, settings)
        self.selections = Selections(settings, self.storage, self.engine.features)
        """Which pictures are meant, and what is known of them."""
        self._planner = Planner(self.library, self._suites, self.storage.file_hash)
        self.storage.work.count_deaths()
        self.queue = Queue(self.storage.jobs, self.storage.work, self._check, self._lanes(settings))
        """Work that outlives the page."""

    def close(self) -> None:
        """Stop the worker within one step, free the model, and release the database."""
        self.queue.stop()
        self.library.close()
        self._hashing.stop()
        self.engine.close()
        self.arena.close()
        self.storage.close()

    # what there is

    def models(self) -> list[Checkpoint]:
        """Every checkpoint found: the person's and the bundled ones."""
        return self.library.checkpoints()

    def loras(self) -> list[Lora]:
        """Every LoRA found."""
        return self.library.loras()

    def samplers(self) -> list[str]:
        """The samplers that can be chosen."""
        return sampler_names()

    def suites(self) -> list[Suite]:
        """Every prompt suite that can be read."""
        return self._suites.all()

    def suite(self, suite_id: str) -> Suite:
        """One suite; unknown ids raise with near names."""
        return self._suites.get(suite_id)

    def metrics(self) -> list[metrics.MetricCard]:
        """The card of every metric."""
        return metrics.list_metrics()

    def needed_downloads(self, request: AnalyzeRequest) -> list[BackboneCard]:
        """What an analysis would have to fetch first: networks with their sizes and licences."""
        answerer = Answering(self.settings).source(request)
        return metrics.needed_downloads(
            request.metrics, request.tier, self.settings.assets, answerer=answerer
        )

    def native_size(self, model: str) -> tuple[int, int]:
        """Width and height in pixels that a model was trained for."""
        return native_size(self.library.resolve(model).checkpoint)

    def plan(self, request: GenerateRequest) -> Plan:
        """Spell a request out as cells, or raise saying what to change."""
        return self._planner.plan(request)

    def plan_size(self, request: GenerateRequest) -> int:
        """How many pictures a request asks for; reads no model file."""
        return count_cells(request, *self._planner.check(request))

    # work, right here

    def generate(self, request: GenerateRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        """Draw what a request asks for and is not there yet.

        Raises:
            InvalidRequest: Before anything is drawn; says what to change.
            Cancelled: `cancel` was set; what was finished stays.
        """
        yield from self.engine.draw(self.plan(request), cancel)

    def analyze(
        self, request: AnalyzeRequest, cancel: threading.Event | None = None, key: SecretStr | None = None
    ) -> Iterator[Event]:
        """Score the pictures of a run or a folder; what is known is not computed again.

        Args:
            request: What to score.
            cancel: Stops it.
            key: Of an answerer behind an API, for this analysis only; None takes that of the settings.

        Raises:
            InvalidRequest: Before anything is scored; says what to change.
            Cancelled: `cancel` was set; what was finished stays.
        """
        analysis.check(request)
        yield from self.engine.analyze(request, self._chosen_images(request), cancel, key)

    def fetch(
        self, request: FetchRequest, cancel: threading.Event | None = None, token: SecretStr | None = None
    ) -> Iterator[Event]:
        """Bring a model into the workspace; raises as `Fetcher.fetch` does."""
        yield from self.engine.fetch(request, cancel, token)

    def preview_import(self, request: ImportRequest) -> imports.ImportPreview:
        """How the pictures of a folder would map to models, prompts and seeds."""
        return imports.preview(request, imports.prompt_list(request, self._suites))

    def import_pictures(
        self, request: ImportRequest, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Take in pictures made elsewhere, as a run; what is there already is not taken twice."""
        yield from self.engine.import_pictures(request, cancel)

    def import_bundle(self, bundle: Bundle, cancel: threading.Event | None = None) -> Iterator[Event]:
        """Take in a results bundle that `read_bundle` has checked, as a run with its scores."""
        yield from self.engine.import_bundle(bundle, cancel)

    def start(self) -> None:
        """Begin to work on the queue; jobs that a crash interrupted continue."""
        self.queue.start()
        self._hashing.start()

    def preview(self, request: GenerateRequest) -> Preview:
        """What a request would take: pictures, what is there already, time and disk.

        Raises:
            InvalidRequest: It cannot be done; says what to change.
        """
        plan = self.plan(request)
        return preview(
            [cell.recipe for cell in plan.cells],
            self.storage.known_cells([cell.key for cell in plan.cells]),
            self._timings(),
            self.storage.disk(),
        )

    def summary(self, since: datetime) -> Summary:
        """What ended since a moment: what was made, what failed and why, who leads."""
        return summarize(self.queue, self.leaderboard, since.astimezone(UTC).isoformat())

    # results

    def runs(self) -> list[Run]:
        """Every run, newest first."""
        return self.storage.runs()

    def images(self, query: ImageQuery) -> ImagePage:
        """One page of pictures."""
        directions = {card.id: card.direction for card in metrics.list_metrics()}
        return self.storage.page(query, higher_is_better=directions.get(query.metric) != "lower")

    def image(self, image_id: str) -> Image:
        """One picture; unknown ids raise."""
        return self.storage.image(image_id)

    def thumbnail(self, image_id: str) -> Path:
        """A small WebP copy of a picture, made on first use."""
        return self.storage.thumbnail(self.image(image_id))

    def recipe_text(self, image_id: str) -> str:
        """The recipe of a picture as other tools write it."""
        return parameters_text(self.image(image_id).recipe)

    def image_scores(self, image_id: str) -> list[ScoreRow]:
        """The scores of one picture."""
        return self.storage.scores.of_image(image_id)

    def scores(self, run: str = "") -> list[ScoreRow]:
        """Every score of a run; the latest run when none is named."""
        return list(self.results(run).scores)

    def leaderboard(self, run: str = "") -> list[LeaderboardRow]:
        """Means with 95 % intervals, best first; of the latest run when none is named."""
        return list(self.results(run).leaderboard)

    def results(self, run: str = "", models: Sequence[str] = ()) -> Results:
        """Pictures, scores and leaderboard of a run; of the latest when none is named.

        Args:
            run: Id of the run.
            models: Only these; empty takes all.
        """
        run = self.selections.run_id(run)
        images = self.selections.pictures([run], models)
        return self._results(run, images, self.storage.scores.of_images([image.id for image in images]))

    def results_for(self, request: AnalyzeRequest) -> Results:
        """The pictures a request names, with the scores of its metrics and tier only."""
        run = "" if request.folder else self.selections.run_id(request.run)
        images = self._chosen_images(request)
        scores = self.storage.scores.of_images([image.id for image in images])
        return self._results(run, images, scores_asked_for(request, scores))

    def comparisons(self, run: str = "") -> list[Comparison]:
        """Every two models under every metric: better, worse, or not separable."""
        return self.results(run).comparisons()

    def export(
        self,
        format: ExportFormat,
        path: Path | None = None,
        run: str = "",
        table: TableName = "leaderboard",
        models: Sequence[str] = (),
    ) -> Path:
        """Write the results of a run, or of some of its models, to a file and return where it is.

        Raises:
            InvalidRequest: There is no such run, format or table.
            StorageError: The file cannot be written.
        """
        results = self.results(run, models)
        title = next((each.title for each in self.runs() if each.id == results.run), "")
        votes = self.arena.votes_on(image.id for image in results.images) if format == "bundle" else ()
        wanted = Export(format, table, title=title, votes=votes)
        path = path or self.settings.exports / wanted.file_name(results.run)
        export_results(results, wanted, path, self.storage.thumbnail)
        return path

    # inside

    def _timings(self) -> Timings:
        """The speeds of the device in use. Finding out which that is imports torch: only if need be."""
        measured = self.storage.work.devices()
        if not measured:
            return Timings()
        device = measured[0] if len(measured) == 1 else self.pipelines.placement().device
        return self.storage.work.timings(device)

    def _lanes(self, settings: Settings) -> list[Lane]:
        """Fetching and importing need no torch, and go on beside drawing and scoring."""
        computing = Lane(
            ("generate", "analyze"), settings.root / "worker.lock", self._execute, self.pipelines.release
        )
        return [computing, Lane(("fetch", "import"), settings.root / "fetcher.lock", self._execute)]

    def _execute(self, job: Job, request: Request, cancel: threading.Event) -> Iterator[Event]:
        if isinstance(request, GenerateRequest):
            yield Progress(0, job.total, "reading the models")
            plan = self._planner.plan_later(request)
            self.storage.jobs.update(job.id, run=plan.run)
            yield from self.engine.draw(plan, cancel)
        elif isinstance(request, FetchRequest):
            yield from self.fetch(request, cancel, self.queue.take_token(job.id))
        elif isinstance(request, ImportRequest):
            check_folder(request.folder, self.settings)  # who may read what can have changed since
            runs: list[str] = []
            yield from self.engine.import_pictures(request, cancel, runs.append)
            self.storage.jobs.update(job.id, run=runs[0])
        else:
            run = request.run or job.run or (self.queue.get(job.after).run if job.after else "")
            run = self.selections.run_id(run)
            self.storage.jobs.update(job.id, run=run)
            key = self.queue.take_token(job.id)
            try:
                yield from self.analyze(replace(request, run=run), cancel, key)
            except Cancelled:
                if self.queue.get(job.id).active:
                    self.queue.keep_token(job.id, key)  # paused: it goes on with the same key
                raise

    def _check(self, request: Request) -> Checked:
        """A request as a job is made of it, or why it cannot be done."""
        if isinstance(request, AnalyzeRequest):
            analysis.check(request)
            if request.folder:
                raise InvalidRequest("Folders can be scored on the command line only.")
            if metrics.is_folder(request.answerer):
                raise InvalidRequest("An answerer in a folder can be chosen on the command line only.")
            if request.run:
                self.selections.run_id(request.run)
            if request.reference:
                request = replace(request, reference=str(check_reference(request.reference, self.settings)))
            names = ", ".join(metrics.get_card(name).name for name in request.metrics)
            return Checked(request, f"Score with {names}", 0)
        if isinstance(request, FetchRequest):
            request = self.fetcher.without_secrets(request)  # a pasted address may hold a token
            return Checked(request, f"Fetch {request.source}", 0)
        if isinstance(request, ImportRequest):
            folder = check_folder(request.folder, self.settings)
            return Checked(replace(request, folder=str(folder)), f"Pictures of {folder.name}", 0)
        if any(looks_like_path(name) for name in (*request.models, request.suite)):
            raise InvalidRequest("Choose models and suites by name; paths work on the command line only.")
        models, suite = self._planner.check(request)
        shown = " vs ".join(model.name for model in models[:3])
        title = f"{shown}{' ...' if len(models) > 3 else ''} on {suite.name}"
        return Checked(request, title, count_cells(request, models, suite))

    def _chosen_images(self, request: AnalyzeRequest) -> list[Image]:
        if request.folder:
            return analysis.folder_images(Path(request.folder))
        return self.selections.pictures([request.run], request.models)

    def _results(self, run: str, images: list[Image], scores: list[ScoreRow]) -> Results:
        directions = {card.id: card.direction for card in metrics.list_metrics()}
        return Results(run, images, scores, statistics.leaderboard(images, scores, directions))
