"""The leaderboard as HTML, with what is needed to trust it: pure functions.

One row a model, one column a metric and tier. Every text that is not ours passes through
`escape`. `page.js` sorts the table and shows the text of `data-tip` on hover, focus and tap.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from explorer.comparisons import Comparison, headline
from explorer.reports import Results
from explorer.types import Image, LeaderboardRow
from explorer.ui.markup import MAX_PAIRS, Cards, count, number
from explorer.ui.metric_names import in_words, name_of, parts_of

MetricRows = Mapping[tuple[str, str], Sequence[LeaderboardRow]]
DIRECTIONS = {"higher": "↑ higher is better", "lower": "↓ lower is better", "neutral": "↔ describes only"}


def leaderboard(rows: Sequence[LeaderboardRow], pairs: Sequence[Comparison], cards: Cards) -> str:
    """The leaderboard as one table, sorted by its first metric that can rank models.

    Args:
        rows: Best first within each metric and tier.
        pairs: Every two models under every metric; tell which are not separable from the best.
        cards: The metric cards, by metric id.
    """
    if not rows:
        return ""
    metrics = dict(sorted(by_metric(rows).items(), key=lambda item: _importance(item[1])))
    ranking = next(iter(metrics))
    models = list(dict.fromkeys(row.model for row in [*metrics[ranking], *rows]))
    cells = {key: _column(own, pairs) for key, own in metrics.items()}
    heads = "".join(_head(key, own[0], cards, sorted_by=key == ranking) for key, own in metrics.items())
    images = {row.model: row for row in rows}
    body = "".join(
        f'<tr><th scope="row" data-value="{escape(model)}">{escape(model)}'
        f"{_pictures(images[model], rows)}</th>"
        f"{''.join(column.get(model, _ABSENT) for column in cells.values())}</tr>"
        for model in models
    )
    model_head = _sort_button("Model", "first")
    return (
        '<div class="x-board" tabindex="0" role="group" aria-label="Leaderboard">'
        f'<table><thead><tr><th scope="col" aria-sort="none">{model_head}</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{_legend(rows)}"
    )


def fairness(found: Results) -> str:
    """Whether the models can be compared: how many pictures each has, of how many prompts, how large."""
    images: dict[str, list[Image]] = {}
    for image in found.images:
        images.setdefault(image.recipe.model, []).append(image)
    sizes = {model: (len({image.recipe.prompt for image in own}), len(own)) for model, own in images.items()}
    if len(set(sizes.values())) == 1:
        prompts, pictures = next(iter(sizes.values()))
        each = f"Each of {count(len(sizes), 'model')}" if len(sizes) > 1 else "One model"
        verb = "has" if len(sizes) > 1 else "with"
        lines = [f"{each} {verb} {count(prompts, 'prompt')} and {count(pictures, 'picture')}."]
    else:
        named = "; ".join(
            f"{model} {count(prompts, 'prompt')}, {count(pictures, 'picture')}"
            for model, (prompts, pictures) in sizes.items()
        )
        lines = [
            f"The models do not have the same pictures: {named}. Each mean is over what its model has; "
            "pairs are compared on the prompts that both have."
        ]
    kind = "x-quiet" if len(set(sizes.values())) == 1 else "x-uneven"
    return f'<p class="{kind}">{escape(" ".join([*lines, _drawn_at(found.images)]))}</p>'


def measured(found: Results, cards: Cards) -> str:
    """How each metric looked at the pictures: resolution, network and version, in words."""
    ways: dict[tuple[str, str], set[tuple[str, str, str]]] = {}
    for score in found.scores:
        if score.backbone:
            seen = (score.preprocessing, score.backbone, score.metric_version)
            ways.setdefault((score.metric, score.tier), set()).add(seen)
    items = "".join(
        f"<dt>{_metric_name(*key, cards)}</dt><dd>{escape(_way(*way))}</dd>"
        for key, own in sorted(ways.items())
        for way in sorted(own)
    )
    if not items:
        return ""
    return (
        "<details><summary>How the pictures were measured</summary>"
        "<p>All pictures are brought to one size before a metric looks at them, whatever size they "
        f'were drawn at.</p><dl class="x-facts x-stacked">{items}</dl></details>'
    )


def verdicts(rows: Sequence[LeaderboardRow], comparisons: Sequence[Comparison], cards: Cards) -> str:
    """What each metric says of the top two models in a sentence, and of every other pair on a click."""
    items: list[str] = []
    asides: dict[str, list[str]] = {}
    for (metric, tier), group in by_metric(rows).items():
        pairs = [pair for pair in comparisons if (pair.metric, pair.tier) == (metric, tier)]
        name, sentence = _metric_name(metric, tier, cards), escape(headline(group, pairs))
        if group[0].direction == "neutral" or all(row.mean is None for row in group):
            asides.setdefault(sentence, []).append(name)
        else:
            items.append(f'<li class="x-verdict"><span>{name}</span> {sentence}{_pairs(pairs)}</li>')
    items += [f'<li class="x-quiet">{", ".join(names)}: {said}</li>' for said, names in asides.items()]
    return f'<ul class="x-verdicts">{"".join(items)}</ul>' if items else ""


def by_metric(rows: Iterable[LeaderboardRow]) -> dict[tuple[str, str], list[LeaderboardRow]]:
    """The rows of each metric and tier, in the order given."""
    groups: dict[tuple[str, str], list[LeaderboardRow]] = {}
    for row in rows:
        groups.setdefault((row.metric, row.tier), []).append(row)
    return groups


_ABSENT = '<td class="x-absent"><span aria-label="not measured"></span></td>'


def _importance(rows: Sequence[LeaderboardRow]) -> int:
    """Columns that rank models come first, those without any value last."""
    if all(row.mean is None for row in rows):
        return 2
    return 1 if rows[0].direction == "neutral" else 0


def _ranks(rows: Sequence[LeaderboardRow]) -> bool:
    return rows[0].direction != "neutral" and any(row.mean is not None for row in rows)


def _head(key: tuple[str, str], row: LeaderboardRow, cards: Cards, *, sorted_by: bool) -> str:
    metric, tier = key
    name, network = parts_of(metric, tier, cards)
    made_with = f"{network}, {tier}" if network else tier
    best_first = "ascending" if row.direction == "lower" else "descending"
    tells = cards[metric].question if metric in cards else ""
    label = (
        f"{escape(name)} <small>{escape(made_with)}</small><small>{DIRECTIONS.get(row.direction, '')}</small>"
    )
    return (
        f'<th scope="col" aria-sort="{best_first if sorted_by else "none"}">'
        f"{_sort_button(label, best_first, tells)}</th>"
    )


def _sort_button(label: str, first: str, tells: str = "") -> str:
    """A heading to click; `data-first` is the order of the first click."""
    tip = f' data-tip="{escape(tells)}"' if tells else ""
    order = "ascending" if first == "first" else first
    return f'<button type="button" class="x-sort" data-first="{order}"{tip}>{label}</button>'


def _column(rows: Sequence[LeaderboardRow], pairs: Sequence[Comparison]) -> dict[str, str]:
    """Model -> its cell."""
    ends = [end for row in rows for end in (row.low, row.mean, row.high) if end is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    marks = _marks(rows, pairs)
    return {row.model: _cell(row, (low, high), marks.get(row.model, "")) for row in rows}


def _marks(rows: Sequence[LeaderboardRow], pairs: Sequence[Comparison]) -> dict[str, str]:
    """The best model of a column, and those that are not separable from it."""
    scored = [row for row in rows if row.mean is not None]
    if len(scored) < 2 or not _ranks(rows):
        return {}
    best = scored[0]
    marks = {row.model: _BEST for row in scored if row.mean == best.mean}
    for pair in pairs:
        if (pair.metric, pair.tier) != (best.metric, best.tier) or pair.verdict != "not separable":
            continue
        if best.model in (pair.first, pair.second):
            other = pair.second if pair.first == best.model else pair.first
            marks.setdefault(other, _TIED)
    return marks


_BEST = '<span class="x-mark" role="img" aria-label="best">★</span>'
_TIED = '<span class="x-mark" role="img" aria-label="not separable from the best">≈</span>'


def _cell(row: LeaderboardRow, scale: tuple[float, float], mark: str) -> str:
    if row.mean is None:
        reason = row.reason or "Nothing of this model was scored."
        return f'<td class="x-none">{_tip("–", reason, f"no score: {reason}")}</td>'
    inside = '<span class="x-range">no interval</span>'
    if row.low is not None and row.high is not None:
        text = f"{number(row.low)} to {number(row.high)}"
        inside = f'{_bar(row, scale)}<span class="x-range">{text}</span>'
    best = ' class="x-best"' if mark is _BEST else ""
    return (
        f'<td data-value="{row.mean!r}"{best}><span class="x-value">{mark}{number(row.mean)}</span>'
        f"{inside}{_left_out(row)}</td>"
    )


def _bar(row: LeaderboardRow, scale: tuple[float, float]) -> str:
    """The interval on the scale that all rows of the column share."""
    low, high = scale
    width = (high - low) or 1.0

    def place(value: float | None) -> float:
        return 100 * ((value or 0.0) - low) / width

    left, right, middle = place(row.low), place(row.high), place(row.mean)
    return (
        '<span class="x-interval" aria-hidden="true">'
        f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        f'<b style="left:{middle:.1f}%"></b></span>'
    )


def _left_out(row: LeaderboardRow) -> str:
    if not row.unscored:
        return ""
    reason = row.reason or "They were not analyzed yet."
    return f" {_tip(f'{row.unscored:,} unscored', reason, f'{row.unscored:,} unscored: {reason}')}"


def _pictures(row: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> str:
    """How many pictures a model has, and how many of them are blank."""
    prompts = max(each.prompts for each in rows if each.model == row.model)
    blank = max(each.blank for each in rows if each.model == row.model)
    scored = f"{count(prompts, 'prompt')}, " if prompts else ""
    text = f"{scored}{count(row.images, 'picture')}"
    warning = ""
    if blank:
        told = "Nothing is to be seen on them, perhaps because of a filter. They count in the means."
        warning = f" {_tip(f'{blank:,} blank', told, f'{blank:,} blank: {told}')}"
    return f"<small>{text}{warning}</small>"


def _tip(label: str, tip: str, spoken: str) -> str:
    return (
        f'<button type="button" class="x-tip" data-tip="{escape(tip)}" '
        f'aria-label="{escape(spoken)}">{escape(label)}</button>'
    )


def _legend(rows: Sequence[LeaderboardRow]) -> str:
    parts = ["Bars: 95 % intervals, on one scale a column."]
    if any(_ranks(own) for own in by_metric(rows).values()) and len({row.model for row in rows}) > 1:
        parts.append("★ best, ≈ not separable from the best.")
    return f'<p class="x-quiet x-small-print">{" ".join(parts)} Click a heading to sort.</p>'


def _pairs(pairs: Sequence[Comparison]) -> str:
    if len(pairs) < 2 or all(pair.direction == "neutral" for pair in pairs):
        return ""
    rows = "".join(f"<li>{escape(pair.sentence)}</li>" for pair in pairs[:MAX_PAIRS])
    more = len(pairs) - MAX_PAIRS
    rows += f"<li>and {more:,} more, in the exports</li>" if more > 0 else ""
    return f"<details><summary>All {len(pairs):,} pairs</summary><ul>{rows}</ul></details>"


def _metric_name(metric: str, tier: str, cards: Cards) -> str:
    return f"{escape(name_of(metric, tier, cards))} <small>{escape(tier)}</small>"


def _drawn_at(images: Sequence[Image]) -> str:
    sizes = {f"{image.recipe.width} x {image.recipe.height}" for image in images if image.recipe.width}
    if not sizes:
        return ""
    if len(sizes) == 1:
        return f"Drawn at {sizes.pop()} px."
    shown = ", ".join(sorted(sizes)[:4])
    return f"They were drawn at several sizes: {shown}{' ...' if len(sizes) > 4 else ''} px."


def _way(preprocessing: str, backbone: str, version: str) -> str:
    return f"{in_words(preprocessing)}; network {backbone}, metric version {version}"
