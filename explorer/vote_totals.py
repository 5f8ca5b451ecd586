"""How often each answer was given, kept up to date by looking at new votes only."""

import threading
from collections import Counter

from explorer.ballots import Scope
from explorer.vote_store import VoteStore

MAX_SCOPES = 16
Totals = Counter[tuple[str, str, str]]


class VoteTotals:
    """Answers by (first model's hash, second's, outcome), and votes by prompt, of each scope."""

    def __init__(self, votes: VoteStore) -> None:
        """Reads nothing yet."""
        self._votes = votes
        self._lock = threading.Lock()
        self._kept: dict[Scope, tuple[str, int, Totals, Counter[str]]] = {}

    def of(self, scope: Scope) -> tuple[Totals, Counter[str]]:
        """The answers and the prompts of a scope; not to be changed."""
        with self._lock:
            undone = self._votes.last_undone()
            was_undone, newest, answers, prompts = self._kept.pop(scope, ("", 0, Counter(), Counter()))
            if undone != was_undone:
                newest, answers, prompts = 0, Counter(), Counter()
            found = self._votes.newer_than(newest, scope)
            if found:
                # Copies, for others may be reading the old ones.
                answers, prompts = answers.copy(), prompts.copy()
                newest = max(row for row, *_ in found)
                answers.update((first, second, outcome) for _, first, second, outcome, _ in found if second)
                prompts.update(prompt for *_, prompt in found)
            self._kept[scope] = undone, newest, answers, prompts
            while len(self._kept) > MAX_SCOPES:
                self._kept.pop(next(iter(self._kept)))
            return answers, prompts
