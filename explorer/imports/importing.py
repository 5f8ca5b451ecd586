"""Takes pictures made elsewhere into the workspace, as a run like any other."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from explorer.compute import Tell
from explorer.errors import Cancelled, InvalidRequest
from explorer.events import Failed, ImageDone, Notice, Progress
from explorer.image_store import image_path
from explorer.imports.folders import Found
from explorer.imports.foreign import label
from explorer.imports.mapping import Mapper, cell_of
from explorer.imports.pictures import Unusable, as_png, read_bytes
from explorer.imports.preview import Tally
from explorer.plans import digest
from explorer.requests import ImportRequest
from explorer.storage import PNG_END, RunRecord, Storage
from explorer.types import Image, Suite


@dataclass(slots=True)
class PictureImport:
    """One execution of an import. Everything it does is told through `tell`."""

    request: ImportRequest
    prompts: Suite | None
    """The list that `prompts.prompt_list` made of the request."""
    storage: Storage
    stop: Callable[[], bool]
    """Asked before every file."""
    tell: Tell
    _cells: dict[str, None] = field(default_factory=dict)
    _kinds: dict[tuple[str, str, str, str], None] = field(default_factory=dict)
    """(model, prompt id, suite, category) of the pictures, each once and in order."""

    def run(self) -> str:
        """Copy what is not there yet and store the run; returns the run's id.

        A file that cannot be taken is told as failed, and the next one goes on. The same
        folder again adds nothing and is the same run.

        Raises:
            InvalidRequest: Nothing can be taken; says what to change.
            Cancelled: The person stopped it; pictures that were taken stay.
            DiskFull: Nothing more can be written; pictures that were taken stay.
        """
        mapper = Mapper(self.request, self.prompts)
        tally = Tally(mapper)
        total = sum(1 for _ in mapper.files())
        if not total:
            raise InvalidRequest("There is no picture in this folder. PNG, JPEG and WebP files are taken.")
        began = time.monotonic()
        for done, found in enumerate(mapper.files()):
            if self.stop():
                raise Cancelled("Stopped. What was finished is kept; starting again continues.")
            left = (time.monotonic() - began) / done * (total - done) if done else None
            self.tell(Progress(done, total, f"taking {label(found.file)}", left))
            try:
                self._take(mapper, tally, found)
            except Unusable as error:
                tally.refuse(found.file, str(error))
                self.tell(Failed(found.file, label(found.file), str(error)))
        for note in tally.notes():
            self.tell(Notice(note))
        if not self._cells:
            first = tally.unread[0]
            raise InvalidRequest(
                f"None of the {total:,} pictures can be taken. The first, {first.file}: {first.reason}."
            )
        self.tell(Progress(total, total))
        return self._save_run(tally)

    def _take(self, mapper: Mapper, tally: Tally, found: Found) -> None:
        if found.problem:
            raise Unusable(found.problem)
        content = read_bytes(found.path)
        recipe, opened = mapper.recipe(found, content)
        sha256 = hashlib.sha256(content).hexdigest()
        ours = bool(recipe.cell)
        if not ours:
            recipe = replace(recipe, cell=cell_of(recipe, sha256), source={**recipe.source, "sha256": sha256})
        image = self.storage.find_cells([recipe]).get(recipe.cell)
        new = image is None
        if image is None:
            # Places are named by the beginning of a cell; a made-up cell could share it with another.
            if (self.storage.images_folder / image_path(recipe)).exists():
                raise Unusable("has the place of another picture that is here already")
            data = as_png(content, opened, recipe)  # also finds out whether the pixels are whole
            image = self.storage.save_png(content if ours and content.endswith(PNG_END) else data, recipe)
        elif ours and image.id != sha256:
            self._differs(found, image)
        tally.take(found.file, recipe)
        taken = image.recipe
        self._cells[recipe.cell] = None
        self._kinds[taken.model, taken.prompt_id, taken.suite, taken.category] = None
        self.tell(ImageDone(image, new))

    def _differs(self, found: Found, image: Image) -> None:
        self.tell(
            Notice(
                f"{label(found.file)} has the recipe of a picture that is here already, {image.id[:12]}, "
                "but is another file. The one that is here is kept."
            )
        )

    def _save_run(self, tally: Tally) -> str:
        names, prompts, suites, categories = (
            tuple(dict.fromkeys(each)) for each in zip(*self._kinds, strict=True)
        )
        shown = " vs ".join(names) if len(names) <= 3 else f"{len(names)} models"
        title = f"Imported: {shown} ({len(prompts)} prompts, {len(self._cells)} pictures)"
        record = RunRecord(
            id=digest(sorted(self._cells))[:16],
            title=label(self.request.title) or title,
            models=names,
            suite=suites[0] if len(suites) == 1 else "",
            categories=categories,
            # The place on the disk is nobody's business afterwards.
            request={"import": tally.mapper.layout, "tools": dict(tally.tools)},
            cells=tuple(self._cells),
        )
        self.storage.save_run(record)
        return record.id
