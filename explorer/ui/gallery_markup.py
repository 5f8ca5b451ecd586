"""The thumbnails of the Gallery and of the trash as HTML: pure functions.

Gradio's own gallery knows neither headings nor scores nor a selection, and loads whole files.
`gallery.js` brings the selection and the keys; every text that is not ours is escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from explorer.image_store import MAX_STARS, Mark
from explorer.types import Image
from explorer.ui import markup

# The selection lives in gallery.js and outlasts a page; here it is told when there are new tiles.
TELL = """
// A file is delivered by an event of its own, so that nothing else delivers it again.
element.addEventListener("x-act", (event) =>
  trigger(event.detail.action === "zip" ? "submit" : "select", event.detail));
const painted = () => requestAnimationFrame(() =>
  element.dispatchEvent(new CustomEvent("x-painted", { bubbles: true })));
watch("value", painted);
painted();
"""
# Buttons that carry what is to be done.
TELL_BUTTON = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) trigger("select", { action: button.dataset.act, value: button.dataset.value ?? "" });
});
"""
ZOOM = (
    '<span role="group" aria-label="Zoom"><button type="button" data-zoom="out" title="Smaller: key -">−'
    '</button><button type="button" data-zoom="fit" title="Whole picture: key 0">Fit</button>'
    '<button type="button" data-zoom="in" title="Larger: key +">+</button></span>'
)
"""Buttons that `gallery.js` ties to the picture beside them."""
SELECTED = (("compare", "Compare"), ("zip", "Download as zip"), ("delete", "Delete"))
TRASHED = (("restore", "Put back"),)


@dataclass(frozen=True, slots=True)
class Tiles:
    """What a page of thumbnails shows beside the pictures."""

    thumbnails: Mapping[str, Path]
    values: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    group: Literal["", "prompt", "model"] = ""
    actions: Sequence[tuple[str, str]] = SELECTED
    """What can be done with selected pictures: name for the page, words for people."""


def grid(images: Sequence[Image], tiles: Tiles) -> str:
    """Thumbnails, with a heading wherever another group begins."""
    if not images:
        return ""
    parts, before = list[str](), ""
    for image in images:
        heading = _heading(image, tiles.group)
        if heading != before:
            parts.append(f'<h3 class="x-group">{escape(heading)}</h3>')
            before = heading
        parts.append(_tile(image, tiles))
    return f'<div class="grid-container">{"".join(parts)}</div>{_bar(tiles.actions)}'


def address(path: Path | None) -> str:
    """Where the page finds a file that it may show; empty without one."""
    return f"gradio_api/file={quote(path.resolve().as_posix())}" if path else ""


def marks_bar(mark: Mark) -> str:
    """Buttons for favourite and stars; a second press takes a mark away."""
    heart = "♥" if mark.favourite else "♡"
    stars = "".join(
        f'<button type="button" data-act="stars" data-value="{0 if number == mark.stars else number}" '
        f'aria-pressed="{str(number <= mark.stars).lower()}" aria-label="{markup.count(number, "star")}" '
        f'title="{number}: key {number}">{"★" if number <= mark.stars else "☆"}</button>'
        for number in range(1, MAX_STARS + 1)
    )
    return (
        '<div class="x-mark-bar" role="group" aria-label="Marks"><button type="button" data-act="favourite" '
        f'data-value="{"" if mark.favourite else "1"}" aria-pressed="{str(mark.favourite).lower()}" '
        f'aria-label="Favourite" title="Favourite: key F">{heart}</button>{stars}</div>'
    )


def references(addresses: Sequence[str]) -> str:
    """The reference pictures of a prompt; empty without any."""
    if not addresses:
        return ""
    pictures = "".join(f'<img src="{escape(each)}" alt="Reference" loading="lazy">' for each in addresses)
    name = "Reference" if len(addresses) == 1 else f"{len(addresses)} references"
    return f'<section class="x-references"><h3>{name}</h3><div>{pictures}</div></section>'


def _heading(image: Image, group: str) -> str:
    return {"prompt": image.recipe.prompt or "No prompt", "model": image.recipe.model}.get(group, "")


def _tile(image: Image, tiles: Tiles) -> str:
    recipe, mark = image.recipe, tiles.marks.get(image.id, Mark())
    source = address(tiles.thumbnails.get(image.id))
    picture = (
        f'<img src="{escape(source)}" alt="" loading="lazy" draggable="false">'
        if source
        else '<span class="x-gone">gone</span>'
    )
    value = tiles.values.get(image.id)
    badge = f'<span class="x-badge">{markup.number(value)}</span>' if value is not None else ""
    marked = ("♥" if mark.favourite else "") + "★" * mark.stars
    marked = f'<span class="x-badge x-marked">{marked}</span>' if marked else ""
    caption = f"{recipe.model} · seed {recipe.seed}\n{recipe.prompt}"
    return (
        f'<div class="x-tile" data-id="{escape(image.id)}">'
        f'<button type="button" class="thumbnail-item">{picture}'
        f'<span class="caption-label">{escape(caption)}</span></button>{badge}{marked}'
        f'<label class="x-tick"><input type="checkbox" tabindex="-1" '
        f'aria-label="Select {escape(recipe.model)}, seed {recipe.seed}"></label></div>'
    )


def _bar(actions: Sequence[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" class="x-action" data-act="{act}">{name}</button>' for act, name in actions
    )
    return (
        '<div class="x-selection" role="toolbar" aria-label="Selected pictures" hidden>'
        f'<b aria-live="polite"></b>{buttons}<button type="button" class="x-action" data-act="page">'
        'Whole page</button><button type="button" class="x-action" data-act="none">Clear</button></div>'
    )
