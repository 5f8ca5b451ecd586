"""Has the next pair of each voter made before they ask for it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from explorer.ballots import PairRequest, Shown

MAX_WAITING = 64
MAX_SECONDS = 3600
RECENT = 4
"""How many of the last pairs may still be on a voter's screen, and are not dealt again."""


@dataclass(frozen=True, slots=True)
class _Slot:
    shown: "Future[Shown]"
    recent: tuple[str, ...]
    made: float


class ReadyPairs:
    """One pair waiting for each voter and choice of what to vote on."""

    def __init__(self, make: Callable[[PairRequest], Shown]) -> None:
        """Makes nothing yet.

        Args:
            make: Deals and copies a pair.
        """
        self._make = make
        self._lock = threading.Lock()
        self._slots: dict[PairRequest, _Slot] = {}
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="next-pair")

    def take(self, request: PairRequest) -> Shown:
        """The pair that waits, or a new one; the one after it is begun.

        Raises:
            InvalidRequest: As `make` does.
        """
        key = replace(request, avoid=())
        with self._lock:
            slot = self._slots.pop(key, None)
        shown = self._waiting(slot) or self._make(request)
        recent = (*request.avoid, *(slot.recent if slot else ()), shown.id)[-RECENT:]
        begun = _Slot(self._pool.submit(self._make, replace(key, avoid=recent)), recent, time.monotonic())
        with self._lock:
            self._slots[key] = begun
            while len(self._slots) > MAX_WAITING:
                self._slots.pop(next(iter(self._slots)))
        return shown

    def close(self) -> None:
        """Finish what is being made, and begin nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _waiting(self, slot: _Slot | None) -> Shown | None:
        if slot is None or time.monotonic() - slot.made > MAX_SECONDS:
            return None
        try:
            return slot.shown.result()
        except Exception:
            return None  # made anew, it fails again where the person is told
