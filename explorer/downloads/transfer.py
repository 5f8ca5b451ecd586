"""Brings one file over, to the last verified byte, however often it has to start again.

What has arrived lies in a `.part` file with a small record beside it. A program that is killed
continues there; a file that changed meanwhile begins anew. The caller gives the name.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.downloads.meter import SPARE_BYTES, Meter, check_room
from explorer.downloads.offers import RemoteFile
from explorer.downloads.refusals import RangeRefused, Trouble, not_a_model
from explorer.downloads.shelving import blocks
from explorer.downloads.web import Retries, Web, network_trouble
from explorer.errors import DiskFull, DownloadError, InvalidRequest
from explorer.recognition.headers import file_label, read_header
from explorer.recognition.sidecars import read_json_file
from explorer.whole_files import write_whole

if TYPE_CHECKING:
    import httpx

    from explorer.downloads.exchange import Exchange

MAX_HEADER_BYTES = 100_000_000
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(slots=True)
class Record:
    """What a part is a part of; kept beside it."""

    identity: str
    """The checksum where the site tells it, otherwise address and size."""
    url: str
    etag: str = ""


class Transfer:
    """One file on its way into one `.part` file."""

    def __init__(self, web: Web, file: RemoteFile, part: Path, meter: Meter) -> None:
        """Prepare; `run` does it. Nobody else may use `part` meanwhile."""
        self._web, self._file, self._meter = web, file, meter
        self._part, self._record_path = part, part.with_suffix(".json")
        self._record = Record(file.sha256 or f"{file.url} {file.size}", file.url)
        self._offset, self._digest = 0, hashlib.sha256()
        self._furthest = 0
        self._total = file.size if file.size_exact else None
        self._expected = file.size or 0  # what the meter was told
        self._retries = Retries(web.patience, web.cancel, self._say)

    def run(self) -> str:
        """Fetch what is missing and verify the whole.

        Returns:
            The SHA-256 of the file, which lies whole in `part`.

        Raises:
            DownloadError: It cannot be had, or is not what was promised; says what to do.
            DiskFull: It does not fit.
            Cancelled: The person stopped the work; what arrived is kept.
        """
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            resumed = self._take_up()
            self._receive_all()
            wrong = self._wrong()
            if wrong and resumed:
                # The first bytes are of an earlier day; perhaps only they are bad.
                self._begin_anew()
                self._receive_all()
                wrong = self._wrong()
        except OSError as error:
            raise disk_error(error) from error
        if wrong:
            self._begin_anew()
            raise wrong
        return self._digest.hexdigest()

    # what is there already

    def _take_up(self) -> bool:
        """Continue with an earlier part if it belongs to the same file; says whether it did."""
        saved = read_json_file(self._record_path)
        if not isinstance(saved, dict) or saved.get("identity") != self._record.identity:
            self._begin_anew()
        if not self._part.is_file():
            return False
        if saved.get("url") == self._record.url:
            self._record.etag = str(saved.get("etag") or "")
        self._say("checking what is here already")
        for block in blocks(self._part, self._web.cancel):
            self._digest.update(block)
            self._offset += len(block)
        self._meter.had(self._offset)
        self._say("")
        return self._offset > 0

    def _begin_anew(self) -> None:
        self._meter.had(-self._offset)
        self._offset, self._digest = 0, hashlib.sha256()
        self._record.etag = ""
        self._part.unlink(missing_ok=True)
        self._record_path.unlink(missing_ok=True)

    # what comes over the network

    def _receive_all(self) -> None:
        while self._offset == 0 or self._offset != self._total:
            try:
                if self._receive():
                    return
            except Trouble as trouble:
                self._retries.wait(trouble)
                self._say("")

    def _receive(self) -> bool:
        """One request; whether the end of the file was reached."""
        headers = {}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
            if self._record.etag:
                headers["If-Range"] = self._record.etag
        try:
            exchange = self._web.open(self._file.url, self._file.name, headers)
        except RangeRefused as refused:
            if refused.total == self._offset:
                return True
            self._begin_anew()
            raise Trouble(f"{self._file.name} has changed on the site.", 0.0) from None
        try:
            self._accept(exchange.response)
            self._take(exchange)
        finally:
            exchange.leave()
        if self._total is not None and self._offset < self._total:
            raise Trouble(f"The connection to {self._web.site.name} broke.")
        return True

    def _accept(self, response: "httpx.Response") -> None:
        """Read the head of a response: which part of which file follows."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise DownloadError(f"{self._web.site.name} sends {self._file.name} in a form nobody asked for.")
        total = _number(response.headers.get("content-length"))
        if response.status_code == 206:
            found = _RANGE.match(response.headers.get("content-range", ""))
            if found is None or int(found[1]) != self._offset:
                self._begin_anew()
                raise Trouble(f"{self._web.site.name} sent another part than it was asked for.")
            total = None if found[3] == "*" else int(found[3])
        elif self._offset:
            self._begin_anew()  # it has changed, or the server does not do ranges
        if total is not None:
            self._check_size(total)
        etag = response.headers.get("etag", "")
        self._record.etag = "" if etag.startswith("W/") else etag
        write_whole(self._record_path, json.dumps(asdict(self._record)).encode())

    def _check_size(self, total: int) -> None:
        listed = self._file.size
        if listed is not None and self._file.size_exact and total != listed:
            self._begin_anew()
            raise DownloadError(
                f"{self._web.site.name} lists {self._file.name} with {listed:,} bytes but sends {total:,}. "
                "It may have changed just now; look it up again."
            )
        self._total = total
        self._meter.expect(total - self._expected)
        self._expected = total
        check_room(self._part.parent, total - self._offset)

    def _take(self, exchange: "Exchange") -> None:
        """Write the body as it comes; whatever was written is good even if it breaks off."""
        import httpx

        most = self._most()
        start = b""
        with self._part.open("ab") as file:
            try:
                for block in exchange.parts():
                    if self._offset < 16:
                        start += block
                        self._check_start(start, exchange.response.headers.get("content-type", ""))
                    if self._offset + len(block) > most:
                        raise _TooLong
                    file.write(block)
                    self._digest.update(block)
                    self._offset += len(block)
                    self._meter.arrived(len(block))
                    if self._offset > self._furthest:
                        self._furthest = self._offset
                        self._retries.progress()
            except (httpx.HTTPError, httpx.StreamError) as error:
                raise network_trouble(self._web.site, error) from error
            except _TooLong:
                self._begin_anew()
                raise DownloadError(
                    f"{self._web.site.name} sends more of {self._file.name} than announced; nothing was kept."
                ) from None

    def _most(self) -> int:
        """How many bytes the file may have, however little is known of it."""
        if self._total is not None:
            return self._total
        if self._file.size is not None:
            return int(self._file.size * 1.05) + 1_000_000
        return self._offset + shutil.disk_usage(self._part.parent).free - SPARE_BYTES

    def _check_start(self, start: bytes, content_type: str) -> None:
        """Stop at the first bytes when they are no model, before gigabytes of it arrive."""
        page = content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
        wrong = page
        if self._file.kind == "weights" and len(start) >= 9:
            length = int.from_bytes(start[:8], "little")
            wrong = wrong or not (2 <= length <= MAX_HEADER_BYTES and start[8:9] == b"{")
        if wrong:
            self._begin_anew()
            raise not_a_model(self._web.site, self._file.name, start if not page else b"<html")

    # the whole

    def _wrong(self) -> DownloadError | None:
        """Why the file that has arrived is not the one promised."""
        name = self._file.name
        if self._file.sha256 and self._digest.hexdigest() != self._file.sha256:
            return DownloadError(
                f"The checksum of {name} is not the one {self._web.site.name} lists, so it was thrown away. "
                "Try again; if it stays so, the file on the site is damaged."
            )
        try:
            if self._file.kind == "weights":
                read_header(self._part)
            elif name.endswith(".json"):
                json.loads(self._part.read_bytes())
        except (ValueError, RecursionError):
            return DownloadError(f"{name} arrived damaged, so it was thrown away. Try again.")
        except InvalidRequest as error:
            words = str(error).replace(file_label(self._part), name)
            return DownloadError(f"{words} What had arrived was thrown away.")
        return None

    def _say(self, text: str) -> None:
        self._meter.message = text


class _TooLong(Exception):
    pass


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def disk_error(error: OSError) -> DiskFull | DownloadError:
    """What an error of the disk means for the person."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full. Free some space and start again; what was fetched is kept.")
    return DownloadError(f"The download folder cannot be written: {error.strerror or 'unknown reason'}.")


def finish(path: Path) -> None:
    """Make sure that a file survives a power cut before it is given its name."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        os.fsync(file.fileno())
