"""HTML of a round in the arena: what is on show, what became of a vote. Pure functions.

Before a vote nothing here knows whose the pictures are: `stage` gets a `Shown`, which has no
names. What is shown next is loaded ahead, unseen, so that it appears at once.
"""

from collections.abc import Callable, Sequence
from html import escape

from explorer.arena import Change, Verdict
from explorer.ballots import MAX_STARS, Shown

Address = Callable[[str], str]
"""Name of a blind copy -> where it is served."""
SIDES = ("Left", "Right")
_PAIR = (
    ("left", "Left is better", "1"),
    ("right", "Right is better", "2"),
    ("tie", "Equally good", "3"),
    ("bad", "Both bad", "4"),
)
_SAID = {
    "first": "You chose {0} (left) over {1}.",
    "second": "You chose {1} (right) over {0}.",
    "tie": "Equally good: {0} (left) and {1} (right).",
    "bad": "Both bad: {0} (left) and {1} (right).",
}


def stage(shown: Shown, ahead: Shown | None, address: Address, *, can_undo: bool) -> str:
    """The pictures to vote on, with a button for each answer.

    Args:
        shown: What is voted on.
        ahead: What comes next, to be loaded meanwhile.
        address: Where blind copies are served.
        can_undo: Whether there is a vote to take back.
    """
    figures = "".join(
        _figure(address(file), _name(shown, place), _under(shown, place))
        for place, file in enumerate(shown.files)
    )
    return (
        f'<section class="x-arena" data-state="vote" data-kind="{shown.kind}" '
        f'style="--n:{len(shown.files)};--shape:{shown.width / shown.height:.4f}">'
        f"{_prompt(shown.prompt)}"
        f'<div class="x-stage-pictures">{figures}</div>'
        f'<div class="x-choices">{_choices(shown)}{_button("skip", "Skip", "S", "x-minor")}'
        f"{_button('undo', 'Undo last', 'U', 'x-minor', disabled=not can_undo)}</div>"
        f"{_ahead(ahead, address)}</section>"
    )


def reveal(shown: Shown, verdict: Verdict, ahead: Shown | None, address: Address) -> str:
    """The same pictures with their names, and what the vote changed.

    Args:
        shown: What was voted on.
        verdict: What became of it.
        ahead: What comes next.
        address: Where blind copies are served.
    """
    changes = {change.model: change for change in verdict.changes}
    figures = "".join(
        _figure(
            address(file),
            _name(shown, place),
            f"<b>{escape(entrant.model)}</b>{_moved(changes.get(entrant.model))}",
            chosen=_chosen(shown, verdict, place),
        )
        for place, (file, entrant) in enumerate(zip(shown.files, verdict.shown, strict=True))
    )
    return (
        f'<section class="x-arena" data-state="reveal" data-kind="{shown.kind}" '
        f'style="--n:{len(shown.files)};--shape:{shown.width / shown.height:.4f}">'
        f"{_prompt(shown.prompt)}"
        f'<div class="x-stage-pictures">{figures}</div>'
        f'<div class="x-choices">{_button("next", "Next", "Space", "x-primary")}'
        f"{_button('undo', 'Take it back', 'U', 'x-minor')}</div>"
        f"{_ahead(ahead, address)}</section>"
    )


def said(shown: Shown, verdict: Verdict) -> str:
    """What happened, for the eye and for screen readers."""
    return f"<p>{escape(_said(shown, verdict))}</p>"


def _said(shown: Shown, verdict: Verdict) -> str:
    names = [entrant.model for entrant in verdict.shown]
    if not verdict.counted:
        return "That vote was counted already."
    if shown.kind == "rate":
        return f"Rated. The picture is by {names[0]}."
    if shown.kind == "best":
        place = verdict.best
        told = "You called them equally good" if place is None else f"You chose {names[place]}"
        return f"{told}. {_listed(verdict.changes)}"
    return f"{_SAID[verdict.outcome].format(*names)} {_listed(verdict.changes)}"


def empty(reason: str) -> str:
    """What to do where there is nothing to vote on."""
    return (
        '<section class="x-arena x-panel x-hero" data-state="empty">'
        "<h2>Vote without knowing which is which</h2>"
        f"<p>{escape(reason)}</p></section>"
    )


def _prompt(text: str) -> str:
    return f'<p class="x-arena-prompt">{escape(text)}</p>'


def _name(shown: Shown, place: int) -> str:
    if shown.kind == "rate":
        return "The picture"
    return f"{SIDES[place]} picture" if shown.kind == "pair" else f"Picture {place + 1}"


def _figure(source: str, name: str, under: str, *, chosen: bool = False) -> str:
    mark = ' class="x-chosen"' if chosen else ""
    return (
        f'<figure{mark}><a href="{escape(source)}" target="_blank" tabindex="-1" '
        f'aria-label="{name}, alone"><img src="{escape(source)}" alt="{name}" draggable="false"></a>'
        f"<figcaption>{under}</figcaption></figure>"
    )


def _under(shown: Shown, place: int) -> str:
    if shown.kind == "best":
        return _button(str(place + 1), "This is the best", str(place + 1))
    return "" if shown.kind == "rate" else f'<span class="x-quiet">{SIDES[place]}</span>'


def _choices(shown: Shown) -> str:
    if shown.kind == "pair":
        return "".join(_button(*each) for each in _PAIR)
    if shown.kind == "best":
        return _button("tie", "Equally good", "T")
    stars = (_button(str(n), "★" * n, str(n), tip=f"{n} of {MAX_STARS}") for n in range(1, MAX_STARS + 1))
    return "".join(stars)


def _button(
    choice: str, label: str, key: str, look: str = "", *, disabled: bool = False, tip: str = ""
) -> str:
    spoken = f' aria-label="{tip}"' if tip else ""
    return (
        f'<button type="button" data-choice="{choice}" class="x-choice {look}"{spoken} '
        f'aria-keyshortcuts="{key}"{" disabled" if disabled else ""}>{label} <kbd>{key}</kbd></button>'
    )


def _ahead(ahead: Shown | None, address: Address) -> str:
    files = ahead.files if ahead else ()
    pictures = "".join(f'<img src="{escape(address(file))}" alt="">' for file in files)
    return f'<div class="x-ahead" aria-hidden="true">{pictures}</div>'


def _moved(change: Change | None) -> str:
    if change is None:
        return ""
    step = change.after - change.before
    return f' <span class="x-moved">{change.after:.0f} ({step:+.0f})</span>'


def _chosen(shown: Shown, verdict: Verdict, place: int) -> bool:
    if shown.kind == "pair":
        return verdict.outcome == ("first", "second")[place]
    return shown.kind == "best" and verdict.best == place


def _listed(changes: Sequence[Change]) -> str:
    parts = [f"{change.model} {change.before:.0f} to {change.after:.0f}" for change in changes]
    return f"Ratings: {', '.join(parts)}." if parts else ""
