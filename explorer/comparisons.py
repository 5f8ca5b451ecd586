"""Which of two models is better, and how sure that is. Pure functions; no I/O.

Models are compared prompt by prompt, on the prompts that both have. The interval of the mean
difference is the leaderboard's paired bootstrap; the p-value is a sign-flip permutation test
(Fisher, 1935): were the models equal, each prompt's difference could as well have the other
sign. All pairs of models under one metric are corrected together (Holm, 1979), so that one
comparison in twenty does not come out by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from explorer.score_tables import Floats, ScoreTable, score_tables
from explorer.significance import (
    ALPHA,
    MAX_MORE_PROMPTS,
    ROUNDING,
    holm,
    more_prompts,
    sign_flip_p_values,
    sign_patterns,
)
from explorer.statistics import intervals, resample_counts
from explorer.types import Image, LeaderboardRow, ScoreRow

Verdict = Literal["better", "worse", "not separable", "no verdict"]

MIN_PROMPTS = 6
"""With fewer, even winning on every prompt comes by chance more than once in twenty (2 / 2^5)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models under one metric, on the prompts that both have."""

    metric: str
    tier: str
    direction: str
    first: str
    second: str
    prompts: int
    """That both have; equally many of each count."""
    left_out: int
    """Prompts that only one of them has."""
    verdict: Verdict
    """Of the first model."""
    reason: str = ""
    """Why there is no verdict; of models that are not separable, what else is known."""
    first_mean: float | None = None
    second_mean: float | None = None
    difference: float | None = None
    """Mean of first - second."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval of the difference, for this pair alone."""
    win_rate: float | None = None
    """Share of the prompts on which the first is better, ties half; where neither end is
    better, on which it is higher."""
    p_value: float | None = None
    adjusted_p: float | None = None
    """After Holm's correction over all pairs of the metric."""
    more_prompts: int | None = None
    """About how many would be needed; None where no number would do, or none is needed."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form."""
        return asdict(self) | {"sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """What is known, for people; the model that is ahead is named first."""
        if self.difference is None or self.verdict == "no verdict":
            return f"{self.first} and {self.second}: {self.reason}"
        ahead = self if self._first_leads else self.reversed()
        facts = f"{ahead._by_how_much()} on average over {ahead.prompts} prompts{ahead._interval()}"
        share = "" if ahead.win_rate is None else f", ahead on {ahead.win_rate * 100:.0f} % of them"
        if ahead.verdict == "better":
            return f"{ahead.first} is better than {ahead.second}: {facts}{share}."
        return (
            f"{ahead.first} and {ahead.second} are not separable: the first is {facts}{share}. {ahead.reason}"
        )

    def reversed(self) -> "Comparison":
        """The same, seen from the second model."""
        swapped: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
        return replace(
            self,
            first=self.second,
            second=self.first,
            verdict=swapped.get(self.verdict, self.verdict),
            first_mean=self.second_mean,
            second_mean=self.first_mean,
            difference=_negated(self.difference),
            low=_negated(self.high),
            high=_negated(self.low),
            win_rate=None if self.win_rate is None else 1 - self.win_rate,
        )

    @property
    def _first_leads(self) -> bool:
        difference = self.difference or 0.0
        return difference <= 0 if self.direction == "lower" else difference >= 0

    def _by_how_much(self) -> str:
        if not self.difference:
            return "equal"
        return f"{abs(self.difference):.3g} {'lower' if self.difference < 0 else 'higher'}"

    def _interval(self) -> str:
        return (
            "" if self.low is None or self.high is None else f" (95 %: {self.low:+.3g} to {self.high:+.3g})"
        )


def compare(
    images: Sequence[Image], scores: Sequence[ScoreRow], directions: Mapping[str, str]
) -> list[Comparison]:
    """Every pair of models under every metric and tier.

    Args:
        images: The pictures of a run.
        scores: Their scores.
        directions: Metric id to "higher", "lower" or "neutral".
    """
    return [each for table in score_tables(images, scores, directions) for each in compare_table(table)]


def compare_table(table: ScoreTable) -> list[Comparison]:
    """Every pair of models of one metric and tier, in the order of the models."""
    if len(table.models) < 2:
        return []
    if table.level == "model":
        return _without_prompts(table)
    counts, signs = resample_counts(len(table.prompts)), sign_patterns(len(table.prompts))
    found: list[Comparison] = []
    spreads: list[float] = []
    for index in range(len(table.models) - 1):
        differences = _differences(table.values[index], table.values[index + 1 :])
        result = intervals(differences, counts=counts)
        p_values = sign_flip_p_values(differences, signs)
        for other, row in enumerate(differences):
            pair = _pair(table, index, index + 1 + other, row)
            if pair.prompts >= MIN_PROMPTS:
                low, high = float(result.low[other]), float(result.high[other])
                pair = replace(pair, low=low, high=high, p_value=float(p_values[other]))
            found.append(pair)
            spreads.append(float(np.nanstd(row, ddof=1)) if pair.prompts >= MIN_PROMPTS else 0.0)
    return _judged(found, spreads)


def _judged(pairs: Sequence[Comparison], spreads: Sequence[float]) -> list[Comparison]:
    """The pairs with their verdicts; `spreads` are standard deviations over prompts."""
    tested = [index for index, pair in enumerate(pairs) if pair.p_value is not None]
    adjusted, thresholds = holm([pairs[index].p_value or 0.0 for index in tested])
    result = list(pairs)
    for index, p_value, threshold in zip(tested, adjusted, thresholds, strict=True):
        pair = replace(pairs[index], adjusted_p=p_value)
        result[index] = _verdict(pair, spreads[index], threshold, len(tested))
    return result


def _verdict(pair: Comparison, spread: float, threshold: float, pairs: int) -> Comparison:
    if pair.direction == "neutral":
        return replace(pair, verdict="no verdict", reason="it describes; more is neither better nor worse.")
    if pair.difference is None or pair.low is None or pair.high is None or pair.adjusted_p is None:
        return pair
    apart = pair.low > 0 or pair.high < 0
    if apart and pair.adjusted_p <= ALPHA:
        leads = (pair.difference > 0) != (pair.direction == "lower")
        return replace(pair, verdict="better" if leads else "worse")
    if spread == 0 and pair.difference == 0:
        return replace(pair, reason="Every prompt has the same value for both.")
    more = more_prompts(pair.difference, spread, pair.prompts, threshold)
    if more is None:
        text = f"It would take more than {MAX_MORE_PROMPTS:,} prompts: the difference is too small to matter."
    else:
        text = f"About {more:,} more {'prompt' if more == 1 else 'prompts'} would tell, if it stays as large."
    if apart:
        text = f"Alone it would count; among {pairs} comparisons it may be chance. {text}"
    return replace(pair, reason=text, more_prompts=more)


def _differences(first: Floats, others: Floats) -> Floats:
    """First minus each other, NaN where one is missing; what differs by rounding only is equal."""
    differences = first - others
    size = np.maximum(np.abs(first), np.abs(others))
    with np.errstate(invalid="ignore"):
        differences[np.abs(differences) <= ROUNDING * size] = 0.0
    return differences


def _pair(table: ScoreTable, first: int, second: int, differences: Floats) -> Comparison:
    both = np.isfinite(differences)
    one = np.isfinite(table.values[first]) | np.isfinite(table.values[second])
    common = int(both.sum())
    pair = Comparison(
        metric=table.metric,
        tier=table.tier,
        direction=table.direction,
        first=table.models[first],
        second=table.models[second],
        prompts=common,
        left_out=int(one.sum()) - common,
        verdict="not separable",
    )
    if common < MIN_PROMPTS:
        few = f"{common} {'prompt in common is' if common == 1 else 'prompts in common are'} too few"
        pair = replace(pair, verdict="no verdict", reason=f"{few}; use {MIN_PROMPTS} or more.")
    if not common:
        return pair
    wins = np.sign(differences[both]) * (-1 if table.direction == "lower" else 1)
    return replace(
        pair,
        first_mean=float(table.values[first][both].mean()),
        second_mean=float(table.values[second][both].mean()),
        difference=float(differences[both].mean()),
        win_rate=float((wins + 1).mean() / 2),
    )


def _without_prompts(table: ScoreTable) -> list[Comparison]:
    """One value a model: there is a difference, but nothing that says how sure it is."""
    reason = "it gives one value for all pictures of a model, so there are no prompts to compare."
    values = [None if np.isnan(value) else float(value) for value in table.values[:, 0]]
    pairs = []
    for index, first in enumerate(values):
        for other, second in enumerate(values[index + 1 :], start=index + 1):
            difference = None if first is None or second is None else first - second
            names = table.models[index], table.models[other]
            pairs.append(
                Comparison(
                    *(table.metric, table.tier, table.direction),
                    *names,
                    prompts=0,
                    left_out=0,
                    verdict="no verdict",
                    reason=reason,
                    first_mean=first,
                    second_mean=second,
                    difference=difference,
                )
            )
    return pairs


def headline(rows: Sequence[LeaderboardRow], comparisons: Sequence[Comparison]) -> str:
    """One sentence on the two best models of one metric and tier.

    Args:
        rows: Of that metric and tier, best first, as the leaderboard has them.
        comparisons: All that there are.
    """
    scored = [row for row in rows if row.mean is not None]
    if not scored:
        return "Nothing could be scored."
    if len(scored) == 1:
        return f"Only {scored[0].model} has scores; there is nothing to compare with."
    best, second = scored[:2]
    if best.direction == "neutral":
        return "It describes the models; more is neither better nor worse."
    for pair in comparisons:
        same = (pair.metric, pair.tier) == (best.metric, best.tier)
        if same and {pair.first, pair.second} == {best.model, second.model}:
            return pair.sentence
    return f"{best.model} and {second.model} were not compared."


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
