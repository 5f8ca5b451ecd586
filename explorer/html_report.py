"""Results as one HTML file that needs nothing else: no script, no network, no other file.

Every text that is not ours (model names, prompts, reasons) passes through `escape`, and a
policy in the head keeps even a mistake from running or fetching anything.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby

from explorer.breakdowns import Contrast, most_different
from explorer.comparisons import Comparison, headline
from explorer.report_style import STYLE
from explorer.reports import Results
from explorer.types import Image, LeaderboardRow, Recipe
from metrics import MetricCard

MAX_PICTURES = 60
MAX_PICTURE_BYTES = 48 * 1024
CONTRASTS = 6
"""Prompts shown to explain a difference."""
MAX_PAIRS = 100
CHART_WIDTH, CHART_HEIGHT = 240, 18
_ABSENT = '<div class="absent">not here</div>'

Thumbnail = Callable[[Image], bytes | None]
"""A small WebP copy of a picture; None where the picture is not there."""


@dataclass(slots=True)
class HtmlReport:
    """One report. Pictures are embedded until there are enough of them."""

    results: Results
    title: str
    thumbnail: Thumbnail
    cards: Mapping[str, MetricCard]
    environment: Mapping[str, str]
    _pictures: int = 0
    _by_id: dict[str, Image] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The whole file."""
        self._by_id = {image.id: image for image in self.results.images}
        pairs = self.results.comparisons()
        rows = self.results.leaderboard
        sections = [
            self._metric(list(group), pairs)
            for _, group in groupby(rows, key=lambda row: (row.metric, row.tier))
        ]
        body = "".join(
            (
                f"<header><h1>{escape(self.title)}</h1>{self._counts()}</header>",
                "".join(sections) or "<p>Nothing has been scored yet.</p>",
                self._settings(),
                _facts("Environment", self.environment.items()),
                f"<section><h2>How to read this</h2><p>{_HOW}</p></section>",
            )
        )
        return _page(self.title, body).encode(errors="replace")

    def _counts(self) -> str:
        images = self.results.images
        prompts = len({image.recipe.prompt for image in images})
        models = len({image.recipe.model for image in images})
        parts = f"{models:,} models, {prompts:,} prompts, {len(images):,} pictures. Run {self.results.run}."
        return f'<p class="quiet">{escape(parts)}</p>'

    def _metric(self, rows: Sequence[LeaderboardRow], pairs: Sequence[Comparison]) -> str:
        metric, tier = rows[0].metric, rows[0].tier
        card = self.cards.get(metric)
        name = f"{escape(card.name if card else metric)} <small>{escape(tier)}</small>"
        question = f'<p class="quiet">{escape(card.question)}</p>' if card else ""
        own = [pair for pair in pairs if (pair.metric, pair.tier) == (metric, tier)]
        return (
            f"<section><h2>{name}</h2>{question}"
            f'<p class="verdict">{escape(headline(rows, own))}</p>'
            f"{_leaderboard(rows)}{self._why(rows, own)}{_pairs(own)}</section>"
        )

    def _why(self, rows: Sequence[LeaderboardRow], pairs: Sequence[Comparison]) -> str:
        """The prompts on which the two best models differ most, with their pictures."""
        top = {row.model for row in rows[:2] if row.mean is not None}
        pair = next((pair for pair in pairs if {pair.first, pair.second} == top), None)
        if pair is None:
            return ""
        pair = pair if pair.first == rows[0].model else pair.reversed()
        contrasts = most_different(self.results.images, self.results.scores, pair, CONTRASTS)
        items = "".join(self._contrast(pair, each) for each in contrasts if each.difference)
        if not items:
            return ""
        names = f"{escape(pair.first)} and {escape(pair.second)}"
        return f'<h3>Where {names} differ most</h3><div class="contrasts">{items}</div>'

    def _contrast(self, pair: Comparison, contrast: Contrast) -> str:
        one = self._figure(contrast.first_images[:1], pair.first, contrast.first_value)
        other = self._figure(contrast.second_images[:1], pair.second, contrast.second_value)
        return f'<div class="contrast"><p>{escape(contrast.prompt)}</p><div>{one}{other}</div></div>'

    def _figure(self, images: Sequence[str], model: str, value: float) -> str:
        picture = self._picture(self._by_id[images[0]]) if images else _ABSENT
        return f"<figure>{picture}<figcaption>{escape(model)}: <b>{_number(value)}</b></figcaption></figure>"

    def _picture(self, image: Image) -> str:
        data = self.thumbnail(image) if self._pictures < MAX_PICTURES else None
        if data is None or len(data) > MAX_PICTURE_BYTES:
            return _ABSENT
        self._pictures += 1
        alt = escape(f"{image.recipe.model}: {image.recipe.prompt}")
        return f'<img alt="{alt}" src="data:image/webp;base64,{base64.b64encode(data).decode()}">'

    def _settings(self) -> str:
        """What each model was drawn with."""
        recipes: dict[str, list[Recipe]] = {}
        for image in self.results.images:
            recipes.setdefault(image.recipe.model, []).append(image.recipe)
        head = ("Model", "Sampler", "Steps", "Guidance", "Size", "Seeds", "On", "Drawn with", "File hash")
        body = "".join(_settings_row(model, group) for model, group in recipes.items())
        return f"<section><h2>Settings</h2>{_table(head, body)}</section>"


