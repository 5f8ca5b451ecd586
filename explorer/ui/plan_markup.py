"""What a plan would take, as HTML: pure functions."""

from collections.abc import Sequence
from html import escape

from explorer.estimates import ModelPreview, Preview
from explorer.ui.markup import count
from explorer.ui.model_markup import size as size_text
from explorer.ui.queue_markup import duration


def preview_table(previews: Sequence[Preview]) -> str:
    """Pictures, time and disk of a plan, by model.

    Args:
        previews: One a suite.
    """
    cells = sum(preview.cells for preview in previews)
    there = sum(preview.there for preview in previews)
    parts = [f"{count(cells, 'picture')}: {there:,} there already, {cells - there:,} to draw."]
    if cells > there:
        times = [preview.seconds for preview in previews]
        known = [seconds for seconds in times if seconds is not None]
        took = duration(sum(known)) or "a moment"
        parts.append(
            f"About {took}." if len(known) == len(times) else "How long is known after the first few."
        )
        needed, free = sum(preview.disk_bytes for preview in previews), previews[0].free_bytes
        parts.append(f"About {size_text(needed)} on the disk; {size_text(free)} are free.")
    told = "".join(f"<p>{escape(text)}</p>" for text in parts)
    if cells > there and needed > free:
        told += '<p class="x-reason">That does not fit: free some space first.</p>'
    return told + _models(previews)


def _models(previews: Sequence[Preview]) -> str:
    by_name: dict[str, list[ModelPreview]] = {}
    for preview in previews:
        for model in preview.models:
            by_name.setdefault(model.model, []).append(model)
    rows = "".join(_model(name, parts) for name, parts in by_name.items())
    return (
        '<table class="x-table"><thead><tr><th scope="col">Model</th><th scope="col">To draw</th>'
        f'<th scope="col">There</th><th scope="col">Time</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _model(name: str, parts: Sequence[ModelPreview]) -> str:
    there = sum(part.there for part in parts)
    todo = sum(part.cells for part in parts) - there
    seconds = [part.seconds for part in parts if part.seconds is not None]
    time = duration(sum(seconds)) if len(seconds) == len(parts) else "unknown"
    return (
        f'<tr><th scope="row">{escape(name)}</th><td data-label="To draw">{todo:,}</td>'
        f'<td data-label="There">{there:,}</td><td data-label="Time">{time}</td></tr>'
    )
