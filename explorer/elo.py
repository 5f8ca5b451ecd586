"""Elo as history: how ratings moved vote by vote. Never used to rank.

Online Elo (Elo, 1978) depends on the order of the votes; `ratings.py` does not. K is 4, the scale
400 and the start 1000, as in FastChat.
"""

from collections.abc import Sequence

import numpy as np

from explorer.ratings import CENTRE, Floats, Tally

K, SPREAD = 4.0, 400.0
MAX_POINTS = 200


def elo_history(tally: Tally, points: int = MAX_POINTS) -> tuple[list[int], Floats]:
    """Elo of every model after some of the votes.

    Args:
        tally: The votes, oldest first.
        points: At most about how many moments.

    Returns:
        How many votes there had been at each moment, and the ratings then, shape (moments, models).
    """
    votes = len(tally.points)
    elo = np.full(len(tally.models), CENTRE)
    every = max(1, -(-votes // points))
    moments, history = [0], [elo.copy()]
    rows: Sequence[tuple[int, int, float]] = list(
        zip(tally.first.tolist(), tally.second.tolist(), tally.points.tolist(), strict=True)
    )
    for number, (i, j, score) in enumerate(rows, start=1):
        expected = 1 / (1 + 10 ** ((elo[j] - elo[i]) / SPREAD))
        elo[i] += K * (score - expected)
        elo[j] -= K * (score - expected)
        if number % every == 0 or number == votes:
            moments.append(number)
            history.append(elo.copy())
    return moments, np.array(history)
