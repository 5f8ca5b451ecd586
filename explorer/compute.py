"""The one thread on which all work with torch is done.

Each thread that uses torch on a processor keeps OpenMP threads of its own, and as soon as
there are more of them than cores, OpenMP lets idle ones sleep at once: small models then
draw at half the speed. So models are loaded, drawn with and scored on this thread only.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

from explorer.events import Event

Tell = Callable[[Event], None]


class ComputeThread:
    """Runs one piece of work after another; whoever asked follows its events."""

    def __init__(self) -> None:
        """Start nothing yet; the thread begins with the first work."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")

    def follow(self, work: Callable[[Tell], None], abandoned: threading.Event) -> Iterator[Event]:
        """Run `work` and yield the events it tells, as they come.

        Args:
            work: Called with the function that takes its events.
            abandoned: Set when the caller leaves early; `work` must then end soon.

        Raises:
            Exception: Whatever `work` raised, after its last event.
        """
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        future = self._thread.submit(work, events.put)
        future.add_done_callback(lambda _: events.put(None))
        try:
            while (event := events.get()) is not None:
                yield event
        finally:
            abandoned.set()
            if not future.cancel():
                wait([future])
        future.result()

    def close(self) -> None:
        """End the thread once its work is done."""
        self._thread.shutdown()