_HOW = (
    "A model's value is the mean over prompts, each prompt weighing the same. The line is its 95 % interval: "
    "a bootstrap over prompts, 2,000 resamples, the same for every model. Two models are compared prompt by "
    "prompt, on the prompts that both have. One is called better when the 95 % interval of the difference "
    "leaves out 0 and a sign-flip permutation test, corrected for all pairs (Holm), stays at or below 0.05."
)


def _leaderboard(rows: Sequence[LeaderboardRow]) -> str:
    ends = [end for row in rows for end in (row.mean, row.low, row.high) if end is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    scale = f"95 % interval <small>{_number(low)} to {_number(high)}</small>" if ends else "95 % interval"
    body = "".join(_leaderboard_row(row, low, high) for row in rows)
    return _table(("Model", "Mean", scale, "", "Prompts", "Pictures", "Unscored", "Blank"), body)


def _leaderboard_row(row: LeaderboardRow, low: float, high: float) -> str:
    reason = f'<div class="quiet">{row.unscored} unscored: {escape(row.reason)}</div>' if row.reason else ""
    interval = "" if row.low is None or row.high is None else f"{_number(row.low)} to {_number(row.high)}"
    mean = "no score" if row.mean is None else _number(row.mean)
    cells = (f"<b>{mean}</b>", _chart(row, low, high), interval, row.prompts, row.images, row.unscored)
    shown = "".join(f"<td>{each}</td>" for each in (*cells, row.blank))
    return f'<tr><th scope="row">{escape(row.model)}{reason}</th>{shown}</tr>'


def _chart(row: LeaderboardRow, low: float, high: float) -> str:
    """Mean and interval on the scale that all rows of the metric share."""
    if row.mean is None:
        return ""
    margin = 8
    width = CHART_WIDTH - 2 * margin

    def place(value: float) -> str:
        return f"{margin + width * ((value - low) / (high - low) if high > low else 0.5):.1f}"

    middle = CHART_HEIGHT // 2
    line, label = "", f"mean {_number(row.mean)}"
    if row.low is not None and row.high is not None:
        line = f'<line x1="{place(row.low)}" x2="{place(row.high)}" y1="{middle}" y2="{middle}"/>'
        label += f", 95 % interval {_number(row.low)} to {_number(row.high)}"
    return (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" width="{CHART_WIDTH}" height="{CHART_HEIGHT}" '
        f'role="img" aria-label="{label}">{line}<circle cx="{place(row.mean)}" cy="{middle}" r="5"/></svg>'
    )


def _pairs(pairs: Sequence[Comparison]) -> str:
    if len(pairs) < 2:
        return ""
    items = "".join(f"<li>{escape(pair.sentence)}</li>" for pair in pairs[:MAX_PAIRS])
    more = len(pairs) - MAX_PAIRS
    items += f"<li>and {more:,} more; the pairs table has them all</li>" if more > 0 else ""
    return f"<details><summary>All {len(pairs):,} pairs of models</summary><ul>{items}</ul></details>"


def _settings_row(model: str, recipes: Sequence[Recipe]) -> str:
    cells = (
        _distinct(recipe.sampler for recipe in recipes),
        _distinct(str(recipe.steps) if recipe.steps else "" for recipe in recipes),
        _distinct(f"{recipe.guidance:g}" if recipe.steps else "" for recipe in recipes),
        _distinct(f"{recipe.width} x {recipe.height}" for recipe in recipes),
        _distinct(str(recipe.seed) if recipe.seed >= 0 else "" for recipe in recipes),
        _distinct(f"{recipe.device} {recipe.precision}".strip() for recipe in recipes),
        _distinct(", ".join(f"{k} {v}" for k, v in recipe.versions.items()) for recipe in recipes),
        _distinct(recipe.checkpoint_hash[:12] for recipe in recipes),
    )
    return (
        f'<tr><th scope="row">{escape(model)}</th>'
        + "".join(f"<td>{escape(each)}</td>" for each in cells)
        + "</tr>"
    )


def _distinct(texts: Iterable[str], limit: int = 6) -> str:
    found = list(dict.fromkeys(filter(None, texts)))
    return ", ".join(found[:limit]) + (f" and {len(found) - limit:,} more" if len(found) > limit else "")


def _table(head: Sequence[str], body: str) -> str:
    """A table; the texts of the head are ours and may hold tags."""
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _facts(title: str, facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<section><h2>{escape(title)}</h2><dl>{rows}</dl></section>"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
