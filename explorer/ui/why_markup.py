"""The pictures behind the numbers, as lists of buttons that open them; captions of plots. Pure.

Every text that is not ours passes through `escape`. A button with `data-picture` opens that
picture, whether it is clicked or reached by the keyboard.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from explorer.breakdowns import Contrast, Correlation
from explorer.comparisons import Comparison
from explorer.points import Point
from explorer.ui.markup import notice, number

Source = Callable[[str], str]
"""Picture id -> address of its thumbnail; empty where there is none."""
SEEDS_SHOWN = 2
_KINDS = {
    "first high": "Highest {first}",
    "first low": "Lowest {first}",
    "second high": "Highest {second}",
    "second low": "Lowest {second}",
    "first only": "High in {first}, low in {second}",
    "second only": "High in {second}, low in {first}",
}


def contrasts(found: Sequence[Contrast], pair: Comparison, source: Source) -> str:
    """The prompts on which two models differ most, each with both pictures and both values.

    Args:
        found: What `breakdowns.most_different` gave.
        pair: The two models, and what is known of them in all.
        source: Where thumbnails are.
    """
    if not found:
        return notice("No prompt has a value for both of these models.")
    items = "".join(
        f'<li><p>{escape(each.prompt)} <small>{escape(each.category)}</small></p><div class="x-pair">'
        f"{_side(pair.first, each.first_value, each.first_images, source)}"
        f"{_side(pair.second, each.second_value, each.second_images, source)}</div>"
        f'<p class="x-difference">{_difference(each, pair)}</p></li>'
        for each in found
    )
    return (
        f'<p class="x-said">{escape(pair.sentence)}</p><ol class="x-contrasts">{items}</ol>'
        '<p class="x-quiet x-small-print">Largest difference first. Click a picture to see it large.</p>'
    )


def extremes(found: Mapping[str, Sequence[Point]], axes: tuple[str, str], source: Source) -> str:
    """The pictures that stand out in a scatter plot, for those who cannot click a dot.

    Args:
        found: What `points.extremes` gave.
        axes: Names of the two metrics.
        source: Where thumbnails are.
    """
    names = {"first": axes[0], "second": axes[1]}
    blocks = "".join(
        f"<section><h4>{escape(_KINDS[kind].format(**names))}</h4><div>"
        f"{''.join(_extreme(point, source) for point in points)}</div></section>"
        for kind, points in found.items()
    )
    return f'<div class="x-extremes">{blocks}</div>' if blocks else ""


def agreement(found: Sequence[Correlation], names: Mapping[tuple[str, str], str]) -> str:
    """What a table of correlations says, in sentences.

    Args:
        found: What `breakdowns.correlations` gave.
        names: (metric, tier) to the name people read.
    """
    known = [(each.rho, each) for each in found if each.rho is not None]
    lines = [
        f"{_named(each, names)}: {_degree(rho)} ({rho:+.2f})."
        for rho, each in sorted(known, key=lambda pair: -abs(pair[0]))
    ]
    unknown = [f"{_named(each, names)}: {each.reason}" for each in found if each.rho is None]
    how = (
        "Blue: both metrics put the same prompts and models first. Orange: one puts first what the other "
        "puts last. No colour: they see different things. Numbers: rank correlation, from -1 to 1."
    )
    if not known:
        how = "No two metrics have scored enough of the same prompts to tell whether they agree."
    items = "".join(f"<li>{escape(line)}</li>" for line in [*lines, *unknown])
    listed = f"<details><summary>All pairs of metrics in words</summary><ul>{items}</ul></details>"
    return f'<p class="x-quiet">{escape(how)}</p>{listed if items else ""}'


def opener(image_id: str, label: str, source: Source) -> str:
    """A thumbnail that opens its picture."""
    address = source(image_id)
    shown = (
        f'<img src="{escape(address)}" alt="" loading="lazy">'
        if address
        else '<span class="x-gone">gone</span>'
    )
    return (
        f'<button type="button" class="x-open" data-picture="{escape(image_id)}" '
        f'aria-label="{escape(label)}">{shown}</button>'
    )


def _side(model: str, value: float, images: Sequence[str], source: Source) -> str:
    pictures = "".join(
        opener(image, f"Picture of {model}, {number(value)}", source) for image in images[:SEEDS_SHOWN]
    )
    more = len(images) - SEEDS_SHOWN
    told = f"<small>and {more:,} more</small>" if more > 0 else ""
    return (
        f"<figure><div>{pictures}{told}</div>"
        f"<figcaption>{escape(model)} <b>{number(value)}</b></figcaption></figure>"
    )


def _difference(each: Contrast, pair: Comparison) -> str:
    ahead, behind = (pair.first, pair.second) if each.difference >= 0 else (pair.second, pair.first)
    return f"{escape(ahead)} is {number(abs(each.difference))} higher than {escape(behind)}"


def _extreme(point: Point, source: Source) -> str:
    values = f"{number(point.first)} | {number(point.second)}"
    label = f"{point.model}, {point.prompt}: {values}"
    return f"<figure>{opener(point.image_id, label, source)}<figcaption>{values}</figcaption></figure>"


def _named(each: Correlation, names: Mapping[tuple[str, str], str]) -> str:
    one = names.get((each.first, each.tiers[0]), each.first)
    other = names.get((each.second, each.tiers[1]), each.second)
    return f"{one} and {other}"


def _degree(rho: float) -> str:
    """A correlation in words; the borders are customary, not exact."""
    if abs(rho) < 0.2:
        return "they see different things"
    strength = "largely" if abs(rho) >= 0.7 else "partly" if abs(rho) >= 0.4 else "a little"
    return f"they agree {strength}" if rho > 0 else f"they go opposite ways {strength}"
