"""One HTTP request on a thread of its own, so that whoever waits for it may leave at any moment.

A blocked socket cannot be interrupted from outside. So the thread that reads it is never waited
for: a stalled server costs the person nothing, and the thread ends by its own time limit.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from explorer.downloads.options import Cancel
from explorer.errors import Cancelled

if TYPE_CHECKING:
    import httpx

POLL_SECONDS = 0.1
PARTS_AHEAD = 16
"""How many parts of the body are read before the disk has taken the first."""


class Exchange:
    """A request under way: first the response's head, then its body in parts."""

    def __init__(
        self,
        connect: Callable[[], "httpx.Client"],
        request: dict[str, Any],
        check: Callable[[], None],
        cancel: Cancel,
    ) -> None:
        """Send the request and wait for the head of the response.

        Args:
            connect: Makes a client that this request alone uses.
            request: Arguments of httpx's `build_request`.
            check: Called first, on the thread; raises when the address may not be asked.
            cancel: Whether to leave.

        Raises:
            Cancelled: The person stopped the work.
            Exception: What the request raised.
        """
        self._cancel = cancel
        self._parts: queue.Queue[Any] = queue.Queue(PARTS_AHEAD)
        self._left = threading.Event()
        arguments = (connect, request, check)
        threading.Thread(target=self._run, args=arguments, name="exchange", daemon=True).start()
        self.response: httpx.Response = self._next()
        self.trusted = True
        """Whether the answer comes from the site itself, not from where it sent us."""

    def parts(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            Cancelled: The person stopped the work.
            Exception: What reading raised; what was yielded before is good.
        """
        while (part := self._next()) is not None:
            yield part

    def body(self, limit: int) -> bytes:
        """The whole body, or its first `limit` bytes; raises as `parts` does."""
        body = b""
        try:
            for part in self.parts():
                body += part
                if len(body) >= limit:
                    break
        finally:
            self.leave()
        return body[:limit]

    def leave(self) -> None:
        """Want no more of it."""
        self._left.set()

    def _next(self) -> Any:
        while True:
            if self._cancel():
                self.leave()
                raise Cancelled("Stopped.")
            try:
                part = self._parts.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(part, Exception):
                raise part
            return part

    def _run(
        self, connect: Callable[[], "httpx.Client"], request: dict[str, Any], check: Callable[[], None]
    ) -> None:
        try:
            check()
            with connect() as client:
                response = client.send(client.build_request(**request), stream=True)
                try:
                    if self._put(response):
                        for part in response.iter_bytes():
                            if not self._put(part):
                                return
                        self._put(None)
                finally:
                    response.close()
        except Exception as error:
            self._put(error)

    def _put(self, part: object) -> bool:
        while not self._left.is_set():
            try:
                self._parts.put(part, timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
