"""Nothing is fetched without consent; with it, whole files with the right content only."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from metrics import (
    Downloading,
    Sample,
    Scored,
    ScoreOptions,
    Stopped,
    list_metrics,
    needed_downloads,
    score,
)
from metrics.aesthetic import HEAD_FILE
from metrics.clip_backbone import CARDS, VIT_B_32, VIT_L_14
from metrics.downloads import HubFile, UrlFile, fetching
from metrics.errors import Interrupted
from tests.metrics.hub import Hub, own_caches, put, serving

COMMIT = "c0ffee" * 6 + "c0de"
FILE = HubFile("someone/net", "model.safetensors", COMMIT)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    own_caches(tmp_path, monkeypatch)
    with serving() as hub:
        yield hub


def never() -> bool:
    return False


def test_a_hub_file_is_fetched_once_at_its_commit(hub: Hub) -> None:
    hub.add(FILE, bytes(3_000_000))
    assert FILE.path() is None
    told = list(fetching(FILE, never, hub.url))
    assert all(0 <= done <= 3_000_000 for done, _ in told)
    path = FILE.path()
    assert path is not None
    assert path.stat().st_size == 3_000_000
    assert FILE.command == f"hf download someone/net model.safetensors --revision {COMMIT}"
    assert len(hub.asked) == 1


def test_an_address_is_fetched_and_checked(hub: Hub) -> None:
    content = b"weights" * 1000
    hub.files["/w.pth"] = content
    file = UrlFile(f"{hub.url}/w.pth", "w.pth", hashlib.sha256(content).hexdigest()[:8])
    assert file.path() is None
    list(fetching(file, never))
    path = file.path()
    assert path is not None
    assert path.read_bytes() == content
    assert str(path) in file.command


@pytest.mark.parametrize("damage", ["content", "absent"])
def test_what_is_wrong_gets_no_name(hub: Hub, damage: str) -> None:
    if damage == "content":
        hub.files["/w.pth"] = b"an error page"
    file = UrlFile(f"{hub.url}/w.pth", "w.pth", "0" * 64)
    with pytest.raises(Exception, match="checksum" if damage == "content" else "404"):
        list(fetching(file, never))
    assert file.path() is None
    assert not list(file._place.parent.glob("*.part"))


@pytest.mark.parametrize("kind", ["hub", "address"])
def test_fetching_stops_when_told(hub: Hub, kind: str) -> None:
    hub.add(FILE, bytes(3_000_000))
    hub.files["/w.pth"] = bytes(3_000_000)
    file = FILE if kind == "hub" else UrlFile(f"{hub.url}/w.pth", "w.pth", "")
    with pytest.raises(Interrupted):
        list(fetching(file, lambda: True, hub.url))
    assert file.path() is None


def sample(scenes: Path) -> Sample:
    return Sample("a", scenes / "red_circle.png", "any words at all")


def test_nothing_is_fetched_without_consent(hub: Hub, scenes: Path, options: ScoreOptions) -> None:
    for tier in ("standard", "large"):
        chosen = replace(options, tier=tier, endpoint=hub.url)
        names = [card.id for card in list_metrics() if tier in card.backbones]
        events = [event for event in score([sample(scenes)], names, chosen) if isinstance(event, Scored)]
        reasons = {event.metric: event.score.reason or "" for event in events}
        for name in ("clip_score", "aesthetic", "pickscore", "hpsv2"):
            assert "are not on this computer" in reasons[name]
            assert "MB, licence" in reasons[name]
            assert "allow the download, or run `" in reasons[name]
    assert not hub.asked


def test_with_consent_it_is_fetched_and_told(hub: Hub, scenes: Path, options: ScoreOptions) -> None:
    assert VIT_B_32.file is not None
    hub.add(VIT_B_32.file, b"\x08\0\0\0\0\0\0\0{}      ")  # a file of weights without weights
    chosen = replace(options, tier="standard", endpoint=hub.url, download=True)
    events = list(score([sample(scenes)], ["clip_score"], chosen))
    told = [event for event in events if isinstance(event, Downloading)]
    assert told[0].backbone == CARDS["standard"]
    assert "605 MB, licence MIT" in told[0].message
    (event,) = (event for event in events if isinstance(event, Scored))
    assert "do not load" in (event.score.reason or "")
    assert VIT_B_32.file.path() is not None


def test_a_failed_download_is_a_reason_with_the_command(
    hub: Hub, scenes: Path, options: ScoreOptions
) -> None:
    chosen = replace(options, tier="standard", endpoint=hub.url, download=True)
    (event,) = (e for e in score([sample(scenes)], ["clip_score"], chosen) if isinstance(e, Scored))
    assert "could not be fetched" in (event.score.reason or "")
    assert "`hf download laion/CLIP-ViT-B-32" in (event.score.reason or "")


def test_stopping_during_a_download_ends_the_analysis(hub: Hub, scenes: Path, options: ScoreOptions) -> None:
    assert VIT_B_32.file is not None
    hub.add(VIT_B_32.file, bytes(3_000_000))
    stop = [False]
    events = []
    chosen = replace(options, tier="standard", endpoint=hub.url, download=True, cancel=lambda: stop[0])
    for event in score([sample(scenes)], ["clip_score"], chosen):
        events.append(event)
        stop[0] = stop[0] or isinstance(event, Downloading)
    assert events[-1] == Stopped(0, 1)
    assert VIT_B_32.file.path() is None


def test_what_would_be_fetched(hub: Hub, assets: Path) -> None:
    names = [card.id for card in list_metrics()]
    assert needed_downloads(names, "bundled", assets) == []
    cards = needed_downloads(["clip_score", "aesthetic", "vendi"], "large", assets)
    assert [card.id for card in cards] == ["ViT-L-14/openai", "sac+logos+ava1-l14-linearMSE"]
    assert VIT_L_14.file is not None
    put(VIT_L_14.file, b"there")
    HEAD_FILE._place.parent.mkdir(parents=True)
    HEAD_FILE._place.write_bytes(b"there")
    assert needed_downloads(["clip_score", "aesthetic", "vendi"], "large", assets) == []
    assert not hub.asked
