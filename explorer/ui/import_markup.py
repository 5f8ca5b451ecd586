"""An import as HTML: what it would do, how far it is, what it did. Pure functions."""

from collections.abc import Sequence
from html import escape

from explorer.events import time_left
from explorer.imports.preview import ImportPreview, ImportRow, Unread
from explorer.ui.import_work import Taking
from explorer.ui.markup import count

SHOWN = 12
"""Rows, reasons and notes that are shown; the rest is counted."""
_COLUMNS = ("File", "Model", "Prompt", "Seed", "Sampler", "Made by")


def preview_view(found: ImportPreview, notes: Sequence[str]) -> str:
    """How files map to models, prompts and seeds.

    Args:
        found: The preview.
        notes: What else is to be said, of the upload.
    """
    models = ", ".join(f"{name} ({number:,})" for name, number in found.models.items())
    of = f"of {count(found.prompts, 'prompt')}" if found.prompts else "of unknown prompts"
    told = f"{count(found.pictures, 'picture')} {of}."
    told += f" {'Model' if len(found.models) == 1 else 'Models'}: {models}." if models else ""
    return (
        f'<p data-import="preview">{escape(told)}</p>{_table(found)}'
        f"{_unread(found.unread, found.unread_files)}{_notes((*notes, *found.notes))}"
    )


def progress_view(taking: Taking) -> str:
    """How far it is, in words and as a bar."""
    now = taking.progress
    percent = 100 * now.done / now.total if now.total else 0.0
    where = f"{now.done:,} of {now.total:,}" if now.total else "getting ready"
    details = "".join(
        f"<span>{escape(text)}</span>" for text in (*_counts(taking), time_left(now.seconds_left)) if text
    )
    return (
        f'<div class="x-job x-running"><h3>Taking pictures: {where}</h3>'
        f'<div class="x-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent:.0f}" aria-label="Progress"><i style="width:{percent:.1f}%"></i></div>'
        f'<p class="x-details">{details}</p></div>'
    )


def ended_view(taking: Taking) -> str:
    """What was taken, or why nothing was."""
    if taking.error:
        head = f'<p class="x-reason">{escape(taking.error)}</p>'
    else:
        head = f"<p><b>Done.</b> {escape(', '.join(_counts(taking)))}. It is the run that is shown now.</p>"
    return head + _unread(taking.unread, taking.unread_files) + _notes(taking.notices)


def _counts(taking: Taking) -> list[str]:
    counts = [count(taking.new, "new picture")]
    if taking.known:
        counts.append(f"{taking.known:,} here already")
    if taking.unread_files:
        counts.append(f"{taking.unread_files:,} not taken")
    return counts


def _table(found: ImportPreview) -> str:
    if not found.rows:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    body = "".join(_row(row) for row in found.rows[:SHOWN])
    more = found.pictures - min(SHOWN, len(found.rows))
    rest = f'<p class="x-quiet">and {count(more, "more picture")}</p>' if more else ""
    return (
        f'<table class="x-table x-import"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}'
    )


def _row(row: ImportRow) -> str:
    seed = "unknown" if row.seed < 0 else str(row.seed)
    values = (row.model, row.prompt or "unknown", seed, row.sampler or "unknown", row.tool or "unknown")
    cells = "".join(
        f'<td data-label="{name}">{escape(value)}</td>'
        for name, value in zip(_COLUMNS[1:], values, strict=True)
    )
    return f'<tr><th scope="row">{escape(row.file)}</th>{cells}</tr>'


def _unread(unread: Sequence[Unread], files: int) -> str:
    if not unread:
        return ""
    rows = [f"{each.file}: {each.reason}" for each in unread[:SHOWN]]
    return f'<div class="x-problems"><b>{count(files, "file")} cannot be taken</b>{_list(rows, files)}</div>'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f'<div class="x-notices"><b>Worth knowing</b>{_list(notes[:SHOWN], len(notes))}</div>'


def _list(rows: Sequence[str], total: int) -> str:
    items = "".join(f"<li>{escape(row)}</li>" for row in rows)
    more = f"<li>and {total - len(rows):,} more</li>" if total > len(rows) else ""
    return f"<ul>{items}{more}</ul>"
