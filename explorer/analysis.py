"""Scores pictures: images x metrics -> score rows; events go to whoever follows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import metrics
from explorer.answering import check_answerer
from explorer.compute import Tell
from explorer.errors import Cancelled, InvalidRequest, ModelError, UnknownName
from explorer.events import Notice, Scored
from explorer.recipes import read_recipe
from explorer.requests import AnalyzeRequest
from explorer.samples import SampleMaker
from explorer.score_store import Unit
from explorer.storage import Storage
from explorer.tally import Tally, WatchedFeatures
from explorer.types import Image, Recipe, ScoreRow, Tier
from explorer.work_store import DEADLY, SCORE_MARK

NO_RECIPE = "(no recipe)"


@dataclass(slots=True)
class Analysis:
    """One execution of an analysis over pictures that exist, told through `tell`."""

    images: Sequence[Image]
    request: AnalyzeRequest
    storage: Storage
    options: metrics.ScoreOptions
    tell: Tell
    maker: SampleMaker
    _levels: dict[str, str] = field(default_factory=lambda: {c.id: c.level for c in metrics.list_metrics()})
    _units: dict[metrics.CacheKey, Unit] = field(default_factory=dict)
    _tally: Tally | None = None
    _spending: metrics.Spending | None = None
    _blamed: bool = False
    """Whether a process died here, and nothing new was scored since."""

    def run(self) -> None:
        """Score every picture with every metric; what is known is not computed again.

        Raises:
            Cancelled: The person stopped it; finished scores stay.
            ModelError: The program died here again and again.
        """
        deaths = self.storage.work.deaths([self._mark]).get(self._mark, 0)
        if deaths >= DEADLY:
            raise ModelError(
                f"The program ended {DEADLY} times at the same place of this scoring, so it was set aside. "
                "Retry it with fewer metrics or smaller networks."
            )
        self._blamed = deaths > 0
        with self.storage.work.marked([self._mark]):
            self._score()

    def spent(self, spending: metrics.Spending) -> None:
        """A service was asked: count what it cost, and tell."""
        self._spending = spending
        if self._tally is not None:
            self._tally.service = f"{self.request.answerer}: {spending.in_words()}"
            self.tell(self._tally.progress())

    @property
    def _mark(self) -> str:
        asked = self.request
        return SCORE_MARK + "|".join((asked.run or asked.folder, asked.tier, *asked.metrics))

    def _score(self) -> None:
        by_id = {image.id: image for image in self.images}
        samples = self.maker.samples(self.images)
        settled: dict[metrics.CacheKey, metrics.Score] = {}
        try:
            self._follow(samples, by_id, settled)
        finally:
            self.storage.scores.put_many(settled)
            self.storage.scores.link(self._units)

    def _follow(
        self,
        samples: Sequence[metrics.Sample],
        by_id: Mapping[str, Image],
        settled: dict[metrics.CacheKey, metrics.Score],
    ) -> None:
        tally = self._tally = Tally.of(list(by_id.values()), self.request.metrics)
        features = WatchedFeatures(self.options.features) if self.options.features is not None else None
        for event in metrics.score(samples, self.request.metrics, replace(self.options, features=features)):
            if isinstance(event, metrics.Scored):
                tally.scored(event)
                if event.cached or event.score.value is None:
                    # The library stores new values only. Reasons are worth keeping too, and
                    # a known value is stored anew, so that the newest row of a picture is
                    # always what the latest analysis said of it.
                    settled[event.recipe] = event.score
                elif self._blamed:
                    self.storage.work.survived(self._mark)
                    self._blamed = False
                row = score_row(event, self._levels[event.metric])
                if row.level != "image":
                    self._units[event.recipe] = Unit(row.level, row.unit)
                self.tell(Scored(by_id[event.sample.key], row, event.cached))
            elif isinstance(event, metrics.BackboneLoading):
                tally.loading(event)
                self.tell(tally.progress())
            elif isinstance(event, metrics.Downloading):
                tally.doing(event.message)
                self.tell(tally.progress(event.seconds_left))
            elif isinstance(event, metrics.Progress):
                self.tell(tally.progress(event.seconds_left))
            elif isinstance(event, metrics.Stopped):
                raise Cancelled("Stopped. What was finished is kept; starting again continues.")
        for text in tally.notices():
            self.tell(Notice(text))
        if self._spending is not None:
            self.tell(Notice(f"{self.request.answerer}: {self._spending.in_words()}."))
        # Features that were there already cost no pass: what such an analysis took says nothing.
        if features is None or not features.hits:
            self.storage.work.keep_scoring_speeds(self.options.device, tally.speeds())


def check(request: AnalyzeRequest) -> None:
    """Refuse an analysis that cannot be done.

    Raises:
        UnknownName: No such metric.
        InvalidRequest: No metric chosen, or an unknown tier.
    """
    if not request.metrics:
        raise InvalidRequest("Choose at least one metric.")
    known = [card.id for card in metrics.list_metrics()]
    for name in request.metrics:
        if name not in known:
            raise UnknownName("metric", name, known)
    if request.tier not in get_args(Tier):
        raise UnknownName("tier", request.tier, get_args(Tier))
    check_answerer(request)


def picture_files(folder: Path) -> list[Path]:
    """The picture files below a folder.

    Raises:
        InvalidRequest: No such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.")
    files = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in metrics.PICTURE_SUFFIXES and p.is_file()
    )
    if not files:
        raise InvalidRequest(f"There is no picture in {folder}. PNG, JPEG and WebP files are read.")
    return files


def folder_images(folder: Path) -> list[Image]:
    """The pictures of a folder made here or elsewhere.

    A picture without our recipe has no known prompt; metrics that need one say so.

    Raises:
        InvalidRequest: No such folder, or no picture in it.
    """
    return [_folder_image(path, folder) for path in picture_files(folder)]


def _folder_image(path: Path, folder: Path) -> Image:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        recipe = read_recipe(path)
    except OSError:
        recipe = None  # a damaged file stays in the list: the metrics say what is wrong with it
    created = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    return Image(digest, path, recipe or _unknown_recipe(path, folder), created)


def _unknown_recipe(path: Path, folder: Path) -> Recipe:
    """A picture that says nothing of itself belongs to the model its sub-folder is named after."""
    place = path.relative_to(folder).parts[:-1]
    return Recipe(
        model=place[0] if place else folder.resolve().name or NO_RECIPE,
        model_hash="",
        checkpoint_hash="",
        loras=(),
        prompt="",
        negative="",
        seed=0,
        sampler="",
        steps=0,
        guidance=0.0,
        width=0,
        height=0,
        prompt_id=path.name,
        suite="",
        category="",
        difficulty="",
        cell="",
    )


def score_row(event: metrics.Scored, level: str) -> ScoreRow:
    """A score of the metrics library as the record the rest of the program knows."""
    key = event.recipe
    return ScoreRow(
        image_id=event.sample.key,
        metric=event.metric,
        tier=key.tier,
        value=event.score.value,
        reason=event.score.reason,
        detail=event.score.detail,
        metric_version=key.metric_version,
        backbone=key.backbone,
        revision=key.revision,
        preprocessing=key.preprocessing,
        unit=tuple(sample.key for sample in event.group) if level != "image" else (),
        level=level,
    )
