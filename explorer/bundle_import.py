"""Takes a results bundle into the workspace: its pictures as a run, with their scores."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from explorer.bundle_reader import Bundle
from explorer.bundles import Record
from explorer.compute import Tell
from explorer.errors import Cancelled, InvalidRequest
from explorer.events import Failed, ImageDone, Notice, Progress
from explorer.image_store import image_path
from explorer.imports.foreign import label
from explorer.imports.mapping import our_recipe
from explorer.imports.pictures import Unusable, as_png, inspect
from explorer.plans import digest
from explorer.recipes import JSON_KEY
from explorer.score_store import Unit
from explorer.storage import PNG_END, RunRecord, Storage
from explorer.types import Recipe, ScoreRow
from metrics import CacheKey, Score

IMPORTED = "imported"
"""In place of the hash of what a metric read. It equals none, so that a score from elsewhere is
shown but never answers an analysis made here."""


@dataclass(slots=True)
class BundleImport:
    """One execution of an import. Everything it does is told through `tell`."""

    bundle: Bundle
    storage: Storage
    stop: Callable[[], bool]
    """Asked before every picture."""
    tell: Tell
    _taken: dict[str, Recipe] = field(default_factory=dict)
    _kinds: TypeAdapter[Recipe] = field(default_factory=lambda: TypeAdapter(Recipe))

    def run(self) -> str:
        """Copy what is not there yet and store the run; returns the run's id.

        A picture that cannot be taken is told as failed, and the next one goes on. The same
        bundle again adds nothing and is the same run.

        Raises:
            InvalidRequest: The bundle has no pictures, or none can be taken.
            Cancelled: The person stopped it; pictures that were taken stay.
            DiskFull: Nothing more can be written; pictures that were taken stay.
        """
        if not self.bundle.manifest.pictures:
            raise InvalidRequest(
                "This bundle holds no pictures, and a workspace keeps results only of pictures it has. "
                f"Look at it with: export --from {self.bundle.path.name} --format html --output report.html"
            )
        total = len(self.bundle.records)
        with self.bundle.pictures() as picture:
            self._take_all(picture)
        if not self._taken:
            raise InvalidRequest("None of the bundle's pictures can be taken.")
        self._put_scores()
        self._put_votes()
        self.tell(Progress(total, total))
        return self._save_run()

    def _take_all(self, picture: Callable[[str], bytes]) -> None:
        total, began = len(self.bundle.records), time.monotonic()
        for done, record in enumerate(self.bundle.records):
            if self.stop():
                raise Cancelled("Stopped. What was finished is kept; starting again continues.")
            left = (time.monotonic() - began) / done * (total - done) if done else None
            self.tell(Progress(done, total, "taking pictures", left))
            try:
                self._take(record, picture)
            except Unusable as error:
                self.tell(Failed(record.id, f"picture {record.id[:12]}", str(error)))

    def _take(self, record: Record, picture: Callable[[str], bytes]) -> None:
        recipe = record.recipe
        image = self.storage.find_cells([recipe]).get(recipe.cell)
        new = image is None
        if image is None:
            if (self.storage.images_folder / image_path(recipe)).exists():
                raise Unusable("has a place that another file has here already")
            data = picture(record.id)
            opened = inspect(data)
            if our_recipe(opened.texts.get(JSON_KEY, ""), self._kinds) != recipe:
                raise Unusable("does not carry the recipe that the bundle lists for it")
            as_png(data, opened, recipe)  # finds out whether the pixels are whole
            if not data.endswith(PNG_END):
                raise Unusable("has something behind its end, or was cut short")
            image = self.storage.save_png(data, recipe)
        elif image.id != record.id:
            self.tell(
                Notice(
                    f"Picture {record.id[:12]} has the recipe of one that is here already, {image.id[:12]}, "
                    "but is another file. The one that is here is kept, with its own scores."
                )
            )
        self._taken[image.id] = image.recipe
        self.tell(ImageDone(image, new))

    def _put_scores(self) -> None:
        """Store scores of pictures that have none of that metric and tier here."""
        known = {
            (row.image_id, row.metric, row.tier)
            for row in self.storage.scores.of_images(list(self._taken))
            if row.value is not None
        }
        fresh = [
            row
            for row in self.bundle.scores
            if row.image_id in self._taken and (row.image_id, row.metric, row.tier) not in known
        ]
        self.storage.scores.put_many({_key(row): Score(row.value, row.reason, row.detail) for row in fresh})
        several = {_key(row): Unit(row.level, row.unit) for row in fresh if row.level != "image"}
        self.storage.scores.link(several)

    def _put_votes(self) -> None:
        """Take in the votes on pictures that are here now; each counts once."""
        here = [
            vote
            for vote in self.bundle.votes
            if vote.first.image in self._taken and (vote.second is None or vote.second.image in self._taken)
        ]
        self.storage.votes.take_in(here)

    def _save_run(self) -> str:
        cells = [recipe.cell for recipe in self._taken.values()]
        run = digest(sorted(cells))[:16]
        if run in self.storage.run_ids():
            return run  # its title and order are those that it has here
        recipes = self._taken.values()
        suites = tuple(dict.fromkeys(recipe.suite for recipe in recipes))
        self.storage.save_run(
            RunRecord(
                id=run,
                title=label(self.bundle.manifest.title) or "Imported results",
                models=tuple(dict.fromkeys(recipe.model for recipe in recipes)),
                suite=suites[0] if len(suites) == 1 else "",
                categories=tuple(dict.fromkeys(recipe.category for recipe in recipes)),
                request={"import": "bundle", "program": label(self.bundle.manifest.program)},
                cells=tuple(cells),
            )
        )
        return run


def _key(row: ScoreRow) -> CacheKey:
    return CacheKey(
        image_hash=row.image_id,
        text_hash=IMPORTED,
        metric=row.metric,
        metric_version=row.metric_version,
        tier=row.tier,
        backbone=row.backbone,
        revision=row.revision,
        preprocessing=row.preprocessing,
    )
