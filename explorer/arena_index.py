"""Keeps the arena's candidates ready, and makes them anew when pictures or runs have changed."""

import threading
import time
from dataclasses import replace

from explorer.ballots import Scope
from explorer.candidates import Candidates, candidates
from explorer.vote_store import Contender, Version, VoteStore

QUICK_SECONDS = 0.05
"""An index that was made so quickly is made anew at once; a larger one in the background, and
voters are dealt from the old one meanwhile."""
LOOK_SECONDS = 1.0
MAX_SCOPES = 16


class ArenaIndex:
    """Candidates by scope."""

    def __init__(self, votes: VoteStore) -> None:
        """Reads nothing yet."""
        self._votes = votes
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._version: Version = ()
        self._contenders: list[Contender] = []
        self._seconds = 0.0
        self._looked = -LOOK_SECONDS
        self._made: dict[Scope, Candidates] = {}

    @property
    def version(self) -> Version:
        """Of the pictures that are dealt from."""
        return self._version

    def candidates(self, scope: Scope) -> Candidates:
        """Who may meet in a scope, by a look at the pictures that is a second old at most."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.refresh()
        scope = replace(scope, without_voters=())
        with self._lock:
            contenders, found = self._contenders, self._made.get(scope)
        if found is not None and found.contenders is contenders:
            return found
        made = candidates(contenders, scope)
        with self._lock:
            self._made[scope] = made
            while len(self._made) > MAX_SCOPES:
                self._made.pop(next(iter(self._made)))
        return made

    def refresh(self) -> bool:
        """Look whether there are other pictures now; returns whether there are."""
        current = self._votes.contents()
        self._looked = time.monotonic()
        if current == self._version:
            return False
        if not self._contenders or self._seconds < QUICK_SECONDS:
            with self._loading:
                self._load(current)
        elif self._loading.acquire(blocking=False):
            threading.Thread(target=self._load_behind, args=[current], daemon=True).start()
        return True

    def _load_behind(self, version: Version) -> None:
        try:
            self._load(version)
        finally:
            self._loading.release()

    def _load(self, version: Version) -> None:
        if version == self._version:
            return  # another thread was faster
        began = time.monotonic()
        contenders = self._votes.contenders()
        with self._lock:
            scopes = list(self._made)
        made = {scope: candidates(contenders, scope) for scope in scopes}
        with self._lock:
            self._contenders, self._made, self._version = contenders, made, version
        self._seconds = time.monotonic() - began
