"""HTML fragments from records: pure functions.

Gradio does not clean what a gr.HTML shows, so every text that is not ours (prompts, model
names, reasons) passes through `escape`: here, and in the status line of `snapshots.py`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from explorer.events import Failed
from explorer.types import Image, ScoreRow
from explorer.ui.evidence_markup import evidence
from metrics import MetricCard

Cards = Mapping[str, MetricCard]
Seen = Callable[[ScoreRow], tuple[str, set[str]]]
MAX_PROBLEMS = 50
MAX_PAIRS = 100
"""Sentences about pairs that a page shows."""


def notice(text: str) -> str:
    """A quiet sentence where there is nothing to show yet."""
    return f'<p class="x-quiet">{escape(text)}</p>'


def problems(failures: Sequence[Failed], notices: Sequence[str], title: str = "Not made") -> str:
    """What went wrong or is worth knowing, with reasons; empty when nothing did."""
    parts = []
    if failures:
        labels: dict[str, list[str]] = {}
        for failure in failures:
            labels.setdefault(failure.reason, []).append(failure.label)
        reasons = "".join(_reason(reason, which) for reason, which in labels.items())
        parts.append(f'<div class="x-problems"><b>{title}</b>{reasons}</div>')
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


def scores(rows: Sequence[ScoreRow], cards: Cards, seen: Seen | None = None) -> str:
    """The scores of one picture with what they rest on, or why there are none.

    Args:
        rows: The scores.
        cards: The cards of their metrics.
        seen: What of a score can be shown as pictures, and which parts of its detail that was.
    """
    if not rows:
        return notice("Not scored yet. The Analyze tab scores a whole run.")
    return "".join(_score(row, cards.get(row.metric), seen) for row in rows)


def _score(row: ScoreRow, card: MetricCard | None, seen: Seen | None) -> str:
    name = card.name if card else row.metric
    value = "no score" if row.value is None else number(row.value)
    shown, told = evidence(row.detail)
    if seen and not shown:
        shown, told = seen(row)
    rest = [(key.replace("_", " "), _plain(value)) for key, value in row.detail.items() if key not in told]
    backbone = f"{row.backbone} {row.revision[:8]}".strip()
    facts = facts_list([*rest, ("network", backbone), ("metric version", str(row.metric_version))])
    reason = f'<p class="x-reason">{escape(row.reason)}</p>' if row.reason else ""
    return (
        f'<article class="x-card x-score"><h3>{escape(name)} <b>{value}</b></h3>{reason}{shown}'
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
