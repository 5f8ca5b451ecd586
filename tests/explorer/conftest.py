"""Shared by the tests of the explorer: a tiny pipeline of any family, and no network."""

import socket
from pathlib import Path

import pytest

from tests.tiny_families import Folders, build_family


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the network fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a family's tiny pipeline, built on first use; not to be changed."""
    root = tmp_path_factory.mktemp("families")

    def folder(family: str) -> Path:
        place = root / f"tiny-{family}"
        return place if place.exists() else build_family(family, place)

    return folder
