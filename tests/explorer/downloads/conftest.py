"""The two sites on this machine, and a Fetcher that asks them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from explorer.downloads import Fetcher, FetchOptions, Patience, Site
from explorer.events import Event, ModelDone, Notice
from explorer.requests import FetchRequest
from tests.fake_hub import FakeServer, serving

QUICK = Patience(connect=2.0, read=5.0, attempts=4, first_wait=0.02, longest_wait=3.0)
TOKEN = "secret-of-mine"


@dataclass
class Workplace:
    """A workspace, the servers it fetches from, and what it was told."""

    root: Path
    server: FakeServer
    storage: FakeServer
    """Where signed links lead: another host."""
    events: list[Event] = field(default_factory=list)

    def options(self, **more: Any) -> FetchOptions:
        token = SecretStr(TOKEN)
        values = {
            "checkpoints": self.root / "models" / "checkpoints",
            "loras": self.root / "models" / "loras",
            "hub": Site("Hugging Face", self.server.url, token, "HF_TOKEN"),
            "civitai": Site("Civitai", self.server.url, token, "CIVITAI_TOKEN"),
            "hub_cache": self.root / "hub",
            "patience": QUICK,
        }
        return FetchOptions(**{**values, **more})

    def without_token(self) -> FetchOptions:
        return self.options(
            hub=Site("Hugging Face", self.server.url, None, "HF_TOKEN"),
            civitai=Site("Civitai", self.server.url, None, "CIVITAI_TOKEN"),
        )

    def fetcher(self, **more: Any) -> Fetcher:
        return Fetcher(self.options(**more))

    def fetch(self, source: str, *, options: FetchOptions | None = None, **request: Any) -> list[ModelDone]:
        fetcher = Fetcher(options or self.options())
        self.events.clear()
        fetcher.fetch(FetchRequest(source, **request), lambda: False, self.events.append)
        return [event for event in self.events if isinstance(event, ModelDone)]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def checkpoints(self) -> Path:
        return self.root / "models" / "checkpoints"

    @property
    def loras(self) -> Path:
        return self.root / "models" / "loras"

    def parts(self) -> list[Path]:
        return sorted((self.checkpoints / ".downloads").rglob("*.part"))

    def models(self) -> list[str]:
        """Every whole file of the workspace, apart from cards."""
        there = (self.root / "models").rglob("*.safetensors")
        return sorted(path.relative_to(self.root / "models").as_posix() for path in there)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with serving() as server, serving() as storage:
        yield Workplace(tmp_path, server, storage)
