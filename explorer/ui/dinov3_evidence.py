"""What DINOv3's scores rest on, as pictures: where it looked, pairs, references, extremes.

Details also come with imported bundles, so every text is escaped and every number checked; what
has another form is left to the plain list of facts.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image as Pillow

from explorer.api import Explorer
from explorer.errors import ExplorerError
from explorer.reference_pictures import ReferencePictures
from explorer.types import Image, ScoreRow
from metrics import AttentionStructure, attention_structure

Shown = tuple[str, set[str]]
"""What can be shown of a detail, and which of its parts that was."""
_HEAT = (255, 70, 0)
_MOST_PATCHES = 96
_REFERENCE_SIDE = 240
_MOST_LISTED = 10


@dataclass(frozen=True, slots=True)
class Sight:
    """A picture whose scores are shown, and where the other pictures are."""

    explorer: Explorer
    image: Image

    def evidence(self, row: ScoreRow) -> Shown:
        """What can be shown of a score as pictures."""
        detail = row.detail
        if "heat" in detail:
            return attention(detail, self._address(self.image.id))
        if "cosines" in detail and "best" in detail:
            return self._reference(detail)
        if "nearest" in detail and "farthest" in detail:
            return self._pairs(detail)
        if "most_natural" in detail and "least_natural" in detail:
            return self._extremes(detail)
        return "", set()

    def _reference(self, detail: Mapping[str, Any]) -> Shown:
        """The picture beside the reference that it is most like."""
        recipe = self.image.recipe
        settings = self.explorer.settings
        references = ReferencePictures(settings.references).of(recipe.suite, recipe.prompt_id)
        cosines, best = _numbers(detail["cosines"]), detail["best"]
        # Where references came or went since, the place may be that of another one.
        if len(cosines) != len(references) or not isinstance(best, int) or not 0 <= best < len(references):
            return "", set()
        named = "Reference" if len(references) == 1 else f"Best of {len(references)} references"
        mine = _figure(self._address(self.image.id), "This picture")
        theirs = _figure(embedded(references[best]), f"{named}: cosine {cosines[best]:.3f}")
        return f'<div class="x-sights">{mine}{theirs}</div>', {"best"}

    def _pairs(self, detail: Mapping[str, Any]) -> Shown:
        """The two pictures that are most alike, and the two that are least."""
        blocks = []
        for key, value, name in (("nearest", "least", "Most alike"), ("farthest", "most", "Least alike")):
            images, distance = _texts(detail[key]), _numbers([detail.get(value)])
            if len(images) != 2:
                return "", set()
            far = f": distance {distance[0]:.3f}" if distance else ""
            pair = "".join(_figure(self._address(each), "") for each in images)
            blocks.append(f'<h4>{name}{far}</h4><div class="x-sights">{pair}</div>')
        return "".join(blocks), {"nearest", "farthest"}

    def _extremes(self, detail: Mapping[str, Any]) -> Shown:
        """The pictures nearest to the reference set and those farthest from it."""
        blocks = []
        for key, name in (("most_natural", "Nearest to"), ("least_natural", "Farthest from")):
            listed = [
                each for each in _list(detail[key]) if isinstance(each, list | tuple) and len(each) == 2
            ]
            figures = "".join(
                _figure(self._address(str(image)), f"{far[0]:.1f}")
                for image, distance in listed[:_MOST_LISTED]
                if (far := _numbers([distance]))
            )
            blocks.append(f'<h4>{name} the reference</h4><div class="x-strip">{figures}</div>')
        # Closed at first: they are the whole model's, and this picture is one of many.
        html = f"<details><summary>Most and least natural pictures</summary>{''.join(blocks)}</details>"
        return html, {"most_natural", "least_natural"}

    def _address(self, image_id: str) -> str:
        """Where the page finds a thumbnail; empty where the picture is gone."""
        try:
            path = Path(self.explorer.thumbnail(image_id)).resolve()
        except (ExplorerError, OSError):
            return ""
        return f"gradio_api/file={quote(path.as_posix())}"


def attention(detail: Mapping[str, Any], address: str) -> Shown:
    """Where DINOv3 looked: the map over the picture, with the lines of body and halo.

    Args:
        detail: Of an object integrity score.
        address: Of the picture's thumbnail.
    """
    heat = _heat(detail.get("heat"))
    if not heat or not address:
        return "", set()
    found = attention_structure(heat)
    rows, columns = len(heat), len(heat[0])
    lines = "".join(
        f'<path class="x-{kind}" d="{_outline(cells)}"/>'
        for kind, cells in (("halo", _either(found)), ("body", found.mask.tolist()))
    )
    parts = _numbers([detail.get("concentration"), detail.get("halo")])
    blobs = detail.get("blobs")
    told = f"Concentration {parts[0]:.2f}, halo {parts[1]:.2f}" if len(parts) == 2 else ""
    told += f", {'1 body' if blobs == 1 else f'{blobs} separate bodies'}" if isinstance(blobs, int) else ""
    view = f'viewBox="0 0 {columns} {rows}" preserveAspectRatio="none"'
    html = (
        f'<figure class="x-sight"><div><img src="{escape(address)}" alt="">'
        f'<img class="x-heat" src="{_png(heat)}" alt="Where the network looked">'
        f'<svg {view} aria-hidden="true">{lines}</svg></div>'
        f"<figcaption>{escape(told)}<br><small>Orange: where it looked. Full line: the body, 60 % of that. "
        "Dashed line: the ring around it, whose share is the halo.</small></figcaption></figure>"
    )
    return html, {"heat", "concentration", "halo", "blobs"}


def _outline(cells: Sequence[Sequence[bool]]) -> str:
    """The edges between cells that are in and cells that are out, as an SVG path in units of cells."""
    rows, columns = len(cells), len(cells[0])

    def inside(row: int, column: int) -> bool:
        return 0 <= row < rows and 0 <= column < columns and cells[row][column]

    parts = []
    for row in range(rows + 1):
        for column in range(columns + 1):
            if inside(row, column) != inside(row - 1, column):
                parts.append(f"M{column} {row}h1")
            if inside(row, column) != inside(row, column - 1):
                parts.append(f"M{column} {row}v1")
    return "".join(parts)


def _either(found: AttentionStructure) -> list[list[bool]]:
    cells: list[list[bool]] = (found.mask | found.ring).tolist()
    return cells


def _png(heat: Sequence[Sequence[float]]) -> str:
    """The map as a picture of one pixel a patch, clear where nothing is; the browser smooths it.

    The root of the attention is drawn, or all but its peaks would be too faint to see.
    """
    small = Pillow.new("RGBA", (len(heat[0]), len(heat)))
    small.putdata([(*_HEAT, round((step / 255) ** 0.5 * 205)) for row in heat for step in row])
    return _address_of(small, "PNG")


def embedded(path: Path) -> str:
    """A reference as an address that holds it: the folder of references is not served."""
    try:
        with Pillow.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((_REFERENCE_SIDE, _REFERENCE_SIDE))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return ""
    return _address_of(small, "WEBP")


def _address_of(image: Pillow.Image, kind: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _figure(address: str, caption: str) -> str:
    shown = (
        f'<img src="{escape(address)}" alt="" loading="lazy">'
        if address
        else '<span class="x-gone">gone</span>'
    )
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{shown}{below}</figure>"


def _heat(value: Any) -> list[list[float]]:
    """A map of 0 to 255 with something in it; empty where that is not what it is."""
    rows = [_numbers(row) for row in _list(value)]
    widths = {len(row) for row in rows} | {len(row) for row in _list(value) if isinstance(row, list | tuple)}
    if len(widths) != 1 or not 0 < len(rows) <= _MOST_PATCHES or not 0 < widths.pop() <= _MOST_PATCHES:
        return []
    steps = [step for row in rows for step in row]
    return rows if min(steps) >= 0 and 0 < max(steps) <= 255 else []


def _numbers(value: Any) -> list[float]:
    return [float(each) for each in _list(value) if isinstance(each, int | float) and isfinite(each)]


def _texts(value: Any) -> list[str]:
    return [each for each in _list(value) if isinstance(each, str)]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
