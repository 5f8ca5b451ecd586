"""What a score rests on, made visible: boxes over a picture, reasons, questions with their answers.

Pure functions on the detail of a score. Details also come with imported bundles, so every text is
escaped, every number checked, and what has another form is left to the plain list of facts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, sqrt
from typing import Any

Detail = Mapping[str, Any]

MARKS = {"matched": "✓", "unmatched": "✗", "other": ""}
"""How a box is marked, beside its colour; boxes of other states are not drawn."""
TASKS = {
    "single_object": "one object",
    "two_object": "two objects",
    "counting": "counting",
    "colors": "colours",
    "position": "position",
    "color_attr": "colour binding",
}
"""GenEval's tasks, for people."""
_MOST_BOXES = 64
_LETTER = 0.66
"""Width of a letter in font sizes, about."""


@dataclass(frozen=True, slots=True)
class _Label:
    """A name on the picture: its place and size in pixels of the picture."""

    text: str
    left: float
    top: float
    width: float
    height: float

    def meets(self, other: "_Label") -> bool:
        """Whether the two lie over one another."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height


def boxes_over(detail: Detail, small: bool = False) -> str:
    """The boxes of a score as an SVG that lies over its picture; "" where it has none.

    Args:
        detail: Of a score, with `boxes` in pixels of the picture and its `size`.
        small: Whether the picture is shown as a small one.
    """
    size = _numbers(detail.get("size"), 2)
    if size is None or min(size) <= 0:
        return ""
    drawn: list[str] = []
    labels: list[_Label] = []
    shown = [box for box in _list(detail.get("boxes"))[:_MOST_BOXES] if _state(box) in MARKS]
    for box in sorted(shown, key=lambda box: list(MARKS).index(_state(box)), reverse=True):
        corners = _numbers(box.get("box"), 4)
        if corners is None:
            continue
        label = _label(_name(box), corners, size, labels)
        labels.append(label)
        drawn.append(_box(_state(box), corners, label, size))
    kind = "x-boxes x-small" if small else "x-boxes"
    view = f"0 0 {size[0]:g} {size[1]:g}"
    return (
        f'<svg class="{kind}" viewBox="{view}" role="img" aria-label="Found objects">{"".join(drawn)}</svg>'
    )


def _box(state: str, corners: Sequence[float], label: _Label, size: Sequence[float]) -> str:
    left, top, right, bottom = corners
    font = label.height / 1.4
    narrow = f' textLength="{label.width - font * 0.6:g}" lengthAdjust="spacingAndGlyphs"'
    squeeze = narrow if label.width >= size[0] else ""
    return (
        f'<g class="x-box x-{state}"><rect class="x-outline" x="{left:g}" y="{top:g}" '
        f'width="{max(right - left, 0):g}" height="{max(bottom - top, 0):g}"/>'
        f'<rect class="x-tag" x="{label.left:.1f}" y="{label.top:.1f}" width="{label.width:.1f}" '
        f'height="{label.height:.1f}" rx="{font * 0.25:.1f}"/>'
        f'<text x="{label.left + font * 0.3:.1f}" y="{label.top + font * 1.05:.1f}" '
        f'font-size="{font:.1f}"{squeeze}>{escape(label.text)}</text></g>'
    )


def _label(text: str, corners: Sequence[float], size: Sequence[float], taken: Sequence[_Label]) -> _Label:
    """A name at the top of its box: above it where there is room, and over no other name."""
    width, height = size
    font = sqrt(width * height) / 30
    high = font * 1.4
    wide = min((len(text) + 1) * font * _LETTER, width)
    left = min(max(corners[0], 0), width - wide)
    top = corners[1] - high if corners[1] >= high else max(corners[1], 0)
    label = _Label(text, left, top, wide, high)
    for _ in taken:
        if not any(label.meets(other) for other in taken) or label.top + 2 * high > height:
            break
        label = _Label(text, left, label.top + high, wide, high)
    return label


def _state(box: Detail) -> str:
    return str(box.get("state", "other"))


def _name(box: Detail) -> str:
    """A box in words, such as "✓ red circle 0.95"."""
    score = _numbers([box.get("score")], 1)
    words = [MARKS.get(_state(box), ""), box.get("colour") or "", box.get("label") or ""]
    return " ".join([str(word) for word in words if word] + ([f"{score[0]:.2f}"] if score else []))


def evidence(detail: Detail) -> tuple[str, set[str]]:
    """What can be shown of a detail, and which of its parts that was."""
    for key, shown in (("boxes", _found), ("tasks", _tasks), ("questions", _questions)):
        if key in detail:
            return shown(detail)
    return "", set()


def _found(detail: Detail) -> tuple[str, set[str]]:
    """What was asked for, what is wrong, and the boxes in words."""
    if not isinstance(detail.get("boxes"), list) or not isinstance(detail.get("wrong"), list):
        return "", set()
    wrong = _texts(detail["wrong"])
    expected = ", ".join(_texts(detail.get("expected")))
    items = "".join(_item("wrong", reason) for reason in wrong) or _item("right", "all of it is there")
    rows = "".join(f"<li>{escape(_name(box))}{_aside(box)}</li>" for box in _list(detail.get("boxes")))
    listed = f"<details><summary>Boxes</summary><ul>{rows}</ul></details>" if rows else ""
    none = "" if rows else '<p class="x-quiet">Nothing was found on this picture.</p>'
    asked = f'<p class="x-quiet">Asked for: {escape(expected)}</p>' if expected else ""
    html = f'{asked}<ul class="x-marks">{items}</ul>{none}{listed}'
    return html, {"wrong", "expected", "boxes", "size"}


def _aside(box: Detail) -> str:
    share = _numbers([box.get("colour_probability")], 1)
    told = [f"{box.get('colour')} with {share[0]:.0%}"] if share else []
    told += ["does not count"] if _state(box) == "dropped" else []
    return f" <small>{escape(', '.join(told))}</small>" if told else ""


def _tasks(detail: Detail) -> tuple[str, set[str]]:
    """The share right of each task."""
    tasks = detail["tasks"] if isinstance(detail["tasks"], Mapping) else {}
    rows = []
    for name, of_task in tasks.items():
        known = of_task if isinstance(of_task, Mapping) else {}
        numbers = _numbers([known.get(key) for key in ("right", "pictures")], 2)
        if numbers:
            text = f"{TASKS.get(name, name)}: {numbers[0]:.2f} of {numbers[1]:g} pictures"
            rows.append(f"<li>{escape(text)}</li>")
    return f"<ul>{''.join(rows)}</ul>" if rows else "", {"tasks"} if rows else set()


def _questions(detail: Detail) -> tuple[str, set[str]]:
    """The questions that went wrong at once, all of them on a click."""
    questions = _list(detail.get("questions"))
    if not questions:
        return "", set()
    blocked = set(_texts(detail.get("blocked")))
    rows = [(_verdict(question, blocked), _question(question, blocked)) for question in questions]
    failed = "".join(row for verdict, row in rows if verdict != "right")
    every = "".join(row for _, row in rows)
    count = "1 question" if len(rows) == 1 else f"All {len(rows)} questions"
    shown = f'<ul class="x-marks">{failed}</ul>' if failed else ""
    listed = f'<details><summary>{count}</summary><ul class="x-marks">{every}</ul></details>'
    return f"{_skills(detail)}{shown}{listed}", {"questions", "skills", "blocked"}


def _verdict(question: Detail, blocked: set[str]) -> str:
    if question.get("right") is None:
        return "silent"
    return "right" if question["right"] is True and str(question.get("id")) not in blocked else "wrong"


def _question(question: Detail, blocked: set[str]) -> str:
    answer, expected = question.get("answer"), question.get("expected")
    chance = _numbers([question.get("probability")], 1)
    told = [str(question.get("skill", ""))]
    if answer is None:
        told.append(str(question.get("reason") or "not answered"))
    else:
        told.append(f"said {answer}" if answer == expected else f"said {answer}, right is {expected}")
    told += [f"{chance[0]:.0%} for {expected}"] if chance else []
    told += ["asked as a control"] if question.get("control") else []
    told += ["does not count: what it rests on is wrong"] if str(question.get("id")) in blocked else []
    aside = " · ".join(part for part in told if part)
    return _item(_verdict(question, blocked), str(question.get("text", "")), aside)


def _skills(detail: Detail) -> str:
    skills = detail.get("skills")
    rows = []
    for name, of_skill in skills.items() if isinstance(skills, Mapping) else ():
        mean = _numbers([of_skill.get("mean")], 1) if isinstance(of_skill, Mapping) else None
        rows += [f"<li>{escape(str(name))} <b>{mean[0]:.2f}</b></li>"] if mean else []
    return f'<ul class="x-chips">{"".join(rows)}</ul>' if rows else ""


def _item(verdict: str, text: str, aside: str = "") -> str:
    """A line with a mark that also says what it means to those who do not see it."""
    mark, word = {"right": ("✓", "Right"), "wrong": ("✗", "Wrong")}.get(verdict, ("–", "Not answered"))
    small = f" <small>{escape(aside)}</small>" if aside else ""
    return (
        f'<li class="x-is-{verdict}"><i role="img" aria-label="{word}">{mark}</i>'
        f"<span>{escape(text)}{small}</span></li>"
    )


def _list(value: Any) -> list[Detail]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _numbers(value: Any, count: int) -> list[float] | None:
    """So many finite numbers; None where that is not what it is."""
    parts: Iterable[Any] = value if isinstance(value, list | tuple) else ()
    found = [float(part) for part in parts if isinstance(part, int | float) and isfinite(part)]
    return found if len(found) == count and len(found) == len(list(parts)) else None
