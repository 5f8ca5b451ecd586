"""Weights that are not shipped: whether they are on this computer, and how they get there.

Nothing is fetched here unless somebody calls `fetching`. Files of the Hub live in the Hub's
own cache, others where `torch.hub` keeps its files: what other programs fetched is found.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from metrics.errors import Interrupted

Report = Callable[[int, int], None]
"""Takes the bytes that are there and those there will be; raises to stop."""

_EVERY_SECONDS = 0.5
_TIMEOUT_SECONDS = 30
_COMMIT = re.compile("[0-9a-f]{40}")
_SNAPSHOT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


class WeightsFile(Protocol):
    """One file of weights."""

    @property
    def name(self) -> str:
        """Its file name."""

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""

    def path(self) -> Path | None:
        """Where it is; None: not on this computer."""

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """Fetch it; passes on the errors of the network and the disk."""


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository at a pinned commit."""

    repository: str
    name: str
    revision: str

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""
        return f"hf download {self.repository} {self.name} --revision {self.revision}"

    def path(self) -> Path | None:
        """Where it is in the Hub's cache; None: not there."""
        from huggingface_hub import constants, try_to_load_from_cache

        # The default argument is bound at import; the constant follows later settings.
        found = try_to_load_from_cache(
            self.repository, self.name, cache_dir=constants.HF_HUB_CACHE, revision=self.revision
        )
        return Path(found) if isinstance(found, str) else None

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """Fetch it into the Hub's cache."""
        from huggingface_hub import constants, hf_hub_download

        return Path(
            hf_hub_download(
                self.repository,
                self.name,
                revision=self.revision,
                cache_dir=constants.HF_HUB_CACHE,
                endpoint=endpoint,
                tqdm_class=_bar(report),
            )
        )


@dataclass(frozen=True)
class HubSnapshot:
    """A whole model of a Hugging Face repository: settings, tokenizer and safetensors.

    Attributes:
        repository: Owner and name.
        revision: A commit or a branch.
    """

    repository: str
    revision: str

    @property
    def name(self) -> str:
        """The repository."""
        return self.repository

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""
        kinds = " ".join(f"--include '{pattern}'" for pattern in _SNAPSHOT_FILES)
        return f"hf download {self.repository} --revision {self.revision} {kinds}"

    @property
    def commit(self) -> str | None:
        """The commit; of a branch the one that is here, None where none is."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        place = self.path() or self._newest()
        return place.name if place else None

    def path(self) -> Path | None:
        """Its folder in the Hub's cache; None: not there, or not all of it."""
        from huggingface_hub import constants, try_to_load_from_cache

        found = try_to_load_from_cache(
            self.repository, "config.json", cache_dir=constants.HF_HUB_CACHE, revision=self.revision
        )
        folder = Path(found).parent if isinstance(found, str) else None
        return folder if folder and _is_whole(folder) else None

    def _newest(self) -> Path | None:
        """The latest of the commits that are here: one fetched by its name belongs to no branch."""
        from huggingface_hub import constants

        repository = f"models--{self.repository.replace('/', '--')}"
        folders = (Path(constants.HF_HUB_CACHE) / repository / "snapshots").glob("*/")
        whole = [folder for folder in folders if (folder / "config.json").is_file() and _is_whole(folder)]
        return max(whole, key=lambda folder: folder.stat().st_mtime, default=None)

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """Fetch it into the Hub's cache."""
        from huggingface_hub import constants, snapshot_download

        return Path(
            snapshot_download(
                self.repository,
                revision=self.revision,
                allow_patterns=list(_SNAPSHOT_FILES),
                cache_dir=constants.HF_HUB_CACHE,
                endpoint=endpoint,
                tqdm_class=_bar(report),
            )
        )


@dataclass(frozen=True)
class UrlFile:
    """A file at an address, known by its checksum.

    Attributes:
        url: Where it is fetched from.
        name: Its name in the folder of `torch.hub`.
        sha256: SHA-256 of its content in hex, or how that begins.
    """

    url: str
    name: str
    sha256: str

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""
        return f"curl --create-dirs -L -o '{self._place}' '{self.url}'"

    @property
    def _place(self) -> Path:
        # As torch.hub.get_dir() has it, without importing torch.
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        home = os.environ.get("TORCH_HOME") or f"{cache}/torch"
        return Path(home).expanduser() / "hub" / "checkpoints" / self.name

    def path(self) -> Path | None:
        """Where it is; None: not on this computer."""
        return self._place if self._place.is_file() else None

    def fetch(self, report: Report, endpoint: str | None) -> Path:
        """Fetch it; the name is given only to the right content."""
        import httpx

        place = self._place
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.{uuid4().hex}.part")
        digest, done = hashlib.sha256(), 0
        try:
            with (
                httpx.stream("GET", self.url, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as answer,
                part.open("wb") as file,
            ):
                answer.raise_for_status()
                total = int(answer.headers.get("content-length", 0))
                for block in answer.iter_bytes():
                    file.write(block)
                    digest.update(block)
                    done += len(block)
                    report(done, total)
                file.flush()
                os.fsync(file.fileno())
            if not digest.hexdigest().startswith(self.sha256):
                raise OSError("the checksum is wrong")
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        return place


def _bar(report: Report) -> Any:
    """The Hub's progress bar, reporting instead of drawing."""
    from huggingface_hub.utils import tqdm

    most = [0, 0]

    class Bar(tqdm):  # type: ignore[misc]
        """Counts bytes. A repository has two such bars over the same bytes: the further one counts."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **(kwargs | {"disable": True}))
            self._done = int(kwargs.get("initial") or 0)
            self._counts = kwargs.get("unit") == "B"

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            if self._counts:
                most[:] = max(most[0], self._done), max(most[1], int(self.total or 0))
                report(most[0], most[1])

    return Bar


def _is_whole(folder: Path) -> bool:
    """Whether every file of weights is there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    named = json.loads(index.read_text("utf-8")).get("weight_map", {}).values()
    return all((folder / name).is_file() for name in set(named))


def fetching(
    file: WeightsFile, stop: Callable[[], bool], endpoint: str | None = None
) -> Iterator[tuple[int, int]]:
    """Fetch a file in the background.

    Args:
        file: What to fetch.
        stop: Asked between blocks; True ends it.
        endpoint: Another address of the Hub.

    Yields:
        Bytes there are and bytes there will be (0: not known), now and then.

    Raises:
        Interrupted: `stop` said so.
        Exception: Whatever network, Hub and disk raise; they share no base class.
    """
    state, left = (0, 0), False

    def report(done: int, total: int) -> None:
        nonlocal state
        state = done, total
        if left or stop():
            raise Interrupted

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics-fetch") as pool:
        work = pool.submit(file.fetch, report, endpoint)
        try:
            while not wait([work], timeout=_EVERY_SECONDS).done:
                yield state
        finally:
            left = True  # also when the caller does not ask any more
        work.result()
