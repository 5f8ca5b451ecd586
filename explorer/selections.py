"""Which pictures are meant: of a run, of several runs, of some of their models; and what is known of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from explorer.errors import InvalidRequest
from explorer.folders import PictureFolder, check_folder, picture_folders
from explorer.plans import digest
from explorer.reference_choices import ReferenceChoice, reference_choices
from explorer.reference_pictures import ReferencePictures
from explorer.settings import Settings
from explorer.storage import RunRecord, Storage
from explorer.types import Image
from metrics import FolderFeatures

NAMED = 3
"""Models that are named in the title of what was put together."""


class Kept(NamedTuple):
    """What scoring left behind for the next time."""

    features_bytes: int
    """What networks saw in pictures; may go at any time."""
    scores: int


class Selections:
    """Runs, folders and models of a workspace, as people choose among them."""

    def __init__(self, settings: Settings, storage: Storage, features: FolderFeatures) -> None:
        """Use an open workspace."""
        self._settings, self._storage, self._features = settings, storage, features

    def run_id(self, run: str) -> str:
        """The id of a run; empty takes the latest.

        Raises:
            InvalidRequest: There is none.
        """
        known = self._storage.run_ids()
        if not known:
            raise InvalidRequest("There is no run yet. Generate pictures first.")
        if not run:
            return known[0]
        if run not in known:
            raise InvalidRequest(f"There is no run {run!r}.")
        return run

    def pictures(self, runs: Sequence[str], models: Sequence[str] = ()) -> list[Image]:
        """The pictures of runs, each once; of these models only, if any are named."""
        ids = [self.run_id(run) for run in runs]
        found = {image.id: image for run in ids for image in self._storage.run_images(run)}
        return [image for image in found.values() if not models or image.recipe.model in models]

    def put_together(self, runs: Sequence[str]) -> str:
        """One run that holds the pictures of several; returns its id.

        A run is a list of cells, so nothing is copied: a picture that two runs share is there
        once, and models and prompts of one name become one.
        """
        ids = list(dict.fromkeys(self.run_id(run) for run in runs))
        if len(ids) == 1:
            return ids[0]
        recipes = [image.recipe for image in self.pictures(ids)]
        cells = tuple(recipe.cell for recipe in recipes)
        run = digest(sorted(cells))[:16]
        if run in self._storage.run_ids():
            return run
        models = tuple(dict.fromkeys(recipe.model for recipe in recipes))
        more = f" and {len(models) - NAMED} more" if len(models) > NAMED else ""
        suites = tuple(dict.fromkeys(recipe.suite for recipe in recipes))
        record = RunRecord(
            id=run,
            title=f"{len(ids)} runs together: {', '.join(models[:NAMED])}{more}",
            models=models,
            suite=suites[0] if len(suites) == 1 else "",
            categories=tuple(dict.fromkeys(recipe.category for recipe in recipes)),
            request={"together": ids},
            cells=cells,
        )
        self._storage.save_run(record)
        return run

    def folders(self) -> list[PictureFolder]:
        """The folders of pictures made elsewhere that can be chosen by name."""
        return picture_folders(self._settings)

    def check_folder(self, text: str) -> Path:
        """The folder that a name or a path means; refuses what may not be read."""
        return check_folder(text, self._settings)

    def scored(self, images: Sequence[Image], weights: str) -> dict[str, int]:
        """How many of the pictures have a value of each metric already, of a tier or an answerer."""
        ids, found = {image.id for image in images}, dict[str, set[str]]()
        for row in self._storage.scores.of_images([image.id for image in images]):
            if row.tier == weights and row.value is not None:
                found.setdefault(row.metric, set()).update(ids.intersection(row.unit or (row.image_id,)))
        return {metric: len(pictures) for metric, pictures in found.items()}

    def has_references(self, images: Sequence[Image]) -> bool:
        """Whether a prompt of these pictures has a reference picture."""
        references = ReferencePictures(self._settings.references)
        prompts = {(image.recipe.suite, image.recipe.prompt_id) for image in images}
        return any(references.of(*prompt) for prompt in prompts)

    def reference_sets(self) -> list[ReferenceChoice]:
        """What whole folders of pictures can be compared with."""
        return reference_choices(self._settings)

    def speeds(self) -> dict[str, float]:
        """Seconds a picture took each network of the metrics here, as far as it was measured."""
        return self._storage.work.scoring_speeds(self._settings.device)

    def kept(self) -> Kept:
        """What scoring left behind."""
        return Kept(self._features.size_bytes, self._storage.scores.count())

    def clear_features(self) -> None:
        """Delete what networks saw in pictures. Scores stay; growing runs cost more once."""
        self._features.clear()
