"""Two pictures over one another, and grids of many, as HTML: pure functions. `gallery.js` moves them."""

from collections.abc import Mapping, Sequence
from html import escape

from explorer.compare import Grid
from explorer.types import Image
from explorer.ui import markup
from explorer.ui.gallery_markup import ZOOM, address

MODES = (
    ("slider", "Slider"),
    ("beside", "Side by side"),
    ("flip", "A/B"),
    ("difference", "Difference"),
)


def stage(images: Sequence[Image]) -> str:
    """Two of these pictures; the lists of A and B change which."""
    if len(images) < 2:
        return markup.notice(
            "Select two pictures in the gallery and press Compare, or open one and press "
            "Compare with the other models."
        )
    modes = "".join(
        f'<button type="button" data-mode="{mode}" '
        f'aria-pressed="{str(mode == "slider").lower()}">{name}</button>'
        for mode, name in MODES
    )
    return (
        '<section class="x-compare" data-mode="slider" data-side="a">'
        f'<div class="x-compare-bar">{_choice("A", images, 0)}{_choice("B", images, 1)}</div>'
        '<div class="x-compare-bar x-tools"><span role="group" aria-label="How to compare">'
        f"{modes}</span>{ZOOM}"
        '<label class="x-brighter"><input type="checkbox"> 4 times brighter</label></div>'
        '<div class="x-stage x-zoom"><div class="x-pane x-a"><img alt="A" draggable="false"></div>'
        '<div class="x-pane x-b"><img alt="B" draggable="false"></div><i class="x-handle"></i>'
        '<b class="x-corner x-corner-a">A</b><b class="x-corner x-corner-b">B</b></div>'
        '<input class="x-split-at" type="range" min="0" max="100" step="0.5" value="50" '
        'aria-label="Where A ends and B begins">'
        '<p class="x-quiet x-sizes" aria-live="polite"></p>'
        '<p class="x-quiet">Keys: B changes between A and B, plus and minus zoom, 0 fits. Drag moves what is '
        "zoomed, in both pictures at once.</p></section>"
    )


def table(grid: Grid, thumbnails: Mapping[str, str], values: Mapping[str, float]) -> str:
    """A grid whose headings stay in sight; a picture opens two of its row in the slider."""
    if not grid.images:
        return markup.notice("There are no pictures for such a grid in this run.")
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in grid.columns)
    best = max(values.values(), default=None)
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th>"
        + "".join(_cell(image, thumbnails, values, best) for image in row)
        + "</tr>"
        for name, row in zip(grid.rows, grid.cells, strict=True)
    )
    more = f'<p class="x-quiet">Not shown: {escape(grid.left_out)}.</p>' if grid.left_out else ""
    return (
        f'<p class="x-said">{escape(grid.title)}</p><div class="x-matrix" tabindex="0" role="region" '
        f'aria-label="Grid of pictures"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>'
        f"</table></div>{more}"
    )


def _cell(
    image: Image | None, thumbnails: Mapping[str, str], values: Mapping[str, float], best: float | None
) -> str:
    if image is None:
        return '<td><span class="x-hole" title="Not drawn"></span></td>'
    value = values.get(image.id)
    badge = f'<span class="x-badge">{markup.number(value)}</span>' if value is not None else ""
    source = thumbnails.get(image.id, "")
    picture = (
        f'<img src="{escape(source)}" alt="" loading="lazy">'
        if source
        else '<span class="x-gone">gone</span>'
    )
    label = f"{image.recipe.model}, seed {image.recipe.seed}"
    return (
        f'<td><button type="button" data-act="pair" data-value="{escape(image.id)}" '
        f'aria-label="Compare {escape(label)}">{picture}{badge}</button></td>'
    )


def _choice(side: str, images: Sequence[Image], chosen: int) -> str:
    options = "".join(
        f'<option value="{escape(image.id)}" data-src="{escape(address(image.path))}" '
        f'data-width="{image.recipe.width}" data-height="{image.recipe.height}"'
        f"{' selected' if number == chosen else ''}>{escape(_name(image))}</option>"
        for number, image in enumerate(images)
    )
    return f'<label class="x-side"><b>{side}</b><select data-side="{side.lower()}">{options}</select></label>'


def _name(image: Image) -> str:
    return f"{image.recipe.model} · seed {image.recipe.seed} · {image.recipe.prompt}"
