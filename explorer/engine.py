"""Engine: drawing, scoring, fetching and importing, each as a generator of events.

What uses torch goes through one thread, what moves files through another. Leaving a
generator early stops its work.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import metrics
from explorer import analysis, imports
from explorer.answering import Answering
from explorer.bundle_import import BundleImport
from explorer.bundle_reader import Bundle
from explorer.checkpoints import read_checkpoint
from explorer.compute import ComputeThread, Tell
from explorer.downloads import Fetcher, FetchOptions
from explorer.events import Event, Notice
from explorer.generation import Generation
from explorer.library import ModelLibrary
from explorer.loading import Sources
from explorer.pipelines import PipelineManager
from explorer.placement import Wishes
from explorer.plans import Plan
from explorer.question_files import QuestionFiles
from explorer.reference_pictures import ReferencePictures
from explorer.requests import AnalyzeRequest, FetchRequest, ImportRequest
from explorer.samples import SampleMaker
from explorer.settings import Settings
from explorer.storage import RunRecord, Storage
from explorer.suites import SuiteLibrary
from explorer.types import Family, Image

Cancel = threading.Event | None


class Engine:
    """What does the work. The Python API, the queue, the page and the command line share it."""

    def __init__(
        self, settings: Settings, storage: Storage, library: ModelLibrary, suites: SuiteLibrary
    ) -> None:
        """Loads no model and starts no work."""
        self._settings = settings
        self._storage = storage
        self._library = library
        self._suites = suites
        self.pipelines = PipelineManager(
            Wishes(settings.device, settings.precision, settings.compile, settings.attention),
            Sources(settings.assets / "configs", self._part_folders),
        )
        self.features = metrics.FolderFeatures(settings.features, settings.features_mb * 1_000_000)
        self.fetcher = Fetcher(FetchOptions.from_settings(settings))
        self._compute = ComputeThread()
        self._files = ComputeThread()  # needs no torch, and must not wait for those who do

    def close(self) -> None:
        """Wait for the work to end, and free the model."""
        self._compute.close()
        self._files.close()
        self.pipelines.release()

    def draw(self, plan: Plan, cancel: Cancel) -> Iterator[Event]:
        """Draw what a plan holds and is not there yet.

        Raises:
            Cancelled: `cancel` was set; what was finished stays.
        """
        self._save_run(plan)
        abandoned = threading.Event()
        stop = _either(cancel, abandoned)

        def work(tell: Tell) -> None:
            Generation(plan, self.pipelines, self._storage, stop, tell).run()

        yield from self._compute.follow(work, abandoned)

    def analyze(
        self, request: AnalyzeRequest, images: list[Image], cancel: Cancel, key: SecretStr | None = None
    ) -> Iterator[Event]:
        """Score pictures; what is known is not computed again.

        Args:
            request: What to score.
            images: The pictures.
            cancel: Stops it.
            key: Of the answerer behind an API, for this analysis only; None takes that of the settings.

        Raises:
            Cancelled: `cancel` was set; what was finished stays.
        """
        abandoned = threading.Event()
        stop = _either(cancel, abandoned)
        settings = self._settings
        options = metrics.ScoreOptions(
            tier=request.tier,
            cache=self._storage.scores,
            features=self.features,
            download=request.download and not settings.offline,
            endpoint=settings.hf_endpoint,
            device=settings.device,
            cancel=stop,
            assets=settings.assets,
            reference=Path(request.reference) if request.reference else None,
        )

        maker = SampleMaker(
            ReferencePictures(settings.references), self._suites, QuestionFiles(settings.questions)
        )

        def work(tell: Tell) -> None:
            scoring = analysis.Analysis(images, request, self._storage, options, tell, maker)
            answering = Answering(settings)
            answerer = answering.source(request, key, stop, scoring.spent)
            if estimate := answering.estimate(request, len(images)):
                tell(Notice(estimate))
            scoring.options = replace(options, answerer=answerer)
            scoring.run()

        yield from self._compute.follow(work, abandoned)

    def fetch(self, request: FetchRequest, cancel: Cancel, token: SecretStr | None) -> Iterator[Event]:
        """Bring a model into the workspace; raises as `Fetcher.fetch` does."""
        abandoned = threading.Event()
        fetch = partial(self.fetcher.fetch, request, _either(cancel, abandoned), token=token)
        yield from self._files.follow(fetch, abandoned)

    def import_pictures(
        self, request: ImportRequest, cancel: Cancel, made: Callable[[str], None] = lambda run: None
    ) -> Iterator[Event]:
        """Take in pictures made elsewhere, as a run; what is there already is not taken twice.

        `made` is told the id of the run.
        """
        prompts, abandoned = imports.prompt_list(request, self._suites), threading.Event()
        stop = _either(cancel, abandoned)

        def work(tell: Tell) -> None:
            made(imports.PictureImport(request, prompts, self._storage, stop, tell).run())

        yield from self._files.follow(work, abandoned)

    def import_bundle(self, bundle: Bundle, cancel: Cancel) -> Iterator[Event]:
        """Take in somebody's results with their pictures, as a run."""
        abandoned = threading.Event()
        stop = _either(cancel, abandoned)

        def work(tell: Tell) -> None:
            BundleImport(bundle, self._storage, stop, tell).run()

        yield from self._files.follow(work, abandoned)

    def _part_folders(self, family: Family) -> list[Path]:
        """Folders that other checkpoints of the family may take missing parts from."""
        chosen = (read_checkpoint(folder) for folder in self._settings.part_folders)
        known = (*chosen, *self._library.checkpoints())
        return [c.path for c in known if c.layout == "diffusers" and c.family == family]

    def _save_run(self, plan: Plan) -> None:
        self._storage.save_run(
            RunRecord(
                id=plan.run,
                title=plan.title,
                models=tuple(model.name for model in plan.models),
                suite=plan.suite.id,
                categories=plan.suite.categories,
                request=plan.request.to_dict(),
                cells=tuple(cell.key for cell in plan.cells),
            )
        )


def _either(cancel: threading.Event | None, abandoned: threading.Event) -> Callable[[], bool]:
    """Whether the person stopped the work, or nobody follows it any more."""
    return lambda: abandoned.is_set() or (cancel is not None and cancel.is_set())
