"""One file, and everything a server can do to it."""

import hashlib
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from explorer.downloads import Fetcher
from explorer.errors import AccessRefused, Cancelled, DiskFull, DownloadError
from explorer.events import ModelDone, Progress
from explorer.requests import FetchRequest
from tests.explorer.downloads.conftest import TOKEN, Workplace
from tests.fake_hub import Answer, Seen, model_bytes, redirect, reply

DATA = model_bytes(400_000)
SOURCE, FILE = "hf:owner/name", "flower.safetensors"
TARGET = "checkpoints/flower.safetensors"


@pytest.fixture
def path(place: Workplace) -> str:
    """A repository with one model; the path of its file."""
    place.server.add_repo("owner/name", {FILE: DATA})
    return place.server.resolve("owner/name", FILE)


def whole(place: Workplace) -> Answer:
    answer = place.server.answers[place.server.resolve("owner/name", FILE)]
    assert isinstance(answer, Answer)
    return answer


def fetched(place: Workplace) -> bytes:
    assert place.models() == [TARGET]
    assert place.parts() == []
    return (place.root / "models" / TARGET).read_bytes()


def ranges(place: Workplace, path: str) -> list[str | None]:
    return [seen.headers.get("range") for seen in place.server.requests(path)]


def interrupt(place: Workplace, path: str, size: int) -> None:
    """Leave the first `size` bytes behind, as a program that was stopped does."""
    good = whole(place)
    place.server.answers[path] = replace(good, stall_after=size)
    arrived = threading.Event()

    def tell(event: object) -> None:
        if any(part.stat().st_size >= size for part in place.parts()):
            arrived.set()

    with pytest.raises(Cancelled):
        place.fetcher().fetch(FetchRequest(SOURCE), arrived.is_set, tell)
    assert [part.stat().st_size for part in place.parts()] == [size]
    place.server.answers[path] = good
    place.server.seen.clear()


def test_a_file_arrives_whole_with_a_card(place: Workplace, path: str) -> None:
    assert place.fetch(SOURCE) == [ModelDone("flower", "checkpoint", new=True)]
    assert fetched(place) == DATA
    (request,) = place.server.requests(path)
    assert request.token == f"Bearer {TOKEN}"
    assert request.headers["accept-encoding"] == "identity"
    last = [event for event in place.events if isinstance(event, Progress)][-1]
    assert (last.done, last.total) == (1, 1)


def test_again_is_no_second_transfer(place: Workplace, path: str) -> None:
    place.fetch(SOURCE)
    assert place.fetch(SOURCE) == [ModelDone("flower", "checkpoint", new=False)]
    assert place.notices == ["flower was there already."]
    assert len(place.server.requests(path)) == 1


# interrupted


