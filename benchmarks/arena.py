"""The arena: how many votes the choice of pairs saves, and how soon the next pair is there."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Comparison, own_process

if TYPE_CHECKING:
    from explorer import Explorer
    from explorer.ballots import Vote
    from explorer.ratings import Floats
    from explorer.types import Recipe

MODULE = "benchmarks.arena"
MODELS, SPREAD, VOTES, TOURNAMENTS, TIES = 12, 0.9, 1_200, 24, 0.2
TARGETS = (0.80, 0.85, 0.90)
"""Kendall's rank correlation with the truth, on average over the tournaments."""
LOOK_EVERY = 5
PICTURES, MANY_MODELS, PAIRS = 100_000, 50, 60
SIDE, NEXT_SECONDS, EARLIER_VOTES = 1024, 0.1, 20_000
LOOKING_SECONDS = 0.4
"""What the quickest of voters takes to look; the pair after the next is made meanwhile."""


def fewer_votes() -> Comparison:
    """Votes until the ranking is as right, with pairs chosen for information and at random.

    Of the targets the worst ratio counts. Both sides vote on the same models, with the same
    share of ties, and are rated by the same code.
    """
    chosen, random = (_accuracy(rule) for rule in (_by_worth, _at_random))
    needed = [(_first(chosen, target), _first(random, target)) for target in TARGETS]
    told = ", ".join(f"tau {t}: {a} of {b}" for t, (a, b) in zip(TARGETS, needed, strict=True))
    ours, other = max(needed, key=lambda pair: pair[0] / pair[1])
    return Comparison(f"votes for the same ranking of {MODELS} models ({told})", ours, other, bound=0.7)


def next_pair() -> Comparison:
    """Making a pair out of 100,000 pictures of 50 models, against out of 1,000.

    Both with blind copies of two pictures of 1,024 px. Also promised: a voter who looks at a pair
    for as long as the quickest do gets the next one within 100 ms on the server.
    """
    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as few:
        made, waited, first = own_process(MODULE, f"{PICTURES} {many}")
        small, _, _ = own_process(MODULE, f"{1_000} {few}")
    if waited > NEXT_SECONDS:
        raise RuntimeError(f"19 of 20 pairs came within {waited * 1000:.0f} ms")
    title = (
        f"a pair out of {PICTURES:,} pictures (made in {made * 1000:.0f} ms; 19 of 20 voters waited "
        f"{waited * 1000:.1f} ms at most; the very first of a program {first:.1f} s)"
    )
    return Comparison(title, made, small, bound=2.0)


def _accuracy(rule: "Callable[[Floats], Floats]") -> "Floats":
    """Rank correlation with the truth after each vote, a mean over tournaments, smoothed over 15 votes."""
    random = np.random.default_rng(20_260_103)
    taus = np.mean([_tournament(rule, random) for _ in range(TOURNAMENTS)], axis=0)
    return np.convolve(taus, np.ones(15) / 15, mode="same")


def _tournament(rule: "Callable[[Floats], Floats]", random: np.random.Generator) -> "Floats":
    from scipy.stats import kendalltau

    from explorer.pairing import choose_models
    from explorer.ratings import fit

    truth = random.normal(0, SPREAD, MODELS)
    wins, shared = np.zeros((MODELS, MODELS)), np.ones((MODELS, MODELS), dtype=np.int64)
    taus, tau = [], 0.0
    for number in range(VOTES):
        models = choose_models(rule(wins), shared, random)
        assert models is not None
        i, j = models
        share = 1 / (1 + np.exp(truth[j] - truth[i]))
        tied = 2 * min(share, 1 - share) * TIES
        drawn = random.random()
        points = 1.0 if drawn < share - tied / 2 else 0.5 if drawn < share + tied / 2 else 0.0
        wins[i, j] += points
        wins[j, i] += 1 - points
        if number % LOOK_EVERY == 0:
            tau = kendalltau(fit(wins), truth)[0]
        taus.append(tau)
    return np.array(taus)


def _by_worth(wins: "Floats") -> "Floats":
    from explorer.pairing import worth

    return worth(wins)


def _at_random(wins: "Floats") -> "Floats":
    return np.ones_like(wins)


def _first(taus: "Floats", target: float) -> int:
    reached = np.flatnonzero(taus[:-15] >= target)
    if not reached.size:
        raise RuntimeError(f"a rank correlation of {target} was not reached in {VOTES} votes")
    return int(reached[0]) + 1


