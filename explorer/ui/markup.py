"""HTML fragments from records: pure functions.

Gradio does not clean what a gr.HTML shows, so every text that is not ours (prompts, model
names, reasons) passes through `escape`: here, and in the status line of `snapshots.py`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from explorer.comparisons import Comparison, headline
from explorer.events import Failed
from explorer.types import Image, LeaderboardRow, ScoreRow, Tier
from metrics import BackboneCard, MetricCard

Cards = Mapping[str, MetricCard]
MAX_PROBLEMS = 50
MAX_PAIRS = 100
"""Sentences about pairs that a page shows."""


def notice(text: str) -> str:
    """A quiet sentence where there is nothing to show yet."""
    return f'<p class="x-quiet">{escape(text)}</p>'


def problems(failures: Sequence[Failed], notices: Sequence[str]) -> str:
    """What went wrong or is worth knowing, with reasons; empty when nothing did."""
    parts = []
    if failures:
        labels: dict[str, list[str]] = {}
        for failure in failures:
            labels.setdefault(failure.reason, []).append(failure.label)
        reasons = "".join(_reason(reason, which) for reason, which in labels.items())
        parts.append(f'<div class="x-problems"><b>Not made</b>{reasons}</div>')
    if notices:
        rows = "".join(f"<li>{escape(text)}</li>" for text in notices[:MAX_PROBLEMS])
        parts.append(f'<div class="x-notices"><b>Worth knowing</b><ul>{rows}</ul></div>')
    return "".join(parts)


def _reason(reason: str, labels: Sequence[str]) -> str:
    """One reason with what it concerns; most failures of a run share one."""
    rows = "".join(f"<li>{escape(label)}</li>" for label in labels[:MAX_PROBLEMS])
    more = len(labels) - MAX_PROBLEMS
    rows += f"<li>and {more} more</li>" if more > 0 else ""
    count = "1 picture" if len(labels) == 1 else f"{len(labels)} pictures"
    return f"<p>{escape(reason)}</p><details><summary>{count}</summary><ul>{rows}</ul></details>"


def leaderboard(rows: Sequence[LeaderboardRow], cards: Cards) -> str:
    """The leaderboard as tables, one a metric."""
    blocks = []
    for (metric, tier), group in by_metric(rows).items():
        card = cards.get(metric)
        question = f'<p class="x-quiet">{escape(card.question)}</p>' if card else ""
        body = "".join(_leaderboard_row(row) for row in group)
        blocks.append(
            f'<section class="x-metric"><h3>{_metric_name(metric, tier, cards)}</h3>{question}'
            '<table class="x-table"><thead><tr><th scope="col">Model</th><th scope="col">Mean</th>'
            '<th scope="col">95 % interval</th><th scope="col">Prompts</th><th scope="col">Pictures</th>'
            f'<th scope="col">Unscored</th></tr></thead><tbody>{body}</tbody></table></section>'
        )
    return "".join(blocks)


def verdicts(rows: Sequence[LeaderboardRow], comparisons: Sequence[Comparison], cards: Cards) -> str:
    """What each metric says of the top two models in a sentence, and of every other pair on a click."""
    items = []
    for (metric, tier), group in by_metric(rows).items():
        pairs = [pair for pair in comparisons if (pair.metric, pair.tier) == (metric, tier)]
        items.append(
            f'<li class="x-verdict"><span>{_metric_name(metric, tier, cards)}</span> '
            f"{escape(headline(group, pairs))}{_pairs(pairs)}</li>"
        )
    return f'<ul class="x-verdicts">{"".join(items)}</ul>' if items else ""


def _pairs(pairs: Sequence[Comparison]) -> str:
    if len(pairs) < 2 or all(pair.direction == "neutral" for pair in pairs):
        return ""
    rows = "".join(f"<li>{escape(pair.sentence)}</li>" for pair in pairs[:MAX_PAIRS])
    more = len(pairs) - MAX_PAIRS
    rows += f"<li>and {more:,} more, in the exports</li>" if more > 0 else ""
    return f"<details><summary>All {len(pairs):,} pairs</summary><ul>{rows}</ul></details>"


def _metric_name(metric: str, tier: str, cards: Cards) -> str:
    name = cards[metric].name if metric in cards else metric
    return f"{escape(name)} <small>{escape(tier)}</small>"


def by_metric(rows: Iterable[LeaderboardRow]) -> dict[tuple[str, str], list[LeaderboardRow]]:
    """The rows of each metric and tier, in the order given."""
    groups: dict[tuple[str, str], list[LeaderboardRow]] = {}
    for row in rows:
        groups.setdefault((row.metric, row.tier), []).append(row)
    return groups


def _leaderboard_row(row: LeaderboardRow) -> str:
    interval = "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"
    mean = "no score" if row.mean is None else number(row.mean)
    reason = (
        f'<div class="x-reason">{row.unscored} unscored: {escape(row.reason)}</div>' if row.reason else ""
    )
    return (
        f'<tr><th scope="row">{escape(row.model)}{reason}</th><td data-label="Mean">{mean}</td>'
        f'<td data-label="95 % interval">{interval or "none"}</td><td data-label="Prompts">{row.prompts}</td>'
        f'<td data-label="Pictures">{row.images}</td><td data-label="Unscored">{row.unscored}</td></tr>'
    )


def metric_cards(cards: Iterable[MetricCard], tier: Tier) -> str:
    """What the chosen metrics measure, how far to trust them, and what they load."""
    shown = "".join(_metric_card(card, tier) for card in cards)
    return shown or notice("Choose a metric to read what it measures.")


def _metric_card(card: MetricCard, tier: Tier) -> str:
    facts = [
        ("Better is", "neither" if card.direction == "neutral" else card.direction),
        ("Range", _range(card.range)),
        ("Formula", card.formula),
        ("Known weaknesses", " ".join(card.weaknesses)),
        *_backbone_facts(card, tier),
        ("Source", card.citation),
        ("Status", f"{card.status}, version {card.version}"),
    ]
    return (
        f'<article class="x-card"><h3>{escape(card.name)}</h3><p>{escape(card.question)}</p>'
        f"{facts_list(facts)}</article>"
    )


def _range(limits: tuple[float | None, float | None]) -> str:
    low, high = ("no limit" if limit is None else f"{limit:g}" for limit in limits)
    return f"{low} to {high}"


def _backbone_facts(card: MetricCard, tier: Tier) -> list[tuple[str, str]]:
    """The network of every tier, the chosen one first; a tier without one says so."""
    chosen = {tier: card.backbones.get(tier), **card.backbones}
    return [
        (f"Network ({name})", _backbone(network) if network else "none: this tier cannot compute it")
        for name, network in chosen.items()
    ]


def _backbone(network: BackboneCard) -> str:
    size = f"{network.parameters / 1e6:,.0f} million parameters" if network.parameters else ""
    fetch = f"{network.download_mb:,} MB to fetch once" if network.download_mb else "nothing to fetch"
    return ", ".join(part for part in (network.id, size, fetch, f"licence {network.licence}") if part)


def facts_list(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values, leaving out what is empty."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts if value)
    return f'<dl class="x-facts">{rows}</dl>'


def recipe(image: Image) -> str:
    """How a picture was made, for reading."""
    made = image.recipe
    loras = ", ".join(f"{name} at {weight:g}" for name, _, weight in made.loras)
    facts = [
        ("Model", made.model),
        ("LoRAs", loras),
        ("Prompt", made.prompt),
        ("Read with", made.trigger_words),
        ("Negative", made.negative),
        ("Seed", str(made.seed)),
        ("Sampler", f"{made.sampler}, {made.steps} steps, guidance {made.guidance:g}"),
        ("Size", f"{made.width} x {made.height}"),
        ("Category", ", ".join(part for part in (made.suite, made.category, made.difficulty) if part)),
        ("Drawn", image.created[:19].replace("T", " ")),
        ("On", " ".join(part for part in (made.device, made.precision) if part)),
        ("Model hash", made.model_hash[:12]),
    ]
    return f'<article class="x-card">{facts_list(facts)}</article>'


def settings_list(rows: Iterable[tuple[str, str]]) -> str:
    """Models with what each is drawn with."""
    items = "".join(f"<dt>{escape(model)}</dt><dd>{escape(settings)}</dd>" for model, settings in rows)
    return f'<dl class="x-facts x-stacked">{items}</dl>' if items else ""


def trigger_words(words: Mapping[str, Sequence[str]], *, clickable: bool) -> str:
    """Trigger words by the name they belong to, as buttons that carry them or for reading."""
    rows = []
    for name, group in words.items():
        shown = "".join(_word(word) for word in group) if clickable else escape(", ".join(group))
        rows.append(f"<p>Trigger words of {escape(name)}: {shown}</p>")
    return f'<div class="x-words">{"".join(rows)}</div>' if rows else ""


def _word(word: str) -> str:
    return (
        f'<button type="button" class="x-word" data-word="{escape(word)}" '
        f'title="Add to the end of each prompt that lacks it">{escape(word)}</button>'
    )


def scores(rows: Sequence[ScoreRow], cards: Cards) -> str:
    """The scores of one picture with what they rest on, or why there are none."""
    if not rows:
        return notice("Not scored yet. The Analyze tab scores a whole run.")
    return "".join(_score(row, cards.get(row.metric)) for row in rows)


def _score(row: ScoreRow, card: MetricCard | None) -> str:
    name = card.name if card else row.metric
    value = "no score" if row.value is None else number(row.value)
    evidence = [(key.replace("_", " "), _plain(value)) for key, value in row.detail.items()]
    backbone = f"{row.backbone} {row.revision[:8]}".strip()
    facts = facts_list([*evidence, ("network", backbone), ("metric version", str(row.metric_version))])
    reason = f'<p class="x-reason">{escape(row.reason)}</p>' if row.reason else ""
    return (
        f'<article class="x-card x-score"><h3>{escape(name)} <b>{value}</b></h3>{reason}'
        f"<details><summary>Evidence</summary>{facts}</details></article>"
    )


def number(value: float) -> str:
    """A score with the digits a person can use."""
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def count(number: int, noun: str) -> str:
    """A number of things, in the singular or the plural."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
