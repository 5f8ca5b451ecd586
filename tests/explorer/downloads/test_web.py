"""Where requests may go, and how progress is told."""

import errno
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from explorer import Settings
from explorer.downloads import FetchOptions, Site
from explorer.downloads.delivery import STALE_SECONDS, sweep
from explorer.downloads.meter import Meter
from explorer.downloads.shelving import put
from explorer.downloads.web import check_address
from explorer.errors import DownloadError

HUB = Site("Hugging Face", "https://huggingface.co")


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", (a, port)) for a in addresses]
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
    ],
)
def test_redirects_into_a_private_network_are_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolve_to(monkeypatch, "93.184.216.34", address)
    with pytest.raises(DownloadError, match=r"leads into a private network"):
        check_address(HUB, "https://cdn.example/x")


@pytest.mark.parametrize(
    "url", ["http://cdn.example/x", "file:///etc/passwd", "ftp://x/y", "https:///x", "//"]
)
def test_only_https_is_followed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    resolve_to(monkeypatch, "93.184.216.34")
    with pytest.raises(DownloadError, match=r"without https"):
        check_address(HUB, url)


def test_public_addresses_and_the_site_itself_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.216.34", "2606:2800:220:1::1")
    check_address(HUB, "https://cdn.example/x")
    resolve_to(monkeypatch, "10.0.0.1")
    check_address(HUB, "https://huggingface.co:443/x")  # the configured host may be anywhere


def test_behind_a_proxy_names_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://10.0.0.1:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    check_address(HUB, "https://cdn.example/x")
    resolve_to(monkeypatch, "10.0.0.9")
    with pytest.raises(DownloadError, match=r"private network"):
        check_address(HUB, "https://10.0.0.9/x")


@pytest.mark.parametrize(
    "value",
    ["http://huggingface.co", "huggingface.co", "https://u:p@x.y", "https://x.y?token=1", "ftp://x.y"],
)
def test_endpoints_that_would_not_be_safe(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(hf_endpoint=value)


def test_settings_become_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXPLORER_HF_ENDPOINT", "https://mirror.example/")
    monkeypatch.setenv("HF_TOKEN", "hf-one")
    monkeypatch.setenv("CIVITAI_TOKEN", "other")
    monkeypatch.setenv("EXPLORER_CIVITAI_TOKEN", "civitai-one")
    settings = Settings(root=tmp_path, downloads=5)
    options = FetchOptions.from_settings(settings)
    assert options.hub.endpoint == "https://mirror.example"
    assert options.hub.headers() == {"Authorization": "Bearer hf-one"}
    assert options.civitai.headers() == {"Authorization": "Bearer civitai-one"}
    assert options.parallel == 5
    assert "hf-one" not in repr(settings) + str(options)
    assert Settings(hf_token=SecretStr("direct")).hf_token == SecretStr("direct")


def test_the_time_left_follows_the_pace() -> None:
    now = [0.0]
    meter = Meter(100_000_000, clock=lambda: now[0])
    meter.had(20_000_000)  # from an earlier day: no pace
    assert meter.progress().seconds_left is None
    for _ in range(4):
        now[0] += 1.0
        meter.arrived(10_000_000)
    told = meter.progress()
    assert (told.done, told.total, told.message) == (60, 100, "10.0 MB/s")
    assert told.seconds_left == pytest.approx(4.0)
    for _ in range(30):  # it has become slower
        now[0] += 1.0
        meter.arrived(1_000_000)
        told = meter.progress()
    assert told.message == "1.0 MB/s"
    assert told.seconds_left == pytest.approx(10.0)


def test_what_was_given_up_is_swept_after_two_weeks(tmp_path: Path) -> None:
    import os

    (tmp_path / "old.part").write_bytes(b"x")
    (tmp_path / "old").mkdir()
    (tmp_path / "old.lock").write_bytes(b"")
    (tmp_path / "new.part").write_bytes(b"x")
    for name in ("old.part", "old", "old.lock"):
        long_ago = time.time() - STALE_SECONDS - 60
        os.utime(tmp_path / name, (long_ago, long_ago))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.part", "old.lock"]


@pytest.mark.parametrize("folder", [False, True])
def test_placing_works_between_two_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    source, target = tmp_path / "a", tmp_path / "there" / "b"
    if folder:
        source.mkdir()
        (source / "x").write_bytes(b"data")
    else:
        source.write_bytes(b"data")
    real = Path.rename

    def rename(path: Path, to: Path) -> Any:
        if path == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    put(source, target)
    assert (target / "x" if folder else target).read_bytes() == b"data"
    assert not source.exists()
    assert [path.name for path in target.parent.iterdir()] == ["b"]
    with pytest.raises(DownloadError, match=r"another b already"):
        put(target, target)
    shutil.rmtree(tmp_path / "there")