def _deal(pictures: int, root: Path) -> list[float]:
    """Median seconds of making a pair; what 19 of 20 voters wait at most; the very first."""
    from explorer.ballots import PairRequest
    from explorer.casting import Answer

    explorer = _prepare(pictures, root)
    waited, made = list[float](), list[float]()
    for number in range(PAIRS + 1):
        began = time.perf_counter()
        shown = explorer.arena.next(PairRequest(f"voter {number % 3}", ahead=True))
        waited.append(time.perf_counter() - began)
        time.sleep(LOOKING_SECONDS)
        explorer.arena.vote(Answer(shown.id, ("left", "right", "tie")[number % 3]))
    for number in range(PAIRS):
        began = time.perf_counter()
        explorer.arena.next(PairRequest(f"voter {number % 3}"))
        made.append(time.perf_counter() - began)
    explorer.close()
    # The first pair of each of the three voters could not be made ahead.
    return [float(np.median(made)), float(np.quantile(waited[3:], 0.95)), waited[0]]


def _prepare(pictures: int, root: Path) -> "Explorer":
    """An index of so many pictures; files that are dealt are real ones, one a model."""
    from dataclasses import asdict

    import sqlalchemy as sa
    from PIL import Image as Pillow

    from explorer import Explorer, Settings, schema
    from explorer.plans import digest

    explorer = Explorer(Settings(root=root, device="cpu", offline=True))
    random = np.random.default_rng(1)
    recipe = _recipe()
    paths = []
    for model in range(MANY_MODELS):
        low = random.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
        picture = Pillow.fromarray(low).resize((SIDE, SIDE), Pillow.Resampling.BICUBIC)
        path = explorer.settings.images / f"{model}.png"
        picture.save(path)
        paths.append(path.name)
    rows = []
    for number in range(pictures):
        model, cell = number % MANY_MODELS, number // MANY_MODELS
        name, key = f"model {model}", digest(["cell", number])
        own = {"model": name, "model_hash": digest(["model", model]), "prompt": f"prompt {cell // 4}"}
        own |= {"prompt_id": f"p{cell // 4}", "suite": "s", "category": f"c{cell % 7}", "seed": cell % 4}
        rows.append(
            own
            | {"id": digest(["image", number]), "cell": key, "path": paths[model], "size_bytes": 1}
            | {"recipe": asdict(recipe) | own | {"cell": key}, "created": "2026-01-01T00:00:00+00:00"}
        )
    cells = [{"run": "r", "position": i, "cell": row["cell"]} for i, row in enumerate(rows)]
    run = {"id": "r", "created": "2026-01-01", "title": "t", "models": [], "suite": "s", "categories": []}
    with explorer.storage.engine.begin() as connection:
        connection.execute(sa.insert(schema.runs), [run | {"request": {}}])
        for begin in range(0, len(rows), 10_000):
            connection.execute(sa.insert(schema.images), rows[begin : begin + 10_000])
            connection.execute(sa.insert(schema.run_cells), cells[begin : begin + 10_000])
    explorer.storage.votes.take_in(_votes(rows, random))
    return explorer


def _recipe() -> "Recipe":
    from explorer.types import Recipe

    return Recipe(
        model="",
        model_hash="",
        checkpoint_hash="",
        loras=(),
        prompt="",
        negative="",
        seed=0,
        sampler="Euler",
        steps=20,
        guidance=5.0,
        width=SIDE,
        height=SIDE,
        prompt_id="",
        suite="s",
        category="c",
        difficulty="easy",
        cell="",
    )


def _votes(rows: "list[dict[str, object]]", random: np.random.Generator) -> "list[Vote]":
    """Earlier votes of other people, as a busy arena has them."""
    from explorer.ballots import Entrant, Topic, Vote

    votes = []
    for number in range(EARLIER_VOTES):
        cell = int(random.integers(len(rows) // MANY_MODELS)) * MANY_MODELS
        i, j = random.choice(MANY_MODELS, 2, replace=False)
        first, second = (
            Entrant(str(r["id"]), str(r["model"]), str(r["model_hash"]))
            for r in (rows[cell + int(i)], rows[cell + int(j)])
        )
        topic = Topic(str(rows[cell]["prompt"]), "p", "s", "c", 0, "r")
        moment = f"2026-01-01T00:00:00.{number:06}+00:00"
        outcome = "first" if random.random() < 1 / (1 + np.exp((j - i) / 20)) else "second"
        votes.append(
            Vote(
                f"b{number}",
                0,
                f"s{number}",
                "pair",
                f"voter {number % 40}",
                topic,
                first,
                second,
                outcome,
                moment,
            )
        )
    return votes


if __name__ == "__main__":
    count, place = sys.argv[1].split(" ", 1)
    print(*_deal(int(count), Path(place)))