def test_a_stopped_transfer_continues_where_it_was(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert ranges(place, path) == ["bytes=163840-"]
    assert place.server.requests(path)[0].headers["if-range"] == whole(place).etag


def test_a_broken_connection_continues_in_the_same_call(place: Workplace, path: str) -> None:
    good = whole(place)
    place.server.answers[path] = [replace(good, cut_after=n) for n in (65_536, 65_536 * 3)] + [good]
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert ranges(place, path) == [None, "bytes=65536-", "bytes=196608-"]


def test_a_server_that_ignores_ranges_begins_anew(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    place.server.answers[path] = replace(whole(place), ranges=False)
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert len(place.server.requests(path)) == 1


def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(place: Workplace, path: str) -> None:
    place.server.answers[path] = replace(whole(place), ranges=False, cut_after=65_536)
    with pytest.raises(DownloadError, match=r"The connection to Hugging Face broke. Try again; what was"):
        place.fetch(SOURCE)
    assert len(place.server.requests(path)) <= 5
    assert place.models() == []


def test_a_file_that_changed_meanwhile_begins_anew(place: Workplace, path: str) -> None:
    # Without a checksum in the listing only If-Range can tell.
    listing = {"rfilename": FILE, "size": len(DATA)}
    place.server.add_repo("owner/name", {FILE: DATA}, siblings=[listing])
    interrupt(place, path, 163_840)
    newer = model_bytes(400_000, seed=9)
    place.server.answers[path] = Answer(newer, etag='"newer"')
    place.fetch(SOURCE)
    assert fetched(place) == newer
    assert ranges(place, path) == ["bytes=163840-"]


def test_a_part_of_another_file_is_not_used(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    newer = model_bytes(400_000, seed=9)
    place.server.add_repo("owner/name", {FILE: newer})
    place.fetch(SOURCE)
    assert (place.root / "models" / TARGET).read_bytes() == newer
    assert ranges(place, path) == [None]


def test_damage_in_the_part_is_found_and_mended(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    (part,) = place.parts()
    part.write_bytes(bytes(163_840))
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert ranges(place, path) == ["bytes=163840-", None]


def test_a_part_that_is_whole_already_only_gets_its_name(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    (part,) = place.parts()
    part.write_bytes(DATA)
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert place.server.requests(path) == []


def test_a_part_longer_than_the_file_begins_anew(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    (part,) = place.parts()
    part.write_bytes(DATA + bytes(1000))
    place.fetch(SOURCE)
    assert fetched(place) == DATA


def test_another_part_than_asked_for_is_not_mixed_in(place: Workplace, path: str) -> None:
    interrupt(place, path, 163_840)
    wrong = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
    place.server.answers[path] = [Answer(DATA, 206, wrong, ranges=False), whole(place)]
    place.fetch(SOURCE)
    assert fetched(place) == DATA


# redirects


def test_the_token_does_not_leave_its_host(place: Workplace, path: str) -> None:
    signed = "/bucket/x?signature=abc"
    place.server.answers[path] = redirect(place.storage.as_localhost + signed)
    place.storage.answers[signed] = [
        replace(Answer(DATA, etag='"s3"'), cut_after=65_536),
        Answer(DATA, etag='"s3"'),
    ]
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert {seen.token for seen in place.server.requests(path)} == {f"Bearer {TOKEN}"}
    assert [seen.token for seen in place.storage.seen] == [None, None]
    assert all(TOKEN not in str(seen) for seen in place.storage.seen)


def test_another_port_or_name_of_the_same_machine_is_another_host(place: Workplace, path: str) -> None:
    place.server.answers[path] = redirect(place.server.as_localhost + "/elsewhere")
    place.server.answers["/elsewhere"] = redirect(place.server.url + "/back")
    place.server.answers["/back"] = Answer(DATA)
    place.fetch(SOURCE)
    assert place.server.requests("/elsewhere")[0].token is None
    assert place.server.requests("/back")[0].token is None  # it has been outside


def test_a_redirect_within_the_site_keeps_the_token(place: Workplace, path: str) -> None:
    place.server.answers[path] = redirect("/api/resolve-cache/x", 307)
    place.server.answers["/api/resolve-cache/x"] = Answer(DATA)
    place.fetch(SOURCE)
    assert place.server.requests("/api/resolve-cache/x")[0].token == f"Bearer {TOKEN}"


def test_an_expired_link_is_asked_for_again(place: Workplace, path: str) -> None:
    place.server.answers[path] = [
        redirect(place.storage.as_localhost + f"/x?link={number}") for number in (1, 2, 3)
    ]
    place.storage.answers["/x?link=1"] = Answer(DATA, etag='"s3"', cut_after=65_536)
    place.storage.answers["/x?link=2"] = Answer(b"<Error>Request has expired</Error>", 403)
    place.storage.answers["/x?link=3"] = Answer(DATA, etag='"s3"')
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert len(place.server.requests(path)) == 3
    assert place.storage.seen[-1].headers["range"] == "bytes=65536-"


def test_a_link_that_is_never_good_ends_with_a_clear_line(place: Workplace, path: str) -> None:
    place.server.answers[path] = redirect(place.storage.as_localhost + "/gone?signature=abc")
    with pytest.raises(DownloadError, match=r"download link of flower.safetensors was refused") as caught:
        place.fetch(SOURCE)
    assert "signature" not in str(caught.value)


def test_redirects_in_a_circle_end(place: Workplace, path: str) -> None:
    place.server.answers[path] = redirect(path)
    with pytest.raises(DownloadError, match=r"round in a circle"):
        place.fetch(SOURCE)
    assert len(place.server.requests(path)) < 10


# servers that lie


@pytest.mark.parametrize("claimed", [len(DATA) - 1000, len(DATA) + 1000, 0])
def test_a_length_other_than_the_listed_one_is_refused(place: Workplace, path: str, claimed: int) -> None:
    place.server.answers[path] = replace(whole(place), claimed=claimed)
    with pytest.raises(DownloadError, match=r"lists flower.safetensors with .* bytes but sends"):
        place.fetch(SOURCE)
    assert place.models() == []
    assert place.parts() == []


def test_without_a_length_the_listed_one_counts(place: Workplace, path: str) -> None:
    place.server.answers[path] = [replace(whole(place), no_length=True, cut_after=65_536), whole(place)]
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert ranges(place, path) == [None, "bytes=65536-"]


def test_more_than_was_announced_is_thrown_away(place: Workplace, path: str) -> None:
    place.server.answers[path] = Answer(DATA + bytes(100_000), no_length=True)
    with pytest.raises(DownloadError, match=r"more of flower.safetensors than announced"):
        place.fetch(SOURCE)
    assert place.parts() == []


@pytest.mark.parametrize("lie", ["short", "long", "missing"])
def test_lies_about_the_length_where_the_site_lists_none(place: Workplace, lie: str) -> None:
    path = place.server.add_civitai(DATA)
    good = place.server.answers[path]
    assert isinstance(good, Answer)
    answers = {
        "short": [replace(good, claimed=len(DATA) - 5000), good],
        "long": [replace(good, claimed=len(DATA) + 5000), good],
        "missing": [replace(good, no_length=True)],
    }
    place.server.answers[path] = answers[lie]
    if lie == "short":  # no way to know better than by the checksum
        with pytest.raises(DownloadError, match=r"checksum of ink_v2.safetensors is not the one"):
            place.fetch("civitai:11")
        assert place.models() == []
    place.fetch("civitai:11")
    assert (place.checkpoints / "ink_v2.safetensors").read_bytes() == DATA


# busy, slow and broken servers


def test_429_is_waited_for_as_long_as_the_server_asks(place: Workplace, path: str) -> None:
    place.server.answers[path] = [reply({}, 429, Retry_After="1"), reply({}, 503), whole(place)]
    start = time.monotonic()
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert time.monotonic() - start >= 1.0
    assert any("asks to slow down. Trying again in 1 s" in e.message for e in messages(place))


def messages(place: Workplace) -> list[Progress]:
    return [event for event in place.events if isinstance(event, Progress)]


def test_each_wait_is_longer_than_the_one_before(place: Workplace, path: str) -> None:
    came: list[float] = []

    def busy(seen: Seen) -> Answer:
        came.append(time.monotonic())
        return reply({}, 500)

    place.server.answers[path] = busy
    patience = replace(place.options().patience, first_wait=0.1)
    with pytest.raises(DownloadError, match=r"has a problem of its own \(status 500\). Try again later"):
        place.fetch(SOURCE, options=place.options(patience=patience))
    waits = [later - earlier for earlier, later in pairwise(came)]
    assert len(waits) == 3
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True)), waits


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for(place: Workplace, path: str) -> None:
    from datetime import UTC, datetime, timedelta

    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    place.server.answers[path] = reply({}, 429, Retry_After=later)
    with pytest.raises(DownloadError, match=r"Hugging Face asks to slow down. Try again later"):
        place.fetch(SOURCE)
    assert len(place.server.requests(path)) == 1


def time_to_stop(place: Workplace, ready: Callable[[], object]) -> float:
    """Fetch, stop 0.2 s after it was ready, and tell how many seconds the stopping took."""
    since: list[float] = []
    asked: list[float] = []

    def cancel() -> bool:
        now = time.monotonic()
        if ready():
            since.append(now)
        if since and now - since[0] > 0.2:
            asked.append(now)
        return bool(asked)

    with pytest.raises(Cancelled):
        place.fetcher().fetch(FetchRequest(SOURCE), cancel, lambda event: None)
    return time.monotonic() - asked[0]


@pytest.mark.parametrize("when", ["look-up", "head", "body", "trickle", "wait"])
def test_a_slow_server_is_left_within_a_second(place: Workplace, path: str, when: str) -> None:
    def hang(seen: Seen) -> Answer:
        place.server.closing.wait(20)
        return Answer()

    slow: dict[str, tuple[str, Any]] = {
        "look-up": ("/api/models/owner/name", hang),
        "head": (path, hang),
        "body": (path, replace(whole(place), stall_after=65_536)),
        "trickle": (path, replace(whole(place), pause=0.2)),
        "wait": (path, reply({}, 429, Retry_After="3")),
    }
    where, answer = slow[when]
    place.server.answers[where] = answer

    def ready() -> object:
        arrived = [part for part in place.parts() if part.stat().st_size]
        return arrived if when in ("body", "trickle") else place.server.requests(where)

    assert time_to_stop(place, ready) < 1.0
    assert place.models() == []
    if when in ("body", "trickle"):
        assert place.parts()[0].stat().st_size > 0  # kept for the next time


def test_a_server_that_stops_sending_is_asked_again(place: Workplace, path: str) -> None:
    place.server.answers[path] = [replace(whole(place), stall_after=65_536), whole(place)]
    place.fetch(SOURCE, options=place.options(patience=replace(place.options().patience, read=0.3)))
    assert fetched(place) == DATA
    assert ranges(place, path) == [None, "bytes=65536-"]


def test_no_network_is_one_clear_line(place: Workplace) -> None:
    from explorer.downloads import Site

    nobody = Site("Hugging Face", "http://127.0.0.1:9", None, "HF_TOKEN")
    with pytest.raises(DownloadError, match=r"Hugging Face cannot be reached. Look at your network"):
        place.fetcher(hub=nobody).look_up(SOURCE)


# two at once


def test_two_requests_for_one_file_share_one_transfer(place: Workplace, path: str) -> None:
    place.server.answers[path] = replace(whole(place), pause=0.02)
    results: list[ModelDone] = []
    notes: list[str] = []

    def one() -> None:
        def tell(event: object) -> None:
            if isinstance(event, ModelDone):
                results.append(event)
            elif isinstance(event, Progress):
                notes.append(event.message)

        place.fetcher().fetch(FetchRequest(SOURCE), lambda: False, tell)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(result.new for result in results) == [False, True]
    assert len(place.server.requests(path)) == 1
    assert fetched(place) == DATA
    assert any("is being fetched already" in note for note in notes)


def test_waiting_for_another_transfer_can_be_stopped(place: Workplace, path: str) -> None:
    place.server.answers[path] = replace(whole(place), stall_after=65_536)
    stop = threading.Event()

    def one() -> None:
        with pytest.raises(Cancelled):
            place.fetcher().fetch(FetchRequest(SOURCE), stop.is_set, lambda event: None)

    first = threading.Thread(target=one)
    first.start()
    while not place.server.requests(path):
        time.sleep(0.01)
    looked_up = "/api/models/owner/name"
    assert time_to_stop(place, lambda: len(place.server.requests(looked_up)) > 1) < 1.0
    stop.set()
    first.join(5)
    assert not first.is_alive()
    assert len(place.server.requests(path)) == 1


# what is no model


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Answer(b"<!DOCTYPE html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
            "web page instead",
        ),
        (Answer(b"\n<html>" + bytes(500)), "web page instead of flower.safetensors"),
        (
            Answer(b'{"error": "Not today"}', headers={"Content-Type": "application/json"}),
            "instead of flower.safetensors: Not today",
        ),
        (
            Answer(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "points to a file that was never uploaded",
        ),
        (Answer(b"PK\x03\x04" + bytes(5000)), "is no .safetensors file, whatever"),
        (Answer(b"short"), "cut short"),
        (Answer(b""), "empty"),
        (Answer(DATA[:-10]), "is cut short"),
        (Answer(DATA + b"more"), "4 bytes too many"),
    ],
)
def test_what_is_no_model_never_gets_a_name(
    place: Workplace, path: str, answer: Answer, message: str
) -> None:
    listing = {"rfilename": FILE}  # neither size nor checksum: the file itself must tell
    place.server.add_repo("owner/name", {FILE: DATA}, siblings=[listing])
    place.server.answers[path] = answer
    with pytest.raises(DownloadError, match=message):
        place.fetch(SOURCE)
    assert place.models() == []
    assert place.parts() == []
    assert len(place.server.requests(path)) == 1


def test_a_wrong_checksum_is_thrown_away(place: Workplace, path: str) -> None:
    place.server.answers[path] = Answer(model_bytes(400_000, seed=5))
    with pytest.raises(
        DownloadError, match=r"checksum of flower.safetensors is not the one Hugging Face lists"
    ):
        place.fetch(SOURCE)
    assert place.models() == []
    assert place.parts() == []


def test_a_login_page_behind_a_redirect_asks_for_a_token(place: Workplace) -> None:
    path = place.server.add_civitai(DATA)
    place.server.answers[path] = redirect("/login?returnUrl=x")
    place.server.answers["/login?returnUrl=x"] = Answer(b"<html>", headers={"Content-Type": "text/html"})
    with pytest.raises(AccessRefused, match=r"sign in. Then set CIVITAI_TOKEN"):
        place.fetch("civitai:11", options=place.without_token())


# the disk


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    place: Workplace, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(DiskFull, match=r"The disk has 0.0 GB free, and 0.2 GB are needed"):
        place.fetch(SOURCE)
    assert place.server.requests(path) == []


def test_too_small_a_disk_is_told_when_only_the_server_knows_the_size(
    place: Workplace, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server.add_repo("owner/name", {FILE: DATA}, siblings=[{"rfilename": FILE}])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 0, 200_100_000))
    with pytest.raises(DiskFull, match=r"are needed. Free some space"):
        place.fetch(SOURCE)
    assert sum(part.stat().st_size for part in place.parts()) == 0


def test_a_disk_that_fills_up_keeps_what_arrived(
    place: Workplace, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    real: Callable[..., Any] = Path.open

    class Small:
        """A file on a disk with room for 100 kB."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Small":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            if self.file.tell() > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.write(data)

    def open_small(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = real(path, mode, *rest, **more)
        return Small(file) if path.suffix == ".part" and "a" in mode else file

    monkeypatch.setattr(Path, "open", open_small)
    with pytest.raises(DiskFull, match=r"The disk is full. Free some space and start again"):
        place.fetch(SOURCE)
    monkeypatch.undo()
    assert place.parts()[0].stat().st_size > 100_000
    place.fetch(SOURCE)
    assert fetched(place) == DATA
    assert ranges(place, path)[-1] is not None


def test_a_folder_that_cannot_be_written_is_told(place: Workplace, path: str) -> None:
    place.checkpoints.parent.mkdir(parents=True)
    place.checkpoints.write_text("in the way")
    with pytest.raises(DownloadError, match=r"download folder cannot be written"):
        place.fetch(SOURCE)


def test_the_hash_in_the_card_is_that_of_the_file(place: Workplace, path: str) -> None:
    from explorer.downloads.shelving import read_card

    place.fetch(SOURCE)
    model = place.root / "models" / TARGET
    assert read_card(model)["sha256"] == hashlib.sha256(DATA).hexdigest()


def test_offline_asks_nobody(place: Workplace, path: str) -> None:
    fetcher = Fetcher(place.options(offline=True))
    with pytest.raises(DownloadError, match=r"Unset EXPLORER_OFFLINE"):
        fetcher.look_up(SOURCE)
    with pytest.raises(DownloadError, match=r"Unset EXPLORER_OFFLINE"):
        fetcher.identify("0" * 64)
    assert place.server.seen == []
